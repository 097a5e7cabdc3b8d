/**
 * Everything else that the core is handed: dialling, name resolution, randomness, logs. One object per worker,
 * given at construction; the core reaches the outside world through it and through `Socket` only.
 */
import type { Cryptography } from "./cryptography.ts";
import type { Address, PlainSocket, SocketHandler } from "./socket.ts";
import type { TlsContext, TlsContextOptions } from "./tls.ts";

/** What a name resolved to. `addresses` is empty when resolution failed or the name has none. */
export interface Resolution {
  /** IP texts in the order of the resolver. */
  readonly addresses: readonly string[];
  /** Milliseconds that the answer may be kept, or 0 if the resolver did not say. */
  readonly ttl: number;
  /** "" or why it failed ("ENOTFOUND", "ETIMEOUT", …). */
  readonly error: string;
}

/** Envoy's `DnsLookupFamily`. */
export type LookupFamily = "auto" | "v4_only" | "v6_only" | "v4_preferred" | "all";

export type LogLevel = "trace" | "debug" | "info" | "warning" | "error" | "critical";

/** A place that access-log lines go to. `write` never blocks and never throws; a full sink drops and counts. */
export interface LogSink {
  write(line: string): void;
}

export interface Platform {
  /** Digests and signatures. */
  readonly cryptography: Cryptography;
  /**
   * Where a resumed session brings the leaf of a client alone: memory that the workers of a process share, for
   * `KnownIssuers`. Absent = it brings all that the client has shown.
   */
  readonly issuerMemory?: SharedArrayBuffer | undefined;
  /** Starts connecting; `handler.onConnect` or `handler.onClose` follows, never before `connect` returned. */
  connect(to: Address, handler: SocketHandler): PlainSocket;
  /** Makes a context for `PlainSocket.secure`. Takes ms: once per configuration, never per connection. */
  tlsContext(options: TlsContextOptions): TlsContext;
  /** Looks a host name up; calls back exactly once, never before `resolve` returned. */
  resolve(hostname: string, family: LookupFamily, done: (result: Resolution) => void): void;
  /** Fills `into` with cryptographically strong random bytes. */
  fillRandom(into: Uint8Array): void;
  /** A random UUID (version 4) in lower-case text form. */
  uuid(): string;
  /** Operator's log; `component` is Envoy's logger name ("config", "http", "upstream", "main", …). */
  log(level: LogLevel, component: string, message: string): void;
  /** Whether such a message would be written; without this every one is. */
  logs?(level: LogLevel, component: string): boolean;
  /** Opens (once per path) an access-log sink; "/dev/stdout" and "/dev/stderr" are understood. */
  openLog(path: string): LogSink;
}
