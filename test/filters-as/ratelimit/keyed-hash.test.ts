import { beforeAll, describe, expect, test } from "bun:test";
import { type Pure, put, SCRATCH, startPure } from "./pure.ts";

const mask64 = (1n << 64n) - 1n;
const rotate = (value: bigint, by: bigint) => ((value << by) | (value >> (64n - by))) & mask64;

/** SipHash as the paper describes it, with any number of rounds: the oracle. */
function reference(message: Uint8Array, key0: bigint, key1: bigint, perWord: number, atEnd: number): bigint {
  let [a, b, c, d] = [0x736f6d6570736575n, 0x646f72616e646f6dn, 0x6c7967656e657261n, 0x7465646279746573n];
  a ^= key0;
  b ^= key1;
  c ^= key0;
  d ^= key1;
  const rounds = (count: number) => {
    for (let i = 0; i < count; i++) {
      a = (a + b) & mask64;
      b = rotate(b, 13n) ^ a;
      a = rotate(a, 32n);
      c = (c + d) & mask64;
      d = rotate(d, 16n) ^ c;
      a = (a + d) & mask64;
      d = rotate(d, 21n) ^ a;
      c = (c + b) & mask64;
      b = rotate(b, 17n) ^ c;
      c = rotate(c, 32n);
    }
  };
  const padded = new Uint8Array((message.length & ~7) + 8);
  padded.set(message);
  padded[padded.length - 1] = message.length & 255;
  const words = new DataView(padded.buffer);
  for (let at = 0; at < padded.length; at += 8) {
    const word = words.getBigUint64(at, true);
    d ^= word;
    rounds(perWord);
    a ^= word;
  }
  c ^= 0xffn;
  rounds(atEnd);
  return a ^ b ^ c ^ d;
}

const counting = (length: number) => Uint8Array.from({ length }, (_, i) => i & 255);
const key0 = 0x0706050403020100n;
const key1 = 0x0f0e0d0c0b0a0908n;
let pure: Pure;
beforeAll(() => {
  pure = startPure();
}, 60_000);

describe("the hash of bucket keys", () => {
  test("the oracle agrees with the vector of the SipHash paper (2-4)", () => {
    expect(reference(counting(15), key0, key1, 2, 4)).toBe(0xa129ca6149be45e5n);
  });

  test("is SipHash-1-3 for every length up to 80", () => {
    for (let length = 0; length <= 80; length++) {
      const message = counting(length);
      // Rubbish behind the message must not count.
      put(pure, SCRATCH, new Uint8Array(96).fill(0xaa));
      put(pure, SCRATCH, message);
      const hash = BigInt.asUintN(64, pure.sipHash(key0, key1, SCRATCH, length));
      expect(hash).toBe(reference(message, key0, key1, 1, 3));
    }
  });

  test("no two rows of values are absorbed alike", () => {
    const seen = new Set<bigint>();
    const rows = [
      ["ab", "c"],
      ["a", "bc"],
      ["abc"],
      ["abc", ""],
      ["", "abc"],
      ["abc\0"],
      ["abc\0\0\0\0\0"],
      [],
    ];
    for (const row of rows) {
      pure.beginHash(1n, 2n);
      for (const value of row) pure.absorbBytes(SCRATCH, put(pure, SCRATCH, Buffer.from(value)));
      seen.add(pure.endHash());
    }
    expect(seen.size).toBe(rows.length);
  });
});
