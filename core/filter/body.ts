/**
 * A body, or the part of one that is here: pieces that are read, put before, put behind and replaced without being
 * joined. Filters see bodies in this form, and what has to wait is kept in it. One object serves many parts:
 * `clear()` starts the next.
 *
 * Laws: pieces are references; whoever gives one away never changes it, and neither does who holds it. `copy` alone
 * copies bytes, and `push` where a sender cuts a body into crumbs, each of which would cost many times its size. No
 * piece is empty. The owner bounds it by `size`.
 */

/** So many pieces in a row that are smaller than this on average, bytes, become one. */
const CRUMBS = 256;
const CRUMB = 64;

/** Takes pieces in order. */
export interface BodySink {
  sendBody(bytes: Uint8Array, start: number, end: number): void;
}

const NO_BYTES = new Uint8Array(0);
/** Room for so many pieces is kept for the next part. */
const KEPT_ROOM = 64;

export class Body {
  /** Sum of the pieces, bytes. */
  size = 0;
  /** A filter changed it since `clear`. */
  changed = false;
  /** How many there are. The arrays keep their room: emptied ones would be made anew for every body. */
  private count = 0;
  private readonly chunks: Uint8Array[] = [];
  /** Start and end of each piece in its chunk. */
  private readonly bounds: number[] = [];
  /** The pieces from here on have not been looked at as crumbs, and were this size before them. */
  private loose = 0;
  private looseSize = 0;

  /** Pieces in it. */
  get pieces(): number {
    return this.count;
  }

  /** Appends `chunk[start, end)`; the chunk must not change as long as it is here. */
  push(chunk: Uint8Array, start: number, end: number): void {
    if (start >= end) return;
    const at = this.count++;
    this.chunks[at] = chunk;
    this.bounds[2 * at] = start;
    this.bounds[2 * at + 1] = end;
    this.size += end - start;
    if (this.count - this.loose >= CRUMBS) this.sweep();
  }

  /** Joins the last pieces if they are crumbs. */
  private sweep(): void {
    const size = this.size - this.looseSize;
    if (size < CRUMBS * CRUMB) {
      const whole = new Uint8Array(size);
      this.copy(this.looseSize, size, whole, 0);
      this.chunks.fill(NO_BYTES, this.loose, this.count);
      this.chunks[this.loose] = whole;
      this.bounds[2 * this.loose] = 0;
      this.bounds[2 * this.loose + 1] = size;
      this.count = this.loose + 1;
    }
    this.settle();
  }

  /** All pieces are as they are to be. */
  private settle(): void {
    this.loose = this.count;
    this.looseSize = this.size;
  }

  /** Appends all that `other` has, which has nothing afterwards. */
  take(other: Body): void {
    for (let i = 0; i < other.count; i++) {
      this.push(other.chunks[i], other.bounds[2 * i], other.bounds[2 * i + 1]);
    }
    if (other.changed) this.changed = true;
    other.clear();
  }

  /** Hands every piece to `sink` in order; they stay here. */
  replay(sink: BodySink): void {
    for (let i = 0; i < this.count; i++) {
      sink.sendBody(this.chunks[i], this.bounds[2 * i], this.bounds[2 * i + 1]);
    }
  }

  /** Copies `[from, from + length)`, which lies within the body, into `into` at `at`. */
  copy(from: number, length: number, into: Uint8Array, at: number): void {
    let skip = from;
    let left = length;
    let to = at;
    for (let i = 0; left > 0; i++) {
      const start = this.bounds[2 * i] + skip;
      const end = this.bounds[2 * i + 1];
      skip = Math.max(0, start - end);
      if (start >= end) continue;
      const stop = Math.min(end, start + left);
      into.set(this.chunks[i].subarray(start, stop), to);
      to += stop - start;
      left -= stop - start;
    }
  }

  /**
   * Puts `bytes`, which belong to the body from now on, in the place of `[from, from + length)`. The range is cut to
   * what is there: (0, 0) prepends, (size, 0) appends.
   */
  replace(from: number, length: number, bytes: Uint8Array): void {
    this.chunks.length = this.count;
    this.bounds.length = 2 * this.count;
    const start = Math.min(from, this.size);
    const end = Math.min(from + length, this.size);
    const first = this.cutAt(start);
    const last = this.cutAt(end);
    const put = bytes.length > 0 ? [bytes] : [];
    this.chunks.splice(first, last - first, ...put);
    this.bounds.splice(2 * first, 2 * (last - first), ...put.flatMap((piece) => [0, piece.length]));
    this.size += bytes.length - (end - start);
    this.changed = true;
    this.count = this.chunks.length;
    this.settle();
  }

  /** Makes a piece begin at `offset`; returns its place. */
  private cutAt(offset: number): number {
    let before = 0;
    for (let i = 0; i < this.chunks.length; i++) {
      const [start, end] = [this.bounds[2 * i], this.bounds[2 * i + 1]];
      if (offset === before) return i;
      if (offset < before + end - start) {
        const at = start + offset - before;
        this.chunks.splice(i, 0, this.chunks[i]);
        this.bounds.splice(2 * i + 1, 0, at, at);
        return i + 1;
      }
      before += end - start;
    }
    return this.chunks.length;
  }

  clear(): void {
    if (this.count === 0 && !this.changed && this.chunks.length <= KEPT_ROOM) return;
    if (this.chunks.length > KEPT_ROOM) {
      this.chunks.length = 0;
      this.bounds.length = 0;
    } else for (let i = 0; i < this.count; i++) this.chunks[i] = NO_BYTES;
    this.count = 0;
    this.size = 0;
    this.changed = false;
    this.settle();
  }
}
