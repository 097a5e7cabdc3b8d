import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  BOUNDS,
  bucketOf,
  bucketStart,
  bucketWidth,
  countOf,
  cumulativeCounts,
  Histogram,
  QUANTILES,
  quantiles,
} from "../../../core/telemetry/histogram.ts";

function recorded(values: readonly number[]): Float64Array {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram.counts ?? new Float64Array(0);
}

test("an unused histogram holds no buckets, and a small one few", () => {
  const histogram = new Histogram();
  expect(histogram.counts).toBeNull();
  histogram.record(3);
  expect(histogram.counts?.byteLength).toBe(128);
  histogram.record(1_000_000);
  expect(histogram.counts?.byteLength).toBe(4096);
});

// [value, first value of its bucket, first value of the next]
const BUCKETS: readonly (readonly [number, number, number])[] = [
  [0, 0, 1],
  [9, 9, 10],
  [99, 99, 100],
  [100, 100, 110],
  [109, 100, 110],
  [119, 110, 120],
  [999, 990, 1000],
  [1000, 1000, 1100],
  [123_456, 120_000, 130_000],
  [3_600_000, 3_600_000, 3_700_000],
];

test.each(BUCKETS)("%d lies in the bucket [%d, %d)", (value, start, next) => {
  expect(bucketStart(bucketOf(value))).toBe(start);
  expect(bucketStart(bucketOf(value) + 1)).toBe(next);
});

test("odd values are counted, never lost: fractions, negatives, NaN, infinity", () => {
  const histogram = new Histogram();
  for (const value of [1.99, -5, Number.NaN, 0.4]) histogram.record(value);
  expect(Array.from(histogram.counts?.slice(0, 3) ?? [])).toEqual([3, 1, 0]);
  expect(histogram.sum).toBe(1);
  expect(bucketOf(Number.POSITIVE_INFINITY)).toBe(bucketOf(1e15));
  const endless = new Histogram();
  endless.record(Number.POSITIVE_INFINITY);
  expect(countOf(endless.counts as Float64Array)).toBe(1);
});

test("no values: every quantile is NaN", () => {
  expect(quantiles(new Float64Array(0), QUANTILES)).toEqual(QUANTILES.map(() => Number.NaN));
});

// What Envoy 1.40 printed for these values.
test("quantiles are Envoy's", () => {
  const values = [...Array(7).fill(1), 2, 2, 3, 3];
  expect(quantiles(recorded(values), QUANTILES)).toEqual([
    1.0125, 1.0375, 1.075, 2.066666666666667, 3.033333333333333, 3.066666666666667, 3.066666666666667,
    3.066666666666667, 3.066666666666667, 3.066666666666667,
  ]);
  expect(quantiles(recorded([25]), [0, 50, 100])).toEqual([25.5, 25.5, 25.5]);
});

const VALUES = fc.array(fc.oneof(fc.nat(200), fc.nat(10_000), fc.nat(4_000_000)), {
  minLength: 1,
  maxLength: 300,
});

test("property: a quantile is within 5 % of the value at its rank", () => {
  fc.assert(
    fc.property(VALUES, fc.integer({ min: 0, max: 1000 }), (values, permille) => {
      const sorted = [...values].sort((a, b) => a - b);
      const rank = Math.max(1, Math.ceil((permille / 1000) * sorted.length));
      const exact = sorted[rank - 1];
      const [found] = quantiles(recorded(values), [permille / 10]);
      // The middle of a bucket is at most half its width away; interpolation may reach its edges.
      const width = bucketWidth(bucketOf(exact));
      expect(Math.abs(found - exact)).toBeLessThanOrEqual(width);
      expect(Math.abs(found - (bucketStart(bucketOf(exact)) + width / 2))).toBeLessThanOrEqual(width / 2);
      expect(width).toBeLessThanOrEqual(Math.max(1, exact / 10));
    }),
  );
});

test("property: quantiles rise, and counts up to a bound rise to the count below it", () => {
  fc.assert(
    fc.property(VALUES, (values) => {
      const counts = recorded(values);
      const found = quantiles(counts, QUANTILES);
      for (let i = 1; i < found.length; i++) expect(found[i]).toBeGreaterThanOrEqual(found[i - 1]);
      const upTo = cumulativeCounts(counts);
      BOUNDS.forEach((bound, i) => {
        const exact = values.filter((value) => value <= bound).length;
        const loose = values.filter((value) => value <= bound * 1.1).length;
        expect(upTo[i]).toBeGreaterThanOrEqual(exact);
        expect(upTo[i]).toBeLessThanOrEqual(bound < 100 ? exact : loose);
      });
      expect(countOf(counts)).toBe(values.length);
    }),
  );
});
