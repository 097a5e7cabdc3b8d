/**
 * The admin page `/stats/prometheus`: text exposition format 0.0.4 in Envoy's shape. A family is all statistics
 * of one tag-extracted name; its name is `envoy_` and that name with everything but letters, digits and `_`
 * replaced by `_`. Counters come first, then gauges, then histograms, each in the order of their dotted names.
 *
 * Law: names are filters' to choose, and no choice of theirs makes a page that a reader would refuse, or takes the place
 * of what the proxy says itself: a family is there once, with one type, and the proxy's own go before.
 */
import { BOUNDS, countOf, cumulativeCounts } from "./histogram.ts";
import type { StatList } from "./stat-list.ts";
import type { HistogramExport, ScopeExport } from "./stats-export.ts";

/** The media type of the page. */
export const PROMETHEUS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

const NONE = new Float64Array(0);

/** What a reader takes for a name. */
const METRIC_NAME = /^[a-zA-Z_]/;

/** What closes a bucket's labels, per bound. */
const BOUND_ENDS: readonly string[] = BOUNDS.map((bound) => `le="${bound}"} `);

/** All series of one name. */
interface Family {
  readonly name: string;
  text: string;
}

/** The page. */
export function renderPrometheus({ numbers, histograms }: StatList): string {
  const labels = new ScopeLabels();
  const names: Names = { own: new Set(), taken: new Set() };
  const counters = new Families(names);
  const gauges = new Families(names);
  for (const { kind, scope, tagged, tag, value } of numbers) {
    const family = (kind === "counter" ? counters : gauges).of(scope.tagged + tagged);
    const text = labels.of(scope);
    const all = tag === null ? text : join(`${tag[0]}="${escapeLabel(tag[1])}"`, text);
    family.text += `${family.name}{${all}} ${value}\n`;
  }
  const series = new Families(names);
  for (const { scope, tagged, data } of histograms) {
    const family = series.of(scope.tagged + tagged);
    family.text += renderHistogram(family.name, labels.of(scope), data);
  }
  return counters.render("counter") + gauges.render("gauge") + series.render("histogram");
}

function renderHistogram(name: string, labels: string, data: HistogramExport | null): string {
  const counts = data?.counts ?? NONE;
  const upTo = cumulativeCounts(counts);
  const total = countOf(counts);
  const prefix = `${name}_bucket{${labels}${labels === "" ? "" : ","}`;
  let out = "";
  for (let i = 0; i < BOUND_ENDS.length; i++) out += `${prefix}${BOUND_ENDS[i]}${upTo[i]}\n`;
  out += `${prefix}le="+Inf"} ${total}\n`;
  return `${out}${name}_sum{${labels}} ${data?.sum ?? 0}\n${name}_count{${labels}} ${total}\n`;
}

/** Names of families, of all types. */
interface Names {
  /** The proxy's own. */
  readonly own: Set<string>;
  /** On the page. */
  readonly taken: Set<string>;
}

/** The families of one type by their dotted names. */
class Families {
  private readonly byName = new Map<string, Family>();
  private readonly names: Names;

  constructor(names: Names) {
    this.names = names;
  }

  of(dotted: string): Family {
    let family = this.byName.get(dotted);
    if (family === undefined) {
      family = { name: metricName(dotted), text: "" };
      this.byName.set(dotted, family);
      if (!CUSTOM.test(dotted)) this.names.own.add(family.name);
    }
    return family;
  }

  render(type: string): string {
    let out = "";
    for (const dotted of [...this.byName.keys()].sort()) {
      const { name, text } = this.of(dotted);
      const { own, taken } = this.names;
      if (!METRIC_NAME.test(name) || taken.has(name) || (CUSTOM.test(dotted) && own.has(name))) continue;
      taken.add(name);
      out += `# TYPE ${name} ${type}\n${text}`;
    }
    return out;
  }
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

/** Whose names are their users' own, and go without a prefix (Envoy's custom stat namespaces). */
const CUSTOM = /^(?:wasmcustom|istiocustom)\./;

/** `cluster.upstream_rq_total` → `envoy_cluster_upstream_rq_total`, `wasmcustom.hits` → `hits`. */
export function metricName(dotted: string): string {
  const custom = dotted.replace(CUSTOM, "");
  const name = custom.replace(/[^a-zA-Z0-9_]/g, "_");
  return custom === dotted ? `envoy_${name}` : name;
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (char) => (char === "\n" ? "\\n" : `\\${char}`));
}
