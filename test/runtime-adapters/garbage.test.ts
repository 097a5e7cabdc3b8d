/** Whether a collection is worth its pause: the heap has grown, or many connections are gone. */
import { expect, test } from "bun:test";
import { Garbage } from "../../runtime-adapters/garbage.ts";

const MB = 1e6;

test("collects when the heap has grown by half or when connections are gone, and not else", () => {
  const garbage = new Garbage();
  let heap = 0;
  /** One call with `before` bytes of heap, of which a collection leaves `after`; whether it collected. */
  const collects = (connections: number, before: number, after: number): boolean => {
    let collected = false;
    heap = before;
    garbage.collect(
      connections,
      () => heap,
      () => {
        collected = true;
        heap = after;
      },
    );
    return collected;
  };
  expect(collects(0, 30 * MB, 16 * MB)).toBe(true); // the start: nothing is known yet
  expect(collects(10, 23 * MB, 16 * MB)).toBe(false);
  expect(collects(10_000, 120 * MB, 80 * MB)).toBe(true); // a burst is there
  expect(collects(9_501, 80 * MB, 80 * MB)).toBe(false);
  expect(collects(9_500, 80 * MB, 78 * MB)).toBe(true);
  expect(collects(0, 80 * MB, 16 * MB)).toBe(true); // and gone
  expect(collects(0, 16 * MB, 16 * MB)).toBe(false);
});
