/**
 * A scripted peer that speaks HTTP/2 frame by frame, on either side of the proxy: it says exactly what a test wants it
 * to, and keeps what it hears as lines. Its frames are built here by hand; heads go through the proxy's own HPACK, which
 * has tests of its own.
 */
import { latin1, toBytes } from "../../core/bytes/ascii.ts";
import { Slab } from "../../core/bytes/slab.ts";
import { FrameReader, PREFACE } from "../../core/http2/frame-reader.ts";
import type { FrameSink } from "../../core/http2/frame-sink.ts";
import { errorName } from "../../core/http2/frames.ts";
import { HpackDecoder } from "../../core/http2/hpack/decoder.ts";
import { HpackEncoder } from "../../core/http2/hpack/encoder.ts";
import type { Peer } from "../../runtime-adapters/memory/peer.ts";

const END_STREAM = 1;
const END_HEADERS = 4;

export interface HeadOptions {
  /** The stream ends with it. */
  readonly end?: boolean;
  /** The block comes in so many frames. */
  readonly parts?: number;
}

/** The pseudo headers of a GET. */
export const GET = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "a.example"],
] as const;

/** The same of a POST. */
export const POST = [[":method", "POST"], ...GET.slice(1)] as readonly (readonly [string, string])[];

export class Http2Peer implements FrameSink {
  /** What was heard and not taken: one line a frame, bodies that touch in one. */
  private lines: string[] = [];
  readonly peer: Peer;
  private readonly slab = new Slab();
  private readonly encoder = new HpackEncoder(this.slab);
  private readonly decoder = new HpackDecoder(4096);
  private readonly reader: FrameReader;
  private body = "";
  /** Settings are not worth a line. */
  quiet = true;

  /** `client`: it has begun with the preface. */
  constructor(peer: Peer, client: boolean) {
    this.peer = peer;
    this.reader = new FrameReader(this, !client, 1 << 20);
    if (client) peer.send(PREFACE);
  }

  /** Reads what has come, and returns the lines since the last call. */
  heard(): string[] {
    const bytes = this.peer.take();
    if (bytes !== "") this.reader.feed(toBytes(bytes));
    const { lines } = this;
    this.lines = [];
    return lines;
  }

  // ── What it says ──────────────────────────────────────────────────────────────────────────────────────────

  frame(type: number, flags: number, stream: number, payload: Uint8Array | readonly number[] = []): this {
    const bytes = new Uint8Array(9 + payload.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, (payload.length << 8) | type);
    bytes[4] = flags;
    view.setUint32(5, stream);
    bytes.set(payload, 9);
    this.peer.send(bytes);
    return this;
  }

  /** SETTINGS: identifiers and values in turn. */
  settings(...values: number[]): this {
    const payload: number[] = [];
    for (let i = 0; i < values.length; i += 2) {
      payload.push(values[i] >> 8, values[i] & 255, ...uint32(values[i + 1]));
    }
    return this.frame(4, 0, 0, payload);
  }

  settingsAck(): this {
    return this.frame(4, 1, 0);
  }

  head(stream: number, fields: readonly (readonly [string, string])[], options: HeadOptions = {}): this {
    const { slab, encoder } = this;
    slab.begin();
    encoder.beginBlock();
    for (const [name, value] of fields) encoder.field(0, name, value, false);
    const block = slab.bytes.slice(slab.start, slab.end);
    const { parts = 1, end = false } = options;
    const size = Math.ceil(block.length / parts);
    for (let i = 0; i < parts; i++) {
      const flags = (i === 0 && end ? END_STREAM : 0) | (i === parts - 1 ? END_HEADERS : 0);
      this.frame(i === 0 ? 1 : 9, flags, stream, block.subarray(i * size, (i + 1) * size));
    }
    return this;
  }

  data(stream: number, text: string, end = false): this {
    return this.frame(0, end ? END_STREAM : 0, stream, toBytes(text));
  }

  reset(stream: number, code: number): this {
    return this.frame(3, 0, stream, uint32(code));
  }

  windowUpdate(stream: number, increment: number): this {
    return this.frame(8, 0, stream, uint32(increment));
  }

  ping(mark: number): this {
    return this.frame(6, 0, 0, [...uint32(0), ...uint32(mark)]);
  }

  goAway(last: number, code: number): this {
    return this.frame(7, 0, 0, [...uint32(last), ...uint32(code)]);
  }

  // ── What it hears ─────────────────────────────────────────────────────────────────────────────────────────

  onData(_stream: number, bytes: Uint8Array, start: number, end: number): void {
    this.body += latin1(bytes, start, end);
  }

  onDataEnd(stream: number, _length: number, endStream: boolean): void {
    this.lines.push(
      `${stream} data ${this.body.length > 64 ? `(${this.body.length})` : this.body}${endStream ? " end" : ""}`,
    );
    this.body = "";
  }

  onBlock(stream: number, bytes: Uint8Array, start: number, end: number, endStream: boolean): void {
    const fields: string[] = [];
    this.decoder.decode(bytes, start, end, {
      onField(_id, name, value) {
        if (name !== "date") fields.push(`${name}=${value}`);
        return true;
      },
    });
    this.lines.push(`${stream} head ${fields.join(" ")}${endStream ? " end" : ""}`);
  }

  onIgnored(): void {
    this.lines.push("ignored");
  }

  onReset(stream: number, code: number): void {
    this.lines.push(`${stream} reset ${errorName(code)}`);
  }

  onSetting(id: number, value: number): void {
    if (!this.quiet) this.lines.push(`setting ${id}=${value}`);
  }

  onSettings(ack: boolean): void {
    if (!this.quiet) this.lines.push(ack ? "settings ack" : "settings");
  }

  onPing(ack: boolean): void {
    if (ack) this.lines.push("pong");
    else this.frame(6, 1, 0, [...uint32(0), ...uint32(1)]);
  }

  onGoAway(lastStream: number, code: number): void {
    this.lines.push(`goaway ${lastStream === 0x7fffffff ? "announced" : lastStream} ${errorName(code)}`);
  }

  onWindowUpdate(stream: number, increment: number): void {
    if (!this.quiet) this.lines.push(`${stream} window +${increment}`);
  }

  onStreamFault(stream: number, code: number, why: string): void {
    this.lines.push(`${stream} broken ${errorName(code)} ${why}`);
  }

  onFault(code: number, why: string): void {
    this.lines.push(`broken ${errorName(code)} ${why}`);
  }
}

function uint32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}
