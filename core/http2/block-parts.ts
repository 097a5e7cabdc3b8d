/**
 * A header block that comes in parts: HEADERS and the CONTINUATION frames behind it (RFC 9113 6.10), put together.
 * Bounded by bytes and by frames, because a peer may send parts for ever (CVE-2024-27983, CVE-2024-30255).
 */

import { DEFAULT_FRAME } from "./frames.ts";

/** Frames of one block, beside those that its bytes fill. */
const MAX_PARTS = 16;

const NO_BYTES = new Uint8Array(0);

export class BlockParts {
  /** The stream whose block is not complete, 0 if there is none. */
  stream = 0;
  /** The block ends its stream. */
  endStream = false;
  /** What is here, in the first `length` bytes. */
  bytes: Uint8Array = NO_BYTES;
  length = 0;
  private parts = 0;
  private readonly maxBytes: number;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  begin(stream: number, endStream: boolean): void {
    this.stream = stream;
    this.endStream = endStream;
    this.parts = 0;
    this.length = 0;
  }

  /** Adds a part; why the block is refused, or "". */
  append(bytes: Uint8Array, start: number, end: number): string {
    const length = this.length + end - start;
    if (++this.parts > MAX_PARTS + Math.floor(length / DEFAULT_FRAME)) return "too_many_continuations";
    if (length > this.maxBytes) return "header_block_too_large";
    if (length > this.bytes.length) {
      const larger = new Uint8Array(Math.max(length, this.bytes.length * 2));
      larger.set(this.bytes.subarray(0, this.length));
      this.bytes = larger;
    }
    this.bytes.set(bytes.subarray(start, end), this.length);
    this.length = length;
    return "";
  }

  /** Lets go of the block: it was handed on, or nobody wants it. */
  clear(): void {
    this.stream = 0;
    this.bytes = NO_BYTES;
    this.length = 0;
  }
}
