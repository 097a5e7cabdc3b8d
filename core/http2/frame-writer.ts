/**
 * Writes frames into a slab, one piece at a time: `start` to `end` is what was written since the call before, to be
 * handed to the socket at once. Bodies are not copied: of a DATA frame only the header is written here, and its length
 * is what the caller sends behind it (nginx CVE-2026-42926: who writes a length owns it).
 */
import type { Slab } from "../bytes/slab.ts";
import type { Fields } from "../http/fields.ts";
import { known } from "../http/names.ts";
import { PREFACE } from "./frame-reader.ts";
import {
  Ack,
  Continuation,
  Data,
  EndHeaders,
  EndStream,
  FRAME_HEADER,
  GoAway,
  Headers,
  Ping,
  ResetStream,
  Settings,
  WindowUpdate,
} from "./frames.ts";
import { HpackEncoder } from "./hpack/encoder.ts";

const CONTENT_LENGTH = known("content-length");

export class FrameWriter {
  readonly encoder: HpackEncoder;
  private readonly slab: Slab;
  /** Where the block of the HEADERS frame under way begins. */
  private blockAt = 0;

  /** Writes to `slab`, which others may use between two pieces. `table`: most bytes of the peer's HPACK table to use. */
  constructor(slab: Slab, table: number) {
    this.slab = slab;
    this.encoder = new HpackEncoder(slab, table);
  }

  /** The piece, for who hands it on at once. */
  get bytes(): Uint8Array {
    return this.slab.bytes;
  }
  get start(): number {
    return this.slab.start;
  }
  get end(): number {
    return this.slab.end;
  }

  /** The preface of a client, in front of its SETTINGS. */
  preface(): void {
    this.slab.begin();
    this.slab.room(PREFACE.length);
    for (let i = 0; i < PREFACE.length; i++) this.slab.bytes[this.slab.end++] = PREFACE.charCodeAt(i);
  }

  /** SETTINGS: identifiers and values in turn. */
  settings(values: readonly number[]): void {
    this.header(3 * values.length, Settings, 0, 0);
    for (let i = 0; i < values.length; i += 2) {
      this.slab.bytes[this.slab.end++] = values[i] >> 8;
      this.slab.bytes[this.slab.end++] = values[i];
      this.uint32(values[i + 1]);
    }
  }

  settingsAck(): void {
    this.header(0, Settings, Ack, 0);
  }

  /** The answer to a PING whose eight bytes are at `bytes[start]`. */
  pong(bytes: Uint8Array, start: number): void {
    this.header(8, Ping, Ack, 0);
    for (let i = 0; i < 8; i++) this.slab.bytes[this.slab.end++] = bytes[start + i];
  }

  /** A PING of ours; `mark` comes back with the answer. */
  ping(mark: number): void {
    this.header(8, Ping, 0, 0);
    this.uint32(0);
    this.uint32(mark);
  }

  goAway(lastStream: number, code: number): void {
    this.header(8, GoAway, 0, 0);
    this.uint32(lastStream);
    this.uint32(code);
  }

  reset(stream: number, code: number): void {
    this.header(4, ResetStream, 0, stream);
    this.uint32(code);
  }

  windowUpdate(stream: number, increment: number): void {
    this.header(4, WindowUpdate, 0, stream);
    this.uint32(increment);
  }

  /** The header of a DATA frame, whose `length` bytes follow. */
  data(stream: number, length: number, endStream: boolean): void {
    this.header(length, Data, endStream ? EndStream : 0, stream);
  }

  // ── Header blocks ─────────────────────────────────────────────────────────────────────────────────────────

  /** Begins a HEADERS frame; fields follow by `pseudo` and `fields`, then `endHeaders`. */
  beginHeaders(): void {
    this.slab.begin();
    this.slab.room(FRAME_HEADER);
    this.slab.end += FRAME_HEADER;
    this.blockAt = FRAME_HEADER;
    this.encoder.beginBlock();
  }

  /** A pseudo header, kept out of every table if it is one of `secrets`. */
  pseudo(name: string, value: string, secrets: ReadonlySet<string> | null = null): void {
    this.encoder.field(0, name, value, secrets !== null && secrets.has(name));
  }

  /** `content-length`, which is ours to tell. */
  length(bytes: number): void {
    this.encoder.field(CONTENT_LENGTH, "content-length", String(bytes), false);
  }

  /** The fields that are there, but for those whose ids are `hidden` (1 by id): they belong to a hop of HTTP/1. */
  fields(fields: Fields, hidden: Uint8Array): void {
    const { secrets } = fields;
    for (let slot = 0; slot < fields.slots; slot++) {
      const id = fields.ids[slot];
      if (hidden[id] === 1) continue;
      const name = fields.nameAt(slot);
      this.encoder.field(id, name, fields.valueAt(slot), secrets !== null && secrets.has(name));
    }
  }

  /** Ends the block, in as many frames as the peer's MAX_FRAME_SIZE wants. */
  endHeaders(stream: number, endStream: boolean, maxFrame: number): void {
    const from = this.slab.start + this.blockAt;
    const length = this.slab.end - from;
    const flags = endStream ? EndStream : 0;
    if (length <= maxFrame) {
      this.putHeader(this.slab.start, length, Headers, flags | EndHeaders, stream);
      return;
    }
    // Rare: the parts move apart to make room for the headers between them.
    const block = this.slab.bytes.slice(from, this.slab.end);
    this.slab.end = from;
    this.putHeader(this.slab.start, maxFrame, Headers, flags, stream);
    this.slab.end += maxFrame;
    for (let at = maxFrame; at < length; at += maxFrame) {
      const part = Math.min(maxFrame, length - at);
      this.slab.room(FRAME_HEADER + part);
      this.putHeader(this.slab.end, part, Continuation, at + part === length ? EndHeaders : 0, stream);
      this.slab.end += FRAME_HEADER;
      this.slab.bytes.set(block.subarray(at, at + part), this.slab.end);
      this.slab.end += part;
    }
  }

  // ── The format ────────────────────────────────────────────────────────────────────────────────────────────

  /** Begins a piece with the header of a frame whose payload is short. */
  private header(length: number, type: number, flags: number, stream: number): void {
    this.slab.begin();
    this.slab.room(FRAME_HEADER + Math.min(length, 64));
    this.putHeader(this.slab.end, length, type, flags, stream);
    this.slab.end += FRAME_HEADER;
  }

  private putHeader(at: number, length: number, type: number, flags: number, stream: number): void {
    const { bytes } = this.slab;
    bytes[at] = length >> 16;
    bytes[at + 1] = length >> 8;
    bytes[at + 2] = length;
    bytes[at + 3] = type;
    bytes[at + 4] = flags;
    bytes[at + 5] = stream >> 24;
    bytes[at + 6] = stream >> 16;
    bytes[at + 7] = stream >> 8;
    bytes[at + 8] = stream;
  }

  private uint32(value: number): void {
    const { bytes } = this.slab;
    bytes[this.slab.end++] = value >>> 24;
    bytes[this.slab.end++] = value >>> 16;
    bytes[this.slab.end++] = value >>> 8;
    bytes[this.slab.end++] = value;
  }
}
