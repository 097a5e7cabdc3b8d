/**
 * The open-loop load program: sends requests at fixed, evenly spaced moments over a few connections and measures each
 * from the moment it was *meant* to leave, so that a proxy that stalls pays for every request that had to wait.
 *
 *   bun open-loop.ts '{"port":…,"rate":1000,"connections":8,"seconds":10,"warmup":1,"path":"/","bodyLength":65}'
 *
 * A request that is due waits for a free connection (no pipelining); the wait counts. Prints one line of JSON
 * (`OpenLoopResult`). Its own lateness (due moment to send, with a connection free) is in the result too.
 */
import { ptr } from "bun:ffi";
import { Histogram } from "./histogram.ts";
import {
  connectLoopback,
  EAGAIN,
  errno,
  libc,
  MSG_NOSIGNAL,
  nowNs,
  POLLIN,
  POLLOUT,
  pinned,
  wantPreciseTimers,
} from "./libc.ts";
import { ResponseReader } from "./response-reader.ts";

export interface OpenLoopOptions {
  readonly port: number;
  /** Requests per second. */
  readonly rate: number;
  readonly connections: number;
  /** Measured time, after `warmup` seconds of the same load. */
  readonly seconds: number;
  readonly warmup: number;
  readonly path: string;
  /** Every response must be a 200 with a body of this many bytes. */
  readonly bodyLength: number;
}

/** A time in which answers were late by more than `STALL_MS`. */
export interface Stall {
  /** Milliseconds after the measured time began. */
  readonly at: number;
  readonly ms: number;
}

/** Milliseconds everywhere. */
export interface OpenLoopResult {
  readonly requests: number;
  readonly errors: number;
  readonly firstError: string;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** How late the program itself was. */
  readonly lateP50: number;
  readonly lateP99: number;
  readonly lateMax: number;
  readonly stalls: readonly Stall[];
}

const STALL_MS = 5;
const DRAIN_NS = 5e9;

class Connection {
  fd = -1;
  /** Moment (ns) at which the request in flight was meant to leave, or -1 when free. */
  meant = -1;
  readonly reader = new ResponseReader();
}

/** Runs the load to its end; blocks the thread. */
export function openLoop(options: OpenLoopOptions): OpenLoopResult {
  wantPreciseTimers();
  const request = Buffer.from(
    `GET ${options.path} HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: open-loop\r\n\r\n`,
  );
  const requestAt = ptr(request);
  const chunk = new Uint8Array(pinned(65536));
  const chunkAt = ptr(chunk);
  const connections = Array.from({ length: options.connections }, () => new Connection());
  const polls = new Int32Array(pinned(options.connections * 8)); // struct pollfd: int fd; short events; short revents
  const pollsAt = ptr(polls);
  const timeout = new BigInt64Array(pinned(16));
  const timeoutAt = ptr(timeout);

  const latencies = new Histogram();
  const lateness = new Histogram();
  const stalls: { at: number; ms: number }[] = [];
  let stallEnds = -1;
  let errors = 0;
  let firstError = "";

  const fail = (why: string) => {
    errors++;
    if (firstError === "") firstError = why;
  };
  const open = (connection: Connection, index: number) => {
    connection.fd = connectLoopback(options.port);
    if (connection.fd < 0) throw new Error(`cannot connect to 127.0.0.1:${options.port} (errno ${errno()})`);
    polls[index * 2] = connection.fd;
    polls[index * 2 + 1] = POLLOUT;
    if (libc.ppoll(pollsAt + index * 8, 1, 0, 0) !== 1) throw new Error("connect did not finish");
    polls[index * 2 + 1] = POLLIN;
  };
  connections.forEach(open);

  const interval = 1e9 / options.rate;
  const start = nowNs() + interval;
  const measuredFrom = start + options.warmup * 1e9;
  const total = Math.round((options.warmup + options.seconds) * options.rate);
  const lastChance = start + total * interval + DRAIN_NS;
  let sent = 0;
  let free = connections.length;
  let freeSince = start; // since when there is a free connection
  let next = 0; // round robin over the free connections

  const finish = (connection: Connection, now: number, ok: boolean) => {
    const { meant } = connection;
    connection.meant = -1;
    if (free++ === 0) freeSince = now;
    if (meant < measuredFrom) return;
    if (!ok) return;
    const latency = now - meant;
    latencies.record(latency);
    if (latency > STALL_MS * 1e6) {
      if (meant <= stallEnds) {
        const stall = stalls[stalls.length - 1];
        if (latency / 1e6 > stall.ms) stall.ms = latency / 1e6;
      } else {
        stalls.push({ at: (meant - measuredFrom) / 1e6, ms: latency / 1e6 });
      }
      if (now > stallEnds) stallEnds = now;
    }
  };

  const receive = (connection: Connection, index: number) => {
    const n = libc.recv(connection.fd, chunkAt, chunk.length, 0);
    if (n < 0 && errno() === EAGAIN) return;
    const state = n > 0 ? connection.reader.take(chunk, n) : -1;
    if (state === 0) return;
    const { reader } = connection;
    const ok = state === 1 && reader.status === 200 && reader.bodyLength === options.bodyLength;
    if (!ok) {
      fail(n > 0 ? `status ${reader.status}, body of ${reader.bodyLength} bytes` : "connection closed");
      libc.close(connection.fd);
      open(connection, index);
    }
    if (connection.meant >= 0) finish(connection, nowNs(), ok);
  };

  while (sent < total || free < connections.length) {
    let now = nowNs();
    if (now > lastChance) break;
    while (sent < total && free > 0) {
      const meant = start + sent * interval;
      if (meant > now) break;
      while (connections[next].meant >= 0) next = (next + 1) % connections.length;
      const connection = connections[next];
      next = (next + 1) % connections.length;
      if (meant >= measuredFrom) lateness.record(now - Math.max(meant, freeSince));
      connection.meant = meant;
      free--;
      sent++;
      if (libc.send(connection.fd, requestAt, request.length, MSG_NOSIGNAL) !== request.length) {
        fail("send failed");
        finish(connection, now, false);
      }
      now = nowNs();
    }
    const due = sent < total && free > 0 ? start + sent * interval : lastChance;
    const wait = Math.max(0, due - now);
    timeout[0] = BigInt(Math.floor(wait / 1e9));
    timeout[1] = BigInt(Math.floor(wait % 1e9));
    if (libc.ppoll(pollsAt, connections.length, timeoutAt, 0) > 0) {
      for (let i = 0; i < connections.length; i++) {
        if (polls[i * 2 + 1] >>> 16 !== 0) receive(connections[i], i);
      }
    }
  }
  for (const connection of connections) {
    if (connection.meant >= 0) fail("no answer");
    libc.close(connection.fd);
  }
  const ms = (histogram: Histogram, fraction: number) => histogram.quantile(fraction) / 1e6;
  return {
    requests: latencies.count,
    errors,
    firstError,
    p50: ms(latencies, 0.5),
    p90: ms(latencies, 0.9),
    p99: ms(latencies, 0.99),
    p999: ms(latencies, 0.999),
    max: latencies.max / 1e6,
    lateP50: ms(lateness, 0.5),
    lateP99: ms(lateness, 0.99),
    lateMax: lateness.max / 1e6,
    stalls: stalls.sort((a, b) => b.ms - a.ms).slice(0, 100),
  };
}

if (import.meta.main) {
  console.log(JSON.stringify(openLoop(JSON.parse(process.argv[2]))));
}
