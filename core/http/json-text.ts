/**
 * A byte string as a JSON string literal, itself a byte string. Text that is UTF-8 stays as it is; in text that
 * is not, every byte above ASCII is written as \u00XX (as Envoy does), so that one hostile header cannot make a
 * log line unreadable to a JSON parser.
 */

/** `text` in quotes, escaped as RFC 8259 asks. */
export function jsonText(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code === 0x22 || code === 0x5c || code >= 0x7f) return `"${escaped(text, i)}"`;
  }
  return `"${text}"`;
}

const SHORT: { readonly [code: number]: string } = {
  8: "\\b",
  9: "\\t",
  10: "\\n",
  12: "\\f",
  13: "\\r",
  34: '\\"',
  92: "\\\\",
};

function escaped(text: string, from: number): string {
  const utf8 = isUtf8(text);
  let out = text.slice(0, from);
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const short = SHORT[code];
    if (short !== undefined) out += short;
    else if (code < 0x20 || code === 0x7f || (code > 0x7f && !utf8))
      out += `\\u00${code < 16 ? "0" : ""}${code.toString(16)}`;
    else out += text[i];
  }
  return out;
}

function isUtf8(text: string): boolean {
  for (let i = 0; i < text.length; ) {
    if (text.charCodeAt(i) < 0x80) {
      i++;
      continue;
    }
    const length = utf8Length(text, i);
    if (length === 0) return false;
    i += length;
  }
  return true;
}

/** The length of the well-formed multi-byte sequence at `i`, or 0 (Unicode 15, table 3-7). */
function utf8Length(text: string, i: number): number {
  const lead = text.charCodeAt(i);
  const second = i + 1 < text.length ? text.charCodeAt(i + 1) : 0;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  let low = 0x80;
  let high = 0xbf;
  if (lead === 0xe0) low = 0xa0;
  else if (lead === 0xed) high = 0x9f;
  else if (lead === 0xf0) low = 0x90;
  else if (lead === 0xf4) high = 0x8f;
  if (second < low || second > high) return 0;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (i + length > text.length) return 0;
  for (let k = 2; k < length; k++) {
    const code = text.charCodeAt(i + k);
    if (code < 0x80 || code > 0xbf) return 0;
  }
  return length;
}
