/**
 * One HTTP/2 connection to an endpoint: the session, and what decides whether it may carry more requests. A request and
 * its answer are an exchange's business.
 *
 * Laws: it takes no request that the peer would not take. Once the peer has said GOAWAY, or the connection is as old as
 * it may be, it takes none any more, and closes when the last one is over.
 *
 *   CONNECTING ─▶ OPEN ─▶ DRAINING ─▶ CLOSED
 */

import type { CopyCounter } from "../http1/section-reader.ts";
import type { BodyEnd } from "../http2/body-end.ts";
import { ClientSession } from "../http2/client-session.ts";
import { Cancel, errorName } from "../http2/frames.ts";
import type { SessionOwner } from "../http2/stream-table.ts";
import type { Address, CloseReason, Socket } from "../io/socket.ts";
import type { Http2Stats } from "../telemetry/http2-stats.ts";
import { Timer } from "../time/timers.ts";
import type { SecureConnection } from "../tls/secure-connection.ts";
import { Http2Keepalive, type KeepaliveOwner } from "./http2-keepalive.ts";
import { Http2UpstreamExchange } from "./http2-upstream-exchange.ts";
import type { ConnectionPool } from "./pool.ts";
import type { OpeningConnection, PooledConnection } from "./pooled-connection.ts";
import { type Dialler, HTTP2_ALPN } from "./secure-dial.ts";

const Connecting = 0;
const Open = 1;
const Draining = 2;
const Closed = 3;

/** Exchanges that are kept for further requests. */
const MOST_SPARE = 64;

export class Http2Upstream implements Dialler, SessionOwner, KeepaliveOwner, PooledConnection {
  readonly pool: ConnectionPool;
  place = -1;
  offered = false;
  secure: SecureConnection | null = null;
  readonly protocol = "h2";
  readonly alpn = HTTP2_ALPN;
  socket: Socket | null = null;
  readonly address: Address;
  readonly started: number;
  readonly timer: Timer;
  requests = 0;
  readonly expectedRoom: number;
  private readonly maxStreams: number;
  private state: typeof Connecting | typeof Open | typeof Draining | typeof Closed = Connecting;
  private made: ClientSession | null = null;
  private readonly spare: Http2UpstreamExchange[] = [];
  /** Those that were over while the peer was heard. */
  private readonly resting: Http2UpstreamExchange[] = [];
  private feeding = false;
  /** The peer does not read what we say. */
  private full = false;
  /** A stream was over meanwhile. */
  private freed = false;
  /** The peer's settings have come. */
  informed = false;
  /** Exchanges that wait for them. */
  private readonly unsure: Http2UpstreamExchange[] = [];
  private keepalive: Http2Keepalive | null = null;

  /** `before`: what stood in its place while it was connected. */
  constructor(pool: ConnectionPool, before: OpeningConnection | null = null) {
    this.pool = pool;
    this.address = before === null ? pool.endpoint.address : before.address;
    this.started = before === null ? pool.services.clock.now : before.started;
    this.timer = new Timer(() => this.onTimer());
    this.maxStreams = pool.http2.maxConcurrentStreams;
    this.expectedRoom = pool.http2Room;
  }

  /** Our end of it, null while connecting. */
  get local(): Address | null {
    return this.socket === null ? null : this.socket.local;
  }

  get session(): ClientSession {
    return this.made as ClientSession;
  }

  // ── The pool's side ───────────────────────────────────────────────────────────────────────────────────────

  get room(): number {
    const { pool, session } = this;
    if (this.state !== Open || this.full || pool.isOld(this)) return 0;
    const left = pool.maxRequests > 0 ? pool.maxRequests - this.requests : Number.POSITIVE_INFINITY;
    return Math.min(left, session.room, this.maxStreams - session.size);
  }

  get idle(): boolean {
    return this.state === Open && this.carriesNothing;
  }

  private get carriesNothing(): boolean {
    return this.session.size === 0 && this.unsure.length === 0;
  }

  /** An exchange wants to know what the peer's settings say. */
  awaitSettings(exchange: Http2UpstreamExchange): void {
    this.unsure.push(exchange);
  }

  /** It does no more. */
  forget(exchange: Http2UpstreamExchange): void {
    const at = this.unsure.indexOf(exchange);
    if (at >= 0) this.unsure.splice(at, 1);
    this.onStreamClosed();
  }

  take(): Http2UpstreamExchange {
    const { pool } = this;
    this.requests++;
    if (this.requests === pool.maxRequests) pool.stats.upstreamCxMaxRequests++;
    pool.services.timers.cancel(this.timer);
    this.keepalive?.onUse();
    return this.spare.pop() ?? new Http2UpstreamExchange(this);
  }

  drain(): void {
    if (this.state !== Open) return;
    this.state = Draining;
    this.session.close();
    this.settle();
  }

  /**
   * An exchange is over, and nobody refers to it any more but whoever has just told it something: while the peer is
   * heard it rests, lest the rest of what it is told is taken for the next request's.
   */
  recycle(exchange: Http2UpstreamExchange): void {
    const { spare, resting } = this;
    if (spare.length + resting.length < MOST_SPARE) (this.feeding ? resting : spare).push(exchange);
  }

  addBuffered(): void {
    const { stats } = this.pool;
    if (this.socket !== null) stats.upstreamCxTxBytesBuffered += this.socket.pendingBytes;
    if (this.made !== null) stats.upstreamCxRxBytesBuffered += this.made.heldBytes;
    this.made?.addWaiting(this.counts);
  }

  // ── The socket's side ─────────────────────────────────────────────────────────────────────────────────────

  onConnect(): void {
    if (this.state !== Connecting) return;
    const { services, http2Limits, http2 } = this.pool;
    services.timers.cancel(this.timer);
    this.state = Open;
    this.made = new ClientSession(this, services.slab, http2Limits, http2);
    if (http2.keepalive !== null) this.keepalive = new Http2Keepalive(services, http2.keepalive, this);
    this.pool.onConnected(this);
  }

  get copied(): CopyCounter {
    return this.pool.services.copied;
  }

  get bodyEnd(): BodyEnd {
    return this.pool.services.bodyEnd;
  }

  get direct(): boolean {
    return this.socket?.direct === true;
  }

  /** Asked right before the bytes come: they may be lent. */
  get passing(): number {
    return this.made?.borrow() === true ? Number.POSITIVE_INFINITY : 0;
  }

  onData(chunk: Uint8Array): void {
    this.pool.stats.upstreamCxRxBytesTotal += chunk.length;
    if (this.state === Closed || this.state === Connecting) return;
    this.keepalive?.onBytes();
    this.feeding = true;
    this.freed = false;
    this.session.feed(chunk);
    this.feeding = false;
    while (this.resting.length > 0) this.spare.push(this.resting.pop() as Http2UpstreamExchange);
    // Bytes alone, answers to our PINGs say, make no idle connection any younger.
    if (this.freed || this.state === Draining) this.settle();
  }

  /** A peer that ends its side answers nothing any more. */
  onEnd(): void {
    this.close(true, "");
  }

  onBlocked(): void {
    this.made?.onBlocked();
  }

  onDrain(): void {
    this.made?.onDrain();
  }

  onClose(reason: CloseReason): void {
    this.secure?.closed(reason);
    this.close(true, reason);
  }

  private onTimer(): void {
    const { pool } = this;
    if (this.state === Connecting) {
      pool.onConnectTimeout();
      this.close(false, "");
      return;
    }
    if (!this.idle) return;
    if (pool.isOld(this)) pool.stats.upstreamCxMaxDurationReached++;
    else pool.stats.upstreamCxIdleTimeout++;
    this.drain();
  }

  // ── The session's side ────────────────────────────────────────────────────────────────────────────────────

  get now(): number {
    return this.pool.services.clock.now;
  }

  get counts(): Http2Stats {
    return this.pool.http2Stats;
  }

  ping(mark: number): void {
    this.session.ping(mark);
  }

  /** The peer does not answer our PINGs. */
  onDead(): void {
    this.counts.keepaliveTimeout++;
    this.close(false, "");
  }

  /** Requests that are given up make room for others, but their heads still wait for the peer. */
  onFull(full: boolean): void {
    this.full = full;
    if (!full) this.settle();
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    this.pool.stats.upstreamCxTxBytesTotal += end - start;
    this.socket?.write(bytes, start, end);
  }

  onFault(code: number, why: string): void {
    const { pool } = this;
    pool.stats.upstreamCxProtocolError++;
    pool.services.platform.log("debug", "http2", `${this.address.ip}: ${errorName(code)}: ${why}`);
    this.close(false, "");
  }

  onBroken(): void {
    this.counts.rxMessagingError++;
    this.pool.stats.upstreamCxProtocolError++;
  }

  onSuspicion(): void {
    this.drain();
  }

  onGoAway(): void {
    if (this.state !== Open) return;
    this.pool.stats.upstreamCxCloseNotify++;
    this.state = Draining;
  }

  onSettings(): void {
    this.informed = true;
    for (const exchange of this.unsure.splice(0)) exchange.ask();
    // A peer that takes no request, and carries none, would be kept for nothing, and another dialled beside it.
    if (this.state === Open) this.settle();
  }

  onPong(mark: number): void {
    this.keepalive?.onPong(mark);
  }

  onStreamClosed(): void {
    this.freed = true;
    if (!this.feeding) this.settle();
  }

  /** What a stream that is over leaves: room for another, or the end. */
  private settle(): void {
    const { pool } = this;
    if (this.state === Open) {
      if (this.room > 0) pool.onRoom(this);
      else if (this.carriesNothing) {
        if (pool.isOld(this)) pool.stats.upstreamCxMaxDurationReached++;
        this.drain();
      }
    } else if (this.state === Draining && this.carriesNothing) this.close(false, "");
  }

  private close(remote: boolean, reason: CloseReason): void {
    if (this.state === Closed) return;
    const connecting = this.state === Connecting;
    const busy = this.made !== null && !this.carriesNothing;
    this.state = Closed;
    this.pool.services.timers.release(this.timer);
    this.keepalive?.release();
    this.made?.stop(Cancel);
    for (const exchange of this.unsure.splice(0)) exchange.unanswered();
    this.socket?.close();
    this.pool.onClosed(this, { connecting, busy, remote, reason });
  }
}
