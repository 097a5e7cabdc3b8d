/** Bytes that a guest may read: a configuration, the body of an answer, a message. */
import type { GuestBuffer } from "./guest-context.ts";

export class BytesBuffer implements GuestBuffer {
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get size(): number {
    return this.bytes.length;
  }

  copy(from: number, length: number, into: Uint8Array, at: number): void {
    into.set(this.bytes.subarray(from, from + length), at);
  }
}
