/**
 * One connection of HTTP/2, without a socket: settings, windows, the table of streams, and what ends them all (RFC 9113).
 * Both sides are alike but for who opens streams, which is in server-session.ts and client-session.ts.
 *
 * Laws: our answers to a peer's frames are bounded, in number (`Glitches`) and in what may wait for a peer that does not
 * read (`SessionOutput`). Header blocks are decoded even where nobody wants them, because the tables of both sides must
 * agree. Bytes of streams that are gone count for the connection's window, and every byte is given back once. After a
 * fault nothing is read, and every stream has heard. What we allow holds from the start, acknowledged or not.
 */
import type { Slab } from "../bytes/slab.ts";
import type { Http2ProtocolOptions } from "../config/model.ts";
import type { Fields } from "../http/fields.ts";
import { FrameReader } from "./frame-reader.ts";
import type { FrameSink } from "./frame-sink.ts";
import {
  CompressionError,
  DEFAULT_TABLE,
  DEFAULT_WINDOW,
  FlowControlError,
  HeaderTableSize,
  InitialWindowSize,
  LARGEST_WINDOW,
  NoError,
  ProtocolError,
  RefusedStream,
  StreamClosed,
} from "./frames.ts";
import { type FieldSink, HpackDecoder } from "./hpack/decoder.ts";
import type { Http2Limits } from "./limits.ts";
import { PeerSettings } from "./peer-settings.ts";
import { TrailerSection } from "./response-section.ts";
import type { SessionStream } from "./session-stream.ts";
import { type SessionOwner, StreamTable } from "./stream-table.ts";

export abstract class Session extends StreamTable implements FrameSink {
  readonly peer: PeerSettings;
  /** Header blocks that were read, in all. */
  blocks = 0;
  protected readonly decoder: HpackDecoder = new HpackDecoder(DEFAULT_TABLE);
  private readonly trailers: TrailerSection;
  private readonly reader: FrameReader;
  /** What the peer's table may be once it has acknowledged our SETTINGS, bytes; -1: it has. */
  private tableSize: number;
  /** Our PINGs that were not answered. */
  private asked = 0;

  /** `slab`: where frames are written. `fromClient`: the peer is one. */
  constructor(
    owner: SessionOwner,
    slab: Slab,
    fromClient: boolean,
    limits: Http2Limits,
    options: Http2ProtocolOptions,
  ) {
    super(owner, slab, options);
    this.peer = new PeerSettings(fromClient);
    this.tableSize = options.hpackTableSize;
    this.reader = new FrameReader(this, fromClient, limits.maxBlockBytes);
    this.trailers = new TrailerSection(limits);
  }

  /** Says what we offer: the first of what we send, behind a client's preface. */
  protected greet(settings: readonly number[]): void {
    const table = this.tableSize === DEFAULT_TABLE ? [] : [HeaderTableSize, this.tableSize];
    this.writer.settings([InitialWindowSize, this.streamWindow, ...table, ...settings]);
    this.output.flush();
    if (this.connectionWindow > DEFAULT_WINDOW)
      this.writeWindowUpdate(0, this.connectionWindow - DEFAULT_WINDOW);
  }

  /** Bytes that have come and wait because something is not complete. */
  get heldBytes(): number {
    return this.reader.heldBytes;
  }

  /** A header block has begun to come, and is not complete. */
  get inBlock(): boolean {
    return this.reader.inBlock;
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
    this.borrowed = this.size > 0 && !this.stopped;
    return this.borrowed;
  }

  /** Reads a chunk, which is the session's from here on unless it is borrowed. */
  feed(chunk: Uint8Array): void {
    this.reader.feed(chunk);
    this.borrowed = false;
  }

  protected deafen(): void {
    this.reader.stop();
  }

  /** Asks the peer for a sign of life. */
  ping(mark: number): void {
    this.asked++;
    this.writer.ping(mark);
    this.output.flush();
  }

  // ── Heads and trailers ────────────────────────────────────────────────────────────────────────────────────

  /** Who takes the fields of a head on that stream; null if the connection is over. */
  protected abstract headSink(id: number): FieldSink | null;
  /** The head of `id` is complete, and was well coded. */
  protected abstract onHead(id: number, endStream: boolean): void;
  /** True if a stream of that number has not been opened yet. */
  protected abstract isIdle(id: number): boolean;

  onBlock(id: number, bytes: Uint8Array, start: number, end: number, endStream: boolean): void {
    this.blocks++;
    const stream = this.streams.get(id);
    const isTrailers = stream?.hasHead === true;
    let sink: FieldSink | null = this.trailers;
    if (isTrailers) this.trailers.begin();
    else sink = this.headSink(id);
    if (sink === null) return;
    if (!this.decoder.decode(bytes, start, end, sink)) this.fault(CompressionError, "header_block");
    else if (isTrailers) this.onTrailers(stream, endStream);
    else this.onHead(id, endStream);
  }

  private onTrailers(stream: SessionStream, endStream: boolean): void {
    const { trailers } = this;
    if (stream.remoteEnded) this.breakStream(stream, StreamClosed, "headers_after_end");
    else if (!endStream) this.breakStream(stream, ProtocolError, "trailers_without_end");
    else if (trailers.fault !== "") {
      if (trailers.tooMuch) this.owner.counts.headerOverflow++;
      this.breakStream(stream, ProtocolError, trailers.fault);
    } else {
      this.owner.counts.trailers++;
      this.remoteEnd(stream, trailers.trailers);
    }
  }

  /** The peer's side of a stream is complete. */
  protected remoteEnd(stream: SessionStream, trailers: Fields | null): void {
    if (!stream.endReceiving(trailers)) this.breakStream(stream, ProtocolError, "content_length");
    else if (stream.localEnded) this.remove(stream);
  }

  // ── Bodies ────────────────────────────────────────────────────────────────────────────────────────────────

  onData(id: number, bytes: Uint8Array, start: number, end: number, last: boolean): void {
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (this.isIdle(id)) this.fault(ProtocolError, "data_on_idle_stream");
      return;
    }
    const code = stream.receive(bytes, start, end, last);
    if (code === 0) return;
    this.breakStream(
      stream,
      code,
      code === StreamClosed ? "data_after_end" : stream.hasHead ? "content_length" : "data_before_head",
    );
  }

  onDataEnd(id: number, length: number, endStream: boolean, empty: boolean): void {
    this.receiveWindow -= length;
    if (this.receiveWindow < 0) {
      this.fault(FlowControlError, "connection_window");
      return;
    }
    if (empty && !endStream && !this.glitch("empty")) return;
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (this.isIdle(id)) this.fault(ProtocolError, "data_on_idle_stream");
      else if (!this.ignores(id)) this.fault(StreamClosed, "data_on_closed_stream");
      else if (this.ignore(length)) this.returnCredit(length);
    } else if (stream.remoteEnded || !stream.hasHead) {
      this.returnCredit(length);
      if (stream.remoteEnded) this.breakStream(stream, StreamClosed, "data_after_end");
      else this.breakStream(stream, ProtocolError, "data_before_head");
    } else if (!stream.charge(length)) this.breakStream(stream, FlowControlError, "stream_window");
    else if (endStream && !stream.closed) this.remoteEnd(stream, null);
  }

  onWindowUpdate(id: number, increment: number): void {
    const { bodies } = this;
    if (!this.glitch("updates")) return;
    if (id === 0) {
      bodies.window += increment;
      if (bodies.window > LARGEST_WINDOW) this.fault(FlowControlError, "connection_window");
      else bodies.pump();
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
      bodies.wait(stream);
      bodies.pump();
    }
  }

  // ── The rest of what the peer sends ───────────────────────────────────────────────────────────────────────

  onIgnored(): void {
    this.glitch("idle");
  }

  onReset(id: number, code: number): void {
    this.owner.counts.rxReset++;
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (this.isIdle(id)) this.fault(ProtocolError, "reset_of_idle_stream");
      else this.glitch("idle");
      return;
    }
    if (code === RefusedStream) this.owner.counts.streamRefusedErrors++;
    const early = !stream.localEnded;
    const { opened } = stream;
    this.cut(stream, code, "");
    if (early && !this.stopped) this.onEarlyReset(opened);
  }

  /** The peer has reset a stream that we had not ended, and that was opened at that time, ms. */
  protected abstract onEarlyReset(opened: number): void;

  onSetting(id: number, value: number): void {
    const code = this.peer.set(id, value);
    if (code !== NoError) this.fault(code, `setting_${id}`);
  }

  onSettings(ack: boolean): void {
    if (ack) {
      this.onAcknowledged();
      return;
    }
    if (!this.glitch("settings")) return;
    const { peer } = this;
    peer.limit(this.writer.encoder);
    if (peer.streamWindow !== this.peerStreamWindow && !this.resizeWindows(peer.streamWindow)) return;
    this.writer.settingsAck();
    this.flushAnswer();
    if (this.stopped) return;
    this.bodies.pump();
    this.owner.onSettings();
  }

  /** The peer has our SETTINGS. */
  private onAcknowledged(): void {
    if (this.tableSize < 0) {
      this.glitch("idle");
      return;
    }
    if (this.tableSize !== DEFAULT_TABLE) this.decoder.allow(this.tableSize);
    this.tableSize = -1;
  }

  onPing(ack: boolean, bytes: Uint8Array, start: number): void {
    if (!ack) {
      if (!this.glitch("asks")) return;
      this.writer.pong(bytes, start);
      this.flushAnswer();
    } else if (this.asked === 0) this.glitch("idle");
    else {
      this.asked--;
      this.owner.onPong(((bytes[start + 6] << 8) | bytes[start + 7]) >>> 0);
    }
  }

  onGoAway(lastStream: number, code: number, debug: string): void {
    if (this.glitch("idle")) this.owner.onGoAway(lastStream, code, debug);
  }

  onStreamFault(id: number, code: number, why: string): void {
    const stream = this.streams.get(id);
    if (stream !== undefined) this.breakStream(stream, code, why);
    else if (this.isIdle(id)) this.fault(code, why);
    else {
      if (!this.ignores(id)) this.refuse(id, code, this.streamWindow);
      if (!this.stopped) this.glitch("madeResets");
    }
  }

  onFault(code: number, why: string): void {
    this.fault(code, why);
  }
}
