import { describe, expect, test } from "bun:test";
import { median, medianDifference, medianRatio, spread } from "../../../bench/macro/statistics.ts";

describe("medians of rounds", () => {
  test("the middle value, or the mean of the two middle ones", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([7])).toBe(7);
    expect(median([])).toBeNaN();
  });

  test("a round without a value stays out", () => {
    expect(median([Number.NaN, 1, 3])).toBe(2);
  });
});

describe("ratios", () => {
  test("a slow spell of the machine that hits both in one round cancels out", () => {
    // Rounds 2 and 3 took three times as long for both; the ratio of the medians would be 60 / 40.
    const ours = [20, 60, 60, 20, 20];
    const theirs = [40, 120, 120, 40, 40];
    expect(medianRatio(ours, theirs)).toBe(0.5);
  });

  test("pairs rounds in order, not sorted", () => {
    expect(medianRatio([1, 4, 9], [9, 4, 1])).toBe(1);
    expect(medianRatio([2, 2, 9], [1, 2, 3])).toBe(2);
  });

  test("a round in which the other has nothing to compare with stays out", () => {
    expect(medianRatio([1, 2, 3], [2, 0, -1])).toBe(0.5);
    expect(medianRatio([1], [])).toBeNaN();
  });
});

test("the difference is taken within each round", () => {
  expect(medianDifference([5, 15, 6], [1, 11, 1])).toBe(4);
});

test("the spread is relative to the median", () => {
  expect(spread([9, 10, 12])).toBeCloseTo(0.3);
  expect(spread([10])).toBe(0);
});
