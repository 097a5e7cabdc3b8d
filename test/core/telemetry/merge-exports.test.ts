import { expect, test } from "bun:test";
import fc from "fast-check";
import { clusterResponseStats, clusterScope, clusterStats } from "../../../core/telemetry/cluster-stats.ts";
import { HistogramIntervals } from "../../../core/telemetry/histogram-intervals.ts";
import { listenerScope, listenerStats } from "../../../core/telemetry/listener-stats.ts";
import { mergeExports } from "../../../core/telemetry/merge-exports.ts";
import { serverStats } from "../../../core/telemetry/server-stats.ts";
import { listStats } from "../../../core/telemetry/stat-list.ts";
import { StatsStore } from "../../../core/telemetry/stats.ts";
import type { StatsExport } from "../../../core/telemetry/stats-export.ts";
import { renderText } from "../../../core/telemetry/stats-text.ts";

function values(stats: StatsExport): { readonly [name: string]: number } {
  return Object.fromEntries(listStats(stats).numbers.map(({ name, value }) => [name, value]));
}

test("two workers and the supervisor: sums, what is the same everywhere, and who did how much", () => {
  const workers = [3, 4].map((requests) => {
    const store = new StatsStore();
    const stats = clusterStats(clusterScope(store, "shop"));
    stats.upstreamRqTotal = requests;
    stats.upstreamRqActive = 1;
    stats.membershipTotal = 5; // each worker knows all five members
    stats.membershipChange = 2;
    listenerStats(listenerScope(store, "0.0.0.0:80")).downstreamCxTotal = requests;
    return store.export();
  });
  const supervisor = new StatsStore();
  serverStats(supervisor).live = 1;
  expect(values(mergeExports([...workers, supervisor.export()]))).toMatchObject({
    "cluster.shop.upstream_rq_total": 7,
    "cluster.shop.upstream_rq_active": 2,
    "cluster.shop.membership_total": 5,
    "cluster.shop.membership_change": 2,
    "listener.0.0.0.0_80.downstream_cx_total": 7,
    "listener.0.0.0.0_80.worker_0.downstream_cx_total": 3,
    "listener.0.0.0.0_80.worker_1.downstream_cx_total": 4,
    "server.live": 1,
  });
});

test("a level is the highest: a worker that has just been started again knows no members yet", () => {
  const workers = [5, 0].map((members) => {
    const store = new StatsStore();
    clusterStats(clusterScope(store, "shop")).membershipTotal = members;
    return store.export();
  });
  for (const order of [workers, [...workers].reverse()])
    expect(values(mergeExports(order))["cluster.shop.membership_total"]).toBe(5);
});

test("a cluster that only one worker has yet is there", () => {
  const one = new StatsStore();
  const other = new StatsStore();
  clusterStats(clusterScope(one, "a")).upstreamRqTotal = 1;
  clusterResponseStats(clusterScope(other, "b")).charge(503, false);
  expect(values(mergeExports([one.export(), other.export()]))).toMatchObject({
    "cluster.a.upstream_rq_total": 1,
    "cluster.b.upstream_rq_503": 1,
  });
});

/** What happens in a worker: a status, and how long it took. */
const REQUESTS = fc.array(fc.tuple(fc.constantFrom(200, 201, 404, 503), fc.nat(100_000), fc.boolean()), {
  maxLength: 30,
});

function worker(requests: readonly (readonly [number, number, boolean])[]): StatsExport {
  const store = new StatsStore();
  const scope = clusterScope(store, "shop");
  const stats = clusterStats(scope);
  const responses = clusterResponseStats(scope);
  for (const [status, ms, internal] of requests) {
    stats.upstreamRqTotal++;
    stats.upstreamCxConnectMs.record(ms % 100);
    responses.charge(status, internal);
    responses.chargeTime(ms, internal);
  }
  return store.export();
}

test("property: however requests are spread over workers, the merged page is that of one worker", () => {
  fc.assert(
    fc.property(fc.array(REQUESTS, { minLength: 1, maxLength: 4 }), (shares) => {
      const spread = mergeExports(shares.map(worker));
      const alone = mergeExports([worker(shares.flat())]);
      expect(renderText(listStats(spread), "detailed", null)).toBe(
        renderText(listStats(alone), "detailed", null),
      );
    }),
  );
});

test("property: merging changes none of the exports", () => {
  fc.assert(
    fc.property(REQUESTS, REQUESTS, (some, more) => {
      const exports = [worker(some), worker(more)];
      const before = JSON.stringify(exports);
      mergeExports(exports);
      expect(JSON.stringify(exports)).toBe(before);
    }),
  );
});

test("intervals show what came between two flushes", () => {
  const store = new StatsStore();
  const histogram = store.scope("x.", "x.", {}).histogram("ms");
  const intervals = new HistogramIntervals();
  const page = () => renderText(listStats(store.export()), "summary", intervals).split(" P25")[0];
  expect(page()).toBe("x.ms: No recorded values\n");
  histogram.record(10);
  expect(page()).toBe("x.ms: P0(nan,10.5)");
  intervals.roll(store.export());
  expect(page()).toBe("x.ms: P0(10.5,10.5)");
  histogram.record(20);
  histogram.record(20);
  intervals.roll(store.export());
  expect(page()).toBe("x.ms: P0(20.333333333333332,10.5)");
  expect(intervals.of("x.ms")?.sum).toBe(40);
  intervals.roll(store.export());
  expect(page()).toBe("x.ms: P0(nan,10.5)");
});

test("intervals do not go below zero when a cluster was removed and came back", () => {
  const intervals = new HistogramIntervals();
  intervals.roll(worker([[200, 7, false]]));
  intervals.roll(worker([[200, 9, false]]));
  expect(intervals.of("cluster.shop.upstream_rq_time")?.counts[9]).toBe(1);
  expect(intervals.of("cluster.shop.upstream_rq_time")?.counts[7]).toBe(0);
});
