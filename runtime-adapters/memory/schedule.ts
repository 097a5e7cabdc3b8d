/**
 * Virtual time: a list of things to do, each at its ms, run in order of time and then of asking. Nothing happens
 * unless somebody calls `advance` or `runUntilIdle`.
 */

interface Entry {
  readonly at: number;
  readonly order: number;
  job: (() => void) | null;
}

/** A handle that `Schedule.cancel` takes. */
export type Appointment = { readonly at: number };

/** Events that one call to `runUntilIdle` may run before it is taken for an endless loop. */
const RUNAWAY = 5_000_000;

export class Schedule {
  /** Virtual ms since the start. */
  now = 0;
  private heap: Entry[] = [];
  private order = 0;

  /** Runs `job` in `delay` ms (never before this call returned). */
  after(delay: number, job: () => void): Appointment {
    const entry: Entry = { at: this.now + Math.max(0, delay), order: this.order++, job };
    this.insert(entry);
    return entry;
  }

  cancel(appointment: Appointment): void {
    (appointment as Entry).job = null;
  }

  /** When the next thing happens, or Infinity. */
  get next(): number {
    while (this.heap.length > 0 && this.heap[0].job === null) this.pop();
    return this.heap.length === 0 ? Number.POSITIVE_INFINITY : this.heap[0].at;
  }

  /** Lets `ms` pass: everything due until then happens, in order. */
  advance(ms: number): void {
    const until = this.now + ms;
    for (let ran = 0; this.next <= until; ran++) {
      if (ran > RUNAWAY) throw new Error(`${RUNAWAY} events within ${ms} ms: an endless loop?`);
      this.step();
    }
    this.now = until;
  }

  /** Runs until nothing is left to do, or until `limit` ms have passed. Returns the ms that passed. */
  runUntilIdle(limit: number): number {
    const start = this.now;
    const until = start + limit;
    for (let ran = 0; this.next <= until && this.next !== Number.POSITIVE_INFINITY; ran++) {
      if (ran > RUNAWAY) throw new Error(`still not idle after ${RUNAWAY} events: an endless loop?`);
      this.step();
    }
    return this.now - start;
  }

  /** Runs the next thing. */
  step(): void {
    if (this.next === Number.POSITIVE_INFINITY) return;
    const entry = this.pop();
    this.now = entry.at;
    entry.job?.();
  }

  private insert(entry: Entry): void {
    const heap = this.heap;
    let slot = heap.push(entry) - 1;
    while (slot > 0) {
      const parent = (slot - 1) >> 1;
      if (!before(entry, heap[parent])) break;
      heap[slot] = heap[parent];
      slot = parent;
    }
    heap[slot] = entry;
  }

  private pop(): Entry {
    const heap = this.heap;
    const top = heap[0];
    const entry = heap.pop() as Entry;
    if (heap.length === 0) return top;
    let slot = 0;
    for (;;) {
      let child = slot * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++;
      if (!before(heap[child], entry)) break;
      heap[slot] = heap[child];
      slot = child;
    }
    heap[slot] = entry;
    return top;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
