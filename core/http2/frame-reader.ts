/**
 * Reads frames (RFC 9113 section 4 and 6) from chunks as they come, and says what they hold to a sink. It judges what
 * can be judged without knowing streams: sizes, padding, which frames may stand on stream 0, and that nothing comes
 * between the parts of a header block.
 *
 * Laws: bytes of a body are handed on as pieces of the chunk that they came in; so is a header block that lies in one
 * chunk. All else is gathered, and bounded: a header block as block-parts.ts says, other frames by
 * the size that they may have. Unknown frames are skipped as they come. After a fault nothing more is read.
 *
 *   [preface] ─▶ header ─▶ payload ─▶ header …
 */
import { BlockParts } from "./block-parts.ts";
import type { FrameSink } from "./frame-sink.ts";
import {
  Ack,
  Continuation,
  Data,
  DEFAULT_FRAME,
  EndHeaders,
  EndStream,
  EnhanceYourCalm,
  FRAME_HEADER,
  FrameSizeError,
  GoAway,
  HasPriority,
  Headers,
  Padded,
  Ping,
  Priority,
  ProtocolError,
  PushPromise,
  ResetStream,
  Settings,
  WindowUpdate,
} from "./frames.ts";

/** What clients say first (3.4). */
export const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Bytes of a GOAWAY's debug data that are kept. */
const MAX_DEBUG = 256;

const PREFACE_STATE = 0;
const HEADER = 1;
/** A payload that is gathered, or taken from the chunk if it is there whole. */
const WHOLE = 2;
const DATA = 3;
const SKIP = 4;
const STOPPED = 5;

const NO_BYTES = new Uint8Array(0);

export class FrameReader {
  private readonly sink: FrameSink;
  private readonly maxBlock: number;
  private state: number;
  /** SETTINGS have come, which are the first that a peer says (3.4). */
  private greeted = false;
  /** What is gathered: a frame's header, or a payload. */
  private readonly small = new Uint8Array(64);
  private gathered: Uint8Array = NO_BYTES;
  private count = 0;
  /** The frame that is being read. */
  private type = 0;
  private flags = 0;
  private stream = 0;
  private length = 0;
  /** Of its payload, bytes that are still to come. */
  private left = 0;
  /** Of a DATA frame: the padding at its end; -1 while its length is to be read. */
  private padding = 0;
  /** The header block that is not complete. */
  private readonly block: BlockParts;

  /** `preface`: the peer is a client and begins with it. `maxBlock`: most bytes of a header block, as they are sent. */
  constructor(sink: FrameSink, preface: boolean, maxBlock: number) {
    this.sink = sink;
    this.maxBlock = maxBlock;
    this.block = new BlockParts(maxBlock);
    this.state = preface ? PREFACE_STATE : HEADER;
  }

  /** A header block has begun to come, and is not complete. */
  get inBlock(): boolean {
    return this.block.stream !== 0 || (this.state === WHOLE && this.type === Headers);
  }

  /** Bytes that are held because something is not complete. For statistics. */
  get heldBytes(): number {
    return this.block.length + this.count;
  }

  get stopped(): boolean {
    return this.state === STOPPED;
  }

  /** Stops for good without a word. */
  stop(): void {
    this.state = STOPPED;
    this.block.clear();
    this.gathered = NO_BYTES;
    this.count = 0;
  }

  /** Reads a chunk, which belongs to the reader from here on. */
  feed(chunk: Uint8Array): void {
    let at = 0;
    const end = chunk.length;
    while (at < end) {
      switch (this.state) {
        case HEADER:
          at = this.readHeader(chunk, at, end);
          break;
        case DATA:
          at = this.readData(chunk, at, end);
          break;
        case WHOLE:
          at = this.readWhole(chunk, at, end);
          break;
        case SKIP: {
          const taken = Math.min(this.left, end - at);
          at += taken;
          this.left -= taken;
          if (this.left === 0) this.state = HEADER;
          break;
        }
        case PREFACE_STATE:
          at = this.readPreface(chunk, at, end);
          break;
        default:
          return;
      }
    }
  }

  private fail(code: number, why: string): void {
    if (this.state === STOPPED) return;
    this.stop();
    this.sink.onFault(code, why);
  }

  private readPreface(chunk: Uint8Array, from: number, end: number): number {
    let at = from;
    while (at < end && this.count < PREFACE.length) {
      if (chunk[at++] !== PREFACE.charCodeAt(this.count++)) {
        this.fail(ProtocolError, "bad_preface");
        return end;
      }
    }
    if (this.count === PREFACE.length) {
      this.count = 0;
      this.state = HEADER;
    }
    return at;
  }

  // ── Frame headers ─────────────────────────────────────────────────────────────────────────────────────────

  private readHeader(chunk: Uint8Array, from: number, end: number): number {
    if (this.count === 0 && end - from >= FRAME_HEADER) {
      this.begin(chunk, from);
      return from + FRAME_HEADER;
    }
    let at = from;
    while (at < end && this.count < FRAME_HEADER) this.small[this.count++] = chunk[at++];
    if (this.count === FRAME_HEADER) {
      this.count = 0;
      this.begin(this.small, 0);
    }
    return at;
  }

  /** A frame's header is complete. */
  private begin(bytes: Uint8Array, at: number): void {
    this.length = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
    this.type = bytes[at + 3];
    this.flags = bytes[at + 4];
    // The first bit means nothing (4.1).
    this.stream =
      ((bytes[at + 5] & 0x7f) << 24) | (bytes[at + 6] << 16) | (bytes[at + 7] << 8) | bytes[at + 8];
    this.left = this.length;
    const why = this.judge();
    if (this.state === STOPPED) return;
    if (why !== "") {
      this.fail(why === "frame_size" ? FrameSizeError : ProtocolError, why);
      return;
    }
    if (this.type === Data) this.beginData();
    else if (this.type > Continuation) this.ignore();
    else {
      this.state = WHOLE;
      if (this.left === 0) this.finish(NO_BYTES, 0);
    }
  }

  /** Nobody knows its type (5.5). */
  private ignore(): void {
    this.state = this.left === 0 ? HEADER : SKIP;
    this.sink.onIgnored();
  }

  /** What is wrong with a frame's header, or "". */
  private judge(): string {
    const { type, length, stream } = this;
    if (!this.greeted) {
      if (type !== Settings || (this.flags & Ack) !== 0) return "no_settings";
      this.greeted = true;
    }
    if (length > DEFAULT_FRAME) return "frame_size";
    const open = this.block.stream;
    if (open !== 0 && (type !== Continuation || stream !== open)) {
      return "header_block_interrupted";
    }
    switch (type) {
      case Data:
      case Headers:
      case ResetStream:
      case Priority:
        if (stream === 0) return "frame_on_stream_0";
        return type === ResetStream && length !== 4 ? "frame_size" : "";
      case Continuation:
        return open === 0 ? "unexpected_continuation" : "";
      case Settings:
        if (stream !== 0) return "frame_on_a_stream";
        if ((this.flags & Ack) !== 0) return length !== 0 ? "frame_size" : "";
        return length % 6 !== 0 ? "frame_size" : "";
      case Ping:
        if (stream !== 0) return "frame_on_a_stream";
        return length !== 8 ? "frame_size" : "";
      case GoAway:
        if (stream !== 0) return "frame_on_a_stream";
        return length < 8 ? "frame_size" : "";
      case WindowUpdate:
        return length !== 4 ? "frame_size" : "";
      case PushPromise:
        // No peer of ours was ever allowed to (8.4).
        return "push_promise";
      default:
        return "";
    }
  }

  // ── Bodies ────────────────────────────────────────────────────────────────────────────────────────────────

  private beginData(): void {
    const padded = (this.flags & Padded) !== 0;
    this.padding = padded ? -1 : 0;
    if (padded && this.length === 0) this.fail(FrameSizeError, "frame_size");
    else if (this.left > 0) this.state = DATA;
    else this.endData();
  }

  private readData(chunk: Uint8Array, from: number, end: number): number {
    let at = from;
    if (this.padding < 0) {
      this.padding = chunk[at++];
      this.left--;
      if (this.padding > this.left) {
        this.fail(ProtocolError, "padding");
        return end;
      }
    }
    const body = Math.min(this.left - this.padding, end - at);
    if (body > 0) {
      this.left -= body;
      at += body;
      const last = this.left === 0 && (this.flags & EndStream) !== 0;
      this.sink.onData(this.stream, chunk, at - body, at, last);
      if (this.state === STOPPED) return end;
    }
    const skipped = Math.min(this.left, end - at);
    if (this.left <= this.padding && skipped > 0) {
      this.left -= skipped;
      at += skipped;
    }
    if (this.left === 0) this.endData();
    return at;
  }

  private endData(): void {
    const { flags, length } = this;
    this.state = HEADER;
    const empty = length === ((flags & Padded) === 0 ? 0 : this.padding + 1);
    this.sink.onDataEnd(this.stream, length, (flags & EndStream) !== 0, empty);
  }

  // ── Other payloads ────────────────────────────────────────────────────────────────────────────────────────

  private readWhole(chunk: Uint8Array, from: number, end: number): number {
    if (this.count === 0 && end - from >= this.left) {
      const at = from + this.left;
      this.finish(chunk, from);
      return at;
    }
    if (this.count === 0)
      this.gathered = this.length <= this.small.length ? this.small : new Uint8Array(this.length);
    const taken = Math.min(this.left, end - from);
    this.gathered.set(chunk.subarray(from, from + taken), this.count);
    this.count += taken;
    this.left -= taken;
    if (this.left === 0) {
      const { gathered } = this;
      this.gathered = NO_BYTES;
      this.count = 0;
      this.finish(gathered, 0);
    }
    return from + taken;
  }

  /** The payload is at `bytes[at, at + length)`. */
  private finish(bytes: Uint8Array, at: number): void {
    const { sink, stream, length } = this;
    this.state = HEADER;
    switch (this.type) {
      case Headers:
        this.headers(bytes, at, at + length);
        break;
      case Continuation:
        this.continuation(bytes, at, at + length);
        break;
      case Priority:
        if (length === 5) sink.onIgnored();
        else sink.onStreamFault(stream, FrameSizeError, "frame_size");
        break;
      case ResetStream:
        sink.onReset(stream, uint32(bytes, at));
        break;
      case Settings:
        for (let i = at; i < at + length && this.state !== STOPPED; i += 6) {
          sink.onSetting((bytes[i] << 8) | bytes[i + 1], uint32(bytes, i + 2));
        }
        if (this.state !== STOPPED) sink.onSettings((this.flags & Ack) !== 0);
        break;
      case Ping:
        sink.onPing((this.flags & Ack) !== 0, bytes, at);
        break;
      case GoAway: {
        const debugEnd = Math.min(at + length, at + 8 + MAX_DEBUG);
        const debug = String.fromCharCode(...bytes.subarray(at + 8, debugEnd));
        sink.onGoAway(uint32(bytes, at) & 0x7fffffff, uint32(bytes, at + 4), debug);
        break;
      }
      case WindowUpdate: {
        const increment = uint32(bytes, at) & 0x7fffffff;
        if (increment > 0) sink.onWindowUpdate(stream, increment);
        else if (stream === 0) this.fail(ProtocolError, "empty_window_update");
        else sink.onStreamFault(stream, ProtocolError, "empty_window_update");
        break;
      }
    }
  }

  // ── Header blocks ─────────────────────────────────────────────────────────────────────────────────────────

  private headers(bytes: Uint8Array, start: number, end: number): void {
    const { flags, stream } = this;
    let from = start;
    let to = end;
    if ((flags & Padded) !== 0) {
      if (from === to) {
        this.fail(FrameSizeError, "frame_size");
        return;
      }
      to -= bytes[from++];
    }
    if ((flags & HasPriority) !== 0) from += 5;
    if (from > to) {
      this.fail(from > end ? FrameSizeError : ProtocolError, "padding");
      return;
    }
    const ends = (flags & EndStream) !== 0;
    if ((flags & EndHeaders) !== 0) {
      if (to - from > this.maxBlock) this.fail(EnhanceYourCalm, "header_block_too_large");
      else this.sink.onBlock(stream, bytes, from, to, ends);
      return;
    }
    this.block.begin(stream, ends);
    this.append(bytes, from, to);
  }

  private continuation(bytes: Uint8Array, start: number, end: number): void {
    const { block } = this;
    if (!this.append(bytes, start, end) || (this.flags & EndHeaders) === 0) return;
    const { stream, bytes: whole, length, endStream } = block;
    block.clear();
    this.sink.onBlock(stream, whole, 0, length, endStream);
  }

  /** False if that was too much. */
  private append(bytes: Uint8Array, start: number, end: number): boolean {
    const why = this.block.append(bytes, start, end);
    if (why !== "") this.fail(EnhanceYourCalm, why);
    return why === "";
  }
}

function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}
