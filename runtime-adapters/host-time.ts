/** Real time, the same on every runtime: `performance.now` and one `setTimeout` per driver. */
import type { TimeSource } from "./turn.ts";

/** The longest `setTimeout` that all runtimes take, ms; a later alarm goes off early and is set again. */
const LONGEST = 2 ** 31 - 1;

export class HostTime implements TimeSource {
  private pending: ReturnType<typeof setTimeout> | null = null;

  now(): number {
    return performance.now();
  }

  wall(): number {
    return Date.now();
  }

  arm(delay: number, fire: () => void): void {
    if (this.pending !== null) clearTimeout(this.pending);
    this.pending = setTimeout(fire, Math.min(delay, LONGEST));
  }

  disarm(): void {
    if (this.pending !== null) clearTimeout(this.pending);
    this.pending = null;
  }

  soon(job: () => void): void {
    queueMicrotask(job);
  }

  afterPoll(job: () => void): void {
    setImmediate(job);
  }
}
