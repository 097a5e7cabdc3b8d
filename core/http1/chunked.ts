/**
 * The chunked coding (RFC 9112 7.1), decoded strictly: sizes are 1–8 significant hex digits ended by CRLF,
 * extensions follow the grammar, are bounded and are dropped. Data is handed on as ranges of the chunk it came
 * in; the trailer section belongs to the caller.
 *
 *   SIZE ─CR─▶ SIZE_LF ─▶ DATA ─▶ DATA_CR ─▶ DATA_LF ─▶ SIZE        size 0 ─▶ ended
 *    └─;─▶ EXT_NAME ─=─▶ EXT_VALUE ─"─▶ QUOTED ⇄ ESCAPE, ─"─▶ QUOTED_END, each back to ; or CR
 */
import { HEX, IS_FIELD_VALUE, IS_TCHAR } from "../bytes/ascii.ts";
import type { Fault } from "../errors.ts";
import type { FaultTable } from "./faults.ts";

const SIZE = 0;
const SIZE_LF = 1;
const DATA = 2;
const DATA_CR = 3;
const DATA_LF = 4;
const EXT_NAME = 5;
const EXT_VALUE = 6;
const QUOTED = 7;
const ESCAPE = 8;
const QUOTED_END = 9;

/** Digits of a size line, leading zeros included. */
const MAX_SIZE_DIGITS = 16;
/** Bytes of extensions on one line and in one message. */
const MAX_LINE_EXTENSION = 256;
const MAX_MESSAGE_EXTENSION = 4096;

export interface ChunkSink {
  onBody(bytes: Uint8Array, start: number, end: number): void;
}

export class ChunkedDecoder {
  /** The last chunk was read; trailers follow. */
  ended = false;
  /** Set when the coding is broken; final. */
  fault: Fault | null = null;
  private readonly sink: ChunkSink;
  private readonly faults: FaultTable;
  private state = SIZE;
  private size = 0;
  private digits = 0;
  private tokens = 0;
  private lineExtension = 0;
  private messageExtension = 0;

  constructor(sink: ChunkSink, faults: FaultTable) {
    this.sink = sink;
    this.faults = faults;
  }

  /** Begins a new body. */
  reset(): void {
    this.ended = false;
    this.fault = null;
    this.messageExtension = 0;
    this.beginSize();
  }

  /** Bytes of data that come before the next line of the coding. */
  get dataAhead(): number {
    return this.state === DATA && !this.ended ? this.size : 0;
  }

  /** Tells nothing more, also when called from within `onBody`. */
  stop(): void {
    this.ended = true;
  }

  /** Decodes from `at`; returns where it stopped: the end of the chunk, or the byte after the last chunk's line. */
  read(bytes: Uint8Array, at: number): number {
    const end = bytes.length;
    let p = at;
    while (p < end) {
      if (this.state === DATA) {
        const stop = Math.min(end, p + this.size);
        this.size -= stop - p;
        if (this.size === 0) this.state = DATA_CR;
        this.sink.onBody(bytes, p, stop);
        if (this.ended) return end;
        p = stop;
        continue;
      }
      const byte = bytes[p++];
      switch (this.state) {
        case SIZE: {
          const digit = HEX[byte];
          if (digit !== 255) {
            // Multiplied, not shifted: a 32-bit wrap turned 100000004 into 4 elsewhere (CVE-2026-42580).
            this.size = this.size * 16 + digit;
            if (++this.digits > MAX_SIZE_DIGITS || this.size > 0xffffffff)
              return this.broken(this.faults.chunk_size, end);
          } else if (this.digits === 0) return this.broken(this.faults.chunk_size, end);
          else if (byte === 13) this.state = SIZE_LF;
          else if (byte === 0x3b) this.beginExtension();
          else return this.broken(byte === 10 ? this.faults.chunk_line_end : this.faults.chunk_size, end);
          break;
        }
        case SIZE_LF:
          if (byte !== 10) return this.broken(this.faults.chunk_line_end, end);
          if (this.size === 0) {
            this.ended = true;
            return p;
          }
          this.state = DATA;
          break;
        case DATA_CR:
          if (byte !== 13) return this.broken(this.faults.chunk_data_end, end);
          this.state = DATA_LF;
          break;
        case DATA_LF:
          if (byte !== 10) return this.broken(this.faults.chunk_data_end, end);
          this.beginSize();
          break;
        default:
          if (!this.extension(byte)) return this.broken(this.faults.chunk_extension, end);
      }
    }
    return end;
  }

  private beginSize(): void {
    this.state = SIZE;
    this.size = 0;
    this.digits = 0;
    this.lineExtension = 0;
  }

  private beginExtension(): void {
    this.state = EXT_NAME;
    this.tokens = 0;
  }

  private broken(fault: Fault, end: number): number {
    this.fault = fault;
    return end;
  }

  /** One byte of an extension; false if the grammar or a limit is broken. */
  private extension(byte: number): boolean {
    if (++this.lineExtension > MAX_LINE_EXTENSION) return false;
    if (++this.messageExtension > MAX_MESSAGE_EXTENSION) return false;
    switch (this.state) {
      case EXT_NAME:
        if (IS_TCHAR[byte] === 1) this.tokens++;
        else if (this.tokens === 0) return false;
        else if (byte === 0x3d) {
          this.state = EXT_VALUE;
          this.tokens = 0;
        } else return this.endExtension(byte);
        return true;
      case EXT_VALUE:
        if (IS_TCHAR[byte] === 1) this.tokens++;
        else if (byte === 0x22 && this.tokens === 0) this.state = QUOTED;
        else if (this.tokens === 0) return false;
        else return this.endExtension(byte);
        return true;
      case QUOTED:
        if (byte === 0x22) this.state = QUOTED_END;
        else if (byte === 0x5c) this.state = ESCAPE;
        else return IS_FIELD_VALUE[byte] === 1;
        return true;
      case ESCAPE:
        this.state = QUOTED;
        return IS_FIELD_VALUE[byte] === 1;
      default: // QUOTED_END
        return this.endExtension(byte);
    }
  }

  private endExtension(byte: number): boolean {
    if (byte === 13) this.state = SIZE_LF;
    else if (byte === 0x3b) this.beginExtension();
    else return false;
    return true;
  }
}
