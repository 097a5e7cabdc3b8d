/**
 * One accepted HTTP/1 connection: the server side of the codec, and one stream at a time. How an answer
 * is framed for its client is in what it extends, and so are how long it may be silent and how it ends.
 *
 * Laws: answers leave in the order of the requests, and the next request is parsed only when the answer before
 * it is complete. A truncated answer never looks complete: it closes without a terminator. After an error or an
 * announced close nothing more is read as a request.
 *
 *   idle ─▶ in a head ─▶ a stream ─(clean, and not the last)─▶ holding, if the client does not read ─▶ idle
 *                          └──(else)──▶ linger, or cut
 */
import type { Fault } from "../errors.ts";
import { AsTunnel, ByLength, NoBody } from "../http/framing.ts";
import type { CloseReason, Socket, SocketHandler } from "../io/socket.ts";
import { Open } from "./connection-life.ts";
import type { ConnectionManager } from "./connection-manager.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import type { DownstreamExchange } from "./downstream-exchange.ts";
import { Http1Answers } from "./http1-answers.ts";
import { PausedByAnswers, PausedByPipeline } from "./pressure.ts";
import type { Services } from "./services.ts";
import { Stream } from "./stream.ts";
import { StreamTimers } from "./stream-timers.ts";

/** No pipelined request is begun while more than this waits to be written, bytes. */
const MAX_UNSENT_BYTES = 1024 * 1024;
/** No more than this and a chunk is read behind a request in search of a FIN, bytes. */
const MAX_AHEAD_BYTES = 64 * 1024;

export class Http1Downstream extends Http1Answers implements SocketHandler, DownstreamExchange {
  /** When the first byte of the current request was read, ms. */
  requestStarted = 0;
  /** The request being answered, or null. */
  stream: Stream | null = null;
  private requests = 0;
  /** The first byte of a head was seen, and its time runs. */
  private inHead = false;
  /** The next request waits until the client has read more of the answers before it. */
  private holding = false;
  /** True while the kernel does not take what we write. */
  blocked = false;
  /** The deadlines of its stream. */
  readonly timers: StreamTimers;

  constructor(manager: ConnectionManager, services: Services, socket: Socket, owner: ConnectionOwner) {
    super(manager, services, socket, owner);
    this.timers = new StreamTimers(services.timers, () => this.stream);
  }

  // ── The socket's side ─────────────────────────────────────────────────────────────────────────────────────

  onConnect(): void {}

  get passing(): number {
    if (this.state !== Open || this.stream === null) return 0;
    return Math.min(this.stream.requestPassing, this.parser.bodyAhead);
  }

  onData(chunk: Uint8Array): void {
    this.manager.stats.downstreamCxRxBytesTotal += chunk.length;
    if (this.state !== Open) {
      this.discard(chunk.length);
      return;
    }
    if (this.idle && !this.inHead) this.beginHead();
    this.parsing = true;
    this.parser.feed(chunk);
    this.parsing = false;
    this.settle();
  }

  onEnd(): void {
    this.peerEnded = true;
    if (this.state !== Open) return; // both directions are done: the socket closes when its bytes are out
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
    if (this.holding && this.state === Open) this.nextRequest();
    else this.stream?.onDownstreamDrain();
  }

  // ── The codec's side ──────────────────────────────────────────────────────────────────────────────────────

  onHead(): void {
    this.services.timers.cancel(this.silence);
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
      this.services.timers.cancel(this.silence);
    }
    stream.onCodecFault(fault, inHead);
  }

  // ── The stream's side ─────────────────────────────────────────────────────────────────────────────────────

  /** The stream is over and was logged. `clean`: request and answer are complete, so another may follow. */
  streamDone(clean: boolean): void {
    this.stream = null;
    this.timers.cancel();
    if (this.state !== Open) return;
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
    timers.arm(this.silence, this.blocked ? this.unsentDeadline : clock.now);
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
    if (this.state !== Open) return;
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

  /** The stream is over and was logged, but its answer cannot be completed: neither can another follow. */
  abort(): void {
    this.stream = null;
    this.timers.cancel();
    this.cut();
  }

  /** The client sent FIN, or has perhaps: what it sent ahead keeps us from reading on. */
  get mayBeGone(): boolean {
    return this.peerEnded || this.pressure.has(PausedByPipeline);
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

  // ── The connection's life ─────────────────────────────────────────────────────────────────────────────────

  protected get busy(): boolean {
    return this.stream !== null;
  }

  protected get idle(): boolean {
    return this.stream === null && this.parser.idle;
  }

  /** The first byte of a request is here. */
  private beginHead(): void {
    this.inHead = true;
    this.requestStarted = this.services.clock.now;
  }

  /** The head is not complete yet. Its time runs from its first byte; most heads come whole and need none. */
  private awaitHead(): void {
    const { headTimeout } = this.manager;
    if (headTimeout > 0) this.services.timers.arm(this.silence, this.requestStarted + headTimeout);
  }

  /** Of a request there are bytes that nobody can tell anything from. */
  protected awaitFirstBytes(): void {
    if (!this.inHead) this.beginHead();
    this.awaitHead();
  }

  /** Makes way for another, which goes on with the socket. */
  protected override leave(): void {
    super.leave();
    this.parser.stop();
    this.timers.release();
  }

  protected onSilence(): void {
    const { stats } = this.manager;
    const { timers, clock } = this.services;
    if (this.holding) {
      if (!this.blocked) this.nextRequest();
      else if (clock.now < this.unsentDeadline) timers.arm(this.silence, this.unsentDeadline);
      else {
        stats.downstreamCxIdleTimeout++;
        this.close();
      }
    } else if (this.idle) {
      stats.downstreamCxIdleTimeout++;
      this.linger();
    } else if (this.stream === null) {
      this.closing = true;
      const stream = new Stream(this);
      this.stream = stream;
      stream.countCutHead();
      if (this.manager.headIdles) stream.onStreamIdle();
      else {
        stats.downstreamRqHeaderTimeout++;
        stream.onHeadTimeout();
      }
    }
  }

  protected deafen(): boolean {
    const { parser } = this;
    const silent = this.heardLast && parser.done && parser.restLength === 0;
    parser.stop();
    this.holding = false;
    return silent;
  }

  protected onGone(reason: CloseReason): void {
    const { stream } = this;
    this.stream = null;
    stream?.onDownstreamGone(reason);
    this.parser.stop();
    this.timers.release();
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
    else this.forsake();
  }
}
