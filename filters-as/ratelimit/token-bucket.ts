/**
 * The arithmetic of a token bucket whose whole state is one number: `fullAt`, the time at which it will be full again.
 * A token costs `cost` nanoseconds, a full bucket holds `span` = max_tokens × cost of them; what is missing at `now` is
 * `fullAt − now`. Taking a token moves `fullAt` on by `cost`, which must not lead beyond `now + span`.
 *
 * Law: tokens given at times within [T0, T1] are at most max_tokens + (T1 − T0) ÷ cost, whoever gave them in whatever
 * order: each moves `fullAt` on by at least `cost`, the first from T0 or later, the last to T1 + span or earlier.
 * So a `fullAt` may be replaced by a later one at any time, never by an earlier one.
 *
 * Knows neither clock nor store. Times and durations are nanoseconds.
 */

/** Workers' readings of one clock differ by less than this; what lies further ahead was written before a step back. */
export const CLOCK_TOLERANCE: i64 = 1_000_000_000;

/** What a bucket is refused to be larger than, nanoseconds: ten years. No sum of two overflows then. */
export const LONGEST_SPAN: i64 = 315_360_000_000_000_000;

/** Price of a token when `tokens` come every `interval`, rounded up: the rate is never higher than was asked for. */
export function costOf(tokens: u64, interval: u64): i64 {
  return ((interval + tokens - 1) / tokens) as i64;
}

/**
 * What is missing from the bucket: 0 when full, at most `span`. A `fullAt` that no token can have led to is of a time
 * before the clock was set back; nothing is known then but that the bucket has no more than no token.
 */
export function debtOf(fullAt: i64, now: i64, span: i64): i64 {
  const debt = fullAt - now;
  if (debt <= 0) return 0;
  return debt > span + CLOCK_TOLERANCE ? span : debt;
}

/** True if the clock was set back so far that `fullAt` has to be written anew. */
export function isFromTheFuture(fullAt: i64, now: i64, span: i64): bool {
  return fullAt - now > span + CLOCK_TOLERANCE;
}

/** Whole tokens that a bucket with that debt has. */
export function tokensLeft(debt: i64, cost: i64, span: i64): i64 {
  return debt >= span ? 0 : (span - debt) / cost;
}

/** How long until a bucket with that debt has a token; 0 if it has one. */
export function untilToken(debt: i64, cost: i64, span: i64): i64 {
  return max(debt + cost - span, 0);
}
