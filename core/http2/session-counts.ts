/** What a session counts, by Envoy's names of `http2.*` in camel case. Who makes the object shows it. */
import type { GlitchSort } from "./glitches.ts";

export interface SessionCounts {
  /** Fields that were dropped, requests that were refused, for a name with an underscore. */
  droppedHeadersWithUnderscores: number;
  requestsRejectedWithUnderscoresInHeaders: number;
  goawaySent: number;
  /** Messages whose head or trailers were larger than they may be. */
  headerOverflow: number;
  /** Connections that ended for too many frames of one sort. */
  inboundEmptyFramesFlood: number;
  inboundPriorityFramesFlood: number;
  inboundWindowUpdateFramesFlood: number;
  outboundControlFlood: number;
  /** Messages that broke a rule of their stream. */
  rxMessagingError: number;
  rxReset: number;
  /** Streams that the peer refused. */
  streamRefusedErrors: number;
  trailers: number;
  txReset: number;
  /** Gauge. */
  streamsActive: number;
}

/** Gauges of what waits for peers, measured when somebody asks, by Envoy's names. */
export interface WaitingCounts {
  /** Bytes of bodies, for a window or for the kernel. */
  pendingSendBytes: number;
  /** Frames that bodies are not in, for the kernel. */
  outboundFramesActive: number;
  /** Of these, those that the peer made us say. */
  outboundControlFramesActive: number;
}

/** Where a connection that ends for too many of a sort is counted; null: nowhere. */
export const FLOODS: {
  readonly [sort in GlitchSort]:
    | "inboundEmptyFramesFlood"
    | "inboundPriorityFramesFlood"
    | "inboundWindowUpdateFramesFlood"
    | "outboundControlFlood"
    | null;
} = {
  madeResets: null,
  refused: null,
  tooLarge: null,
  asks: "outboundControlFlood",
  settings: "outboundControlFlood",
  empty: "inboundEmptyFramesFlood",
  updates: "inboundWindowUpdateFramesFlood",
  idle: "inboundPriorityFramesFlood",
};
