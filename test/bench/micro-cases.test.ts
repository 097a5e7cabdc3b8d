import { expect, test } from "bun:test";
import { ALL_CASES } from "../../bench/micro/all-cases.ts";

test("names are unique", () => {
  expect(new Set(ALL_CASES.map(({ name }) => name)).size).toBe(ALL_CASES.length);
});

test.each(ALL_CASES.map((one) => [one.name, one] as const))(
  "%s: does its work, and more when asked for more",
  (_, one) => {
    const loop = one.prepare();
    const first = loop(10);
    expect(Number.isFinite(first)).toBe(true);
    expect(loop(1000)).not.toBeNaN();
  },
  20_000, // modules are compiled
);
