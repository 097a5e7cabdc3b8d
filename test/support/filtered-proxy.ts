/**
 * A real proxy (Envoy, or ours) with WASM filters before an origin that answers with what it saw: one listener for
 * each chain of filters. Requests are written as bytes, so repeated headers and odd values go through as they are.
 */
import { createServer, type Server, type Socket, connect as tcpConnect } from "node:net";
import type { HeaderList } from "../../runtime-adapters/filter-tool/scripted-host/fake-stream.ts";
import {
  anyHost,
  bootstrap,
  httpListener,
  ROUTER,
  staticCluster,
  toCluster,
  type YamlMap,
} from "./bootstrap.ts";
import { freePorts } from "./child-process.ts";
import { readRequest, readResponse } from "./wire-reader.ts";

/** A module with its configuration, for `FilteredProxy.start`. */
export interface WasmFilter {
  readonly module: string;
  /** Text as it is, anything else as JSON. */
  readonly configuration: unknown;
  readonly rootId?: string;
}

export interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: HeaderList;
  readonly body?: string;
  /** What the origin answers; 200 with no headers of its own. */
  readonly answer?: { readonly status: number; readonly headers?: HeaderList };
}

export interface Answer {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: string;
  /** What reached the origin; null if nothing did. */
  readonly seen: {
    readonly method: string;
    readonly path: string;
    readonly headers: HeaderList;
    readonly body: string;
  } | null;
}

interface Started {
  readonly program: { output(): string };
  stop(): Promise<void>;
}

/** Starts a proxy from a bootstrap and resolves when the port accepts; null if it is not installed. */
export type ProxyStarter = (bootstrap: YamlMap, port: number) => Promise<Started | null>;

export class FilteredProxy {
  private readonly ports: readonly number[];
  private readonly origin: Server;
  private readonly proxy: Started;
  private readonly plans = new Map<string, Ask>();
  private readonly seen = new Map<string, Answer["seen"]>();
  private asked = 0;

  private constructor(ports: readonly number[], origin: Server, proxy: Started) {
    this.ports = ports;
    this.origin = origin;
    this.proxy = proxy;
  }

  /** Null if the proxy is not installed. Throws with its output if it refuses the filters. */
  static async start(
    chains: readonly (readonly WasmFilter[])[],
    startProxy: ProxyStarter,
  ): Promise<FilteredProxy | null> {
    const [admin, originPort, ...ports] = await freePorts(chains.length + 2);
    const origin = createServer();
    await new Promise<void>((resolve) => origin.listen(originPort, "127.0.0.1", resolve));
    const listeners = chains.map((chain, i) =>
      httpListener(`listener_${i}`, ports[i], {
        http_filters: [...chain.map((filter, j) => wasmFilter(`filter_${i}_${j}`, filter)), ROUTER],
        route_config: anyHost("routes", [toCluster("origin")]),
      }),
    );
    const file = bootstrap(listeners, [staticCluster("origin", [originPort])], admin);
    let proxy: Started | null = null;
    try {
      proxy = await startProxy(file, ports[0]);
    } finally {
      if (proxy === null) origin.close();
    }
    if (proxy === null) return null;
    const filtered = new FilteredProxy(ports, origin, proxy);
    origin.on("connection", (socket) => filtered.serve(socket));
    return filtered;
  }

  /** Sends a request through the chain of this number. */
  async ask(chain: number, ask: Ask): Promise<Answer> {
    const id = `ask-${++this.asked}`;
    this.plans.set(id, ask);
    const { method = "GET", path = "/", headers = [], body = "" } = ask;
    const lines = [
      `${method} ${path} HTTP/1.1`,
      "host: example",
      `x-ask: ${id}`,
      ...headers.map(([name, value]) => `${name}: ${value}`),
      ...(body === "" ? [] : [`content-length: ${body.length}`]),
      "connection: close",
    ];
    const raw = await exchange(this.ports[chain], `${lines.join("\r\n")}\r\n\r\n${body}`);
    const response = readResponse(raw, 0, method, true);
    if (response === null || response.defects.length > 0) {
      throw new Error(`not a clean response: ${JSON.stringify(raw)}`);
    }
    return {
      status: response.status,
      headers: response.fields.map(([name, value]): [string, string] => [name, value]),
      body: response.body,
      seen: this.seen.get(id) ?? null,
    };
  }

  private serve(socket: Socket): void {
    let raw = "";
    socket.setEncoding("latin1");
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk) => {
      raw += chunk;
      const request = readRequest(raw, 0);
      if (request === null || !request.complete) return;
      raw = raw.slice(request.end);
      const fields = request.fields.map(([name, value]): [string, string] => [name, value]);
      const id = fields.find(([name]) => name === "x-ask")?.[1] ?? "";
      this.seen.set(id, {
        method: request.method,
        path: request.target,
        headers: fields.filter(([name]) => name !== "x-ask"),
        body: request.body,
      });
      const { status = 200, headers = [] } = this.plans.get(id)?.answer ?? {};
      const lines = [`HTTP/1.1 ${status} X`, "content-length: 2", ...headers.map((pair) => pair.join(": "))];
      socket.write(`${lines.join("\r\n")}\r\n\r\nok`, "latin1");
    });
  }

  /** What the proxy printed so far. */
  output(): string {
    return this.proxy.program.output();
  }

  async stop(): Promise<void> {
    await this.proxy.stop();
    this.origin.close();
  }
}

function wasmFilter(name: string, { module, configuration, rootId = "" }: WasmFilter): YamlMap {
  const text = typeof configuration === "string" ? configuration : JSON.stringify(configuration);
  return {
    name,
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
      config: {
        name,
        root_id: rootId,
        configuration: { "@type": "type.googleapis.com/google.protobuf.StringValue", value: text },
        vm_config: { runtime: "envoy.wasm.runtime.v8", code: { local: { filename: module } } },
      },
    },
  };
}

/** All bytes that come back until the other side closes. */
function exchange(port: number, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = tcpConnect({ host: "127.0.0.1", port });
    let raw = "";
    socket.setEncoding("latin1");
    socket.on("connect", () => socket.write(request, "latin1"));
    socket.on("data", (chunk) => {
      raw += chunk;
    });
    socket.on("end", () => {
      socket.end();
      resolve(raw);
    });
    socket.on("error", reject);
  });
}
