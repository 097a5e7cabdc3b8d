/**
 * The streams of a connection of HTTP/2: which there are, what they send and give back, how each of them ends, and how
 * all of them do (RFC 9113 5). What the peer says is read by who extends this.
 *
 * Laws: a stream that is out of the table has heard why. At most one RST_STREAM for each. What we say to a peer is
 * bounded: see `SessionOutput`; what it makes us do is counted: see `Glitches`.
 */
import type { Slab } from "../bytes/slab.ts";
import type { Http2ProtocolOptions } from "../config/model.ts";
import type { Fields } from "../http/fields.ts";
import { OWN_FIELDS } from "../http/own-fields.ts";
import type { BodyEnd } from "./body-end.ts";
import { BodySender } from "./body-sender.ts";
import type { FrameWriter } from "./frame-writer.ts";
import {
  DEFAULT_FRAME,
  DEFAULT_WINDOW,
  EnhanceYourCalm,
  FlowControlError,
  LARGEST_WINDOW,
} from "./frames.ts";
import { Bearable, Glitches, type GlitchSort, TooMany } from "./glitches.ts";
import { FLOODS, type SessionCounts, type WaitingCounts } from "./session-counts.ts";
import { type OutputOwner, SessionOutput } from "./session-output.ts";
import type { SessionStream } from "./session-stream.ts";

/** Streams that we have reset, and of which the peer may not have heard. */
const MOST_RESET = 1000;

/** What a session needs from the connection that it is the protocol of. */
export interface SessionOwner extends OutputOwner {
  /** Time, ms. */
  readonly now: number;
  /** Where bytes are counted that were copied. */
  readonly copied: { copiedBytes: number };
  /** Shared by all sessions between which bodies are relayed. */
  readonly bodyEnd: BodyEnd;
  /** What is written is held by the socket alone. */
  readonly direct: boolean;
  readonly counts: SessionCounts;
  /** The peer has broken a rule, and was told so: what is written is the last. Its streams have heard. */
  onFault(code: number, why: string): void;
  /** The peer is on the way to too many oddities: let it finish what it has begun. */
  onSuspicion(sort: GlitchSort): void;
  /** The peer opens, or takes, no more streams. */
  onGoAway(lastStream: number, code: number, debug: string): void;
  /** Settings of the peer have come. */
  onSettings(): void;
  /** A stream is over, and no longer in the table. */
  onStreamClosed(): void;
  /** The peer has broken a rule of one stream, which is over. */
  onBroken(why: string): void;
  /** The peer has answered our PING with that mark. */
  onPong(mark: number): void;
}

export abstract class StreamTable {
  /** What the peer may send in a new stream. */
  readonly streamWindow: number;
  readonly bodies: BodySender;
  /** What is read now has to be given back: see `borrow`. */
  borrowed = false;
  /** Which rule of the connection the peer has broken, or "". */
  broken = "";
  readonly owner: SessionOwner;
  protected readonly output: SessionOutput;
  protected readonly writer: FrameWriter;
  protected readonly streams: Map<number, SessionStream> = new Map();
  /** The highest number that the opening side has used. */
  protected lastStream = 0;
  protected readonly connectionWindow: number;
  /** Of it, what the peer may still send. */
  protected receiveWindow: number;
  /** What has left the proxy and was not given back yet. */
  private credit = 0;
  /** What we may send in a new stream. */
  protected peerStreamWindow: number = DEFAULT_WINDOW;
  private readonly glitches = new Glitches();
  private flooded = false;
  private readonly resetHere = new Set<number>();
  /** What the peer may have sent in streams before it heard that they are over, bytes. */
  private onTheWay = 0;

  /** `slab`: where frames are written. */
  constructor(owner: SessionOwner, slab: Slab, options: Http2ProtocolOptions) {
    this.owner = owner;
    this.output = new SessionOutput(owner, slab, options.hpackTableSize);
    this.writer = this.output.writer;
    this.bodies = new BodySender(this, owner, this.output);
    this.streamWindow = options.initialStreamWindowSize;
    this.connectionWindow = Math.max(options.initialConnectionWindowSize, DEFAULT_WINDOW);
    this.receiveWindow = this.connectionWindow;
  }

  // ── The connection's side ─────────────────────────────────────────────────────────────────────────────────

  /** Streams that are not over. */
  get size(): number {
    return this.streams.size;
  }

  /** Adds what waits for the peer to the gauges that are measured when somebody asks. */
  addWaiting(counts: WaitingCounts): void {
    counts.pendingSendBytes += this.bodies.held;
    counts.outboundFramesActive += this.output.waiting;
    counts.outboundControlFramesActive += this.output.waitingAnswers;
  }

  /** So many bytes of a body would be sent at once. */
  get direct(): number {
    return this.output.stalled || !this.owner.direct ? 0 : this.bodies.window;
  }

  /** The kernel takes no more. */
  onBlocked(): void {
    this.output.stalled = true;
  }

  /** It does again. */
  onDrain(): void {
    this.output.drained();
    this.bodies.pump();
  }

  /** The connection is gone, or is given up: its streams hear, and nothing is read. */
  stop(code: number): void {
    this.deafen();
    this.bodies.stop();
    for (const stream of [...this.streams.values()]) {
      this.drop(stream);
      stream.cut(code, "");
    }
  }

  /** Tells the peer which stream is the last that we have looked at. */
  protected goAway(last: number, code: number): void {
    this.owner.counts.goawaySent++;
    this.writer.goAway(last, code);
    this.output.flush();
  }

  /** Ends the connection for what the peer did, or has left undone. */
  fault(code: number, why: string): void {
    this.broken = why;
    this.goAway(this.lastFromPeer, code);
    this.stop(code);
    this.owner.onFault(code, why);
  }

  /** The last stream of the peer's that was looked at. */
  protected abstract readonly lastFromPeer: number;
  /** Nothing more is read. */
  abstract readonly stopped: boolean;
  /** Nothing more is to be read. */
  protected abstract deafen(): void;

  /** Counts an oddity; false if it was one too many, and the connection is over. */
  protected glitch(sort: GlitchSort): boolean {
    const verdict = this.glitches.add(sort, this.owner.now);
    if (verdict === Bearable) return true;
    if (verdict === TooMany) {
      this.flood(sort);
      return false;
    }
    this.countFlood(sort);
    this.owner.onSuspicion(sort);
    return true;
  }

  /** Counts what the connection ends for. */
  private countFlood(sort: GlitchSort): void {
    const count = FLOODS[sort];
    if (count !== null && !this.flooded) this.owner.counts[count]++;
    this.flooded = true;
  }

  private flood(sort: GlitchSort): void {
    this.countFlood(sort);
    this.fault(EnhanceYourCalm, `too_many_${sort}`);
  }

  // ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Hands on what answers a frame of the peer's, of which it is not to make more than it reads. */
  protected flushAnswer(): void {
    if (!this.output.flushAnswer() && !this.stopped) this.flood("asks");
  }

  writeWindowUpdate(stream: number, increment: number): void {
    this.writer.windowUpdate(stream, increment);
    this.output.flush();
  }

  /** `bytes` of the connection's window have left the proxy. */
  returnCredit(bytes: number): void {
    this.credit += bytes;
    if (this.credit < this.connectionWindow >> 1 || this.stopped) return;
    this.writeWindowUpdate(0, this.credit);
    this.receiveWindow += this.credit;
    this.credit = 0;
  }

  /** Ends the head that was begun with `writer.beginHeaders`; returns its bytes. */
  protected endHead(stream: SessionStream, endStream: boolean): number {
    this.writer.endHeaders(stream.id, endStream, DEFAULT_FRAME);
    const length = this.output.flush();
    if (endStream) this.localEnd(stream);
    return length;
  }

  /** Ends our side of a stream. */
  sendEnd(stream: SessionStream, trailers: Fields | null): void {
    const { writer } = this;
    if (trailers === null || trailers.count === 0) writer.data(stream.id, 0, true);
    else {
      writer.beginHeaders();
      writer.fields(trailers, OWN_FIELDS);
      writer.endHeaders(stream.id, true, DEFAULT_FRAME);
    }
    this.output.flush();
    this.localEnd(stream);
  }

  /** A DATA frame is out, or a stream begins: what belongs to it is no oddity. */
  worked(): void {
    this.glitches.worked();
  }

  /** END_STREAM was sent. */
  localEnd(stream: SessionStream): void {
    stream.localEnded = true;
    if (stream.remoteEnded) this.remove(stream);
    else stream.ended();
  }

  /** Takes a stream out of the table; false if it is not there. */
  private drop(stream: SessionStream): boolean {
    if (!this.streams.delete(stream.id)) return false;
    this.owner.counts.streamsActive--;
    return true;
  }

  /** A stream is over. */
  protected remove(stream: SessionStream): void {
    if (!this.drop(stream)) return;
    stream.close();
    this.owner.onStreamClosed();
  }

  /** The same before its time: whoever extends it is told. */
  protected cut(stream: SessionStream, code: number, broken: string): void {
    this.drop(stream);
    stream.cut(code, broken);
    this.owner.onStreamClosed();
  }

  /** A stream is over by our will. */
  reset(stream: SessionStream, code: number): void {
    if (!this.streams.has(stream.id)) return;
    this.refuse(stream.id, code, stream.mayCome);
    this.remove(stream);
  }

  /** RST_STREAM, for a stream that is not in the table, too. `mayCome`: what its window allows, bytes. */
  protected refuse(id: number, code: number, mayCome: number): void {
    this.expectIgnored(mayCome);
    if (this.resetHere.size >= MOST_RESET)
      this.resetHere.delete(this.resetHere.values().next().value as number);
    this.resetHere.add(id);
    this.owner.counts.txReset++;
    this.writer.reset(id, code);
    this.flushAnswer();
  }

  /** The peer has broken a rule of one stream: that stream is over. */
  breakStream(stream: SessionStream, code: number, why: string): void {
    if (stream.closed) return;
    this.owner.onBroken(why);
    this.refuse(stream.id, code, stream.mayCome);
    if (stream.closed) return; // the answer was one too many
    this.cut(stream, code, why);
    if (!this.stopped) this.glitch("madeResets");
  }

  /** All windows move by as much as the peer's first window does, even below zero (6.9.2). False: one is too large. */
  protected resizeWindows(size: number): boolean {
    const change = size - this.peerStreamWindow;
    this.peerStreamWindow = size;
    for (const stream of this.streams.values()) {
      stream.sendWindow += change;
      if (stream.sendWindow > LARGEST_WINDOW) {
        this.fault(FlowControlError, "initial_window_size");
        return false;
      }
      this.bodies.wait(stream);
    }
    return true;
  }

  /** A stream begins. */
  protected admit(stream: SessionStream, id: number): void {
    this.lastStream = id;
    this.streams.set(id, stream);
    this.owner.counts.streamsActive++;
    this.worked();
    stream.open(id, this.owner.now, this.peerStreamWindow, this.streamWindow);
  }

  /** So many bytes of a stream that nobody reads may be on their way: of all streams no more than the window. */
  protected expectIgnored(bytes: number): void {
    this.onTheWay = Math.min(this.onTheWay + bytes, this.connectionWindow);
  }

  /** Bytes that nobody reads have come; false if they cannot all have been on their way: the connection is over. */
  protected ignore(bytes: number): boolean {
    this.onTheWay -= bytes;
    if (this.onTheWay >= 0) return true;
    this.fault(FlowControlError, "data_on_reset_streams");
    return false;
  }

  /** Frames of a stream that is over by our will may still be on their way. */
  protected ignores(id: number): boolean {
    return this.resetHere.has(id);
  }
}
