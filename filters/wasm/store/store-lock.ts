/**
 * The lock of a shared store: one word, taken by compare-and-exchange, held for a fraction of a microsecond. A
 * thread that meets it held spins a little, then sleeps.
 *
 *   0 free · low 20 bits: the holder's incarnation · WAITERS: somebody sleeps · SUSPECT: somebody gave up
 *
 * Laws:
 * - Nobody waits for ever. After `PATIENCE` the wait fails, and as long as that holder keeps the lock all others
 *   fail at once: their operations are refused, their event loops go on, and with them the one that hears of a
 *   thread's end.
 * - A lock is taken from a holder only if that is not attached (any more), which is the supervising thread's to say,
 *   or if the holder is the caller: nothing is nested, so an operation of its own was thrown out (a stack overflow
 *   under a deep guest). Whoever takes it over repairs the store first. A time-out is never reason enough: a thread
 *   that the system put aside comes back and writes on.
 * - Even one that is not attached has `SLEEP` to leave by itself: Deno says that a thread has ended before it has.
 */
import { LOCK_AT, LOCK_TIMEOUTS_AT, LOCK_WAITS_AT, THREAD_TABLE_AT, THREADS_AT } from "./store-layout.ts";

const OWNER = 0xfffff;
const WAITERS = 1 << 20;
const SUSPECT = 1 << 21;

/** Looks at the lock before sleeping: one to a few microseconds, several critical sections. */
const SPINS = 100;
/** One sleep, ms, and how many may time out. */
const SLEEP = 50;
const PATIENCE = 5;

/** Lets the other hyper-thread of the core go on, where the runtime can say so. */
const pause = (Atomics as unknown as { pause?: () => void }).pause ?? (() => {});

/** What came of an attempt to take the lock. */
export const FAILED = 0;
export const TAKEN = 1;
/** Taken, and the store must be repaired before anything else. */
export const TAKEN_OVER = 2;

export class StoreLock {
  private readonly words: Int32Array;
  private readonly me: number;

  /**
   * @param head the head of the store, its table of threads included
   * @param incarnation above 0 and of 20 bits, of this attachment alone: a thread that is restarted has another one
   */
  constructor(head: Int32Array, incarnation: number) {
    this.words = head;
    this.me = incarnation;
  }

  /** True if it was taken at once, which is nearly always; else `wait` decides. */
  tryTake(): boolean {
    return Atomics.compareExchange(this.words, LOCK_AT, 0, this.me) === 0;
  }

  /** True if this thread holds it: before an operation that means that a former one was thrown out. */
  get isMine(): boolean {
    return (Atomics.load(this.words, LOCK_AT) & OWNER) === this.me;
  }

  /** Takes the lock after `tryTake` has failed. */
  wait(): number {
    const { words, me } = this;
    for (let i = 0; i < SPINS; i++) {
      const seen = Atomics.load(words, LOCK_AT);
      if (seen === 0 && Atomics.compareExchange(words, LOCK_AT, 0, me) === 0) return TAKEN;
      if ((seen & OWNER) === me) return TAKEN_OVER;
      pause();
    }
    Atomics.add(words, LOCK_WAITS_AT, 1);
    for (let timeouts = 0; timeouts < PATIENCE; ) {
      let seen = Atomics.load(words, LOCK_AT);
      if (seen === 0) {
        // Others may sleep beside this one: whoever takes it from here on wakes the next.
        if (Atomics.compareExchange(words, LOCK_AT, 0, me | WAITERS) === 0) return TAKEN;
        continue;
      }
      if ((seen & SUSPECT) !== 0) {
        if (this.isAttached(seen & OWNER)) break;
        if (this.takeOver(seen)) return TAKEN_OVER;
        continue;
      }
      if ((seen & WAITERS) === 0) {
        if (Atomics.compareExchange(words, LOCK_AT, seen, seen | WAITERS) !== seen) continue;
        seen |= WAITERS;
      }
      if (Atomics.wait(words, LOCK_AT, seen, SLEEP) !== "timed-out") continue;
      if (!this.isAttached(seen & OWNER) && this.takeOver(seen)) return TAKEN_OVER;
      timeouts++;
      if (timeouts === PATIENCE && Atomics.compareExchange(words, LOCK_AT, seen, seen | SUSPECT) === seen) {
        Atomics.notify(words, LOCK_AT);
      }
    }
    Atomics.add(words, LOCK_TIMEOUTS_AT, 1);
    return FAILED;
  }

  /** Gives it back; does nothing if it was taken over from this thread. */
  release(): void {
    const { words, me } = this;
    if (Atomics.compareExchange(words, LOCK_AT, me, 0) === me) return;
    for (;;) {
      const seen = Atomics.load(words, LOCK_AT);
      if ((seen & OWNER) !== me) return;
      if (Atomics.compareExchange(words, LOCK_AT, seen, 0) === seen) break;
    }
    Atomics.notify(words, LOCK_AT, 1);
  }

  private takeOver(seen: number): boolean {
    return Atomics.compareExchange(this.words, LOCK_AT, seen, this.me | WAITERS) === seen;
  }

  private isAttached(incarnation: number): boolean {
    const { words } = this;
    for (let thread = 0; thread < words[THREADS_AT]; thread++) {
      if (Atomics.load(words, THREAD_TABLE_AT + thread) === incarnation) return true;
    }
    return false;
  }
}
