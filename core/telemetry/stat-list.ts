/**
 * An export as the sorted list of statistics that the admin pages print. Counters and gauges come first in the
 * order of their full names, histograms after them, as in Envoy.
 */
import type { StatKind } from "./stat-layout.ts";
import type { HistogramExport, ScopeExport, StatsExport } from "./stats-export.ts";

/** A counter or gauge. */
export interface NumberStat {
  /** Full dotted name. */
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly value: number;
  readonly scope: ScopeExport;
  /** What follows the scope's tagged prefix once `tag` is taken out. */
  readonly tagged: string;
  /** A tag that stands before those of the scope, or null. */
  readonly tag: readonly [string, string] | null;
}

export interface HistogramStat {
  readonly name: string;
  readonly data: HistogramExport | null;
  readonly scope: ScopeExport;
  readonly tagged: string;
}

export interface StatList {
  readonly numbers: readonly NumberStat[];
  readonly histograms: readonly HistogramStat[];
}

export interface StatQuery {
  /** Only names it accepts; null = all. */
  readonly accepts: ((name: string) => boolean) | null;
  /** Leaves out what never moved. A gauge at 0 counts as moved if its `…_total` did, or if it is always set. */
  readonly usedOnly: boolean;
  readonly type: "all" | "counters" | "gauges" | "histograms";
}

/** Everything. */
export const ALL_STATS: StatQuery = { accepts: null, usedOnly: false, type: "all" };

/** The statistics of `stats` that `query` asks for, sorted by name. */
export function listStats(stats: StatsExport, query: StatQuery = ALL_STATS): StatList {
  const { accepts, usedOnly, type } = query;
  const numbers: NumberStat[] = [];
  const histograms: HistogramStat[] = [];

  const addNumber = (
    scope: ScopeExport,
    name: string,
    tagged: string,
    tag: readonly [string, string] | null,
    statKind: StatKind,
    value: number,
  ) => {
    const kind = statKind === "counter" || statKind === "total" ? "counter" : "gauge";
    if (type !== "all" && type !== `${kind}s`) return;
    if (accepts !== null && !accepts(name)) return;
    numbers.push({ name, kind, value, scope, tagged, tag });
  };
  const addHistogram = (scope: ScopeExport, name: string, tagged: string, data: HistogramExport | null) => {
    if (type !== "all" && type !== "histograms") return;
    if (usedOnly && data === null) return;
    if (accepts !== null && !accepts(name)) return;
    histograms.push({ name, data, scope, tagged });
  };

  for (const scope of stats.scopes) {
    const { prefix } = scope;
    for (const set of scope.sets) {
      const { names, tagged, tags, kinds, histograms: histogramNames } = stats.layouts[set.layout];
      for (let i = 0; i < names.length; i++) {
        const value = set.values === null ? 0 : set.values[i];
        if (usedOnly && value === 0 && !wasSet(kinds[i], names[i], names, set.values)) continue;
        addNumber(scope, prefix + set.at + names[i], set.at + tagged[i], tags[i], kinds[i], value);
      }
      for (let i = 0; i < histogramNames.length; i++) {
        const name = set.at + histogramNames[i];
        addHistogram(scope, prefix + name, name, set.histograms[i] ?? null);
      }
    }
    for (const { name, tagged, tag, kind, value } of scope.singles) {
      if (usedOnly && value === 0) continue;
      addNumber(scope, prefix + name, tagged, tag, kind, value);
    }
    for (const { name, data } of scope.histograms) addHistogram(scope, prefix + name, name, data);
  }
  return { numbers: numbers.sort(byName), histograms: histograms.sort(byName) };
}

/** Whether a gauge that stands at 0 has been written. */
function wasSet(
  kind: StatKind,
  name: string,
  names: readonly string[],
  values: Float64Array | null,
): boolean {
  if (values === null || kind === "counter" || kind === "total") return false;
  if (kind === "level") return true;
  const total = names.indexOf(name.replace(/_active$/, "_total"));
  return total >= 0 && values[total] > 0;
}

/** By code units, as Envoy sorts bytes. */
function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name < other.name ? -1 : one.name > other.name ? 1 : 0;
}
