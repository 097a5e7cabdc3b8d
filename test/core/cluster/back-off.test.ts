import { expect, test } from "bun:test";
import { BackOff } from "../../../core/cluster/back-off.ts";

/** Upper ends of the next waiting times. */
function ends(backOff: BackOff, count: number): number[] {
  return Array.from({ length: count }, () => backOff.next());
}

test("the upper end doubles up to the bound; success and a new configuration start over", () => {
  const backOff = new BackOff(() => 1);
  backOff.configure(25, 250);
  expect(ends(backOff, 6)).toEqual([25, 50, 100, 200, 250, 250]);
  backOff.reset();
  expect(ends(backOff, 2)).toEqual([25, 50]);
  backOff.configure(1000, 1500);
  expect(ends(backOff, 3)).toEqual([1000, 1500, 1500]);
});

test("the time is random below that end", () => {
  const backOff = new BackOff(() => 0.25);
  backOff.configure(100, 400);
  expect(ends(backOff, 3)).toEqual([25, 50, 100]);
});

test("a bound below the base counts as the base", () => {
  const backOff = new BackOff(() => 1);
  backOff.configure(50, 10);
  expect(ends(backOff, 3)).toEqual([50, 50, 50]);
});
