/**
 * The connections to one endpoint, and the queue of attempts that wait for room on one. Those with room are used last
 * in, first out, so that surplus ones age and close. Knows circuit breakers and counters; no route.
 *
 * Laws: an attempt gets a connection, or exactly one failure, or cancels. A failed connect fails every waiting
 * attempt (they may retry elsewhere). An endpoint always gets its first connection, whatever the breaker says
 * about connections; about pools, of which this is one as long as it has a connection, it has the last word.
 */
import type { Breaker } from "../cluster/breaker.ts";
import type { EndpointState } from "../cluster/endpoint.ts";
import type { ResetReason } from "../cluster/reset-reason.ts";
import type { Http2ProtocolOptions } from "../config/model.ts";
import type { NameCase } from "../http1/head-writer.ts";
import type { Http1Limits } from "../http1/limits.ts";
import type { Http2Limits } from "../http2/limits.ts";
import type { Keepalive } from "../io/socket.ts";
import type { ClusterStats } from "../telemetry/cluster-stats.ts";
import type { Http2Stats } from "../telemetry/http2-stats.ts";
import { AutoUpstream } from "./auto-upstream.ts";
import { Http1Upstream } from "./http1-upstream.ts";
import { Http2Upstream } from "./http2-upstream.ts";
import type { Closing, OpeningConnection, PooledConnection } from "./pooled-connection.ts";
import { type Dialler, dial, type SecuredCluster } from "./secure-dial.ts";
import type { Services } from "./services.ts";
import type { UpstreamExchange } from "./upstream-exchange.ts";

/** An attempt in the queue. */
export interface PoolWaiter {
  /** There is room on a connection; take it with `assign`. */
  onPoolReady(exchange: UpstreamExchange): void;
  onPoolFailure(reason: ResetReason, detail: string): void;
}

/** What a pool needs to know of its cluster. */
export interface PoolOptions {
  /** ms; see `Cluster.connectTimeout`. */
  readonly connectTimeout: number;
  /** ms; 0 = off. */
  readonly idleTimeout: number;
  /** Life of a connection, ms; 0 = unlimited. One that carries a request finishes it. */
  readonly maxDuration: number;
  /** 0 = unlimited. */
  readonly maxRequests: number;
  readonly limits: Http1Limits;
  readonly http2Limits: Http2Limits;
  readonly forwardTrailers: boolean;
  readonly nameCase: NameCase;
  /** Null = off. */
  readonly keepalive: Keepalive | null;
  /** What HTTP/2 is spoken with, null if it never is. */
  readonly http2: Http2ProtocolOptions | null;
}

/** What the connections of a pool speak: one version of HTTP, or, each of them, what ALPN says. */
export const SpeaksHttp1 = 0;
export const SpeaksHttp2 = 1;
export const SpeaksEither = 2;
export type PoolSpeech = typeof SpeaksHttp1 | typeof SpeaksHttp2 | typeof SpeaksEither;

/** Whose connections they are. */
export interface PoolCluster extends SecuredCluster {
  readonly stats: ClusterStats;
  /** Made when first asked for. */
  readonly http2Stats: Http2Stats;
}

export class ConnectionPool {
  readonly services: Services;
  readonly endpoint: EndpointState;
  readonly stats: ClusterStats;
  readonly breaker: Breaker;
  private readonly cluster: PoolCluster;
  private readonly speech: PoolSpeech;
  /** The last connection that could speak either version spoke HTTP/2; as in Envoy the first one is expected to. */
  private lastWasHttp2 = true;
  private options: PoolOptions;
  /** Connections with room, or that had some when they were last looked at. */
  private readonly offered: PooledConnection[] = [];
  private readonly waiting: PoolWaiter[] = [];
  private open = 0;
  /** Requests that connections under way will be able to take. */
  private expected = 0;
  private draining = false;

  constructor(
    services: Services,
    endpoint: EndpointState,
    cluster: PoolCluster,
    breaker: Breaker,
    options: PoolOptions,
    speech: PoolSpeech = options.http2 === null ? SpeaksHttp1 : SpeaksHttp2,
  ) {
    this.services = services;
    this.endpoint = endpoint;
    this.cluster = cluster;
    this.stats = cluster.stats;
    this.breaker = breaker;
    this.options = options;
    this.speech = speech;
  }

  get limits(): Http1Limits {
    return this.options.limits;
  }

  get http2Limits(): Http2Limits {
    return this.options.http2Limits;
  }

  get maxRequests(): number {
    return this.options.maxRequests;
  }

  get nameCase(): NameCase {
    return this.options.nameCase;
  }

  get forwardTrailers(): boolean {
    return this.options.forwardTrailers;
  }

  get http2Stats(): Http2Stats {
    return this.cluster.http2Stats;
  }

  /** What HTTP/2 is spoken with. */
  get http2(): Http2ProtocolOptions {
    return this.options.http2 as Http2ProtocolOptions;
  }

  /** Requests that a new connection of HTTP/2 may have at a time, as far as we have a say. */
  get http2Room(): number {
    const { maxRequests, http2 } = this;
    return maxRequests > 0 ? Math.min(maxRequests, http2.maxConcurrentStreams) : http2.maxConcurrentStreams;
  }

  /** True if a connection that becomes idle stays so: nobody waits for it, and it may live on. */
  get keepsIdle(): boolean {
    return this.waiting.length === 0 && !this.draining;
  }

  /**
   * Asks for room on a connection. Returns it if there is some; null means that `waiter` is queued and will hear, or
   * that it has just heard of an overflow.
   */
  acquire(waiter: PoolWaiter): UpstreamExchange | null {
    const { offered } = this;
    for (let last = offered.length - 1; last >= 0; last--) {
      const connection = offered[last];
      const { room } = connection;
      if (room <= 1) {
        offered.pop();
        connection.offered = false;
      }
      if (room > 0) return connection.take();
    }
    if (this.open === 0 && !this.breaker.connectionPools.available) {
      this.stats.upstreamCxPoolOverflow++;
      waiter.onPoolFailure("pool overflow", "");
      return null;
    }
    if (!this.breaker.pendingRequests.tryAcquire()) {
      this.stats.upstreamRqPendingOverflow++;
      waiter.onPoolFailure("overflow", "");
      return null;
    }
    this.stats.upstreamRqPendingTotal++;
    this.stats.upstreamRqPendingActive++;
    this.endpoint.rqPendingActive++;
    this.waiting.push(waiter);
    if (this.waiting.length > this.expected) this.connect();
    return null;
  }

  /** Takes a waiter out of the queue. */
  cancel(waiter: PoolWaiter): void {
    const at = this.waiting.indexOf(waiter);
    if (at < 0) return;
    this.waiting.splice(at, 1);
    this.dequeued();
    this.stats.upstreamRqCancelled++;
  }

  /** No new connection is made and idle ones close: the endpoint has left its cluster. */
  drain(): void {
    this.draining = true;
    for (const connection of [...this.offered]) connection.drain();
  }

  /** The cluster's options changed; they hold for what happens from now on. */
  configure(options: PoolOptions): void {
    this.options = options;
  }

  private dequeued(): void {
    this.breaker.pendingRequests.release();
    this.stats.upstreamRqPendingActive--;
    this.endpoint.rqPendingActive--;
  }

  /** False if the breaker is against it. */
  private connect(): boolean {
    if (!this.breaker.connections.available) {
      this.stats.upstreamCxOverflow++;
      if (this.open > 0) return false;
    }
    this.breaker.connections.acquire();
    if (this.open === 0) this.breaker.connectionPools.acquire();
    const { services, endpoint, stats } = this;
    stats.upstreamCxTotal++;
    stats.upstreamCxActive++;
    endpoint.cxTotal++;
    endpoint.cxActive++;
    const connection = this.newConnection();
    services.buffering.add(connection);
    this.open++;
    this.expected += connection.expectedRoom;
    services.timers.arm(connection.timer, services.clock.now + this.options.connectTimeout);
    connection.socket = dial(services, connection.address, connection, this.cluster);
    return true;
  }

  private newConnection(): OpeningConnection & Dialler {
    if (this.speech === SpeaksEither) return new AutoUpstream(this, this.lastWasHttp2 ? this.http2Room : 1);
    this.countVersion(this.speech === SpeaksHttp2);
    return this.speech === SpeaksHttp2 ? new Http2Upstream(this) : new Http1Upstream(this);
  }

  private countVersion(http2: boolean): void {
    if (http2) this.stats.upstreamCxHttp2Total++;
    else this.stats.upstreamCxHttp1Total++;
  }

  // ── What connections report ───────────────────────────────────────────────────────────────────────────────

  /** A connection that could become either has become one of a version of HTTP. */
  became(opening: OpeningConnection, connection: PooledConnection & Dialler, http2: boolean): void {
    const { buffering } = this.services;
    buffering.remove(opening);
    buffering.add(connection);
    this.lastWasHttp2 = http2;
    this.countVersion(http2);
    this.expected += connection.expectedRoom - opening.expectedRoom;
    connection.onConnect();
    // One of HTTP/1 takes a single one of those that were to share one of HTTP/2.
    while (this.waiting.length > this.expected && this.connect());
  }

  onConnected(connection: PooledConnection): void {
    this.expected -= connection.expectedRoom;
    const { keepalive } = this.options;
    if (keepalive !== null) connection.socket?.keepAlive(keepalive);
    this.stats.upstreamCxConnectMs.record(this.services.clock.now - connection.started);
    this.offer(connection);
  }

  /** There is room on a connection again. */
  onRoom(connection: PooledConnection): void {
    this.offer(connection);
  }

  /** True if a connection has lived its time. */
  isOld(connection: PooledConnection): boolean {
    const { maxDuration } = this.options;
    return maxDuration > 0 && this.services.clock.now - connection.started >= maxDuration;
  }

  onConnectTimeout(): void {
    this.stats.upstreamCxConnectTimeout++;
  }

  /** A connection is gone. */
  onClosed(connection: OpeningConnection, { connecting, busy, remote, reason }: Closing): void {
    this.services.buffering.remove(connection);
    this.open--;
    this.breaker.connections.release();
    if (this.open === 0) this.breaker.connectionPools.release();
    const { stats, endpoint } = this;
    stats.upstreamCxActive--;
    endpoint.cxActive--;
    stats.upstreamCxDestroy++;
    if (remote) stats.upstreamCxDestroyRemote++;
    else stats.upstreamCxDestroyLocal++;
    if (busy) {
      stats.upstreamCxDestroyWithActiveRq++;
      if (remote) stats.upstreamCxDestroyRemoteWithActiveRq++;
      else stats.upstreamCxDestroyLocalWithActiveRq++;
    }
    stats.upstreamCxLengthMs.record(this.services.clock.now - connection.started);
    stats.upstreamRqPerCx.record(connection.requests);
    if (connection.offered) {
      connection.offered = false;
      this.offered.splice(this.offered.indexOf(connection as PooledConnection), 1);
    }
    if (connecting) {
      this.expected -= connection.expectedRoom;
      stats.upstreamCxConnectFail++;
      endpoint.cxConnectFail++;
      this.failWaiting(remote ? "remote connection failure" : "connection timeout", reason);
      return;
    }
    // A breaker slot is free: whoever waits because of it gets a new connection.
    if (this.waiting.length > this.expected) this.connect();
  }

  private failWaiting(reason: ResetReason, detail: string): void {
    const failed = this.waiting.splice(0);
    for (const waiter of failed) {
      this.dequeued();
      this.stats.upstreamRqPendingFailureEject++;
      waiter.onPoolFailure(reason, detail);
    }
  }

  private offer(connection: PooledConnection): void {
    while (this.waiting.length > 0 && connection.room > 0) {
      const waiter = this.waiting.shift() as PoolWaiter;
      this.dequeued();
      if (this.breaker.requests.available) waiter.onPoolReady(connection.take());
      else {
        this.stats.upstreamRqActiveOverflow++;
        waiter.onPoolFailure("overflow", "");
      }
    }
    if (this.draining) {
      connection.drain();
      return;
    }
    if (connection.room > 0 && !connection.offered) {
      connection.offered = true;
      this.offered.push(connection);
    }
    if (connection.idle) this.armIdle(connection);
  }

  private armIdle(connection: PooledConnection): void {
    const { timers, clock } = this.services;
    const { idleTimeout, maxDuration } = this.options;
    const idleUntil = idleTimeout > 0 ? clock.now + idleTimeout : Number.POSITIVE_INFINITY;
    const due = maxDuration > 0 ? Math.min(idleUntil, connection.started + maxDuration) : idleUntil;
    if (due < Number.POSITIVE_INFINITY) timers.arm(connection.timer, due);
    else timers.cancel(connection.timer);
  }
}
