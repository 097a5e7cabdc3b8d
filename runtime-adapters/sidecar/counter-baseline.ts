/**
 * `/reset_counters` without touching a worker: what the counters had reached is remembered and taken off every
 * later export. Gauges and histograms stay, as in Envoy.
 */
import type { StatKind } from "../../core/telemetry/stat-layout.ts";
import type { ScopeExport, StatsExport } from "../../core/telemetry/stats-export.ts";

const isCounter = (kind: StatKind) => kind === "counter" || kind === "total";

export class CounterBaseline {
  private baseline: StatsExport | null = null;

  /** From now on counters are shown as grown since `merged`. */
  reset(merged: StatsExport): void {
    this.baseline = merged;
  }

  /** `merged` with counters since the last reset. A scope that was removed and came back counts from 0. */
  since(merged: StatsExport): StatsExport {
    if (this.baseline === null) return merged;
    const before = new Map(this.baseline.scopes.map((scope) => [scope.prefix, scope]));
    return {
      layouts: merged.layouts,
      scopes: merged.scopes.map((scope) => {
        const old = before.get(scope.prefix);
        return old === undefined ? scope : subtract(scope, old, merged);
      }),
    };
  }
}

function subtract(scope: ScopeExport, old: ScopeExport, { layouts }: StatsExport): ScopeExport {
  const sets = scope.sets.map((set) => {
    const oldValues = old.sets.find((each) => each.layout === set.layout && each.at === set.at)?.values;
    if (set.values === null || oldValues === undefined || oldValues === null) return set;
    const { kinds } = layouts[set.layout];
    return { ...set, values: set.values.map((value, i) => grown(value, oldValues[i], kinds[i])) };
  });
  const oldSingles = new Map(old.singles.map(({ name, value }) => [name, value]));
  const singles = scope.singles.map((single) => ({
    ...single,
    value: grown(single.value, oldSingles.get(single.name) ?? 0, single.kind),
  }));
  return { ...scope, sets, singles };
}

function grown(value: number, old: number, kind: StatKind): number {
  return isCounter(kind) && value >= old ? value - old : value;
}
