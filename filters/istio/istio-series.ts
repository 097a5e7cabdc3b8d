/**
 * The series of Istio's metrics in one worker: one set of instruments per combination of labels, which Prometheus shows
 * as `istio_requests_total{…}` and its sisters.
 *
 * Laws: series stay as long as the worker, whatever becomes of the listener, as counters of Prometheus must. Peers choose
 * some of the values (a host, a certificate, a status), so hosts, identities and combinations are bounded, in number and
 * in length: requests beyond the bounds are counted under `unknown` wherever a peer has a say, so that the sums stay true.
 */
import type { Histogram } from "../../core/telemetry/histogram.ts";
import type { Counter, Scope, StatsStore, Tags } from "../../core/telemetry/stats.ts";
import {
  type Known,
  LABELS,
  type Label,
  type LabelValues,
  type RequestFacts,
  UNKNOWN,
} from "./istio-labels.ts";

/** Combinations of labels, per worker: a page has some 50 KB of each. */
export const MOST_SERIES = 500;
/** With those whose callers and services are `unknown`. */
const MOST_IN_ALL = 2 * MOST_SERIES;
/** Hosts that name a service, and identities, with labels of their own. */
export const MOST_HOSTS = 100;
const MOST_IDENTITIES = 500;
/** Bytes of either. A name in DNS has no more; neither has a SPIFFE id in practice. */
const MOST_BYTES = 255;

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
  "destination_principal",
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

/** Texts up to a number. */
class Admitted {
  private readonly most: number;
  private readonly texts = new Set<string>();

  constructor(most: number) {
    this.most = most;
  }

  of(text: string): string {
    if (this.texts.has(text)) return text;
    if (this.texts.size >= this.most || text.length > MOST_BYTES) return UNKNOWN;
    this.texts.add(text);
    return text;
  }
}

/** All of a worker. */
export class IstioScopes implements Known {
  private readonly stats: StatsStore;
  private readonly scopes = new Map<string, Scope>();
  private readonly hosts = new Admitted(MOST_HOSTS);
  private readonly identities = new Admitted(MOST_IDENTITIES);

  constructor(stats: StatsStore) {
    this.stats = stats;
  }

  host(text: string): string {
    return this.hosts.of(text);
  }

  identity(text: string): string {
    return this.identities.of(text);
  }

  /** Null if there is none, and as many as may be. */
  of(tags: Tags, most: number): Scope | null {
    const prefix = prefixOf(tags);
    let scope = this.scopes.get(prefix);
    if (scope === undefined) {
      if (this.scopes.size >= most) return null;
      scope = this.stats.scope(prefix, "istiocustom.", tags);
      this.scopes.set(prefix, scope);
    }
    return scope;
  }
}

/** Those of one filter of a chain. */
export class IstioSeries {
  private readonly scopes: IstioScopes;
  private readonly options: MetricOptions;
  /** By what `RequestFacts` reads; forgotten when there are too many. */
  private readonly known = new Map<string, Series>();

  constructor(scopes: IstioScopes, options: MetricOptions) {
    this.scopes = scopes;
    this.options = options;
  }

  /** The series of a request whose facts read so. */
  of(key: string, facts: RequestFacts): Series {
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const values = facts.labels();
    const series =
      this.make(values, MOST_SERIES) ??
      this.make(without(values, BY_CLIENT), MOST_IN_ALL) ??
      (this.make(without(values, LABELS), Number.POSITIVE_INFINITY) as Series);
    if (this.known.size >= MOST_IN_ALL) this.known.clear();
    this.known.set(key, series);
    return series;
  }

  /** Null if it would be one too many. */
  private make(values: LabelValues, most: number): Series | null {
    const scopes = new Map<Metric, Scope>();
    for (const metric of METRICS) {
      const removed = this.options.get(metric);
      if (removed === null) continue;
      const tags: { [label: string]: string } = {};
      for (const label of LABELS) if (removed?.has(label) !== true) tags[label] = values[label];
      const scope = this.scopes.of(tags, most);
      if (scope === null) return null;
      scopes.set(metric, scope);
    }
    const counter = (metric: Metric): Counter | null =>
      scopes.get(metric)?.counter(`istio_${metric}`) ?? null;
    const histogram = (metric: Metric): Histogram | null =>
      scopes.get(metric)?.histogram(`istio_${metric}`) ?? null;
    const grpc = values.request_protocol === "grpc";
    return {
      requests: counter("requests_total"),
      duration: histogram("request_duration_milliseconds"),
      requestBytes: histogram("request_bytes"),
      responseBytes: histogram("response_bytes"),
      requestMessages: grpc ? counter("request_messages_total") : null,
      responseMessages: grpc ? counter("response_messages_total") : null,
    };
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
