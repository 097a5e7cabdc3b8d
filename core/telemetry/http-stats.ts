/**
 * Statistics of a connection manager, `http.<stat_prefix>.*`: its connections, its requests, its router.
 * Connection managers with the same prefix share one set, as in Envoy.
 */
import { Histogram } from "./histogram.ts";
import { ResponseClassStats } from "./response-stats.ts";
import { layoutOf } from "./stat-layout.ts";
import type { Scope, StatsStore } from "./stats.ts";

/** Field names are Envoy's in camel case; gauges are marked, `…Ms` and `…Time` are histograms of milliseconds. */
export class HttpStats extends ResponseClassStats {
  // Connections.
  downstreamCxTotal = 0;
  /** Gauge. */
  downstreamCxActive = 0;
  downstreamCxHttp1Total = 0;
  /** Gauge. */
  downstreamCxHttp1Active = 0;
  downstreamCxHttp2Total = 0;
  /** Gauge. */
  downstreamCxHttp2Active = 0;
  downstreamCxSslTotal = 0;
  /** Gauge. */
  downstreamCxSslActive = 0;
  /** Upgrades and CONNECT tunnels. */
  downstreamCxUpgradesTotal = 0;
  /** Gauge. */
  downstreamCxUpgradesActive = 0;
  downstreamCxDestroy = 0;
  downstreamCxDestroyLocal = 0;
  downstreamCxDestroyRemote = 0;
  downstreamCxDestroyActiveRq = 0;
  downstreamCxDestroyLocalActiveRq = 0;
  downstreamCxDestroyRemoteActiveRq = 0;
  downstreamCxRxBytesTotal = 0;
  /** Gauge, measured when asked for: read and not passed on. */
  downstreamCxRxBytesBuffered = 0;
  downstreamCxTxBytesTotal = 0;
  /** Gauge, measured when asked for: written and not taken by the kernel. */
  downstreamCxTxBytesBuffered = 0;
  downstreamCxProtocolError = 0;
  downstreamCxIdleTimeout = 0;
  downstreamCxMaxDurationReached = 0;
  downstreamCxMaxRequestsReached = 0;
  downstreamCxDelayedCloseTimeout = 0;
  downstreamCxDrainClose = 0;
  downstreamFlowControlPausedReadingTotal = 0;
  downstreamFlowControlResumedReadingTotal = 0;
  /** Life of a connection, ms. */
  readonly downstreamCxLengthMs = new Histogram();

  // Requests.
  downstreamRqTotal = 0;
  downstreamRqHttp1Total = 0;
  downstreamRqHttp2Total = 0;
  /** Gauge. */
  downstreamRqActive = 0;
  downstreamRqRxReset = 0;
  /** Connections that ended because their client reset too many streams at once. */
  downstreamRqTooManyPrematureResets = 0;
  downstreamRqTxReset = 0;
  downstreamRqTimeout = 0;
  downstreamRqHeaderTimeout = 0;
  downstreamRqIdleTimeout = 0;
  downstreamRqMaxDurationReached = 0;
  downstreamRqNonRelativePath = 0;
  downstreamRqTooLarge = 0;
  downstreamRqResponseBeforeRqComplete = 0;
  downstreamRqWsOnNonWsRoute = 0;
  downstreamRqFailedPathNormalization = 0;
  downstreamRqRedirectedWithNormalizedPath = 0;
  /** From the first byte of the request to the last of the answer, ms. */
  readonly downstreamRqTime = new Histogram();

  // Router.
  rqTotal = 0;
  noRoute = 0;
  noCluster = 0;
  /** Direct responses and redirects, as Envoy counts them. */
  rqDirectResponse = 0;
  /** Of gRPC requests (Envoy counts no others). */
  rqResetAfterDownstreamResponseStarted = 0;
}

const HTTP = layoutOf("http", () => new HttpStats(), {
  gauges: [
    "downstreamCxActive",
    "downstreamCxSslActive",
    "downstreamCxHttp1Active",
    "downstreamCxHttp2Active",
    "downstreamCxUpgradesActive",
    "downstreamCxRxBytesBuffered",
    "downstreamCxTxBytesBuffered",
    "downstreamRqActive",
  ],
});

/** The scope `http.<statPrefix>.`; release it with the connection manager. */
export function httpScope(store: StatsStore, statPrefix: string): Scope {
  return store.scope(`http.${statPrefix}.`, "http.", { envoy_http_conn_manager_prefix: statPrefix });
}

/** The numbers of that scope; connection managers with the same prefix share them. */
export function httpStats(scope: Scope): HttpStats {
  return scope.set(HTTP);
}

/** Headers with underscores, whichever listener they came in by (`http1.*`). */
export class Http1Stats {
  droppedHeadersWithUnderscores = 0;
  requestsRejectedWithUnderscoresInHeaders = 0;
}

const HTTP1 = layoutOf("http1", () => new Http1Stats());

/** The one set of a worker; never released. */
export function http1Stats(store: StatsStore): Http1Stats {
  return store.scope("http1.", "http1.", {}).set(HTTP1);
}
