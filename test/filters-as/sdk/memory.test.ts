/** What memory is given and taken: the arena, garbage, the table of contexts. */
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { AssemblyModule } from "../../support/assembly-module.ts";

let pure: AssemblyModule;
beforeAll(() => {
  pure = AssemblyModule.load("pure-functions");
}, 120_000);

/** The functions below are called without the new callback that `AssemblyModule` begins with every call. */
const raw = (name: string, ...values: number[]) =>
  (pure.exports[name] as (...values: number[]) => number)(...values) >>> 0;

describe("the arena", () => {
  test("ranges do not overlap and are aligned; the next callback gets the same ones", () => {
    raw("begin");
    const [a, b, c] = [raw("take", 3), raw("take", 8), raw("take", 0)];
    expect([a % 8, b - a, c - b]).toEqual([0, 8, 8]);
    raw("begin");
    expect(raw("take", 1)).toBe(a);
  });

  test("what does not fit gets a place of its own, which goes back", () => {
    raw("begin");
    const first = raw("take", 16);
    const large = raw("take", 200_000);
    expect(raw("take", 16)).toBe(first + 16);
    const size = pure.memory.buffer.byteLength;
    expect(large + 200_000).toBeLessThanOrEqual(size);
    for (let i = 0; i < 1000; i++) {
      raw("begin");
      raw("take", 200_000);
      raw("take", 50_000);
    }
    expect(pure.memory.buffer.byteLength).toBeLessThanOrEqual(size + 65_536 * 2);
  });

  test("a whole block is given to the last byte", () => {
    raw("begin");
    const first = raw("take", 32 * 1024);
    const next = raw("take", 1);
    expect(next < first || next >= first + 32 * 1024).toBe(true);
  });

  test("sizes beyond reason are refused", () => {
    raw("begin");
    for (const size of [0xffffffff, 0xfffffff8, 0x80000000, 0x20000001]) expect(raw("take", size)).toBe(0);
  });

  test("a slice of an impossible length is a trap, with a line that says so", () => {
    raw("begin");
    expect(raw("takeSlice", 5)).toBe(5);
    for (const length of [-1, -8, -(2 ** 31), 2 ** 31 - 1]) {
      expect(() => raw("takeSlice", length)).toThrow(WebAssembly.RuntimeError);
      expect(pure.logs.pop()).toMatch(/^a slice of an impossible length at .*slice\.ts:\d+:\d+$/);
    }
  });

  test("the last range grows in place, others move", () => {
    raw("begin");
    const a = raw("take", 10);
    expect(raw("lengthen", a, 10, 100)).toBe(a);
    expect(raw("take", 1)).toBe(a + 104);
    expect(raw("lengthen", a, 100, 200)).not.toBe(a);
  });
});

describe("garbage", () => {
  test("is counted and collected; what was freed is used again", () => {
    raw("collect");
    raw("makeGarbage", 1000);
    const made = raw("garbage");
    expect(made).toBeGreaterThan(32_000);
    raw("collect");
    expect(raw("garbage")).toBe(0);
    const size = pure.memory.buffer.byteLength;
    for (let i = 0; i < 50; i++) {
      raw("makeGarbage", 1000);
      raw("collect");
    }
    expect(pure.memory.buffer.byteLength).toBe(size);
  });
});

test("the table of contexts does what a map does", () => {
  const id = fc.oneof(
    fc.integer({ min: 1, max: 40 }),
    fc.nat(3).map((i) => 64 * i + 1),
    fc.integer({ min: 1 }),
  );
  const step = fc.tuple(fc.constantFrom("tableSet", "tableSet", "tableRemove"), id);
  const all = new Map<number, number>();
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      for (const [name, number] of steps) {
        raw(name, number);
        if (name === "tableSet") all.set(number, number);
        else all.delete(number);
        expect(raw("tableSize")).toBe(all.size);
      }
      for (const number of all.keys()) expect(raw("tableGet", number)).toBe(number);
      for (const [, number] of steps) expect(raw("tableGet", number)).toBe(all.get(number) ?? 0);
    }),
  );
});
