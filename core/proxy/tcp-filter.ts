/** One `tcp_proxy`, compiled for one filter chain of one worker. */
import type { Listener, TcpProxy, WeightedCluster } from "../config/model.ts";
import type { AccessLogger } from "../telemetry/access-log.ts";
import type { Scope } from "../telemetry/stats.ts";
import { type TcpStats, tcpScope, tcpStats } from "../telemetry/tcp-stats.ts";
import type { Clusters } from "./clusters.ts";
import type { LogCompiler } from "./log-compiler.ts";
import type { Services } from "./services.ts";

export class TcpProxyFilter {
  readonly config: TcpProxy;
  readonly listener: Listener;
  readonly filterChainName: string;
  readonly stats: TcpStats;
  readonly clusters: Clusters;
  readonly loggers: readonly AccessLogger[];
  private readonly services: Services;
  private readonly scope: Scope;
  private readonly totalWeight: number;

  constructor(
    config: TcpProxy,
    listener: Listener,
    filterChainName: string,
    services: Services,
    clusters: Clusters,
    logs: LogCompiler,
  ) {
    this.config = config;
    this.listener = listener;
    this.filterChainName = filterChainName;
    this.services = services;
    this.clusters = clusters;
    this.scope = tcpScope(services.stats, config.statPrefix);
    this.stats = tcpStats(this.scope);
    this.loggers = logs.compile(config.accessLog);
    this.totalWeight = config.clusters.reduce((sum, cluster) => sum + cluster.weight, 0);
  }

  /** The name of the cluster for a new connection. */
  chooseCluster(): string {
    const { clusters } = this.config;
    if (clusters.length === 1) return clusters[0].name;
    let point = this.services.random32() % this.totalWeight;
    for (const cluster of clusters) {
      if (point < cluster.weight) return cluster.name;
      point -= cluster.weight;
    }
    return (clusters.at(-1) as WeightedCluster).name;
  }

  /** Gives its statistics back. */
  release(): void {
    this.scope.release();
  }
}
