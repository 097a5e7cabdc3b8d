/**
 * A log-linear histogram of durations: exact to one part in 128 from 1 ns to hours, in a fixed 5 000 counters.
 * Recording allocates nothing, so that the load program does not disturb what it measures.
 */

const SUB_BITS = 7;
const SUB = 1 << SUB_BITS; // counters per power of two
const MAX_EXPONENT = 46; // 2^46 ns ≈ 19 hours

export class Histogram {
  count = 0;
  /** Largest value recorded, exact. */
  max = 0;
  readonly #counts = new Float64Array((MAX_EXPONENT - SUB_BITS + 1) * SUB + SUB);

  /** Records one duration in ns; negative counts as 0. */
  record(ns: number): void {
    const value = ns > 0 ? Math.floor(ns) : 0;
    this.#counts[slotOf(value)]++;
    this.count++;
    if (value > this.max) this.max = value;
  }

  /** Adds everything that `other` holds. */
  add(other: Histogram): void {
    for (let i = 0; i < this.#counts.length; i++) this.#counts[i] += other.#counts[i];
    this.count += other.count;
    if (other.max > this.max) this.max = other.max;
  }

  /** The smallest duration (ns) that at least `fraction` (0–1) of the values do not exceed; 0 when empty. */
  quantile(fraction: number): number {
    if (this.count === 0) return 0;
    const rank = Math.max(1, Math.ceil(fraction * this.count - 1e-9));
    let seen = 0;
    for (let slot = 0; slot < this.#counts.length; slot++) {
      seen += this.#counts[slot];
      if (seen >= rank) return Math.min(highestIn(slot), this.max);
    }
    return this.max;
  }
}

/** Values below 2·SUB have a slot each; above, SUB slots for every power of two. */
function slotOf(value: number): number {
  if (value < 2 * SUB) return value;
  const high = Math.floor(value / 2 ** 32);
  const exponent = high > 0 ? 63 - Math.clz32(high) : 31 - Math.clz32(value);
  if (exponent > MAX_EXPONENT) return (MAX_EXPONENT - SUB_BITS + 1) * SUB + SUB - 1;
  const shift = exponent - SUB_BITS;
  return shift * SUB + Math.floor(value / 2 ** shift);
}

function highestIn(slot: number): number {
  if (slot < 2 * SUB) return slot;
  const shift = Math.floor(slot / SUB) - 1;
  return (slot - shift * SUB + 1) * 2 ** shift - 1;
}
