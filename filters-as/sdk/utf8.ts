/** Well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing beyond U+10FFFF. */
import { Slice } from "./slice";

/** How many bytes the character at `at` has; 0 if it is ill-formed or cut off. */
export function utf8Length(text: Slice, at: i32): i32 {
  const first = <u32>text.at(at);
  if (first < 0x80) return 1;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (first < 0xc2 || first > 0xf4 || at + length > text.length) return 0;
  const second = <u32>text.at(at + 1);
  if (second >> 6 !== 2) return 0;
  if (first === 0xe0 && second < 0xa0) return 0;
  if (first === 0xed && second > 0x9f) return 0;
  if (first === 0xf0 && second < 0x90) return 0;
  if (first === 0xf4 && second > 0x8f) return 0;
  for (let i = at + 2; i < at + length; i++) if (<u32>text.at(i) >> 6 !== 2) return 0;
  return length;
}

/** True if all of it is well-formed. */
export function isUtf8(text: Slice): bool {
  for (let i = 0; i < text.length; ) {
    const length = utf8Length(text, i);
    if (length === 0) return false;
    i += length;
  }
  return true;
}
