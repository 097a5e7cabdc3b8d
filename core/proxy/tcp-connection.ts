/**
 * One TCP connection through the proxy: bytes from the client to one endpoint and back, as they come. Chunks are
 * handed over, never copied; each direction is paused while the other side's kernel is full; FIN goes through
 * each way by itself, and a reset ends both sides.
 *
 *   CONNECTING (client paused) ─▶ OPEN ─▶ half closed either way ─▶ CLOSED
 */
import type { ClusterState } from "../cluster/cluster.ts";
import type { Address, CloseReason, Socket, SocketHandler } from "../io/socket.ts";
import { Timer } from "../time/timers.ts";
import { ConnectionInfo } from "./connection-info.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import type { FirstWord } from "./server-first.ts";
import type { Services } from "./services.ts";
import type { TcpProxyFilter } from "./tcp-filter.ts";
import { MAX_FLUSH_MS, mayPool, TcpUpstream, type TcpUpstreamOwner } from "./tcp-upstream.ts";
import { connectFailureText, underscored } from "./upstream-failure.ts";

export class TcpProxyConnection extends ConnectionInfo implements SocketHandler, TcpUpstreamOwner {
  private readonly filter: TcpProxyFilter;
  private readonly services: Services;
  private readonly socket: Socket;
  private readonly owner: ConnectionOwner;
  private upstream: TcpUpstream | null = null;
  override cluster: ClusterState | null = null;
  private connected = false;
  private closed = false;
  private clientEnded = false;
  private upstreamEnded = false;
  /** What arrived although reading is paused until the upstream is there. */
  private early: Uint8Array[] | null = null;
  /** Who wants to know which side speaks first, until the client has spoken; or null. */
  witness: FirstWord | null = null;
  readonly accepted: number;
  place = -1;
  private readonly idle: Timer;
  private readonly duration_: Timer;

  constructor(filter: TcpProxyFilter, services: Services, socket: Socket, owner: ConnectionOwner) {
    super(filter.listener, filter.filterChainName, services.clock.wall);
    this.filter = filter;
    this.services = services;
    this.socket = socket;
    this.owner = owner;
    this.connectionId = services.nextConnectionId++;
    this.accepted = services.clock.now;
    this.idle = new Timer(() => this.onIdle());
    this.duration_ = new Timer(() => this.onMaxDuration());
    filter.stats.downstreamCxTotal++;
  }

  get downstreamLocal(): Address {
    return this.socket.local;
  }
  get downstreamDirectRemote(): Address {
    return this.socket.remote;
  }

  /** The connection was accepted: the client is not read until an endpoint is connected, and not waited for for ever. */
  start(): void {
    const { filter, services } = this;
    const { maxDownstreamConnectionDuration } = filter.config;
    this.socket.pause();
    if (maxDownstreamConnectionDuration > 0) {
      services.timers.arm(this.duration_, this.accepted + maxDownstreamConnectionDuration);
    }
    this.touch();
  }

  /** Chooses an endpoint and connects: nobody has anything against the connection. */
  begin(): void {
    const { filter } = this;
    const name = filter.chooseCluster();
    this.clusterName = name;
    this.cluster = filter.clusters.find(name);
    if (this.cluster === null) {
      filter.stats.downstreamCxNoRoute++;
      this.flags.push("NC");
      this.close();
      return;
    }
    this.clusterStatName = this.cluster.statName;
    this.connect();
  }

  // ── The client's side ─────────────────────────────────────────────────────────────────────────────────────

  onConnect(): void {}

  get passing(): number {
    return this.connected && this.upstream?.direct === true ? Number.POSITIVE_INFINITY : 0;
  }

  get answerPassing(): number {
    return this.socket.direct === true ? Number.POSITIVE_INFINITY : 0;
  }

  onData(chunk: Uint8Array): void {
    if (this.witness !== null) {
      this.witness.onClient(chunk);
      this.witness = null;
    }
    this.filter.stats.downstreamCxRxBytesTotal += chunk.length;
    this.bytesReceived += chunk.length;
    if (this.connected) {
      this.upstreamBytesSent += chunk.length;
      this.upstream?.write(chunk, 0, chunk.length);
    } else {
      this.early ??= [];
      this.early.push(chunk);
    }
    this.touch();
  }

  onEnd(): void {
    this.clientEnded = true;
    if (this.connected) this.upstream?.end();
  }

  onBlocked(): void {
    this.filter.stats.downstreamFlowControlPausedReadingTotal++;
    this.upstream?.pause();
  }

  onDrain(): void {
    this.filter.stats.downstreamFlowControlResumedReadingTotal++;
    this.upstream?.resume();
    this.touch();
  }

  onClose(reason: CloseReason): void {
    this.secure?.closed(reason);
    if (this.closed) return;
    const { upstream } = this;
    if (reason !== "") upstream?.reset();
    else if (this.upstreamEnded && this.clientEnded) upstream?.leave();
    else upstream?.close();
    this.finish();
  }

  // ── The upstream's side ───────────────────────────────────────────────────────────────────────────────────

  private connect(): void {
    const cluster = this.cluster as ClusterState;
    const { filter } = this;
    const { connections, pendingRequests } = cluster.defaultBreaker;
    if (!connections.available) {
      cluster.stats.upstreamCxOverflow++;
      this.flags.push("UO");
      this.close();
      return;
    }
    const endpoint = cluster.chooseEndpoint(null);
    if (endpoint === null || !mayPool(cluster, endpoint)) {
      this.flags.push("UH");
      this.close();
      return;
    }
    const { maxConnectAttempts } = filter.config;
    if (this.upstreamAttempts < maxConnectAttempts && !pendingRequests.available) {
      // Envoy asks as often as it may, and counts each time; nothing can become free meanwhile.
      cluster.stats.upstreamRqPendingOverflow += maxConnectAttempts - this.upstreamAttempts;
      this.upstreamAttempts = maxConnectAttempts;
    }
    if (this.upstreamAttempts >= maxConnectAttempts) {
      cluster.stats.upstreamCxConnectAttemptsExceeded++;
      if (this.upstreamHost !== null) this.flags.push("UF");
      this.flags.push("URX");
      this.close();
      return;
    }
    this.upstreamAttempts++;
    this.upstreamHost = endpoint.address;
    this.endpoint = endpoint;
    this.upstream = new TcpUpstream(this.services, cluster, endpoint, this, filter.stats);
    this.upstream.connect();
  }

  onUpstreamConnected(): void {
    const upstream = this.upstream as TcpUpstream;
    this.connected = true;
    this.upstreamLocal = upstream.local;
    this.witness?.onConnected();
    if (this.early !== null) {
      for (const chunk of this.early) {
        this.upstreamBytesSent += chunk.length;
        upstream.write(chunk, 0, chunk.length);
      }
      this.early = null;
    }
    this.socket.resume();
    if (this.clientEnded) upstream.end();
    this.touch();
  }

  onUpstreamData(chunk: Uint8Array): void {
    if (this.witness !== null) this.witness.onServer();
    this.bytesSent += chunk.length;
    this.upstreamBytesReceived += chunk.length;
    this.filter.stats.downstreamCxTxBytesTotal += chunk.length;
    this.socket.write(chunk, 0, chunk.length);
    this.touch();
  }

  onUpstreamEnd(): void {
    this.upstreamEnded = true;
    this.socket.end();
  }

  onUpstreamBlocked(): void {
    this.socket.pause();
  }

  onUpstreamDrain(): void {
    this.socket.resume();
    this.touch();
  }

  onUpstreamClosed(reason: CloseReason, connected: boolean): void {
    this.upstream = null;
    if (this.closed) return;
    if (!connected) {
      this.upstreamFailure = underscored(connectFailureText(reason));
      this.connect();
    } else if (this.upstreamEnded) {
      // Whatever came behind its FIN: the client still gets what is queued for it; then its socket closes by itself.
      if (!this.clientEnded || this.filter.config.idleTimeout === 0) {
        this.services.timers.arm(this.idle, this.services.clock.now + MAX_FLUSH_MS);
      }
    } else if (reason !== "") {
      this.socket.reset();
      this.finish();
    } else this.close();
  }

  // ── The end ───────────────────────────────────────────────────────────────────────────────────────────────

  addBuffered(): void {
    const { stats } = this.filter;
    stats.downstreamCxTxBytesBuffered += this.socket.pendingBytes;
    for (const chunk of this.early ?? []) stats.downstreamCxRxBytesBuffered += chunk.length;
  }

  /** A drained TCP connection lives until one of its peers ends it (as in Envoy). */
  drain(): void {}

  private onIdle(): void {
    this.filter.stats.idleTimeout++;
    this.connectionTerminationDetails = "idle_timeout";
    this.flags.push("SI");
    this.close();
  }

  private onMaxDuration(): void {
    this.filter.stats.maxDownstreamConnectionDuration++;
    this.connectionTerminationDetails = "max_connection_duration";
    this.flags.push("DT");
    this.close();
  }

  private touch(): void {
    const { idleTimeout } = this.filter.config;
    if (idleTimeout > 0 && !this.closed)
      this.services.timers.arm(this.idle, this.services.clock.now + idleTimeout);
  }

  private close(): void {
    if (this.closed) return;
    this.socket.close();
    this.upstream?.close();
    this.finish();
  }

  private finish(): void {
    this.closed = true;
    this.duration = this.services.clock.now - this.accepted;
    for (const timer of [this.idle, this.duration_]) this.services.timers.release(timer);
    for (const logger of this.filter.loggers) logger.log(this);
    this.owner.connectionClosed(this);
  }
}
