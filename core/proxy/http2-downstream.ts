/**
 * One accepted HTTP/2 connection: the session, its streams, and how it ends. Requests and answers are the exchanges'
 * business, one each.
 *
 * Laws: it ends in the open. Streams that a client may have on their way are still served after it was told that the
 * connection ends (RFC 9113 6.8); after a fault the client learns its name.
 *
 *   Open ─(drain, too many requests, too old)─▶ announced ─(an answer to our PING, or 1 s)─▶ closed to new streams
 *                                                                     └─(the last one is over)─▶ linger
 */
import type { CopyCounter } from "../http1/section-reader.ts";
import type { BodyEnd } from "../http2/body-end.ts";
import { Cancel, EnhanceYourCalm, errorName, NoError } from "../http2/frames.ts";
import type { GlitchSort } from "../http2/glitches.ts";
import { PREMATURE_RESETS } from "../http2/premature-resets.ts";
import { type ServerOwner, ServerSession } from "../http2/server-session.ts";
import type { CloseReason, Socket, SocketHandler } from "../io/socket.ts";
import type { Http2Stats } from "../telemetry/http2-stats.ts";
import { Timer } from "../time/timers.ts";
import { ConnectionLife, Open } from "./connection-life.ts";
import { type ConnectionManager, Http2 } from "./connection-manager.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import { Http2DownstreamExchange } from "./http2-downstream-exchange.ts";
import { Http2Keepalive, type KeepaliveOwner } from "./http2-keepalive.ts";
import { PausedByAnswers } from "./pressure.ts";
import type { Services } from "./services.ts";

/** How long a client may take to hear that the connection ends, ms. */
const MAX_ANNOUNCEMENT_MS = 1000;
/** How long a client that takes none of many answers is borne, if streams may be silent for ever, ms. */
const MAX_UNREAD_MS = 300_000;
/** The mark of the PING behind the announcement. */
const ANNOUNCEMENT_MARK = 1;
/** Exchanges that are kept for further requests. */
const MOST_SPARE = 64;
/** A connection that is idle for so long keeps none, ms. */
const REST_MS = 500;

export class Http2Downstream extends ConnectionLife implements SocketHandler, ServerOwner, KeepaliveOwner {
  readonly spoken = Http2;
  readonly session: ServerSession;
  private requests = 0;
  private feeding = false;
  /** Runs while the client is told that the connection ends; null if it is not. */
  private announcement: Timer | null = null;
  /** Why it ends. */
  private endCode = NoError;
  private readonly keepalive: Http2Keepalive | null;
  /** Runs while a header block is not complete; and which one that is. */
  private slowBlock: Timer | null = null;
  private block = 0;
  /** Runs while the client does not read what it asks for. */
  private unread: Timer | null = null;
  private spare: Http2DownstreamExchange[] = [];
  /** When it became idle, ms. */
  private idleSince = 0;

  constructor(manager: ConnectionManager, services: Services, socket: Socket, owner: ConnectionOwner) {
    super(manager, services, socket, owner);
    const { http2Limits, http2Options, config } = manager;
    const { headersWithUnderscoresAction } = config.common;
    this.session = new ServerSession(
      this,
      services.slab,
      http2Limits,
      http2Options,
      headersWithUnderscoresAction,
    );
    const { keepalive } = http2Options;
    this.keepalive = keepalive === null ? null : new Http2Keepalive(services, keepalive, this);
  }

  // ── The socket's side ─────────────────────────────────────────────────────────────────────────────────────

  onConnect(): void {}

  get copied(): CopyCounter {
    return this.services.copied;
  }

  get bodyEnd(): BodyEnd {
    return this.services.bodyEnd;
  }

  get direct(): boolean {
    return this.socket.direct === true;
  }

  /** Asked right before the bytes come: they may be lent. */
  get passing(): number {
    return this.state === Open && this.session.borrow() ? Number.POSITIVE_INFINITY : 0;
  }

  onData(chunk: Uint8Array): void {
    this.manager.stats.downstreamCxRxBytesTotal += chunk.length;
    if (this.state !== Open) {
      this.discard(chunk.length);
      return;
    }
    this.keepalive?.onBytes();
    this.feeding = true;
    this.session.feed(chunk);
    this.feeding = false;
    this.watchBlock();
    this.settle();
  }

  /** A header block may not take longer to come than a head of HTTP/1 may. */
  private watchBlock(): void {
    const { session, slowBlock } = this;
    const { timers, clock } = this.services;
    const { headTimeout } = this.manager;
    if (!session.inBlock || headTimeout === 0) {
      if (slowBlock !== null) timers.cancel(slowBlock);
    } else if (slowBlock?.armed !== true || this.block !== session.blocks) {
      this.block = session.blocks;
      this.slowBlock ??= new Timer(() => this.onSlowBlock());
      timers.arm(this.slowBlock, clock.now + headTimeout);
    }
  }

  private onSlowBlock(): void {
    const { manager } = this;
    if (manager.headIdles) manager.stats.downstreamRqIdleTimeout++;
    else manager.stats.downstreamRqHeaderTimeout++;
    this.session.fault(EnhanceYourCalm, "header_timeout");
  }

  /** A client that ends its side takes no answer: unlike in HTTP/1, nothing can tell it from one that has gone. */
  onEnd(): void {
    this.peerEnded = true;
    if (this.state === Open) this.linger();
  }

  onBlocked(): void {
    this.session.onBlocked();
  }

  /** Heads of answers, too, must not pile up for a client that asks and does not read (CVE-2019-9517). */
  onFull(full: boolean): void {
    const { timers, clock } = this.services;
    if (!full) {
      this.pressure.release(PausedByAnswers);
      if (this.unread !== null) timers.cancel(this.unread);
      return;
    }
    this.pressure.press(PausedByAnswers);
    this.unread ??= new Timer(() => this.onUnread());
    timers.arm(this.unread, clock.now + (this.manager.config.streamIdleTimeout || MAX_UNREAD_MS));
  }

  private onUnread(): void {
    this.services.http2.outboundFlood++;
    this.cut();
  }

  onDrain(): void {
    this.session.onDrain();
  }

  // ── The session's side ────────────────────────────────────────────────────────────────────────────────────

  get now(): number {
    return this.services.clock.now;
  }

  get counts(): Http2Stats {
    return this.services.http2;
  }

  ping(mark: number): void {
    this.session.ping(mark);
  }

  /** The client does not answer our PINGs. */
  onDead(): void {
    this.services.http2.keepaliveTimeout++;
    this.cut();
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    this.manager.stats.downstreamCxTxBytesTotal += end - start;
    this.socket.write(bytes, start, end);
  }

  newStream(): Http2DownstreamExchange {
    const { stats, config } = this.manager;
    this.services.timers.cancel(this.silence);
    const max = config.common.maxRequestsPerConnection;
    if (max > 0 && ++this.requests >= max && this.announcement === null) {
      stats.downstreamCxMaxRequestsReached++;
      this.beLast();
    }
    return this.spare.pop() ?? new Http2DownstreamExchange(this);
  }

  /** An exchange is over, and nobody refers to it any more. */
  recycle(exchange: Http2DownstreamExchange): void {
    if (this.state === Open && this.spare.length < MOST_SPARE) this.spare.push(exchange);
    else exchange.release();
  }

  onStreamClosed(): void {
    if (!this.feeding) this.settle();
  }

  onFault(code: number, why: string): void {
    const { stats } = this.manager;
    stats.downstreamCxProtocolError++;
    if (why === PREMATURE_RESETS) stats.downstreamRqTooManyPrematureResets++;
    this.services.platform.log("debug", "http2", `[C${this.connectionId}] ${errorName(code)}: ${why}`);
    this.linger();
  }

  onBroken(): void {
    this.services.http2.rxMessagingError++;
  }

  onSuspicion(sort: GlitchSort): void {
    this.services.platform.log("debug", "http2", `[C${this.connectionId}] many ${sort}: draining`);
    this.endCode = EnhanceYourCalm;
    this.beLast();
  }

  /** It is about streams that we would open (6.8); the client closes the connection when it wants to (Envoy). */
  onGoAway(): void {}

  onSettings(): void {}

  onPong(mark: number): void {
    this.keepalive?.onPong(mark);
    if (mark === ANNOUNCEMENT_MARK && this.announcement?.armed === true) this.closeToNew();
  }

  // ── The end ───────────────────────────────────────────────────────────────────────────────────────────────

  /** The client is told that the connection ends, and given the time to hear of it. */
  protected override beLast(): void {
    if (this.announcement !== null || this.state !== Open) return;
    const { timers, clock } = this.services;
    this.session.announceEnd();
    this.session.ping(ANNOUNCEMENT_MARK);
    this.announcement = new Timer(() => this.closeToNew());
    timers.arm(this.announcement, clock.now + MAX_ANNOUNCEMENT_MS);
  }

  private closeToNew(): void {
    if (this.announcement !== null) this.services.timers.cancel(this.announcement);
    this.session.closeToNew(this.endCode);
    this.closing = true;
    this.settle();
  }

  override drain(): void {
    if (this.state !== Open || this.announcement !== null) return;
    this.manager.stats.downstreamCxDrainClose++;
    this.beLast();
  }

  retire(): void {
    this.drain();
  }

  /** An answer begins: one of a listener that drains is among the last. */
  onAnswer(): void {
    if (this.announcement === null && (this.owner.draining || this.services.closing)) this.drain();
  }

  /** No stream is open: the connection is idle, or over. */
  private settle(): void {
    if (this.state !== Open || this.session.size > 0) return;
    if (this.closing) this.linger();
    else if (!this.silence.armed) this.rest();
  }

  /** Idle: what was kept for further requests is let go first, and the idle timeout runs. */
  private rest(): void {
    const { timers, clock } = this.services;
    const { idleTimeout } = this.manager.config.common;
    this.idleSince = clock.now;
    timers.arm(this.silence, clock.now + (idleTimeout > 0 ? Math.min(idleTimeout, REST_MS) : REST_MS));
  }

  private releaseSpare(): void {
    for (const exchange of this.spare) exchange.release();
    this.spare = [];
  }

  protected get busy(): boolean {
    return this.session.size > 0;
  }

  protected get idle(): boolean {
    return this.session.size === 0;
  }

  protected readonly endsWithUs = false;

  protected onSilence(): void {
    const { timers, clock } = this.services;
    const { idleTimeout } = this.manager.config.common;
    this.releaseSpare();
    const end = idleTimeout > 0 ? this.idleSince + idleTimeout : Number.POSITIVE_INFINITY;
    if (clock.now < end) {
      if (idleTimeout > 0) timers.arm(this.silence, end);
      return;
    }
    this.manager.stats.downstreamCxIdleTimeout++;
    this.session.closeToNew(NoError);
    this.linger();
  }

  protected deafen(): boolean {
    this.session.stop(Cancel);
    this.releasePatience();
    return false;
  }

  /** Nothing is waited for any more. */
  private releasePatience(): void {
    const { timers } = this.services;
    this.keepalive?.release();
    if (this.announcement !== null) timers.release(this.announcement);
    if (this.slowBlock !== null) timers.release(this.slowBlock);
    if (this.unread !== null) timers.release(this.unread);
  }

  protected onGone(_reason: CloseReason): void {
    this.session.stop(Cancel);
    this.releaseSpare();
    this.releasePatience();
  }

  addBuffered(): void {
    const { stats } = this.manager;
    stats.downstreamCxTxBytesBuffered += this.socket.pendingBytes;
    stats.downstreamCxRxBytesBuffered += this.session.heldBytes;
    this.session.addWaiting(this.services.http2);
  }
}
