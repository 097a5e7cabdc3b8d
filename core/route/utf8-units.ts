/**
 * Byte strings read as characters: well-formed UTF-8 sequences are one character, any other byte is one
 * `INVALID`. (Go's reading of RE2 syntax; for well-formed text it is RE2's.)
 */
import { INVALID } from "./regex-charset.ts";

/**
 * The character at `i`, times 8, plus how many bytes it takes: one number, so that nothing is allocated. For
 * ASCII the caller does better without it.
 */
export function unitAt(text: string, i: number): number {
  const lead = text.charCodeAt(i);
  if (lead < 0x80) return lead * 8 + 1;
  const left = text.length - i;
  if (lead >= 0xc2 && lead < 0xe0 && left >= 2) {
    const b = text.charCodeAt(i + 1);
    if ((b & 0xc0) === 0x80) return (((lead & 31) << 6) | (b & 63)) * 8 + 2;
  } else if (lead >= 0xe0 && lead < 0xf0 && left >= 3) {
    const b = text.charCodeAt(i + 1);
    const c = text.charCodeAt(i + 2);
    const code = ((lead & 15) << 12) | ((b & 63) << 6) | (c & 63);
    const surrogate = code >= 0xd800 && code < 0xe000;
    if ((b & 0xc0) === 0x80 && (c & 0xc0) === 0x80 && code >= 0x800 && !surrogate) return code * 8 + 3;
  } else if (lead >= 0xf0 && lead < 0xf5 && left >= 4) {
    const b = text.charCodeAt(i + 1);
    const c = text.charCodeAt(i + 2);
    const d = text.charCodeAt(i + 3);
    const code = ((lead & 7) << 18) | ((b & 63) << 12) | ((c & 63) << 6) | (d & 63);
    const tails = (b & 0xc0) === 0x80 && (c & 0xc0) === 0x80 && (d & 0xc0) === 0x80;
    if (tails && code >= 0x10000 && code < 0x110000) return code * 8 + 4;
  }
  return INVALID * 8 + 1;
}
