/**
 * One value of a rule's list, as Istio writes it: the bytes themselves, or with `*` for any run of bytes. It knows
 * text only, not what the text means; path templates (`{*}`) are in path-template.ts.
 *
 *   *        anything but nothing       a*       a prefix      *a    a suffix
 *   a*b*c    these pieces, in order     abc      exactly this
 *
 * Laws: no memory is taken to match. The work is bounded by the length of the value times that of the pattern.
 */
import { same } from "../sdk/slice";
import { Region } from "./region";

export const EXACT: u32 = 0;
export const PREFIX: u32 = 1;
export const SUFFIX: u32 = 2;
export const GLOB: u32 = 3;
export const PRESENT: u32 = 4;
/** The text is a compiled template (path-template.ts). */
export const TEMPLATE: u32 = 5;

const STAR: u8 = 0x2a;

@unmanaged
export class Pattern {
  kind: u32;
  /** Bytes at `text`: what has to be there; for a glob with its stars. */
  length: u32;
  text: usize;
}

/** Room for `count` patterns side by side; `patternAt` finds one. */
export function takePatterns(region: Region, count: u32): usize {
  return region.take(<usize>count * offsetof<Pattern>());
}

export function patternAt(list: usize, index: u32): Pattern {
  return changetype<Pattern>(list + <usize>index * offsetof<Pattern>());
}

/** True if two stars stand side by side, which no pattern may have. */
export function hasTwinStars(data: usize, length: u32): bool {
  for (let i: u32 = 1; i < length; i++) {
    if (load<u8>(data + i) === STAR && load<u8>(data + i - 1) === STAR) return true;
  }
  return false;
}

/** Compiles `length` bytes, which stay where they are, into `into`. The text is not empty and has no twin stars. */
export function compilePattern(into: Pattern, data: usize, length: u32): void {
  let stars: u32 = 0;
  for (let i: u32 = 0; i < length; i++) if (load<u8>(data + i) === STAR) stars++;
  const first = load<u8>(data) === STAR;
  const last = load<u8>(data + length - 1) === STAR;
  into.text = data;
  into.length = length;
  if (stars === 0) into.kind = EXACT;
  else if (length === 1) into.kind = PRESENT;
  else if (stars === 1 && last) {
    into.kind = PREFIX;
    into.length = length - 1;
  } else if (stars === 1 && first) {
    into.kind = SUFFIX;
    into.text = data + 1;
    into.length = length - 1;
  } else into.kind = GLOB;
}

/** True if the value matches; never for a template. */
export function patternMatches(pattern: Pattern, data: usize, length: u32): bool {
  const size = pattern.length;
  switch (pattern.kind) {
    case EXACT:
      return length === size && same(pattern.text, data, size);
    case PREFIX:
      return length >= size && same(pattern.text, data, size);
    case SUFFIX:
      return length >= size && same(pattern.text, data + length - size, size);
    case PRESENT:
      return length > 0;
    case GLOB:
      return globMatches(pattern.text, size, data, length);
    default:
      return false;
  }
}

/** The usual walk: on a mismatch the last star takes one byte more. */
function globMatches(pattern: usize, size: u32, data: usize, length: u32): bool {
  let p: u32 = 0;
  let d: u32 = 0;
  let star: u32 = u32.MAX_VALUE;
  let resume: u32 = 0;
  while (d < length) {
    if (p < size && load<u8>(pattern + p) === STAR) {
      star = p++;
      resume = d;
    } else if (p < size && load<u8>(pattern + p) === load<u8>(data + d)) {
      p++;
      d++;
    } else if (star !== u32.MAX_VALUE) {
      p = star + 1;
      d = ++resume;
    } else return false;
  }
  while (p < size && load<u8>(pattern + p) === STAR) p++;
  return p === size;
}
