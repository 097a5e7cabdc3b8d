/**
 * Statistics of a route that has a `stat_prefix`, `vhost.<virtual host>.route.<stat_prefix>.*`. Other routes have
 * none: with thousands of routes nobody could read them, let alone keep them in memory.
 */
import { ResponseCodeStats } from "./response-stats.ts";
import { layoutOf } from "./stat-layout.ts";
import type { Scope, StatsStore } from "./stats.ts";

export class RouteStats {
  upstreamRqTotal = 0;
  upstreamRqTimeout = 0;
  upstreamRqRetry = 0;
  upstreamRqRetrySuccess = 0;
  upstreamRqRetryOverflow = 0;
  upstreamRqRetryLimitExceeded = 0;
}

const ROUTE = layoutOf("route", () => new RouteStats());

/** The scope of that route; release it with the route table. */
export function routeScope(store: StatsStore, virtualHost: string, statPrefix: string): Scope {
  return store.scope(`vhost.${virtualHost}.route.${statPrefix}.`, "vhost.route.", {
    envoy_virtual_host: virtualHost,
    envoy_route: statPrefix,
  });
}

/** The route's numbers. */
export function routeStats(scope: Scope): RouteStats {
  return scope.set(ROUTE);
}

/** Its answers by code, and `upstream_rq_time`. */
export function routeResponseStats(scope: Scope): ResponseCodeStats {
  return scope.source(ResponseCodeStats, () => new ResponseCodeStats(false));
}
