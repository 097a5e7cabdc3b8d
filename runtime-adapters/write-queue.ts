/**
 * Bytes that the core wrote and the kernel has not taken yet, as pieces `[start, end)` of chunks that are never
 * copied or changed. A ring of parallel arrays: no object per piece.
 */

const EMPTY = new Uint8Array(0);
/** Pieces that a queue keeps room for after a burst. */
const KEPT_ROOM = 32;

export class WriteQueue {
  /** Bytes queued. */
  bytes = 0;
  /** Index of the first piece still queued; pieces are `[first, last)`. */
  first = 0;
  last = 0;
  // Four of each from the start: growing from nothing would cost more, in time and in room.
  chunks: Uint8Array[] = [EMPTY, EMPTY, EMPTY, EMPTY];
  starts: number[] = [0, 0, 0, 0];
  ends: number[] = [0, 0, 0, 0];

  /** Number of pieces. */
  get pieces(): number {
    return this.last - this.first;
  }

  push(chunk: Uint8Array, start: number, end: number): void {
    const at = this.last++;
    this.chunks[at] = chunk;
    this.starts[at] = start;
    this.ends[at] = end;
    this.bytes += end - start;
  }

  /** Takes `count` bytes off the front: the kernel has them. */
  consume(count: number): void {
    if (count >= this.bytes) {
      this.clear();
      return;
    }
    this.bytes -= count;
    let first = this.first;
    for (;;) {
      const length = this.ends[first] - this.starts[first];
      if (count < length) break;
      count -= length;
      this.chunks[first++] = EMPTY;
    }
    this.starts[first] += count;
    this.first = first;
  }

  /** Forgets everything, and lets go of the chunks. */
  clear(): void {
    const last = this.last;
    if (last > KEPT_ROOM) {
      this.chunks = [EMPTY, EMPTY, EMPTY, EMPTY];
      this.starts = [0, 0, 0, 0];
      this.ends = [0, 0, 0, 0];
    } else {
      for (let i = this.first; i < last; i++) this.chunks[i] = EMPTY;
    }
    this.bytes = 0;
    this.first = 0;
    this.last = 0;
  }
}
