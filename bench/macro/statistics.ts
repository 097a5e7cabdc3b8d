/** Medians, ratios and spreads of interleaved rounds. Pure; NaN is "no value" and stays out of every sum. */

/** The middle value, the mean of the two middle ones for an even count, NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Median over the rounds of `ours[i] / theirs[i]`. Both were measured within seconds of each other in round i, so
 * that what slows the machine for a while slows both and cancels out; a ratio of two medians would not do that.
 */
export function medianRatio(ours: readonly number[], theirs: readonly number[]): number {
  const rounds = Math.min(ours.length, theirs.length);
  const ratios: number[] = [];
  for (let i = 0; i < rounds; i++) if (theirs[i] > 0) ratios.push(ours[i] / theirs[i]);
  return median(ratios);
}

/** Median over the rounds of `ours[i] - base[i]`. */
export function medianDifference(ours: readonly number[], base: readonly number[]): number {
  return median(differences(ours, base));
}

export function differences(ours: readonly number[], base: readonly number[]): number[] {
  return ours.slice(0, base.length).map((value, i) => value - base[i]);
}

/** (largest − smallest) / median: how far the rounds are apart. */
export function spread(values: readonly number[]): number {
  const real = values.filter((value) => !Number.isNaN(value));
  return (Math.max(...real) - Math.min(...real)) / median(real);
}
