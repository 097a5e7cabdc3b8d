/**
 * Reads a sequence of HTTP/1 messages from chunks of any size (RFC 9112), without a socket, a clock or an
 * exception. What differs between requests and responses is in the two subclasses; the body is in chunked.ts.
 *
 * Laws:
 * - One framing decision per message, made once, when the head is complete. In doubt: a fault.
 * - The outcome does not depend on how the bytes were split.
 * - Body bytes are never copied: they are handed on as ranges of the chunk they came in.
 * - After a fault nothing more is reported. Each call consumes all it is given or stops at a message's end.
 *
 *    ┌──────────────── next() ─────────────┐
 *    ▼                                     │
 *   HEAD ─▶ body ─▶ DONE ──────────────────┘                 any state ─▶ FAILED
 *    │ ▲     ├ LENGTH
 *    └─┘     ├ CHUNKED ─▶ TRAILERS
 *    1xx     ├ UNTIL_CLOSE ─ end of the connection
 *            └ TUNNEL (raw bytes until the end)
 */
import type { Fault } from "../errors.ts";
import type { Fields } from "../http/fields.ts";
import { AsTunnel, ByChunks, ByClose, ByLength, type Framing, NoBody } from "../http/framing.ts";
import { ChunkedDecoder } from "./chunked.ts";
import type { FaultTable } from "./faults.ts";
import type { Http1Limits } from "./limits.ts";
import { type CopyCounter, SectionReader, type StartLineReader } from "./section-reader.ts";

export type { CopyCounter } from "./section-reader.ts";

const HEAD = 0;
const LENGTH = 2;
const CHUNKED = 3;
const TRAILERS = 4;
const UNTIL_CLOSE = 5;
const TUNNEL = 6;
const DONE = 7;
const FAILED = 8;

/** What a parser reports. Called synchronously from `feed`, `next` and `finish`. */
export interface MessageSink {
  /** A head is complete: `parser.head`, `parser.framing` and `parser.contentLength` are valid. */
  onHead(): void;
  /** Body (or tunnel) bytes, never empty; they belong to the sink. */
  onBody(bytes: Uint8Array, start: number, end: number): void;
  /** The message is complete; `parser.trailers` holds what came after the last chunk. */
  onMessageEnd(): void;
  /** The bytes are not acceptable HTTP. Nothing follows. */
  onFault(fault: Fault): void;
}

const NO_BYTES = new Uint8Array(0);

export abstract class MessageParser implements StartLineReader {
  framing: Framing = NoBody;
  /** Declared length when `framing === ByLength`. */
  contentLength = 0;
  abstract readonly trailers: Fields;
  /** Bytes of the current head, line ends included. */
  headBytes = 0;

  protected readonly sink: MessageSink;
  protected readonly limits: Http1Limits;
  protected readonly faults: FaultTable;
  protected readonly section: SectionReader;
  private readonly chunked: ChunkedDecoder;

  private state = HEAD;
  private remaining = 0;
  /** Chunk (and offset) left over when a message ended inside it. */
  private rest: Uint8Array = NO_BYTES;
  private restAt = 0;
  private later: Uint8Array[] = [];
  private busy = false;

  constructor(
    sink: MessageSink,
    limits: Http1Limits,
    faults: FaultTable,
    fields: Fields,
    copied: CopyCounter,
  ) {
    this.sink = sink;
    this.limits = limits;
    this.faults = faults;
    this.section = new SectionReader(this, limits, faults, fields, copied);
    this.chunked = new ChunkedDecoder(sink, faults);
  }

  /** True between messages: nothing of the next one has been read. */
  get idle(): boolean {
    return this.state === HEAD && this.section.untouched && this.restLength === 0;
  }

  /** True once a message is complete and `next` was not called. */
  get done(): boolean {
    return this.state === DONE;
  }

  get failed(): boolean {
    return this.state === FAILED;
  }

  /** Bytes that arrived after the end of the current message and are kept for `next`. */
  get restLength(): number {
    let n = this.rest.length - this.restAt;
    for (const chunk of this.later) n += chunk.length;
    return n;
  }

  /** `restLength`, and what there is of a head or of trailers that are not complete. For statistics. */
  get heldBytes(): number {
    return this.restLength + this.section.heldBytes;
  }

  /** So many of the bytes that come next are body, handed on as they come: nothing of them is kept here. */
  get bodyAhead(): number {
    if (this.busy) return 0;
    switch (this.state) {
      case LENGTH:
        return this.remaining;
      case CHUNKED:
        return this.chunked.dataAhead;
      case UNTIL_CLOSE:
      case TUNNEL:
        return Number.POSITIVE_INFINITY;
      default:
        return 0;
    }
  }

  /** Reads a chunk, which belongs to the parser from here on. */
  feed(chunk: Uint8Array): void {
    if (this.state === FAILED) return;
    if (this.state === DONE || this.busy) {
      this.later.push(chunk);
      return;
    }
    this.run(chunk, 0);
  }

  /** Begins the next message, with the bytes that are already here. Call when the previous one is dealt with. */
  next(): void {
    if (this.state !== DONE) return;
    this.state = HEAD;
    this.framing = NoBody;
    this.section.begin(this.headFields(), false);
    if (this.busy) return; // the running loop goes on by itself
    while (this.state !== DONE && this.state !== FAILED) {
      if (this.restAt < this.rest.length) {
        const chunk = this.rest;
        const at = this.restAt;
        this.rest = NO_BYTES;
        this.restAt = 0;
        this.run(chunk, at);
      } else {
        const chunk = this.later.shift();
        if (chunk === undefined) break;
        this.run(chunk, 0);
      }
    }
  }

  /** The peer sent FIN: ends a close-delimited body, and is a fault in the middle of anything else. */
  finish(): void {
    if (this.state === UNTIL_CLOSE) {
      this.state = DONE;
      this.sink.onMessageEnd();
    } else if (this.state !== DONE && this.state !== FAILED && this.state !== TUNNEL && !this.idle) {
      this.fail(this.faults.incomplete);
    }
  }

  /** Stops for good without reporting anything. */
  stop(): void {
    this.state = FAILED;
    this.chunked.stop();
    this.rest = NO_BYTES;
    this.restAt = 0;
    this.later.length = 0;
  }

  /** What follows is not HTTP: hands on everything from here, beginning with the bytes kept after the message. */
  enterTunnel(): void {
    if (this.state !== DONE) return;
    this.state = TUNNEL;
    this.framing = AsTunnel;
    for (const chunk of this.takeRest()) if (!this.failed) this.sink.onBody(chunk, 0, chunk.length);
  }

  private takeRest(): Uint8Array[] {
    const all = this.restAt < this.rest.length ? [this.rest.subarray(this.restAt)] : [];
    all.push(...this.later);
    this.rest = NO_BYTES;
    this.restAt = 0;
    this.later = [];
    return all;
  }

  // ── What requests and responses do differently ────────────────────────────────────────────────────────────

  protected abstract headFields(): Fields;
  /** Reads the start line in `bytes[start, end)` (without CRLF). */
  abstract startLine(bytes: Uint8Array, start: number, end: number): Fault | null;
  /** Checks the complete head and sets `framing` and `contentLength`. */
  protected abstract endOfHead(): Fault | null;
  /** True if another head follows without a body (1xx). */
  protected abstract anotherHead(): boolean;

  // ── The machine ───────────────────────────────────────────────────────────────────────────────────────────

  protected fail(fault: Fault): void {
    if (this.state === FAILED) return;
    this.stop();
    this.sink.onFault(fault);
  }

  private run(chunk: Uint8Array, from: number): void {
    this.busy = true;
    let at = from;
    while (at < chunk.length) {
      const state = this.state;
      if (state === HEAD || state === TRAILERS) at = this.readSection(chunk, at);
      else if (state === LENGTH) at = this.readLength(chunk, at);
      else if (state === CHUNKED) at = this.readChunked(chunk, at);
      else if (state === UNTIL_CLOSE || state === TUNNEL) {
        this.sink.onBody(chunk, at, chunk.length);
        break;
      } else if (state === DONE) {
        this.rest = chunk;
        this.restAt = at;
        break;
      } else break;
    }
    this.busy = false;
  }

  private readLength(chunk: Uint8Array, at: number): number {
    const end = Math.min(chunk.length, at + this.remaining);
    this.remaining -= end - at;
    this.sink.onBody(chunk, at, end);
    if (this.remaining === 0) this.endMessage();
    return end;
  }

  private readChunked(chunk: Uint8Array, at: number): number {
    const next = this.chunked.read(chunk, at);
    const fault = this.chunked.fault;
    if (fault !== null) {
      this.fail(fault);
      return chunk.length;
    }
    if (this.chunked.ended && this.state === CHUNKED) {
      this.state = TRAILERS;
      this.section.begin(this.trailers, true);
    }
    return next;
  }

  private endMessage(): void {
    if (this.state === FAILED) return;
    this.state = DONE;
    this.sink.onMessageEnd();
  }

  private readSection(chunk: Uint8Array, at: number): number {
    const { section } = this;
    const next = section.read(chunk, at);
    if (section.fault !== null) {
      this.fail(section.fault);
      return chunk.length;
    }
    if (section.ended) this.endSection();
    return next;
  }

  private endSection(): void {
    if (this.state === TRAILERS) {
      this.endMessage();
      return;
    }
    this.headBytes = this.section.bytes;
    const fault = this.endOfHead();
    if (fault !== null) {
      this.fail(fault);
      return;
    }
    const again = this.anotherHead();
    switch (this.framing) {
      case ByLength:
        this.remaining = this.contentLength;
        this.state = this.contentLength === 0 ? DONE : LENGTH;
        break;
      case ByChunks:
        this.chunked.reset();
        this.state = CHUNKED;
        break;
      case ByClose:
        this.state = UNTIL_CLOSE;
        break;
      case AsTunnel:
        this.state = TUNNEL;
        break;
      default:
        this.state = DONE;
    }
    const state = this.state;
    if (again) {
      this.sink.onHead();
      if (this.failed) return;
      this.state = HEAD;
      this.section.begin(this.headFields(), false);
      return;
    }
    if (state === DONE) {
      this.trailers.clear();
      this.sink.onHead();
      if (this.state === DONE) this.sink.onMessageEnd();
    } else {
      this.trailers.clear();
      this.sink.onHead();
    }
  }
}
