/**
 * A log-linear histogram of whole numbers (usually milliseconds): two significant decimal digits per bucket, so
 * a quantile is off by at most 5 % of its value. Buckets and quantiles are those of Envoy's own histograms, so
 * both proxies print the same numbers for the same traffic.
 *
 * Laws: `record` allocates only when a value reaches a bucket that no value has reached before (128 bytes for
 * values up to 15, 4 KiB up to a million); an unused histogram holds no buckets. Buckets are cumulative for the
 * life of the process; what happened in an interval is the difference of two exports.
 *
 * Bucket numbers: 0 … 99 are the values themselves; from there 90 buckets per decade.
 */

/** Values above are counted in the last bucket. */
const MAX = 1e12 - 1;
const FIRST = 16;

/** Counts of values by bucket. Write it with `record`; read it through an export. */
export class Histogram {
  /** Values per bucket, as long as the highest bucket reached needs; null until the first value. */
  counts: Float64Array | null = null;
  /** Sum of the recorded values, exact. */
  sum = 0;

  /** Counts one value, rounded down to a whole number; negative and NaN count as 0. */
  record(value: number): void {
    const whole = value >= 1 ? Math.floor(value) : 0;
    const bucket = whole < 100 ? whole : bucketOf(whole);
    let counts = this.counts;
    if (counts === null || bucket >= counts.length) counts = this.grow(bucket);
    counts[bucket]++;
    this.sum += whole;
  }

  private grow(bucket: number): Float64Array {
    let length = this.counts === null ? FIRST : this.counts.length;
    while (length <= bucket) length *= 2;
    const counts = new Float64Array(length);
    if (this.counts !== null) counts.set(this.counts);
    this.counts = counts;
    return counts;
  }
}

/** The bucket of a whole number ≥ 0. */
export function bucketOf(whole: number): number {
  if (whole < 100) return whole;
  let digits = Math.min(whole, MAX);
  let base = 10;
  while (digits >= 100) {
    digits = Math.floor(digits / 10);
    base += 90;
  }
  return base + digits - 10;
}

/** The smallest value of a bucket. */
export function bucketStart(bucket: number): number {
  if (bucket < 100) return bucket;
  const decade = Math.floor((bucket - 10) / 90);
  return (bucket - decade * 90) * 10 ** decade;
}

/** How wide a bucket is for interpolation (0 for the value 0, a tenth for 1 … 9, as in Envoy). */
export function bucketWidth(bucket: number): number {
  if (bucket === 0) return 0;
  if (bucket < 10) return 0.1;
  return 10 ** Math.floor((bucket - 10) / 90);
}

/** The quantiles that are printed. */
export const QUANTILES: readonly number[] = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];

/** How many values `counts` holds. */
export function countOf(counts: Float64Array): number {
  let total = 0;
  for (const n of counts) total += n;
  return total;
}

/** The values at `percents` (ascending, 0 … 100), NaN each if there are no values. */
export function quantiles(counts: Float64Array, percents: readonly number[]): number[] {
  const total = countOf(counts);
  if (total === 0) return percents.map(() => Number.NaN);
  const out: number[] = [];
  let bucket = -1;
  let before = 0;
  let upTo = 0;
  for (const percent of percents) {
    // The rank-th smallest value is meant; within its bucket values are taken to lie evenly.
    const rank = Math.min(total, Math.max(1, Math.ceil((percent / 100) * total)));
    while (upTo < rank) {
      bucket++;
      before = upTo;
      upTo += counts[bucket];
    }
    out.push(bucketStart(bucket) + (bucketWidth(bucket) * (rank - before)) / (counts[bucket] + 1));
  }
  return out;
}

/** Upper bounds of the buckets that Prometheus and `histogram_buckets=` are shown (Envoy's defaults, in ms). */
export const BOUNDS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000,
  3600000,
];

/**
 * How many values are at or below each bound. A bucket that starts at a bound counts as at the bound, as in
 * Envoy (for bounds below 100 that is exact).
 */
export function cumulativeCounts(counts: Float64Array, bounds: readonly number[] = BOUNDS): number[] {
  const out: number[] = [];
  let total = 0;
  let bucket = 0;
  for (const bound of bounds) {
    while (bucket < counts.length && bucketStart(bucket) <= bound) total += counts[bucket++];
    out.push(total);
  }
  return out;
}
