/**
 * A header map of the ABI over a head or a trailer section of ours: pseudo headers come from the start line, and what
 * belongs to one hop is not shown. What a guest writes is checked as a codec would check it.
 */
import { isToken, parseDecimalText } from "../../core/bytes/ascii.ts";
import { hostEnd } from "../../core/http/authority.ts";
import { type Fields, isFieldName, isFieldValue } from "../../core/http/fields.ts";
import type { RequestHead, ResponseHead } from "../../core/http/head.ts";
import { known } from "../../core/http/names.ts";

const HOST = known("host");

/** By known id: fields of one hop, which neither a filter nor the other side is concerned with. */
const HIDDEN = new Uint8Array(256);
for (const name of ["host", "connection", "keep-alive", "proxy-connection", "http2-settings"] as const) {
  HIDDEN[known(name)] = 1;
}
HIDDEN[255] = 1; // a hole

const NO_NAMES: readonly string[] = [];
const REQUEST_NAMES: readonly string[] = [":authority", ":path", ":method", ":scheme"];
const RESPONSE_NAMES: readonly string[] = [":status"];

/** True if the field at that slot is one that filters see. */
export function isShown(fields: Fields, slot: number): boolean {
  return HIDDEN[fields.ids[slot]] === 0;
}

/** What a guest reads and changes. Names are lower case; texts are byte strings. */
export abstract class HeaderMap {
  abstract get fields(): Fields;

  /** Pseudo headers, in the order in which they are listed. */
  get pseudoNames(): readonly string[] {
    return NO_NAMES;
  }

  /** The value of a pseudo header, null if there is none. */
  pseudo(_name: string): string | null {
    return null;
  }

  /** How many pseudo headers there are. */
  get pseudoCount(): number {
    return 0;
  }

  /** False if it may not have that value. */
  setPseudo(_name: string, _value: string): boolean {
    return false;
  }

  /** The first shown slot of that (lower-case) name, whose known id (0: none) it is; -1 if there is none. */
  slotOf(id: number, name: string): number {
    return HIDDEN[id] === 0 ? this.fields.slotOfNamed(id, name, 0) : -1;
  }

  /** Appends a field of that (lower-case) name, or sets a pseudo header; false if it cannot be sent. */
  add(name: string, value: string): boolean {
    if (name.charCodeAt(0) === 0x3a || name === "host") return this.setPseudo(name, value);
    if (!isFieldName(name) || !isFieldValue(value)) return false;
    this.fields.add(name, value);
    return true;
  }

  /** Removes every field of that (lower-case) name, whose known id (0: none) it is; a pseudo header stays. */
  remove(id: number, name: string): void {
    if (id !== HOST && name.charCodeAt(0) !== 0x3a) this.fields.removeNamed(id, name);
  }

  /** Removes everything, pseudo headers included. */
  clear(): void {
    const { fields } = this;
    for (let i = 0; i < fields.slots; i++) if (fields.live(i)) fields.drop(i);
  }
}

/** Trailers, and what else has no start line. */
export class FieldsMap extends HeaderMap {
  private target: Fields | null = null;

  over(fields: Fields): this {
    this.target = fields;
    return this;
  }

  get fields(): Fields {
    return this.target as Fields;
  }
}

/** Over the head of a request. */
export class RequestMap extends HeaderMap {
  private head: RequestHead | null = null;

  over(head: RequestHead): this {
    this.head = head;
    return this;
  }

  get fields(): Fields {
    return (this.head as RequestHead).fields;
  }

  override get pseudoNames(): readonly string[] {
    return REQUEST_NAMES;
  }

  override get pseudoCount(): number {
    const { authority, path, method } = this.head as RequestHead;
    return 1 + (authority === "" ? 0 : 1) + (path === "" ? 0 : 1) + (method === "" ? 0 : 1);
  }

  override pseudo(name: string): string | null {
    return (this.head as RequestHead).get(name);
  }

  override setPseudo(name: string, value: string): boolean {
    const head = this.head as RequestHead;
    switch (name) {
      case ":path":
        if (!isTarget(value)) return false;
        head.path = value;
        return true;
      case ":authority":
      case "host":
        if (hostEnd(value) < 0) return false;
        head.authority = value;
        return true;
      case ":method":
        if (!isToken(value)) return false;
        if ((framesAnswer(value) || framesAnswer(head.method)) && value !== head.method) return false;
        head.method = value;
        return true;
      case ":scheme":
        if (value !== "http" && value !== "https") return false;
        head.scheme = value;
        return true;
      default:
        return false;
    }
  }

  /** The method stays: how the client reads the answer depends on it. */
  override clear(): void {
    super.clear();
    const head = this.head as RequestHead;
    head.path = "";
    head.authority = "";
  }
}

/** Over the head of an answer. */
export class ResponseMap extends HeaderMap {
  private head: ResponseHead | null = null;

  over(head: ResponseHead): this {
    this.head = head;
    return this;
  }

  get fields(): Fields {
    return (this.head as ResponseHead).fields;
  }

  override get pseudoNames(): readonly string[] {
    return RESPONSE_NAMES;
  }

  override get pseudoCount(): number {
    return 1;
  }

  override pseudo(name: string): string | null {
    return (this.head as ResponseHead).get(name);
  }

  override setPseudo(name: string, value: string): boolean {
    if (name !== ":status") return false;
    const status = parseDecimalText(value, 599);
    if (status < 200) return false;
    (this.head as ResponseHead).status = status;
    return true;
  }
}

/** Methods whose answers are framed in a way of their own: no request becomes one of these, or ceases to be one. */
function framesAnswer(method: string): boolean {
  return method === "HEAD" || method === "CONNECT";
}

/** Origin form, or "*": visible bytes without a space (RFC 9112 3.2). */
function isTarget(text: string): boolean {
  if (text.charCodeAt(0) !== 0x2f && text !== "*") return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f || code === 0x23) return false;
  }
  return true;
}
