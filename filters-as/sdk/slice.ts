/**
 * A view of bytes: where they are and how many. Header names and values, bodies, properties: everything that
 * crosses the border to the host is bytes and is shown as a slice, without a copy and without a decoding; the bytes
 * of a header value round-trip exactly, whatever they are. `toString` and `Slice.from` are for convenience.
 *
 * What a slice shows is valid until the next callback begins (it is in the arena), or for ever if it was made by
 * `Slice.of`. To keep it longer: `keep()`. Slices themselves are not collected: they live where their bytes live.
 */
import { allocate } from "./arena";

@unmanaged
@final
export class Slice {
  ptr: usize;
  length: i32;

  /** The bytes of a text, made once and never freed: for the constants of a module. */
  static of(text: string): Slice {
    const length = String.UTF8.byteLength(text);
    const place = heap.alloc(offsetof<Slice>() + length);
    const slice = changetype<Slice>(place);
    slice.ptr = place + offsetof<Slice>();
    slice.length = length;
    String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, slice.ptr);
    return slice;
  }

  /** The UTF-8 bytes of a text, for this callback. */
  static from(text: string): Slice {
    const length = String.UTF8.byteLength(text);
    const slice = Slice.allocate(length);
    String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, slice.ptr);
    return slice;
  }

  /** A view of `length` bytes at `ptr`; the view is there for this callback. */
  static at(ptr: usize, length: i32): Slice {
    const slice = changetype<Slice>(allocate(offsetof<Slice>()));
    slice.ptr = ptr;
    slice.length = length;
    return slice;
  }

  /** `length` bytes for this callback, not cleared. */
  static allocate(length: i32): Slice {
    const place: usize = length < 0 ? 0 : allocate(offsetof<Slice>() + <usize>length);
    if (place === 0) throw new Error("a slice of an impossible length");
    const slice = changetype<Slice>(place);
    slice.ptr = place + offsetof<Slice>();
    slice.length = length;
    return slice;
  }

  /** An empty slice that may be there for ever. */
  static get empty(): Slice {
    return changetype<Slice>(EMPTY);
  }

  /** A copy that lasts as long as somebody holds it. */
  keep(): Bytes {
    return Bytes.copy(this);
  }

  /** The byte at `i`, which must lie inside: there is no check. */
  @inline
  @operator("[]")
  at(i: i32): u8 {
    return load<u8>(this.ptr + i);
  }

  /** The part from `start` to before `end`; both are cut to what is there. */
  slice(start: i32, end: i32 = i32.MAX_VALUE): Slice {
    const to = min(end, this.length);
    const from = min(max(start, 0), max(to, 0));
    return Slice.at(this.ptr + from, max(to, 0) - from);
  }

  equals(other: Slice): bool {
    return this.length === other.length && same(this.ptr, other.ptr, this.length);
  }

  /** Equal but for the case of ASCII letters. */
  equalsIgnoreCase(other: Slice): bool {
    return this.length === other.length && sameIgnoreCase(this.ptr, other.ptr, this.length);
  }

  startsWith(prefix: Slice): bool {
    return this.length >= prefix.length && same(this.ptr, prefix.ptr, prefix.length);
  }

  startsWithIgnoreCase(prefix: Slice): bool {
    return this.length >= prefix.length && sameIgnoreCase(this.ptr, prefix.ptr, prefix.length);
  }

  endsWith(suffix: Slice): bool {
    const at = this.length - suffix.length;
    return at >= 0 && same(this.ptr + at, suffix.ptr, suffix.length);
  }

  endsWithIgnoreCase(suffix: Slice): bool {
    const at = this.length - suffix.length;
    return at >= 0 && sameIgnoreCase(this.ptr + at, suffix.ptr, suffix.length);
  }

  contains(part: Slice): bool {
    return this.indexOf(part) >= 0;
  }

  /** Where `part` first begins, at `from` or later; -1 if nowhere. */
  indexOf(part: Slice, from: i32 = 0): i32 {
    if (part.length === 0) return from <= this.length ? from : -1;
    const first = part.at(0);
    const last = this.length - part.length;
    for (let i = from; i <= last; i++) {
      if (this.at(i) === first && same(this.ptr + i, part.ptr, part.length)) return i;
    }
    return -1;
  }

  /** As `indexOf`, with ASCII letters equal in both cases. */
  indexOfIgnoreCase(part: Slice, from: i32 = 0): i32 {
    const last = this.length - part.length;
    for (let i = from; i <= last; i++) {
      if (sameIgnoreCase(this.ptr + i, part.ptr, part.length)) return i;
    }
    return -1;
  }

  /** Where `byte` first is, at `from` or later; -1 if nowhere. */
  indexOfByte(byte: u8, from: i32 = 0): i32 {
    for (let i = from; i < this.length; i++) if (this.at(i) === byte) return i;
    return -1;
  }

  lastIndexOfByte(byte: u8): i32 {
    for (let i = this.length - 1; i >= 0; i--) if (this.at(i) === byte) return i;
    return -1;
  }

  /** Without the spaces and tabs at both ends: HTTP's optional whitespace. */
  trim(): Slice {
    let start = 0;
    let end = this.length;
    while (start < end && isBlank(this.at(start))) start++;
    while (end > start && isBlank(this.at(end - 1))) end--;
    return this.slice(start, end);
  }

  /** A copy, for this callback, with ASCII letters lower. */
  toLowerCase(): Slice {
    const copy = Slice.allocate(this.length);
    for (let i = 0; i < this.length; i++) store<u8>(copy.ptr + i, lower(this.at(i)));
    return copy;
  }

  /** A hash of the bytes, good enough for tables of trusted keys; see `hashWithSeed` for others. */
  hash(): u32 {
    return hashBytes(this.ptr, this.length, 0);
  }

  /** As `hash`, with a seed that a peer who chooses the bytes does not know. */
  hashWithSeed(seed: u32): u32 {
    return hashBytes(this.ptr, this.length, seed);
  }

  /** The number written in decimal digits, and nothing else; -1 if it is not one or beyond 2^63 - 1. */
  toDecimal(): i64 {
    if (this.length === 0 || this.length > 19) return -1;
    let value: u64 = 0;
    for (let i = 0; i < this.length; i++) {
      const digit = <u32>this.at(i) - 0x30;
      if (digit > 9) return -1;
      value = value * 10 + digit;
    }
    return value > <u64>i64.MAX_VALUE ? -1 : <i64>value;
  }

  /** The text, if the bytes are UTF-8; what is not becomes U+FFFD, so it does not round-trip. */
  toString(): string {
    return String.UTF8.decodeUnsafe(this.ptr, this.length);
  }

  /** The text with one character per byte: every sequence of bytes has one, and `Slice.fromLatin1` undoes it. */
  toLatin1(): string {
    const place = changetype<usize>(__new(this.length << 1, idof<string>()));
    for (let i = 0; i < this.length; i++) store<u16>(place + (i << 1), this.at(i));
    return changetype<string>(place);
  }

  /** The bytes of a text whose characters are below 256 (of others the lower eight bits), for this callback. */
  static fromLatin1(text: string): Slice {
    const slice = Slice.allocate(text.length);
    for (let i = 0; i < text.length; i++) store<u8>(slice.ptr + i, <u8>text.charCodeAt(i));
    return slice;
  }
}

/**
 * Bytes that a filter owns: kept by a root context, a configuration or a stream context, and freed by the garbage
 * collector like any other object. They are read through `view`, a slice that is valid as long as this object is.
 *
 * The layout begins like a slice's, with the bytes themselves behind it in the same block: so `view` costs
 * nothing and makes nothing.
 */
@final
export class Bytes {
  private ptr: usize;
  private size: i32;

  private constructor() {
    unreachable();
  }

  /** A copy of the bytes of `slice`. */
  static copy(slice: Slice): Bytes {
    const bytes = Bytes.allocate(slice.length);
    memory.copy(bytes.ptr, slice.ptr, slice.length);
    return bytes;
  }

  /** The UTF-8 bytes of `text`. */
  static of(text: string): Bytes {
    const length = String.UTF8.byteLength(text);
    const bytes = Bytes.allocate(length);
    String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, bytes.ptr);
    return bytes;
  }

  /** `length` bytes, not cleared: fill them through `view.ptr`. */
  static allocate(length: i32): Bytes {
    const place = __new(offsetof<Bytes>() + length, idof<Bytes>());
    store<usize>(place, place + offsetof<Bytes>(), offsetof<Bytes>("ptr"));
    store<i32>(place, length, offsetof<Bytes>("size"));
    return changetype<Bytes>(place);
  }

  get length(): i32 {
    return this.size;
  }

  /** The bytes as a slice. Valid as long as somebody holds this object. */
  get view(): Slice {
    return changetype<Slice>(changetype<usize>(this));
  }

  toString(): string {
    return this.view.toString();
  }
}

const EMPTY: usize = memory.data(8);

/** True for a space or a tab. */
export function isBlank(byte: u8): bool {
  return byte === 0x20 || byte === 0x09;
}

/** An ASCII letter in lower case; any other byte as it is. */
export function lower(byte: u8): u8 {
  return <u8>(<u32>byte | ((<u32>(<u32>byte - 0x41 < 26)) << 5));
}

/** True if `length` bytes at two places are the same. Reads eight at a time and never past the end. */
export function same(a: usize, b: usize, length: i32): bool {
  let i = 0;
  for (; i + 8 <= length; i += 8) if (load<u64>(a + i) !== load<u64>(b + i)) return false;
  if (length & 4) {
    if (load<u32>(a + i) !== load<u32>(b + i)) return false;
    i += 4;
  }
  for (; i < length; i++) if (load<u8>(a + i) !== load<u8>(b + i)) return false;
  return true;
}

/** As `same`, with ASCII letters equal in both cases. */
export function sameIgnoreCase(a: usize, b: usize, length: i32): bool {
  for (let i = 0; i < length; i++) if (lower(load<u8>(a + i)) !== lower(load<u8>(b + i))) return false;
  return true;
}

/** Multiply and mix, eight bytes at a time; the last bytes are padded with zeros and the length tells them apart. */
function hashBytes(at: usize, length: i32, seed: u32): u32 {
  let hash: u64 = ((<u64>seed) << 32) ^ <u64>length ^ 0x9e3779b97f4a7c15;
  let i = 0;
  for (; i + 8 <= length; i += 8) hash = mix(hash ^ load<u64>(at + i));
  if (i < length) {
    let rest: u64 = 0;
    for (let shift = 0; i < length; i++, shift += 8) rest |= (<u64>load<u8>(at + i)) << shift;
    hash = mix(hash ^ rest);
  }
  return <u32>(hash ^ (hash >>> 32));
}

function mix(value: u64): u64 {
  let mixed = value * 0xbf58476d1ce4e5b9;
  mixed ^= mixed >>> 29;
  mixed *= 0x94d049bb133111eb;
  return mixed ^ (mixed >>> 32);
}
