/**
 * The clusters of one worker and the connection pools of their endpoints. A cluster that is not ready yet (no
 * endpoints have arrived) cannot be found.
 */
import type { Breaker } from "../cluster/breaker.ts";
import { type ClusterEnvironment, type ClusterHandler, ClusterState } from "../cluster/cluster.ts";
import type { EndpointState } from "../cluster/endpoint.ts";
import { type CompiledRetryPolicy, compileRetryPolicy } from "../cluster/retry-policy.ts";
import type { Cluster, ClusterLoadAssignment, RetryPolicy } from "../config/model.ts";
import { DEFAULT_LIMITS } from "../http1/limits.ts";
import { http2Limits } from "../http2/limits.ts";
import { clusterUpdateStats } from "../telemetry/server-stats.ts";
import { nameCaseOf } from "./name-case.ts";
import { ConnectionPool, type PoolOptions } from "./pool.ts";
import type { Services } from "./services.ts";

interface Pools {
  readonly normal: ConnectionPool | null;
  readonly high: ConnectionPool | null;
}

/** What is derived from a cluster's configuration once. */
interface Derived {
  readonly version: string;
  readonly options: PoolOptions;
}

export class Clusters implements ClusterHandler {
  private readonly services: Services;
  private readonly environment: ClusterEnvironment;
  private readonly states = new Map<string, ClusterState>();
  private readonly derived = new Map<string, Derived>();
  private readonly endpointVersions = new Map<string, string>();
  private retryPolicies = new WeakMap<RetryPolicy, CompiledRetryPolicy>();

  constructor(services: Services) {
    this.services = services;
    const { platform, clock, timers, random, stats, workers } = services;
    const updates = clusterUpdateStats(stats);
    this.environment = { platform, clock, timers, random, stats, updates, workers };
  }

  /** Adds, changes and removes clusters so that they are exactly `clusters`, with these EDS endpoints. */
  apply(clusters: readonly Cluster[], endpoints: readonly ClusterLoadAssignment[]): void {
    const names = new Set(clusters.map((cluster) => cluster.name));
    for (const [name, state] of this.states) {
      if (names.has(name)) continue;
      this.states.delete(name);
      this.derived.delete(name);
      this.endpointVersions.delete(name);
      state.close();
    }
    const assignments = new Map(endpoints.map((assignment) => [assignment.clusterName, assignment]));
    for (const config of clusters) {
      this.applyCluster(config);
      if (config.type !== "EDS") continue;
      const assignment = assignments.get(config.edsServiceName === "" ? config.name : config.edsServiceName);
      if (assignment === undefined || this.endpointVersions.get(config.name) === assignment.version) continue;
      this.endpointVersions.set(config.name, assignment.version);
      (this.states.get(config.name) as ClusterState).applyEndpoints(assignment);
    }
  }

  private applyCluster(config: Cluster): void {
    const known = this.states.get(config.name);
    if (known !== undefined && known.config.version === config.version) return;
    this.derived.set(config.name, {
      version: config.version,
      options: {
        connectTimeout: config.connectTimeout,
        idleTimeout: config.common.idleTimeout,
        maxDuration: config.common.maxConnectionDuration,
        maxRequests: config.common.maxRequestsPerConnection,
        forwardTrailers: config.http1.enableTrailers,
        nameCase: nameCaseOf(config.http1.headerKeyFormat),
        keepalive: config.tcpKeepalive,
        http2: config.http2,
        http2Limits: http2Limits(config.maxResponseHeadersBytes, config.common.maxHeadersCount),
        limits: {
          ...DEFAULT_LIMITS,
          maxHeadBytes: config.maxResponseHeadersBytes,
          maxFields: config.common.maxHeadersCount,
        },
      },
    });
    if (known !== undefined) {
      known.applyConfig(config);
      this.reconfigurePools(known);
      return;
    }
    const state = new ClusterState(config, this.environment, this);
    this.states.set(config.name, state);
    state.start();
  }

  /** The cluster of that name if requests may go to it, else null. */
  find(name: string): ClusterState | null {
    const state = this.states.get(name);
    return state === undefined || !state.ready ? null : state;
  }

  /** Names of the clusters that wait for their first endpoints. */
  get warming(): readonly string[] {
    return Array.from(this.states.values())
      .filter((state) => !state.ready)
      .map((state) => state.name);
  }

  /** Every cluster, for admin pages. */
  all(): IterableIterator<ClusterState> {
    return this.states.values();
  }

  /** The pool of an endpoint for requests under that breaker, made when first asked for. */
  poolOf(cluster: ClusterState, endpoint: EndpointState, breaker: Breaker): ConnectionPool {
    const pools = endpoint.pool as Pools | null;
    const high = breaker === cluster.highBreaker;
    const pool = pools === null ? null : high ? pools.high : pools.normal;
    if (pool !== null) return pool;
    const { options } = this.derived.get(cluster.name) as Derived;
    const made = new ConnectionPool(this.services, endpoint, cluster, breaker, options);
    endpoint.pool = high
      ? { normal: pools?.normal ?? null, high: made }
      : { normal: made, high: pools?.high ?? null };
    return made;
  }

  /** A route's policy in compiled form. It was validated with the route. */
  retryPolicy(policy: RetryPolicy | null): CompiledRetryPolicy | null {
    if (policy === null) return null;
    let compiled = this.retryPolicies.get(policy);
    if (compiled === undefined) {
      compiled = compileRetryPolicy(policy, "", []);
      this.retryPolicies.set(policy, compiled);
    }
    return compiled;
  }

  onEndpointRemoved(endpoint: EndpointState): void {
    const pools = endpoint.pool as Pools | null;
    pools?.normal?.drain();
    pools?.high?.drain();
  }

  onReady(_cluster: ClusterState): void {}

  private reconfigurePools(cluster: ClusterState): void {
    const { options } = this.derived.get(cluster.name) as Derived;
    for (const endpoint of cluster.endpoints.endpoints) {
      const pools = endpoint.pool as Pools | null;
      pools?.normal?.configure(options);
      pools?.high?.configure(options);
    }
  }
}
