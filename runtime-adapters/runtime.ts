/**
 * The contract between the core and a runtime. An adapter (bun/, node/, deno/, memory/) implements `Runtime`;
 * one compliance suite (test/adapters) holds all of them to it. Nothing here knows HTTP.
 *
 * A *turn* is one entry into the core: a socket callback, a resolver's answer, the alarm, or `run`. The driver
 * sets `clock.now` before it, and after it flushes what the core wrote and sets the alarm to `nextDeadline()`.
 */
import type { LogLevel, LogSink, Platform } from "../core/io/platform.ts";
import type { Address, PlainSocket, SocketHandler } from "../core/io/socket.ts";
import type { Clock } from "../core/time/clock.ts";
import type { TicketSecrets } from "./ticket-secrets.ts";

/** What a driver drives: `core/proxy/worker.ts`, or a test's stand-in. */
export interface Core {
  /** Earliest time (ms, `Clock.now` scale) at which `expire` has work, or Infinity. */
  nextDeadline(): number;
  /** Fires what is due at `clock.now`. */
  expire(): void;
}

export interface ListenOptions {
  /** Share the port with other workers (`SO_REUSEPORT`); ignored for Unix sockets. */
  readonly reusePort: boolean;
  /** Length of the accept queue. */
  readonly backlog: number;
  /** Permission bits for a Unix socket, or 0 to leave them. */
  readonly mode: number;
}

/** Decides about an accepted connection: a handler, or null to close it at once. */
export type Accept = (socket: PlainSocket) => SocketHandler | null;

export interface ListenSocket {
  /** With the real port where 0 was asked for. */
  readonly address: Address;
  /** Stops accepting and releases the port; accepted connections live on. Idempotent. */
  stop(): void;
}

/** Thrown by `listen`; `code` is an errno name such as "EADDRINUSE", "EACCES". */
export class ListenError extends Error {
  readonly code: string;
  readonly address: Address;
  constructor(code: string, address: Address, message: string) {
    super(message);
    this.name = "ListenError";
    this.code = code;
    this.address = address;
  }
}

/** What a process gives its drivers: adapters move bytes and know neither files nor log formats. */
export interface Services {
  /** `Platform.log`; also told about exceptions that the core let through. */
  log(level: LogLevel, component: string, message: string): void;
  /** `Platform.logs`. */
  logs?(level: LogLevel, component: string): boolean;
  /** `Platform.openLog`. */
  openLog(path: string): LogSink;
  /** What session tickets are sealed with; absent = each context has keys of its own. */
  readonly tickets?: TicketSecrets;
  /** `Platform.issuerMemory`, for the runtime that needs it. */
  readonly issuerMemory?: SharedArrayBuffer;
}

/** Sockets, resolver, alarm and clock of one thread. */
export interface Driver {
  readonly clock: Clock;
  /** What the core is handed. */
  readonly platform: Platform;
  /** Says whom to drive. Must be called once, before the first turn. */
  attach(core: Core): void;
  /** Resolves when the kernel accepts connections; rejects with `ListenError`. */
  listen(address: Address, options: ListenOptions, accept: Accept): Promise<ListenSocket>;
  /** Calls `enter` as a turn: for configuration changes, drain, admin questions. Returns its result. */
  run<T>(enter: () => T): T;
  /** Accepts failed for want of file descriptors (EMFILE/ENFILE), so far. */
  readonly acceptFailures: number;
  /** Exceptions that the core let through, so far: bugs. Each cost the connection it happened on. */
  readonly faults: number;
  /** Bytes copied to get them to the kernel, so far: a part of `tulle.copied_bytes`. */
  readonly copiedBytes: number;
  /** Stops listening, closes every socket, cancels the alarm. What the core still dials is closed unheard. */
  close(): void;
}

export type RuntimeName = "bun" | "node" | "deno" | "memory";

export interface Runtime {
  readonly name: RuntimeName;
  /** E.g. "1.4.5". */
  readonly version: string;
  createDriver(services: Services): Driver;
  /**
   * Gives back to the kernel what a quiet process does not need: garbage of this thread, free blocks, pages of the
   * program. Stops the thread for some ms, so call it when there is nothing to do. `connections` are open in the
   * thread: when many are gone since the last call, there is garbage.
   */
  trim(connections: number): void;
}
