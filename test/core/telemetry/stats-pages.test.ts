/** Our statistics pages against those that Envoy 1.40 printed for the same numbers. */
import { expect, test } from "bun:test";
import { listStats, type StatList, type StatQuery } from "../../../core/telemetry/stat-list.ts";
import { StatsStore } from "../../../core/telemetry/stats.ts";
import { renderJson } from "../../../core/telemetry/stats-json.ts";
import { renderPrometheus } from "../../../core/telemetry/stats-prometheus.ts";
import { renderText } from "../../../core/telemetry/stats-text.ts";
import { checkExposition } from "../../support/exposition.ts";
import { goldenPage, observedStats } from "./observed-envoy.ts";

const stats = observedStats(goldenPage("envoy-stats.txt"), goldenPage("envoy-histograms.txt"));

/** Not compared: of another moment, or (cx_pools) a number that Envoy gets by counting below zero. */
const COMPARED = (name: string) => !/remaining_cx_pools|^server\.(memory|uptime)/.test(name);

function list(query: Partial<StatQuery> = {}): StatList {
  return listStats(stats, { accepts: COMPARED, usedOnly: false, type: "all", ...query });
}

test("the text page is Envoy's, line by line: names, order, quantiles", () => {
  expect(renderText(list(), "summary", null).split("\n")).toEqual(goldenPage("envoy-stats.txt").split("\n"));
});

test("the detailed text page shows Envoy's buckets", () => {
  const page = renderText(list({ type: "histograms", usedOnly: true }), "detailed", null);
  expect(page.split("\n")).toEqual(goldenPage("envoy-histograms.txt").split("\n"));
});

test("the Prometheus page is Envoy's, line by line (but for sums: ours are exact, Envoy's are estimates)", () => {
  const lines = renderPrometheus(list())
    .split("\n")
    .filter((line) => !line.includes("_sum{"));
  expect(lines).toEqual(goldenPage("envoy-stats.prom").split("\n"));
});

test("the Prometheus page keeps the rules of the exposition format", () => {
  expect(checkExposition(renderPrometheus(list()))).toEqual([]);
});

test("names that filters choose go without prefix, and cannot spoil the page", () => {
  const store = new StatsStore();
  const custom = store.scope("wasmcustom.", "wasmcustom.", {});
  const listeners = store.scope("listener_manager.", "listener_manager.", {});
  listeners.counter("hits").value = 1;
  custom.counter("shop.hits").value = 2;
  custom.counter("shop_hits").value = 3;
  custom.counter("envoy_listener_manager_hits").value = 4;
  custom.counter("envoy_listener_manager_level").value = 8;
  listeners.gauge("level").value = 9;
  custom.gauge("shop-hits").value = 5;
  custom.counter("1st").value = 6;
  custom.counter("").value = 7;
  const page = renderPrometheus(listStats(store.export(), { accepts: null, usedOnly: false, type: "all" }));
  expect(checkExposition(page)).toEqual([]);
  expect(page.split("\n")).toEqual([
    "# TYPE envoy_listener_manager_hits counter",
    "envoy_listener_manager_hits{} 1",
    "# TYPE shop_hits counter",
    "shop_hits{} 2",
    "# TYPE envoy_listener_manager_level gauge",
    "envoy_listener_manager_level{} 9",
    "",
  ]);
});

test("sums are exact", () => {
  const page = renderPrometheus(list({ accepts: (name) => name === "cluster.shop.upstream_rq_time" }));
  // 4×0, 1×4, 1×40, 3×41, 15×42, 10×43, 2×44, 45, 46
  expect(page).toContain('envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="shop"} 1406\n');
});

test("filter, type and usedonly leave out lines", () => {
  const names = (query: Partial<StatQuery>) => list(query).numbers.map(({ name }) => name);
  const membership = (name: string) => name.startsWith("cluster.shop.membership");
  expect(names({ accepts: membership, type: "gauges" })).toEqual([
    "cluster.shop.membership_degraded",
    "cluster.shop.membership_excluded",
    "cluster.shop.membership_healthy",
    "cluster.shop.membership_total",
  ]);
  expect(names({ accepts: membership, type: "counters" })).toEqual(["cluster.shop.membership_change"]);
  expect(list({ type: "histograms" }).numbers).toEqual([]);
  // A gauge that has come back to 0 was used; a counter at 0 was not.
  const connections = (name: string) =>
    /^http\.ingress\.downstream_cx_(active|total|destroy_local)$/.test(name);
  expect(names({ accepts: connections, usedOnly: true })).toEqual([
    "http.ingress.downstream_cx_active",
    "http.ingress.downstream_cx_total",
  ]);
  // Nobody ever got as far as a request to the dead cluster.
  const requests = (name: string) => /^cluster\.(dead|shop)\.upstream_rq_(active|total)$/.test(name);
  expect(names({ accepts: requests, usedOnly: true })).toEqual([
    "cluster.shop.upstream_rq_active",
    "cluster.shop.upstream_rq_total",
  ]);
});

test("JSON: a list of names and values, then histograms in the shape that was asked for", () => {
  const query = { accepts: (name: string) => /cluster\.shop\.upstream_(rq_time|rq_total)$/.test(name) };
  const parse = (view: Parameters<typeof renderJson>[1]) =>
    JSON.parse(renderJson(list(query), view, null)).stats;

  const [total, { histograms: summary }] = parse("summary");
  expect(total).toEqual({ name: "cluster.shop.upstream_rq_total", value: 50 });
  expect(summary.supported_quantiles).toEqual([0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100]);
  expect(summary.computed_quantiles[0].name).toBe("cluster.shop.upstream_rq_time");
  expect(summary.computed_quantiles[0].values[2]).toEqual({ cumulative: 42.625, interval: null });

  expect(parse("cumulative")[1].histograms[0].buckets[5]).toEqual({
    upper_bound: 50,
    interval: 0,
    cumulative: 38,
  });
  expect(parse("disjoint")[1].histograms[0].buckets[5]).toEqual({
    upper_bound: 50,
    interval: 0,
    cumulative: 33,
  });
  const { details } = parse("detailed")[1].histograms;
  expect(details[0].totals[1]).toEqual({ lower_bound: 4, width: 0.1, count: 1 });
  expect(details[0].intervals).toEqual([]);
  expect(renderJson(list({ accepts: () => false }), "summary", null)).toBe('{"stats":[]}');
});

test("buckets as text", () => {
  const page = (view: "cumulative" | "disjoint") =>
    renderText(list({ accepts: (name) => name === "cluster.shop.upstream_rq_time" }), view, null);
  expect(page("cumulative")).toBe(
    "cluster.shop.upstream_rq_time: B0.5(0,4) B1(0,4) B5(0,5) B10(0,5) B25(0,5) B50(0,38) B100(0,38) " +
      "B250(0,38) B500(0,38) B1000(0,38) B2500(0,38) B5000(0,38) B10000(0,38) B30000(0,38) B60000(0,38) " +
      "B300000(0,38) B600000(0,38) B1.8e+06(0,38) B3.6e+06(0,38)\n",
  );
  expect(page("disjoint")).toStartWith(
    "cluster.shop.upstream_rq_time: B0.5(0,4) B1(0,0) B5(0,1) B10(0,0) B25(0,0) B50(0,33) B100(0,0) ",
  );
});

test("hostile label values stay inside their quotes", () => {
  const store = new StatsStore();
  store.scope("x.", "x.", { "bad-tag": 'a"} 1\nevil 2\\' }).counter("n").value = 1;
  const page = renderPrometheus(listStats(store.export()));
  expect(page).toBe('# TYPE envoy_x_n counter\nenvoy_x_n{bad_tag="a\\"} 1\\nevil 2\\\\"} 1\n');
  expect(checkExposition(page)).toEqual([]);
});
