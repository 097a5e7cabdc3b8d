/**
 * A turn: one entry into the core. `begin` opens it; the core runs; `finish` sets the alarm and sees to it that
 * what the core asked of its sockets (writes, ends, closes, dials) takes effect. Knows no runtime and no HTTP.
 *
 * Under load, what sockets were asked for takes effect for all turns of one poll of the kernel together. A peer that
 * sleeps is woken by the first write, and its core is still awake for the others: that is worth a third of the whole
 * CPU time of a request, since waking a core costs more than writing to a socket. A turn that begins after a silence
 * is not made to wait: the way through the end of the poll would cost it 20 us.
 *
 * Laws:
 * - Nothing that the core asks of a socket happens while the core is on the stack, so no runtime callback can
 *   come in the middle of a call into the core.
 * - What waits for the end of a poll is bounded, in items and in bytes.
 * - What a flush itself provokes (a runtime that reports a close at once) joins the turn under way.
 * - An exception from the core costs one connection, is counted and logged, and goes no further.
 */
import { Clock } from "../core/time/clock.ts";
import type { Core, Services } from "./runtime.ts";

/** Where a driver's time comes from. */
export interface TimeSource {
  /** Monotonic ms with fractions. */
  now(): number;
  /** Unix time, ms. */
  wall(): number;
  /** Calls `fire` once, `delay` ms from now; replaces an earlier one. */
  arm(delay: number, fire: () => void): void;
  /** Cancels what `arm` set. */
  disarm(): void;
  /** Calls `job` as soon as the present call stack is done. */
  soon(job: () => void): void;
  /** Calls `job` when everything that the last poll of the kernel brought has been reported, before the next poll. */
  afterPoll(job: () => void): void;
}

/** Something with work to do when the call into the core has returned. */
export interface Dirty {
  flush(): void;
  /** The core threw while it was told about this connection. */
  abandon(): void;
}

/** How long the wall clock may be off after a step, ms. */
const EPOCH_CHECK_INTERVAL = 1000;

/** A turn that begins so long after the end of the one before it is taken for a lone one, ms. */
const LONE_GAP = 0.03;

/** What may wait for the end of a poll: items, and bytes that were written to them. */
const MAX_WAITING_ITEMS = 32;
const MAX_WAITING_BYTES = 64 * 1024;

/** Entries that the list of dirty items keeps room for after a burst. */
const KEPT_ROOM = 1024;

const CLEAN: Dirty = Object.freeze({ flush() {}, abandon() {} });

export class Turn {
  readonly clock = new Clock();
  /** Exceptions that the core let through. */
  faults = 0;

  private readonly time: TimeSource;
  private readonly services: Services;
  private core: Core | null = null;
  private depth = 0;
  /** The first `dirtyCount` entries are to be flushed; emptying the array would make it allocate anew each turn. */
  private readonly dirty: Dirty[] = [];
  private dirtyCount = 0;
  /** Bytes written since the last flush; sockets count them. */
  written = 0;
  /** Flushes that left bytes of a socket behind, and exceptions, so far: each may still hold what its turn wrote. */
  unsent = 0;
  /** What the turn under way makes dirty is flushed at its end. */
  urgent = false;
  /** Number of the turn under way. */
  serial = 0;
  /** `onPolled` is to come. */
  private polling = false;
  /** What this turn makes dirty does not wait for the end of the poll. */
  private alone = true;
  private armedFor = Number.POSITIVE_INFINITY;
  private nextEpochCheck = Number.NEGATIVE_INFINITY;
  private closed = false;
  private readonly onAlarm: () => void;
  private readonly onStray: () => void;
  private readonly onPolled: () => void;

  constructor(time: TimeSource, services: Services) {
    this.time = time;
    this.services = services;
    this.onAlarm = () => this.alarm();
    this.onStray = () => this.run(() => {});
    this.onPolled = () => {
      this.polling = false;
      if (this.dirtyCount === 0) return;
      this.onStray();
      this.tick(); // what the next poll brings at once is no lone turn
    };
    this.tick();
  }

  attach(core: Core): void {
    if (this.core !== null) throw new Error("a driver drives one core");
    this.core = core;
  }

  /** Nothing that was asked of sockets waits to take effect. */
  get settled(): boolean {
    return this.dirtyCount === 0;
  }

  /** Opens a turn. Each `begin` is followed by exactly one `finish`. One reading of the clock serves a whole poll. */
  begin(): void {
    if (this.depth++ > 0) return;
    this.serial++;
    if (this.polling) return;
    const before = this.clock.now;
    this.tick();
    this.alone = this.clock.now - before > LONE_GAP;
  }

  /** Closes a turn; what became dirty is flushed now if the turn is alone, else when the poll is over. */
  finish(): void {
    if (this.depth === 1 && this.dirtyCount !== 0) {
      const { alone, urgent, dirtyCount, written } = this;
      if (alone || urgent || dirtyCount >= MAX_WAITING_ITEMS || written >= MAX_WAITING_BYTES) {
        this.flush();
        this.tick();
      } else if (!this.polling) {
        this.polling = true;
        this.time.afterPoll(this.onPolled);
      }
    }
    this.leave();
  }

  /** Puts `item` on the list that `finish` walks. The caller sees to it that it is there once. */
  mark(item: Dirty): void {
    this.dirty[this.dirtyCount++] = item;
    // Outside a turn (a test, a forgotten `run`) nobody would flush: give it one of its own.
    if (this.depth === 0) this.time.soon(this.onStray);
  }

  /** A whole turn; if it is the outermost one, what became dirty has been flushed when this returns. */
  run<T>(enter: () => T): T {
    this.begin();
    try {
      return enter();
    } finally {
      if (this.depth === 1) this.flush();
      this.leave();
    }
  }

  /** Records an exception of the core; `victim` is the connection that pays for it, if there is one. */
  fault(error: unknown, victim: Dirty | null): void {
    this.faults++;
    this.unsent++;
    if (victim !== null) victim.abandon();
    try {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.services.log("critical", "main", `exception in the proxy core: ${text}`);
    } catch {
      // A broken reporter must not cost the process.
    }
  }

  /** Cancels the alarm for good. */
  close(): void {
    this.closed = true;
    this.time.disarm();
  }

  private flush(): void {
    const dirty = this.dirty;
    // The list grows while it is walked: a flush may tell the core something, and the core answers by writing.
    for (let i = 0; i < this.dirtyCount; i++) {
      const item = dirty[i];
      dirty[i] = CLEAN;
      try {
        item.flush();
      } catch (error) {
        this.fault(error, item);
      }
    }
    if (dirty.length > KEPT_ROOM) dirty.length = 0;
    this.dirtyCount = 0;
    this.written = 0;
    this.urgent = false;
  }

  private leave(): void {
    if (--this.depth > 0 || this.core === null || this.closed) return;
    const due = this.core.nextDeadline();
    if (due < this.armedFor) this.arm(due);
  }

  private tick(): void {
    const now = this.time.now();
    this.clock.now = now;
    if (now >= this.nextEpochCheck) {
      this.nextEpochCheck = now + EPOCH_CHECK_INTERVAL;
      this.clock.epoch = this.time.wall() - now;
    }
  }

  private arm(due: number): void {
    this.armedFor = due;
    // At least 1 ms: a deadline that stays in the past must not spin.
    this.time.arm(Math.max(1, Math.ceil(due - this.clock.now)), this.onAlarm);
  }

  private alarm(): void {
    if (this.closed || this.core === null) return;
    this.armedFor = Number.POSITIVE_INFINITY;
    // By the time of the poll under way it may be early, for nothing, and be set again.
    if (this.polling) this.tick();
    this.begin();
    try {
      this.core.expire();
    } catch (error) {
      this.fault(error, null);
    }
    this.finish();
  }
}
