/**
 * Room to write what will be sent: pieces are written one behind the other into one large array, which is left to them
 * and replaced when it is full, because whoever sends a piece may hold on to it.
 */

/** Size of a slab, bytes. */
const SLAB = 32 * 1024;
/** With less left than this the next piece begins a new one, bytes. */
const LEAST = 512;

export class Slab {
  bytes: Uint8Array = new Uint8Array(SLAB);
  /** Where the piece begins, and where it ends so far. */
  start = 0;
  end = 0;

  /** Begins a piece. */
  begin(): void {
    if (this.bytes.length - this.end < LEAST) {
      this.bytes = new Uint8Array(SLAB);
      this.end = 0;
    }
    this.start = this.end;
  }

  /** Makes room for `n` bytes more; the unfinished piece moves if there is none. */
  room(n: number): void {
    if (this.end + n <= this.bytes.length) return;
    const length = this.end - this.start;
    const slab = new Uint8Array(Math.max(SLAB, (length + n) * 2));
    slab.set(this.bytes.subarray(this.start, this.end));
    this.bytes = slab;
    this.start = 0;
    this.end = length;
  }
}
