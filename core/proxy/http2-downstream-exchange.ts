/**
 * A stream of an HTTP/2 client: one request and its answer, in the terms of a stream of the proxy. One object serves
 * many requests of its connection, one after the other.
 *
 * Laws: a request that asks for another protocol (RFC 8441) is shown as the request of HTTP/1 that would ask for it, and
 * nothing behind its head is handed on before that was granted. A cut answer ends with a reset, never with END_STREAM.
 * What a client does not read is bounded by its window and, in time, by the stream idle timeout.
 */

import { lowerCase } from "../bytes/ascii.ts";
import { toBase64 } from "../bytes/base64.ts";
import { Body } from "../filter/body.ts";
import type { Fields } from "../http/fields.ts";
import { AsTunnel, ByChunks, ByLength, type Framing, NoBody } from "../http/framing.ts";
import { ResponseHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import { REQUEST_FAULTS } from "../http2/faults.ts";
import type { SectionFault } from "../http2/field-section.ts";
import { Cancel, EnhanceYourCalm, InternalError, NoError } from "../http2/frames.ts";
import { ServerStream } from "../http2/server-stream.ts";
import type { Socket } from "../io/socket.ts";
import { Timer } from "../time/timers.ts";
import type { SecureConnection } from "../tls/secure-connection.ts";
import type { ConnectionManager } from "./connection-manager.ts";
import type { DownstreamExchange } from "./downstream-exchange.ts";
import type { Http2Downstream } from "./http2-downstream.ts";
import { ANY_REASON, Pressure } from "./pressure.ts";
import type { Services } from "./services.ts";
import { Stream } from "./stream.ts";
import { StreamTimers } from "./stream-timers.ts";

/** What a client may send behind a request for another protocol before that is granted, bytes. */
const MOST_EARLY = 64 * 1024;

const DATE = known("date");
const UPGRADE = known("upgrade");
const CONNECTION = known("connection");
const WEBSOCKET_KEY = known("sec-websocket-key");

export class Http2DownstreamExchange extends ServerStream implements DownstreamExchange {
  readonly manager: ConnectionManager;
  readonly services: Services;
  readonly socket: Socket;
  readonly http2 = true;
  readonly absoluteForm = false;
  readonly endsWithAnswer = true;
  readonly mayBeGone = false;
  readonly passesTrailers = true;
  framing: Framing = NoBody;
  requestStarted = 0;
  readonly timers: StreamTimers;
  readonly pressure: Pressure;
  readonly localHead: ResponseHead = new ResponseHead();
  private readonly connection: Http2Downstream;
  /** The request being answered, or null. */
  private stream: Stream | null = null;
  /** Bytes of the answer that are still to come, if their end is known to be the end of the stream; else -1. */
  private left = -1;
  /** What a client sent behind a request for another protocol, which is not granted yet; null for other requests. */
  private early: Body | null = null;
  private earlyEnd = false;
  /** Time for the client to read what is left of a complete answer. */
  private flush: Timer | null = null;
  private flushed = 0;
  /** It waits for that only. */
  private deferred = false;
  /** Nobody refers to it. */
  private over = true;

  constructor(connection: Http2Downstream) {
    super(connection.session);
    this.connection = connection;
    this.manager = connection.manager;
    this.services = connection.services;
    this.socket = connection.socket;
    this.timers = new StreamTimers(this.services.timers, () => this.stream);
    this.pressure = new Pressure(
      { pause: () => this.hold(), resume: () => this.letGo() },
      this.manager.stats,
    );
  }

  get connectionId(): number {
    return this.connection.connectionId;
  }

  get secure(): SecureConnection | null {
    return this.connection.secure;
  }

  get networkInfo(): StreamInfo | null {
    return this.connection.networkInfo;
  }

  get message(): this {
    return this;
  }

  override open(id: number, now: number, sendWindow: number, receiveWindow: number): void {
    super.open(id, now, sendWindow, receiveWindow);
    this.over = false;
  }

  // ── What the client sends ─────────────────────────────────────────────────────────────────────────────────

  onHead(endStream: boolean): void {
    this.begin(endStream);
    const stream = new Stream(this);
    this.stream = stream;
    stream.begin(this.framing === NoBody);
    if (this.framing === NoBody && !this.closed) this.stream?.onRequestEnd(null);
  }

  private begin(endStream: boolean): void {
    const { head, contentLength } = this;
    this.requestStarted = this.services.clock.now;
    this.left = -1;
    this.early = null;
    this.earlyEnd = false;
    if (this.protocol !== "" || head.method === "CONNECT") {
      this.framing = NoBody;
      this.early = new Body();
      if (this.protocol !== "") this.asUpgrade();
    } else if (endStream) this.framing = NoBody;
    else this.framing = contentLength >= 0 ? ByLength : ByChunks;
  }

  /** What HTTP/1 would have said. */
  private asUpgrade(): void {
    const { head } = this;
    this.protocol = lowerCase(this.protocol);
    head.method = "GET";
    head.fields.setId(UPGRADE, this.protocol);
    head.fields.setId(CONNECTION, "Upgrade");
    // A proxy before us may have translated a request that had one, and wants the answer to it.
    if (this.protocol !== "websocket" || head.fields.hasId(WEBSOCKET_KEY)) return;
    const key = new Uint8Array(16);
    this.services.platform.fillRandom(key);
    head.fields.setId(WEBSOCKET_KEY, toBase64(key));
  }

  onTooMuch(fault: SectionFault, endStream: boolean): void {
    const { head } = this;
    if (head.method === "") head.method = "GET";
    this.begin(endStream);
    const stream = new Stream(this);
    this.stream = stream;
    stream.onCodecFault(
      fault === "path_too_long" ? REQUEST_FAULTS.path_too_long : REQUEST_FAULTS.head_too_large,
      true,
    );
  }

  protected get passing(): number {
    if (this.early !== null) return 0;
    return this.stream === null ? Number.POSITIVE_INFINITY : this.stream.requestPassing;
  }

  protected onBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.early === null) this.stream?.onRequestBody(bytes, start, end);
    else {
      this.early.push(bytes, start, end);
      this.hold();
      if (this.early.size > MOST_EARLY)
        this.session.breakStream(this, EnhanceYourCalm, "too_much_early_data");
    }
  }

  protected onEnd(trailers: Fields | null): void {
    if (this.early === null) this.stream?.onRequestEnd(trailers);
    else this.earlyEnd = true;
  }

  protected onReset(code: number, broken: string): void {
    const { stream } = this;
    this.stream = null;
    if (broken === "" && this.session.stopped) stream?.onDownstreamGone("");
    else stream?.onDownstreamReset(code, broken);
    this.done();
  }

  protected onBlocked(): void {
    this.stream?.onDownstreamBlocked();
  }

  protected onDrain(): void {
    this.stream?.onDownstreamDrain();
  }

  // ── The answer ────────────────────────────────────────────────────────────────────────────────────────────

  closeAfter(): void {}

  clientCloses(): void {}

  writeInformational(head: ResponseHead): void {
    this.sendAnswer(head.status, head, -1, false);
  }

  writeHead(
    head: ResponseHead,
    framing: Framing,
    length: number,
    endOfStream: boolean,
    toHead: boolean,
    _upgrade: string,
  ): number {
    this.connection.onAnswer();
    const { fields, status } = head;
    if (!fields.hasId(DATE)) fields.addId(DATE, this.services.date.now());
    // There is no status to switch protocols with (8.6).
    if (framing === AsTunnel) return this.sendAnswer(status === 101 ? 200 : status, head, -1, false);
    const ends = endOfStream || toHead || status === 204 || status === 304;
    const known = framing === ByLength || framing === NoBody ? length : -1;
    // An answer of HTTP/1 whose length is known has no trailers: its end can be told with its last byte.
    this.left = framing === ByLength && head.version !== 20 ? length : -1;
    return this.sendAnswer(status, head, status === 204 ? -1 : known, ends);
  }

  writeBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.left > 0) this.left -= end - start;
    const last = this.left === 0 || (this.framing !== AsTunnel && this.services.bodyEnd.is(bytes, end));
    this.send(bytes, start, end, last);
  }

  writeEnd(trailers: Fields | null): void {
    this.end(trailers);
  }

  enterTunnel(): void {
    const { stats } = this.manager;
    stats.downstreamCxUpgradesTotal++;
    stats.downstreamCxUpgradesActive++;
    const { early } = this;
    this.early = null;
    this.framing = AsTunnel;
    early?.replay({ sendBody: (bytes, start, end) => this.stream?.onRequestBody(bytes, start, end) });
    this.letGo();
    if (this.earlyEnd) this.stream?.onRequestEnd(null);
  }

  tunnelEnded(): void {}

  onHalfClosedIdle(): void {}

  streamDone(_clean: boolean): void {
    this.stream = null;
    this.timers.cancel();
    this.early = null;
    if (this.closed) this.done();
    else if (this.localEnded) this.reset(NoError);
    else if (this.queue !== null && this.queue.bytes > 0) {
      this.deferred = true;
      this.services.http2.deferredStreamClose++;
      this.awaitFlush();
    } else this.reset(InternalError);
  }

  abort(): void {
    this.stream = null;
    this.timers.cancel();
    this.early = null;
    if (this.closed) this.done();
    else this.reset(InternalError);
  }

  /** The answer is complete, and the client has not read it. */
  private awaitFlush(): void {
    const { services, manager } = this;
    const patience = manager.config.streamIdleTimeout;
    if (patience === 0) return;
    this.flushed = this.queue?.bytes ?? 0;
    this.flush ??= new Timer(() => this.onFlushTimer());
    services.timers.arm(this.flush, services.clock.now + patience);
  }

  private onFlushTimer(): void {
    const left = this.queue?.bytes ?? 0;
    if (this.closed) return;
    if (left < this.flushed) this.awaitFlush();
    else {
      this.services.http2.txFlushTimeout++;
      this.reset(Cancel);
    }
  }

  /** The session has no more to do with it. */
  override close(): void {
    super.close();
    if (this.deferred) this.services.http2.deferredStreamClose--;
    this.deferred = false;
    if (this.flush !== null) this.services.timers.cancel(this.flush);
    if (this.stream === null) this.done();
  }

  override ended(): void {
    // What was left of the answer has been read: of the request nothing more is wanted.
    if (this.stream === null && !this.closed) this.reset(NoError);
  }

  private done(): void {
    if (this.over) return;
    this.over = true;
    this.pressure.release(ANY_REASON);
    this.timers.cancel();
    this.connection.recycle(this);
  }

  /** The connection is gone: the heap forgets its timers. */
  release(): void {
    this.timers.release();
    if (this.flush !== null) this.services.timers.release(this.flush);
  }
}
