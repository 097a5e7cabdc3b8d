/**
 * Closed-loop load over HTTP/2 by h2load (of nghttp2): connections with several streams each, every stream sending its
 * next request when the last answer is whole. For what wrk is to HTTP/1.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runToEnd } from "./children.ts";
import { versionOf } from "./contestant.ts";
import type { WrkLoad, WrkResult } from "./load-wrk.ts";
import { grpcMessage } from "./upstream.ts";

const CONNECTIONS = 10;
/** Streams of each that are open at once. */
const STREAMS = 10;
/**
 * Uploads of 1 MiB are so many, for each second that was asked for: of those that the end of a time would cut, the proxy has
 * worked for bytes that nobody counts, which may be a tenth of all in a second.
 */
const UPLOADS = 1000;
const LARGE = 1 << 20;

export async function findH2load(): Promise<string | null> {
  return versionOf(["h2load", "--version"], /nghttp2\/(\S+)/);
}

/** Runs the load on `core` to its end. Of its connections, h2load has as many as it always has here. */
export async function loadWithH2load(load: WrkLoad, core: number, folder: string): Promise<WrkResult> {
  const shape = load.http2 ? [`-c${CONNECTIONS}`, `-m${STREAMS}`] : [`-c${load.connections}`, "--h1"];
  const amount = load.bodyBytes < LARGE ? ["-D", `${load.seconds}`] : ["-n", `${UPLOADS * load.seconds}`];
  const argv = ["h2load", "-t1", ...shape, ...amount];
  if (load.grpc) argv.push("-H", "content-type: application/grpc", "-H", "te: trailers");
  if (load.bodyBytes > 0) {
    const body = join(folder, `${load.grpc ? "message" : "body"}-${load.bodyBytes}`);
    writeFileSync(body, load.grpc ? grpcMessage() : Buffer.alloc(load.bodyBytes, "x"));
    argv.push("-d", body);
  }
  const out = await runToEnd(
    [...argv, `${load.tls ? "https" : "http"}://127.0.0.1:${load.port}${load.paths[0]}`],
    core,
    load.seconds,
  );
  return readH2load(out);
}

/** What it says in the end. */
export function readH2load(out: string): WrkResult {
  const finished = /^finished in ([\d.]+)(m?s)/m.exec(out);
  const codes = /^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/m.exec(out);
  const requests = /(\d+) failed, (\d+) errored, (\d+) timeout/.exec(out);
  const traffic = /^traffic: .*\((\d+)\) total/m.exec(out);
  if (finished === null || codes === null || requests === null)
    throw new Error(`h2load did not report: ${out.slice(-300)}`);
  const [answered, moved, refused, broken] = codes.slice(1).map(Number);
  const failed = Number(requests[1]);
  const wrong = moved + refused + broken;
  return {
    requests: answered,
    seconds: finished[2] === "ms" ? Number(finished[1]) / 1000 : Number(finished[1]),
    bytes: Number(traffic?.[1] ?? 0),
    errors: failed + wrong,
    firstError: wrong > 0 ? `${wrong} × status ≥ 300` : failed > 0 ? `${failed} × failed` : "",
  };
}
