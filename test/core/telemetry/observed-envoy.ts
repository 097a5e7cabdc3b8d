/**
 * A store that holds what Envoy 1.40 counted in one run (a small HTTP and TCP proxy, 42 requests): read from its own
 * `/stats` page, so that our pages can be compared with the ones it printed for the same numbers.
 * `golden/envoy-*` are its pages, cut to the statistics that we keep.
 */
import { readFileSync } from "node:fs";
import {
  breakerStats,
  clusterResponseStats,
  clusterScope,
  clusterStats,
  remainingStats,
} from "../../../core/telemetry/cluster-stats.ts";
import { Histogram } from "../../../core/telemetry/histogram.ts";
import { http1Stats, httpScope, httpStats } from "../../../core/telemetry/http-stats.ts";
import {
  listenerHttpScope,
  listenerScope,
  listenerStats,
  responseClassStats,
} from "../../../core/telemetry/listener-stats.ts";
import { mergeExports } from "../../../core/telemetry/merge-exports.ts";
import type { ResponseCodeStats } from "../../../core/telemetry/response-stats.ts";
import { routeResponseStats, routeScope, routeStats } from "../../../core/telemetry/route-stats.ts";
import {
  clusterManagerStats,
  clusterUpdateStats,
  filesystemStats,
  listenerManagerStats,
  runtimeStats,
  serverStats,
} from "../../../core/telemetry/server-stats.ts";
import { statName } from "../../../core/telemetry/stat-layout.ts";
import { StatsStore } from "../../../core/telemetry/stats.ts";
import type { StatsExport } from "../../../core/telemetry/stats-export.ts";
import { tcpScope, tcpStats } from "../../../core/telemetry/tcp-stats.ts";

/** A page of Envoy's, as it came. */
export function goldenPage(name: string): string {
  return readFileSync(new URL(`./golden/${name}`, import.meta.url), "latin1");
}

/** Everything that our sets can hold, filled from `text` (the page) and `detailed` (with all buckets). */
export function observedStats(text: string, detailed: string): StatsExport {
  const values = readValues(text);
  const buckets = readBuckets(detailed);
  const store = new StatsStore();

  const fill = (prefix: string, set: object) => {
    const fields = set as { [field: string]: number | Histogram };
    for (const [field, value] of Object.entries(fields)) {
      const name = prefix + statName(field);
      if (value instanceof Histogram) replay(buckets.get(name), (n) => value.record(n));
      else if (typeof value === "number") fields[field] = values.get(name) ?? 0;
    }
  };
  const charge = (prefix: string, responses: ResponseCodeStats, split: boolean) => {
    const own = split ? `${prefix}external.` : prefix;
    for (let code = 100; code < 600; code++) {
      for (let i = 0; i < (values.get(`${own}upstream_rq_${code}`) ?? 0); i++) responses.charge(code, false);
      for (let i = 0; i < (values.get(`${prefix}retry.upstream_rq_${code}`) ?? 0); i++)
        responses.chargeRetried(code);
    }
    replay(buckets.get(`${own}upstream_rq_time`), (n) => responses.chargeTime(n, false));
  };

  for (const name of ["shop", "dead"]) {
    const scope = clusterScope(store, name);
    const prefix = `cluster.${name}.`;
    fill(prefix, clusterStats(scope));
    charge(prefix, clusterResponseStats(scope), true);
    for (const priority of ["default", "high"] as const) {
      const at = `${prefix}circuit_breakers.${priority}.`;
      fill(at, breakerStats(scope, priority));
      if (name === "shop") fill(at, remainingStats(scope, priority));
    }
  }
  fill("http.ingress.", httpStats(httpScope(store, "ingress")));
  fill("http1.", http1Stats(store));
  for (const name of ["127.0.0.1:21002", "tcplis"]) {
    fill(`listener.${name.replace(":", "_")}.`, listenerStats(listenerScope(store, name)));
  }
  fill(
    "listener.127.0.0.1_21002.http.ingress.",
    responseClassStats(listenerHttpScope(store, "127.0.0.1:21002", "ingress")),
  );
  fill("tcp.tcpin.", tcpStats(tcpScope(store, "tcpin")));
  const route = routeScope(store, "vh", "st");
  fill("vhost.vh.route.st.", routeStats(route));
  charge("vhost.vh.route.st.", routeResponseStats(route), false);
  fill("cluster_manager.", clusterManagerStats(store));
  fill("cluster_manager.", clusterUpdateStats(store));
  fill("filesystem.", filesystemStats(store));
  fill("listener_manager.", listenerManagerStats(store));
  fill("runtime.", runtimeStats(store));
  fill("server.", serverStats(store));
  return mergeExports([store.export()]);
}

function readValues(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) values.set(line.slice(0, colon), Number(line.slice(colon + 2)));
  }
  return values;
}

/** `name:\n  totals=<start>,<width>:<count>, …` */
function readBuckets(detailed: string): Map<string, readonly (readonly [number, number])[]> {
  const buckets = new Map<string, readonly (readonly [number, number])[]>();
  for (const [, name, totals] of detailed.matchAll(/^(\S+):\n {2}totals=(.*)$/gm)) {
    const pairs = [...totals.matchAll(/([0-9.]+),[0-9.]+:(\d+)/g)];
    buckets.set(
      name,
      pairs.map(([, start, count]) => [Number(start), Number(count)]),
    );
  }
  return buckets;
}

function replay(
  buckets: readonly (readonly [number, number])[] | undefined,
  record: (value: number) => void,
): void {
  for (const [value, count] of buckets ?? []) for (let i = 0; i < count; i++) record(value);
}
