/** Our filter in real Envoy beside Envoy's own: the same requests get the same answers. Needs Envoy (ENVOY_BIN). */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { parse } from "yaml";
import { freePorts, temporaryFolder } from "../../support/child-process.ts";
import { shippedFilter } from "../../support/filter-build.ts";
import { ROOT } from "../../support/our-proxy.ts";
import { envoyProgram, type Rival, startEnvoy } from "../../support/rivals.ts";
import { type Ask, type Case, cases, commonToEnvoy } from "./envoy-cases.ts";

const type = (name: string) => `type.googleapis.com/${name}`;
const present = envoyProgram() !== "";
if (!present) console.log("skipped: Envoy is not here (put it on PATH or name it in ENVOY_BIN)");

/** A listener that answers everything itself, after this filter. */
function listener(port: number, filter: object, log: string): object {
  const hcm = {
    "@type": type("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
    stat_prefix: `on_${port}`,
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [
            { match: { prefix: "/" }, direct_response: { status: 200, body: { inline_string: "ok" } } },
          ],
        },
      ],
    },
    http_filters: [
      filter,
      {
        name: "router",
        typed_config: { "@type": type("envoy.extensions.filters.http.router.v3.Router") },
      },
    ],
    access_log: [
      {
        name: "file",
        typed_config: {
          "@type": type("envoy.extensions.access_loggers.file.v3.FileAccessLog"),
          path: log,
          log_format: { text_format_source: { inline_string: "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS%\n" } },
        },
      },
    ],
  };
  return {
    name: `on_${port}`,
    address: { socket_address: { address: "127.0.0.1", port_value: port } },
    filter_chains: [{ filters: [{ name: "hcm", typed_config: hcm }] }],
  };
}

const envoyFilter = ({ envoy }: Case) => ({
  name: "limits",
  typed_config: { ...commonToEnvoy, ...envoy },
});

const ourFilter = ({ name, ours }: Case, module: string) => ({
  name: "limits",
  typed_config: {
    "@type": type("envoy.extensions.filters.http.wasm.v3.Wasm"),
    config: {
      name,
      vm_config: { runtime: "envoy.wasm.runtime.v8", code: { local: { filename: module } } },
      configuration: {
        "@type": type("google.protobuf.StringValue"),
        value: JSON.stringify({ ...ours, stat_prefix: "limits" }),
      },
    },
  },
});

interface Answer {
  readonly status: number;
  readonly headers: { readonly [name: string]: unknown };
  readonly body: string;
}

function ask(port: number, agent: Agent, { path = "/", method = "GET", headers = {} }: Ask): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, method, headers, agent }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
      });
      response.on("end", () => {
        const { date: _, connection: __, "keep-alive": ___, ...headers } = response.headers;
        resolve({ status: response.statusCode ?? 0, headers, body });
      });
    });
    sent.on("error", reject);
    sent.end();
  });
}

async function askAll(port: number, asks: readonly Ask[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (const one of asks) {
    const own = one.fresh ? new Agent({ keepAlive: false }) : agent;
    answers.push(await ask(port, own, one));
  }
  agent.destroy();
  return answers;
}

/** The lines of an access log, once there are so many. */
async function linesOf(log: string, count: number): Promise<string[]> {
  for (let i = 0; i < 200; i++) {
    const lines = existsSync(log) ? readFileSync(log, "utf8").split("\n").slice(0, -1) : [];
    if (lines.length >= count) return lines;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return [];
}

describe.skipIf(!present)("in Envoy, the same answers as of Envoy's own filter", () => {
  const folder = temporaryFolder();
  const logOf = (port: number) => join(folder.path, `${port}.log`);
  let rival: Rival | null = null;
  let ports: number[] = [];
  beforeAll(async () => {
    const module = shippedFilter("ratelimit");
    ports = await freePorts(2 * cases.length + 1);
    const listeners = cases.flatMap((one, i) => [
      listener(ports[2 * i], envoyFilter(one), logOf(ports[2 * i])),
      listener(ports[2 * i + 1], ourFilter(one, module), logOf(ports[2 * i + 1])),
    ]);
    const admin = { address: { socket_address: { address: "127.0.0.1", port_value: ports.at(-1) } } };
    rival = await startEnvoy({ admin, static_resources: { listeners } } as never, ports[0]);
  }, 120_000);
  afterAll(async () => {
    await rival?.stop();
    folder.remove();
  });

  cases.forEach((one, i) => {
    test(one.name, async () => {
      const [theirs, ours] = [ports[2 * i], ports[2 * i + 1]];
      const expected = await askAll(theirs, one.asks);
      expect(await askAll(ours, one.asks)).toEqual(expected);
      const lines = await linesOf(logOf(theirs), one.asks.length);
      expect(await linesOf(logOf(ours), one.asks.length)).toEqual(lines);
      expect(lines).toHaveLength(one.asks.length);
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
      const { body } = await ask(ports.at(-1)!, new Agent(), { path: "/stats" });
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
