/**
 * Finds the moments to tidy up: when the process falls quiet after work (its start, a burst, a busy hour), and a while
 * later once more, because compilers and collectors go on in the background. Quiet and work are judged by the CPU
 * time of the whole process, so nothing on the way of a request has to count.
 *
 * Laws: never tells while there is traffic worth the name; tells twice at most for each WORK that was done, so tidying
 * costs a few per cent of it. Knows neither clock nor timer but in `start`.
 */

/** How often to look, ms. */
const LOOK = 500;
/** Quiet is who used less than this part of one core since the last look. */
const QUIET = 0.01;
/** CPU time that makes a quiet moment worth telling, ms. */
const WORK = 100;
/** When to tell again, ms after the first time. */
const AFTERMATH = 15_000;

export class QuietWatch {
  private readonly onQuiet: () => void;
  private readonly usedCpu: () => number;
  private lookedAt: number;
  private used: number;
  /** CPU time at which there was enough work: at once, for whoever watches has just started. */
  private enough = 0;
  /** When to tell for the second time. */
  private again = Number.POSITIVE_INFINITY;

  /** `usedCpu` tells the CPU time of the process so far, `now` is the time, both in ms. */
  constructor(onQuiet: () => void, now: number, usedCpu: () => number) {
    this.onQuiet = onQuiet;
    this.usedCpu = usedCpu;
    this.lookedAt = now;
    this.used = usedCpu();
  }

  /** Watches this process for as long as it lives, and keeps it from nothing. */
  static start(onQuiet: () => void): void {
    const watch = new QuietWatch(onQuiet, performance.now(), () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    });
    setInterval(() => watch.look(performance.now()), LOOK).unref();
  }

  /** Looks, and tells if this is the moment. */
  look(now: number): void {
    const used = this.usedCpu();
    const quiet = used - this.used < (now - this.lookedAt) * QUIET;
    this.lookedAt = now;
    this.used = used;
    if (!quiet) return;
    if (used >= this.enough) this.again = now + AFTERMATH;
    else if (now >= this.again) this.again = Number.POSITIVE_INFINITY;
    else return;
    this.onQuiet();
    this.used = this.usedCpu(); // tidying is not the work that is meant
    this.enough = this.used + WORK;
  }
}
