/**
 * One cluster in one worker: its configuration, endpoints, balancers, breakers and statistics, wherever the
 * endpoints come from (configuration, EDS, DNS). This is what the engine asks for an endpoint.
 *
 * Knows no connections: the engine hangs its pools on the endpoints and is told when one leaves.
 * Law: a changed configuration or assignment is applied in place; endpoints that stay keep their state.
 */
import type { HealthCheck } from "../config/health-check.ts";
import type { Cluster, ClusterLoadAssignment } from "../config/model.ts";
import type { Platform } from "../io/platform.ts";
import {
  breakerStats,
  type ClusterStats,
  clusterResponseStats,
  clusterScope,
  clusterStats,
  remainingStats,
} from "../telemetry/cluster-stats.ts";
import { clearWaiting, clusterHttp2Stats, type Http2Stats } from "../telemetry/http2-stats.ts";
import type { ResponseCodeStats } from "../telemetry/response-stats.ts";
import type { ClusterUpdateStats } from "../telemetry/server-stats.ts";
import type { Scope, StatsStore } from "../telemetry/stats.ts";
import { declareTls, type TlsCounts, tlsStats } from "../telemetry/tls-stats.ts";
import type { Clock } from "../time/clock.ts";
import type { Timers } from "../time/timers.ts";
import { AlternativeStats } from "./alternative-stats.ts";
import type { Random } from "./balancer.ts";
import { Breaker } from "./breaker.ts";
import { ClusterHealth } from "./cluster-health.ts";
import type { ClusterStatus } from "./cluster-status.ts";
import { statusOf } from "./cluster-status.ts";
import { DnsCluster, type DnsHandler } from "./dns-cluster.ts";
import type { EndpointState } from "./endpoint.ts";
import { EndpointSet, type EndpointSetOptions, type SelectionContext } from "./endpoint-set.ts";
import type { HealthNote, HealthSharing, HeardHealth } from "./health-note.ts";
import type { Prober } from "./health-probe.ts";
import { balancerOf } from "./lb-policy.ts";

/** What a cluster needs from its worker. */
export interface ClusterEnvironment {
  readonly platform: Platform;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly stats: StatsStore;
  readonly updates: ClusterUpdateStats;
  /** How many workers divide circuit-breaker limits between them. */
  readonly workers: number;
  /** The other workers, which ask the same endpoints. */
  readonly sharing: HealthSharing;
}

/** Who is told about it: the engine. */
export interface ClusterHandler {
  /** The endpoint left the cluster (`live` is false): drain its pool. */
  onEndpointRemoved(endpoint: EndpointState): void;
  /** The endpoint fails its health checks: what goes there from now on goes by new connections. */
  onEndpointFailed(cluster: ClusterState, endpoint: EndpointState): void;
  /** Who asks its endpoints whether they are well. */
  prober(cluster: ClusterState, check: HealthCheck): Prober;
  /** An endpoint was asked: the other workers are to know. */
  onHealthNote(note: HealthNote): void;
  /** What other workers have told of the endpoints of a cluster. */
  heardHealth(cluster: string): HeardHealth | null;
  /** `ready` became true; may come from within `start`. */
  onReady(cluster: ClusterState): void;
}

export class ClusterState implements DnsHandler {
  readonly name: string;
  config: Cluster;
  readonly stats: ClusterStats;
  readonly responses: ResponseCodeStats;
  /** For requests of routes with `priority: DEFAULT` and `HIGH`. */
  readonly defaultBreaker: Breaker;
  readonly highBreaker: Breaker;
  readonly endpoints: EndpointSet;
  /** False while its first endpoints are not known (EDS) or asked for (DNS): do not route to it yet. */
  ready = false;
  private readonly environment: ClusterEnvironment;
  private readonly handler: ClusterHandler;
  private readonly scope: Scope;
  private http2: Http2Stats | null = null;
  private tlsCounts: TlsCounts | null = null;
  /** How its connections are secured, null if they are plain; whose business it is knows what it is. */
  transport: unknown = null;
  private alternatives: AlternativeStats | null = null;
  private dns: DnsCluster | null = null;
  /** What is known by asking its endpoints. */
  readonly health: ClusterHealth;

  constructor(config: Cluster, environment: ClusterEnvironment, handler: ClusterHandler) {
    this.name = config.name;
    this.config = config;
    this.environment = environment;
    this.handler = handler;
    this.scope = clusterScope(environment.stats, this.statName);
    this.stats = clusterStats(this.scope);
    this.responses = clusterResponseStats(this.scope);
    this.defaultBreaker = new Breaker(breakerStats(this.scope, "default"));
    this.highBreaker = new Breaker(breakerStats(this.scope, "high"));
    this.endpoints = new EndpointSet(this.setOptions());
    this.configureBreakers();
    this.countTls();
    this.health = new ClusterHealth(this, this.scope, environment, handler);
  }

  private countTls(): void {
    if (this.config.tls != null) declareTls(this.scope, "client");
  }

  /** What its connections of HTTP/2 do; there as soon as one was made. */
  get http2Stats(): Http2Stats {
    this.http2 ??= clusterHttp2Stats(this.scope);
    return this.http2;
  }

  /** Sets the gauge of what waits in its connections of HTTP/2 to 0, if there are any. */
  clearPending(): void {
    if (this.http2 !== null) clearWaiting(this.http2);
  }

  /** What becomes of handshakes with its endpoints; there as soon as there was one. */
  get ssl(): TlsCounts {
    this.tlsCounts ??= { scope: this.scope, stats: tlsStats(this.scope) };
    return this.tlsCounts;
  }

  /** Brings the endpoints in: at once (STATIC), by asking (DNS), or not yet (EDS). Call once. */
  start(): void {
    this.resolveEndpoints();
  }

  /** A new version of the resource of the same name. Endpoints, counters and acquired limits stay. */
  applyConfig(config: Cluster): void {
    const old = this.config;
    if (old.version === config.version) return;
    this.config = config;
    this.configureBreakers();
    this.countTls();
    if (sourceOf(old) !== sourceOf(config)) this.health.changeSource();
    this.health.configure();
    this.endpoints.configure(this.setOptions());
    if (config.type !== "EDS" || old.type !== "EDS") this.resolveEndpoints();
  }

  /** New endpoints: from EDS, or (internally) from configuration and DNS. */
  applyEndpoints(assignment: ClusterLoadAssignment): void {
    const stats = this.stats;
    if (this.config.type === "EDS") {
      stats.updateAttempt++;
      stats.updateSuccess++;
    }
    const { added, removed, changed } = this.endpoints.apply(assignment);
    this.health.follow();
    if (!changed) stats.updateNoRebuild++;
    if (added + removed > 0) stats.membershipChange++;
    if (changed && this.ready && this.config.type !== "STATIC") this.environment.updates.clusterUpdated++;
    this.reportMembers();
    if (this.config.type === "EDS") this.onReady();
  }

  /** The endpoint for the next try, or null if there is none (503 `UH`). `context` null = the first try. */
  chooseEndpoint(context: SelectionContext | null): EndpointState | null {
    const endpoint = this.endpoints.choose(context);
    if (endpoint === null) this.stats.upstreamCxNoneHealthy++;
    return endpoint;
  }

  /** The cluster's name in statistics. */
  get statName(): string {
    return this.config.altStatName === "" ? this.config.name : this.config.altStatName;
  }

  /** Where answers are counted once more for clients that ask for it; null if that name is refused. */
  alternativeResponses(name: string): ResponseCodeStats | null {
    this.alternatives ??= new AlternativeStats(this.environment.stats, this.statName);
    return this.alternatives.responses(name);
  }

  /** The circuit breaker for requests of that route priority. */
  breaker(priority: "DEFAULT" | "HIGH"): Breaker {
    return priority === "DEFAULT" ? this.defaultBreaker : this.highBreaker;
  }

  /** What `/clusters` shows. */
  status(): ClusterStatus {
    return statusOf(this.config, this.endpoints.endpoints);
  }

  /** The cluster is gone: asks no more names, removes every endpoint, gives its statistics back. */
  close(): void {
    this.dns?.stop();
    this.dns = null;
    this.health.close();
    this.endpoints.apply({
      clusterName: this.name,
      version: "",
      localities: [],
      overprovisioningFactor: 140,
    });
    this.alternatives?.release();
    this.scope.release();
  }

  // DnsHandler

  onEndpoints(assignment: ClusterLoadAssignment): void {
    if (this.config.type === "LOGICAL_DNS" && this.endpoints.total === 1) {
      const [current] = this.endpoints.endpoints;
      const next = assignment.localities[0]?.endpoints[0];
      if (next !== undefined) this.endpoints.move(current, next.address);
    }
    this.applyEndpoints(assignment);
  }

  onAttempt(): void {
    this.stats.updateAttempt++;
  }

  onSuccess(empty: boolean): void {
    this.stats.updateSuccess++;
    if (empty) this.stats.updateEmpty++;
  }

  onFailure(hostname: string, error: string): void {
    this.stats.updateFailure++;
    this.environment.platform.log(
      "warning",
      "upstream",
      `cluster ${this.name}: cannot resolve ${hostname}: ${error}; keeping ${this.endpoints.total} endpoint(s)`,
    );
  }

  onReady(): void {
    // As in Envoy it is not used before its first endpoints were asked.
    if (this.ready || !this.health.begin()) return;
    this.ready = true;
    this.handler.onReady(this);
  }

  private resolveEndpoints(): void {
    const { config } = this;
    const previous = this.dns;
    previous?.stop();
    this.dns = null;
    if (config.type === "STRICT_DNS" || config.type === "LOGICAL_DNS") {
      this.dns = new DnsCluster(config, this.environment, this, previous);
      this.dns.start();
    } else if (config.type === "STATIC" && config.loadAssignment !== null) {
      this.applyEndpoints(config.loadAssignment);
      this.onReady();
    }
  }

  private setOptions(): EndpointSetOptions {
    const { environment, config, handler } = this;
    return {
      makeBalancer: () => balancerOf(config, environment.random),
      random: environment.random,
      panicThreshold: config.healthyPanicThreshold,
      byLocality: config.localityWeighted === true,
      onAdded: (endpoint) => this.health.onAdded(endpoint),
      keeps: (endpoint) => this.health.keeps(endpoint),
      onRemoved: (endpoint) => {
        this.health.onRemoved(endpoint);
        handler.onEndpointRemoved(endpoint);
      },
      stats: this.stats,
    };
  }

  private configureBreakers(): void {
    const { default: usual, high } = this.config.circuitBreakers;
    const { workers } = this.environment;
    const remaining = (priority: "default" | "high", track: boolean) =>
      track ? remainingStats(this.scope, priority) : null;
    this.defaultBreaker.configure(usual, remaining("default", usual.trackRemaining), workers);
    this.highBreaker.configure(high, remaining("high", high.trackRemaining), workers);
  }

  /** Brings what is said of the members up to date. */
  reportMembers(): void {
    this.stats.membershipTotal = this.endpoints.total;
    this.stats.membershipHealthy = this.endpoints.healthy;
    this.stats.membershipDegraded = this.endpoints.degraded;
    this.stats.membershipExcluded = this.endpoints.excluded;
  }
}

/** Where the endpoints come from. */
function sourceOf({ type, edsServiceName, loadAssignment }: Cluster): string {
  const names = loadAssignment?.localities.flatMap(({ endpoints }) =>
    endpoints.map(({ address }) => address.ip),
  );
  return JSON.stringify([type, edsServiceName, type === "STATIC" ? [] : names]);
}
