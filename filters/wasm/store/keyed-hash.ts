/**
 * HalfSipHash-1-3 (the 32-bit sibling of SipHash): a hash that nobody can aim at one bucket without the key. Keys of
 * shared data hold what clients send, so a faster hash without a secret would let them make lists of any length.
 */

/** Hashes `tag` and the bytes `[at, at + length)` under the key `k0`, `k1` to a signed 32-bit number. */
export function keyedHash(
  k0: number,
  k1: number,
  tag: number,
  bytes: Uint8Array,
  at: number,
  length: number,
): number {
  let v0 = k0;
  let v1 = k1;
  let v2 = k0 ^ 0x6c796765;
  let v3 = k1 ^ 0x74656462;
  const whole = at + (length & ~3);
  let m = tag;
  let i = at;
  for (;;) {
    v3 ^= m;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= m;
    if (i >= whole) break;
    m = bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    i += 4;
  }
  m = (length + 4) << 24;
  const rest = length & 3;
  if (rest > 0) m |= bytes[whole];
  if (rest > 1) m |= bytes[whole + 1] << 8;
  if (rest > 2) m |= bytes[whole + 2] << 16;
  v3 ^= m;
  // One round for the last word, three to finish.
  for (let round = 0; round < 4; round++) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    if (round === 0) {
      v0 ^= m;
      v2 ^= 0xff;
    }
  }
  return v1 ^ v3;
}
