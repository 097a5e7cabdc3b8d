/**
 * Statistics of a listener, `listener.<address or stat_prefix>.*`, and of the answers that it gave, by class.
 * Colons of an address become underscores in names, as in Envoy (`listener.[__1]_80.`).
 */
import { Histogram } from "./histogram.ts";
import { RESPONSE_CLASSES, type ResponseClassStats } from "./response-stats.ts";
import { layoutOf } from "./stat-layout.ts";
import type { Scope, StatsStore } from "./stats.ts";

export class ListenerStats {
  downstreamCxTotal = 0;
  /** Gauge. */
  downstreamCxActive = 0;
  /** Gauge: accepted, and not served yet. */
  downstreamPreCxActive = 0;
  /** Said too little for too long to be served. */
  downstreamPreCxTimeout = 0;
  /** Did not end its handshake in time. */
  downstreamCxTransportSocketConnectTimeout = 0;
  downstreamCxDestroy = 0;
  /** Closed at once: more than the runtime's `envoy.resource_limits.listener.<name>.connection_limit`. */
  downstreamCxOverflow = 0;
  /** Closed because no filter chain matched. */
  noFilterChainMatch = 0;
  /** Life of a connection, ms. */
  readonly downstreamCxLengthMs = new Histogram();
}

/** What a listener's inspectors need not wait for; there as soon as something was learned. Not in Envoy. */
export class ProtocolDetectionStats {
  /** Destinations whose server was found to speak first. */
  serverFirstLearned = 0;
  /** Connections that were not waited for because of it. */
  serverFirstUsed = 0;
  /** Destinations where a client has spoken first since. */
  serverFirstForgotten = 0;
}

const PROTOCOL_DETECTION = layoutOf("protocol_detection", () => new ProtocolDetectionStats());

const LISTENER = layoutOf("listener", () => new ListenerStats(), {
  gauges: ["downstreamCxActive", "downstreamPreCxActive"],
  perWorker: ["downstreamCxTotal", "downstreamCxActive"],
});

/** The scope of a listener; `name` is its stat prefix, or its address ("127.0.0.1:80"). Release it with the listener. */
export function listenerScope(store: StatsStore, name: string): Scope {
  const text = name.replaceAll(":", "_");
  return store.scope(`listener.${text}.`, "listener.", { envoy_listener_address: text });
}

/** The listener's own numbers. */
export function listenerStats(scope: Scope): ListenerStats {
  return scope.set(LISTENER);
}

/** What its inspectors have learned (`listener.<a>.protocol_detection.`). */
export function protocolDetectionStats(scope: Scope): ProtocolDetectionStats {
  return scope.set(PROTOCOL_DETECTION, "protocol_detection.");
}

/**
 * The scope of answers by class of one connection manager on one listener (`listener.<a>.http.<prefix>.`).
 * Charge it together with `HttpStats`.
 */
export function listenerHttpScope(store: StatsStore, name: string, statPrefix: string): Scope {
  const text = name.replaceAll(":", "_");
  return store.scope(`listener.${text}.http.${statPrefix}.`, "listener.http.", {
    envoy_http_conn_manager_prefix: statPrefix,
    envoy_listener_address: text,
  });
}

/** The numbers of `listenerHttpScope`. */
export function responseClassStats(scope: Scope): ResponseClassStats {
  return scope.set(RESPONSE_CLASSES);
}
