/**
 * Writes heads and chunk framing. Nothing of a peer's head is relayed as it came: start line, names, values and
 * framing are written again from validated parts, and the fields that belong to one hop are never copied.
 *
 * Heads are written one after the other into a slab that is never reused: a finished head belongs to the socket
 * it is given to, and the slab is garbage once its last head has left.
 */
import { LOWER, lowerCase } from "../bytes/ascii.ts";
import { Slab } from "../bytes/slab.ts";
import type { Fields } from "../http/fields.ts";
import { ByChunks, ByLength, type Framing, NoBody } from "../http/framing.ts";
import type { RequestHead, ResponseHead } from "../http/head.ts";
import { KNOWN_COUNT, known, nameOf } from "../http/names.ts";
import { OWN_FIELDS } from "../http/own-fields.ts";
import { reasonPhrase } from "../http/status.ts";

const UPGRADE = known("upgrade");

/** How field names look on the wire. */
export const LowerCase = 0;
export const ProperCase = 1;
export const PreserveCase = 2;
export type NameCase = typeof LowerCase | typeof ProperCase | typeof PreserveCase;

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (ch) => ch.charCodeAt(0));
}

/** "name: " per known id. */
const PREFIX: Uint8Array[] = [];
for (let id = 0; id < KNOWN_COUNT; id++) PREFIX.push(ascii(`${nameOf(id)}: `));

const HTTP_1_1_CRLF = ascii(" HTTP/1.1\r\n");
const STATUS_LINES: Uint8Array[] = [];
const CRLF = ascii("\r\n");
/** What ends a chunk of data; shared by all chunked bodies and never changed. */
export const CHUNK_END: Uint8Array = CRLF;
/** The last chunk without trailers. */
export const LAST_CHUNK: Uint8Array = ascii("0\r\n\r\n");
const LAST_CHUNK_LINE = ascii("0\r\n");
const CHUNKED_FIELD = ascii("transfer-encoding: chunked\r\n");
const HOST = known("host");
const CONTENT_LENGTH = known("content-length");
const TRANSFER_ENCODING = known("transfer-encoding");
const CONNECTION = known("connection");
const TE = known("te");
const CLOSE_FIELD = ascii("connection: close\r\n");
const KEEP_ALIVE_FIELD = ascii("connection: keep-alive\r\n");
const ASK_TE_FIELD = ascii("connection: te\r\n");
const TE_FIELD = ascii("te: trailers\r\n");
const ASK_UPGRADE_FIELD = ascii("connection: Upgrade\r\n");
const HEX_DIGITS = ascii("0123456789abcdef");

/** What our hop says about the connection. */
export const Persistent = 0;
export const Close = 1;
export const KeepAlive = 2;
export type ConnectionOption = typeof Persistent | typeof Close | typeof KeepAlive;

/** After a write the slab holds it at `[start, end)`. */
export class HeadWriter extends Slab {
  /**
   * A request head. `upgrade` is the protocol asked for, in lower case, or ""; `te` sends "te: trailers". `contentLength` is
   * used when `framing` is by length.
   */
  request(
    head: RequestHead,
    framing: Framing,
    contentLength: number,
    upgrade: string,
    te: boolean,
    close: boolean,
    nameCase: NameCase,
  ): void {
    this.begin();
    this.room(head.method.length + head.path.length + head.authority.length + 64);
    this.ascii(head.method);
    this.bytes[this.end++] = 0x20;
    this.ascii(head.method === "CONNECT" ? head.authority : head.path);
    this.put(HTTP_1_1_CRLF);
    const { fields } = head;
    this.own(HOST, PREFIX[HOST], fields, nameCase);
    this.ascii(head.authority);
    this.put(CRLF);
    this.fields(fields, nameCase);
    if (framing !== NoBody) this.framing(framing, contentLength, fields, nameCase);
    else if (upgrade === "" && mayExpectBody(head.method)) this.framing(ByLength, 0, fields, nameCase);
    if (upgrade !== "") this.upgrade(upgrade, fields, nameCase);
    else if (close) this.own(CONNECTION, CLOSE_FIELD, fields, nameCase);
    else if (te) {
      this.own(CONNECTION, ASK_TE_FIELD, fields, nameCase);
      this.own(TE, TE_FIELD, fields, nameCase);
    }
    this.room(2);
    this.put(CRLF);
  }

  /** A response head. `length` ≥ 0 writes content-length although there may be no body (HEAD, 304). */
  response(
    head: ResponseHead,
    framing: Framing,
    length: number,
    upgrade: string,
    connection: ConnectionOption,
    nameCase: NameCase,
  ): void {
    this.begin();
    this.room(64);
    this.put(statusLine(head.status));
    const { fields } = head;
    this.fields(fields, nameCase);
    if (framing === ByChunks) this.framing(ByChunks, 0, fields, nameCase);
    else if (length >= 0) this.framing(ByLength, length, fields, nameCase);
    if (upgrade !== "") this.upgrade(upgrade, fields, nameCase);
    else if (connection === Close) this.own(CONNECTION, CLOSE_FIELD, fields, nameCase);
    else if (connection === KeepAlive) this.own(CONNECTION, KEEP_ALIVE_FIELD, fields, nameCase);
    this.room(2);
    this.put(CRLF);
  }

  /** The line before a chunk of `size` bytes; with `first` false it also ends the chunk before. */
  chunkLine(size: number, first: boolean): void {
    this.begin();
    if (!first) this.put(CRLF);
    let shift = 28;
    while (shift > 0 && ((size >>> shift) & 15) === 0) shift -= 4;
    for (; shift >= 0; shift -= 4) this.bytes[this.end++] = HEX_DIGITS[(size >>> shift) & 15];
    this.put(CRLF);
  }

  /** The end of a chunked body: with `first` false it also ends the chunk before. Null trailers: none. */
  lastChunk(trailers: Fields | null, first: boolean, nameCase: NameCase): void {
    this.begin();
    if (!first) this.put(CRLF);
    this.put(LAST_CHUNK_LINE);
    if (trailers !== null) this.fields(trailers, nameCase);
    this.room(2);
    this.put(CRLF);
  }

  private fields(fields: Fields, nameCase: NameCase): void {
    const { ids, spans, slots } = fields;
    for (let slot = 0; slot < slots; slot++) {
      const id = ids[slot];
      if (OWN_FIELDS[id] === 1) continue;
      const at = slot << 2;
      const valueStart = spans[at + 2];
      if (valueStart >= 0) {
        const source = fields.bytes;
        const valueEnd = spans[at + 3];
        this.room(spans[at + 1] - spans[at] + valueEnd - valueStart + 4);
        const out = this.bytes;
        let end = this.end;
        if (nameCase === LowerCase && id !== 0) {
          const prefix = PREFIX[id];
          for (let i = 0; i < prefix.length; i++) out[end++] = prefix[i];
        } else {
          end = wireName(out, end, source, spans[at], spans[at + 1], nameCase);
        }
        for (let i = valueStart; i < valueEnd; i++) out[end++] = source[i];
        out[end] = 13;
        out[end + 1] = 10;
        this.end = end + 2;
      } else {
        this.textField(fields, slot, nameCase);
      }
    }
  }

  private textField(fields: Fields, slot: number, nameCase: NameCase): void {
    const name = fields.nameAt(slot);
    const value = fields.valueAt(slot);
    this.room(name.length + value.length + 4);
    const nameStart = fields.spans[slot << 2];
    if (nameStart >= 0 && nameCase === PreserveCase) {
      this.end = wireName(
        this.bytes,
        this.end,
        fields.bytes,
        nameStart,
        fields.spans[(slot << 2) + 1],
        nameCase,
      );
    } else {
      const at = this.end;
      this.ascii(name);
      if (nameCase === ProperCase) properCase(this.bytes, at, this.end);
      this.bytes[this.end++] = 0x3a;
      this.bytes[this.end++] = 0x20;
    }
    this.ascii(value);
    this.put(CRLF);
  }

  private framing(framing: Framing, length: number, fields: Fields, nameCase: NameCase): void {
    if (framing === ByChunks) this.own(TRANSFER_ENCODING, CHUNKED_FIELD, fields, nameCase);
    else if (framing === ByLength) {
      this.room(48);
      this.own(CONTENT_LENGTH, PREFIX[CONTENT_LENGTH], fields, nameCase);
      this.decimal(length);
      this.put(CRLF);
    }
  }

  /** As most peers write it, for there are some that compare with case: "Upgrade", and the protocol in its sender's spelling. */
  private upgrade(protocol: string, fields: Fields, nameCase: NameCase): void {
    const written = fields.getId(UPGRADE) ?? "";
    this.own(CONNECTION, ASK_UPGRADE_FIELD, fields, nameCase);
    this.room(protocol.length + 12);
    this.own(UPGRADE, PREFIX[UPGRADE], fields, nameCase);
    this.ascii(lowerCase(written) === protocol ? written : protocol);
    this.put(CRLF);
  }

  /** A field of our own hop (or its beginning), spelt as the peer spelt the one that it stands for, if it did. */
  private own(id: number, field: Uint8Array, fields: Fields, nameCase: NameCase): void {
    this.room(field.length);
    const at = this.end;
    this.put(field);
    if (nameCase === LowerCase) return;
    const nameEnd = at + PREFIX[id].length - 2;
    if (nameCase === ProperCase) properCase(this.bytes, at, nameEnd);
    else {
      const slot = fields.slotOfId(id, 0);
      const source = slot < 0 ? -1 : fields.spans[slot << 2];
      if (source >= 0) for (let i = at; i < nameEnd; i++) this.bytes[i] = fields.bytes[source + i - at];
    }
  }

  private put(bytes: Uint8Array): void {
    const out = this.bytes;
    let end = this.end;
    for (let i = 0; i < bytes.length; i++) out[end++] = bytes[i];
    this.end = end;
  }

  /** A byte string; the caller made room. */
  private ascii(text: string): void {
    const out = this.bytes;
    let end = this.end;
    for (let i = 0; i < text.length; i++) out[end++] = text.charCodeAt(i);
    this.end = end;
  }

  private decimal(value: number): void {
    let digits = 1;
    for (let limit = 10; value >= limit; limit *= 10) digits++;
    let rest = value;
    for (let i = this.end + digits - 1; i >= this.end; i--) {
      const next = Math.floor(rest / 10);
      this.bytes[i] = 0x30 + (rest - next * 10);
      rest = next;
    }
    this.end += digits;
  }
}

/** RFC 9110 8.6: a request without body says so unless its method has no use for one (the list is Envoy's). */
function mayExpectBody(method: string): boolean {
  return (
    method !== "GET" && method !== "HEAD" && method !== "DELETE" && method !== "CONNECT" && method !== "TRACE"
  );
}

function statusLine(status: number): Uint8Array {
  let line = STATUS_LINES[status];
  if (line === undefined) {
    line = ascii(`HTTP/1.1 ${status} ${reasonPhrase(status)}\r\n`);
    STATUS_LINES[status] = line;
  }
  return line;
}

function wireName(
  out: Uint8Array,
  at: number,
  source: Uint8Array,
  start: number,
  end: number,
  nameCase: NameCase,
): number {
  let p = at;
  if (nameCase === PreserveCase) for (let i = start; i < end; i++) out[p++] = source[i];
  else for (let i = start; i < end; i++) out[p++] = LOWER[source[i]];
  if (nameCase === ProperCase) properCase(out, at, p);
  out[p++] = 0x3a;
  out[p++] = 0x20;
  return p;
}

/** Upper-cases the first letter and every letter after a byte that is not alphanumeric, as Envoy does. */
function properCase(out: Uint8Array, start: number, end: number): void {
  let upper = true;
  for (let i = start; i < end; i++) {
    const byte = out[i];
    const letter = byte >= 0x61 && byte <= 0x7a;
    if (upper && letter) out[i] = byte & 0xdf;
    upper = !(letter || (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a));
  }
}
