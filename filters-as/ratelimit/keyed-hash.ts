/**
 * SipHash-1-3 over 64-bit words: a hash that nobody can aim who does not know its 128-bit key. Values of requests are
 * chosen by those who send them, and what hashes alike shares a place in memory.
 *
 * One hash is under way at a time: `beginHash`, any number of `absorb…`, `endHash`.
 */

let v0: u64 = 0;
let v1: u64 = 0;
let v2: u64 = 0;
let v3: u64 = 0;

function rounds(count: i32): void {
  let a = v0;
  let b = v1;
  let c = v2;
  let d = v3;
  for (let i = 0; i < count; i++) {
    a += b;
    b = rotl<u64>(b, 13) ^ a;
    a = rotl<u64>(a, 32);
    c += d;
    d = rotl<u64>(d, 16) ^ c;
    a += d;
    d = rotl<u64>(d, 21) ^ a;
    c += b;
    b = rotl<u64>(b, 17) ^ c;
    c = rotl<u64>(c, 32);
  }
  v0 = a;
  v1 = b;
  v2 = c;
  v3 = d;
}

export function beginHash(key0: u64, key1: u64): void {
  v0 = key0 ^ 0x736f6d6570736575;
  v1 = key1 ^ 0x646f72616e646f6d;
  v2 = key0 ^ 0x6c7967656e657261;
  v3 = key1 ^ 0x7465646279746573;
}

export function absorbWord(word: u64): void {
  v3 ^= word;
  rounds(1);
  v0 ^= word;
}

/** Absorbs `length` bytes and their number, so that no two rows of values are absorbed alike. */
export function absorbBytes(start: usize, length: u32): void {
  absorbWord(length);
  absorbWhole(start, length);
  if ((length & 7) !== 0) absorbWord(tail(start, length));
}

export function endHash(): u64 {
  v2 ^= 0xff;
  rounds(3);
  return v0 ^ v1 ^ v2 ^ v3;
}

/** The hash as published, of one piece of memory. */
export function sipHash(key0: u64, key1: u64, start: usize, length: u32): u64 {
  beginHash(key0, key1);
  absorbWhole(start, length);
  absorbWord(tail(start, length) | ((length as u64) << 56));
  return endHash();
}

function absorbWhole(start: usize, length: u32): void {
  const end = start + (length & ~7);
  for (let at = start; at < end; at += 8) absorbWord(load<u64>(at));
}

/** The bytes after the last whole word, the first lowest. */
function tail(start: usize, length: u32): u64 {
  let word: u64 = 0;
  const whole = length & ~7;
  for (let i = length; i > whole; i--) word = (word << 8) | load<u8>(start + i - 1);
  return word;
}
