/**
 * Streams that a client resets as soon as it has opened them (Rapid Reset, CVE-2023-44487), by Envoy's measure: half of
 * all streams of a connection, once they are many. The oldest streams count less and less, so that a long good life
 * buys no attack.
 */

/** A stream that the client resets before it is so old, and before it was answered, is reset prematurely, ms. */
export const PREMATURE_MS = 1000;

/** Why a connection ends then. */
export const PREMATURE_RESETS = "too_many_premature_resets";

/** Streams of which half may be reset before it is too many, however few there were. */
const FEWEST = 500;
/** With so many streams all counts are halved. */
const MOST = 2000;

export class PrematureResets {
  private streams = 0;
  private premature = 0;

  /** A stream is over. */
  over(): void {
    if (++this.streams < MOST) return;
    this.streams >>= 1;
    this.premature >>= 1;
  }

  /** It was reset prematurely; true if that was one too many. */
  add(): boolean {
    this.premature++;
    return this.premature * 2 >= Math.max(this.streams, FEWEST);
  }
}
