/**
 * Closed-loop load by wrk: 50 connections, each sending its next request when the last answer is whole. It finds the
 * throughput and keeps the proxy busy while its CPU time is taken. Its latencies are those of a proxy driven at its limit
 * and say little about a proxy in service; the open-loop program is for that.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runToEnd } from "./children.ts";
import { versionOf } from "./contestant.ts";

export interface WrkLoad {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  readonly method: "GET" | "POST";
  /** Sent in turn, one after the other. */
  readonly paths: readonly string[];
  /** Bytes of the request body; 0 for none. */
  readonly bodyBytes: number;
  /** Ask for `Connection: close`, so that every request needs a new connection. */
  readonly newConnections: boolean;
  /** It goes over HTTP/2, or over TLS: h2load does it. */
  readonly http2?: boolean;
  readonly tls?: boolean;
  /** The body is a message of gRPC, `bodyBytes` with its header. */
  readonly grpc?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  /** A header of which the values go round. */
  readonly keys?: WalkingKeys;
}

/** `key-<number>`, from `from` up and below `count`, then from 0 again. */
export interface WalkingKeys {
  readonly header: string;
  readonly count: number;
  readonly from: number;
}

export interface WrkResult {
  readonly requests: number;
  readonly seconds: number;
  /** Bytes that wrk received. */
  readonly bytes: number;
  /** Broken connections, timeouts and answers of 400 and above. */
  readonly errors: number;
  readonly firstError: string;
}

export async function findWrk(): Promise<string | null> {
  return versionOf(["wrk", "-v"], /wrk \S*?(\d\S*)/);
}

/** Runs the load on `core` to its end. */
export async function loadWithWrk(load: WrkLoad, core: number, folder: string): Promise<WrkResult> {
  const script = join(folder, "load.lua");
  writeFileSync(script, luaOf(load));
  const argv = [
    "wrk",
    "-t1",
    `-c${load.connections}`,
    `-d${load.seconds}s`,
    "--timeout",
    "10s",
    "-s",
    script,
  ];
  const out = await runToEnd([...argv, `http://127.0.0.1:${load.port}${load.paths[0]}`], core, load.seconds);
  return readWrk(out);
}

/** The last line of the script's output, as `luaOf` prints it. */
export function readWrk(out: string): WrkResult {
  const line = /^bench (.*)$/m.exec(out);
  if (line === null) throw new Error(`wrk did not report: ${out.slice(-300)}`);
  const [requests, microseconds, bytes, connect, read, write, status, timeout] = line[1]
    .split(" ")
    .map(Number);
  const kinds = { connect, read, write, "status ≥ 400": status, timeout };
  const seen = Object.entries(kinds).filter(([, count]) => count > 0);
  return {
    requests,
    seconds: microseconds / 1e6,
    bytes,
    errors: connect + read + write + status + timeout,
    firstError: seen.map(([kind, count]) => `${count} × ${kind}`).join(", "),
  };
}

function luaOf(load: WrkLoad): string {
  const lines = [`wrk.method = "${load.method}"`];
  if (load.bodyBytes > 0) lines.push(`wrk.body = string.rep("x", ${load.bodyBytes})`);
  if (load.newConnections) lines.push(`wrk.headers["Connection"] = "close"`);
  for (const [name, value] of Object.entries(load.headers ?? {}))
    lines.push(`wrk.headers["${name}"] = "${value}"`);
  if (load.keys) {
    const { header, count, from } = load.keys;
    lines.push(
      `local before, after, turn, key = {}, {}, 0, ${from}`,
      `local paths = { ${load.paths.map((path) => `"${path}"`).join(", ")} }`,
      "init = function()",
      `  wrk.headers["${header}"] = "key-@"`,
      "  for i, path in ipairs(paths) do",
      "    local text = wrk.format(nil, path)",
      '    local at = string.find(text, "key-@", 1, true)',
      "    before[i], after[i] = string.sub(text, 1, at + 3), string.sub(text, at + 5)",
      "  end",
      "end",
      "request = function()",
      `  turn, key = turn % ${load.paths.length} + 1, (key + 1) % ${count}`,
      "  return before[turn] .. key .. after[turn]",
      "end",
    );
  } else if (load.paths.length > 1) {
    // Formatted once: the load must not cost more for a large table than for a small one.
    lines.push(
      "local requests, turn = {}, 0",
      "init = function()",
      ...load.paths.map((path, i) => `  requests[${i + 1}] = wrk.format(nil, "${path}")`),
      "end",
      `request = function() turn = turn % ${load.paths.length} + 1; return requests[turn] end`,
    );
  }
  lines.push(
    "done = function(s, latency, requests)",
    "  local e = s.errors",
    '  print(string.format("bench %d %d %d %d %d %d %d %d", s.requests, s.duration, s.bytes,',
    "    e.connect, e.read, e.write, e.status, e.timeout))",
    "end",
  );
  return `${lines.join("\n")}\n`;
}
