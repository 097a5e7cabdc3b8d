/**
 * Finds, for a value, all rules one of whose patterns could match it: one walk over the value, whatever the number of
 * rules. Keys are whole values, and the first or last bytes of patterns with stars; each has a bucket of rules.
 *
 * How: a running hash of the value's bytes is looked up at each length at which some prefix ends, and once at the end
 * for the whole values; the same backwards for suffixes. A rule that is found need not match: the key is a part of it.
 *
 * Laws: `find` takes no memory. A colliding hash costs a comparison, never an answer.
 */

import { same } from "../sdk/slice";
import { EXACT, GLOB, Pattern, PREFIX, SUFFIX, TEMPLATE } from "./pattern";
import { Region } from "./region";

/** Longer keys are cut: they find the same rules and perhaps some more. */
const LONGEST: u32 = 255;

const SEED: u32 = 0x811c9dc5;
const PRIME: u32 = 0x01000193;

@unmanaged
class Bucket {
  hash: u32;
  kind: u32;
  length: u32;
  /** How many rules. */
  count: u32;
  text: usize;
  first: usize;
}

/** One rule of a bucket. */
@unmanaged
export class Link {
  rule: usize;
  next: usize;
}

/** The part of a pattern that a value must have; kind is EXACT, PREFIX or SUFFIX. */
@unmanaged
export class Key {
  kind: u32;
  length: u32;
  text: usize;
}

/** Where `find` leaves the first links of the buckets that it found. */
const FOUND: usize = memory.data(4 * 520);
const STAR: u8 = 0x2a;

export function foundLink(index: u32): usize {
  return load<usize>(FOUND + 4 * <usize>index);
}

/** Makes a pattern's key; false if any value could match. */
export function keyOf(pattern: Pattern, into: Key): bool {
  into.kind = pattern.kind;
  into.text = pattern.text;
  into.length = pattern.length;
  if (pattern.kind === TEMPLATE) {
    // The first record is always text: a template starts with a slash.
    into.kind = PREFIX;
    into.text = load<u32>(pattern.text + 12);
    into.length = load<u32>(pattern.text + 8);
  } else if (pattern.kind === GLOB) {
    const text = pattern.text;
    let size: u32 = 0;
    while (load<u8>(text + size) !== STAR) size++;
    into.kind = PREFIX;
    if (size === 0) {
      into.kind = SUFFIX;
      while (load<u8>(text + pattern.length - 1 - size) !== STAR) size++;
      into.text = text + pattern.length - size;
    }
    into.length = size;
  } else if (pattern.kind > SUFFIX) return false;
  if (into.kind !== EXACT && into.length > LONGEST) {
    if (into.kind === SUFFIX) into.text += into.length - LONGEST;
    into.length = LONGEST;
  }
  return into.length > 0;
}

@unmanaged
export class StringIndex {
  /** Hash table of places of buckets, its size a power of two. */
  private slots: usize;
  private mask: u32;
  private keys: u32;
  private hasWhole: bool;
  private longestPrefix: u32;
  private longestSuffix: u32;
  /** One bit for each length at which a prefix, or a suffix, ends. */
  private lengths: usize;

  /** An index with room for `keys` different keys. */
  static create(region: Region, keys: u32): StringIndex {
    const index = changetype<StringIndex>(region.take(offsetof<StringIndex>()));
    let size: u32 = 16;
    while (size < keys * 2) size <<= 1;
    index.slots = region.take(<usize>size * 4);
    index.mask = size - 1;
    index.lengths = region.take(64);
    return index;
  }

  get isEmpty(): bool {
    return this.keys === 0;
  }

  /** Puts a rule into the key's bucket, once. */
  add(region: Region, key: Key, rule: usize): void {
    const bucket = this.bucket(region, key);
    const first = changetype<Link>(bucket.first);
    if (bucket.first !== 0 && first.rule === rule) return;
    const link = changetype<Link>(region.take(offsetof<Link>()));
    link.rule = rule;
    link.next = bucket.first;
    bucket.first = changetype<usize>(link);
    bucket.count++;
  }

  /** How many rules the key's bucket holds. */
  countOf(key: Key): u32 {
    const bucket = this.lookUp(key.kind, hashOf(key), key.text, key.length);
    return bucket === 0 ? 0 : changetype<Bucket>(bucket).count;
  }

  /** Finds the buckets whose key the value has; returns how many, see `foundLink`. */
  find(data: usize, length: u32): u32 {
    let found: u32 = 0;
    let hash: u32 = SEED;
    let at: u32 = 0;
    const prefixes = min(length, this.longestPrefix);
    while (at < prefixes) {
      hash = (hash ^ <u32>load<u8>(data + at++)) * PRIME;
      if (this.endsAt(0, at)) found = this.note(found, this.lookUp(PREFIX, hash, data, at));
    }
    if (this.hasWhole) {
      while (at < length) hash = (hash ^ <u32>load<u8>(data + at++)) * PRIME;
      found = this.note(found, this.lookUp(EXACT, hash, data, length));
    }
    const suffixes = min(length, this.longestSuffix);
    hash = SEED;
    for (let i: u32 = 1; i <= suffixes; i++) {
      hash = (hash ^ <u32>load<u8>(data + length - i)) * PRIME;
      if (this.endsAt(32, i)) found = this.note(found, this.lookUp(SUFFIX, hash, data + length - i, i));
    }
    return found;
  }

  private note(found: u32, bucket: usize): u32 {
    if (bucket === 0) return found;
    store<usize>(FOUND + 4 * <usize>found, changetype<Bucket>(bucket).first);
    return found + 1;
  }

  private endsAt(side: usize, length: u32): bool {
    return ((load<u8>(this.lengths + side + (length >> 3)) >> <u8>(length & 7)) & 1) !== 0;
  }

  private lookUp(kind: u32, hash: u32, data: usize, length: u32): usize {
    let slot = slotOf(hash, kind) & this.mask;
    let place = load<usize>(this.slots + 4 * <usize>slot);
    while (place !== 0) {
      const bucket = changetype<Bucket>(place);
      const alike = bucket.hash === hash && bucket.kind === kind && bucket.length === length;
      if (alike && same(bucket.text, data, length)) return place;
      slot = (slot + 1) & this.mask;
      place = load<usize>(this.slots + 4 * <usize>slot);
    }
    return 0;
  }

  private bucket(region: Region, key: Key): Bucket {
    const hash = hashOf(key);
    const known = this.lookUp(key.kind, hash, key.text, key.length);
    if (known !== 0) return changetype<Bucket>(known);
    const bucket = changetype<Bucket>(region.take(offsetof<Bucket>()));
    bucket.hash = hash;
    bucket.kind = key.kind;
    bucket.length = key.length;
    bucket.text = key.text;
    let slot = slotOf(hash, key.kind) & this.mask;
    while (load<usize>(this.slots + 4 * <usize>slot) !== 0) slot = (slot + 1) & this.mask;
    store<usize>(this.slots + 4 * <usize>slot, changetype<usize>(bucket));
    this.keys++;
    if (key.kind === EXACT) this.hasWhole = true;
    else {
      const side: usize = key.kind === PREFIX ? 0 : 32;
      const byte = this.lengths + side + (key.length >> 3);
      store<u8>(byte, load<u8>(byte) | <u8>((<u32>1) << (key.length & 7)));
      if (key.kind === PREFIX) this.longestPrefix = max(this.longestPrefix, key.length);
      else this.longestSuffix = max(this.longestSuffix, key.length);
    }
    return bucket;
  }
}

/** Spreads the hash, whose low bits are its weakest, and parts the kinds. */
function slotOf(hash: u32, kind: u32): u32 {
  return ((hash ^ kind) * 0x9e3779b1) >> 12;
}

function hashOf(key: Key): u32 {
  let hash: u32 = SEED;
  for (let i: u32 = 0; i < key.length; i++) {
    const at = key.kind === SUFFIX ? key.length - 1 - i : i;
    hash = (hash ^ <u32>load<u8>(key.text + at)) * PRIME;
  }
  return hash;
}
