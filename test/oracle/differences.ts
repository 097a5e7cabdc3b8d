/**
 * Where we answer otherwise than Envoy 1.40, on purpose, each with its reason. The oracle's test accepts exactly
 * these and fails for an entry that nothing needs any more; docs/differences-from-envoy.md is written from them.
 */

export interface Difference {
  /** What it is about, as a heading. */
  readonly title: string;
  readonly reason: string;
  /** "group/ask", each with `*` for anything. */
  readonly asks: readonly string[];
  /** Paths of the observation that may differ, with `*` for anything, e.g. "answers.0.headers.connection". */
  readonly fields: readonly string[];
}

/** A statistic that we do not have, or count otherwise. */
export interface StatDifference {
  readonly title: string;
  readonly reason: string;
  /** Names, with `*` for anything. */
  readonly names: readonly string[];
}

export const differences: readonly Difference[] = [];

export const statDifferences: readonly StatDifference[] = [];
