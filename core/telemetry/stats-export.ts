/**
 * Statistics as data: what a worker sends to the supervisor, and what the admin pages are made of. An export is
 * plain, structured-cloneable and compact: a set that never moved is `null`, names travel once per layout.
 */
import type { Histogram } from "./histogram.ts";
import type { StatKind, StatLayout } from "./stat-layout.ts";

/** Tags of a scope, e.g. `{ envoy_cluster_name: "shop" }`, in the order of Envoy's labels. */
export type Tags = { readonly [tag: string]: string };

/** A histogram's buckets (see `histogram.ts`); null until the first value. */
export interface HistogramExport {
  readonly counts: Float64Array;
  readonly sum: number;
}

/** One set of instruments. */
export interface SetExport {
  readonly layout: string;
  /** What stands between the scope's prefix and the names, e.g. "circuit_breakers.default.". */
  readonly at: string;
  /** By the layout's names; null if all are 0. */
  readonly values: Float64Array | null;
  /** By the layout's histograms; empty if none was ever recorded. */
  readonly histograms: readonly (HistogramExport | null)[];
}

/** A single instrument outside of sets. */
export interface SingleExport {
  /** Without the scope's prefix. */
  readonly name: string;
  /** The name without what became a tag, and that tag; equal to `name` and null for most. */
  readonly tagged: string;
  readonly tag: readonly [string, string] | null;
  readonly kind: StatKind;
  readonly value: number;
}

export interface NamedHistogram {
  /** Without the scope's prefix. */
  readonly name: string;
  readonly data: HistogramExport | null;
}

export interface ScopeExport {
  /** Full dotted prefix with its last dot, "cluster.shop.". */
  readonly prefix: string;
  /** The prefix without what became tags, "cluster.". */
  readonly tagged: string;
  readonly tags: Tags;
  readonly sets: readonly SetExport[];
  readonly singles: readonly SingleExport[];
  readonly histograms: readonly NamedHistogram[];
}

export interface StatsExport {
  readonly layouts: { readonly [id: string]: StatLayout };
  readonly scopes: readonly ScopeExport[];
}

/** Takes instruments whose names are only known at export. */
export interface StatVisitor {
  /** `tagged` and `tag`: what tag extraction makes of the name (the name itself and null for most). */
  counter(name: string, count: number, tagged: string, tag: readonly [string, string] | null): void;
  histogram(name: string, data: HistogramExport): void;
}

/** Something that lists its instruments when asked. */
export interface StatSource {
  visit(visitor: StatVisitor): void;
  /** Sets its counters to 0. */
  resetCounters(): void;
}

/** A copy of a histogram, or null if nothing was recorded. */
export function exportHistogram(histogram: Histogram): HistogramExport | null {
  const counts = histogram.counts;
  if (counts === null) return null;
  let length = counts.length;
  while (counts[length - 1] === 0) length--;
  return { counts: counts.slice(0, length), sum: histogram.sum };
}

/** Both histograms' values in one. */
export function addHistograms(
  one: HistogramExport | null,
  other: HistogramExport | null,
): HistogramExport | null {
  if (one === null || other === null) return one ?? other;
  const [long, short] =
    one.counts.length >= other.counts.length ? [one.counts, other.counts] : [other.counts, one.counts];
  const counts = long.slice();
  for (let i = 0; i < short.length; i++) counts[i] += short[i];
  return { counts, sum: one.sum + other.sum };
}
