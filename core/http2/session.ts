/**
 * One connection of HTTP/2, without a socket: settings, windows, the table of streams, and what ends them all (RFC 9113).
 * Both sides are alike but for who opens streams, which is in server-session.ts and client-session.ts.
 *
 * Laws: our answers to a peer's frames are bounded, in number (`Glitches`) and in what may wait for a peer that does not
 * read. Header blocks are decoded even where nobody wants them, because the tables of both sides must agree. Bytes of
 * streams that are gone count for the connection's window. After a fault nothing is read, and every stream has heard.
 */
import type { Slab } from "../bytes/slab.ts";
import type { Http2ProtocolOptions } from "../config/model.ts";
import type { Fields } from "../http/fields.ts";
import type { CopyCounter } from "../http1/section-reader.ts";
import { FrameReader } from "./frame-reader.ts";
import type { FrameSink } from "./frame-sink.ts";
import { FrameWriter } from "./frame-writer.ts";
import {
  CompressionError,
  DEFAULT_FRAME,
  DEFAULT_WINDOW,
  EnableConnectProtocol,
  EnablePush,
  EnhanceYourCalm,
  FlowControlError,
  HeaderTableSize,
  InitialWindowSize,
  LARGEST_FRAME,
  LARGEST_WINDOW,
  MaxConcurrentStreams,
  MaxFrameSize,
  NoError,
  ProtocolError,
  StreamClosed,
} from "./frames.ts";
import { Bearable, Glitches, type GlitchSort, TooMany } from "./glitches.ts";
import { type FieldSink, HpackDecoder } from "./hpack/decoder.ts";
import type { Http2Limits } from "./limits.ts";
import { OWN_FIELDS } from "./own-fields.ts";
import { TrailerSection } from "./response-section.ts";
import type { SessionStream } from "./session-stream.ts";

/** Most bytes of answers to frames that wait for a peer that does not read. */
const MOST_CONTROL = 64 * 1024;
/** Streams that we have reset, and of which the peer may not have heard. */
const MOST_RESET = 1000;
/** A window that opens by less makes more work than it allows, bytes. */
const SMALL_UPDATE = 64;
/** What we allow the peer's table to be, bytes: the default of RFC 9113. */
const TABLE_SIZE = 4096;

/** What a session needs from the connection that it is the protocol of. */
export interface SessionOwner {
  /** Time, ms. */
  readonly now: number;
  /** Bytes copied. */
  readonly copied: CopyCounter;
  /** What is written is held by the socket alone. */
  readonly direct: boolean;
  /** Sends bytes that never change afterwards. */
  write(bytes: Uint8Array, start: number, end: number): void;
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
  /** The peer has answered our PING. */
  onPong(): void;
}

export abstract class Session implements FrameSink {
  /** What the peer may send in a new stream. */
  readonly streamWindow: number;
  /** Streams of ours that the peer bears at once. */
  peerMaxStreams = Number.POSITIVE_INFINITY;
  /** The peer takes CONNECT with a protocol (RFC 8441). */
  peerConnectProtocol = false;
  /** What is read now has to be given back: see `borrow`. */
  borrowed = false;
  /** Which rule of the connection the peer has broken, or "". */
  broken = "";
  /** The kernel takes no more: bodies wait. */
  private stalled = false;
  readonly owner: SessionOwner;
  protected readonly writer: FrameWriter;
  protected readonly streams: Map<number, SessionStream> = new Map();
  /** The highest number that the opening side has used. */
  protected lastStream = 0;
  protected readonly decoder: HpackDecoder = new HpackDecoder(TABLE_SIZE);
  private readonly trailers: TrailerSection;
  private readonly reader: FrameReader;
  private readonly glitches = new Glitches();
  private readonly connectionWindow: number;
  private sendWindow = DEFAULT_WINDOW;
  private receiveWindow: number;
  /** Of the connection's window, what has left the proxy and was not given back yet. */
  private credit = 0;
  private peerStreamWindow = DEFAULT_WINDOW;
  /** Streams whose bodies wait, in turn. */
  private readonly waiting: SessionStream[] = [];
  private readonly resetHere = new Set<number>();
  private control = 0;

  /** `slab`: where frames are written. */
  constructor(
    owner: SessionOwner,
    slab: Slab,
    fromClient: boolean,
    limits: Http2Limits,
    options: Http2ProtocolOptions,
  ) {
    this.owner = owner;
    this.writer = new FrameWriter(slab);
    this.streamWindow = options.initialStreamWindowSize;
    this.connectionWindow = Math.max(options.initialConnectionWindowSize, DEFAULT_WINDOW);
    this.receiveWindow = this.connectionWindow;
    this.reader = new FrameReader(this, fromClient, limits.maxBlockBytes);
    this.trailers = new TrailerSection(limits);
  }

  /** Says what we offer: the first of what we send, behind a client's preface. */
  protected greet(settings: readonly number[]): void {
    this.writer.settings([InitialWindowSize, this.streamWindow, ...settings]);
    this.flush();
    if (this.connectionWindow > DEFAULT_WINDOW)
      this.writeWindowUpdate(0, this.connectionWindow - DEFAULT_WINDOW);
  }

  // ── The connection's side ─────────────────────────────────────────────────────────────────────────────────

  /** Streams that are not over. */
  get size(): number {
    return this.streams.size;
  }

  /** Bytes that wait because something is not complete, or for the peer's windows. */
  get heldBytes(): number {
    let sum = this.reader.heldBytes;
    for (const stream of this.streams.values()) sum += stream.queue?.bytes ?? 0;
    return sum;
  }

  /** Nothing more is read. */
  get stopped(): boolean {
    return this.reader.stopped;
  }

  /**
   * Bodies are coming. What they come in can be lent for the next `feed` alone: of a stream that would keep some of it,
   * the pieces are copied.
   */
  borrow(): boolean {
    this.borrowed = this.streams.size > 0 && !this.stopped;
    return this.borrowed;
  }

  /** Reads a chunk, which is the session's from here on unless it is borrowed. */
  feed(chunk: Uint8Array): void {
    this.reader.feed(chunk);
    this.borrowed = false;
  }

  /** So many bytes of a body would be sent at once. */
  get direct(): number {
    return this.stalled || !this.owner.direct ? 0 : this.sendWindow;
  }

  /** The kernel takes no more. */
  onBlocked(): void {
    this.stalled = true;
  }

  /** It does again. */
  onDrain(): void {
    this.stalled = false;
    this.control = 0;
    this.pump();
  }

  /** The connection is gone, or is given up: its streams hear, and nothing is read. */
  stop(code: number): void {
    this.reader.stop();
    this.waiting.length = 0;
    for (const stream of [...this.streams.values()]) {
      this.streams.delete(stream.id);
      stream.cut(code, "");
    }
  }

  /** Asks the peer for a sign of life. */
  ping(mark: number): void {
    this.writer.ping(mark);
    this.flush();
  }

  /** Tells the peer which stream is the last that we have looked at. */
  protected goAway(last: number, code: number): void {
    this.writer.goAway(last, code);
    this.flush();
  }

  /** Ends the connection for what the peer did. */
  protected fault(code: number, why: string): void {
    this.broken = why;
    this.goAway(this.lastFromPeer, code);
    this.stop(code);
    this.owner.onFault(code, why);
  }

  /** The last stream of the peer's that was looked at. */
  protected abstract readonly lastFromPeer: number;

  /** Counts an oddity; false if it was one too many, and the connection is over. */
  protected glitch(sort: GlitchSort): boolean {
    const verdict = this.glitches.add(sort, this.owner.now);
    if (verdict === Bearable) return true;
    if (verdict === TooMany) {
      this.fault(EnhanceYourCalm, `too_many_${sort}`);
      return false;
    }
    this.owner.onSuspicion(sort);
    return true;
  }

  // ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Hands on what the writer holds. */
  protected flush(): void {
    const { writer } = this;
    this.owner.write(writer.bytes, writer.start, writer.end);
  }

  /** The same for what a peer made us write, of which it is not to make more than it reads. */
  private flushAnswer(): void {
    const { writer } = this;
    if (this.stalled) this.control += writer.end - writer.start;
    this.flush();
    if (this.control > MOST_CONTROL && !this.stopped) {
      this.control = 0;
      this.fault(EnhanceYourCalm, "too_much_to_answer");
    }
  }

  writeWindowUpdate(stream: number, increment: number): void {
    this.writer.windowUpdate(stream, increment);
    this.flush();
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
    const { writer } = this;
    writer.endHeaders(stream.id, endStream, DEFAULT_FRAME);
    this.flush();
    if (endStream) this.localEnd(stream);
    return writer.end - writer.start;
  }

  /**
   * Sends of a body what the windows allow, and returns where it stopped. `last`: with the last byte our side ends.
   */
  sendNow(stream: SessionStream, bytes: Uint8Array, start: number, end: number, last: boolean): number {
    const { writer, owner } = this;
    let at = start;
    while (at < end && !this.stalled) {
      const length = Math.min(end - at, DEFAULT_FRAME, stream.sendWindow, this.sendWindow);
      if (length <= 0) break;
      const ends = last && at + length === end;
      writer.data(stream.id, length, ends);
      this.flush();
      owner.write(bytes, at, at + length);
      at += length;
      stream.sendWindow -= length;
      this.sendWindow -= length;
      if (ends) this.localEnd(stream);
    }
    return at;
  }

  /** Ends our side of a stream. */
  sendEnd(stream: SessionStream, trailers: Fields | null): void {
    const { writer } = this;
    if (trailers === null || trailers.count === 0) {
      writer.data(stream.id, 0, true);
      this.flush();
    } else {
      writer.beginHeaders();
      writer.fields(trailers, OWN_FIELDS);
      writer.endHeaders(stream.id, true, DEFAULT_FRAME);
      this.flush();
    }
    this.localEnd(stream);
  }

  protected localEnd(stream: SessionStream): void {
    stream.localEnded = true;
    if (stream.remoteEnded) this.remove(stream);
    else stream.ended();
  }

  /** A stream is over. */
  private remove(stream: SessionStream): void {
    if (!this.streams.delete(stream.id)) return;
    stream.close();
    this.owner.onStreamClosed();
  }

  /** A stream is over by our will. */
  reset(stream: SessionStream, code: number): void {
    if (!this.streams.has(stream.id)) return;
    this.refuse(stream.id, code);
    this.remove(stream);
  }

  /** RST_STREAM, for a stream that is not in the table, too. */
  protected refuse(id: number, code: number): void {
    if (this.resetHere.size >= MOST_RESET)
      this.resetHere.delete(this.resetHere.values().next().value as number);
    this.resetHere.add(id);
    this.writer.reset(id, code);
    this.flushAnswer();
  }

  // ── Bodies that wait ──────────────────────────────────────────────────────────────────────────────────────

  /** A stream's body waits for a window or for the kernel. */
  wait(stream: SessionStream): void {
    if (stream.waiting || !stream.mayFlow) return;
    stream.waiting = true;
    this.waiting.push(stream);
  }

  /** Sends of what waits as much as can be, a frame of each stream in turn. */
  private pump(): void {
    const { waiting } = this;
    while (waiting.length > 0 && !this.stalled && this.sendWindow > 0) {
      const stream = waiting.shift() as SessionStream;
      if (stream.mayFlow) this.sendFrame(stream);
      if (stream.mayFlow) waiting.push(stream);
      else {
        // It comes back when its own window opens, so that the turn of the others is not longer for it.
        stream.waiting = false;
        if (!stream.closed && stream.queue?.bytes === 0) stream.drained();
      }
    }
  }

  /** One DATA frame of what waits in a stream. */
  private sendFrame(stream: SessionStream): void {
    const { writer, owner } = this;
    const queue = stream.queue as NonNullable<SessionStream["queue"]>;
    const length = Math.min(queue.bytes, DEFAULT_FRAME, stream.sendWindow, this.sendWindow);
    const ends = stream.endsWithData && length === queue.bytes;
    writer.data(stream.id, length, ends);
    this.flush();
    stream.sendWindow -= length;
    this.sendWindow -= length;
    for (let left = length, i = queue.first; left > 0; i++) {
      const start = queue.starts[i];
      const piece = Math.min(left, queue.ends[i] - start);
      owner.write(queue.chunks[i], start, start + piece);
      left -= piece;
    }
    queue.consume(length);
    if (ends) this.localEnd(stream);
  }

  // ── What the peer sends ───────────────────────────────────────────────────────────────────────────────────

  /** Who takes the fields of a head on that stream; null if the connection is over. */
  protected abstract headSink(id: number): FieldSink | null;
  /** The head of `id` is complete, and was well coded. */
  protected abstract onHead(id: number, endStream: boolean): void;
  /** True if a stream of that number has not been opened yet. */
  protected abstract isIdle(id: number): boolean;

  onBlock(id: number, bytes: Uint8Array, start: number, end: number, endStream: boolean): void {
    const stream = this.streams.get(id);
    const isTrailers = stream !== undefined && this.expectsTrailers(stream);
    let sink: FieldSink | null = this.trailers;
    if (isTrailers) this.trailers.begin();
    else sink = this.headSink(id);
    if (sink === null) return;
    if (!this.decoder.decode(bytes, start, end, sink)) this.fault(CompressionError, "header_block");
    else if (isTrailers) this.onTrailers(stream, endStream);
    else this.onHead(id, endStream);
  }

  /** A second (or, of a server, a further) header block on that stream ends it. */
  protected abstract expectsTrailers(stream: SessionStream): boolean;

  private onTrailers(stream: SessionStream, endStream: boolean): void {
    if (stream.remoteEnded) this.breakStream(stream, StreamClosed, "headers_after_end");
    else if (!endStream) this.breakStream(stream, ProtocolError, "trailers_without_end");
    else if (this.trailers.fault !== "") this.breakStream(stream, ProtocolError, this.trailers.fault);
    else this.remoteEnd(stream, this.trailers.trailers);
  }

  /** The peer's side of a stream is complete. */
  protected remoteEnd(stream: SessionStream, trailers: Fields | null): void {
    if (!stream.endReceiving(trailers)) this.breakStream(stream, ProtocolError, "content_length");
    else if (stream.localEnded) this.remove(stream);
  }

  /** The peer has broken a rule of one stream: that stream is over. */
  protected breakStream(stream: SessionStream, code: number, why: string): void {
    if (stream.closed) return;
    this.owner.onBroken(why);
    this.refuse(stream.id, code);
    if (stream.closed) return; // the answer was one too many
    this.streams.delete(stream.id);
    stream.cut(code, why);
    this.owner.onStreamClosed();
    if (!this.stopped) this.glitch("madeResets");
  }

  onData(id: number, bytes: Uint8Array, start: number, end: number): void {
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (this.isIdle(id)) this.fault(ProtocolError, "data_on_idle_stream");
      return;
    }
    const code = stream.receive(bytes, start, end);
    if (code === StreamClosed) this.breakStream(stream, code, "data_after_end");
    else if (code !== 0) this.breakStream(stream, code, "content_length");
  }

  onDataEnd(id: number, length: number, endStream: boolean): void {
    this.receiveWindow -= length;
    if (this.receiveWindow < 0) {
      this.fault(FlowControlError, "connection_window");
      return;
    }
    if (length === 0 && !endStream && !this.glitch("idle")) return;
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (this.isIdle(id)) this.fault(ProtocolError, "data_on_idle_stream");
      else if (this.ignores(id)) this.returnCredit(length);
      else this.fault(StreamClosed, "data_on_closed_stream");
      return;
    }
    if (stream.remoteEnded) this.breakStream(stream, StreamClosed, "data_after_end");
    else if (!stream.charge(length)) this.breakStream(stream, FlowControlError, "stream_window");
    else if (endStream && !stream.closed) this.remoteEnd(stream, null);
  }

  onPriority(id: number): void {
    if (id !== 0) this.glitch("idle");
  }

  onReset(id: number, code: number): void {
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (this.isIdle(id)) this.fault(ProtocolError, "reset_of_idle_stream");
      return;
    }
    const early = !stream.localEnded;
    this.streams.delete(id);
    stream.cut(code, "");
    this.owner.onStreamClosed();
    if (early && !this.stopped) this.onEarlyReset();
  }

  /** The peer has reset a stream that we had not ended. */
  protected abstract onEarlyReset(): void;

  onSetting(id: number, value: number): void {
    switch (id) {
      case HeaderTableSize:
        this.writer.encoder.limit(value);
        break;
      case EnablePush:
        if (value > 1 || (value === 1 && !this.mayBePushed)) this.fault(ProtocolError, "enable_push");
        break;
      case MaxConcurrentStreams:
        this.peerMaxStreams = value;
        break;
      case InitialWindowSize:
        this.resizeWindows(value);
        break;
      case MaxFrameSize:
        if (value < DEFAULT_FRAME || value > LARGEST_FRAME) this.fault(ProtocolError, "max_frame_size");
        break;
      case EnableConnectProtocol:
        if (value > 1 || (value === 0 && this.peerConnectProtocol))
          this.fault(ProtocolError, "enable_connect_protocol");
        else this.peerConnectProtocol = value === 1;
        break;
    }
  }

  /** The peer is a client, and clients may say that they take pushes (8.4). */
  protected abstract readonly mayBePushed: boolean;

  /** All windows move by as much as the peer's first window does, even below zero (6.9.2). */
  private resizeWindows(size: number): void {
    if (size > LARGEST_WINDOW) {
      this.fault(FlowControlError, "initial_window_size");
      return;
    }
    const change = size - this.peerStreamWindow;
    this.peerStreamWindow = size;
    for (const stream of this.streams.values()) {
      stream.sendWindow += change;
      if (stream.sendWindow > LARGEST_WINDOW) {
        this.fault(FlowControlError, "initial_window_size");
        return;
      }
      this.wait(stream);
    }
  }

  onSettings(ack: boolean): void {
    if (ack || !this.glitch("asks")) return;
    this.writer.settingsAck();
    this.flushAnswer();
    if (this.stopped) return;
    this.pump();
    this.owner.onSettings();
  }

  onPing(ack: boolean, bytes: Uint8Array, start: number): void {
    if (ack) {
      this.owner.onPong();
      return;
    }
    if (!this.glitch("asks")) return;
    this.writer.pong(bytes, start);
    this.flushAnswer();
  }

  onGoAway(lastStream: number, code: number, debug: string): void {
    this.owner.onGoAway(lastStream, code, debug);
  }

  onWindowUpdate(id: number, increment: number): void {
    if (increment < SMALL_UPDATE && !this.glitch("idle")) return;
    if (id === 0) {
      this.sendWindow += increment;
      if (this.sendWindow > LARGEST_WINDOW) this.fault(FlowControlError, "connection_window");
      else this.pump();
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (this.isIdle(id)) this.fault(ProtocolError, "window_of_idle_stream");
      return;
    }
    stream.sendWindow += increment;
    if (stream.sendWindow > LARGEST_WINDOW) this.breakStream(stream, FlowControlError, "stream_window");
    else {
      this.wait(stream);
      this.pump();
    }
  }

  onStreamFault(id: number, code: number, why: string): void {
    const stream = this.streams.get(id);
    if (stream !== undefined) this.breakStream(stream, code, why);
    else if (this.isIdle(id) && code !== NoError) this.fault(code, why);
    else this.glitch("madeResets");
  }

  onFault(code: number, why: string): void {
    this.fault(code, why);
  }

  /** A stream begins. */
  protected admit(stream: SessionStream, id: number): void {
    this.lastStream = id;
    this.streams.set(id, stream);
    stream.open(id, this.peerStreamWindow, this.streamWindow);
  }

  /** Frames of a stream that is over by our will may still be on their way. */
  protected ignores(id: number): boolean {
    return this.resetHere.has(id);
  }
}
