import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type LevelHealth, priorityLoad } from "../../../core/cluster/priority-load.ts";

function level(healthy: number, total: number, degraded = 0, excluded = 0): LevelHealth {
  return { healthy, total, degraded, excluded };
}

describe("load of priority levels (Envoy's tables, overprovisioning 140 %)", () => {
  // Two levels; the second is entirely healthy.
  test.each([
    [100, 100, 0],
    [72, 100, 0],
    [71, 99, 1],
    [50, 70, 30],
    [25, 35, 65],
    [0, 0, 100],
  ])("%d %% of level 0 healthy: %d / %d", (healthy, first, second) => {
    expect(priorityLoad([level(healthy, 100), level(100, 100)], 140, 50).healthy).toEqual([first, second]);
  });

  test("levels that together cannot take everything are scaled up; rounding goes to the first", () => {
    // 28 % + 28 %: each half of the load.
    expect(priorityLoad([level(20, 100), level(20, 100)], 140, 0).healthy).toEqual([50, 50]);
    // 14 + 28 + 14 = 56: 25 + 50 + 25.
    expect(priorityLoad([level(10, 100), level(20, 100), level(10, 100)], 140, 0).healthy).toEqual([
      25, 50, 25,
    ]);
    // 9 + 9 + 9 = 27: 33 each and one left.
    const third = level(1, 15);
    expect(priorityLoad([third, third, third], 140, 0).healthy).toEqual([34, 33, 33]);
    expect(priorityLoad([level(0, 15), third, third, third], 140, 0).healthy).toEqual([0, 34, 33, 33]);
  });

  test("degraded endpoints take what healthy ones leave, before the next level's degraded ones", () => {
    expect(priorityLoad([level(50, 100, 50)], 140, 50)).toEqual({
      healthy: [70],
      degraded: [30],
      panic: [false],
    });
    expect(priorityLoad([level(0, 100, 100), level(50, 100, 0)], 140, 50)).toEqual({
      healthy: [0, 70],
      degraded: [30, 0],
      panic: [false, false],
    });
    expect(priorityLoad([level(0, 10, 5)], 100, 0)).toEqual({
      healthy: [0],
      degraded: [100],
      panic: [false],
    });
  });
});

describe("draining endpoints", () => {
  test("do not count against their level", () => {
    expect(priorityLoad([level(1, 2, 0, 1), level(1, 1)], 140, 50).healthy).toEqual([100, 0]);
    expect(priorityLoad([level(1, 4, 0, 2)], 140, 50)).toEqual({
      healthy: [100],
      degraded: [0],
      panic: [false],
    });
  });

  test("alone they are nobody: the next level takes all, or panic does", () => {
    expect(priorityLoad([level(0, 2, 0, 2), level(1, 1)], 140, 50).healthy).toEqual([0, 100]);
    expect(priorityLoad([level(0, 2, 0, 2)], 140, 50).panic).toEqual([true]);
  });
});

describe("panic (threshold 50 %)", () => {
  test("not while the levels together can take everything, however sick one is", () => {
    const load = priorityLoad([level(1, 100), level(100, 100)], 140, 50);
    expect(load.panic).toEqual([false, false]);
    expect(load.healthy).toEqual([1, 99]);
  });

  test("one level: exactly 50 % is no panic, fewer is", () => {
    expect(priorityLoad([level(5, 10)], 140, 50).panic).toEqual([false]);
    expect(priorityLoad([level(4, 10)], 140, 50).panic).toEqual([true]);
    expect(priorityLoad([level(4, 10, 1)], 140, 50).panic).toEqual([false]);
  });

  test("every level in panic: load goes by size", () => {
    const load = priorityLoad([level(1, 10), level(2, 20), level(0, 10)], 140, 50);
    expect(load).toEqual({ healthy: [25, 50, 25], degraded: [0, 0, 0], panic: [true, true, true] });
    expect(priorityLoad([level(0, 0), level(0, 3)], 140, 50).healthy).toEqual([0, 100]);
  });

  test("threshold 0: never; nobody healthy means level 0 answers with nobody", () => {
    expect(priorityLoad([level(0, 10), level(0, 10)], 140, 0)).toEqual({
      healthy: [100, 0],
      degraded: [0, 0],
      panic: [false, false],
    });
  });

  test("threshold 0: the last healthy one of very many gets everything, in whatever level it is", () => {
    expect(priorityLoad([level(0, 10), level(1, 200)], 140, 0).healthy).toEqual([0, 100]);
    expect(priorityLoad([level(0, 10), level(0, 200, 1)], 140, 0).degraded).toEqual([0, 100]);
  });

  test("no endpoints at all", () => {
    expect(priorityLoad([], 140, 50).healthy).toEqual([100]);
    expect(priorityLoad([level(0, 0)], 140, 50).healthy).toEqual([100]);
    expect(priorityLoad([], 140, 0).healthy).toEqual([100]);
  });
});

test("property: healthy and degraded load together are always 100 %", () => {
  const levels = fc.array(
    fc.record({ a: fc.nat(40), b: fc.nat(40), c: fc.nat(40) }).map(({ a, b, c }) => level(a, a + b + c, b)),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(
      levels,
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 0, max: 100 }),
      (all, factor, threshold) => {
        const load = priorityLoad(all, factor, threshold);
        expect([...load.healthy, ...load.degraded].reduce((sum, percent) => sum + percent, 0)).toBe(100);
        expect(Math.min(...load.healthy, ...load.degraded)).toBeGreaterThanOrEqual(0);
      },
    ),
    { seed: 7, numRuns: 500 },
  );
});
