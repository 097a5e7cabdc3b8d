/**
 * One HTTP/1 connection to an endpoint: the client side of the codec, and the bookkeeping that decides whether
 * it may carry another request. It knows its pool and the attempt that it carries; no route, no retry.
 *
 * Laws (http.md, invariants 3 and 5): a connection goes back to its pool only if the request was written whole,
 * the response was read whole, nothing was left over, nobody said "close" and no upgrade was ever asked for.
 * Otherwise it is destroyed. Bytes on an idle connection destroy it.
 *
 *   CONNECTING ─▶ IDLE ⇄ BUSY ─▶ TUNNEL       any ─▶ CLOSED
 */
import type { ResetReason } from "../cluster/reset-reason.ts";
import type { Fault } from "../errors.ts";
import type { Fields } from "../http/fields.ts";
import { AsTunnel, ByChunks, type Framing } from "../http/framing.ts";
import type { RequestHead } from "../http/head.ts";
import { HopAccepted, HopOptions, readHopOptions } from "../http/hop-by-hop.ts";
import { RESPONSE_FAULTS } from "../http1/faults.ts";
import { LAST_CHUNK, LowerCase } from "../http1/head-writer.ts";
import type { MessageSink } from "../http1/message-parser.ts";
import { ResponseParser } from "../http1/response-parser.ts";
import type { Address, CloseReason, Socket } from "../io/socket.ts";
import { Timer } from "../time/timers.ts";
import type { SecureConnection } from "../tls/secure-connection.ts";
import type { ConnectionPool } from "./pool.ts";
import type { OpeningConnection, PooledConnection } from "./pooled-connection.ts";
import { type Dialler, HTTP1_ALPN } from "./secure-dial.ts";
import { MAX_FLUSH_MS } from "./tcp-upstream.ts";
import type { AttemptSink, UpstreamExchange } from "./upstream-exchange.ts";

const Connecting = 0;
const Idle = 1;
const Busy = 2;
const Closed = 3;
type UpstreamState = typeof Connecting | typeof Idle | typeof Busy | typeof Closed;

export class Http1Upstream implements Dialler, MessageSink, UpstreamExchange, PooledConnection {
  state: UpstreamState = Connecting;
  place = -1;
  offered = false;
  secure: SecureConnection | null = null;
  readonly protocol = "";
  readonly alpn = HTTP1_ALPN;
  readonly expectedRoom = 1;
  readonly pool: ConnectionPool;
  socket: Socket | null = null;
  readonly parser: ResponseParser;
  private attempt: AttemptSink | null = null;
  private readonly hop = new HopOptions();
  /** Connect timeout while connecting, idle timeout while idle. */
  readonly timer: Timer;
  /** Where it goes; its endpoint may have moved on since (LOGICAL_DNS). */
  readonly address: Address;
  /** When it was opened, ms. */
  readonly started: number;
  /** Requests carried so far. */
  requests = 0;
  private requestEnded = false;
  private responseEnded = false;
  /** The sink has heard of the end of the response. */
  private endReported = false;
  private reusable = true;
  private chunked = false;
  private firstChunk = true;
  private tunnel = false;
  /** It sent FIN: what is wrong from here on is that something is missing. */
  private peerEnded = false;
  /** Bytes that the peer had not taken when a flush was last looked at. */
  private unsent = 0;
  private feeding = false;
  /** True while the kernel does not take what we write. */
  blocked = false;
  /** It carried a request before and ended without a byte for this one: most likely the peer's idle close. */
  stale = false;

  /** `before`: what stood in its place while it was connected. */
  constructor(pool: ConnectionPool, before: OpeningConnection | null = null) {
    this.pool = pool;
    this.parser = new ResponseParser(this, pool.limits, pool.services.copied);
    this.timer = new Timer(() => this.onTimer());
    this.address = before === null ? pool.endpoint.address : before.address;
    this.started = before === null ? pool.services.clock.now : before.started;
  }

  /** Trailers go on only if the cluster enables them. */
  get passesTrailers(): boolean {
    return this.pool.forwardTrailers;
  }

  /** Our end of it, null while connecting. */
  get local(): Address | null {
    return this.socket === null ? null : this.socket.local;
  }

  // ── The pool's side ───────────────────────────────────────────────────────────────────────────────────────

  get room(): number {
    return this.state === Idle ? 1 : 0;
  }

  get idle(): boolean {
    return this.state === Idle;
  }

  take(): this {
    this.state = Busy;
    return this;
  }

  drain(): void {
    if (this.state === Idle) this.destroy();
  }

  // ── The attempt's side ────────────────────────────────────────────────────────────────────────────────────

  assign(attempt: AttemptSink): void {
    this.attempt = attempt;
    this.requests++;
    this.requestEnded = false;
    this.responseEnded = false;
    this.endReported = false;
    if (this.parser.done) this.parser.next();
    this.pool.services.timers.cancel(this.timer);
  }

  sendHead(head: RequestHead, framing: Framing, contentLength: number, upgrade: string, te: boolean): void {
    const last = this.pool.maxRequests > 0 && this.requests >= this.pool.maxRequests;
    if (last) this.pool.stats.upstreamCxMaxRequests++;
    if (last || upgrade !== "" || head.method === "CONNECT") this.reusable = false;
    this.parser.expect(head.method, upgrade !== "");
    this.chunked = framing === ByChunks;
    this.firstChunk = true;
    const writer = this.pool.services.writer;
    writer.request(head, framing, contentLength, upgrade, te, last, this.pool.nameCase);
    this.write(writer.bytes, writer.start, writer.end);
  }

  sendBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.chunked) {
      const writer = this.pool.services.writer;
      writer.chunkLine(end - start, this.firstChunk);
      this.firstChunk = false;
      this.write(writer.bytes, writer.start, writer.end);
    }
    this.write(bytes, start, end);
  }

  /** The request is complete; in a tunnel: the client sent FIN. Trailers go on only if the cluster enables them. */
  sendEnd(trailers: Fields | null): void {
    this.requestEnded = true;
    if (this.tunnel) this.socket?.end();
    else if (this.chunked) {
      if (this.firstChunk && trailers === null) this.write(LAST_CHUNK, 0, LAST_CHUNK.length);
      else {
        const { writer } = this.pool.services;
        writer.lastChunk(this.pool.forwardTrailers ? trailers : null, this.firstChunk, LowerCase);
        this.write(writer.bytes, writer.start, writer.end);
      }
    }
    this.releaseIfDone();
  }

  /** The attempt gives up: an unfinished exchange destroys the connection (row D2, invariant 3). */
  abort(): void {
    this.destroy();
  }

  /** Both sides of a tunnel have ended: it is no failure, and what is queued is still sent. */
  get tunnelOver(): boolean {
    return this.tunnel && this.requestEnded && this.responseEnded;
  }

  pauseReading(): void {
    this.socket?.pause();
  }

  resumeReading(): void {
    this.socket?.resume();
  }

  addBuffered(): void {
    const { stats } = this.pool;
    if (this.socket !== null) stats.upstreamCxTxBytesBuffered += this.socket.pendingBytes;
    stats.upstreamCxRxBytesBuffered += this.parser.heldBytes;
  }

  private write(bytes: Uint8Array, start: number, end: number): void {
    this.pool.stats.upstreamCxTxBytesTotal += end - start;
    (this.socket as Socket).write(bytes, start, end);
  }

  // ── The socket's side ─────────────────────────────────────────────────────────────────────────────────────

  onConnect(): void {
    if (this.state !== Connecting) return;
    this.pool.services.timers.cancel(this.timer);
    this.state = Idle;
    this.pool.onConnected(this);
  }

  /** What is written goes straight to the peer. */
  get direct(): number {
    return this.socket?.direct === true ? Number.POSITIVE_INFINITY : 0;
  }

  get passing(): number {
    if (this.state !== Busy || this.attempt === null) return 0;
    return Math.min(this.attempt.passing, this.parser.bodyAhead);
  }

  onData(chunk: Uint8Array): void {
    this.pool.stats.upstreamCxRxBytesTotal += chunk.length;
    if (this.state !== Busy) {
      // Row F12: nobody asked.
      if (this.state === Idle) this.pool.stats.upstreamCxProtocolError++;
      this.destroy();
      return;
    }
    this.feeding = true;
    this.parser.feed(chunk);
    this.feeding = false;
    if (this.responseEnded) this.endResponse();
  }

  onEnd(): void {
    if (this.state !== Busy) {
      if (this.state !== Closed) this.close(true, "");
      return;
    }
    this.reusable = false;
    if (this.tunnel) {
      const { attempt } = this;
      this.responseEnded = true;
      this.releaseIfDone();
      attempt?.onUpstreamEnd(null);
      return;
    }
    if (this.parser.idle) {
      this.lose("connection termination", "", null, true);
      return;
    }
    this.peerEnded = true;
    this.parser.finish();
    if (this.responseEnded) this.endResponse();
  }

  onBlocked(): void {
    this.blocked = true;
    // Answered in the poll in which the request was written: only now it shows that it was not taken whole.
    if (this.state === Idle) this.destroy();
    else this.attempt?.onUpstreamBlocked();
  }

  onDrain(): void {
    this.blocked = false;
    this.attempt?.onUpstreamDrain();
  }

  onClose(reason: CloseReason): void {
    this.secure?.closed(reason);
    if (this.state === Closed) return;
    const { attempt } = this;
    this.close(true, reason);
    attempt?.onUpstreamReset("connection termination", reason, null);
  }

  private onTimer(): void {
    const { pool, socket } = this;
    if (this.state === Connecting) pool.onConnectTimeout();
    else if (this.state === Idle && pool.isOld(this)) pool.stats.upstreamCxMaxDurationReached++;
    else if (this.state === Idle) pool.stats.upstreamCxIdleTimeout++;
    else if (!this.tunnelOver) return;
    else if (socket !== null && socket.pendingBytes < this.unsent) {
      this.unsent = socket.pendingBytes;
      pool.services.timers.arm(this.timer, pool.services.clock.now + MAX_FLUSH_MS);
      return;
    }
    this.destroy();
  }

  // ── The codec's side ──────────────────────────────────────────────────────────────────────────────────────

  onHead(): void {
    const attempt = this.attempt;
    if (attempt === null) return;
    const parser = this.parser;
    const head = parser.head;
    if (head.status < 200 && head.status !== 101) {
      if (readHopOptions(head.fields, this.hop) !== HopAccepted)
        this.onFault(RESPONSE_FAULTS.protected_nomination);
      else attempt.onUpstreamInformational(head);
      return;
    }
    if (readHopOptions(head.fields, this.hop) !== HopAccepted) {
      this.onFault(RESPONSE_FAULTS.protected_nomination);
      return;
    }
    // Row F11: a body announced where none may be; what comes next on this connection is anybody's guess.
    if (parser.announcedBody) this.reusable = false;
    if (this.hop.close) this.pool.stats.upstreamCxCloseNotify++;
    if (this.hop.close || (head.version === 10 && !this.hop.keepAlive)) this.reusable = false;
    if (parser.framing === AsTunnel) {
      this.tunnel = true;
      this.requestEnded = false; // from here on it means the client's FIN
      this.reusable = false;
    }
    // What the head announces is what the sink sees; ByLength 0 and no body end here.
    const empty = parser.framing === 0 || (parser.framing === 1 && parser.contentLength === 0);
    attempt.onUpstreamHead(head, parser.framing, parser.contentLength, empty);
  }

  onBody(bytes: Uint8Array, start: number, end: number): void {
    this.attempt?.onUpstreamBody(bytes, start, end);
  }

  /** The sink hears of it when the parser has returned, which knows only then whether something was left over. */
  onMessageEnd(): void {
    this.responseEnded = true;
  }

  onFault(fault: Fault): void {
    this.pool.stats.upstreamCxProtocolError++;
    this.lose("protocol error", fault.code, fault, this.peerEnded);
  }

  private lose(reason: ResetReason, detail: string, fault: Fault | null, remote = false): void {
    const attempt = this.attempt;
    this.close(remote, "");
    attempt?.onUpstreamReset(reason, detail, fault);
  }

  // ── Reuse ─────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Tells the sink, once, that the response is complete. A connection that can be used again is in its pool before
   * that: the client's next request may be here already, begins inside of this call, and is to find it. The parser
   * keeps the head until the sink has logged it, or the next request takes the connection.
   */
  private endResponse(): void {
    const { attempt, pool } = this;
    if (attempt === null || this.endReported) {
      this.releaseIfDone();
      return;
    }
    this.endReported = true;
    if (!this.requestEnded || !this.isReusable || !pool.keepsIdle) {
      attempt.onUpstreamEnd(this.parser.trailers);
      this.releaseIfDone();
      return;
    }
    this.attempt = null;
    this.state = Idle;
    pool.onRoom(this);
    attempt.onUpstreamEnd(this.parser.trailers);
    if (this.state === Idle) this.parser.next(); // nobody has taken or closed it meanwhile
  }

  /** Nothing speaks against another request. `blocked`: it was answered before it was taken whole. */
  private get isReusable(): boolean {
    return this.reusable && !this.blocked && this.parser.restLength === 0 && !this.pool.isOld(this);
  }

  /** Once both directions are complete: back to the pool, or destroyed. Never from inside the parser. */
  private releaseIfDone(): void {
    if (this.state !== Busy || !this.responseEnded || this.feeding || !this.requestEnded) return;
    this.attempt = null;
    if (this.tunnel) {
      // FIN went both ways: the socket closes by itself once the peer has taken what is queued for it.
      const { timers, clock } = this.pool.services;
      this.unsent = this.socket === null ? 0 : this.socket.pendingBytes;
      timers.arm(this.timer, clock.now + MAX_FLUSH_MS);
      return;
    }
    if (this.pool.isOld(this)) this.pool.stats.upstreamCxMaxDurationReached++;
    if (!this.isReusable) {
      this.state = Idle; // nothing is cut short
      this.close(this.peerEnded, "");
      return;
    }
    this.parser.next();
    this.state = Idle;
    this.pool.onRoom(this);
  }

  /** Closes for good, without telling the attempt. */
  private destroy(): void {
    if (this.state !== Closed) this.close(false, "");
  }

  private close(remote: boolean, reason: CloseReason): void {
    const before = this.state;
    this.state = Closed;
    this.attempt = null;
    this.stale = this.requests > 1 && this.parser.idle && this.parser.informational === 0;
    this.parser.stop();
    this.pool.services.timers.release(this.timer);
    this.socket?.close();
    this.pool.onClosed(this, { connecting: before === Connecting, busy: before === Busy, remote, reason });
  }
}
