/**
 * Deadlines in an indexed binary heap. A request that re-arms a timer to a *later* time (the usual case: each
 * request pushes an idle deadline further out) costs one store: the heap entry stays where it is and is put
 * right when it comes up. Only an earlier deadline moves the entry.
 *
 * Laws: a timer is in one heap at most; a cancelled timer that belongs to a closed object must be `release`d,
 * or the heap keeps the object alive until the old deadline passes.
 */

/** A deadline that its owner re-arms as often as it likes. */
export class Timer {
  /** When it is really due (ms, `Clock.now` scale); Infinity = not armed. */
  due = Number.POSITIVE_INFINITY;
  /** Where the heap believes it is due: never later than `due` while queued. */
  key = 0;
  /** Position in the heap, -1 when not queued. */
  slot = -1;
  readonly fire: () => void;

  constructor(fire: () => void) {
    this.fire = fire;
  }

  get armed(): boolean {
    return this.due !== Number.POSITIVE_INFINITY;
  }
}

/** The heap of all timers of one worker. */
export class Timers {
  private readonly heap: Timer[] = [];

  /** Queued entries, cancelled ones included. */
  get size(): number {
    return this.heap.length;
  }

  /** Arms or re-arms `timer` for the absolute time `due` (ms). */
  arm(timer: Timer, due: number): void {
    timer.due = due;
    if (timer.slot < 0) {
      timer.key = due;
      timer.slot = this.heap.push(timer) - 1;
      this.up(timer.slot);
    } else if (due < timer.key) {
      timer.key = due;
      this.up(timer.slot);
    }
  }

  /** Disarms; the entry leaves the heap lazily. Use `release` when the owner goes away. */
  cancel(timer: Timer): void {
    timer.due = Number.POSITIVE_INFINITY;
  }

  /** Disarms and removes at once, so that the heap no longer refers to the owner. */
  release(timer: Timer): void {
    timer.due = Number.POSITIVE_INFINITY;
    const slot = timer.slot;
    if (slot < 0) return;
    timer.slot = -1;
    const last = this.heap.pop() as Timer;
    if (last === timer) return;
    this.heap[slot] = last;
    last.slot = slot;
    this.up(slot);
    this.down(last.slot);
  }

  /** The earliest time at which `expire` may have work, or Infinity. May be early, never late. */
  nextDeadline(): number {
    return this.heap.length === 0 ? Number.POSITIVE_INFINITY : this.heap[0].key;
  }

  /** Fires every timer due at or before `now`. A timer armed by a firing one to `now` or earlier waits for the next call. */
  expire(now: number): void {
    const ready: Timer[] = [];
    while (this.heap.length > 0 && this.heap[0].key <= now) {
      const timer = this.heap[0];
      if (timer.due === Number.POSITIVE_INFINITY) {
        this.release(timer);
      } else if (timer.due > now) {
        timer.key = timer.due;
        this.down(0);
      } else {
        const due = timer.due;
        this.release(timer);
        timer.due = due; // stays armed until fired: an earlier timer of this batch may still cancel it
        ready.push(timer);
      }
    }
    let next = 0;
    try {
      while (next < ready.length) {
        const timer = ready[next++];
        if (timer.slot >= 0 || timer.due > now) continue;
        timer.due = Number.POSITIVE_INFINITY;
        timer.fire();
      }
    } finally {
      // One that throws (a bug) must not take the others with it: they wait for the next call.
      for (; next < ready.length; next++) {
        const timer = ready[next];
        if (timer.slot < 0 && timer.due <= now) this.arm(timer, timer.due);
      }
    }
  }

  private up(slot: number): void {
    const heap = this.heap;
    const timer = heap[slot];
    while (slot > 0) {
      const parent = (slot - 1) >> 1;
      if (heap[parent].key <= timer.key) break;
      heap[slot] = heap[parent];
      heap[slot].slot = slot;
      slot = parent;
    }
    heap[slot] = timer;
    timer.slot = slot;
  }

  private down(slot: number): void {
    const heap = this.heap;
    const timer = heap[slot];
    for (;;) {
      let child = slot * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1].key < heap[child].key) child++;
      if (heap[child].key >= timer.key) break;
      heap[slot] = heap[child];
      heap[slot].slot = slot;
      slot = child;
    }
    heap[slot] = timer;
    timer.slot = slot;
  }
}
