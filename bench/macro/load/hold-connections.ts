/**
 * Opens many connections, sends one request on each, reads the answer and then holds them all open and idle.
 *
 *   bun hold-connections.ts '{"port":…,"connections":10000,"inFlight":100,"path":"/"}'
 *
 * At most `inFlight` connections are being opened or await their answer at once. Prints one line of JSON
 * (`HoldResult`) when all are idle, closes them when standard input ends, and prints how many the peer had
 * closed by then.
 */
import { ptr } from "bun:ffi";
import { Http2ResponseReader } from "./http2-response-reader.ts";
import { connectLoopback, libc, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_PEEK, nowNs, pinned } from "./libc.ts";
import { ResponseReader } from "./response-reader.ts";

export interface HoldOptions {
  readonly port: number;
  readonly connections: number;
  readonly inFlight: number;
  readonly path: string;
  /** They speak HTTP/2, and ask for "/". */
  readonly http2?: boolean;
}

export interface HoldResult {
  /** Connections that got their 200 and are open. */
  readonly held: number;
  readonly failed: number;
  readonly seconds: number;
}

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLLIN = 1;
const EPOLLOUT = 4;
const TIMEOUT_NS = 60e9;

/** What a client of HTTP/2 says first: its preface, SETTINGS, and a GET of "/" on stream 1. */
function http2Request(): Buffer {
  const authority = "bench.test";
  const block = [0x82, 0x84, 0x86, 0x41, authority.length, ...Buffer.from(authority)];
  return Buffer.concat([
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
    Buffer.from([0, 0, block.length, 1, 5, 0, 0, 0, 1, ...block]),
  ]);
}

/** The peer's SETTINGS are acknowledged. */
const SETTINGS_ACK = Buffer.from([0, 0, 0, 4, 1, 0, 0, 0, 0]);

/** The open descriptors (the caller's to close) and how it went. */
export function holdConnections(options: HoldOptions): { fds: number[]; result: HoldResult } {
  const request = options.http2
    ? http2Request()
    : Buffer.from(`GET ${options.path} HTTP/1.1\r\nHost: bench.test\r\n\r\n`);
  const requestAt = ptr(request);
  const chunk = new Uint8Array(pinned(65536));
  const chunkAt = ptr(chunk);
  const epoll = libc.epoll_create1(0);
  // struct epoll_event is packed on x86-64 (12 bytes) and is not elsewhere (16 bytes).
  const size = process.arch === "x64" ? 3 : 4;
  const event = new Int32Array(pinned(16));
  const eventAt = ptr(event);
  const events = new Int32Array(pinned(64 * size * 4));
  const eventsAt = ptr(events);
  const watch = (how: number, fd: number, mask: number) => {
    event[0] = mask;
    event[size - 2] = fd;
    libc.epoll_ctl(epoll, how, fd, eventAt);
  };
  const readers = new Map<number, ResponseReader | Http2ResponseReader>();
  const held: number[] = [];
  const start = nowNs();
  let opened = 0;
  let failed = 0;

  const settle = (fd: number, ok: boolean) => {
    readers.delete(fd);
    if (ok) {
      watch(EPOLL_CTL_DEL, fd, 0);
      if (options.http2) libc.send(fd, ptr(SETTINGS_ACK), SETTINGS_ACK.length, MSG_NOSIGNAL);
      held.push(fd);
    } else {
      failed++;
      libc.close(fd);
    }
  };
  while (held.length + failed < options.connections && nowNs() - start < TIMEOUT_NS) {
    while (opened < options.connections && readers.size < options.inFlight) {
      opened++;
      const fd = connectLoopback(options.port);
      if (fd < 0) {
        failed++;
        continue;
      }
      readers.set(fd, options.http2 ? new Http2ResponseReader() : new ResponseReader());
      watch(EPOLL_CTL_ADD, fd, EPOLLOUT);
    }
    const ready = libc.epoll_wait(epoll, eventsAt, 64, 1000);
    for (let i = 0; i < ready; i++) {
      const mask = events[i * size];
      const fd = events[i * size + size - 2];
      const reader = readers.get(fd);
      if (reader === undefined) continue;
      if (mask & EPOLLIN) {
        const n = libc.recv(fd, chunkAt, chunk.length, 0);
        const state = n > 0 ? reader.take(chunk, n) : -1;
        if (state !== 0) settle(fd, state === 1 && reader.status === 200);
      } else if (mask & ~EPOLLOUT) {
        settle(fd, false);
      } else {
        const sent = libc.send(fd, requestAt, request.length, MSG_NOSIGNAL);
        if (sent === request.length) watch(EPOLL_CTL_MOD, fd, EPOLLIN);
        else settle(fd, false);
      }
    }
  }
  failed += readers.size;
  libc.close(epoll);
  return { fds: held, result: { held: held.length, failed, seconds: (nowNs() - start) / 1e9 } };
}

if (import.meta.main) {
  const { fds, result } = holdConnections(JSON.parse(process.argv[2]));
  console.log(JSON.stringify(result));
  for await (const _ of process.stdin);
  const byte = new Uint8Array(pinned(1));
  let dropped = 0;
  for (const fd of fds) {
    if (libc.recv(fd, ptr(byte), 1, MSG_PEEK | MSG_DONTWAIT) === 0) dropped++;
    libc.close(fd);
  }
  console.log(JSON.stringify({ dropped }));
}
