/**
 * What the fields of a set of instruments are called. A set (`ClusterStats`, `HttpStats`, …) is an object of a
 * fixed shape whose own number fields are statistics: `stats.upstreamRqTotal++` is the whole cost of counting.
 * The Envoy name is the field's name in snake case (`upstream_rq_total`, `downstream_rq_2xx`), so there is one
 * place where a statistic is declared. `Histogram` fields are its histograms.
 *
 * Laws: a class has one layout, made at module load from a sample; an export carries the layouts it uses, so
 * whoever reads it needs no knowledge of the classes.
 */
import { Histogram } from "./histogram.ts";

/**
 * "counter": grows, summed over workers. "gauge": up and down, summed over workers. "level": a gauge that says
 * the same in every worker (members of a cluster), merged by maximum. "total": a counter of that sort.
 */
export type StatKind = "counter" | "gauge" | "level" | "total";

/** Names and kinds of a class of sets. Structured-cloneable. */
export interface StatLayout {
  readonly id: string;
  /** Envoy's names, in the order of `values` in an export. */
  readonly names: readonly string[];
  /** The names as tag extraction leaves them: `downstream_rq_xx` for `downstream_rq_2xx`. */
  readonly tagged: readonly string[];
  /** What it extracts, or null for most. */
  readonly tags: readonly (readonly [string, string] | null)[];
  readonly kinds: readonly StatKind[];
  readonly histograms: readonly string[];
  /** Names that are also shown for each worker (`worker_0.…`). */
  readonly perWorker: readonly string[];
}

/** A layout with the fields that its values are read from. */
export interface SetLayout<T> {
  readonly layout: StatLayout;
  readonly fields: readonly string[];
  readonly histogramFields: readonly string[];
  make(): T;
}

const RESPONSE_CLASS = /_(\d)xx$/;

type NumberField<T> = { [K in keyof T]: T[K] extends number ? K : never }[keyof T] & string;

/** Exceptions to "every number field is a counter". */
export interface Kinds<T> {
  readonly gauges?: readonly NumberField<T>[];
  readonly levels?: readonly NumberField<T>[];
  readonly totals?: readonly NumberField<T>[];
  readonly perWorker?: readonly NumberField<T>[];
}

/** Describes a class of sets; `id` is unique in the process. */
export function layoutOf<T extends object>(id: string, make: () => T, kinds: Kinds<T> = {}): SetLayout<T> {
  const sample = make() as { readonly [field: string]: unknown };
  const own = Object.keys(sample);
  const fields = own.filter((field) => typeof sample[field] === "number");
  const histogramFields = own.filter((field) => sample[field] instanceof Histogram);
  const has = (list: readonly string[] | undefined, field: string) => list?.includes(field) === true;
  const names = fields.map(statName);
  return {
    layout: {
      id,
      names,
      tagged: names.map((name) => name.replace(RESPONSE_CLASS, "_xx")),
      tags: names.map((name) => {
        const found = RESPONSE_CLASS.exec(name);
        return found === null ? null : ["envoy_response_code_class", found[1]];
      }),
      kinds: fields.map((field) =>
        has(kinds.gauges, field)
          ? "gauge"
          : has(kinds.levels, field)
            ? "level"
            : has(kinds.totals, field)
              ? "total"
              : "counter",
      ),
      histograms: histogramFields.map(statName),
      perWorker: (kinds.perWorker ?? []).map(statName),
    },
    fields,
    histogramFields,
    make,
  };
}

/** Envoy's name of a field: `upstreamRqTotal` → `upstream_rq_total`, `downstreamRq2xx` → `downstream_rq_2xx`. */
export function statName(field: string): string {
  return field.replace(/[A-Z]|\dxx/g, (part) => `_${part.toLowerCase()}`);
}
