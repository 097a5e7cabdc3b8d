/**
 * Reads DER (X.690), strictly: definite lengths in their shortest form, nothing behind the end. Knows nothing of what
 * is encoded. Inside this folder a fault is thrown as `DerFault` and caught where a whole document is read: nothing
 * hostile throws any further.
 */
import { latin1 } from "../bytes/ascii.ts";

export const BOOLEAN = 0x01;
export const INTEGER = 0x02;
export const BIT_STRING = 0x03;
export const OCTET_STRING = 0x04;
export const OBJECT_IDENTIFIER = 0x06;
export const ENUMERATED = 0x0a;
export const UTF8_STRING = 0x0c;
export const UTC_TIME = 0x17;
export const GENERALIZED_TIME = 0x18;
export const SEQUENCE = 0x30;
export const SET = 0x31;

/** What is wrong with a document; `message` is a finished phrase. */
export class DerFault extends Error {}

/** Values that stand one after the other in `bytes[at, end)`. Views, no copies. */
export class DerReader {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** True if nothing is left. */
  get done(): boolean {
    return this.at === this.end;
  }

  /** The tag of the next value, -1 at the end. */
  get tag(): number {
    return this.at < this.end ? this.bytes[this.at] : -1;
  }

  /** A reader of what is in the next value, which must have that tag; this one goes on behind it. */
  open(tag: number): DerReader {
    const { bytes, end } = this;
    if (this.tag !== tag) throw new DerFault(`has tag ${this.tag} where ${tag} belongs`);
    let at = this.at + 2;
    if (at > end) throw new DerFault("is cut short");
    let length = bytes[at - 1];
    if (length >= 0x80) {
      const digits = length & 0x7f;
      if (digits === 0 || digits > 3 || at + digits > end) throw new DerFault("has a length that is none");
      length = 0;
      for (let i = 0; i < digits; i++) length = (length << 8) | bytes[at++];
      if (length < 0x80 || length < 1 << (8 * (digits - 1)))
        throw new DerFault("has a length that is not its shortest");
    }
    if (at + length > end) throw new DerFault("is cut short");
    this.at = at + length;
    return new DerReader(bytes, at, at + length);
  }

  /** As `open`, or null if the next value has another tag. */
  openIf(tag: number): DerReader | null {
    return this.tag === tag ? this.open(tag) : null;
  }

  /** The next value with its tag and length, whatever it is. */
  whole(): Uint8Array {
    const start = this.at;
    this.skip();
    return this.bytes.subarray(start, this.at);
  }

  /** Passes over the next value. */
  skip(): void {
    if (this.done) throw new DerFault("is cut short");
    if ((this.tag & 0x1f) === 0x1f) throw new DerFault("has a tag of more than one byte");
    this.open(this.tag);
  }

  /** What is left, as bytes. */
  rest(): Uint8Array {
    return this.bytes.subarray(this.at, this.end);
  }

  /** Faults if something is left. */
  finish(): void {
    if (!this.done) throw new DerFault("has bytes behind its end");
  }

  /** The content of the next value, which must have that tag. */
  content(tag: number): Uint8Array {
    return this.open(tag).rest();
  }

  /** A BOOLEAN. */
  boolean(): boolean {
    const content = this.content(BOOLEAN);
    if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff))
      throw new DerFault("has a boolean that is none");
    return content[0] === 0xff;
  }

  /** The bytes of an INTEGER, two's complement, shortest form. */
  integer(): Uint8Array {
    const content = this.content(INTEGER);
    const shortest =
      content.length === 1 ||
      (content.length > 1 &&
        !(content[0] === 0 && content[1] < 0x80) &&
        !(content[0] === 0xff && content[1] >= 0x80));
    if (!shortest) throw new DerFault("has an integer that is none");
    return content;
  }

  /** An INTEGER from 0 to 2^31 - 1. */
  smallInteger(): number {
    const content = this.integer();
    if (content.length > 4 || content[0] >= 0x80) throw new DerFault("has a number out of bounds");
    let value = 0;
    for (const byte of content) value = (value << 8) | byte;
    return value;
  }

  /** A BIT STRING of whole bytes. */
  octets(): Uint8Array {
    const content = this.content(BIT_STRING);
    if (content.length === 0 || content[0] !== 0) throw new DerFault("has a bit string of no whole bytes");
    return content.subarray(1);
  }

  /** A named-bit list: bit 0 is the first of the first byte; at most 31 bits. */
  bits(): number {
    const content = this.content(BIT_STRING);
    if (content.length === 0 || content[0] > 7 || content.length > 4)
      throw new DerFault("has bits that are none");
    let value = 0;
    for (let i = 1; i < content.length; i++)
      for (let bit = 0; bit < 8; bit++)
        if ((content[i] & (0x80 >> bit)) !== 0) value |= 1 << (8 * (i - 1) + bit);
    return value;
  }

  /** An OBJECT IDENTIFIER, dotted. */
  objectIdentifier(): string {
    return dotted(this.content(OBJECT_IDENTIFIER));
  }

  /** A time (RFC 5280 4.1.2.5), Unix time in ms. */
  time(): number {
    const { tag } = this;
    if (tag !== UTC_TIME && tag !== GENERALIZED_TIME) throw new DerFault("has no time where one belongs");
    const { bytes, at, end } = this.open(tag);
    const parts = /^(\d{2}|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(latin1(bytes, at, end));
    if (parts === null || (parts[1].length === 4) !== (tag === GENERALIZED_TIME))
      throw new DerFault("has a time that is none");
    const [year, month, day, hour, minute, second] = parts.slice(1).map(Number);
    const full = tag === GENERALIZED_TIME ? year : year < 50 ? 2000 + year : 1900 + year;
    const ms = Date.UTC(full, month - 1, day, hour, minute, second);
    const back = new Date(ms);
    const real = back.getUTCMonth() === month - 1 && back.getUTCDate() === day;
    if (!real || full < 100 || hour > 23 || minute > 59 || second > 59)
      throw new DerFault("has a time that is none");
    return ms;
  }
}

function dotted(content: Uint8Array): string {
  if (content.length === 0 || content.length > 64 || content[content.length - 1] >= 0x80)
    throw new DerFault("has an object identifier that is none");
  const numbers: number[] = [];
  let value = 0;
  let begins = true;
  for (const byte of content) {
    if (begins && byte === 0x80) throw new DerFault("has an object identifier that is none");
    value = value * 128 + (byte & 0x7f);
    if (value > Number.MAX_SAFE_INTEGER / 256) throw new DerFault("has an object identifier that is none");
    begins = byte < 0x80;
    if (!begins) continue;
    if (numbers.length === 0) {
      const first = Math.min(2, Math.floor(value / 40));
      numbers.push(first, value - 40 * first);
    } else numbers.push(value);
    value = 0;
  }
  return numbers.join(".");
}

/** What `read` makes of a document; what is wrong with it, as a phrase, if it throws a `DerFault`. */
export function readDer<T>(read: () => T): T | string {
  try {
    return read();
  } catch (error) {
    if (error instanceof DerFault) return error.message;
    throw error;
  }
}

/** True if both hold the same bytes. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Lower-case hexadecimal digits. */
export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += (byte < 16 ? "0" : "") + byte.toString(16);
  return text;
}
