/**
 * The statistics of several workers as one. Counters and gauges are summed, levels and totals (what is the same
 * in every worker) merged by maximum, histogram buckets added. The supervisor's own export is one more item.
 */

import type { StatKind, StatLayout } from "./stat-layout.ts";
import {
  addHistograms,
  type HistogramExport,
  type NamedHistogram,
  type ScopeExport,
  type SetExport,
  type SingleExport,
  type StatsExport,
} from "./stats-export.ts";

/**
 * Merges exports; the position of one is its worker's number in `worker_<n>.` names, so exports without workers
 * (the supervisor's) come last. None of the exports is changed, and the result may share arrays with them.
 */
export function mergeExports(exports: readonly StatsExport[]): StatsExport {
  const layouts: { [id: string]: StatLayout } = {};
  const scopes = new Map<string, ScopeExport>();
  exports.forEach((one, worker) => {
    Object.assign(layouts, one.layouts);
    for (const scope of one.scopes) {
      const added = withWorkerSingles(scope, one.layouts, worker);
      const known = scopes.get(scope.prefix);
      scopes.set(scope.prefix, known === undefined ? added : mergeScopes(known, added, layouts));
    }
  });
  return { layouts, scopes: [...scopes.values()] };
}

/** How two values of that kind become one. */
function combine(kind: StatKind, one: number, other: number): number {
  return kind === "level" || kind === "total" ? Math.max(one, other) : one + other;
}

function mergeScopes(
  one: ScopeExport,
  other: ScopeExport,
  layouts: { readonly [id: string]: StatLayout },
): ScopeExport {
  return {
    prefix: one.prefix,
    tagged: one.tagged,
    tags: one.tags,
    sets: mergeBy(
      one.sets,
      other.sets,
      (set) => `${set.layout} ${set.at}`,
      (a, b) => mergeSets(a, b, layouts),
    ),
    singles: mergeBy(
      one.singles,
      other.singles,
      (single) => single.name,
      (a, b): SingleExport => ({ ...a, value: combine(a.kind, a.value, b.value) }),
    ),
    histograms: mergeBy(
      one.histograms,
      other.histograms,
      (histogram) => histogram.name,
      (a, b): NamedHistogram => ({ name: a.name, data: addHistograms(a.data, b.data) }),
    ),
  };
}

function mergeSets(
  one: SetExport,
  other: SetExport,
  layouts: { readonly [id: string]: StatLayout },
): SetExport {
  const { kinds, histograms } = layouts[one.layout];
  let values = one.values ?? other.values;
  if (one.values !== null && other.values !== null) {
    const [a, b] = [one.values, other.values];
    values = a.map((value, i) => combine(kinds[i], value, b[i]));
  }
  const recorded: (HistogramExport | null)[] = [];
  if (one.histograms.length > 0 || other.histograms.length > 0) {
    for (let i = 0; i < histograms.length; i++) {
      recorded.push(addHistograms(one.histograms[i] ?? null, other.histograms[i] ?? null));
    }
  }
  return { layout: one.layout, at: one.at, values, histograms: recorded };
}

/** The items of both lists; those with the same key are merged. */
function mergeBy<T>(
  one: readonly T[],
  other: readonly T[],
  keyOf: (item: T) => string,
  merge: (a: T, b: T) => T,
): readonly T[] {
  if (other.length === 0) return one;
  if (one.length === 0) return other;
  const items = new Map<string, T>();
  for (const item of one) items.set(keyOf(item), item);
  for (const item of other) {
    const key = keyOf(item);
    const known = items.get(key);
    items.set(key, known === undefined ? item : merge(known, item));
  }
  return [...items.values()];
}

/** Adds what a layout wants to be seen for each worker. */
function withWorkerSingles(
  scope: ScopeExport,
  layouts: { readonly [id: string]: StatLayout },
  worker: number,
): ScopeExport {
  const singles: SingleExport[] = [];
  for (const set of scope.sets) {
    const { names, kinds, perWorker } = layouts[set.layout];
    for (const name of perWorker) {
      const i = names.indexOf(name);
      singles.push({
        name: `${set.at}worker_${worker}.${name}`,
        tagged: `${set.at}worker.${name}`,
        tag: ["envoy_worker_id", String(worker)],
        kind: kinds[i],
        value: set.values === null ? 0 : set.values[i],
      });
    }
  }
  return singles.length === 0 ? scope : { ...scope, singles: [...scope.singles, ...singles] };
}
