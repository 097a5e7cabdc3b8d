/**
 * The admin page `/stats` as text, in Envoy's form: `name: value` lines, then histograms, each with a pair
 * (last interval, since the start) per quantile or bucket. Byte for byte what Envoy prints for the same numbers.
 */
import { BOUNDS, bucketStart, bucketWidth, cumulativeCounts, QUANTILES, quantiles } from "./histogram.ts";
import type { HistogramIntervals } from "./histogram-intervals.ts";
import type { HistogramStat, StatList } from "./stat-list.ts";
import type { HistogramExport } from "./stats-export.ts";

/** How histograms are shown (`histogram_buckets=`); "summary" (quantiles) is the default. */
export type HistogramView = "summary" | "cumulative" | "disjoint" | "detailed";

const NONE = new Float64Array(0);

/** The page. `intervals` may be null: then every interval is empty. */
export function renderText(
  { numbers, histograms }: StatList,
  view: HistogramView,
  intervals: HistogramIntervals | null,
): string {
  let out = "";
  for (const { name, value } of numbers) out += `${name}: ${value}\n`;
  for (const stat of histograms) {
    out +=
      view === "detailed"
        ? renderDetailed(stat, intervals)
        : `${stat.name}: ${renderLine(stat, view, intervals)}\n`;
  }
  return out;
}

function renderLine(
  { name, data }: HistogramStat,
  view: "summary" | "cumulative" | "disjoint",
  intervals: HistogramIntervals | null,
): string {
  if (data === null) return "No recorded values";
  const interval = intervals?.of(name)?.counts ?? NONE;
  return view === "summary" ? summary(interval, data.counts) : buckets(interval, data.counts, view);
}

function summary(interval: Float64Array, cumulative: Float64Array): string {
  const during = quantiles(interval, QUANTILES);
  const ever = quantiles(cumulative, QUANTILES);
  return QUANTILES.map((p, i) => `P${p}(${numberText(during[i])},${numberText(ever[i])})`).join(" ");
}

function buckets(interval: Float64Array, cumulative: Float64Array, view: "cumulative" | "disjoint"): string {
  const during = boundCounts(interval, view);
  const ever = boundCounts(cumulative, view);
  return BOUNDS.map((bound, i) => `B${boundText(bound)}(${during[i]},${ever[i]})`).join(" ");
}

/** Values up to each bound, or between it and the one before. */
export function boundCounts(counts: Float64Array, view: "cumulative" | "disjoint"): number[] {
  const upTo = cumulativeCounts(counts);
  return view === "cumulative" ? upTo : upTo.map((n, i) => (i === 0 ? n : n - upTo[i - 1]));
}

function renderDetailed({ name, data }: HistogramStat, intervals: HistogramIntervals | null): string {
  const interval = intervals?.of(name) ?? null;
  const line = data === null ? "No recorded values" : summary(interval?.counts ?? NONE, data.counts);
  return `${name}:\n  totals=${list(data)}\n  intervals=${list(interval)}\n  summary=${line}\n`;
}

function list(data: HistogramExport | null): string {
  return filledBuckets(data)
    .map(({ start, width, count }) => `${start},${width}:${count}`)
    .join(", ");
}

/** The buckets that hold values. */
export function filledBuckets(
  data: HistogramExport | null,
): readonly { readonly start: number; readonly width: number; readonly count: number }[] {
  const out: { start: number; width: number; count: number }[] = [];
  data?.counts.forEach((count, bucket) => {
    if (count > 0) out.push({ start: bucketStart(bucket), width: bucketWidth(bucket), count });
  });
  return out;
}

function numberText(value: number): string {
  return Number.isNaN(value) ? "nan" : String(value);
}

/** Six significant digits, as C's `%g` prints them. */
function boundText(bound: number): string {
  if (bound < 1e6) return String(bound);
  const exponent = Math.floor(Math.log10(bound));
  return `${bound / 10 ** exponent}e+${String(exponent).padStart(2, "0")}`;
}
