/**
 * Path templates as Istio writes and Envoy matches them: `{*}` is one path segment, `{**}` any number of bytes
 * across segments, also none; after `{**}` comes no further operator; text may follow the last operator
 * (`/files/{*}.jpg`, `/a/{**}/b`).
 *
 * Envoy's operators take RFC 3986's pchar only: a path with `[` or `|` in it matches no template, so that a rule which
 * denies `/admin/{**}` would let `/admin/[x]` pass. We say UNSURE there: an ALLOW rule then does not match and a DENY
 * rule does, so that the answer errs on the safe side of Envoy's, never on the other.
 *
 * A compiled template is a count followed by records of 12 bytes: operator, length, place of text.
 */
import { same } from "../sdk/slice";
import { Region } from "./region";

export const NO: u32 = 0;
export const YES: u32 = 1;
/** It would match if Envoy's operators took every byte. */
export const UNSURE: u32 = 2;

const TEXT: u32 = 0;
const ONE: u32 = 1;
const ANY: u32 = 2;
const RECORD: usize = 12;

const SLASH: u8 = 0x2f;
const OPEN: u8 = 0x7b;
const CLOSE: u8 = 0x7d;
const STAR: u8 = 0x2a;

/** True if the text holds `{*}` or `{**}`. */
export function isTemplate(data: usize, length: u32): bool {
  for (let i: u32 = 0; i < length; i++) if (operatorAt(data, length, i) !== TEXT) return true;
  return false;
}

function operatorAt(data: usize, length: u32, at: u32): u32 {
  if (load<u8>(data + at) !== OPEN || at + 2 >= length || load<u8>(data + at + 1) !== STAR) return TEXT;
  if (load<u8>(data + at + 2) === CLOSE) return ONE;
  return at + 3 < length && load<u8>(data + at + 2) === STAR && load<u8>(data + at + 3) === CLOSE
    ? ANY
    : TEXT;
}

/** RFC 3986's pchar: what Envoy's operators take. */
function isPathByte(byte: u8): bool {
  if (byte >= 0x40 && byte <= 0x5a) return true;
  if ((byte >= 0x61 && byte <= 0x7a) || byte === 0x5f || byte === 0x7e) return true;
  // From $ to ; without the slash.
  if (byte >= 0x24 && byte <= 0x3b) return byte !== SLASH;
  return byte === 0x21 || byte === 0x3d;
}

/** Why a template is refused, or "" if it is well-formed. */
export function templateFault(data: usize, length: u32): string {
  if (load<u8>(data) !== SLASH) return "a path template starts with /";
  let anySeen = false;
  let tailFrom: u32 = 0;
  for (let i: u32 = 0; i < length; ) {
    const operator = operatorAt(data, length, i);
    if (operator === TEXT) {
      const byte = load<u8>(data + i);
      if (byte === STAR) return "{*} and {**} cannot be mixed with *";
      if (byte === OPEN || byte === CLOSE) return "only {*} and {**} may stand in braces";
      if (byte !== SLASH && !isPathByte(byte)) return "a byte that Envoy takes in no path template";
      if (byte === SLASH && tailFrom !== 0 && i > tailFrom) return "text after an operator ends the template";
      if (byte === SLASH && i + 1 < length && load<u8>(data + i + 1) === SLASH)
        return "an empty path segment";
      if (byte === SLASH) tailFrom = 0;
      i++;
      continue;
    }
    if (load<u8>(data + i - 1) !== SLASH) return "an operator begins a path segment";
    if (anySeen) return "no operator after {**}";
    anySeen = operator === ANY;
    i += operator === ANY ? 4 : 3;
    tailFrom = i;
  }
  return "";
}

/** Compiles a well-formed template; its text stays where it is. Returns the place of the compiled form. */
export function compileTemplate(region: Region, data: usize, length: u32): usize {
  let count: u32 = 0;
  let inText = false;
  for (let i: u32 = 0; i < length; ) {
    const operator = operatorAt(data, length, i);
    if (operator !== TEXT || !inText) count++;
    inText = operator === TEXT;
    i += operator === ANY ? 4 : operator === ONE ? 3 : 1;
  }
  const compiled = region.take(4 + <usize>count * RECORD);
  store<u32>(compiled, count);
  let record = compiled + 4 - RECORD;
  inText = false;
  for (let i: u32 = 0; i < length; ) {
    const operator = operatorAt(data, length, i);
    if (operator !== TEXT || !inText) {
      record += RECORD;
      store<u32>(record, operator);
      store<u32>(record + 8, <u32>(data + i));
    }
    if (operator === TEXT) store<u32>(record + 4, load<u32>(record + 4) + 1);
    inText = operator === TEXT;
    i += operator === ANY ? 4 : operator === ONE ? 3 : 1;
  }
  return compiled;
}

/** YES, NO or UNSURE for a path without its query. */
export function templateMatches(compiled: usize, path: usize, length: u32): u32 {
  if (!matchesFreely(compiled, path, length)) return NO;
  for (let i: u32 = 0; i < length; i++) {
    const byte = load<u8>(path + i);
    if (byte !== SLASH && !isPathByte(byte)) return UNSURE;
  }
  return YES;
}

function matchesFreely(compiled: usize, path: usize, length: u32): bool {
  const count = load<u32>(compiled);
  let at: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const record = compiled + 4 + <usize>i * RECORD;
    const size = load<u32>(record + 4);
    switch (load<u32>(record)) {
      case TEXT:
        if (length - at < size || !same(load<u32>(record + 8), path + at, size)) return false;
        at += size;
        break;
      case ONE: {
        let end = at;
        while (end < length && load<u8>(path + end) !== SLASH) end++;
        if (end === at) return false;
        // Text that ends this very segment takes its bytes from the operator.
        if (i + 1 < count && load<u8>(load<u32>(record + RECORD + 8)) !== SLASH) {
          const tail = load<u32>(record + RECORD + 4);
          return end === length && end - at > tail && endsWith(path, length, record + RECORD);
        }
        at = end;
        break;
      }
      default:
        if (i + 1 === count) return true;
        return length - at >= load<u32>(record + RECORD + 4) && endsWith(path, length, record + RECORD);
    }
  }
  return at === length;
}

function endsWith(path: usize, length: u32, record: usize): bool {
  const size = load<u32>(record + 4);
  return same(load<u32>(record + 8), path + length - size, size);
}
