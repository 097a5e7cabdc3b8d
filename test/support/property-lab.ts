/**
 * A real proxy (Envoy, or ours) whose every part has a name and metadata, with a probe (property-probe.ts) among its
 * filters, and one request through it.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { address, fileLog, httpListener, ROUTER, type Yaml, type YamlMap } from "./bootstrap.ts";
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

function wasmFilter(file: string): YamlMap {
  return {
    name: "probe",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
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

/** Sends one request through the proxy and returns what the probe found; null if the proxy is not installed. */
export async function probe(
  start: ProxyStarter,
  paths: readonly string[],
  callbacks: readonly string[],
  format: string,
): Promise<Probed | null> {
  const folder = temporaryFolder();
  const module = join(folder.path, "probe.wasm");
  const log = join(folder.path, "access.log");
  writeFileSync(module, binaryOf(propertyProbe(paths, callbacks)));
  const [listener, origin] = await freePorts(2);
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => response.writeHead(200, { "x-a": ["1", "2"] }).end("hello"));
  });
  await new Promise<void>((resolve) => server.listen(origin, "127.0.0.1", resolve));
  const proxy = await start(bootstrapOf(module, log, format, listener, origin), listener);
  try {
    if (proxy === null) return null;
    await fetch(`http://127.0.0.1:${listener}/a/b?c=d`, {
      method: "POST",
      body: "abc",
      headers: { "x-two": "1" },
    }).then((response) => response.text());
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

function bootstrapOf(module: string, log: string, format: string, port: number, origin: number): YamlMap {
  const listener = httpListener(
    "web",
    port,
    {
      http_filters: [wasmFilter(module), ROUTER],
      access_log: [fileLog(log, { log_format: { text_format_source: { inline_string: `${format}\n` } } })],
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
    { traffic_direction: "INBOUND", metadata: metadata("listener") },
  );
  const [chain] = listener.filter_chains as readonly YamlMap[];
  return {
    node: {
      id: "node-1",
      cluster: "nodes",
      locality: { region: "r", zone: "z", sub_zone: "s" },
      metadata: { NAMESPACE: "shop", LABELS: { app: "a" } },
    },
    static_resources: {
      listeners: [{ ...listener, filter_chains: [{ ...chain, name: "chain" }] }],
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
