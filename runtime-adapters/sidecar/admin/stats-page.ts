/** `/stats` and `/stats/prometheus`: reads the query, picks a renderer of `core/telemetry`. */
import type { HistogramIntervals } from "../../../core/telemetry/histogram-intervals.ts";
import { listStats, type StatQuery } from "../../../core/telemetry/stat-list.ts";
import type { StatsExport } from "../../../core/telemetry/stats-export.ts";
import { renderJson } from "../../../core/telemetry/stats-json.ts";
import { PROMETHEUS_CONTENT_TYPE, renderPrometheus } from "../../../core/telemetry/stats-prometheus.ts";
import { type HistogramView, renderText } from "../../../core/telemetry/stats-text.ts";
import { containsFilter } from "./name-filter.ts";

/** A page, or why there is none. */
export interface StatsPage {
  readonly status: 200 | 400;
  readonly contentType: string;
  readonly body: string;
}

const TEXT = "text/plain; charset=UTF-8";
const TYPES: { readonly [name: string]: StatQuery["type"] } = {
  "": "all",
  All: "all",
  Counters: "counters",
  Gauges: "gauges",
  Histograms: "histograms",
};
const VIEWS: { readonly [name: string]: HistogramView } = {
  "": "summary",
  none: "summary",
  summary: "summary",
  cumulative: "cumulative",
  disjoint: "disjoint",
  detailed: "detailed",
};

/** Renders the statistics as the query asks; `prometheus` as if `format=prometheus` were given. */
export async function statsPage(
  query: URLSearchParams,
  prometheus: boolean,
  stats: () => Promise<StatsExport>,
  intervals: HistogramIntervals,
): Promise<StatsPage> {
  const wrong = (body: string): StatsPage => ({ status: 400, contentType: TEXT, body });
  const format = prometheus ? "prometheus" : (query.get("format") ?? "text");
  if (!["text", "json", "prometheus"].includes(format)) {
    return wrong("usage: /stats?format=(json|prometheus|text)\n\n");
  }
  const type = TYPES[query.get("type") ?? ""];
  if (type === undefined) return wrong("invalid &type= choice: use All, Counters, Gauges or Histograms");
  const view = VIEWS[query.get("histogram_buckets") ?? ""];
  if (view === undefined) {
    return wrong("invalid &histogram_buckets= choice: use cumulative, disjoint, detailed or summary");
  }
  const filter = containsFilter(query.get("filter") ?? "");
  if (typeof filter === "string") return wrong(`Invalid re2 regex: ${filter}`);

  const list = listStats(await stats(), { accepts: filter, usedOnly: query.has("usedonly"), type });
  switch (format) {
    case "prometheus":
      return { status: 200, contentType: PROMETHEUS_CONTENT_TYPE, body: renderPrometheus(list) };
    case "json":
      return { status: 200, contentType: "application/json", body: renderJson(list, view, intervals) };
    default:
      return { status: 200, contentType: TEXT, body: renderText(list, view, intervals) };
  }
}
