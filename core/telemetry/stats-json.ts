/**
 * The admin page `/stats?format=json`, in Envoy's shape: one list of names and values whose last entry holds the
 * histograms, described in the way that `histogram_buckets=` asks for.
 */
import { BOUNDS, QUANTILES, quantiles } from "./histogram.ts";
import type { HistogramIntervals } from "./histogram-intervals.ts";
import type { HistogramStat, StatList } from "./stat-list.ts";
import type { HistogramExport } from "./stats-export.ts";
import { boundCounts, filledBuckets, type HistogramView } from "./stats-text.ts";

const NONE = new Float64Array(0);

/** The page: `{"stats":[{"name","value"}…,{"histograms":…}]}`. `intervals` may be null: then all are empty. */
export function renderJson(
  { numbers, histograms }: StatList,
  view: HistogramView,
  intervals: HistogramIntervals | null,
): string {
  const parts = numbers.map(({ name, value }) => `{"name":${JSON.stringify(name)},"value":${value}}`);
  if (histograms.length > 0) {
    parts.push(JSON.stringify({ histograms: describe(histograms, view, intervals) }));
  }
  return `{"stats":[${parts.join(",")}]}`;
}

function describe(
  histograms: readonly HistogramStat[],
  view: HistogramView,
  intervals: HistogramIntervals | null,
): unknown {
  const during = (stat: HistogramStat) => intervals?.of(stat.name) ?? null;
  switch (view) {
    case "summary":
      return {
        supported_quantiles: QUANTILES,
        computed_quantiles: histograms.map((stat) => ({
          name: stat.name,
          values: quantilePairs(stat.data, during(stat)),
        })),
      };
    case "detailed":
      return {
        supported_percentiles: QUANTILES,
        details: histograms.map((stat) => ({
          name: stat.name,
          totals: bucketObjects(stat.data),
          intervals: bucketObjects(during(stat)),
          percentiles: quantilePairs(stat.data, during(stat)),
        })),
      };
    case "cumulative":
    case "disjoint":
      return histograms.map((stat) => {
        const ever = boundCounts(stat.data?.counts ?? NONE, view);
        const lately = boundCounts(during(stat)?.counts ?? NONE, view);
        const buckets = BOUNDS.map((bound, i) => ({
          upper_bound: bound,
          interval: lately[i],
          cumulative: ever[i],
        }));
        return { name: stat.name, buckets };
      });
  }
}

/** NaN becomes null in JSON, as in Envoy. */
function quantilePairs(data: HistogramExport | null, interval: HistogramExport | null): unknown {
  const ever = quantiles(data?.counts ?? NONE, QUANTILES);
  const lately = quantiles(interval?.counts ?? NONE, QUANTILES);
  return QUANTILES.map((_, i) => ({ cumulative: ever[i], interval: lately[i] }));
}

function bucketObjects(data: HistogramExport | null): unknown {
  return filledBuckets(data).map(({ start, width, count }) => ({ lower_bound: start, width, count }));
}
