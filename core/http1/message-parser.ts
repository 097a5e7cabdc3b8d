/**
 * Reads a sequence of HTTP/1 messages from chunks of any size (RFC 9112), without a socket, a clock or an
 * exception. What differs between requests and responses is in the two subclasses; the body is in chunked.ts.
 *
 * Laws:
 * - One framing decision per message, made once, when the head is complete. In doubt: a fault.
 * - The outcome does not depend on how the bytes were split.
 * - Body bytes are never copied: they are handed on as ranges of the chunk they came in. A head is copied only
 *   if it spans chunks (a token across a seam), and then counted.
 * - After a fault nothing more is reported. Each call consumes all it is given or stops at a message's end.
 *
 *        ┌──────────────── next() ────────────────┐
 *        ▼                                        │
 *   START ─line─▶ FIELDS ─empty line─▶ BODY ─▶ DONE        any state ─▶ FAILED
 *        ▲            │  └─ 1xx ─┐      ├ LENGTH            BODY can also be
 *        └────────────┼──────────┘      ├ CHUNKED ─▶ TRAILERS ─▶ DONE
 *                     └─ no body ─▶ DONE├ UNTIL_CLOSE ─ end ─▶ DONE
 *                                       └ TUNNEL (raw bytes until the end)
 */
import { IS_FIELD_VALUE, IS_TCHAR } from "../bytes/ascii.ts";
import type { Fault } from "../errors.ts";
import type { Fields } from "../http/fields.ts";
import { ChunkedDecoder } from "./chunked.ts";
import type { FaultTable } from "./faults.ts";
import type { Http1Limits } from "./limits.ts";

const START = 0;
const FIELDS = 1;
const LENGTH = 2;
const CHUNKED = 3;
const TRAILERS = 4;
const UNTIL_CLOSE = 5;
const TUNNEL = 6;
const DONE = 7;
const FAILED = 8;

/** How the end of a body is found. */
export const NoBody = 0;
export const ByLength = 1;
export const ByChunks = 2;
export const ByClose = 3;
/** The connection is no longer HTTP: CONNECT or a switched protocol. */
export const AsTunnel = 4;
export type Framing = typeof NoBody | typeof ByLength | typeof ByChunks | typeof ByClose | typeof AsTunnel;

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

/** Counts bytes copied because a token spanned two chunks. */
export interface CopyCounter {
  copiedBytes: number;
}

const CR = 13;
const LF = 10;
const NO_BYTES = new Uint8Array(0);
/** IS_TCHAR with a second bit for "_". */
const NAME_BYTE = IS_TCHAR.map((tchar, byte) => (byte === 0x5f ? 3 : tchar));

export abstract class MessageParser {
  framing: Framing = NoBody;
  /** Declared length when `framing === ByLength`. */
  contentLength = 0;
  abstract readonly trailers: Fields;
  /** Bytes of the current head, line ends included. */
  headBytes = 0;

  /** A name of the current section contains "_" (row L15). */
  protected underscores = false;
  protected readonly sink: MessageSink;
  protected readonly limits: Http1Limits;
  protected readonly faults: FaultTable;
  private readonly copied: CopyCounter;
  private readonly chunked: ChunkedDecoder;

  private state = START;
  private remaining = 0;
  private blankLines = 0;
  /** The section being read: the head's fields or the trailers. */
  private section: Fields;
  private sectionBytes = 0;
  /** Bytes of a section that spans chunks; null while everything is in one chunk. */
  private carry: Uint8Array | null = null;
  private carryLength = 0;
  /** Where the unfinished line begins in `carry`. */
  private carryLine = 0;
  /** Up to where the unfinished line was already looked at: work stays linear, byte by byte too. */
  private carrySeen = 0;
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
    this.copied = copied;
    this.section = fields;
    this.chunked = new ChunkedDecoder(sink, faults);
  }

  /** True between messages: nothing of the next one has been read. */
  get idle(): boolean {
    return (
      this.state === START &&
      this.sectionBytes === 0 &&
      this.carryLength === this.carryLine &&
      this.restLength === 0
    );
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
    this.state = START;
    this.blankLines = 0;
    this.framing = NoBody;
    this.begin(this.headFields());
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
    this.carry = null;
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
  protected abstract startLine(bytes: Uint8Array, start: number, end: number): Fault | null;
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

  private begin(section: Fields): void {
    section.clear();
    this.section = section;
    this.sectionBytes = 0;
    this.carry = null;
    this.carryLength = 0;
    this.carryLine = 0;
    this.carrySeen = 0;
    this.underscores = false;
  }

  private run(chunk: Uint8Array, from: number): void {
    this.busy = true;
    let at = from;
    while (at < chunk.length) {
      const state = this.state;
      if (state === START || state === FIELDS || state === TRAILERS) at = this.readSection(chunk, at);
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
      this.begin(this.trailers);
    }
    return next;
  }

  private endMessage(): void {
    if (this.state === FAILED) return;
    this.state = DONE;
    this.sink.onMessageEnd();
  }

  /** Reads lines of a head or trailer section; returns where it stopped in `chunk`. */
  private readSection(chunk: Uint8Array, at: number): number {
    if (this.carry === null) {
      if (this.sectionBytes === 0 && this.state !== FIELDS) this.section.bytes = chunk;
      const stop = this.readLines(chunk, at, chunk.length);
      if (stop >= 0) return stop; // the section ended, or failed
      const from = -stop - 1;
      // The rest is an unfinished line: from here on the section lives in a buffer of its own.
      this.carry = NO_BYTES;
      this.append(chunk, at, chunk.length);
      this.rebase(at);
      this.carryLine = from - at;
      this.checkPartial();
      return chunk.length;
    }
    // Line by line, so that no body byte is ever copied.
    let line = at;
    for (;;) {
      let lf = line;
      while (lf < chunk.length && chunk[lf] !== LF) lf++;
      const end = lf < chunk.length ? lf + 1 : lf;
      this.append(chunk, line, end);
      if (lf === chunk.length) {
        this.checkPartial();
        return end;
      }
      const stop = this.readLines(this.carry, this.carryLine, this.carryLength);
      if (stop >= 0) return this.state === FAILED ? chunk.length : end;
      this.carryLine = -stop - 1;
      line = end;
      if (line === chunk.length) return line;
    }
  }

  private append(chunk: Uint8Array, start: number, end: number): void {
    const length = end - start;
    let carry = this.carry as Uint8Array;
    if (this.carryLength + length > carry.length) {
      const grown = new Uint8Array(Math.max(1024, (this.carryLength + length) * 2));
      grown.set(carry.subarray(0, this.carryLength));
      this.carry = carry = grown;
      this.section.bytes = grown;
    }
    for (let i = start, j = this.carryLength; i < end; i++, j++) carry[j] = chunk[i];
    this.carryLength += length;
    this.copied.copiedBytes += length;
  }

  /** Moves the offsets of fields that were already read, now that their bytes begin at 0. */
  private rebase(start: number): void {
    const { spans, slots } = this.section;
    for (let i = 0; i < slots * 4; i++) spans[i] -= start;
    this.section.bytes = this.carry as Uint8Array;
  }

  /** Limits and hopeless bytes are found before a line is complete, so that nobody can make us wait for them. */
  private checkPartial(): void {
    const carry = this.carry as Uint8Array;
    const start = this.carryLine;
    const length = this.carryLength - start;
    if (this.state === START) {
      const first = carry[start];
      if (length > 0 && IS_TCHAR[first] === 0 && first !== CR) {
        this.fail(this.faults.start_line);
        return;
      }
      if (length > this.limits.maxStartLineBytes) {
        this.fail(this.faults.uri_too_long);
        return;
      }
    }
    if (this.sectionBytes + length > this.maxSectionBytes()) {
      this.fail(this.state === TRAILERS ? this.faults.trailers_too_large : this.faults.head_too_large);
      return;
    }
    let i = Math.max(start, this.carrySeen);
    this.carrySeen = this.carryLength;
    for (; i < this.carryLength; i++) {
      const byte = carry[i];
      if (IS_FIELD_VALUE[byte] === 0 && byte !== CR) {
        this.fail(this.state === START ? this.faults.start_line : this.faults.field_value);
        return;
      }
    }
  }

  private maxSectionBytes(): number {
    return this.state === TRAILERS ? this.limits.maxTrailerBytes : this.limits.maxHeadBytes;
  }

  /**
   * Reads complete lines of `bytes[at, end)`. Returns the offset after the section if it ended (or failed), or
   * `-offset - 1` of the unfinished line.
   */
  private readLines(bytes: Uint8Array, at: number, end: number): number {
    let line = at;
    if (this.state === START) {
      line = this.readStartLine(bytes, at, end);
      const stage = this.state as number;
      if (stage !== FIELDS) return stage === FAILED ? end : line;
    }
    const trailers = this.state === TRAILERS;
    const maxBytes = this.maxSectionBytes();
    const maxFields = trailers ? this.limits.maxTrailerFields : this.limits.maxFields;
    const fields = this.section;
    const faults = this.faults;
    for (;;) {
      let p = line;
      let seen = 0;
      for (; p < end; p++) {
        const kind = NAME_BYTE[bytes[p]];
        if (kind === 0) break;
        seen |= kind;
      }
      if (p >= end) return -line - 1;
      const nameEnd = p;
      if (bytes[p] !== 0x3a || p === line) {
        if (p === line && bytes[p] === CR) {
          if (p + 1 >= end) return -line - 1;
          if (bytes[p + 1] !== LF) return this.refuse(faults.bare_cr, bytes, p + 1, end, line);
          this.sectionBytes += 2;
          return this.endSection(p + 2);
        }
        return this.refuse(this.nameFault(bytes, line, p), bytes, p, end, line);
      }
      p++;
      while (p < end && (bytes[p] === 0x20 || bytes[p] === 9)) p++;
      const valueStart = p;
      while (p < end && IS_FIELD_VALUE[bytes[p]] === 1) p++;
      if (p >= end) return -line - 1;
      if (bytes[p] !== CR) {
        return this.refuse(bytes[p] === LF ? faults.bare_lf : faults.field_value, bytes, p, end, line);
      }
      if (p + 1 >= end) return -line - 1;
      if (bytes[p + 1] !== LF) return this.refuse(faults.bare_cr, bytes, p + 1, end, line);
      let valueEnd = p;
      while (valueEnd > valueStart && (bytes[valueEnd - 1] === 0x20 || bytes[valueEnd - 1] === 9)) valueEnd--;
      this.sectionBytes += p + 2 - line;
      if (this.sectionBytes > maxBytes) {
        this.fail(trailers ? faults.trailers_too_large : faults.head_too_large);
        return end;
      }
      if (nameEnd - line > this.limits.maxNameBytes || valueEnd - valueStart > this.limits.maxValueBytes) {
        this.fail(trailers ? faults.trailers_too_large : faults.head_too_large);
        return end;
      }
      if (fields.count >= maxFields) {
        this.fail(trailers ? faults.trailers_too_large : faults.too_many_fields);
        return end;
      }
      fields.push(line, nameEnd, valueStart, valueEnd);
      if ((seen & 2) !== 0) this.underscores = true;
      line = p + 2;
      if (line >= end) return -line - 1;
    }
  }

  /** Reads the start line; afterwards the state says whether it is there (FIELDS), unfinished (START) or bad. */
  private readStartLine(bytes: Uint8Array, at: number, end: number): number {
    let line = at;
    // Row L5: a few empty lines before the request line are forgiven, CRLF only.
    while (line < end && bytes[line] === CR) {
      if (line + 1 >= end) return -line - 1;
      if (bytes[line + 1] !== LF || ++this.blankLines > this.limits.maxLeadingBlankLines) {
        return this.refuse(this.faults.start_line, bytes, line + 1, end, line);
      }
      line += 2;
    }
    if (line >= end) return -line - 1;
    if (IS_TCHAR[bytes[line]] === 0) {
      this.fail(this.faults.start_line);
      return end;
    }
    let p = line;
    while (p < end && IS_FIELD_VALUE[bytes[p]] === 1) p++;
    if (p - line > this.limits.maxStartLineBytes) {
      this.fail(this.faults.uri_too_long);
      return end;
    }
    if (p >= end) return -line - 1;
    if (bytes[p] !== CR) {
      return this.refuse(bytes[p] === LF ? this.faults.bare_lf : this.faults.start_line, bytes, p, end, line);
    }
    if (p + 1 >= end) return -line - 1;
    if (bytes[p + 1] !== LF) return this.refuse(this.faults.bare_cr, bytes, p + 1, end, line);
    const fault = this.startLine(bytes, line, p);
    if (fault !== null) {
      this.fail(fault);
      return end;
    }
    this.sectionBytes = p + 2 - line;
    this.state = FIELDS;
    return p + 2;
  }

  /** A bad byte: a fault if its line is complete or the byte can never be right, else wait for the line's end. */
  private refuse(fault: Fault, bytes: Uint8Array, bad: number, end: number, line: number): number {
    const byte = bytes[bad];
    let complete = IS_FIELD_VALUE[byte] === 0 && byte !== CR;
    for (let i = bad; i < end && !complete; i++) complete = bytes[i] === LF;
    if (!complete) return -line - 1;
    this.fail(fault);
    return end;
  }

  private nameFault(bytes: Uint8Array, line: number, bad: number): Fault {
    const byte = bytes[bad];
    if (bad === line && (byte === 0x20 || byte === 9)) {
      return this.section.count === 0 ? this.faults.leading_whitespace : this.faults.obs_fold;
    }
    if (byte === 0x20 || byte === 9) return this.faults.space_before_colon;
    if (byte === LF) return this.faults.bare_lf;
    if (byte === CR) return this.faults.missing_colon;
    return this.faults.field_name;
  }

  private endSection(at: number): number {
    if (this.state === TRAILERS) {
      this.endMessage();
      return at;
    }
    this.headBytes = this.sectionBytes;
    const fault = this.endOfHead();
    if (fault !== null) {
      this.fail(fault);
      return at;
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
      if (this.failed) return at;
      this.state = START;
      this.begin(this.headFields());
      return at;
    }
    if (state === DONE) {
      this.trailers.clear();
      this.sink.onHead();
      if (this.state === DONE) this.sink.onMessageEnd();
    } else {
      this.trailers.clear();
      this.sink.onHead();
    }
    return at;
  }
}
