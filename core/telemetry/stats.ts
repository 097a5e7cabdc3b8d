/**
 * Counters, gauges and histograms under Envoy's names. An instrument is looked up once, when its owner is made,
 * and then incremented as a plain field: no map, no string, no call on the hot path. What the engine counts
 * lives in sets (`cluster-stats.ts`, `http-stats.ts`, …) whose fields are the numbers themselves; single
 * instruments by name are for filters and oddments.
 *
 * One store per worker; the supervisor merges their exports (counters and gauges are summed, histogram buckets
 * added). Names are dotted as in Envoy; `tags` are what Envoy's tag extraction would find in them.
 *
 * Laws: asking for the same prefix gives the same scope, and each asker releases it once; when the last one has,
 * the scope and its numbers are gone. So a listener or cluster that is replaced keeps its numbers while old and
 * new overlap.
 */
import { Histogram } from "./histogram.ts";
import type { SetLayout, StatLayout } from "./stat-layout.ts";
import {
  exportHistogram,
  type HistogramExport,
  type NamedHistogram,
  type ScopeExport,
  type SetExport,
  type SingleExport,
  type StatSource,
  type StatsExport,
  type Tags,
} from "./stats-export.ts";

export type { Tags } from "./stats-export.ts";

/** Grows only. Increment with `value++` or `value += n`. */
export class Counter {
  value = 0;
}

/** Goes up and down. */
export class Gauge {
  value = 0;
}

const NO_HISTOGRAMS: readonly (HistogramExport | null)[] = [];

interface AttachedSet {
  readonly at: string;
  readonly kind: SetLayout<object>;
  readonly set: object;
}

/** All instruments below one prefix. */
export class Scope {
  readonly prefix: string;
  readonly tagged: string;
  readonly tags: Tags;
  /** Askers that have not released yet. Kept by the store. */
  refs = 0;
  private readonly store: StatsStore;
  private readonly sets: AttachedSet[] = [];
  private sources: StatSource[] | null = null;
  private singles: Map<string, Counter | Gauge> | null = null;
  private histograms: Map<string, Histogram> | null = null;

  constructor(store: StatsStore, prefix: string, tagged: string, tags: Tags) {
    this.store = store;
    this.prefix = prefix;
    this.tagged = tagged;
    this.tags = tags;
  }

  /** The counter of that name, made when first asked for. A name is a counter or a gauge for ever. */
  counter(name: string): Counter {
    return this.single(name, Counter);
  }

  /** The gauge of that name, made when first asked for. */
  gauge(name: string): Gauge {
    return this.single(name, Gauge);
  }

  /** The histogram of that name, made when first asked for. Its name says its unit. */
  histogram(name: string): Histogram {
    this.histograms ??= new Map();
    let histogram = this.histograms.get(name);
    if (histogram === undefined) {
      histogram = new Histogram();
      this.histograms.set(name, histogram);
    }
    return histogram;
  }

  /** The set of that kind at `at` (a sub-prefix such as "circuit_breakers.default."), made when first asked for. */
  set<T extends object>(kind: SetLayout<T>, at = ""): T {
    for (const attached of this.sets) {
      if (attached.kind === (kind as SetLayout<object>) && attached.at === at) return attached.set as T;
    }
    const set = kind.make();
    this.sets.push({ at, kind: kind as SetLayout<object>, set });
    return set;
  }

  /** The source of that class, made by `make` when first asked for; it is read at every export. */
  source<T extends StatSource>(kind: abstract new (...args: never[]) => T, make: () => T): T {
    this.sources ??= [];
    for (const source of this.sources) if (source instanceof kind) return source;
    const source = make();
    this.sources.push(source);
    return source;
  }

  /** Sets every counter to 0; gauges and histograms stay. */
  resetCounters(): void {
    for (const { kind, set } of this.sets) {
      const numbers = set as { [field: string]: number };
      kind.fields.forEach((field, i) => {
        const stat = kind.layout.kinds[i];
        if (stat === "counter" || stat === "total") numbers[field] = 0;
      });
    }
    for (const single of this.singles?.values() ?? []) if (single instanceof Counter) single.value = 0;
    for (const source of this.sources ?? []) source.resetCounters();
  }

  /** Gives the scope back; the last one to do so removes its instruments. */
  release(): void {
    this.refs--;
    if (this.refs === 0) this.store.drop(this.prefix);
  }

  /** This scope as data; the layouts it uses are put into `layouts`. */
  export(layouts: { [id: string]: StatLayout }): ScopeExport {
    const singles: SingleExport[] = [];
    const histograms: NamedHistogram[] = [];
    for (const [name, single] of this.singles ?? []) {
      const kind = single instanceof Counter ? "counter" : "gauge";
      singles.push({ name, tagged: name, tag: null, kind, value: single.value });
    }
    for (const [name, histogram] of this.histograms ?? []) {
      histograms.push({ name, data: exportHistogram(histogram) });
    }
    if (this.sources !== null) {
      const visitor = {
        counter(name: string, value: number, tagged: string, tag: readonly [string, string] | null) {
          singles.push({ name, tagged, tag, kind: "counter", value });
        },
        histogram(name: string, data: HistogramExport) {
          histograms.push({ name, data });
        },
      } as const;
      for (const source of this.sources) source.visit(visitor);
    }
    const { prefix, tagged, tags } = this;
    const sets = this.sets.map((attached) => {
      layouts[attached.kind.layout.id] ??= attached.kind.layout;
      return exportSet(attached);
    });
    return { prefix, tagged, tags, sets, singles, histograms };
  }

  private single<T extends Counter | Gauge>(name: string, kind: new () => T): T {
    this.singles ??= new Map();
    const known = this.singles.get(name);
    if (known instanceof kind) return known;
    if (known !== undefined)
      throw new TypeError(`${this.prefix}${name} is already another kind of instrument`);
    const made = new kind();
    this.singles.set(name, made);
    return made;
  }
}

/** All instruments of one worker (or of the supervisor). */
export class StatsStore {
  private readonly scopes = new Map<string, Scope>();

  /**
   * The scope of that prefix. `prefix` is the full one with its last dot ("cluster.shop."), `tagged` the same
   * without what `tags` hold ("cluster."). Release it when its owner goes away.
   */
  scope(prefix: string, tagged: string, tags: Tags): Scope {
    let scope = this.scopes.get(prefix);
    if (scope === undefined) {
      scope = new Scope(this, prefix, tagged, tags);
      this.scopes.set(prefix, scope);
    }
    scope.refs++;
    return scope;
  }

  /** Forgets a scope; called by `Scope.release`. */
  drop(prefix: string): void {
    this.scopes.delete(prefix);
  }

  /** Sets every counter to 0 (the admin's `/reset_counters`); gauges and histograms stay. */
  resetCounters(): void {
    for (const scope of this.scopes.values()) scope.resetCounters();
  }

  /** Every instrument as structured-cloneable data, without connection to the living numbers. */
  export(): StatsExport {
    const layouts: { [id: string]: StatLayout } = {};
    return { layouts, scopes: Array.from(this.scopes.values(), (scope) => scope.export(layouts)) };
  }
}

function exportSet({ at, kind, set }: AttachedSet): SetExport {
  const numbers = set as { readonly [field: string]: number };
  let values: Float64Array | null = null;
  for (let i = 0; i < kind.fields.length; i++) {
    const value = numbers[kind.fields[i]];
    if (value === 0) continue;
    values ??= new Float64Array(kind.fields.length);
    values[i] = value;
  }
  const fields = set as { readonly [field: string]: Histogram };
  const recorded = kind.histogramFields.some((field) => fields[field].counts !== null);
  return {
    layout: kind.layout.id,
    at,
    values,
    histograms: recorded
      ? kind.histogramFields.map((field) => exportHistogram(fields[field]))
      : NO_HISTOGRAMS,
  };
}
