/**
 * The seam between the core and a runtime's sockets: what the core may do to a connection (`Socket`) and what
 * it is told about one (`SocketHandler`). Both are plain interfaces called directly: no events, no promises.
 *
 * Laws:
 * - Ownership of bytes passes with every call. A chunk given to `onData` belongs to the core for ever, unless it is
 *   within what the handler said to be `passing`; bytes given to `write` must not change until they have left.
 * - Writes made while the core is being called are gathered and leave in as few system calls as the runtime
 *   can (one `writev`) when that call returns. Order is kept.
 * - After `onClose` nothing is called any more; after `close()` nothing but `onClose`.
 */
import type { TlsContext, TlsInfo } from "./tls.ts";

/** An IP endpoint or a Unix socket path. Immutable once made. */
export interface Address {
  /** IPv4 dotted, IPv6 in RFC 5952 form without brackets, or "" for a Unix socket. */
  readonly ip: string;
  /** 0 for a Unix socket. */
  readonly port: number;
  /** Path of the Unix socket (abstract names start with "@"), or "". */
  readonly path: string;
}

/** "10.0.0.1:80", "[::1]:80" or the Unix path: Envoy's spelling in logs and admin pages. */
export function formatAddress(address: Address): string {
  if (address.path !== "") return address.path;
  return address.ip.includes(":") ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`;
}

/** How the kernel asks after a silent peer (TCP keepalive). 0 = as the system is configured. */
export interface Keepalive {
  /** Seconds of silence before the first probe. */
  readonly time: number;
  /** Seconds between probes. */
  readonly interval: number;
  /** So many probes without an answer, and the connection is closed (ETIMEDOUT). */
  readonly probes: number;
}

/** One connection, as the core acts on it. Implemented once per runtime; never throws. */
export interface Socket {
  /** Who hears of it; another may take its place as long as it is open. */
  handler: SocketHandler | null;
  readonly local: Address;
  readonly remote: Address;
  /**
   * Queues `bytes[start, end)`. The core gives the bytes away: it never changes them afterwards.
   * They leave when the poll under way is over at the latest; if the kernel does not take all, `onBlocked` follows.
   */
  write(bytes: Uint8Array, start: number, end: number): void;
  /** What is written is held by this queue alone; absent where something stands before it that may hold it longer. */
  readonly direct?: boolean;
  /** Bytes queued here and not yet taken by the kernel. */
  readonly pendingBytes: number;
  /** Stops `onData` (at most the chunk in flight still comes). Idempotent. */
  pause(): void;
  /** Undoes `pause`. Idempotent. */
  resume(): void;
  /** Turns TCP keepalive on. For an open connection; nothing happens on any other, nor on a Unix socket. */
  keepAlive(options: Keepalive): void;
  /** Sends FIN after the queued bytes; the peer can still send. Idempotent. */
  end(): void;
  /**
   * Closes both directions after the queued bytes; `onClose` follows. For a peer that has nothing more to say: what
   * it sends all the same would reset the connection, and the last bytes with it. Idempotent.
   */
  finish(): void;
  /** Closes both directions after flushing what the kernel takes at once; `onClose` follows. Idempotent. */
  close(): void;
  /**
   * Closes with RST where the runtime can; `onClose` follows. Of what is queued, only what an earlier call into the
   * core wrote and the kernel takes at once still leaves. Idempotent.
   */
  reset(): void;
}

/** A connection that is not TLS yet. Accepted and dialled ones are. */
export interface PlainSocket extends Socket {
  /**
   * Makes the connection TLS. What was written before leaves plain; what is written from now on waits for the end of
   * the handshake. `unread` is what was read and is the peer's first flight, or part of it; the engine owns it now.
   * Then `onSecured` or `onClose(reason)` follows, and no other report meanwhile; of a connection that is still being
   * dialled, `onConnect` comes first. Once, and not after `end`.
   * @param serverName what a client asks for, "" = nothing.
   */
  secure(context: TlsContext, unread: Uint8Array, serverName: string): void;
}

/** Why a socket closed: "" for an orderly close, an errno name such as "ECONNREFUSED", or what `tlsFailure` makes. */
export type CloseReason = string;

/** One connection, as it reports to the core. Implemented by the core. */
export interface SocketHandler {
  /** An outgoing connection is established. Never called on an accepted one. */
  onConnect(): void;
  /** It is TLS now (`PlainSocket.secure`). No byte of the peer's came before; none comes if this closes. */
  onSecured?(info: TlsInfo): void;
  /** Bytes arrived; the chunk now belongs to the core. Never empty. */
  onData(chunk: Uint8Array): void;
  /**
   * How many of the bytes that come next `onData` writes to other sockets, or drops, and keeps no other hold on: the
   * memory that they were read into can be used again as soon as those sockets have got rid of them. It holds for
   * one call, of no more bytes than that. 0, or absent: no promise.
   */
  readonly passing?: number;
  /** The peer sent FIN. Writing is still possible (RFC 9112 9.6: not an abort). */
  onEnd(): void;
  /** The kernel stopped taking bytes; stop producing until `onDrain`. */
  onBlocked(): void;
  /** All queued bytes were taken by the kernel. */
  onDrain(): void;
  /** The socket is gone, or could not be connected. The last call. */
  onClose(reason: CloseReason): void;
}
