/**
 * Bytes on their way out that could not leave yet, as pieces `[start, end)` of chunks that are never copied or changed:
 * what the kernel has not taken of a connection, or a peer's window of a stream. Parallel arrays: no object per piece.
 */

const EMPTY = new Uint8Array(0);
/** Pieces that a queue keeps room for after a burst. */
const KEPT_ROOM = 32;
/** A queue that is never empty forgets the places of so many pieces that have left, once they are most of it. */
const MOST_LEFT = 256;

export class ByteQueue {
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
    if (this.first >= MOST_LEFT && this.first > this.last >> 1) this.forget();
    const at = this.last++;
    this.chunks[at] = chunk;
    this.starts[at] = start;
    this.ends[at] = end;
    this.bytes += end - start;
  }

  /** Moves what is queued to the front of the arrays. */
  private forget(): void {
    const { first, last } = this;
    this.chunks = this.chunks.slice(first, last);
    this.starts = this.starts.slice(first, last);
    this.ends = this.ends.slice(first, last);
    this.first = 0;
    this.last = last - first;
  }

  /** Takes `count` bytes off the front: they have left. */
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
