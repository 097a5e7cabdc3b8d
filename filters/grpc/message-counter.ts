/**
 * Counts the messages of a gRPC body as they pass: each begins with a flag and four bytes of its length. Keeps nothing of
 * them. Law: what is no gRPC is counted as far as it looked like some, and not looked at afterwards.
 */
import type { Body } from "../../core/filter/body.ts";

/** Bytes before each message. */
const PREFIX = 5;
const NO_BYTES = new Uint8Array(PREFIX);

/** Of one direction of a stream. */
export class MessageCounter {
  /** Bytes of the current message that are still to come; 0 within a prefix. */
  private left = 0;
  /** Bytes of the prefix so far, and the length that they say. */
  private prefix = 0;
  private length = 0;
  private broken = false;
  private readonly scratch = NO_BYTES.slice();

  /** How many messages begin in a piece of the body. */
  count(body: Body): number {
    let begun = 0;
    let at = 0;
    while (at < body.size && !this.broken) {
      if (this.left > 0) {
        const skipped = Math.min(this.left, body.size - at);
        this.left -= skipped;
        at += skipped;
        continue;
      }
      const taken = Math.min(PREFIX - this.prefix, body.size - at);
      body.copy(at, taken, this.scratch, 0);
      at += taken;
      for (let i = 0; i < taken && !this.broken; i++) if (this.take(this.scratch[i])) begun++;
    }
    return begun;
  }

  /** One byte of a prefix; true if a message begins with it. */
  private take(byte: number): boolean {
    if (this.prefix === 0) {
      this.broken = byte > 1;
      if (this.broken) return false;
      this.prefix = 1;
      this.length = 0;
      return true;
    }
    this.length = this.length * 256 + byte;
    if (++this.prefix === PREFIX) {
      this.prefix = 0;
      this.left = this.length;
    }
    return false;
  }
}
