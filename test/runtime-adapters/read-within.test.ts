/** A body is read up to its limit, whole or not at all. */
import { expect, test } from "bun:test";
import { readWithin } from "../../runtime-adapters/read-within.ts";

let given = 0;

async function* pieces(...sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  given = 0;
  for (const size of sizes) yield new Uint8Array(size).fill(++given);
}

test.each([
  ["no body", null, 0, ""],
  ["an empty body", pieces(), 0, ""],
  ["as many bytes as may be", pieces(2, 0, 3), 5, "1,1,3,3,3"],
  ["one more", pieces(2, 3), 4, null],
  ["one more in one piece", pieces(5), 4, null],
])("%s", async (_, body, limit, expected) => {
  const bytes = await readWithin(body, limit);
  expect(bytes === null ? null : bytes.join()).toBe(expected);
});

test("what comes after the limit is not asked for", async () => {
  expect(await readWithin(pieces(3, 3, 3, 3), 4)).toBeNull();
  expect(given).toBe(2);
});

test("a body that breaks off is an error, not a shorter body", async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(3);
    throw new Error("reset");
  }
  await expect(readWithin(broken(), 100)).rejects.toThrow("reset");
});

test("the bytes are a copy", async () => {
  const piece = new Uint8Array([1, 2, 3]);
  const bytes = await readWithin(
    (async function* () {
      yield piece;
    })(),
    3,
  );
  piece.fill(0);
  expect(bytes?.join()).toBe("1,2,3");
});
