/**
 * A TLS engine in memory, for sockets whose runtime has none below JavaScript: ciphertext in, plaintext out, and the
 * other way round. It knows no socket; what it has to say to the peer it leaves in `out`.
 */
import type { ByteQueue } from "../core/bytes/byte-queue.ts";
import type { TlsInfo } from "../core/io/tls.ts";

/** Who has the connection that the engine is for. Called within calls of the engine, or later. */
export interface EngineUser {
  /** The handshake is done: before any `onPlaintext`. */
  onSecured(info: TlsInfo): void;
  /** Never empty; the chunk is the user's. */
  onPlaintext(chunk: Uint8Array): void;
  /** The peer's close_notify. */
  onCloseNotify(): void;
  /** There is more in `out`, and not for a call of `encrypt` or `end`, whose caller knows. */
  onOut(): void;
  /** It can encrypt more. */
  onRoom(): void;
  /** It is over; what is in `out` (an alert) should still leave. Nothing follows. */
  onTlsFailed(detail: string): void;
}

export interface TlsEngine {
  /** Ciphertext for the peer, in order; the user takes it. */
  readonly out: ByteQueue;
  /** Bytes of the peer; the engine owns them. */
  receive(chunk: Uint8Array): void;
  /** The handshake is done: encrypts `queue` into `out`, and takes it off. If something is left, `onRoom` follows. */
  encrypt(queue: ByteQueue): void;
  /** close_notify into `out`. Idempotent; the peer's bytes are still decrypted. */
  end(): void;
  /** Nothing is called any more. */
  close(): void;
}
