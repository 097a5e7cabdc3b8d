/**
 * The handful of system calls that the load programs and the accounting need, called straight in the C library.
 *
 * A runtime's own sockets and timers would put their queue and their 1 ms timer between the clock and the
 * wire, and so measure themselves. These calls block the thread, which is right: a load program does nothing else.
 * Linux only. Knows nothing of HTTP.
 */
import { dlopen, type Pointer, ptr, read } from "bun:ffi";

/** Addresses are plain numbers here, as `ptr` makes them; 0 is NULL. */
interface LibC {
  __errno_location(): number;
  clock_gettime(clock: number, timespec: number): number;
  close(fd: number): number;
  connect(fd: number, address: number, length: number): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, how: number, fd: number, event: number): number;
  epoll_wait(epoll: number, events: number, room: number, timeoutMs: number): number;
  execve(path: number, argv: number, env: number): number;
  ppoll(polls: number, count: number, timespec: number, signals: number): number;
  prctl(option: number, a: number, b: number, c: number, d: number): number;
  recv(fd: number, bytes: number, length: number, flags: number): number;
  send(fd: number, bytes: number, length: number, flags: number): number;
  setsockopt(fd: number, level: number, name: number, value: number, length: number): number;
  socket(family: number, type: number, protocol: number): number;
}

/** Lengths and counts stay below 2^31, so `i32` is enough even where C says `ssize_t`. */
const signatures = {
  __errno_location: { args: [], returns: "ptr" },
  clock_gettime: { args: ["i32", "ptr"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  epoll_create1: { args: ["i32"], returns: "i32" },
  epoll_ctl: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
  epoll_wait: { args: ["i32", "ptr", "i32", "i32"], returns: "i32" },
  execve: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
  ppoll: { args: ["ptr", "u64", "ptr", "ptr"], returns: "i32" },
  prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
  recv: { args: ["i32", "ptr", "u64", "i32"], returns: "i32" },
  send: { args: ["i32", "ptr", "u64", "i32"], returns: "i32" },
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
} as const;

function open(): LibC {
  for (const name of ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"]) {
    try {
      return dlopen(name, signatures).symbols as unknown as LibC;
    } catch {
      // Try the next C library; the error below names the problem.
    }
  }
  throw new Error("the bench needs Linux with glibc or musl: no C library could be opened");
}

/** The raw calls. Each answers -1 on failure; `errno()` says why. */
export const libc = open();

export const EAGAIN = 11;
export const EINPROGRESS = 115;
export const POLLIN = 1;
export const POLLOUT = 4;
export const MSG_PEEK = 2;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;

/** The calling thread's last error number. Ask directly after the call that failed. */
export function errno(): number {
  return read.i32(libc.__errno_location() as Pointer, 0);
}

/**
 * Memory that the kernel may write into. A typed array made by length alone may live inside the runtime's heap, and
 * then its address changes under the kernel's hands; one over an explicit buffer stays where it is.
 */
export function pinned(bytes: number): ArrayBuffer {
  return new ArrayBuffer(Math.max(bytes, 4096));
}

const timespec = new Uint32Array(pinned(16));
const timespecAt = ptr(timespec);

/** Nanoseconds of a kernel clock (exact below 2^53), or -1 if there is no such clock. */
export function clockNs(clock: number): number {
  if (libc.clock_gettime(clock, timespecAt) !== 0) return -1;
  return (timespec[1] * 2 ** 32 + timespec[0]) * 1e9 + timespec[2];
}

/** Nanoseconds since boot, never stepping back. */
export function nowNs(): number {
  return clockNs(1);
}

/** Makes timed waits of this thread end when asked instead of up to 50 µs later. */
export function wantPreciseTimers(): void {
  const PR_SET_TIMERSLACK = 29;
  libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
}

const one = new Int32Array(pinned(4));
one[0] = 1;

/**
 * Begins a TCP connection to 127.0.0.1:`port` without waiting for it. Returns the descriptor, or -1 (see `errno`).
 * The caller owns it and must `libc.close` it.
 */
export function connectLoopback(port: number): number {
  const AF_INET = 2;
  const SOCK_STREAM_NONBLOCK_CLOEXEC = 1 | 0o4000 | 0o2000000;
  const fd = libc.socket(AF_INET, SOCK_STREAM_NONBLOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const IPPROTO_TCP = 6;
  const TCP_NODELAY = 1;
  libc.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, ptr(one), 4);
  const address = new Uint8Array(pinned(16));
  new DataView(address.buffer).setUint16(0, AF_INET, true);
  new DataView(address.buffer).setUint16(2, port, false);
  address.set([127, 0, 0, 1], 4);
  if (libc.connect(fd, ptr(address), 16) === 0) return fd;
  if (errno() === EINPROGRESS) return fd;
  libc.close(fd);
  return -1;
}
