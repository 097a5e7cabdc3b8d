/**
 * What connections of HTTP/2 do: those of clients in `http2.*`, whichever listener they came in by, those to a cluster's
 * endpoints in `cluster.<name>.http2.*`.
 */
import { layoutOf } from "./stat-layout.ts";
import type { Scope, StatsStore } from "./stats.ts";

/** Field names are Envoy's in camel case. */
export class Http2Stats {
  droppedHeadersWithUnderscores = 0;
  requestsRejectedWithUnderscoresInHeaders = 0;
  goawaySent = 0;
  /** Messages whose head or trailers were larger than they may be. */
  headerOverflow = 0;
  // Connections that ended for too many frames of one sort (docs/limits.md).
  inboundEmptyFramesFlood = 0;
  inboundPriorityFramesFlood = 0;
  inboundWindowUpdateFramesFlood = 0;
  outboundControlFlood = 0;
  /** Connections that ended because a client asked on and on, and read no answer. */
  outboundFlood = 0;
  /** Connections that ended because a PING was not answered. */
  keepaliveTimeout = 0;
  /** Messages that broke a rule of their stream. */
  rxMessagingError = 0;
  rxReset = 0;
  /** Streams that the peer has refused. */
  streamRefusedErrors = 0;
  /** Messages with trailers that came. */
  trailers = 0;
  /** Answers that clients did not read within the stream idle timeout. */
  txFlushTimeout = 0;
  txReset = 0;
  /** Gauge. */
  streamsActive = 0;
  /** Gauge: complete messages that the peer has not read. */
  deferredStreamClose = 0;
  // Gauges, measured when asked for.
  /** Bytes of bodies that wait for the peer. */
  pendingSendBytes = 0;
  /** Frames, heads of messages included, that wait for a peer that does not read; bodies wait as bytes. */
  outboundFramesActive = 0;
  /** Of these: acknowledgements, answers to PINGs, resets. */
  outboundControlFramesActive = 0;
}

/** What is measured is about to be measured anew. */
export function clearWaiting(stats: Http2Stats): void {
  stats.pendingSendBytes = 0;
  stats.outboundFramesActive = 0;
  stats.outboundControlFramesActive = 0;
}

const HTTP2 = layoutOf("http2", () => new Http2Stats(), {
  gauges: [
    "streamsActive",
    "deferredStreamClose",
    "pendingSendBytes",
    "outboundFramesActive",
    "outboundControlFramesActive",
  ],
});

/** The set of a worker's clients; never released. */
export function http2Stats(store: StatsStore): Http2Stats {
  return store.scope("http2.", "http2.", {}).set(HTTP2);
}

/** The set of a cluster, which goes with its scope. */
export function clusterHttp2Stats(scope: Scope): Http2Stats {
  return scope.set(HTTP2, "http2.");
}
