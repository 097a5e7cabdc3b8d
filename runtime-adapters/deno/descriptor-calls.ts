/**
 * What Deno's own sockets cannot do, done on their descriptors through FFI, on Linux with `--allow-ffi`:
 * - RST. Deno's `close` always sends FIN first, so a peer would take a broken answer for a complete one.
 * - Writes that answer at once. A write of Deno's is a promise, and a head and its body are two of them.
 * - Socket options with a number.
 *
 * Deno tells the descriptor (under an internal symbol) of accepted connections only. Those are the ones that
 * matter: a request that was cut off is never taken for complete, and requests are mostly one piece. That of a
 * dialled one can be found, for what is done once in its life.
 */
import { readdirSync } from "node:fs";
import type { ByteQueue } from "../../core/bytes/byte-queue.ts";
import { parseIp } from "../../core/bytes/cidr.ts";
import { applyOptions, type SocketOption } from "../keepalive.ts";
import { openLibc } from "../libc.ts";
import { deno, type NativeAddress, type NativeConnection } from "./native.ts";

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** More follows: the kernel does not send a packet of its own for this piece. */
const MSG_MORE = 0x8000;

const AF_INET = 2;
const AF_INET6 = 10;

/** `struct sockaddr` with family AF_UNSPEC, which is 0. */
const NOBODY = new Uint8Array(16);

interface Calls {
  connect(fd: number, address: Uint8Array, length: number): number;
  send(fd: number, bytes: Uint8Array, length: number, flags: number): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  getsockname(fd: number, address: Uint8Array, length: Uint8Array): number;
  getpeername(fd: number, address: Uint8Array, length: Uint8Array): number;
}

const calls = open();

function open(): Calls | null {
  if (deno?.build.os !== "linux") return null;
  const libc = openLibc((name) =>
    deno.dlopen(name, {
      connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
      // The result is a ssize_t; its lower half is enough below 2 GiB, and no BigInt.
      send: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
      setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
      getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
      getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
    }),
  );
  return libc === null ? null : (libc.symbols as unknown as Calls);
}

/** The descriptor of an accepted connection, or -1 where Deno does not tell. */
export function descriptor(native: NativeConnection): number {
  for (const key of Object.getOwnPropertySymbols(native)) {
    if (key.description !== "Deno.internal.fd") continue;
    const value = (native as unknown as { [key: symbol]: unknown })[key];
    return typeof value === "number" ? value : -1;
  }
  return -1;
}

/** The descriptor, if the calls below can be made on it; otherwise -1. */
export function callable(native: NativeConnection): number {
  return calls === null ? -1 : descriptor(native);
}

/** The descriptor of a TCP connection that was dialled: the open one with its two ends. -1 if there is none. */
export function findDescriptor(native: NativeConnection): number {
  if (calls === null) return -1;
  const { localAddr, remoteAddr } = native;
  try {
    for (const name of readdirSync("/proc/self/fd")) {
      const fd = Number(name);
      if (is(calls.getsockname, fd, localAddr) && is(calls.getpeername, fd, remoteAddr)) return fd;
    }
  } catch {
    // Not allowed to look.
  }
  return -1;
}

function is(ask: Calls["getsockname"], fd: number, { hostname = "", port = 0 }: NativeAddress): boolean {
  const found = new Uint8Array(28); // struct sockaddr_in6
  const length = Uint8Array.of(found.length, 0, 0, 0);
  if (ask(fd, found, length) !== 0 || ((found[2] << 8) | found[3]) !== port) return false;
  const ip = parseIp(hostname);
  const from = found[0] === AF_INET ? 4 : found[0] === AF_INET6 ? 8 : -1;
  return ip !== null && from >= 0 && ip.every((byte, i) => found[from + i] === byte);
}

/** Sets options on a descriptor. "", or for the operator why one of them could not be set. */
export function setOptions(fd: number, options: readonly SocketOption[]): string {
  const setsockopt = calls?.setsockopt;
  if (setsockopt === undefined || options.length === 0) {
    return "TCP keepalive: without FFI (Linux, --allow-ffi) the system's own times hold";
  }
  if (fd < 0) return "TCP keepalive: Deno does not tell the descriptor, so the system's own times hold";
  return applyOptions(options, ({ level, name, value }) => {
    const bytes = Uint8Array.of(value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24);
    return setsockopt(fd, level, name, bytes, bytes.length);
  });
}

/** Makes Linux send RST and forget the connection; the caller closes it next. */
export function sendReset(fd: number): void {
  calls?.connect(fd, NOBODY, NOBODY.length);
}

/**
 * Hands pieces of `queue` to the kernel until it takes no more, and takes them off. True if the queue is empty.
 * Otherwise Deno's own write finds out why.
 */
export function sendQueue(fd: number, queue: ByteQueue): boolean {
  if (calls === null) return false;
  while (queue.bytes !== 0) {
    const { first, last, chunks, starts, ends } = queue;
    const chunk = chunks[first];
    const start = starts[first];
    const length = ends[first] - start;
    const flags = first + 1 < last ? MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE : MSG_DONTWAIT | MSG_NOSIGNAL;
    const taken = calls.send(fd, start === 0 ? chunk : chunk.subarray(start), length, flags);
    if (taken > 0) queue.consume(taken);
    if (taken < length) return false;
  }
  return true;
}
