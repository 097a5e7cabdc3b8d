/**
 * Time as the core knows it: a number that the adapter sets before each call into the core. The core never
 * asks a runtime for the time, so a test decides what time it is.
 */
export class Clock {
  /** Milliseconds on a monotonic scale, with fractions. Set by the adapter. */
  now = 0;
  /** Unix time in ms at `now === 0`; the adapter corrects it when the wall clock steps. */
  epoch = 0;

  /** Unix time, ms. */
  get wall(): number {
    return this.epoch + this.now;
  }
}
