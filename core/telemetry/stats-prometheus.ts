/**
 * The admin page `/stats/prometheus`: text exposition format 0.0.4 in Envoy's shape. A family is all statistics
 * of one tag-extracted name; its name is `envoy_` and that name with everything but letters, digits and `_`
 * replaced by `_`. Counters come first, then gauges, then histograms, each in the order of their dotted names.
 */
import { BOUNDS, countOf, cumulativeCounts } from "./histogram.ts";
import type { StatList } from "./stat-list.ts";
import type { HistogramExport, ScopeExport } from "./stats-export.ts";

/** The media type of the page. */
export const PROMETHEUS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

const NONE = new Float64Array(0);

/** The page. */
export function renderPrometheus({ numbers, histograms }: StatList): string {
  const labels = new ScopeLabels();
  const counters = new Map<string, string>();
  const gauges = new Map<string, string>();
  for (const { kind, scope, tagged, tag, value } of numbers) {
    const families = kind === "counter" ? counters : gauges;
    const dotted = scope.tagged + tagged;
    const text = labels.of(scope);
    const all = tag === null ? text : join(`${tag[0]}="${escapeLabel(tag[1])}"`, text);
    families.set(dotted, `${families.get(dotted) ?? ""}${metricName(dotted)}{${all}} ${value}\n`);
  }
  const series = new Map<string, string>();
  for (const { scope, tagged, data } of histograms) {
    const dotted = scope.tagged + tagged;
    const lines = renderHistogram(metricName(dotted), labels.of(scope), data);
    series.set(dotted, (series.get(dotted) ?? "") + lines);
  }
  return (
    renderFamilies(counters, "counter") +
    renderFamilies(gauges, "gauge") +
    renderFamilies(series, "histogram")
  );
}

function renderFamilies(families: ReadonlyMap<string, string>, type: string): string {
  let out = "";
  for (const dotted of [...families.keys()].sort()) {
    out += `# TYPE ${metricName(dotted)} ${type}\n${families.get(dotted)}`;
  }
  return out;
}

function renderHistogram(name: string, labels: string, data: HistogramExport | null): string {
  const counts = data?.counts ?? NONE;
  const upTo = cumulativeCounts(counts);
  const total = countOf(counts);
  const prefix = `${name}_bucket{${labels}${labels === "" ? "" : ","}le="`;
  let out = "";
  BOUNDS.forEach((bound, i) => {
    out += `${prefix}${bound}"} ${upTo[i]}\n`;
  });
  out += `${prefix}+Inf"} ${total}\n`;
  return `${out}${name}_sum{${labels}} ${data?.sum ?? 0}\n${name}_count{${labels}} ${total}\n`;
}

/** The label text of each scope, made once. */
class ScopeLabels {
  private last: ScopeExport | null = null;
  private text = "";

  of(scope: ScopeExport): string {
    if (scope !== this.last) {
      this.last = scope;
      this.text = Object.entries(scope.tags)
        .map(([name, value]) => `${name.replace(/[^a-zA-Z0-9_]/g, "_")}="${escapeLabel(value)}"`)
        .join(",");
    }
    return this.text;
  }
}

function join(one: string, other: string): string {
  return other === "" ? one : `${one},${other}`;
}

/** `cluster.upstream_rq_total` → `envoy_cluster_upstream_rq_total`. */
export function metricName(dotted: string): string {
  return `envoy_${dotted.replace(/[^a-zA-Z0-9_]/g, "_")}`;
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (char) => (char === "\n" ? "\\n" : `\\${char}`));
}
