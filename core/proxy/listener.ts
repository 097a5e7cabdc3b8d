/**
 * One version of a listener in one worker: chooses a filter chain for each accepted connection and keeps account
 * of the connections it made. A changed listener is a new object; the old one drains.
 */
import type { FilterChain, Listener, RouteConfiguration } from "../config/model.ts";
import type { NetworkFilterFactory } from "../filter/network-filter.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import { Roster } from "../io/roster.ts";
import { formatAddress, type PlainSocket, type Socket, type SocketHandler } from "../io/socket.ts";
import {
  chainsOf,
  compileFilterChains,
  type FilterChainChoice,
  type Inspection,
  NOT_INSPECTED,
} from "../route/filter-chain-match.ts";
import type { RouteTable } from "../route/route-table.ts";
import type { Runtime } from "../route/runtime-fraction.ts";
import type { AccessLogger } from "../telemetry/access-log.ts";
import {
  type ListenerStats,
  listenerScope,
  listenerStats,
  protocolDetectionStats,
} from "../telemetry/listener-stats.ts";
import type { Scope } from "../telemetry/stats.ts";
import { declareTls, type TlsCounts, tlsStats } from "../telemetry/tls-stats.ts";
import { Timer } from "../time/timers.ts";
import type { SecureConnection } from "../tls/secure-connection.ts";
import { Arrival, type ArrivalOwner } from "./arrival.ts";
import { AutoDownstream } from "./auto-downstream.ts";
import type { Clusters } from "./clusters.ts";
import { ConnectionLife } from "./connection-life.ts";
import { ConnectionManager, codecOf } from "./connection-manager.ts";
import type { ConnectionOwner, DrainableConnection } from "./connection-owner.ts";
import { ConnectionRecord } from "./connection-record.ts";
import type { Extensions, FilterEnvironment } from "./http-filters.ts";
import { Http1Downstream } from "./http1-downstream.ts";
import { Http2Downstream } from "./http2-downstream.ts";
import type { LogCompiler } from "./log-compiler.ts";
import { NetworkFilters } from "./network-filters.ts";
import { EITHER_ALPN, HTTP1_ALPN, HTTP2_ALPN, NO_ALPN } from "./secure-dial.ts";
import { mayExpectServers, ServerFirst } from "./server-first.ts";
import type { Services } from "./services.ts";
import { TcpProxyConnection } from "./tcp-connection.ts";
import { TcpProxyFilter } from "./tcp-filter.ts";
import { TlsSide } from "./tls-side.ts";

/** Where route tables come from: RDS by name, inline ones by content. */
export interface RouteTables {
  byName(name: string): RouteTable | null;
  compile(config: RouteConfiguration): RouteTable | null;
}

/** What is in force beside the listeners. */
export interface InForce {
  readonly tables: RouteTables;
  readonly extensions: Extensions;
  readonly runtime: Runtime;
}

/** What a server offers by ALPN whose configuration says nothing of it. */
const ALPN = { AUTO: EITHER_ALPN, HTTP1: HTTP1_ALPN, HTTP2: HTTP2_ALPN };

/** What is made of an accepted connection, by its connection manager's `codec_type`. */
const CONNECTIONS = { AUTO: AutoDownstream, HTTP1: Http1Downstream, HTTP2: Http2Downstream } as const;

export class ListenerState implements ConnectionOwner, ArrivalOwner {
  readonly config: Listener;
  /** True if answers say `connection: close` and nothing new is accepted. */
  draining = false;
  /** True if idle connections are not waited for. */
  closesIdle = false;
  readonly stats: ListenerStats;
  readonly serverFirst: ServerFirst | null;
  private sslCounts: TlsCounts | null = null;
  private readonly services: Services;
  /** Null only if the configuration slipped through validation. */
  private readonly choice: FilterChainChoice | null;
  private readonly managers = new Map<FilterChain, ConnectionManager>();
  private readonly tcp = new Map<FilterChain, TcpProxyFilter>();
  /** For chains that have any. */
  private readonly networkFilters = new Map<FilterChain, readonly NetworkFilterFactory[]>();
  private readonly connections = new Roster<DrainableConnection>();
  /** What is accepted and not served yet. */
  private readonly arrivals = new Roster<Arrival>();
  /** Of chains that speak TLS. */
  private readonly sides = new Map<FilterChain, TlsSide>();
  /** One line per connection, also for those that no filter chain wants. */
  private readonly loggers: readonly AccessLogger[];
  private readonly scope: Scope;
  /** Share of this worker in what the runtime allows. */
  private connectionLimit = Number.POSITIVE_INFINITY;
  private readonly onEmpty: (listener: ListenerState) => void;
  /** Ends the patience with idle connections of a listener that was replaced or removed. */
  private readonly retirement = new Timer(() => this.drain());

  constructor(
    config: Listener,
    services: Services,
    clusters: Clusters,
    logs: LogCompiler,
    filters: FilterEnvironment,
    inForce: InForce,
    onEmpty: (listener: ListenerState) => void,
  ) {
    this.config = config;
    this.services = services;
    this.onEmpty = onEmpty;
    const statName = config.statPrefix !== "" ? config.statPrefix : formatAddress(config.addresses[0]);
    this.scope = listenerScope(services.stats, statName);
    this.stats = listenerStats(this.scope);
    this.serverFirst = mayExpectServers(config)
      ? new ServerFirst(services.clock, () => protocolDetectionStats(this.scope))
      : null;
    this.loggers = logs.compile(config.accessLog);
    this.choice = compileFilterChains(config).choice;
    for (const [at, chain] of chainsOf(config).entries()) {
      const { filter } = chain;
      const factories = networkFactories(chain, filters);
      if (factories.length > 0) this.networkFilters.set(chain, factories);
      if (chain.tls != null) {
        declareTls(this.scope, "server");
        const place = `listener ${config.name} filter chain ${chain.name || at}`;
        this.sides.set(chain, new TlsSide(services, place, config.version, chain.tls, true));
      }
      if (filter.kind === "tcp_proxy") {
        this.tcp.set(chain, new TcpProxyFilter(filter, config, chain.name, services, clusters, logs));
      } else {
        this.managers.set(
          chain,
          new ConnectionManager(
            filter,
            config,
            statName,
            chain.name,
            services,
            clusters,
            logs,
            filters,
            inForce.runtime,
          ),
        );
      }
    }
    this.update(inForce);
  }

  /** What becomes of handshakes; there as soon as there was one. */
  get ssl(): TlsCounts {
    this.sslCounts ??= { scope: this.scope, stats: tlsStats(this.scope) };
    return this.sslCounts;
  }

  /** Connections that live. */
  get size(): number {
    return this.connections.size + this.arrivals.size;
  }

  /** False while a route or filter configuration has not arrived: the listener is warming and must not accept. */
  get ready(): boolean {
    for (const manager of this.managers.values()) if (!manager.ready) return false;
    return true;
  }

  /** New tables, filters and runtime values hold for the next request, on old connections too. */
  update({ tables, extensions, runtime }: InForce): void {
    const limit = runtime[`envoy.resource_limits.listener.${this.config.name}.connection_limit`];
    this.connectionLimit =
      typeof limit === "number" ? Math.ceil(limit / this.services.workers) : Number.POSITIVE_INFINITY;
    for (const manager of this.managers.values()) {
      const { rds, routeConfig } = manager.config;
      manager.runtime = runtime;
      if (routeConfig !== null) manager.routeTable ??= tables.compile(routeConfig);
      else manager.routeTable = tables.byName(rds) ?? manager.routeTable;
      manager.filters.updateExtensions(extensions);
      manager.filters.updateRoutes(manager.routeTable);
    }
  }

  /** Takes an accepted connection, or returns null: no filter chain wants it. */
  accept(socket: PlainSocket): SocketHandler | null {
    const { stats, config } = this;
    if (this.draining) return null;
    if (this.size >= this.connectionLimit) {
      stats.downstreamCxOverflow++;
      return null;
    }
    if (config.filters !== undefined) return this.arrive(socket).begin(config.filters);
    const chain = this.chooseChain(socket, NOT_INSPECTED);
    if (chain === null) return null;
    const side = this.tlsOf(chain);
    return side === null ? this.arrived(chain, socket, null) : this.arrive(socket).beginSecure(chain, side);
  }

  private arrive(socket: PlainSocket): Arrival {
    const arrival = new Arrival(this.services, socket, this);
    this.arrivals.add(arrival);
    this.stats.downstreamPreCxActive++;
    return arrival;
  }

  chooseChain(socket: Socket, seen: Inspection): FilterChain | null {
    const chain = this.choice === null ? null : this.choice.choose(socket, seen);
    if (chain === null) {
      this.stats.noFilterChainMatch++;
      this.logRefused(socket);
    }
    return chain;
  }

  silentChain(socket: Socket): FilterChain | null {
    return this.choice === null ? null : this.choice.choose(socket, NOT_INSPECTED);
  }

  tlsOf(chain: FilterChain): TlsSide | null {
    return this.sides.get(chain) ?? null;
  }

  alpnOf({ filter }: FilterChain): readonly string[] {
    return filter.kind === "tcp_proxy" ? NO_ALPN : ALPN[filter.codecType];
  }

  departed(arrival: Arrival, timedOut: boolean): void {
    if (!this.arrivals.remove(arrival)) return;
    this.stats.downstreamPreCxActive--;
    if (timedOut) this.stats.downstreamPreCxTimeout++;
    this.reportEmpty();
  }

  handshakeTimedOut(): void {
    this.stats.downstreamCxTransportSocketConnectTimeout++;
  }

  private reportEmpty(): void {
    if (this.draining && this.size === 0) this.onEmpty(this);
  }

  /** A connection is what it will be: what serves it. */
  arrived(chain: FilterChain, socket: Socket, secure: SecureConnection | null): SocketHandler {
    const { stats } = this;
    stats.downstreamCxTotal++;
    stats.downstreamCxActive++;
    const factories = this.networkFilters.get(chain);
    if (factories === undefined) return this.serve(chain, socket, secure);
    const { config, services } = this;
    const filters = new NetworkFilters(socket, config, chain.name, services.clock, factories);
    filters.secure = secure;
    filters.handler = this.serve(chain, filters, secure);
    filters.start();
    return filters;
  }

  /** What speaks on a connection of that chain. */
  private serve(chain: FilterChain, socket: Socket, secure: SecureConnection | null): SocketHandler {
    const manager = this.managers.get(chain);
    if (manager !== undefined) return this.acceptHttp(manager, socket, secure);
    const tcp = new TcpProxyConnection(this.tcp.get(chain) as TcpProxyFilter, this.services, socket, this);
    tcp.secure = secure;
    this.connections.add(tcp);
    tcp.start();
    if (socket instanceof NetworkFilters) {
      socket.connectionId = tcp.connectionId;
      socket.subject = tcp;
      socket.waits = tcp;
    } else tcp.begin();
    return tcp;
  }

  private acceptHttp(
    manager: ConnectionManager,
    socket: Socket,
    secure: SecureConnection | null,
  ): SocketHandler {
    const { services } = this;
    const record =
      this.loggers.length === 0
        ? null
        : new ConnectionRecord(socket, this.config, manager.filterChainName, services.clock);
    manager.connectionOpened(secure !== null);
    const Connection = CONNECTIONS[codecOf(manager, secure)];
    const connection = new Connection(manager, services, record ?? socket, this);
    connection.secure = secure;
    if (record !== null) record.secure = secure;
    manager.protocolKnown(connection.spoken);
    if (socket instanceof NetworkFilters) {
      socket.connectionId = connection.connectionId;
      connection.networkInfo = socket;
    }
    this.connections.add(connection);
    if (record === null) return connection;
    record.handler = connection;
    record.connectionId = connection.connectionId;
    return record;
  }

  speaksHttp2(connection: Http1Downstream, bytes: Uint8Array): void {
    const { manager, socket, networkInfo, secure } = connection;
    const successor = new Http2Downstream(manager, this.services, socket, this);
    successor.networkInfo = networkInfo;
    successor.secure = secure;
    manager.protocolKnown(successor.spoken);
    this.connections.remove(connection);
    this.connections.add(successor);
    socket.handler = successor;
    successor.onData(bytes);
    if (connection.peerEnded) successor.onEnd();
  }

  private logClosed(connection: DrainableConnection): void {
    let info: StreamInfo;
    if (connection instanceof ConnectionLife && connection.socket instanceof ConnectionRecord) {
      connection.socket.duration = this.services.clock.now - connection.accepted;
      info = connection.socket;
    } else if (connection instanceof TcpProxyConnection) info = connection;
    else return;
    for (const logger of this.loggers) logger.log(info);
  }

  /** Envoy's details; the flag is that of a request without a route. */
  private logRefused(socket: Socket): void {
    if (this.loggers.length === 0) return;
    const record = new ConnectionRecord(socket, this.config, "", this.services.clock);
    record.duration = 0;
    record.flags.push("NR");
    record.responseCodeDetails = "filter_chain_not_found";
    for (const logger of this.loggers) logger.log(record);
  }

  /**
   * Accepts nothing more; a connection ends with its next answer. Idle ones are left alone for `patience` ms:
   * their clients may be writing a request just now, and would lose it.
   */
  retire(patience: number): void {
    this.draining = true;
    const { timers, clock } = this.services;
    for (const connection of this.connections.list()) connection.retire?.();
    if (!this.closesIdle) timers.arm(this.retirement, clock.now + patience);
  }

  /** Accepts nothing more; idle connections close, busy ones after their answer. */
  drain(): void {
    this.draining = true;
    this.closesIdle = true;
    this.services.timers.release(this.retirement);
    for (const arrival of this.arrivals.list()) arrival.drain();
    for (const connection of this.connections.list()) connection.drain();
  }

  connectionClosed(connection: DrainableConnection): void {
    if (!this.connections.remove(connection)) return;
    const { stats } = this;
    stats.downstreamCxActive--;
    stats.downstreamCxDestroy++;
    stats.downstreamCxLengthMs.record(this.services.clock.now - connection.accepted);
    if (this.loggers.length > 0) this.logClosed(connection);
    this.reportEmpty();
  }

  /** Sets the gauges of what waits in connections to 0; `addBuffered` of all listeners follows. */
  clearBuffered(): void {
    for (const { stats } of [...this.managers.values(), ...this.tcp.values()]) {
      stats.downstreamCxRxBytesBuffered = 0;
      stats.downstreamCxTxBytesBuffered = 0;
    }
  }

  /** Adds what waits in its connections. */
  addBuffered(): void {
    for (const connection of this.connections.list()) connection.addBuffered();
  }

  /** Gives its statistics back; no connection may live any more. */
  release(): void {
    this.services.timers.release(this.retirement);
    for (const manager of this.managers.values()) manager.release();
    for (const side of this.sides.values()) side.release();
    for (const filter of this.tcp.values()) filter.release();
    for (const factories of this.networkFilters.values()) for (const factory of factories) factory.release();
    this.scope.release();
  }
}

/** The network filters of a chain. One that is not known slipped through validation. */
function networkFactories(
  { networkFilters }: FilterChain,
  { networkKinds, context }: FilterEnvironment,
): readonly NetworkFilterFactory[] {
  return networkFilters.flatMap(({ name, typeName, config }) => {
    const kind = networkKinds.get(typeName);
    if (kind !== undefined) return [kind.networkFactory(config, name, context)];
    context.log("error", "config", `network filter ${name}: ${typeName} is not known`);
    return [];
  });
}
