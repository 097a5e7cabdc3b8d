/** Which cluster a route sends a request to: one, one named by a header, or one of several by weight. */
import type { PerFilterConfig, RouteAction, WeightedCluster } from "../config/model.ts";
import type { ConfigFault } from "../errors.ts";
import { isHeaderName } from "../http/fields.ts";
import { firstValue } from "../http/first-value.ts";
import type { FormatEnvironment } from "../http/formatter.ts";
import type { RequestHead } from "../http/head.ts";
import { compileHeaderMutation, type HeaderMutation, NO_MUTATION } from "./header-mutation.ts";

/** What is said about filters of the chain, by their names. */
export type PerFilters = ReadonlyMap<string, PerFilterConfig>;

/** One possible destination of a route. Made at compile time. */
export class ClusterTarget {
  /** "" if the name is in a header. */
  readonly name: string;
  /** Lower-case header that names the cluster, or "". */
  readonly header: string;
  /** Header operations of this entry, empty outside weighted clusters. */
  readonly requestMutation: HeaderMutation;
  readonly responseMutation: HeaderMutation;
  readonly hostRewriteLiteral: string;
  /** What is said about filters if the request goes here; null if this entry has no say. */
  readonly perFilter: PerFilters | null;

  constructor(
    name: string,
    header: string,
    requestMutation: HeaderMutation,
    responseMutation: HeaderMutation,
    hostRewriteLiteral: string,
    perFilter: PerFilters | null,
  ) {
    this.name = name;
    this.header = header;
    this.requestMutation = requestMutation;
    this.responseMutation = responseMutation;
    this.hostRewriteLiteral = hostRewriteLiteral;
    this.perFilter = perFilter;
  }

  /** The cluster for this request; "" if the header that should name it is missing. */
  clusterName(head: RequestHead): string {
    return this.header === "" ? this.name : (firstValue(head, this.header) ?? "");
  }
}

/** The destinations of one route. */
export class ClusterChoice {
  readonly targets: readonly ClusterTarget[];
  /** Running sums of the weights; empty if there is one target only. */
  private readonly sums: readonly number[];
  private readonly total: number;

  constructor(targets: readonly ClusterTarget[], sums: readonly number[], total: number) {
    this.targets = targets;
    this.sums = sums;
    this.total = total;
  }

  /** The target for a random non-negative integer. */
  choose(random: number): ClusterTarget {
    const { targets, sums } = this;
    if (sums.length === 0) return targets[0];
    const point = random % this.total;
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (point < sums[middle]) high = middle;
      else low = middle + 1;
    }
    return targets[low];
  }
}

const NO_SUMS: readonly number[] = [];

/**
 * Compiles the destinations of a route action; what is wrong goes to `faults` under `path` ("….route").
 * As in Envoy the sum of the weights counts, not `total_weight`. `filtersOf` says what holds of filters for an entry that
 * speaks of them, else null.
 */
export function compileClusterChoice(
  action: RouteAction,
  path: string,
  environment: FormatEnvironment,
  faults: ConfigFault[],
  filtersOf: (cluster: WeightedCluster) => PerFilters | null,
): ClusterChoice {
  if (action.weightedClusters.length === 0) {
    if (action.clusterHeader !== "" && !isHeaderName(action.clusterHeader))
      faults.push({
        path: `${path}.cluster_header`,
        message: `"${action.clusterHeader}" is not a header name`,
      });
    return new ClusterChoice(
      [new ClusterTarget(action.cluster, action.clusterHeader, NO_MUTATION, NO_MUTATION, "", null)],
      NO_SUMS,
      0,
    );
  }
  const sums: number[] = [];
  let sum = 0;
  const targets = action.weightedClusters.map((cluster, i) => {
    const at = `${path}.weighted_clusters.clusters[${i}].`;
    const { headers } = cluster;
    sum += cluster.weight;
    sums.push(sum);
    return new ClusterTarget(
      cluster.name,
      "",
      compileHeaderMutation(headers.requestAdd, headers.requestRemove, "request", at, environment, faults),
      compileHeaderMutation(headers.responseAdd, headers.responseRemove, "response", at, environment, faults),
      cluster.hostRewriteLiteral,
      filtersOf(cluster),
    );
  });
  if (sum === 0) faults.push({ path: `${path}.weighted_clusters`, message: "the weights add up to 0" });
  else if (sum > 0xffff_ffff)
    faults.push({ path: `${path}.weighted_clusters`, message: "the weights add up to more than 4294967295" });
  return new ClusterChoice(targets, sums, sum);
}
