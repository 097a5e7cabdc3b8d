/**
 * One accepted HTTP/1 connection: the server side of the codec, one stream at a time, and the life of the
 * connection around them. It decides how an answer is framed for this client and whether the connection goes on.
 *
 * Laws: answers leave in the order of the requests, and the next request is parsed only when the answer before
 * it is complete. A truncated answer never looks complete: it closes without a terminator. After an error or an
 * announced close nothing more is read as a request.
 *
 *   OPEN ─(close announced, answer complete)─▶ LINGER ─(FIN, quiet, or 64 KiB)─▶ CLOSED
 *     └──────────────(reset, fatal fault after the answer began)──────────────▶ CLOSED
 */
import type { Fault } from "../errors.ts";
import type { Fields } from "../http/fields.ts";
import { ResponseHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import {
  AsTunnel,
  ByClose,
  ByLength,
  type Framing,
  type MessageSink,
  NoBody,
} from "../http1/message-parser.ts";
import { RequestParser } from "../http1/request-parser.ts";
import type { CloseReason, Socket, SocketHandler } from "../io/socket.ts";
import { Timer } from "../time/timers.ts";
import { AnswerWriter } from "./answer-writer.ts";
import type { ConnectionManager } from "./connection-manager.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import { ANY_REASON, PausedByAnswers, PausedByPipeline, Pressure } from "./pressure.ts";
import type { Services } from "./services.ts";
import { Stream } from "./stream.ts";
import { StreamTimers } from "./stream-timers.ts";

const OPEN = 0;
const LINGER = 1;
const CLOSED = 2;

/** Bytes read and thrown away after the answer before we stop being polite (row E5). */
const MAX_LINGER_BYTES = 64 * 1024;
/** A client that reads nothing of its last answer is given this long, ms. */
const MAX_LINGER_MS = 60_000;

/** How often a client that reads its last answer is looked at again, at most, ms. */
const MIN_LINGER_STEP = 100;
/** No pipelined request is begun while more than this waits to be written, bytes. */
const MAX_UNSENT_BYTES = 1024 * 1024;
/** No more than this and a chunk is read behind a request in search of a FIN, bytes. */
const MAX_AHEAD_BYTES = 64 * 1024;

const DATE = known("date");

export class DownstreamConnection implements SocketHandler, MessageSink {
  readonly manager: ConnectionManager;
  readonly services: Services;
  readonly socket: Socket;
  readonly parser: RequestParser;
  readonly id: number;
  readonly accepted: number;
  place = -1;
  /** When the first byte of the current request was read, ms. */
  requestStarted = 0;
  /** The client speaks HTTP/1.0, so nothing chunked and no second request. */
  private http10 = false;
  /** The request being answered, or null. */
  stream: Stream | null = null;
  /** Reading from the client, paused for one reason or another. */
  readonly pressure: Pressure;
  /** For answers made here. */
  readonly localHead: ResponseHead = new ResponseHead();

  /** The connection ends after the current answer. */
  closing = false;
  private readonly owner: ConnectionOwner;
  private readonly answer: AnswerWriter;
  private state = OPEN;
  private requests = 0;
  private lastRequest = false;
  /** The client said `connection: close`. */
  private heardLast = false;
  /** The client sent FIN: for the stream, which then bears silence no longer than it has to. */
  peerEnded = false;
  /** Our FIN came first: the end of the connection is our doing. */
  private endedHere = false;
  /** The parser is on the stack: it goes on with the next request by itself. */
  private parsing = false;
  /** The first byte of a head was seen, and its time runs. */
  private inHead = false;
  private lingerBytes = 0;
  /** What the kernel had not taken when we last looked, and until when it must have taken some of it. */
  private unsent = 0;
  private unsentDeadline = 0;
  /** The next request waits until the client has read more of the answers before it. */
  private holding = false;
  /** True while the kernel does not take what we write. */
  blocked = false;

  /** Between requests: idle timeout. While a head arrives: headers timeout. In LINGER: delayed close. */
  private readonly idleTimer: Timer;
  /** Life of the connection; armed only if configured. */
  private durationTimer: Timer | null = null;
  readonly timers: StreamTimers;

  constructor(manager: ConnectionManager, services: Services, socket: Socket, owner: ConnectionOwner) {
    this.manager = manager;
    this.services = services;
    this.socket = socket;
    this.owner = owner;
    this.id = services.nextConnectionId++;
    this.accepted = services.clock.now;
    this.parser = new RequestParser(
      this,
      manager.limits,
      manager.config.common.headersWithUnderscoresAction,
      services.copied,
      services.http1,
    );
    this.answer = new AnswerWriter(socket, services.writer, manager.nameCase, manager.stats);
    this.pressure = new Pressure(socket, manager.stats);
    this.idleTimer = new Timer(() => this.onIdleTimer());
    this.timers = new StreamTimers(services.timers, () => this.stream);
    const { config } = manager;
    manager.connectionOpened();
    if (config.common.maxConnectionDuration > 0) {
      this.durationTimer = new Timer(() => this.onMaxConnectionDuration());
      services.timers.arm(this.durationTimer, this.accepted + config.common.maxConnectionDuration);
    }
    this.awaitRequest();
  }

  // ── The socket's side ─────────────────────────────────────────────────────────────────────────────────────

  onConnect(): void {}

  onData(chunk: Uint8Array): void {
    this.manager.stats.downstreamCxRxBytesTotal += chunk.length;
    if (this.state !== OPEN) {
      this.lingerBytes += chunk.length;
      if (this.lingerBytes > MAX_LINGER_BYTES) this.close();
      return;
    }
    const parser = this.parser;
    if (this.stream === null && parser.idle) this.beginHead();
    this.parsing = true;
    parser.feed(chunk);
    this.parsing = false;
    this.settle();
  }

  onEnd(): void {
    this.peerEnded = true;
    if (this.state !== OPEN) return; // both directions are done: the socket closes when its bytes are out
    const stream = this.stream;
    if (stream !== null) {
      // Row E6: FIN is not an abort; the answer is still delivered. A cut body is a fault.
      if (this.parser.framing === AsTunnel && !this.parser.done) stream.onRequestEnd(null);
      else if (!stream.abandonRest()) this.parser.finish();
      this.stream?.touch();
    } else this.settle();
  }

  onBlocked(): void {
    this.blocked = true;
    this.stream?.onDownstreamBlocked();
  }

  onDrain(): void {
    this.blocked = false;
    if (this.holding && this.state === OPEN) this.nextRequest();
    else this.stream?.onDownstreamDrain();
  }

  onClose(reason: CloseReason): void {
    if (this.state === CLOSED) return;
    this.gone(!this.endedHere, reason);
  }

  // ── The codec's side ──────────────────────────────────────────────────────────────────────────────────────

  onHead(): void {
    this.services.timers.cancel(this.idleTimer);
    this.inHead = false;
    this.requests++;
    const parser = this.parser;
    const { config, stats } = this.manager;
    this.http10 = parser.head.version === 10;
    const max = config.common.maxRequestsPerConnection;
    if (max > 0 && this.requests >= max) {
      this.lastRequest = true;
      stats.downstreamCxMaxRequestsReached++;
    }
    const stream = new Stream(this);
    this.stream = stream;
    const empty = parser.framing === NoBody || (parser.framing === ByLength && parser.contentLength === 0);
    stream.begin(empty);
  }

  onBody(bytes: Uint8Array, start: number, end: number): void {
    this.stream?.onRequestBody(bytes, start, end);
  }

  onMessageEnd(): void {
    this.stream?.onRequestEnd(this.parser.trailers);
  }

  onFault(fault: Fault): void {
    this.manager.stats.downstreamCxProtocolError++;
    this.closing = true;
    let stream = this.stream;
    const inHead = stream === null;
    if (stream === null) {
      // The head itself is bad: an answer and a log line are still owed.
      stream = new Stream(this);
      this.stream = stream;
      this.requests++;
      this.services.timers.cancel(this.idleTimer);
    }
    stream.onCodecFault(fault, inHead);
  }

  // ── The stream's side ─────────────────────────────────────────────────────────────────────────────────────

  /** The current answer is the last one. Takes effect in its head if that is not written yet. */
  closeAfter(): void {
    this.closing = true;
  }

  /** The client said that this request is its last one. */
  clientCloses(): void {
    this.closing = true;
    this.heardLast = true;
  }

  /** An interim response; HTTP/1.0 clients never get one (row E1). */
  writeInformational(head: ResponseHead): void {
    if (!this.http10 && this.state === OPEN) this.answer.informational(head);
  }

  /**
   * The head of the answer. `framing` and `length` (-1 = unknown) say how the source delimits the body; `toHead`
   * that there is none although the head may declare one. Returns the bytes written.
   */
  writeHead(
    head: ResponseHead,
    framing: Framing,
    length: number,
    endOfStream: boolean,
    toHead: boolean,
    upgrade: string,
  ): number {
    if ((this.owner.draining || this.services.closing) && !this.closing && upgrade === "") {
      this.manager.stats.downstreamCxDrainClose++;
      this.closing = true;
    }
    if (!head.fields.hasId(DATE)) head.fields.addId(DATE, this.services.date.now());
    const { answer } = this;
    answer.choose(head, framing, endOfStream, toHead, !this.http10);
    const noMore = this.peerEnded && !this.parsing && this.parser.restLength === 0;
    if (this.http10 || this.lastRequest || noMore || answer.framing === ByClose) this.closing = true;
    const declared = framing === ByLength || framing === NoBody ? length : endOfStream && !toHead ? 0 : -1;
    return answer.head(head, declared, upgrade, this.closing && upgrade === "");
  }

  writeBody(bytes: Uint8Array, start: number, end: number): void {
    this.answer.body(bytes, start, end);
  }

  /** The answer is complete. */
  writeEnd(trailers: Fields | null): void {
    this.answer.end(trailers);
  }

  /** The stream is over and was logged. `clean`: request and answer are complete, so another may follow. */
  streamDone(clean: boolean): void {
    this.stream = null;
    this.timers.cancel();
    if (this.state !== OPEN) return;
    if (!clean || this.closing || this.answer.endsWithConnection) {
      this.linger();
      return;
    }
    if (this.parser.failed) return;
    if (this.blocked || this.socket.pendingBytes > MAX_UNSENT_BYTES) this.hold();
    else this.nextRequest();
  }

  /** The client does not read as fast as it asks: no request is begun until what waits for it has gone. */
  private hold(): void {
    const { timers, clock } = this.services;
    const { streamIdleTimeout } = this.manager.config;
    this.holding = true;
    this.pressure.press(PausedByAnswers);
    this.unsentDeadline = streamIdleTimeout > 0 ? clock.now + streamIdleTimeout : Number.MAX_SAFE_INTEGER;
    // Whether the kernel takes it all shows when this poll is over, and if it does there is no `onDrain`.
    timers.arm(this.idleTimer, this.blocked ? this.unsentDeadline : clock.now);
  }

  /** Goes on to the next request, which may be here already: its time begins now. */
  private nextRequest(): void {
    this.holding = false;
    this.requestStarted = this.services.clock.now;
    this.awaitRequest();
    if (this.parsing) {
      this.parser.next();
      return;
    }
    this.pressure.release(PausedByPipeline | PausedByAnswers);
    this.parsing = true;
    this.parser.next();
    this.parsing = false;
    this.settle();
  }

  /** The parser has taken all that it can: what it left decides about reading on, timers and the end. */
  private settle(): void {
    if (this.state !== OPEN) return;
    const { parser } = this;
    if (parser.done) {
      if (parser.restLength > 0) {
        this.pressure.press(PausedByPipeline);
        this.stream?.touch();
      }
    } else if (this.stream === null) {
      if (parser.idle) {
        if (this.peerEnded || this.closing) this.linger();
        else if (this.owner.closesIdle) this.drain();
      } else if (this.peerEnded) parser.finish();
      else {
        if (!this.inHead) this.beginHead();
        this.awaitHead();
      }
    }
  }

  /** The answer cannot be completed: the connection closes without a terminator (invariant 3). */
  abort(): void {
    this.stream = null;
    this.timers.cancel();
    if (this.state === CLOSED) return;
    this.gone(false, "");
    // A counted or chunked body ends visibly short; one that ends with the connection needs the reset to show it.
    if (this.answer.framing === ByClose) this.socket.reset();
    else this.socket.close();
  }

  /** The client sent FIN, or has perhaps: what it sent ahead keeps us from reading on. */
  get mayBeGone(): boolean {
    return this.peerEnded || this.pressure.has(PausedByPipeline);
  }

  /** The upstream has ended a tunnel, and so have we. */
  tunnelEnded(): void {
    this.endedHere = !this.peerEnded;
  }

  /** What follows the request is not HTTP. */
  enterTunnel(): void {
    this.manager.stats.downstreamCxUpgradesTotal++;
    this.manager.stats.downstreamCxUpgradesActive++;
    this.pressure.release(PausedByPipeline);
    this.parser.enterTunnel();
    if (this.peerEnded) this.stream?.onRequestEnd(null);
  }

  addBuffered(): void {
    const { stats } = this.manager;
    stats.downstreamCxTxBytesBuffered += this.socket.pendingBytes;
    stats.downstreamCxRxBytesBuffered += this.parser.heldBytes;
  }

  // ── The connection's own life ─────────────────────────────────────────────────────────────────────────────

  /** Drain: idle connections close now, busy ones after their answer. */
  drain(): void {
    if (this.stream === null && this.parser.idle && this.state === OPEN) {
      this.manager.stats.downstreamCxDrainClose++;
      this.linger();
    }
  }

  private awaitRequest(): void {
    const { idleTimeout } = this.manager.config.common;
    if (idleTimeout > 0) this.services.timers.arm(this.idleTimer, this.services.clock.now + idleTimeout);
  }

  /** The first byte of a request is here. */
  private beginHead(): void {
    this.inHead = true;
    this.requestStarted = this.services.clock.now;
  }

  /** The head is not complete yet. Its time runs from its first byte; most heads come whole and need none. */
  private awaitHead(): void {
    const { requestHeadersTimeout, streamIdleTimeout } = this.manager.config;
    const limit =
      requestHeadersTimeout > 0 && streamIdleTimeout > 0
        ? Math.min(requestHeadersTimeout, streamIdleTimeout)
        : requestHeadersTimeout + streamIdleTimeout;
    if (limit > 0) this.services.timers.arm(this.idleTimer, this.requestStarted + limit);
  }

  private onIdleTimer(): void {
    const { stats } = this.manager;
    const { timers, clock } = this.services;
    if (this.holding) {
      if (!this.blocked) this.nextRequest();
      else if (clock.now < this.unsentDeadline) timers.arm(this.idleTimer, this.unsentDeadline);
      else {
        stats.downstreamCxIdleTimeout++;
        this.close();
      }
    } else if (this.state === LINGER) {
      const { pendingBytes } = this.socket;
      if (pendingBytes < this.unsent) this.unsentDeadline = clock.now + MAX_LINGER_MS;
      this.unsent = pendingBytes;
      if (pendingBytes > 0 && clock.now < this.unsentDeadline) {
        const step = Math.max(this.manager.config.delayedCloseTimeout, MIN_LINGER_STEP);
        timers.arm(this.idleTimer, clock.now + step);
        return;
      }
      stats.downstreamCxDelayedCloseTimeout++;
      this.close();
    } else if (this.stream === null && this.parser.idle) {
      stats.downstreamCxIdleTimeout++;
      this.linger();
    } else if (this.stream === null) {
      this.closing = true;
      const stream = new Stream(this);
      this.stream = stream;
      stream.countCutHead();
      const { requestHeadersTimeout, streamIdleTimeout } = this.manager.config;
      if (
        streamIdleTimeout > 0 &&
        (requestHeadersTimeout === 0 || streamIdleTimeout < requestHeadersTimeout)
      ) {
        stream.onStreamIdle();
        return;
      }
      stats.downstreamRqHeaderTimeout++;
      stream.onHeadTimeout();
    }
  }

  private onMaxConnectionDuration(): void {
    this.manager.stats.downstreamCxMaxDurationReached++;
    if (this.stream === null && this.parser.idle) this.linger();
    else this.closing = true;
  }

  /**
   * FIN now, and read on for a little while, so that a reset does not eat the answer (RFC 9112 9.6). A client that
   * said `connection: close` sends nothing more that could provoke one.
   */
  private linger(): void {
    if (this.state !== OPEN) return;
    const silent = this.heardLast && this.parser.done && this.parser.restLength === 0;
    this.parser.stop();
    this.state = LINGER;
    this.holding = false;
    this.endedHere ||= !this.peerEnded;
    if (silent) this.socket.finish();
    else this.socket.end();
    this.pressure.release(ANY_REASON);
    const { delayedCloseTimeout } = this.manager.config;
    const { timers, clock } = this.services;
    this.unsent = this.socket.pendingBytes;
    this.unsentDeadline = clock.now + MAX_LINGER_MS;
    timers.arm(this.idleTimer, clock.now + delayedCloseTimeout);
  }

  /**
   * Silence since the client's FIN, and no time-out is configured. FIN is no abort (row E6), but a client that has
   * gone away looks the same until something is written to it, and nobody else would ever let go of its request.
   * One that lets bytes wait is there: a socket that was closed acknowledges nothing. A FIN behind requests that were
   * sent ahead is looked for first.
   */
  onHalfClosedIdle(): void {
    if (this.timers.bounded) return;
    if (!this.peerEnded) {
      if (this.parser.restLength <= MAX_AHEAD_BYTES) this.pressure.release(PausedByPipeline);
    } else if (this.blocked) this.stream?.touch();
    else {
      this.gone(true, "");
      this.socket.reset();
    }
  }

  private close(): void {
    if (this.state === CLOSED) return;
    this.gone(this.peerEnded && !this.endedHere, "");
    // Invariant 3, as in `abort`: bytes that are still here make an answer without a length look complete.
    if (this.answer.framing === ByClose && this.socket.pendingBytes > 0) this.socket.reset();
    else this.socket.close();
  }

  private gone(remote: boolean, reason: CloseReason): void {
    this.state = CLOSED;
    const stream = this.stream;
    this.stream = null;
    const { timers, clock } = this.services;
    this.manager.connectionClosed(remote, stream !== null, clock.now - this.accepted);
    stream?.onDownstreamGone(reason);
    this.parser.stop();
    timers.release(this.idleTimer);
    this.timers.release();
    if (this.durationTimer !== null) timers.release(this.durationTimer);
    this.owner.connectionClosed(this);
  }
}
