/**
 * How a peer's oddities add up (http.md 2.6). Each is harmless alone, and costs us more than its sender: streams that
 * are reset at once, resets that it makes us send, frames that ask for nothing, answers that we owe. A peer that goes
 * on so is told to be calm, and then cut.
 *
 * Law: a bound for each sort, per time or per work done, so that a peer that works is never mistaken for one that does
 * not.
 */

/** Oddities of one sort within a while. */
export interface Bound {
  /** So many are too many. */
  readonly most: number;
  /** Within this time, ms. */
  readonly within: number;
}

/** What is counted. The figures are those of docs/limits.md. */
export const BOUNDS = {
  /** Streams that the client reset before their answer was complete, beyond half of all (Rapid Reset). */
  resets: { most: 200, within: 1000 },
  /** Streams that the peer made us reset (MadeYouReset). */
  madeResets: { most: 100, within: 30_000 },
  /** Streams refused for there being too many. */
  refused: { most: 200, within: 1000 },
  /** PINGs and SETTINGS, each of which wants an answer. */
  asks: { most: 1000, within: 10_000 },
  /** Frames that carry nothing: empty DATA without an end, PRIORITY, updates of a byte, unknown ones. */
  idle: { most: 1000, within: 1000 },
} as const satisfies { readonly [sort: string]: Bound };

export type GlitchSort = keyof typeof BOUNDS;

const SORTS = Object.keys(BOUNDS) as GlitchSort[];

/** What there is to say of an oddity: nothing; that the bound is near, once; that it was one too many. */
export const Bearable = 0;
export const Suspicious = 1;
export const TooMany = 2;
export type GlitchVerdict = typeof Bearable | typeof Suspicious | typeof TooMany;

/** Of a bound, this part makes a peer suspicious (HAProxy's). */
const SUSPICION = 0.75;

/** The counts of one connection. */
export class Glitches {
  private readonly counts: number[] = SORTS.map(() => 0);
  private readonly since: number[] = SORTS.map(() => 0);

  /** Counts one at `now`, ms. */
  add(sort: GlitchSort, now: number): GlitchVerdict {
    const i = SORTS.indexOf(sort);
    const { most, within } = BOUNDS[sort];
    if (now - this.since[i] > within) {
      this.since[i] = now;
      this.counts[i] = 0;
    }
    const count = ++this.counts[i];
    if (count > most) return TooMany;
    return count === Math.ceil(most * SUSPICION) ? Suspicious : Bearable;
  }
}
