/**
 * The clusters of one worker and the connection pools of their endpoints. A cluster that is not ready yet (no
 * endpoints have arrived) cannot be found.
 */
import type { Breaker } from "../cluster/breaker.ts";
import { type ClusterEnvironment, type ClusterHandler, ClusterState } from "../cluster/cluster.ts";
import type { EndpointState } from "../cluster/endpoint.ts";
import { type HealthNote, type HealthSharing, HeardHealth } from "../cluster/health-note.ts";
import type { Prober } from "../cluster/health-probe.ts";
import { type CompiledRetryPolicy, compileRetryPolicy } from "../cluster/retry-policy.ts";
import type { HealthCheck } from "../config/health-check.ts";
import type { Cluster, ClusterLoadAssignment, RetryPolicy } from "../config/model.ts";
import type { FormatEnvironment } from "../http/formatter.ts";
import { DEFAULT_LIMITS } from "../http1/limits.ts";
import { http2Limits } from "../http2/limits.ts";
import { clusterUpdateStats } from "../telemetry/server-stats.ts";
import { Timer } from "../time/timers.ts";
import { HealthProber } from "./health-prober.ts";
import { nameCaseOf } from "./name-case.ts";
import {
  ConnectionPool,
  type PoolOptions,
  type PoolSpeech,
  SpeaksEither,
  SpeaksHttp1,
  SpeaksHttp2,
} from "./pool.ts";
import type { Services } from "./services.ts";
import { TcpUpstream } from "./tcp-upstream.ts";
import { TlsSide } from "./tls-side.ts";

/** The pools of an endpoint: for which breaker, and for requests of HTTP/1 or 2, which mostly share them. */
interface Pools {
  normal1: ConnectionPool | null;
  normal2: ConnectionPool | null;
  high1: ConnectionPool | null;
  high2: ConnectionPool | null;
}

const NO_POOLS: Pools = { normal1: null, normal2: null, high1: null, high2: null };

/** Each of them, some more than once. */
function poolsOf(endpoint: EndpointState): readonly ConnectionPool[] {
  const { normal1, normal2, high1, high2 } = (endpoint.pool as Pools | null) ?? NO_POOLS;
  return [normal1, normal2, high1, high2].filter((pool) => pool !== null);
}

/** What a cluster speaks: one version of HTTP, either as ALPN says, or what its clients do. */
const ByClient = 3;
type ClusterSpeech = PoolSpeech | typeof ByClient;

function speechOf({ http2, protocolBy }: Cluster): ClusterSpeech {
  if (protocolBy === "ALPN") return SpeaksEither;
  if (protocolBy === "DOWNSTREAM") return ByClient;
  return http2 === null ? SpeaksHttp1 : SpeaksHttp2;
}

/** What is derived from a cluster's configuration once. */
interface Derived {
  readonly version: string;
  readonly options: PoolOptions;
  readonly speech: ClusterSpeech;
}

export class Clusters implements ClusterHandler {
  private readonly services: Services;
  private readonly formats: FormatEnvironment;
  private readonly sharing: HealthSharing;
  /** What other workers have told, by cluster. */
  private readonly heard = new Map<string, HeardHealth>();
  /** What they are to be told when the poll is over. */
  private readonly notes = new Map<string, HealthNote>();
  private readonly notesTimer = new Timer(() => this.sendNotes());
  private readonly environment: ClusterEnvironment;
  private readonly states = new Map<string, ClusterState>();
  private readonly derived = new Map<string, Derived>();
  private readonly endpointVersions = new Map<string, string>();
  private retryPolicies = new WeakMap<RetryPolicy, CompiledRetryPolicy>();

  constructor(services: Services, formats: FormatEnvironment, sharing: HealthSharing) {
    this.services = services;
    this.formats = formats;
    this.sharing = sharing;
    const { platform, clock, timers, random, stats, workers } = services;
    const updates = clusterUpdateStats(stats);
    this.environment = { platform, clock, timers, random, stats, updates, workers, sharing };
  }

  /** Adds, changes and removes clusters so that they are exactly `clusters`, with these EDS endpoints. */
  apply(clusters: readonly Cluster[], endpoints: readonly ClusterLoadAssignment[]): void {
    const names = new Set(clusters.map((cluster) => cluster.name));
    for (const name of this.heard.keys()) if (!names.has(name)) this.heard.delete(name);
    for (const [name, state] of this.states) {
      if (names.has(name)) continue;
      this.states.delete(name);
      this.derived.delete(name);
      this.endpointVersions.delete(name);
      (state.transport as TlsSide | null)?.release();
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
    const before = this.derived.get(config.name);
    const derived: Derived = {
      version: config.version,
      speech: speechOf(config),
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
    };
    this.derived.set(config.name, derived);
    if (known !== undefined) {
      const former = known.transport as TlsSide | null;
      known.transport = this.transportOf(config);
      former?.release();
      known.applyConfig(config);
      reconfigurePools(known, derived, before?.speech === derived.speech);
      return;
    }
    const state = new ClusterState(config, this.environment, this);
    state.transport = this.transportOf(config);
    this.states.set(config.name, state);
    state.start();
  }

  /** How its connections are secured; null if they are plain. */
  private transportOf(config: Cluster): TlsSide | null {
    if (config.tls == null) return null;
    return new TlsSide(this.services, `cluster ${config.name}`, config.version, config.tls, false);
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

  /** The pool of an endpoint for requests under that breaker, of clients that speak HTTP/2 or not. */
  poolOf(cluster: ClusterState, endpoint: EndpointState, breaker: Breaker, http2: boolean): ConnectionPool {
    const pools = endpoint.pool as Pools | null;
    const high = breaker === cluster.highBreaker;
    if (pools !== null) {
      const pool = http2 ? (high ? pools.high2 : pools.normal2) : high ? pools.high1 : pools.normal1;
      if (pool !== null) return pool;
    }
    return this.makePool(cluster, endpoint, breaker, http2);
  }

  private makePool(
    cluster: ClusterState,
    endpoint: EndpointState,
    breaker: Breaker,
    http2: boolean,
  ): ConnectionPool {
    const { options, speech } = this.derived.get(cluster.name) as Derived;
    const byClient = speech === ByClient;
    const speaks = speech !== ByClient ? speech : http2 ? SpeaksHttp2 : SpeaksHttp1;
    const made = new ConnectionPool(this.services, endpoint, cluster, breaker, options, speaks);
    const pools = { ...((endpoint.pool as Pools | null) ?? NO_POOLS) };
    const high = breaker === cluster.highBreaker;
    if (!byClient || !http2) pools[high ? "high1" : "normal1"] = made;
    if (!byClient || http2) pools[high ? "high2" : "normal2"] = made;
    endpoint.pool = pools;
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
    for (const pool of poolsOf(endpoint)) pool.drain();
  }

  // ── Health checks ─────────────────────────────────────────────────────────────────────────────────────────

  /** What another worker has to tell, perhaps of what is not known here yet. */
  hear(notes: readonly HealthNote[]): void {
    for (const note of notes) {
      let heard = this.heard.get(note.cluster);
      if (heard === undefined) {
        heard = new HeardHealth();
        this.heard.set(note.cluster, heard);
      }
      heard.hear(note, this.services.clock.now);
      const cluster = this.states.get(note.cluster);
      heard.trim(cluster?.ready === true ? cluster.endpoints.total : null);
      cluster?.health.learn(note);
    }
  }

  heardHealth(cluster: string): HeardHealth | null {
    return this.heard.get(cluster) ?? null;
  }

  onHealthNote(note: HealthNote): void {
    const { timers, clock } = this.services;
    if (this.sharing.tell === null) return;
    this.notes.set(`${note.cluster}\n${note.endpoint}`, note);
    timers.arm(this.notesTimer, clock.now);
  }

  private sendNotes(): void {
    const notes = [...this.notes.values()];
    this.notes.clear();
    this.sharing.tell?.(notes);
  }

  prober(cluster: ClusterState, check: HealthCheck): Prober {
    const options = () => (this.derived.get(cluster.name) as Derived).options;
    return new HealthProber(this.services, cluster, check, options, this.formats);
  }

  onEndpointFailed(cluster: ClusterState, endpoint: EndpointState): void {
    for (const pool of poolsOf(endpoint)) pool.drain();
    endpoint.pool = null;
    if (cluster.config.closeOnFailure !== true) return;
    for (const connection of this.services.buffering.list()) {
      if (connection instanceof TcpUpstream && connection.endpoint === endpoint) connection.cut();
    }
  }

  onReady(_cluster: ClusterState): void {}
}

/** New options. Pools whose connections speak what the cluster does not end with what they carry. */
function reconfigurePools(cluster: ClusterState, { options }: Derived, sameSpeech: boolean): void {
  for (const endpoint of cluster.endpoints.endpoints) {
    for (const pool of poolsOf(endpoint)) {
      if (sameSpeech) pool.configure(options);
      else pool.drain();
    }
    if (!sameSpeech) endpoint.pool = null;
  }
}
