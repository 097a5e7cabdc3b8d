/**
 * Reads the lines of a head or trailer section (RFC 9112 2.2, 5, 6.5) into `Fields`, from chunks of any size.
 *
 * Laws:
 * - While a section lies in one chunk its fields point into that chunk. Once it spans chunks it is copied, line by
 *   line, into a buffer of its own (a token across a seam; counted), and never a byte that belongs to the body.
 * - A bad byte is a fault as soon as its line is complete, or at once if the byte can never be right: so the
 *   outcome does not depend on how the bytes were split, and nobody can make us wait for a hopeless line.
 * - Work is linear in the bytes, byte by byte too; limits hold for unfinished lines.
 */
import { IS_FIELD_VALUE, IS_TCHAR } from "../bytes/ascii.ts";
import type { Fault } from "../errors.ts";
import type { Fields } from "../http/fields.ts";
import { type FaultTable, RESPONSE_FAULTS } from "./faults.ts";
import type { Http1Limits } from "./limits.ts";

/** Counts bytes copied because a token spanned two chunks. */
export interface CopyCounter {
  copiedBytes: number;
}

/** Reads the start line in `bytes[start, end)`, without CRLF. */
export interface StartLineReader {
  startLine(bytes: Uint8Array, start: number, end: number): Fault | null;
}

const CR = 13;
const LF = 10;
const NO_BYTES = new Uint8Array(0);
/** IS_TCHAR with a second bit for "_". */
const NAME_BYTE = IS_TCHAR.map((tchar, byte) => (byte === 0x5f ? 3 : tchar));

export class SectionReader {
  /** The section is complete; its fields are where `begin` said. */
  ended = false;
  /** What is wrong with it; final. */
  fault: Fault | null = null;
  /** Bytes of the lines read so far, line ends included. */
  bytes = 0;
  /** A name contains "_" (row L15). */
  underscores = false;

  private readonly limits: Http1Limits;
  private readonly faults: FaultTable;
  private readonly copied: CopyCounter;
  private readonly starter: StartLineReader;
  /** Row L10: white space before the colon is stripped from responses and refused in requests. */
  private readonly lenientColon: boolean;
  private fields: Fields;
  private trailers = false;
  /** The start line has not been read yet. */
  private atStart = true;
  private blankLines = 0;
  /** Holds a section that spans chunks; null while everything is in one chunk. */
  private carry: Uint8Array | null = null;
  private carryLength = 0;
  /** Where the unfinished line begins in `carry`. */
  private carryLine = 0;
  /** Up to where the unfinished line was already looked at. */
  private carrySeen = 0;

  constructor(
    starter: StartLineReader,
    limits: Http1Limits,
    faults: FaultTable,
    fields: Fields,
    copied: CopyCounter,
  ) {
    this.starter = starter;
    this.limits = limits;
    this.faults = faults;
    this.lenientColon = faults === RESPONSE_FAULTS;
    this.fields = fields;
    this.copied = copied;
  }

  /** True if nothing of the section has arrived, empty lines before a start line aside. */
  get untouched(): boolean {
    return this.bytes === 0 && this.carryLength === this.carryLine;
  }

  /** Bytes of an unfinished section that are kept here. */
  get heldBytes(): number {
    return this.ended ? 0 : this.carryLength;
  }

  /** Begins a head (with a start line) or a trailer section, whose fields go to `fields`. */
  begin(fields: Fields, trailers: boolean): void {
    fields.clear();
    this.fields = fields;
    this.trailers = trailers;
    this.atStart = !trailers;
    this.blankLines = 0;
    this.ended = false;
    this.bytes = 0;
    this.carry = null;
    this.carryLength = 0;
    this.carryLine = 0;
    this.carrySeen = 0;
    this.underscores = false;
  }

  /** Reads from `at`; returns where it stopped: the end of the chunk, or the byte after the section. */
  read(chunk: Uint8Array, at: number): number {
    if (this.carry === null) {
      this.fields.bytes = chunk;
      const stop = this.readLines(chunk, at, chunk.length);
      if (stop >= 0) return stop;
      // The rest is an unfinished line: from here on the section lives in a buffer of its own.
      this.carry = NO_BYTES;
      this.append(chunk, at, chunk.length);
      this.rebase(at);
      this.carryLine = -stop - 1 - at;
      this.checkPartial();
      return chunk.length;
    }
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
      if (stop >= 0) return end;
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
      this.fields.bytes = grown;
    }
    for (let i = start, j = this.carryLength; i < end; i++, j++) carry[j] = chunk[i];
    this.carryLength += length;
    this.copied.copiedBytes += length;
  }

  /** Moves the offsets of fields that were already read, now that their bytes begin at 0. */
  private rebase(start: number): void {
    const { spans, slots } = this.fields;
    for (let i = 0; i < slots * 4; i++) spans[i] -= start;
    this.fields.bytes = this.carry as Uint8Array;
  }

  /** Limits and hopeless bytes are found before a line is complete, so that nobody can make us wait for them. */
  private checkPartial(): void {
    const carry = this.carry as Uint8Array;
    const start = this.carryLine;
    const length = this.carryLength - start;
    if (this.atStart) {
      const first = carry[start];
      if (length > 0 && IS_TCHAR[first] === 0 && first !== CR) {
        this.refuseNow(this.faults.start_line);
        return;
      }
      // One more for the CR of a line that just fits: it must not matter where the bytes were cut.
      if (length > this.limits.maxStartLineBytes + 1) {
        this.refuseNow(this.faults.uri_too_long);
        return;
      }
    }
    if (this.bytes + length > this.maxBytes()) {
      this.refuseNow(this.trailers ? this.faults.trailers_too_large : this.faults.head_too_large);
      return;
    }
    let i = Math.max(start, this.carrySeen);
    this.carrySeen = this.carryLength;
    for (; i < this.carryLength; i++) {
      const byte = carry[i];
      if (IS_FIELD_VALUE[byte] === 0 && byte !== CR) {
        this.refuseNow(this.atStart ? this.faults.start_line : this.faults.field_value);
        return;
      }
    }
  }

  private maxBytes(): number {
    return this.trailers ? this.limits.maxTrailerBytes : this.limits.maxHeadBytes;
  }

  /**
   * Reads complete lines of `bytes[at, end)`. Returns the offset after the section if it ended (or failed), or
   * `-offset - 1` of the unfinished line.
   */
  private readLines(bytes: Uint8Array, at: number, end: number): number {
    let line = at;
    if (this.atStart) {
      line = this.readStartLine(bytes, at, end);
      if (line < 0 || this.fault !== null) return line;
    }
    const { trailers } = this;
    const maxBytes = this.maxBytes();
    const maxFields = trailers ? this.limits.maxTrailerFields : this.limits.maxFields;
    const fields = this.fields;
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
      if (this.lenientColon && p > line) while (p < end && (bytes[p] === 0x20 || bytes[p] === 9)) p++;
      if (p >= end) return -line - 1;
      if (bytes[p] !== 0x3a || p === line) {
        if (p === line && bytes[p] === CR) {
          if (p + 1 >= end) return -line - 1;
          if (bytes[p + 1] !== LF) return this.refuse(faults.bare_cr, bytes, p + 1, end, line);
          this.bytes += 2;
          if (this.bytes > maxBytes) {
            this.refuseNow(trailers ? faults.trailers_too_large : faults.head_too_large);
            return end;
          }
          this.ended = true;
          return p + 2;
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
      this.bytes += p + 2 - line;
      if (this.bytes > maxBytes) {
        this.refuseNow(trailers ? faults.trailers_too_large : faults.head_too_large);
        return end;
      }
      if (nameEnd - line > this.limits.maxNameBytes || valueEnd - valueStart > this.limits.maxValueBytes) {
        this.refuseNow(trailers ? faults.trailers_too_large : faults.head_too_large);
        return end;
      }
      if (fields.count >= maxFields) {
        this.refuseNow(trailers ? faults.trailers_too_large : faults.too_many_fields);
        return end;
      }
      fields.push(line, nameEnd, valueStart, valueEnd);
      if ((seen & 2) !== 0) this.underscores = true;
      line = p + 2;
      if (line >= end) return -line - 1;
    }
  }

  /** Reads the start line; returns as `readLines` does. */
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
      this.refuseNow(this.faults.start_line);
      return end;
    }
    let p = line;
    while (p < end && IS_FIELD_VALUE[bytes[p]] === 1) p++;
    if (p - line > this.limits.maxStartLineBytes) {
      this.refuseNow(this.faults.uri_too_long);
      return end;
    }
    if (p >= end) return -line - 1;
    if (bytes[p] !== CR) {
      return this.refuse(bytes[p] === LF ? this.faults.bare_lf : this.faults.start_line, bytes, p, end, line);
    }
    if (p + 1 >= end) return -line - 1;
    if (bytes[p + 1] !== LF) return this.refuse(this.faults.bare_cr, bytes, p + 1, end, line);
    const fault = this.starter.startLine(bytes, line, p);
    if (fault !== null) {
      this.refuseNow(fault);
      return end;
    }
    this.bytes = p + 2 - line;
    this.atStart = false;
    return p + 2;
  }

  /** A bad byte: a fault if its line is complete or the byte can never be right, else wait for the line's end. */
  private refuse(fault: Fault, bytes: Uint8Array, bad: number, end: number, line: number): number {
    const byte = bytes[bad];
    let complete = IS_FIELD_VALUE[byte] === 0 && byte !== CR;
    for (let i = bad; i < end && !complete; i++) complete = bytes[i] === LF;
    if (!complete) return -line - 1;
    this.refuseNow(fault);
    return end;
  }

  private nameFault(bytes: Uint8Array, line: number, bad: number): Fault {
    const byte = bytes[bad];
    if (bad === line && (byte === 0x20 || byte === 9)) {
      return this.fields.count === 0 ? this.faults.leading_whitespace : this.faults.obs_fold;
    }
    if (byte === 0x20 || byte === 9) return this.faults.space_before_colon;
    if (byte === LF) return this.faults.bare_lf;
    if (byte === CR) return this.faults.missing_colon;
    return this.faults.field_name;
  }

  private refuseNow(fault: Fault): void {
    this.fault ??= fault;
  }
}
