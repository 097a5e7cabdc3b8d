/**
 * Our filter in real Envoy beside Envoy's own: the same requests get the same answers. Needs Envoy (ENVOY_BIN). What
 * Envoy's filter did is recorded for sidecar.test.ts, which needs no Envoy: TULLE_RECORD=1 writes it anew.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { Agent } from "node:http";
import { join } from "node:path";
import { parse } from "yaml";
import { address } from "../../support/bootstrap.ts";
import { freePorts, temporaryFolder } from "../../support/child-process.ts";
import { shippedFilter } from "../../support/filter-build.ts";
import { ROOT } from "../../support/our-proxy.ts";
import { envoyProgram, type Rival, startEnvoy } from "../../support/rivals.ts";
import { cases } from "./envoy-cases.ts";
import {
  ask,
  askAll,
  envoyFilter,
  limitedListener,
  ourFilter,
  play,
  RECORD,
  recorded,
  type Seen,
} from "./limit-lab.ts";

const present = envoyProgram() !== "";
if (!present) console.log("skipped: Envoy is not here (put it on PATH or name it in ENVOY_BIN)");

describe.skipIf(!present)("in Envoy, the same answers as of Envoy's own filter", () => {
  const folder = temporaryFolder();
  const logOf = (port: number) => join(folder.path, `${port}.log`);
  const seen: { [name: string]: Seen } = {};
  let rival: Rival | null = null;
  let ports: number[] = [];

  beforeAll(async () => {
    const module = shippedFilter("ratelimit");
    ports = await freePorts(2 * cases.length + 1);
    const listeners = cases.flatMap((one, i) => [
      limitedListener(ports[2 * i], envoyFilter(one), logOf(ports[2 * i])),
      limitedListener(ports[2 * i + 1], ourFilter(one, module), logOf(ports[2 * i + 1])),
    ]);
    const admin = { address: address(ports[2 * cases.length]) };
    rival = await startEnvoy({ admin, static_resources: { listeners } }, ports[0]);
  }, 120_000);

  afterAll(async () => {
    await rival?.stop();
    folder.remove();
    if (process.env.TULLE_RECORD) writeFileSync(RECORD, `${JSON.stringify(seen, null, 1)}\n`);
  });

  cases.forEach((one, i) => {
    test(one.name, async () => {
      const [theirs, ours] = [ports[2 * i], ports[2 * i + 1]];
      const expected = await play(theirs, logOf(theirs), one);
      seen[one.name] = expected;
      expect(expected.log).toHaveLength(one.asks.length);
      expect(await play(ours, logOf(ours), one)).toEqual(expected);
      if (!process.env.TULLE_RECORD) expect(recorded()[one.name]).toEqual(expected);
    });
  });

  test("the example in the docs", async () => {
    const page = readFileSync(join(ROOT, "docs/filters/ratelimit.md"), "utf8");
    const [, example] = /^```yaml\n([\s\S]*?)^```/m.exec(page) ?? ["", ""];
    shippedFilter("ratelimit");
    const [port] = await freePorts(1);
    const bootstrap = parse(example.replace("10080", `${port}`));
    const envoy = await startEnvoy(bootstrap, port);
    const answers = await askAll(port, [{}, {}, {}, {}]);
    await envoy?.stop();
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(answers[3].headers).toMatchObject({ "x-ratelimit-limit": "3", "x-ratelimit-remaining": "0" });
  }, 30_000);

  test("and the same counters", async () => {
    const counters = async (prefix: string) => {
      const { body } = await ask(ports[2 * cases.length], new Agent(), { path: "/stats" });
      return ["enabled", "ok", "rate_limited", "enforced"].map((name) =>
        Number(
          new RegExp(`^${prefix}limits\\.http_local_rate_limit\\.${name}: (\\d+)$`, "m").exec(body)?.[1],
        ),
      );
    };
    const expected = await counters("");
    let got: number[] = [];
    // Ours are told once a second.
    for (let i = 0; i < 100 && String(got) !== String(expected); i++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      got = await counters("wasmcustom\\.");
    }
    expect(got).toEqual(expected);
    expect(expected[3]).toBeGreaterThan(10);
  });
});
