/**
 * A stream on a connection to an endpoint: one request and its answer, in the terms of an attempt. One object serves
 * many requests of its connection, one after the other.
 *
 * Law: a request for another protocol goes as the extended CONNECT that HTTP/2 has for it (RFC 8441), if the peer takes
 * one, and its answer comes back as the answer of HTTP/1 that the stream has asked for.
 */

import { webSocketAccept } from "../bytes/websocket-accept.ts";
import type { ResetReason } from "../cluster/reset-reason.ts";
import type { Fault } from "../errors.ts";
import type { Fields } from "../http/fields.ts";
import { AsTunnel, ByChunks, ByLength, type Framing, NoBody } from "../http/framing.ts";
import type { RequestHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import type { ClientSession } from "../http2/client-session.ts";
import { ClientStream } from "../http2/client-stream.ts";
import { RESPONSE_FAULTS } from "../http2/faults.ts";
import { Cancel, NoError, RefusedStream } from "../http2/frames.ts";
import type { Address } from "../io/socket.ts";
import { Timer } from "../time/timers.ts";
import type { SecureConnection } from "../tls/secure-connection.ts";
import type { Http2Upstream } from "./http2-upstream.ts";
import type { AttemptSink, UpstreamExchange } from "./upstream-exchange.ts";

const UPGRADE = known("upgrade");
const WEBSOCKET_KEY = known("sec-websocket-key");
const WEBSOCKET_ACCEPT = known("sec-websocket-accept");

export class Http2UpstreamExchange extends ClientStream implements UpstreamExchange {
  readonly stale = false;
  readonly passesTrailers = true;
  private readonly connection: Http2Upstream;
  private attempt: AttemptSink | null = null;
  /** The protocol that was asked for, "connect" for CONNECT, or "". */
  private asked = "";
  private key = "";
  private tunnel = false;
  /** Bytes of the request that are still to come, if their end is known to be the end of the stream; else -1. */
  private left = -1;
  /** Of a head that cannot be sent: the attempt hears when this poll is over. */
  private unsendable: Timer | null = null;
  /** A request for another protocol that waits for the peer's settings, which say whether it takes one. */
  private unasked: RequestHead | null = null;
  /** Nobody refers to it. */
  private over = true;

  constructor(connection: Http2Upstream) {
    super(connection.session);
    this.connection = connection;
  }

  get address(): Address {
    return this.connection.address;
  }

  get secure(): SecureConnection | null {
    return this.connection.secure;
  }

  get local(): Address | null {
    return this.connection.local;
  }

  get tunnelOver(): boolean {
    return this.tunnel && this.localEnded && this.remoteEnded;
  }

  // ── The attempt's side ────────────────────────────────────────────────────────────────────────────────────

  assign(attempt: AttemptSink): void {
    this.attempt = attempt;
    this.over = false;
    this.answered = false;
    this.interims = 0;
    this.tunnel = false;
    this.asked = "";
  }

  sendHead(head: RequestHead, framing: Framing, contentLength: number, upgrade: string, te: boolean): void {
    const session = this.session as ClientSession;
    const connect = head.method === "CONNECT";
    this.toHead = head.method === "HEAD";
    this.asked = connect ? "connect" : upgrade;
    this.key = upgrade === "" ? "" : (head.fields.getId(WEBSOCKET_KEY) ?? "");
    this.left = -1;
    if (upgrade !== "") {
      this.unasked = head;
      if (this.connection.informed) this.ask();
      else this.connection.awaitSettings(this);
      return;
    }
    const ends = this.asked === "" && (framing === NoBody || (framing === ByLength && contentLength === 0));
    const known = framing === ByLength ? contentLength : -1;
    // A request of HTTP/1 whose length is known has no trailers: its end can be told with its last byte.
    if (head.version !== 20) this.left = known;
    session.sendRequest(this, head, "", known, te, ends);
  }

  /** The peer has said whether it takes a request for another protocol. */
  ask(): void {
    const session = this.session as ClientSession;
    const head = this.unasked;
    this.unasked = null;
    if (head === null || this.attempt === null) return;
    if (!session.peer.connectProtocol) this.refuse();
    else if (session.room === 0) this.lose("remote refused stream reset", "", null);
    else session.sendRequest(this, head, this.asked, -1, false, false);
  }

  /** The connection is gone before the peer has said so. */
  unanswered(): void {
    this.unasked = null;
    if (this.attempt !== null) this.lose("connection termination", "", null);
  }

  /** The peer takes no request for another protocol. */
  private refuse(): void {
    const { timers, clock } = this.connection.pool.services;
    this.unsendable ??= new Timer(() => {
      this.lose("protocol error", "no_extended_connect", null);
      this.connection.onStreamClosed();
    });
    timers.arm(this.unsendable, clock.now);
  }

  sendBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.left > 0) this.left -= end - start;
    const last = this.left === 0 || (this.asked === "" && this.connection.bodyEnd.is(bytes, end));
    this.send(bytes, start, end, last);
  }

  sendEnd(trailers: Fields | null): void {
    if (this.asked === "" || this.tunnel) this.end(trailers);
  }

  abort(): void {
    this.attempt = null;
    if (this.unasked !== null) this.connection.forget(this);
    this.unasked = null;
    if (this.unsendable !== null) this.connection.pool.services.timers.release(this.unsendable);
    if (this.closed) this.done();
    else {
      this.connection.pool.stats.upstreamRqTxReset++;
      this.reset(this.remoteEnded ? NoError : Cancel);
    }
  }

  pauseReading(): void {
    this.hold();
  }

  resumeReading(): void {
    this.letGo();
  }

  // ── What the peer sends ───────────────────────────────────────────────────────────────────────────────────

  onInformational(): void {
    this.attempt?.onUpstreamInformational(this.answer);
  }

  onHead(contentLength: number, endStream: boolean): void {
    const { answer, attempt, asked } = this;
    const { status } = answer;
    if (attempt === null) return;
    if (asked !== "" && status >= 200 && status < 300 && !endStream) {
      this.tunnel = true;
      if (asked !== "connect") this.asSwitch();
      attempt.onUpstreamHead(answer, AsTunnel, -1, false);
      return;
    }
    const empty = endStream || this.toHead || status === 204 || status === 304;
    const framing = empty ? NoBody : contentLength >= 0 ? ByLength : ByChunks;
    attempt.onUpstreamHead(answer, framing, contentLength, empty);
  }

  /** What HTTP/1 would have answered. */
  private asSwitch(): void {
    const { answer, asked } = this;
    answer.status = 101;
    answer.fields.setId(UPGRADE, asked);
    if (asked === "websocket") answer.fields.setId(WEBSOCKET_ACCEPT, webSocketAccept(this.key));
  }

  protected get passing(): number {
    return this.attempt === null ? Number.POSITIVE_INFINITY : this.attempt.passing;
  }

  protected onBody(bytes: Uint8Array, start: number, end: number): void {
    this.attempt?.onUpstreamBody(bytes, start, end);
  }

  protected onEnd(trailers: Fields | null): void {
    this.attempt?.onUpstreamEnd(trailers);
    if (this.tunnel || this.attempt === null) return;
    // The request is complete but for what waits for the peer, which has no use for it any more.
    this.attempt = null;
    if (this.localEnded) return;
    this.connection.pool.stats.upstreamRqTxReset++;
    this.reset(NoError);
  }

  protected onReset(code: number, broken: string): void {
    const { stats } = this.connection.pool;
    if (broken !== "") {
      stats.upstreamRqTxReset++;
      this.lose("protocol error", `http2.${broken}`, RESPONSE_FAULTS.malformed);
    } else if (this.session.broken !== "") {
      stats.upstreamRqTxReset++;
      this.lose("protocol error", `http2.${this.session.broken}`, RESPONSE_FAULTS.malformed);
    } else if (this.session.stopped) {
      stats.upstreamRqPendingFailureEject++; // of one that waits for nothing but its answer, too (Envoy)
      this.lose("connection termination", "", null);
    } else if (code === RefusedStream) this.lose("remote refused stream reset", "", null);
    else {
      stats.upstreamRqRxReset++;
      this.lose("remote reset", "", null);
    }
  }

  private lose(reason: ResetReason, detail: string, fault: Fault | null): void {
    const { attempt } = this;
    this.attempt = null;
    attempt?.onUpstreamReset(reason, detail, fault);
    this.done();
  }

  protected onBlocked(): void {
    this.attempt?.onUpstreamBlocked();
  }

  protected onDrain(): void {
    this.attempt?.onUpstreamDrain();
  }

  override close(): void {
    super.close();
    if (this.attempt === null) this.done();
  }

  private done(): void {
    if (this.over) return;
    this.over = true;
    this.connection.recycle(this);
  }
}
