/**
 * Character classes and conversions on bytes, by table. Text inside the core is a *byte string*: a JavaScript
 * string in which every character code is one byte (0–255). It is made from bytes only after validation, and
 * nothing here consults Unicode, locale or `trim()`.
 */

/** RFC 9110 5.6.2 token characters. */
export const IS_TCHAR = new Uint8Array(256);
/** RFC 9110 5.5 field-value bytes: HTAB, SP, VCHAR, obs-text. */
export const IS_FIELD_VALUE = new Uint8Array(256);
/** ASCII lower case; every other byte maps to itself. */
export const LOWER = new Uint8Array(256);
/** Hexadecimal digit values, 255 for anything else. */
export const HEX = new Uint8Array(256).fill(255);

for (let b = 0; b < 256; b++) {
  const digit = b >= 0x30 && b <= 0x39;
  const upper = b >= 0x41 && b <= 0x5a;
  const lower = b >= 0x61 && b <= 0x7a;
  IS_TCHAR[b] = digit || upper || lower || "!#$%&'*+-.^_`|~".includes(String.fromCharCode(b)) ? 1 : 0;
  IS_FIELD_VALUE[b] = b === 9 || (b >= 0x20 && b !== 0x7f) ? 1 : 0;
  LOWER[b] = upper ? b | 0x20 : b;
  if (digit) HEX[b] = b - 0x30;
  else if (b >= 0x41 && b <= 0x46) HEX[b] = b - 0x41 + 10;
  else if (b >= 0x61 && b <= 0x66) HEX[b] = b - 0x61 + 10;
}

/** True if `text` is a token (RFC 9110 5.6.2): at least one character, and each of them one that may be in it. */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff || IS_TCHAR[code] === 0) return false;
  }
  return text !== "";
}

/** The bytes `[start, end)` as a byte string. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  let i = start;
  for (; i + 8 <= end; i += 8) {
    text += String.fromCharCode(
      bytes[i],
      bytes[i + 1],
      bytes[i + 2],
      bytes[i + 3],
      bytes[i + 4],
      bytes[i + 5],
      bytes[i + 6],
      bytes[i + 7],
    );
  }
  for (; i < end; i++) text += String.fromCharCode(bytes[i]);
  return text;
}

/**
 * The bytes `[start, end)` as a byte string, or `before` itself if it says the same: a connection repeats its host
 * and often its path, and comparing is much cheaper than making a string (and later hashing it).
 */
export function latin1Again(bytes: Uint8Array, start: number, end: number, before: string): string {
  const length = end - start;
  if (length !== before.length) return latin1(bytes, start, end);
  for (let i = 0; i < length; i++)
    if (bytes[start + i] !== before.charCodeAt(i)) return latin1(bytes, start, end);
  return before;
}

/** `text` as bytes, one per character. Throws if it is not a byte string: a bug of the caller, never input. */
export function toBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) throw new RangeError(`not a byte string: code ${code} at ${i}`);
    bytes[i] = code;
  }
  return bytes;
}

/** ASCII-only lower case (U+212A and friends stay as they are). */
export function lowerCase(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x41 && code <= 0x5a) {
      let out = text.slice(0, i);
      for (; i < text.length; i++) {
        const c = text.charCodeAt(i);
        out += c >= 0x41 && c <= 0x5a ? String.fromCharCode(c | 0x20) : text[i];
      }
      return out;
    }
  }
  return text;
}

/** UTF-8 encodes operator-supplied text (configuration) into a byte string. */
export function utf8ByteString(text: string): string {
  let out = "";
  for (const ch of text) {
    const c = ch.codePointAt(0) as number;
    if (c < 0x80) out += ch;
    else if (c < 0x800) out += String.fromCharCode(0xc0 | (c >> 6), 0x80 | (c & 63));
    else if (c < 0x10000)
      out += String.fromCharCode(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
    else
      out += String.fromCharCode(
        0xf0 | (c >> 18),
        0x80 | ((c >> 12) & 63),
        0x80 | ((c >> 6) & 63),
        0x80 | (c & 63),
      );
  }
  return out;
}

/**
 * Parses `1*DIGIT` in `[start, end)`. Returns -1 for anything else: empty, sign, space, separator, or a value
 * above `max` (which must be at most 2^53 - 1).
 */
export function parseDecimal(bytes: Uint8Array, start: number, end: number, max: number): number {
  if (start >= end) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = bytes[i] - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
    if (value > max) return -1;
  }
  return value;
}

/** `parseDecimal` for a byte string. */
export function parseDecimalText(text: string, max: number): number {
  if (text.length === 0) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
    if (value > max) return -1;
  }
  return value;
}
