/** The hash of the shared store against HalfSipHash written plainly, which gives its authors' published values. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { keyedHash } from "../../../../filters/wasm/store/keyed-hash.ts";

const rotate = (x: number, by: number) => (x << by) | (x >>> (32 - by));

/** HalfSipHash-c-d with 32 bits of output. */
function halfSipHash(c: number, d: number, k0: number, k1: number, input: readonly number[]): number {
  const v = [k0, k1, 0x6c796765 ^ k0, 0x74656462 ^ k1];
  const round = () => {
    v[0] += v[1] | 0;
    v[0] |= 0;
    v[1] = rotate(v[1], 5) ^ v[0];
    v[0] = rotate(v[0], 16);
    v[2] = (v[2] + v[3]) | 0;
    v[3] = rotate(v[3], 8) ^ v[2];
    v[0] = (v[0] + v[3]) | 0;
    v[3] = rotate(v[3], 7) ^ v[0];
    v[2] = (v[2] + v[1]) | 0;
    v[1] = rotate(v[1], 13) ^ v[2];
    v[2] = rotate(v[2], 16);
  };
  const padded = [...input];
  while (padded.length % 4 !== 3) padded.push(0);
  padded.push(input.length & 255);
  for (let i = 0; i < padded.length; i += 4) {
    const m = padded[i] | (padded[i + 1] << 8) | (padded[i + 2] << 16) | (padded[i + 3] << 24);
    v[3] ^= m;
    for (let r = 0; r < c; r++) round();
    v[0] ^= m;
  }
  v[2] ^= 0xff;
  for (let r = 0; r < d; r++) round();
  return v[1] ^ v[3];
}

test("the plain one is HalfSipHash: published values of 2-4 under the key 00 01 … 07", () => {
  const bytes = (value: number) => [0, 8, 16, 24].map((by) => (value >>> by) & 255);
  expect(bytes(halfSipHash(2, 4, 0x03020100, 0x07060504, []))).toEqual([0xa9, 0x35, 0x9f, 0x5b]);
  expect(bytes(halfSipHash(2, 4, 0x03020100, 0x07060504, [0]))).toEqual([0x27, 0x47, 0x5a, 0xb8]);
});

test("ours is its 1-3 over the tag's four bytes and the key's", () => {
  const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  fc.assert(
    fc.property(int32, int32, int32, fc.uint8Array({ maxLength: 40 }), fc.nat(5), (k0, k1, tag, key, at) => {
      const bytes = new Uint8Array(at + key.length + 3).fill(0xaa);
      bytes.set(key, at);
      const input = [tag & 255, (tag >>> 8) & 255, (tag >>> 16) & 255, tag >>> 24, ...key];
      expect(keyedHash(k0, k1, tag, bytes, at, key.length)).toBe(halfSipHash(1, 3, k0, k1, input));
    }),
  );
});
