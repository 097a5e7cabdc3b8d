/**
 * One plain TCP connection to an endpoint and the counts that go with it: breaker, cluster, endpoint; to them it is
 * a request as well (Envoy), which waits as long as it connects. It knows who hears of it and nothing of what it carries.
 *
 *   CONNECTING ─▶ OPEN ─▶ LEFT (nobody listens; what is queued is still sent) ─▶ CLOSED
 *
 * Laws: every count goes back when the socket is gone, exactly once. After `close`, `reset` and `leave` the owner
 * hears nothing more.
 */
import type { ClusterState } from "../cluster/cluster.ts";
import type { EndpointState } from "../cluster/endpoint.ts";
import type { CloseReason, Socket } from "../io/socket.ts";
import { Timer } from "../time/timers.ts";
import type { SecureConnection } from "../tls/secure-connection.ts";
import { type Dialler, dial, NO_ALPN } from "./secure-dial.ts";
import type { Services } from "./services.ts";

/** An upstream that takes nothing of what is left for it is given this long, ms. */
export const MAX_FLUSH_MS = 60_000;

/** Who made the connection. */
export interface TcpUpstreamOwner {
  onUpstreamConnected(): void;
  /** So many bytes `onUpstreamData` would write to the client at once, and keep nothing of them. */
  readonly answerPassing: number;
  /** The chunk belongs to the owner. */
  onUpstreamData(chunk: Uint8Array): void;
  /** FIN. */
  onUpstreamEnd(): void;
  onUpstreamBlocked(): void;
  onUpstreamDrain(): void;
  /** It is gone, or never was (`timedOut`: by our own clock). `reason` is "" or an errno. */
  onUpstreamClosed(reason: CloseReason, connected: boolean, timedOut: boolean): void;
}

/** Counts connections that go on sending after their owner left. */
export interface FlushStats {
  upstreamFlushTotal: number;
  upstreamFlushActive: number;
}

export class TcpUpstream implements Dialler {
  readonly endpoint: EndpointState;
  private readonly services: Services;
  private readonly cluster: ClusterState;
  private readonly flushes: FlushStats | null;
  private owner: TcpUpstreamOwner | null;
  private socket: Socket | null = null;
  private connected = false;
  private timedOut = false;
  private left = false;
  private flushing = false;
  /** For its roster. */
  place = -1;
  /** FIN of the upstream. */
  private peerEnded = false;
  /** The last word was ours. */
  private endedHere = false;
  private unsent = 0;
  secure: SecureConnection | null = null;
  readonly protocol = "";
  readonly alpn = NO_ALPN;
  private readonly started: number;
  /** Connect timeout; later the patience of a flush. */
  private readonly timer: Timer;

  /** Counts the connection; `connect` must follow. The caller has asked the breaker. */
  constructor(
    services: Services,
    cluster: ClusterState,
    endpoint: EndpointState,
    owner: TcpUpstreamOwner,
    flushes: FlushStats | null,
  ) {
    this.services = services;
    this.cluster = cluster;
    this.endpoint = endpoint;
    this.owner = owner;
    this.flushes = flushes;
    this.started = services.clock.now;
    this.timer = new Timer(() => this.onTimer());
  }

  /** Starts connecting. */
  connect(): void {
    const { services, cluster, endpoint } = this;
    const { defaultBreaker } = cluster;
    defaultBreaker.connections.acquire();
    defaultBreaker.pendingRequests.acquire();
    if (endpoint.tcpActive++ === 0) defaultBreaker.connectionPools.acquire();
    services.buffering.add(this);
    cluster.stats.upstreamCxTotal++;
    cluster.stats.upstreamCxActive++;
    cluster.stats.upstreamRqPendingTotal++;
    cluster.stats.upstreamRqPendingActive++;
    endpoint.cxTotal++;
    endpoint.cxActive++;
    endpoint.rqPendingActive++;
    services.timers.arm(this.timer, this.started + cluster.config.connectTimeout);
    this.socket = dial(services, endpoint.address, this, cluster);
  }

  /** Our end of the connection, once there is one. */
  get local(): Socket["local"] | null {
    return this.connected && this.socket !== null ? this.socket.local : null;
  }

  /** What is written goes straight to the endpoint. */
  get direct(): boolean {
    return this.socket?.direct === true;
  }

  get passing(): number {
    return this.owner === null ? 0 : this.owner.answerPassing;
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    this.cluster.stats.upstreamCxTxBytesTotal += end - start;
    this.socket?.write(bytes, start, end);
  }

  end(): void {
    this.endedHere = this.peerEnded;
    this.socket?.end();
  }

  pause(): void {
    this.socket?.pause();
  }

  resume(): void {
    this.socket?.resume();
  }

  close(): void {
    this.owner = null;
    this.endedHere = true;
    this.socket?.close();
  }

  /** Closes it, of which the owner hears. */
  cut(): void {
    this.endedHere = true;
    this.socket?.close();
  }

  reset(): void {
    this.owner = null;
    this.endedHere = true;
    this.socket?.reset();
  }

  /** Both directions have ended: what is queued is still sent, then the connection ends by itself. */
  leave(): void {
    const { socket, services } = this;
    if (socket === null || this.left) return;
    this.owner = null;
    this.left = true;
    socket.end();
    this.unsent = socket.pendingBytes;
    if (this.unsent > 0 && this.flushes !== null) {
      this.flushing = true;
      this.flushes.upstreamFlushTotal++;
      this.flushes.upstreamFlushActive++;
    }
    services.timers.arm(this.timer, services.clock.now + MAX_FLUSH_MS);
  }

  private onTimer(): void {
    const { socket, services } = this;
    if (!this.connected) {
      this.timedOut = true;
      this.endedHere = true;
      this.cluster.stats.upstreamCxConnectTimeout++;
    } else if (socket !== null && socket.pendingBytes < this.unsent) {
      this.unsent = socket.pendingBytes;
      services.timers.arm(this.timer, services.clock.now + MAX_FLUSH_MS);
      return;
    }
    socket?.close();
  }

  addBuffered(): void {
    if (this.socket !== null) this.cluster.stats.upstreamCxTxBytesBuffered += this.socket.pendingBytes;
  }

  // ── The socket's side ─────────────────────────────────────────────────────────────────────────────────────

  onConnect(): void {
    const { services, endpoint } = this;
    const { stats, config, defaultBreaker } = this.cluster;
    this.connected = true;
    defaultBreaker.pendingRequests.release();
    defaultBreaker.requests.acquire(); // counted, never refused (Envoy)
    if (config.tcpKeepalive !== null) this.socket?.keepAlive(config.tcpKeepalive);
    services.timers.cancel(this.timer);
    stats.upstreamCxConnectMs.record(services.clock.now - this.started);
    stats.upstreamRqPendingActive--;
    endpoint.rqPendingActive--;
    stats.upstreamRqTotal++;
    stats.upstreamRqActive++;
    endpoint.rqTotal++;
    endpoint.rqActive++;
    this.owner?.onUpstreamConnected();
  }

  onData(chunk: Uint8Array): void {
    this.cluster.stats.upstreamCxRxBytesTotal += chunk.length;
    this.owner?.onUpstreamData(chunk);
  }

  onEnd(): void {
    this.peerEnded = true;
    this.owner?.onUpstreamEnd();
  }

  onBlocked(): void {
    this.owner?.onUpstreamBlocked();
  }

  onDrain(): void {
    this.owner?.onUpstreamDrain();
  }

  onClose(reason: CloseReason): void {
    this.secure?.closed(reason);
    const { cluster, endpoint, services } = this;
    const { stats, defaultBreaker } = cluster;
    this.socket = null;
    services.timers.release(this.timer);
    defaultBreaker.connections.release();
    if (this.connected) defaultBreaker.requests.release();
    else defaultBreaker.pendingRequests.release();
    if (--endpoint.tcpActive === 0) defaultBreaker.connectionPools.release();
    services.buffering.remove(this);
    stats.upstreamCxActive--;
    stats.upstreamCxDestroy++;
    stats.upstreamCxLengthMs.record(services.clock.now - this.started);
    endpoint.cxActive--;
    if (this.endedHere) stats.upstreamCxDestroyLocal++;
    else stats.upstreamCxDestroyRemote++;
    if (this.connected) {
      stats.upstreamRqActive--;
      endpoint.rqActive--;
      stats.upstreamCxDestroyWithActiveRq++;
      if (this.endedHere) stats.upstreamCxDestroyLocalWithActiveRq++;
      else stats.upstreamCxDestroyRemoteWithActiveRq++;
    } else {
      stats.upstreamRqPendingActive--;
      endpoint.rqPendingActive--;
      stats.upstreamCxConnectFail++;
      endpoint.cxConnectFail++;
      if (this.owner === null) stats.upstreamRqCancelled++;
      else stats.upstreamRqPendingFailureEject++;
    }
    if (this.flushing && this.flushes !== null) this.flushes.upstreamFlushActive--;
    this.owner?.onUpstreamClosed(reason, this.connected, this.timedOut);
  }
}

/** False (and counted) if the breaker allows no pool to an endpoint that has none. Ask before connecting. */
export function mayPool({ defaultBreaker, stats }: ClusterState, endpoint: EndpointState): boolean {
  if (endpoint.tcpActive > 0 || defaultBreaker.connectionPools.available) return true;
  stats.upstreamCxPoolOverflow++;
  return false;
}

/** False (and counted) if as many as may wait for a connection do. Ask before connecting. */
export function mayWait({ defaultBreaker, stats }: ClusterState): boolean {
  if (defaultBreaker.pendingRequests.available) return true;
  stats.upstreamRqPendingOverflow++;
  return false;
}
