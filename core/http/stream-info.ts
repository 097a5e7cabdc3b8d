/**
 * What is known about one request and its answer: the single source for access logs, `%…%` formatters,
 * statistics and local replies. Filled by the engine while the stream lives; read by everybody else.
 */
import type { ResponseFlag } from "../errors.ts";
import type { Address } from "../io/socket.ts";
import type { TlsInfo } from "../io/tls.ts";
import type { Fields } from "./fields.ts";
import type { RequestHead, ResponseHead } from "./head.ts";

/** A value of metadata: JSON of byte strings. */
export type MetadataValue =
  | null
  | boolean
  | number
  | string
  | readonly MetadataValue[]
  | { readonly [key: string]: MetadataValue };

/** What the configuration says of a part for whoever asks, by namespace. */
export interface MetadataView {
  readonly [namespace: string]: MetadataValue;
}

/** A part of the configuration; without metadata it may have none at all. */
export interface Described {
  readonly metadata?: MetadataView | undefined;
}

/** The listener that a stream came by. */
export interface ListenerView extends Described {
  readonly trafficDirection: "UNSPECIFIED" | "INBOUND" | "OUTBOUND";
}

/** The route of a request. */
export interface RouteView {
  readonly name: string;
  readonly config: Described;
  readonly virtualHost: Described & { readonly name: string };
}

/** The cluster that a stream is meant for. */
export interface ClusterView {
  readonly config: Described;
  readonly endpoints: { readonly total: number };
}

/** The endpoint that a stream goes to. */
export interface EndpointView {
  readonly metadata: MetadataView;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string };
  readonly localityMetadata: MetadataView;
}

/** Who is at the other end of a TLS connection; what it says is to be believed only if `verified`. */
export interface PeerView {
  readonly verified: boolean;
  /** SHA-256 of its certificate (DER), lower-case hexadecimal. */
  readonly sha256: string;
  /** RFC 2253 texts. */
  readonly subject: string;
  readonly issuer: string;
  readonly names: { readonly uri: readonly string[]; readonly dns: readonly string[] };
  /** The name that policies know it by, "" unless it was verified. */
  readonly principal: string;
}

/** What is known of a connection that is TLS. */
export interface SecureView {
  readonly info: TlsInfo;
  /** Null if the peer showed nothing. */
  readonly peer: PeerView | null;
}

export interface StreamInfo {
  /** Null for a TCP connection. */
  readonly request: RequestHead | null;
  /** The head that went (or goes) downstream; null before there is one. */
  readonly response: ResponseHead | null;
  readonly responseTrailers: Fields | null;

  /** Unix time, ms, when the first byte of the request was read. */
  readonly startWall: number;
  /** ms after the start; -1 = has not happened. */
  readonly requestReceived: number;
  readonly upstreamRequestSent: number;
  readonly upstreamResponseStarted: number;
  readonly upstreamResponseEnded: number;
  readonly responseStarted: number;
  /** ms from start to the end of the stream; -1 while it lives. */
  readonly duration: number;

  /** 0 if nothing was or could be answered. */
  readonly responseCode: number;
  /** Envoy's details, "" if none. */
  readonly responseCodeDetails: string;
  readonly connectionTerminationDetails: string;
  readonly flags: readonly ResponseFlag[];
  /** Body bytes received from and sent to downstream. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly headerBytesReceived: number;
  readonly headerBytesSent: number;
  readonly upstreamBytesReceived: number;
  readonly upstreamBytesSent: number;

  readonly routeName: string;
  readonly virtualHostName: string;
  readonly clusterName: string;
  /** The cluster's name in statistics (`altStatName`, or its name). */
  readonly clusterStatName: string;
  readonly upstreamHost: Address | null;
  readonly upstreamLocal: Address | null;
  readonly upstreamFailure: string;
  readonly upstreamAttempts: number;
  readonly downstreamLocal: Address;
  /** The peer of the socket. */
  readonly downstreamDirectRemote: Address;
  /** The client as decided by XFF rules. */
  readonly downstreamRemote: Address;
  readonly requestedServerName: string;
  /** What is known of the client's connection, null if it is plain. */
  readonly secure: SecureView | null;
  /** The same of the one to the upstream. */
  readonly upstreamSecure: SecureView | null;
  readonly connectionId: number;
  /** Wall-clock id generator for %STREAM_ID%: the request id if there is one. */
  readonly streamId: string;
  readonly filterChainName: string;
  /** Body of the local reply being made, "" if there is none. */
  readonly localReplyBody: string;

  /** Of a request: its connection as the network filters on it know it, null if there are none. */
  readonly parent: StreamInfo | null;
  /** What it has to do with so far: null before there is one. */
  readonly listener: ListenerView | null;
  readonly route: RouteView | null;
  readonly cluster: ClusterView | null;
  readonly endpoint: EndpointView | null;
}
