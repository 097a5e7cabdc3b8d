/**
 * Earliest deadline first: a schedule in which entry `i` comes up in proportion to its weight and as evenly
 * spread as that allows (weights 1 and 3 give about b b a b, again and again). Entries are numbers; the owner
 * keeps the list they index.
 *
 * Every entry has a deadline `1 / weight` after its last turn; the earliest is next, ties go to the entry
 * that was queued first. Turn = `next()`, then `advance(weight)`, which may give another weight than before.
 *
 * Law: nothing is allocated after `build`.
 */
export class Edf {
  private heap = new Int32Array(0);
  private deadlines = new Float64Array(0);
  /** When the entry was last queued: breaks ties first in, first out. */
  private queued = new Float64Array(0);
  private sequence = 0;
  private size = 0;

  /** Entries that can come up. */
  get length(): number {
    return this.size;
  }

  /**
   * Starts over with one entry per weight; entries of weight 0 never come up. `phase` in [0, 1) is the place in
   * the schedule to start at, as if the turns before it were taken: so several workers do not start alike.
   */
  build(weights: ArrayLike<number>, phase: number): void {
    const n = weights.length;
    if (this.heap.length < n || this.heap.length > 4 * n + 16) {
      this.heap = new Int32Array(n);
      this.deadlines = new Float64Array(n);
      this.queued = new Float64Array(n);
    }
    this.size = 0;
    this.sequence = 0;
    for (let i = 0; i < n; i++) {
      const weight = weights[i];
      if (!(weight > 0)) continue;
      this.deadlines[i] = (Math.floor(phase * weight) + 1) / weight;
      this.queued[i] = this.sequence++;
      this.heap[this.size++] = i;
    }
    for (let slot = (this.size >> 1) - 1; slot >= 0; slot--) this.down(slot);
  }

  /** The entry whose turn it is, or -1 if there is none. Does not advance. */
  next(): number {
    return this.size === 0 ? -1 : this.heap[0];
  }

  /** Ends the turn of `next()`, which comes up again as its `weight` (> 0) says. */
  advance(weight: number): void {
    const entry = this.heap[0];
    this.deadlines[entry] += 1 / weight;
    this.queued[entry] = this.sequence++;
    this.down(0);
  }

  private before(a: number, b: number): boolean {
    const da = this.deadlines[a];
    const db = this.deadlines[b];
    return da < db || (da === db && this.queued[a] < this.queued[b]);
  }

  private down(from: number): void {
    const heap = this.heap;
    const entry = heap[from];
    let slot = from;
    for (;;) {
      let child = slot * 2 + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && this.before(heap[child + 1], heap[child])) child++;
      if (!this.before(heap[child], entry)) break;
      heap[slot] = heap[child];
      slot = child;
    }
    heap[slot] = entry;
  }
}
