/**
 * Statistics of a cluster, `cluster.<name>.*`. Field names are Envoy's in camel case. A cluster that never had
 * traffic costs about 2 KB (measured with both priorities of breakers, on Bun and Node); response codes and
 * histogram buckets come into being with the first answer and add 1–2 KB.
 */
import { Histogram } from "./histogram.ts";
import { ResponseCodeStats } from "./response-stats.ts";
import { layoutOf } from "./stat-layout.ts";
import type { Scope, StatsStore } from "./stats.ts";

export class ClusterStats {
  // Connections.
  upstreamCxTotal = 0;
  /** Gauge. */
  upstreamCxActive = 0;
  upstreamCxHttp1Total = 0;
  upstreamCxHttp2Total = 0;
  upstreamCxConnectFail = 0;
  upstreamCxConnectTimeout = 0;
  /** TCP proxy: every try to connect failed. */
  upstreamCxConnectAttemptsExceeded = 0;
  upstreamCxOverflow = 0;
  /** No pool could be made: `max_connection_pools`. */
  upstreamCxPoolOverflow = 0;
  upstreamCxIdleTimeout = 0;
  upstreamCxMaxRequests = 0;
  upstreamCxMaxDurationReached = 0;
  upstreamCxNoneHealthy = 0;
  upstreamCxProtocolError = 0;
  /** The upstream said `connection: close`. */
  upstreamCxCloseNotify = 0;
  upstreamCxDestroy = 0;
  upstreamCxDestroyLocal = 0;
  upstreamCxDestroyRemote = 0;
  upstreamCxDestroyWithActiveRq = 0;
  upstreamCxDestroyLocalWithActiveRq = 0;
  upstreamCxDestroyRemoteWithActiveRq = 0;
  upstreamCxRxBytesTotal = 0;
  /** Gauge, measured when asked for: read and not passed on. */
  upstreamCxRxBytesBuffered = 0;
  upstreamCxTxBytesTotal = 0;
  /** Gauge, measured when asked for: written and not taken by the kernel. */
  upstreamCxTxBytesBuffered = 0;
  upstreamFlowControlPausedReadingTotal = 0;
  upstreamFlowControlResumedReadingTotal = 0;
  upstreamFlowControlBackedUpTotal = 0;
  upstreamFlowControlDrainedTotal = 0;
  /** From `connect` to connected, ms. */
  readonly upstreamCxConnectMs = new Histogram();
  /** Life of a connection, ms. */
  readonly upstreamCxLengthMs = new Histogram();
  /** Requests that a connection carried. */
  readonly upstreamRqPerCx = new Histogram();

  // Requests.
  upstreamRqTotal = 0;
  /** Gauge. */
  upstreamRqActive = 0;
  upstreamRqPendingTotal = 0;
  /** Gauge. */
  upstreamRqPendingActive = 0;
  /** Refused by a circuit breaker while waiting for a connection. */
  upstreamRqPendingOverflow = 0;
  /** Waiting requests that failed with their connection. */
  upstreamRqPendingFailureEject = 0;
  /** Refused because `max_requests` were active. */
  upstreamRqActiveOverflow = 0;
  /** Gave up before a connection was there. */
  upstreamRqCancelled = 0;
  upstreamRqTimeout = 0;
  upstreamRqPerTryTimeout = 0;
  upstreamRqPerTryIdleTimeout = 0;
  // Resets of streams: HTTP/1, which has none, leaves both alone (as Envoy).
  upstreamRqRxReset = 0;
  upstreamRqTxReset = 0;
  upstreamRqRetry = 0;
  upstreamRqRetrySuccess = 0;
  upstreamRqRetryOverflow = 0;
  upstreamRqRetryLimitExceeded = 0;
  upstreamRqRetryBackoffExponential = 0;
  /** Body outgrew the replay buffer. */
  retryOrShadowAbandoned = 0;

  // Members and balancing. The same in every worker, so merged by maximum.
  /** Level. */
  membershipTotal = 0;
  /** Level. */
  membershipHealthy = 0;
  /** Level. */
  membershipDegraded = 0;
  /** Level: draining ones. */
  membershipExcluded = 0;
  /** Total. */
  membershipChange = 0;
  lbHealthyPanic = 0;
  /** Resolutions or EDS updates. */
  updateAttempt = 0;
  updateSuccess = 0;
  updateFailure = 0;
  updateEmpty = 0;
  updateNoRebuild = 0;
}

const CLUSTER = layoutOf("cluster", () => new ClusterStats(), {
  gauges: [
    "upstreamCxActive",
    "upstreamCxRxBytesBuffered",
    "upstreamCxTxBytesBuffered",
    "upstreamRqActive",
    "upstreamRqPendingActive",
  ],
  levels: ["membershipTotal", "membershipHealthy", "membershipDegraded", "membershipExcluded"],
  totals: ["membershipChange"],
});

/** `circuit_breakers.<priority>.*`: 1 while a limit is reached. */
export class BreakerStats {
  cxOpen = 0;
  cxPoolOpen = 0;
  rqOpen = 0;
  rqPendingOpen = 0;
  rqRetryOpen = 0;
}

const BREAKER = layoutOf("breaker", () => new BreakerStats(), {
  levels: ["cxOpen", "cxPoolOpen", "rqOpen", "rqPendingOpen", "rqRetryOpen"],
});

/** What is left of each limit; only with `track_remaining`. */
export class RemainingStats {
  remainingCx = 0;
  remainingCxPools = 0;
  remainingPending = 0;
  remainingRetries = 0;
  remainingRq = 0;
}

const REMAINING = layoutOf("breaker_remaining", () => new RemainingStats(), {
  gauges: ["remainingCx", "remainingCxPools", "remainingPending", "remainingRetries", "remainingRq"],
});

/** The scope `cluster.<statName>.`; release it with the cluster. */
export function clusterScope(store: StatsStore, statName: string): Scope {
  const text = statName.replaceAll(":", "_");
  return store.scope(`cluster.${text}.`, "cluster.", { envoy_cluster_name: text });
}

/** The scope `cluster.<statName>.<name>.` for answers that are counted under another name as well; release it, too. */
export function alternativeScope(store: StatsStore, statName: string, name: string): Scope {
  const text = statName.replaceAll(":", "_");
  return store.scope(`cluster.${text}.${name}.`, `cluster.${name}.`, { envoy_cluster_name: text });
}

/** The cluster's numbers. */
export function clusterStats(scope: Scope): ClusterStats {
  return scope.set(CLUSTER);
}

/** Its answers by code, and `upstream_rq_time`. */
export function clusterResponseStats(scope: Scope): ResponseCodeStats {
  return scope.source(ResponseCodeStats, () => new ResponseCodeStats(true));
}

/** Its circuit breakers of one priority. */
export function breakerStats(scope: Scope, priority: "default" | "high"): BreakerStats {
  return scope.set(BREAKER, `circuit_breakers.${priority}.`);
}

/** What is left of their limits; ask for it only with `track_remaining`. */
export function remainingStats(scope: Scope, priority: "default" | "high"): RemainingStats {
  return scope.set(REMAINING, `circuit_breakers.${priority}.`);
}
