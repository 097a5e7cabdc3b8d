/** What a runtime supplies to its connections: the system calls. When they are made is connection.ts's. */
import type { Address, Keepalive } from "../core/io/socket.ts";
import type { TlsContext } from "../core/io/tls.ts";

/** The part of a connection that each runtime writes for itself. */
export abstract class NativeCalls {
  abstract get local(): Address;
  abstract get remote(): Address;
  /** Starts connecting; `opened` or `closed` follows. */
  protected abstract dial(): void;
  /** Hands the queue to the kernel. True if all of it was taken; otherwise `writable` follows later. */
  protected abstract transmit(): boolean;
  /** Sends FIN. The queue is empty. */
  protected abstract shutdown(): void;
  /** Closes both directions; `closed` need not follow. */
  protected abstract destroy(): void;
  /** Closes with RST where possible; `closed` need not follow. */
  protected abstract abort(): void;
  /** Starts or stops reading. Called only while open. */
  protected abstract setReading(on: boolean): void;
  /** Has the kernel probe the peer. Called only while open. */
  protected abstract setKeepAlive(options: Keepalive): void;
  /**
   * Begins the handshake; `secured` or `closed` follows, and from then on all of the above is of the plaintext. The
   * queue is not transmitted meanwhile. Reading is on.
   */
  protected abstract startTls(context: TlsContext, unread: Uint8Array, serverName: string): void;
}
