/**
 * How a peer's oddities add up (http.md 2.6). Each is harmless alone, and costs us more than its sender: streams that
 * are reset at once, resets that it makes us send, frames that ask for nothing, answers that we owe. A peer that goes
 * on so is told to be calm, and then cut.
 *
 * Law: a peer that works is never mistaken for one that does not. Frames that belong to work (a window that opens, a
 * PING that measures) are free in proportion to what we have sent; the bounds are for those beyond.
 */

/** Oddities of one sort within a while. */
export interface Bound {
  /** So many are too many. */
  readonly most: number;
  /** Within this time, ms. */
  readonly within: number;
  /** Frames of this sort belong to work. */
  readonly free: boolean;
}

/** What is counted. The figures are those of docs/limits.md. */
export const BOUNDS = {
  /** Streams that the peer made us reset (MadeYouReset), and frames that would have done so. */
  madeResets: { most: 100, within: 30_000, free: false },
  /** Streams refused for there being too many. */
  refused: { most: 200, within: 1000, free: false },
  /** Requests whose heads are larger than they may be: each is decoded to its end, and answered. */
  tooLarge: { most: 400, within: 10_000, free: false },
  /** PINGs, each of which wants an answer. */
  asks: { most: 1000, within: 10_000, free: true },
  /** SETTINGS, which want one, too, and may move the windows of all streams. */
  settings: { most: 200, within: 10_000, free: false },
  /** DATA that is empty and does not end its stream. */
  empty: { most: 1000, within: 1000, free: false },
  /** Window updates. */
  updates: { most: 1000, within: 1000, free: true },
  /** Frames that say nothing to us: PRIORITY, unknown types, acks of nothing, resets of what is over, goodbyes. */
  idle: { most: 1000, within: 1000, free: true },
} as const satisfies { readonly [sort: string]: Bound };

export type GlitchSort = keyof typeof BOUNDS;

/** Each DATA frame that we send, and each stream, makes so many frames free, up to this sum. */
const FREE_PER_WORK = 10;
const MOST_FREE = 10_000;

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
  /** By sort: how many, and since when, ms. Most connections never need them. */
  private counts: number[] | null = null;
  private since: number[] = [];
  /** Frames that are free. */
  private free = 0;

  /** A DATA frame was sent, or a stream began. */
  worked(): void {
    if (this.free < MOST_FREE) this.free += FREE_PER_WORK;
  }

  /** Counts one at `now`, ms. */
  add(sort: GlitchSort, now: number): GlitchVerdict {
    const { most, within, free } = BOUNDS[sort];
    if (free && this.free > 0) {
      this.free--;
      return Bearable;
    }
    const i = SORTS.indexOf(sort);
    if (this.counts === null) {
      this.counts = SORTS.map(() => 0);
      this.since = SORTS.map(() => 0);
    }
    if (now - this.since[i] > within) {
      this.since[i] = now;
      this.counts[i] = 0;
    }
    const count = ++this.counts[i];
    if (count > most) return TooMany;
    return count === Math.ceil(most * SUSPICION) ? Suspicious : Bearable;
  }
}
