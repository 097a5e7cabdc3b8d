/**
 * The series of Istio's metrics in one worker: one set of instruments per combination of labels, which Prometheus shows
 * as `istio_requests_total{…}` and its sisters.
 *
 * Laws: series stay as long as the worker, whatever becomes of the listener, as counters of Prometheus must. Peers choose
 * some of the values (a host, a certificate, a status), so there are at most so many combinations: requests beyond them
 * are counted under `unknown` wherever a peer has a say, so that the sums stay true.
 */
import type { Histogram } from "../../core/telemetry/histogram.ts";
import type { Counter, Scope, StatsStore, Tags } from "../../core/telemetry/stats.ts";
import { LABELS, type Label, type LabelValues, UNKNOWN } from "./istio-labels.ts";

/** Combinations of labels, per worker. */
export const MOST_SERIES = 1000;
/** With those whose callers and services are `unknown`. */
const MOST_IN_ALL = 2 * MOST_SERIES;

/** The names of Istio, without the `istio_` before each. */
export const METRICS = [
  "requests_total",
  "request_duration_milliseconds",
  "request_bytes",
  "response_bytes",
  "request_messages_total",
  "response_messages_total",
] as const;
export type Metric = (typeof METRICS)[number];

/** Labels that a metric goes without; null = it is not there at all. */
export type MetricOptions = ReadonlyMap<Metric, ReadonlySet<string> | null>;

/** Whose values a client makes up. */
const BY_CLIENT: ReadonlySet<Label> = new Set<Label>([
  "source_principal",
  "source_workload_namespace",
  "destination_service",
  "destination_service_name",
]);

/** What one combination counts; null where the configuration drops it. */
export interface Series {
  readonly requests: Counter | null;
  readonly duration: Histogram | null;
  readonly requestBytes: Histogram | null;
  readonly responseBytes: Histogram | null;
  readonly requestMessages: Counter | null;
  readonly responseMessages: Counter | null;
}

/** All of a worker. */
export class IstioScopes {
  private readonly stats: StatsStore;
  private readonly known = new Map<string, Scope>();

  constructor(stats: StatsStore) {
    this.stats = stats;
  }

  /** Whether one more would be one too many. */
  isFull(most: number): boolean {
    return this.known.size >= most;
  }

  of(tags: Tags): Scope {
    const prefix = prefixOf(tags);
    let scope = this.known.get(prefix);
    if (scope === undefined) {
      scope = this.stats.scope(prefix, "istiocustom.", tags);
      this.known.set(prefix, scope);
    }
    return scope;
  }
}

/** Those of one filter of a chain. */
export class IstioSeries {
  private readonly scopes: IstioScopes;
  private readonly options: MetricOptions;
  private readonly known = new Map<string, Series>();

  constructor(scopes: IstioScopes, options: MetricOptions) {
    this.scopes = scopes;
    this.options = options;
  }

  /** The series of a request. */
  of(values: LabelValues): Series {
    const { scopes } = this;
    return (
      this.find(values, scopes.isFull(MOST_SERIES)) ??
      this.find(without(values, BY_CLIENT), scopes.isFull(MOST_IN_ALL)) ??
      (this.find(without(values, LABELS), false) as Series)
    );
  }

  /** Null if it is not there, and must not be made. */
  private find(values: LabelValues, full: boolean): Series | null {
    let key = "";
    for (const label of LABELS) key += `${values[label]}\n`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    if (full) return null;
    const series = this.make(values);
    this.known.set(key, series);
    return series;
  }

  private make(values: LabelValues): Series {
    // Of gRPC alone.
    const messages = (metric: Metric): Counter | null =>
      values.request_protocol === "grpc" ? this.counter(metric, values) : null;
    return {
      requests: this.counter("requests_total", values),
      duration: this.histogram("request_duration_milliseconds", values),
      requestBytes: this.histogram("request_bytes", values),
      responseBytes: this.histogram("response_bytes", values),
      requestMessages: messages("request_messages_total"),
      responseMessages: messages("response_messages_total"),
    };
  }

  private counter(metric: Metric, values: LabelValues): Counter | null {
    return this.scope(metric, values)?.counter(`istio_${metric}`) ?? null;
  }

  private histogram(metric: Metric, values: LabelValues): Histogram | null {
    return this.scope(metric, values)?.histogram(`istio_${metric}`) ?? null;
  }

  private scope(metric: Metric, values: LabelValues): Scope | null {
    const removed = this.options.get(metric);
    if (removed === null) return null;
    const tags: { [label: string]: string } = {};
    for (const label of LABELS) if (removed?.has(label) !== true) tags[label] = values[label];
    return this.scopes.of(tags);
  }
}

function without(values: LabelValues, labels: Iterable<Label>): LabelValues {
  const rest = { ...values };
  for (const label of labels) rest[label] = UNKNOWN;
  return rest;
}

/** As Istio writes it: names and values in turn. */
function prefixOf(tags: Tags): string {
  let prefix = "istiocustom.";
  for (const [label, value] of Object.entries(tags)) prefix += `${label}.${value}.`;
  return prefix;
}
