/**
 * A real proxy (Envoy, or ours) whose every part has a name and metadata, with a probe (property-probe.ts) among its
 * filters, and one request through it.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import {
  address,
  anyHost,
  fileLog,
  httpListener,
  ROUTER,
  tcpListener,
  type Yaml,
  type YamlMap,
} from "./bootstrap.ts";
import { freePorts, temporaryFolder } from "./child-process.ts";
import type { ProxyStarter } from "./filtered-proxy.ts";
import { binaryOf } from "./guest.ts";
import { type Found, findings, propertyProbe } from "./property-probe.ts";

/** Metadata whose values are of every sort; `name` says whose it is. */
function metadata(name: string): YamlMap {
  const values: YamlMap = {
    name,
    number: 1.5,
    yes: true,
    nothing: null,
    list: ["a", { b: 2 }],
    deep: { a: { b: "é" } },
    "with.dot": "dotted",
  };
  return { filter_metadata: { "of.test": values as Yaml, other: {} } };
}

/** What stands between the client and the origin. */
export type ProbedKind = "http" | "tcp";

function wasmFilter(kind: ProbedKind, file: string): YamlMap {
  const place = kind === "http" ? "http" : "network";
  return {
    name: "probe",
    typed_config: {
      "@type": `type.googleapis.com/envoy.extensions.filters.${place}.wasm.v3.Wasm`,
      config: {
        name: "probe",
        root_id: "root",
        vm_config: {
          vm_id: "vm",
          runtime: "envoy.wasm.runtime.v8",
          code: { local: { filename: file } },
        },
      },
    },
  };
}

export interface Probed {
  /** By "<callback> <path>". */
  readonly found: Map<string, Found>;
  /** The access log's line, or "". */
  readonly line: string;
}

/** Sends one request through the proxy, on a connection of its own, and returns what the probe found; null if the proxy is not installed. */
export async function probe(
  start: ProxyStarter,
  paths: readonly string[],
  callbacks: readonly string[],
  format: string,
  kind: ProbedKind = "http",
): Promise<Probed | null> {
  const folder = temporaryFolder();
  const module = join(folder.path, "probe.wasm");
  const log = join(folder.path, "access.log");
  writeFileSync(module, binaryOf(propertyProbe(paths, callbacks)));
  const [listener, ready, origin] = await freePorts(3);
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => response.writeHead(200, { "x-a": ["1", "2"] }).end("hello"));
  });
  await new Promise<void>((resolve) => server.listen(origin, "127.0.0.1", resolve));
  // Whether it is up is asked elsewhere: the probe is to see one connection.
  const up = httpListener("ready", ready, {
    route_config: anyHost("ready", [{ match: { prefix: "/" }, direct_response: { status: 200 } }]),
  });
  const logs = [fileLog(log, { log_format: { text_format_source: { inline_string: `${format}\n` } } })];
  const probed = (kind === "http" ? overHttp : overTcp)(listener, wasmFilter(kind, module), logs);
  const proxy = await start(bootstrapOf([probed, up], origin), ready);
  try {
    if (proxy === null) return null;
    await ask(`http://127.0.0.1:${listener}/a/b?c=d`);
    const last = `${callbacks.at(-1)} ${paths.at(-1)}`;
    let found = new Map<string, Found>();
    for (let i = 0; i < 100 && !found.has(last); i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      found = findings(proxy.program.output(), paths);
    }
    let line = "";
    for (let i = 0; i < 100 && line === ""; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (existsSync(log)) line = readFileSync(log, "utf8");
    }
    return { found, line };
  } finally {
    await proxy?.stop();
    server.closeAllConnections();
    server.close();
    folder.remove();
  }
}

/** Asks as soon as somebody listens. */
async function ask(url: string): Promise<void> {
  const headers = { "x-two": "1", "user-agent": "probe", connection: "close" };
  for (let left = 100; ; left--) {
    try {
      const response = await fetch(url, { method: "POST", body: "abc", headers });
      await response.text();
      return;
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

const DESCRIBED: YamlMap = { traffic_direction: "INBOUND", metadata: metadata("listener") };

function overTcp(port: number, filter: YamlMap, access_log: readonly YamlMap[]): YamlMap {
  const listener = tcpListener("web", port, { cluster: "app", access_log });
  const [{ filters }] = listener.filter_chains as readonly [{ filters: readonly YamlMap[] }];
  return { ...listener, ...DESCRIBED, filter_chains: [{ name: "chain", filters: [filter, ...filters] }] };
}

function overHttp(port: number, filter: YamlMap, access_log: readonly YamlMap[]): YamlMap {
  const listener = httpListener(
    "web",
    port,
    {
      http_filters: [filter, ROUTER],
      access_log,
      route_config: {
        name: "routes",
        virtual_hosts: [
          {
            name: "host",
            domains: ["*"],
            metadata: metadata("host"),
            routes: [
              {
                name: "route",
                match: { prefix: "/" },
                metadata: metadata("route"),
                route: { cluster: "app" },
              },
            ],
          },
        ],
      },
    },
    DESCRIBED,
  );
  const [chain] = listener.filter_chains as readonly YamlMap[];
  return { ...listener, filter_chains: [{ ...chain, name: "chain" }] };
}

function bootstrapOf(listeners: readonly YamlMap[], origin: number): YamlMap {
  return {
    node: {
      id: "node-1",
      cluster: "nodes",
      locality: { region: "r", zone: "z", sub_zone: "s" },
      metadata: { NAMESPACE: "shop", LABELS: { app: "a" } },
    },
    static_resources: {
      listeners,
      clusters: [
        {
          name: "app",
          type: "STATIC",
          metadata: metadata("cluster"),
          load_assignment: {
            cluster_name: "app",
            endpoints: [
              {
                locality: { region: "r1", zone: "z1", sub_zone: "s1" },
                metadata: metadata("locality"),
                lb_endpoints: [{ endpoint: { address: address(origin) }, metadata: metadata("endpoint") }],
              },
            ],
          },
        },
      ],
    },
  };
}
