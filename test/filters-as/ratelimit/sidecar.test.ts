/** The filter in our proxy, on each runtime: the answers that Envoy's own filter gives, and one limit for all workers. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { freePorts, temporaryFolder } from "../../support/child-process.ts";
import { shippedFilter } from "../../support/filter-build.ts";
import { type OurProxy, RUNTIMES, startTulle } from "../../support/our-proxy.ts";
import { type Ask, cases } from "./envoy-cases.ts";
import { askAll, limitedListener, ourFilter, play, recorded, type Seen } from "./limit-lab.ts";

const expected = recorded();
const fresh = (count: number): Ask[] => Array.from({ length: count }, () => ({ fresh: true }));

describe.each([...RUNTIMES])("ratelimit in our proxy on %s", (runtime) => {
  const folder = temporaryFolder();
  const logOf = (port: number) => join(folder.path, `${port}.log`);
  let proxy: OurProxy;
  let ports: number[];
  let seen: Seen[];

  beforeAll(async () => {
    const module = shippedFilter("ratelimit");
    ports = await freePorts(cases.length + 1);
    const shared = {
      name: "shared",
      ours: { token_bucket: { max_tokens: 7, fill_interval: "3000s" } },
    };
    const listeners = [...cases, shared].map((one, i) =>
      limitedListener(ports[i], ourFilter(one, module), logOf(ports[i])),
    );
    proxy = await startTulle({ static_resources: { listeners } }, ports[cases.length], runtime, [
      "--concurrency",
      "2",
    ]);
    // All at once: each waits a second for its log.
    seen = await Promise.all(cases.map((one, i) => play(ports[i], logOf(ports[i]), one)));
  }, 120_000);

  afterAll(async () => {
    await proxy?.stop();
    folder.remove();
  });

  test.each(cases.map((one, i) => [one.name, i] as const))("%s", (name, i) => {
    expect(seen[i]).toEqual(expected[name]);
  });

  test("two workers, many connections, one bucket", async () => {
    const answers = await askAll(ports[cases.length], fresh(40));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(7);
  });
});
