/** Waiting times between attempts that fail: random in [0, base), [0, 2·base), … up to [0, max). */
import type { Random } from "./balancer.ts";

export class BackOff {
  private readonly random: Random;
  private base = 0;
  private max = 0;
  private interval = 0;

  constructor(random: Random) {
    this.random = random;
  }

  /** Starts over with these bounds (ms); `max` below `base` counts as `base`. */
  configure(base: number, max: number): void {
    this.base = base;
    this.max = Math.max(base, max);
    this.interval = base;
  }

  /** The next waiting time, ms. */
  next(): number {
    const wait = this.random() * this.interval;
    this.interval = Math.min(this.interval * 2, this.max);
    return wait;
  }

  /** An attempt succeeded: the next waiting time is a short one again. */
  reset(): void {
    this.interval = this.base;
  }
}
