/**
 * Requests (RFC 9112 3 and 6): start line, target forms, Host, and the one framing decision. Field semantics
 * beyond framing (forwarding headers, hop-by-hop, paths) are the connection manager's.
 */
import { IS_TCHAR, LOWER, latin1, latin1Again, parseDecimal } from "../bytes/ascii.ts";
import type { Fault } from "../errors.ts";
import { Fields } from "../http/fields.ts";
import { ByChunks, ByLength, NoBody } from "../http/framing.ts";
import { RequestHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import {
  DroppedField,
  judgeUnderscores,
  RefusedField,
  type UnderscoreAction,
  type UnderscoreCounter,
} from "../http/underscores.ts";
import { REQUEST_FAULTS as FAULTS } from "./faults.ts";
import type { Http1Limits } from "./limits.ts";
import { type CopyCounter, MessageParser, type MessageSink } from "./message-parser.ts";

const HOST = known("host");
const CONTENT_LENGTH = known("content-length");
const TRANSFER_ENCODING = known("transfer-encoding");
const MAX_METHOD = 32;
const MAX_LENGTH = Number.MAX_SAFE_INTEGER;

/** Bytes a target may consist of: visible ASCII without "#" (row R4). */
const IS_TARGET = new Uint8Array(256);
for (let b = 0x21; b < 0x7f; b++) IS_TARGET[b] = b === 0x23 ? 0 : 1;

export class RequestParser extends MessageParser {
  readonly head: RequestHead;
  readonly trailers: Fields = new Fields();
  /** True if the target was in absolute form: `head.authority` comes from it and Host is overruled (row R2). */
  absoluteForm = false;
  /** Scheme of an absolute-form target, lower case, or "". */
  targetScheme = "";
  /** The strings of the request before, which this one probably repeats. */
  private lastPath = "";
  private lastHost = "";
  private readonly underscoreAction: UnderscoreAction;
  private readonly underscoreCounter: UnderscoreCounter | null;

  constructor(
    sink: MessageSink,
    limits: Http1Limits,
    underscores: UnderscoreAction,
    copied: CopyCounter,
    counter: UnderscoreCounter | null = null,
  ) {
    const head = new RequestHead();
    super(sink, limits, FAULTS, head.fields, copied);
    this.head = head;
    this.underscoreAction = underscores;
    this.underscoreCounter = counter;
  }

  protected override headFields(): Fields {
    this.head.clear();
    return this.head.fields;
  }

  protected override anotherHead(): boolean {
    return false;
  }

  override startLine(bytes: Uint8Array, start: number, end: number): Fault | null {
    let p = start;
    while (p < end && IS_TCHAR[bytes[p]] === 1) p++;
    if (p - start > MAX_METHOD) return FAULTS.method_too_long;
    if (p >= end || bytes[p] !== 0x20) return FAULTS.start_line;
    const head = this.head;
    head.method = method(bytes, start, p);
    const target = p + 1;
    p = target;
    while (p < end && IS_TARGET[bytes[p]] === 1) p++;
    if (p === target || p >= end) return FAULTS.start_line;
    if (bytes[p] !== 0x20) return bytes[p] === 0x23 ? FAULTS.target_fragment : FAULTS.start_line;
    const fault = this.version(bytes, p + 1, end);
    if (fault !== null) return fault;
    return this.target(bytes, target, p);
  }

  private version(bytes: Uint8Array, at: number, end: number): Fault | null {
    // "HTTP/" DIGIT "." DIGIT, case-sensitive, and nothing else (rows L1, L2).
    if (
      end - at !== 8 ||
      bytes[at] !== 0x48 ||
      bytes[at + 1] !== 0x54 ||
      bytes[at + 2] !== 0x54 ||
      bytes[at + 3] !== 0x50 ||
      bytes[at + 4] !== 0x2f ||
      bytes[at + 6] !== 0x2e
    ) {
      return FAULTS.start_line;
    }
    const major = bytes[at + 5] - 0x30;
    const minor = bytes[at + 7] - 0x30;
    if (major < 0 || major > 9 || minor < 0 || minor > 9) return FAULTS.start_line;
    if (major !== 1 || minor > 1) return major === 0 ? FAULTS.start_line : FAULTS.version_not_supported;
    this.head.version = minor === 0 ? 10 : 11;
    return null;
  }

  private target(bytes: Uint8Array, start: number, end: number): Fault | null {
    const head = this.head;
    this.absoluteForm = false;
    this.targetScheme = "";
    if (head.method === "CONNECT") {
      // authority-form, port required (row R4)
      head.authority = latin1(bytes, start, end);
      head.path = "";
      this.absoluteForm = true;
      const colon = head.authority.lastIndexOf(":");
      return colon > 0 && colon < head.authority.length - 1 ? null : FAULTS.target;
    }
    if (bytes[start] === 0x2f) {
      this.lastPath = latin1Again(bytes, start, end, this.lastPath);
      head.path = this.lastPath;
      return null;
    }
    if (bytes[start] === 0x2a && end - start === 1) {
      head.path = "*";
      return head.method === "OPTIONS" ? null : FAULTS.target;
    }
    return this.absolute(bytes, start, end);
  }

  /** absolute-form: `http[s]://authority[/path][?query]` (RFC 9112 3.2.2). */
  private absolute(bytes: Uint8Array, start: number, end: number): Fault | null {
    let p = start;
    let scheme = "";
    while (p < end && bytes[p] !== 0x3a && p - start < 6) scheme += String.fromCharCode(LOWER[bytes[p++]]);
    if (scheme !== "http" && scheme !== "https") return FAULTS.target;
    if (p + 3 > end || bytes[p] !== 0x3a || bytes[p + 1] !== 0x2f || bytes[p + 2] !== 0x2f)
      return FAULTS.target;
    const authority = p + 3;
    p = authority;
    while (p < end && bytes[p] !== 0x2f && bytes[p] !== 0x3f) p++;
    if (p === authority) return FAULTS.target;
    const head = this.head;
    this.absoluteForm = true;
    this.targetScheme = scheme;
    head.authority = latin1(bytes, authority, p);
    if (p === end) head.path = head.method === "OPTIONS" ? "*" : "/";
    else head.path = bytes[p] === 0x3f ? `/${latin1(bytes, p, end)}` : latin1(bytes, p, end);
    return null;
  }

  protected override endOfHead(): Fault | null {
    const fault = this.host();
    if (fault !== null) return fault;
    if (this.section.underscores) {
      const refused = this.checkUnderscores();
      if (refused !== null) return refused;
    }
    return this.decideFraming();
  }

  /** Row R1: exactly one Host in HTTP/1.1; what it may contain is checked by the connection manager. */
  private host(): Fault | null {
    const fields = this.head.fields;
    const slot = fields.slotOfId(HOST, 0);
    if (slot < 0) return this.head.version === 10 ? null : FAULTS.missing_host;
    if (fields.slotOfId(HOST, slot + 1) >= 0) return FAULTS.duplicate_host;
    if (!this.absoluteForm) {
      const at = slot << 2;
      this.lastHost = latin1Again(fields.bytes, fields.spans[at + 2], fields.spans[at + 3], this.lastHost);
      this.head.authority = this.lastHost;
    } else if (!sameAuthority(fields.valueAt(slot), this.head.authority, this.targetScheme))
      return FAULTS.bad_host;
    return null;
  }

  private checkUnderscores(): Fault | null {
    const fields = this.head.fields;
    for (let i = 0; i < fields.slots; i++) {
      if (!fields.live(i) || fields.ids[i] !== 0) continue;
      const name = fields.nameAt(i);
      if (!name.includes("_")) continue;
      const verdict = judgeUnderscores(name, this.underscoreAction, this.underscoreCounter);
      if (verdict === RefusedField) return FAULTS.underscore;
      if (verdict === DroppedField) fields.drop(i);
    }
    return null;
  }

  /** Rows F1–F9: {no body, length, chunks}, or a fault. Never until close, and the method does not matter. */
  private decideFraming(): Fault | null {
    const fields = this.head.fields;
    const hasLength = fields.hasId(CONTENT_LENGTH);
    const hasCoding = fields.hasId(TRANSFER_ENCODING);
    this.contentLength = 0;
    if (this.head.method === "CONNECT" && (hasLength || hasCoding)) return FAULTS.connect_body;
    if (hasCoding) {
      if (this.head.version === 10) return FAULTS.transfer_encoding_in_1_0;
      const coding = codingOf(fields);
      if (coding !== CHUNKED) return coding === UNKNOWN ? FAULTS.unknown_coding : FAULTS.transfer_encoding;
      if (hasLength) return FAULTS.content_length_and_transfer_encoding;
      this.framing = ByChunks;
      return null;
    }
    if (hasLength) {
      const length = lengthOf(fields);
      if (length < 0) return length === REPEATED ? FAULTS.duplicate_content_length : FAULTS.content_length;
      this.contentLength = length;
      this.framing = ByLength;
      return null;
    }
    this.framing = NoBody;
    return null;
  }
}

const REPEATED = -2;

/** Content-Length as a number, -1 if it is not `1*DIGIT` ≤ 2^53-1, -2 if there is more than one line. */
export function lengthOf(fields: Fields): number {
  const slot = fields.slotOfId(CONTENT_LENGTH, 0);
  if (fields.slotOfId(CONTENT_LENGTH, slot + 1) >= 0) return REPEATED;
  const at = slot << 2;
  return parseDecimal(fields.bytes, fields.spans[at + 2], fields.spans[at + 3], MAX_LENGTH);
}

export const CHUNKED = 1;
export const UNKNOWN = 2;
export const MALFORMED = 3;

/**
 * What Transfer-Encoding says (row F6): CHUNKED only for one line with exactly "chunked"; UNKNOWN for another
 * single registered-looking coding; MALFORMED for everything that two parsers could read differently.
 */
export function codingOf(fields: Fields): number {
  const slot = fields.slotOfId(TRANSFER_ENCODING, 0);
  if (fields.slotOfId(TRANSFER_ENCODING, slot + 1) >= 0) return MALFORMED;
  const at = slot << 2;
  const start = fields.spans[at + 2];
  const end = fields.spans[at + 3];
  const bytes = fields.bytes;
  let text = "";
  for (let i = start; i < end; i++) {
    if (IS_TCHAR[bytes[i]] === 0) return MALFORMED;
    text += String.fromCharCode(LOWER[bytes[i]]);
    if (text.length > 32) return MALFORMED;
  }
  if (text === "chunked") return CHUNKED;
  return text === "" || text === "identity" ? MALFORMED : UNKNOWN;
}

const METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE"];

/** The method as a string; the usual ones without building one. */
function method(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start;
  const first = bytes[start];
  for (const name of METHODS) {
    if (name.length !== length || name.charCodeAt(0) !== first) continue;
    let i = 1;
    while (i < length && bytes[start + i] === name.charCodeAt(i)) i++;
    if (i === length) return name;
  }
  return latin1(bytes, start, end);
}

/** Row R2: Host must name the same authority as an absolute-form target (default port and case aside). */
function sameAuthority(host: string, authority: string, scheme: string): boolean {
  return canonical(host, scheme) === canonical(authority, scheme);
}

function canonical(authority: string, scheme: string): string {
  let out = "";
  for (let i = 0; i < authority.length; i++)
    out += String.fromCharCode(LOWER[authority.charCodeAt(i) & 0xff]);
  const port = scheme === "http" ? ":80" : scheme === "https" ? ":443" : "";
  return port !== "" && out.endsWith(port) ? out.slice(0, -port.length) : out;
}
