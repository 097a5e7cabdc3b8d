/**
 * A real proxy (Envoy, or ours) with one listener for each guest, whose gRPC calls go to a server that answers as the
 * called method says; what the guests say about it is returned.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer as createHttp1 } from "node:http";
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { join } from "node:path";
import type { CompiledModule } from "../../filters/wasm/compiled-module.ts";
import {
  anyHost,
  httpListener,
  ROUTER,
  staticCluster,
  upstreamHttp2,
  wasmFilter,
  type YamlMap,
} from "./bootstrap.ts";
import { freePorts, temporaryFolder } from "./child-process.ts";
import type { ProxyStarter } from "./filtered-proxy.ts";
import { binaryOf } from "./guest.ts";

const GRPC = { "content-type": "application/grpc" } as const;

/** A message with its prefix. */
export function framed(text: string, flag = 0, length = text.length): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, Buffer.from(text, "latin1")]);
}

/** What each method answers. */
const METHODS: { readonly [name: string]: (stream: ServerHttp2Stream) => void } = {
  ok: (stream) => answer(stream, [framed("yes")], { "grpc-status": "0", "x-t": "1" }),
  two: (stream) => answer(stream, [framed("one"), framed("two")], { "grpc-status": "0" }),
  none: (stream) => answer(stream, [], { "grpc-status": "0" }),
  empty: (stream) => answer(stream, [framed("")], { "grpc-status": "0" }),
  failed: (stream) => answer(stream, [framed("yes")], { "grpc-status": "5", "grpc-message": "not%20here" }),
  odd: (stream) => answer(stream, [framed("yes")], { "grpc-status": "77" }),
  garbled: (stream) => answer(stream, [framed("yes")], { "grpc-status": "x" }),
  statusless: (stream) => answer(stream, [framed("yes")], { "x-t": "1" }),
  trailerless: (stream) => {
    stream.respond({ ":status": 200, ...GRPC });
    stream.end(framed("yes"));
  },
  only: (stream) =>
    stream.respond(
      { ":status": 200, ...GRPC, "grpc-status": "7", "grpc-message": "no%20way", "x-h": "1" },
      { endStream: true },
    ),
  only_statusless: (stream) => stream.respond({ ":status": 200, ...GRPC }, { endStream: true }),
  http503: (stream) => {
    stream.respond({ ":status": 503, "content-type": "text/plain" });
    stream.end("busy");
  },
  http503_only: (stream) => stream.respond({ ":status": 503, "grpc-status": "9" }, { endStream: true }),
  http404: (stream) => stream.respond({ ":status": 404 }, { endStream: true }),
  compressed: (stream) => answer(stream, [framed("yes", 1)], { "grpc-status": "0" }),
  compressed_empty: (stream) => answer(stream, [framed("", 1)], { "grpc-status": "0" }),
  flagged: (stream) => answer(stream, [framed("yes", 2)], { "grpc-status": "0" }),
  partial: (stream) => answer(stream, [framed("yes", 0, 10)], { "grpc-status": "0" }),
  reset: (stream) => stream.close(2),
  refused: (stream) => stream.close(7),
  reset_later: (stream) => {
    stream.respond({ ":status": 200, ...GRPC });
    stream.write(framed("yes"));
    setTimeout(() => stream.close(2), 50);
  },
  silent: () => undefined,
  echo: (stream) => {
    stream.respond({ ":status": 200, ...GRPC }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.on("data", (bytes) => stream.write(bytes));
    stream.on("end", () => stream.end());
  },
};

function answer(stream: ServerHttp2Stream, messages: readonly Buffer[], trailers: YamlMap): void {
  stream.respond({ ":status": 200, ...GRPC, "x-h": "1" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers as { [name: string]: string }));
  for (const message of messages) stream.write(message);
  stream.end();
}

/** What came of one case. */
export interface Outcome {
  /** By the guest. */
  readonly said: readonly string[];
  /** By the server: fields in order of their names, then what was sent, and "|" at its end. */
  readonly heard: readonly string[];
}

export interface GrpcCase {
  readonly guest: CompiledModule;
  /** Lines until the case is over. */
  readonly lines: number;
}

/** Sends one request to each guest, and listens until each has said its lines; null if the proxy is not installed. */
export async function grpcLab(
  start: ProxyStarter,
  cases: { readonly [name: string]: GrpcCase },
): Promise<Map<string, Outcome> | null> {
  const folder = temporaryFolder();
  mkdirSync(folder.path, { recursive: true });
  const names = Object.keys(cases);
  const ports = await freePorts(names.length + 3);
  const [server, plain, dead] = ports;
  const heard: string[] = [];
  const http2 = createServer();
  http2.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on("error", () => undefined);
    const path = String(headers[":path"]);
    const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    const at = heard.push(`${fields.sort().join("; ")} |`) - 1;
    stream.on("data", (bytes: Buffer) => {
      heard[at] += bytes.toString("latin1");
    });
    stream.on("end", () => {
      heard[at] += "|";
    });
    METHODS[path.slice(path.lastIndexOf("/") + 1)]?.(stream);
  });
  const http1 = createHttp1((request, response) => {
    heard.push(`HTTP/${request.httpVersion} ${request.method} ${request.url}`);
    request.resume();
    request.on("end", () => {
      response.writeHead(200, { ...GRPC, trailer: "grpc-status" });
      response.write(framed("yes"));
      response.addTrailers({ "grpc-status": "0" });
      response.end();
    });
  });
  await new Promise<void>((done) => http2.listen(server, "127.0.0.1", done));
  await new Promise<void>((done) => http1.listen(plain, "127.0.0.1", done));
  const listeners = names.map((name, i) => {
    const file = join(folder.path, `${i}.wasm`);
    writeFileSync(file, binaryOf(cases[name].guest));
    return httpListener(name, ports[i + 3], {
      http_filters: [wasmFilter(name, file), ROUTER],
      route_config: anyHost(name, [{ match: { prefix: "/" }, direct_response: { status: 200 } }]),
    });
  });
  const bootstrap: YamlMap = {
    static_resources: {
      listeners,
      clusters: [
        staticCluster("grpc", [server], upstreamHttp2()),
        staticCluster("plain", [plain]),
        staticCluster("dead", [dead], upstreamHttp2()),
        staticCluster("nobody", [], upstreamHttp2()),
      ],
    },
  };
  const proxy = await start(bootstrap, ports[ports.length - 1]);
  try {
    if (proxy === null) return null;
    const outcomes = new Map<string, Outcome>();
    for (const [i, name] of names.entries()) {
      const before = proxy.program.output().length;
      await fetch(`http://127.0.0.1:${ports[i + 3]}/`);
      const lines = (): string[] =>
        proxy.program
          .output()
          .slice(before)
          .split("\n")
          .flatMap((line) => (/said (.*)$/.exec(line) ?? []).slice(1));
      for (let left = 200; left > 0 && lines().length < cases[name].lines; left--) await pause(10);
      await pause(20); // what is under way to the server belongs to this case
      outcomes.set(name, { said: lines(), heard: heard.splice(0) });
    }
    return outcomes;
  } finally {
    await proxy?.stop();
    http2.close();
    http1.closeAllConnections();
    http1.close();
    folder.remove();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
