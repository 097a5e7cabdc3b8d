/**
 * A scripted peer for tests: a client made by `network.dial`, or a connection accepted by `network.serve`.
 * Text is a byte string: one character per byte.
 */

import { latin1, toBytes } from "../../core/bytes/ascii.ts";
import type { Address } from "../../core/io/socket.ts";
import type { Endpoint, Side } from "./endpoint.ts";

export class Peer implements Side {
  /** Everything received and not yet taken. */
  received = "";
  /** Bytes received in all. */
  receivedBytes = 0;
  /** The handshake is done. */
  connected = false;
  /** FIN came. */
  ended = false;
  /** Nothing goes either way any more. */
  closed = false;
  /** Why: "" for an orderly close, else an errno name. */
  closeReason = "";
  /** False: count received bytes, but do not keep them. */
  keep = true;
  /** Called after each read, end and close: a server's script. */
  onChange: ((peer: Peer) => void) | null = null;

  private endpoint!: Endpoint;
  private outbox: Uint8Array[] = [];
  private ending = false;

  /** For the network. */
  bind(endpoint: Endpoint): void {
    this.endpoint = endpoint;
  }

  get local(): Address {
    return this.endpoint.local;
  }

  get remote(): Address {
    return this.endpoint.remote;
  }

  /** Bytes of `send` that the network has not taken yet. */
  get unsentBytes(): number {
    let total = 0;
    for (const piece of this.outbox) total += piece.length;
    return total;
  }

  /** Sends all of `data`, waiting for room as a blocking program would. */
  send(data: string | Uint8Array): this {
    this.outbox.push(typeof data === "string" ? toBytes(data) : data);
    this.push();
    return this;
  }

  /** FIN, after what `send` still holds; goes on reading. */
  end(): this {
    this.ending = true;
    this.push();
    return this;
  }

  /** Goes away at once: FIN, or RST if something was left unread. */
  close(): void {
    this.leave();
    this.endpoint.close();
  }

  /** RST. */
  reset(): void {
    this.leave();
    this.endpoint.reset();
  }

  /** The host is gone: no FIN, no RST, no answer to anything. */
  vanish(): void {
    this.endpoint.vanish();
  }

  /** Stops reading: the sender's buffer fills up. */
  pause(): this {
    this.endpoint.setReading(false);
    return this;
  }

  resume(): this {
    this.endpoint.setReading(true);
    return this;
  }

  /** What was received, and forgets it. */
  take(): string {
    const text = this.received;
    this.received = "";
    return text;
  }

  // ── Side ──────────────────────────────────────────────────────────────────────────────────────────────────

  established(): void {
    this.connected = true;
    this.push();
    this.onChange?.(this);
  }

  read(chunk: Uint8Array): void {
    this.receivedBytes += chunk.length;
    if (this.keep) this.received += latin1(chunk, 0, chunk.length);
    this.onChange?.(this);
  }

  sawEnd(): void {
    this.ended = true;
    this.onChange?.(this);
  }

  canWrite(): void {
    this.push();
  }

  gone(reason: string): void {
    this.leave();
    this.closeReason = reason;
    this.onChange?.(this);
  }

  private leave(): void {
    this.closed = true;
    this.outbox.length = 0;
  }

  private push(): void {
    if (!this.connected || this.closed) return;
    while (this.outbox.length > 0) {
      const piece = this.outbox[0];
      const taken = this.endpoint.send(piece, 0, piece.length);
      if (taken < piece.length) {
        if (taken > 0) this.outbox[0] = piece.subarray(taken);
        return;
      }
      this.outbox.shift();
    }
    if (this.ending) this.endpoint.end();
  }
}
