import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Histogram } from "../../../../bench/macro/load/histogram.ts";

describe("Histogram", () => {
  test("is exact for small values", () => {
    const histogram = new Histogram();
    for (let ns = 1; ns <= 100; ns++) histogram.record(ns);
    expect(histogram.quantile(0.5)).toBe(50);
    expect(histogram.quantile(0.99)).toBe(99);
    expect(histogram.quantile(1)).toBe(100);
    expect(histogram.count).toBe(100);
  });

  test("empty, it answers 0", () => {
    expect(new Histogram().quantile(0.99)).toBe(0);
  });

  test("one slow value among a thousand shows at p99.9 and above only", () => {
    const histogram = new Histogram();
    for (let i = 0; i < 999; i++) histogram.record(100_000);
    histogram.record(20_000_000);
    expect(histogram.quantile(0.999)).toBeLessThan(101_000);
    expect(histogram.quantile(0.9995)).toBe(20_000_000);
    expect(histogram.max).toBe(20_000_000);
  });

  test("merges", () => {
    const a = new Histogram();
    const b = new Histogram();
    a.record(10);
    b.record(30);
    b.record(40);
    a.add(b);
    expect([a.count, a.max, a.quantile(0.5)]).toEqual([3, 40, 30]);
  });

  test("never says less than the true quantile, and at most 1/128 more", () => {
    const duration = fc.oneof(fc.nat(1000), fc.nat(), fc.double({ min: 0, max: 6e13, noNaN: true }));
    fc.assert(
      fc.property(
        fc.array(duration, { minLength: 1, maxLength: 200 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, q) => {
          const histogram = new Histogram();
          for (const value of values) histogram.record(value);
          const sorted = values.map(Math.floor).sort((x, y) => x - y);
          const exact = sorted[Math.max(1, Math.ceil(q * sorted.length - 1e-9)) - 1];
          const told = histogram.quantile(q);
          expect(told).toBeGreaterThanOrEqual(exact);
          expect(told).toBeLessThanOrEqual(exact * (1 + 1 / 128) + 1);
        },
      ),
    );
  });
});
