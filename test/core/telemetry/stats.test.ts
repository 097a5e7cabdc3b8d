import { describe, expect, test } from "bun:test";
import {
  breakerStats,
  clusterResponseStats,
  clusterScope,
  clusterStats,
  remainingStats,
} from "../../../core/telemetry/cluster-stats.ts";
import { httpScope, httpStats } from "../../../core/telemetry/http-stats.ts";
import {
  listenerHttpScope,
  listenerScope,
  listenerStats,
  responseClassStats,
} from "../../../core/telemetry/listener-stats.ts";
import { statName } from "../../../core/telemetry/stat-layout.ts";
import { listStats } from "../../../core/telemetry/stat-list.ts";
import { StatsStore } from "../../../core/telemetry/stats.ts";

function values(store: StatsStore): { readonly [name: string]: number } {
  return Object.fromEntries(listStats(store.export()).numbers.map(({ name, value }) => [name, value]));
}

test.each([
  ["upstreamRqTotal", "upstream_rq_total"],
  ["downstreamCxHttp1Total", "downstream_cx_http1_total"],
  ["downstreamRq2xx", "downstream_rq_2xx"],
  ["upstreamRqPer5", "upstream_rq_per5"],
  ["live", "live"],
])("the field %s is the statistic %s", (field, name) => {
  expect(statName(field)).toBe(name);
});

test("answers are counted by class, and every one as completed", () => {
  const store = new StatsStore();
  const stats = responseClassStats(listenerHttpScope(store, "in", "web"));
  for (const status of [0, 99, 100, 199, 200, 299, 300, 399, 400, 499, 500, 599, 600, 999])
    stats.charge(status);
  const seen = values(store);
  const at = (name: string) => seen[`listener.in.http.web.downstream_rq_${name}`];
  expect(["1xx", "2xx", "3xx", "4xx", "5xx"].map(at)).toEqual([2, 2, 2, 2, 2]);
  expect(at("completed")).toBe(14);
});

describe("a scope", () => {
  test("gives the same instrument for the same name", () => {
    const scope = new StatsStore().scope("x.", "x.", {});
    scope.counter("n").value += 2;
    scope.counter("n").value++;
    scope.gauge("g").value = 7;
    scope.histogram("h").record(4);
    expect(scope.counter("n").value).toBe(3);
    expect(scope.histogram("h").sum).toBe(4);
    expect(() => scope.gauge("n")).toThrow("x.n is already another kind of instrument");
  });

  test("lives until everybody who asked for it has released it, and keeps its numbers till then", () => {
    const store = new StatsStore();
    const old = clusterScope(store, "shop");
    clusterStats(old).upstreamRqTotal = 5;
    const updated = clusterScope(store, "shop"); // the cluster is replaced: old and new overlap
    old.release();
    expect(clusterStats(updated).upstreamRqTotal).toBe(5);
    expect(values(store)["cluster.shop.upstream_rq_total"]).toBe(5);
    updated.release();
    expect(store.export().scopes).toEqual([]);
    expect(clusterStats(clusterScope(store, "shop")).upstreamRqTotal).toBe(0);
  });

  test("sets below different sub-prefixes are different sets", () => {
    const store = new StatsStore();
    const scope = clusterScope(store, "shop");
    breakerStats(scope, "high").cxOpen = 1;
    remainingStats(scope, "default").remainingCx = 1023;
    expect(breakerStats(scope, "high")).toBe(breakerStats(scope, "high"));
    expect(breakerStats(scope, "default").cxOpen).toBe(0);
    expect(values(store)).toMatchObject({
      "cluster.shop.circuit_breakers.default.cx_open": 0,
      "cluster.shop.circuit_breakers.high.cx_open": 1,
      "cluster.shop.circuit_breakers.default.remaining_cx": 1023,
    });
  });
});

test("colons in addresses and cluster names become underscores, as in Envoy", () => {
  const store = new StatsStore();
  listenerStats(listenerScope(store, "[::1]:8080")).downstreamCxTotal = 1;
  clusterStats(clusterScope(store, "outbound|80||a:b"));
  const names = Object.keys(values(store));
  expect(names).toContain("listener.[__1]_8080.downstream_cx_total");
  expect(names).toContain("cluster.outbound|80||a_b.upstream_rq_total");
});

test("an export has no tie to the living numbers and can be cloned", () => {
  const store = new StatsStore();
  const stats = httpStats(httpScope(store, "in"));
  stats.downstreamRqTotal = 1;
  stats.downstreamRqTime.record(3);
  const before = store.export();
  stats.downstreamRqTotal++;
  stats.downstreamRqTime.record(3);
  const find = (name: string) =>
    listStats(structuredClone(before)).numbers.find((stat) => stat.name === name);
  expect(find("http.in.downstream_rq_total")?.value).toBe(1);
  const [never, time] = listStats(before).histograms;
  expect(never.data).toBeNull();
  expect(time.data).toEqual({ counts: Float64Array.of(0, 0, 0, 1), sum: 3 });
});

test("a set that never moved is exported without its values", () => {
  const store = new StatsStore();
  httpStats(httpScope(store, "in"));
  expect(store.export().scopes[0].sets).toEqual([{ layout: "http", at: "", values: null, histograms: [] }]);
});

test("answers are counted by code, by class, and apart for requests from outside and inside", () => {
  const store = new StatsStore();
  const responses = clusterResponseStats(clusterScope(store, "shop"));
  responses.charge(200, false);
  responses.charge(204, true);
  responses.charge(503, false);
  responses.chargeRetried(503);
  responses.charge(42, false);
  responses.charge(Number.NaN, false);
  responses.chargeTime(12, false);
  responses.chargeTime(30, true);
  const page = values(store);
  expect(page).toEqual({
    "cluster.shop.external.upstream_rq_200": 1,
    "cluster.shop.external.upstream_rq_2xx": 1,
    "cluster.shop.external.upstream_rq_503": 1,
    "cluster.shop.external.upstream_rq_5xx": 1,
    "cluster.shop.external.upstream_rq_completed": 2,
    "cluster.shop.internal.upstream_rq_204": 1,
    "cluster.shop.internal.upstream_rq_2xx": 1,
    "cluster.shop.internal.upstream_rq_completed": 1,
    "cluster.shop.retry.upstream_rq_503": 1,
    "cluster.shop.retry.upstream_rq_5xx": 1,
    "cluster.shop.retry.upstream_rq_completed": 1,
    "cluster.shop.upstream_rq_200": 1,
    "cluster.shop.upstream_rq_204": 1,
    "cluster.shop.upstream_rq_2xx": 2,
    "cluster.shop.upstream_rq_503": 1,
    "cluster.shop.upstream_rq_5xx": 1,
    "cluster.shop.upstream_rq_completed": 3,
  });
  const times = listStats(store.export()).histograms.map(({ name, data }) => [name, data?.sum]);
  expect(times).toEqual([
    ["cluster.shop.external.upstream_rq_time", 12],
    ["cluster.shop.internal.upstream_rq_time", 30],
    ["cluster.shop.upstream_rq_time", 42],
  ]);
});

test("an upstream that answers with every code there is makes no more than 500 counters", () => {
  const store = new StatsStore();
  const responses = clusterResponseStats(clusterScope(store, "shop"));
  for (let code = 0; code < 2000; code++) responses.charge(code, false);
  const codes = Object.keys(values(store)).filter((name) => /^cluster\.shop\.upstream_rq_\d{3,}$/.test(name));
  expect(codes).toHaveLength(500);
});

test("downstream answers by class", () => {
  const stats = httpStats(httpScope(new StatsStore(), "in"));
  for (const status of [0, 100, 101, 200, 304, 404, 503, 599, 600]) stats.charge(status);
  expect(stats.downstreamRqCompleted).toBe(9);
  const { downstreamRq1xx, downstreamRq2xx, downstreamRq3xx, downstreamRq4xx, downstreamRq5xx } = stats;
  expect([downstreamRq1xx, downstreamRq2xx, downstreamRq3xx, downstreamRq4xx, downstreamRq5xx]).toEqual([
    2, 1, 1, 1, 2,
  ]);
});

test("reset_counters sets counters to 0 and leaves gauges", () => {
  const store = new StatsStore();
  const scope = clusterScope(store, "shop");
  const stats = clusterStats(scope);
  stats.upstreamRqTotal = 3;
  stats.upstreamRqActive = 2;
  stats.membershipTotal = 4;
  stats.membershipChange = 4;
  clusterResponseStats(scope).charge(200, false);
  scope.counter("extra").value = 9;
  store.resetCounters();
  const left = Object.entries(values(store)).filter(([, value]) => value !== 0);
  expect(Object.fromEntries(left)).toEqual({
    "cluster.shop.membership_total": 4,
    "cluster.shop.upstream_rq_active": 2,
  });
});
