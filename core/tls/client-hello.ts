/**
 * Tells TLS from anything else by the first bytes of a connection, however they are cut, and reads what its
 * ClientHello asks for (RFC 8446 4.1.2, RFC 5246 7.4.1.2): server name, application protocols, versions. What
 * Envoy calls the tls_inspector. Knows no socket: whoever holds the bytes gives them on to the TLS engine.
 *
 * Laws: every byte is looked at once before the message is whole and once after; never more than `limit` bytes are
 * kept; after a verdict other than `Undecided` nothing is fed any more.
 *
 *   first bytes                                   verdict
 *   22, 3, any, length 1 … 16384, 1 (ClientHello)  TLS from here on: a hello, or `BadHello`
 *   anything else, an SSLv2 hello among it         NotTls
 */
import { latin1, lowerCase } from "../bytes/ascii.ts";
import { GatheredBytes } from "../bytes/gathered-bytes.ts";

/** More bytes are needed. */
export const Undecided = 0;
/** Something else: plain text, as far as this goes. */
export const NotTls = 1;
/** A whole ClientHello was read. */
export const ClientHello = 2;
/** TLS that makes no sense, or is too long; `fault` says which. To be closed: nothing else begins like that. */
export const BadHello = 3;
export type HelloVerdict = typeof Undecided | typeof NotTls | typeof ClientHello | typeof BadHello;

/** Bytes that a ClientHello and its records may have, as in Envoy (`max_client_hello_size`). */
export const MAX_CLIENT_HELLO = 16 * 1024;

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const RECORD_HEADER = 5;
/** RFC 8446 5.1. */
const MAX_FRAGMENT = 1 << 14;

const SERVER_NAME = 0;
const ALPN = 16;
const SUPPORTED_VERSIONS = 43;
/** Extensions that one hello may have; clients send about twenty. */
const MAX_EXTENSIONS = 256;

export class ClientHelloWatch {
  /** Why it is `BadHello`, for logs. */
  fault = "";
  /** Lower case, "" if the client named none. Visible ASCII. */
  serverName = "";
  /** What the client offers by ALPN, in its order; byte strings. */
  applicationProtocols: readonly string[] = [];
  /** The versions that it offers, e.g. 0x0304 for TLS 1.3; those that nobody knows (RFC 8701) among them. */
  versions: readonly number[] = [];

  private readonly limit: number;
  private readonly kept: GatheredBytes;
  /** Where the next record header begins. */
  private record = 0;
  /** Parts of the message: pairs of start and end in `buffer`, one for each record that is whole. */
  private readonly parts: number[] = [];
  private gathered = 0;

  /** `limit`: bytes. */
  constructor(limit = MAX_CLIENT_HELLO) {
    this.limit = limit;
    this.kept = new GatheredBytes(limit);
  }

  /** Everything that was fed, for whoever speaks on the connection. */
  get bytes(): Uint8Array {
    return this.kept.bytes;
  }

  /** Looks at the next chunk, which is not changed and may be kept. */
  feed(chunk: Uint8Array): HelloVerdict {
    this.kept.append(chunk);
    const { buffer, length } = this.kept;
    if (buffer[0] !== HANDSHAKE || (length > 1 && buffer[1] !== 3)) return NotTls;
    if (length > 4) {
      const size = (buffer[3] << 8) | buffer[4];
      if (size === 0 || size > MAX_FRAGMENT) return NotTls;
    }
    if (length > RECORD_HEADER && buffer[RECORD_HEADER] !== CLIENT_HELLO) return NotTls;
    return this.readRecords();
  }

  private readRecords(): HelloVerdict {
    const { parts, kept } = this;
    const { buffer, length } = kept;
    while (length >= this.record + RECORD_HEADER) {
      const at = this.record;
      if (buffer[at] !== HANDSHAKE || buffer[at + 1] !== 3)
        return this.bad("another record inside the hello");
      const size = (buffer[at + 3] << 8) | buffer[at + 4];
      if (size === 0 || size > MAX_FRAGMENT) return this.bad("a record of a forbidden length");
      const start = at + RECORD_HEADER;
      const end = start + size;
      // The length is in the first four bytes of the message, which may be torn over records.
      const total = this.messageLength(start, Math.min(end, length));
      if (total >= 0 && total + RECORD_HEADER > this.limit) return this.bad("too large");
      if (total >= 0 && this.gathered + Math.min(end, length) - start >= total) {
        parts.push(start, start + total - this.gathered);
        return this.readMessage();
      }
      if (end > length) break;
      parts.push(start, end);
      this.gathered += size;
      this.record = end;
    }
    return length >= this.limit ? this.bad("too large") : Undecided;
  }

  /** Bytes of the message with its header, or -1 if its length has not come; `[start, end)` follows `parts`. */
  private messageLength(start: number, end: number): number {
    let value = 0;
    let seen = 0;
    const { parts, kept } = this;
    const { buffer } = kept;
    for (let part = 0; part <= parts.length; part += 2) {
      const from = part < parts.length ? parts[part] : start;
      const to = part < parts.length ? parts[part + 1] : end;
      for (let i = from; i < to; i++) {
        if (seen > 0) value = (value << 8) | buffer[i];
        if (++seen === 4) return 4 + value;
      }
    }
    return -1;
  }

  private readMessage(): HelloVerdict {
    const { parts, kept } = this;
    const { buffer } = kept;
    let message = buffer.subarray(parts[0], parts[1]);
    if (parts.length > 2) {
      const joined = new Uint8Array(this.limit);
      let at = 0;
      for (let part = 0; part < parts.length; part += 2) {
        joined.set(buffer.subarray(parts[part], parts[part + 1]), at);
        at += parts[part + 1] - parts[part];
      }
      message = joined.subarray(0, at);
    }
    const fault = this.readHello(message);
    return fault === "" ? ClientHello : this.bad(fault);
  }

  private bad(fault: string): HelloVerdict {
    this.fault = fault;
    return BadHello;
  }

  /** "" or what is wrong. `hello` begins with the header of the message. */
  private readHello(hello: Uint8Array): string {
    const end = hello.length;
    let at = 4 + 2 + 32;
    if (at + 1 > end) return "cut short";
    const version = (hello[4] << 8) | hello[5];
    if (hello[at] > 32) return "a session id of more than 32 bytes";
    at += 1 + hello[at];
    if (at + 2 > end) return "cut short";
    const suites = (hello[at] << 8) | hello[at + 1];
    if (suites === 0 || suites % 2 !== 0) return "cipher suites of a forbidden length";
    at += 2 + suites;
    if (at + 1 > end) return "cut short";
    if (hello[at] === 0) return "no compression method";
    at += 1 + hello[at];
    if (at > end) return "cut short";
    this.versions = [version];
    if (at === end) return ""; // RFC 5246 7.4.1.2: there may be no extensions at all
    if (at + 2 > end) return "cut short";
    const size = (hello[at] << 8) | hello[at + 1];
    at += 2;
    return at + size === end ? this.readExtensions(hello, at, end) : "bytes behind the extensions";
  }

  private readExtensions(hello: Uint8Array, from: number, end: number): string {
    const seen = new Set<number>();
    let at = from;
    while (at < end) {
      if (at + 4 > end) return "cut short";
      const type = (hello[at] << 8) | hello[at + 1];
      const start = at + 4;
      at = start + ((hello[at + 2] << 8) | hello[at + 3]);
      if (at > end) return "cut short";
      if (seen.has(type)) return "an extension that stands there twice"; // RFC 8446 4.2
      if (seen.size === MAX_EXTENSIONS) return "too many extensions";
      seen.add(type);
      const fault =
        type === SERVER_NAME
          ? this.readServerName(hello, start, at)
          : type === ALPN
            ? this.readAlpn(hello, start, at)
            : type === SUPPORTED_VERSIONS
              ? this.readVersions(hello, start, at)
              : "";
      if (fault !== "") return fault;
    }
    return "";
  }

  /** RFC 6066 3: a list, of which one entry of one kind was ever defined. */
  private readServerName(hello: Uint8Array, start: number, end: number): string {
    const wrong = "a server name that is none";
    if (start + 5 > end || ((hello[start] << 8) | hello[start + 1]) !== end - start - 2) return wrong;
    const size = (hello[start + 3] << 8) | hello[start + 4];
    if (hello[start + 2] !== 0 || size === 0 || size > 255 || start + 5 + size !== end) return wrong;
    // It goes into logs and is compared with names: no spaces, controls or raw UTF-8.
    for (let i = start + 5; i < end; i++) if (hello[i] <= 0x20 || hello[i] >= 0x7f) return wrong;
    this.serverName = lowerCase(latin1(hello, start + 5, end));
    return "";
  }

  /** RFC 7301 3.1. */
  private readAlpn(hello: Uint8Array, start: number, end: number): string {
    const wrong = "application protocols that are none";
    if (start + 4 > end || ((hello[start] << 8) | hello[start + 1]) !== end - start - 2) return wrong;
    const protocols: string[] = [];
    for (let at = start + 2; at < end; ) {
      const next = at + 1 + hello[at];
      if (hello[at] === 0 || next > end) return wrong;
      protocols.push(latin1(hello, at + 1, next));
      at = next;
    }
    this.applicationProtocols = protocols;
    return "";
  }

  /** RFC 8446 4.2.1. */
  private readVersions(hello: Uint8Array, start: number, end: number): string {
    const size = hello[start];
    if (start + 3 > end || size !== end - start - 1 || size % 2 !== 0) return "versions that are none";
    const versions: number[] = [];
    for (let at = start + 1; at < end; at += 2) versions.push((hello[at] << 8) | hello[at + 1]);
    this.versions = versions;
    return "";
  }
}
