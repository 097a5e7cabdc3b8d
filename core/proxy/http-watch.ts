/**
 * Tells HTTP from anything else by the first bytes of a connection in plain text, however they are cut: what Envoy
 * calls the http_inspector. A request line of HTTP/1 (RFC 9112 3) or the preface of HTTP/2 (RFC 9113 3.4). Judges no
 * request: that is the codecs' business, who are stricter.
 *
 * Laws: the first byte that cannot be HTTP decides, so that another protocol never waits for more than it sends; never
 * more than MAX_LINE bytes and one chunk are kept. Who speaks only after the server has (SMTP, MySQL) says nothing
 * that could be looked at: the listener's timeout is for those.
 */
import { IS_TCHAR } from "../bytes/ascii.ts";
import { GatheredBytes } from "../bytes/gathered-bytes.ts";
import { PREFACE_START } from "../http2/preface.ts";

/** More bytes are needed. */
export const HttpUndecided = 0;
/** Something else. */
export const NotHttp = 1;
/** The rest is HTTP of a version. */
export const IsHttp10 = 2;
export const IsHttp11 = 3;
export const IsHttp2 = 4;
export type HttpVerdict =
  | typeof HttpUndecided
  | typeof NotHttp
  | typeof IsHttp10
  | typeof IsHttp11
  | typeof IsHttp2;

/** What filter chains call them (`application_protocols`), as in Envoy; "" for what is not HTTP. */
export const HTTP_PROTOCOLS = ["", "", "http/1.0", "http/1.1", "h2c"] as const;

/** Bytes of a request line, as in Envoy. */
const MAX_LINE = 8192;
const MAX_METHOD = 32;
const VERSION = "HTTP/1.";

/** Where the reader is. */
const METHOD = 0;
const TARGET = 1;
const PROTOCOL = 2;
const LINE_END = 3;

export class HttpWatch {
  private readonly gathered = new GatheredBytes(MAX_LINE);
  private at = 0;
  private part = METHOD;
  /** Where the part began. */
  private start = 0;
  private minor = 0;

  /** Everything that was fed, for whoever speaks on the connection. */
  get bytes(): Uint8Array {
    return this.gathered.bytes;
  }

  /** Looks at the next chunk, which is not changed and may be kept. */
  feed(chunk: Uint8Array): HttpVerdict {
    this.gathered.append(chunk);
    const { buffer, length } = this.gathered;
    while (this.at < length) {
      const verdict = this.step(buffer[this.at]);
      if (verdict !== HttpUndecided) return verdict;
      this.at++;
      if (this.at === MAX_LINE) return NotHttp;
    }
    return HttpUndecided;
  }

  private step(byte: number): HttpVerdict {
    const offset = this.at - this.start;
    switch (this.part) {
      case METHOD:
        if (byte === 0x20 && offset > 0) return this.enter(TARGET);
        return IS_TCHAR[byte] === 1 && offset < MAX_METHOD ? HttpUndecided : NotHttp;
      case TARGET:
        if (byte === 0x20 && offset > 0) return this.enter(PROTOCOL);
        return byte > 0x20 && byte !== 0x7f ? HttpUndecided : NotHttp;
      case PROTOCOL:
        if (offset < VERSION.length) {
          if (byte === VERSION.charCodeAt(offset)) return HttpUndecided;
          return this.isPreface(byte) ? IsHttp2 : NotHttp;
        }
        if (byte !== 0x30 && byte !== 0x31) return NotHttp;
        this.minor = byte - 0x30;
        return this.enter(LINE_END);
      default:
        if (byte !== 0x0d && byte !== 0x0a) return NotHttp;
        return this.minor === 1 ? IsHttp11 : IsHttp10;
    }
  }

  private enter(part: number): HttpVerdict {
    this.part = part;
    this.start = this.at + 1;
    return HttpUndecided;
  }

  /** "PRI * HTTP/2": no request of HTTP/1 has that version. */
  private isPreface(byte: number): boolean {
    if (byte !== 0x32 || this.at !== PREFACE_START.length - 1) return false;
    const { buffer } = this.gathered;
    for (let i = 0; i < this.at; i++) if (buffer[i] !== PREFACE_START.charCodeAt(i)) return false;
    return true;
  }
}
