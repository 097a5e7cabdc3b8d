/**
 * Counters, gauges and histograms under Envoy's names. An instrument is looked up once, when its owner is made,
 * and then incremented as a plain field: no map, no string, no call on the hot path.
 *
 * One store per worker; the supervisor merges their exports (counters and gauges are summed, histogram buckets
 * added). Names are dotted as in Envoy; `tags` are what Envoy's tag extraction would find in them.
 */

/** Grows only. Increment with `value++` or `value += n`. */
export class Counter {
  value = 0;
}

/** Goes up and down. */
export class Gauge {
  value = 0;
}

/** Tags of a scope, e.g. `{ envoy_cluster_name: "shop" }`. */
export type Tags = { readonly [tag: string]: string };
