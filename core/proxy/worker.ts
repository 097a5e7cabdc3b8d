/**
 * The engine of one thread: listeners, clusters and timers, driven by an adapter. It is told about accepted
 * sockets, new snapshots and the passing of time, and acts through the platform it was given. Workers share
 * nothing.
 */
import type { ClusterStatus } from "../cluster/cluster-status.ts";
import { type HealthNote, type HealthSharing, UNSHARED } from "../cluster/health-note.ts";
import type { Listener, Node, RouteConfiguration, Snapshot } from "../config/model.ts";
import { NO_NODE, nodeInBytes } from "../config/node.ts";
import type { FilterKinds } from "../filter/filter.ts";
import type { FilterContext } from "../filter/filter-context.ts";
import type { NetworkFilterKinds } from "../filter/network-filter.ts";
import type { FormatEnvironment } from "../http/formatter.ts";
import type { Platform } from "../io/platform.ts";
import type { PlainSocket, SocketHandler } from "../io/socket.ts";
import { compileRouteTable, type RouteTable } from "../route/route-table.ts";
import type { StatsStore } from "../telemetry/stats.ts";
import type { Clock } from "../time/clock.ts";
import { ClusterCallouts } from "./callouts.ts";
import { Clusters } from "./clusters.ts";
import type { FilterEnvironment } from "./http-filters.ts";
import { type InForce, ListenerState, type RouteTables } from "./listener.ts";
import { LogCompiler } from "./log-compiler.ts";
import { Services } from "./services.ts";

export interface WorkerOptions {
  /** How many workers the process has: they divide circuit-breaker limits. */
  readonly concurrency: number;
  /** For `%ENVIRONMENT(X)%`. */
  readonly variables: { readonly [name: string]: string | undefined };
  /** For `%HOSTNAME%`. */
  readonly hostname: string;
  /** HTTP filters that may be configured, the router aside. */
  readonly filters: FilterKinds;
  /** Network filters that may be configured before the last one. */
  readonly networkFilters: NetworkFilterKinds;
  /** The other workers, which ask the same endpoints for their health; absent = there are none. */
  readonly health?: HealthSharing;
}

/**
 * How long idle connections may still bring a request, ms: those of a listener that was replaced or removed, and
 * all of them once the process drains.
 */
const RETIREMENT = 60_000;
const DRAIN_PATIENCE = 1000;

export class Worker implements RouteTables {
  private readonly services: Services;
  private readonly clusters: Clusters;
  private readonly logs: LogCompiler;
  private readonly environment: FormatEnvironment;
  private readonly filters: FilterEnvironment;
  private readonly context: FilterContext & { node: Node };
  private readonly active = new Map<string, ListenerState>();
  private readonly retired = new Set<ListenerState>();
  private readonly tables = new Map<
    string,
    { readonly version: string; readonly table: RouteTable | null }
  >();
  private extensions: InForce["extensions"] = new Map();
  private runtime: Snapshot["runtime"] = {};
  private drained = false;

  constructor(platform: Platform, clock: Clock, stats: StatsStore, options: WorkerOptions) {
    this.services = new Services(platform, clock, stats, options.concurrency);
    this.environment = { variables: options.variables, hostname: options.hostname, clock };
    this.clusters = new Clusters(this.services, this.environment, options.health ?? UNSHARED);
    this.logs = new LogCompiler(this.services, this.environment, () => this.runtime);
    const { timers, random } = this.services;
    this.context = {
      clock,
      timers,
      stats,
      random,
      callouts: new ClusterCallouts(this.services, this.clusters),
      node: NO_NODE,
      fillRandom: (into) => platform.fillRandom(into),
      log: (level, component, message) => platform.log(level, component, message),
      logs: (level, component) => platform.logs?.(level, component) ?? true,
    };
    this.filters = {
      kinds: options.filters,
      networkKinds: options.networkFilters,
      context: this.context,
    };
  }

  // ── Time ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Earliest time at which `expire` has work, ms, or Infinity. */
  nextDeadline(): number {
    return this.services.timers.nextDeadline();
  }

  /** Fires what is due at `clock.now`. */
  expire(): void {
    this.services.timers.expire(this.services.clock.now);
  }

  // ── Configuration ─────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Puts a (validated) snapshot in force. Unchanged resources are left alone; a changed listener serves new
   * connections with the new version while connections of the old one drain. Never throws.
   */
  apply(snapshot: Snapshot): void {
    this.runtime = snapshot.runtime;
    this.context.node = nodeInBytes(snapshot.node);
    this.services.secrets.update(snapshot.secrets ?? []);
    this.clusters.apply(snapshot.clusters, snapshot.endpoints);
    this.applyRoutes(snapshot.routes);
    this.extensions = new Map(snapshot.extensions.map((extension) => [extension.name, extension]));
    const names = new Set(snapshot.listeners.map((listener) => listener.name));
    for (const [name, listener] of this.active) if (!names.has(name)) this.retire(name, listener);
    for (const config of snapshot.listeners) this.applyListener(config);
  }

  private applyRoutes(routes: readonly RouteConfiguration[]): void {
    const names = new Set(routes.map((route) => route.name));
    for (const name of this.tables.keys()) if (!names.has(name)) this.tables.delete(name);
    for (const config of routes) {
      if (this.tables.get(config.name)?.version === config.version) continue;
      this.tables.set(config.name, { version: config.version, table: this.compile(config) });
    }
  }

  private applyListener(config: Listener): void {
    const known = this.active.get(config.name);
    if (known !== undefined && known.config.version === config.version) {
      known.update(this.inForce);
      return;
    }
    const made = new ListenerState(
      config,
      this.services,
      this.clusters,
      this.logs,
      this.filters,
      this.inForce,
      (gone) => {
        if (this.retired.delete(gone)) gone.release();
      },
    );
    this.active.set(config.name, made);
    if (known !== undefined) this.retireState(known);
    if (this.drained) made.drain();
  }

  private get inForce(): InForce {
    return { tables: this, extensions: this.extensions, runtime: this.runtime };
  }

  private retire(name: string, listener: ListenerState): void {
    this.active.delete(name);
    this.retireState(listener);
  }

  private retireState(listener: ListenerState): void {
    this.retired.add(listener);
    listener.retire(this.drained ? DRAIN_PATIENCE : RETIREMENT);
    if (listener.size === 0 && this.retired.delete(listener)) listener.release();
  }

  byName(name: string): RouteTable | null {
    return this.tables.get(name)?.table ?? null;
  }

  compile(config: RouteConfiguration): RouteTable | null {
    const { table, faults } = compileRouteTable(config, this.environment);
    for (const fault of faults) {
      this.services.platform.log("error", "config", `route ${config.name}: ${fault.path}: ${fault.message}`);
    }
    return table;
  }

  // ── Connections ───────────────────────────────────────────────────────────────────────────────────────────

  /** Takes a connection accepted for that listener; null means close it at once. */
  accept(listenerName: string, socket: PlainSocket): SocketHandler | null {
    return this.active.get(listenerName)?.accept(socket) ?? null;
  }

  /** Listeners that can serve: their route configurations have arrived. */
  isListenerReady(name: string): boolean {
    return this.active.get(name)?.ready === true;
  }

  /** Nothing new is accepted; a connection ends with its next answer, or soon if none is asked for. */
  drain(): void {
    this.drained = true;
    for (const listener of [...this.active.values(), ...this.retired]) listener.retire(DRAIN_PATIENCE);
  }

  /** Asks no endpoint any more whether it is well: the process ends, and what is said of its connections means nothing. */
  endChecks(): void {
    for (const cluster of this.clusters.all()) cluster.health.close();
  }

  /** Says `connection: close` on every answer while `on` holds, without closing anything itself. */
  failHealthCheck(on: boolean): void {
    this.services.closing = on;
  }

  /** What another worker has found out about the health of endpoints. */
  hearHealth(notes: readonly HealthNote[]): void {
    this.clusters.hear(notes);
  }

  /** Connections of clients, on every listener and version. */
  get activeConnections(): number {
    let n = 0;
    for (const listener of this.active.values()) n += listener.size;
    for (const listener of this.retired) n += listener.size;
    return n;
  }

  /** Listeners that were replaced or removed and still have connections. */
  get drainingListeners(): number {
    return this.retired.size;
  }

  /**
   * Brings the gauges `…_bytes_buffered` up to date: what was read and is not passed on, what was written and the
   * kernel has not taken. Counted when somebody asks, so that it costs nothing while bytes move.
   */
  measureBuffers(): void {
    const listeners = [...this.active.values(), ...this.retired];
    for (const listener of listeners) listener.clearBuffered();
    this.services.clearPending();
    for (const cluster of this.clusters.all()) {
      const { stats } = cluster;
      stats.upstreamCxRxBytesBuffered = 0;
      stats.upstreamCxTxBytesBuffered = 0;
      cluster.clearPending();
    }
    for (const listener of listeners) listener.addBuffered();
    for (const connection of this.services.buffering.list()) connection.addBuffered();
  }

  /** Clusters that wait for their first endpoints. */
  get warmingClusters(): readonly string[] {
    return this.clusters.warming;
  }

  /** What `/clusters` shows, as plain data. */
  clusterStatus(): readonly ClusterStatus[] {
    return Array.from(this.clusters.all(), (cluster) => cluster.status());
  }
}
