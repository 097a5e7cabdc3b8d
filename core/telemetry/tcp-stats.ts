/**
 * Statistics of a TCP proxy, `tcp.<stat_prefix>.*`. Those of its upstream connections are the cluster's. TCP
 * proxies with the same prefix share one set, as in Envoy.
 */
import { layoutOf } from "./stat-layout.ts";
import type { Scope, StatsStore } from "./stats.ts";

export class TcpStats {
  downstreamCxTotal = 0;
  /** No cluster could be chosen. */
  downstreamCxNoRoute = 0;
  downstreamCxRxBytesTotal = 0;
  /** Gauge, measured when asked for: read and not passed on. */
  downstreamCxRxBytesBuffered = 0;
  downstreamCxTxBytesTotal = 0;
  /** Gauge, measured when asked for: written and not taken by the kernel. */
  downstreamCxTxBytesBuffered = 0;
  downstreamFlowControlPausedReadingTotal = 0;
  downstreamFlowControlResumedReadingTotal = 0;
  idleTimeout = 0;
  maxDownstreamConnectionDuration = 0;
  /** Connections that went on sending to the upstream after the client had gone. */
  upstreamFlushTotal = 0;
  /** Gauge. */
  upstreamFlushActive = 0;
}

const TCP = layoutOf("tcp", () => new TcpStats(), {
  gauges: ["downstreamCxRxBytesBuffered", "downstreamCxTxBytesBuffered", "upstreamFlushActive"],
});

/** The scope `tcp.<statPrefix>.`; release it with its filter chain. */
export function tcpScope(store: StatsStore, statPrefix: string): Scope {
  return store.scope(`tcp.${statPrefix}.`, "tcp.", { envoy_tcp_prefix: statPrefix });
}

/** The numbers of that scope; proxies with the same prefix share them. */
export function tcpStats(scope: Scope): TcpStats {
  return scope.set(TCP);
}
