/**
 * What is known about one request and its answer: the single source for access logs, `%…%` formatters,
 * statistics and local replies. Filled by the engine while the stream lives; read by everybody else.
 */
import type { ResponseFlag } from "../errors.ts";
import type { Address } from "../io/socket.ts";
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

/** Names of a certificate (core/tls/certificate.ts), by kind. */
interface NamesView {
  readonly uri: readonly string[];
  readonly dns: readonly string[];
  readonly ip: readonly string[];
  readonly email: readonly string[];
}

/** Who the client is by its certificate (core/tls/peer.ts). */
export interface PeerView {
  /** What follows is to be believed. */
  readonly verified: boolean;
  /** The name that policies know it by, "" unless it was verified. */
  readonly principal: string;
  readonly sha256: string;
  readonly subject: string;
  readonly issuer: string;
  readonly names: NamesView;
  readonly certificate: { readonly serial: string; readonly notBefore: number; readonly notAfter: number };
  readonly pem: string;
}

/** What a handshake came to. */
export interface TlsView {
  readonly version: string;
  readonly cipher: string;
  /** Our certificate; null = not known. */
  readonly local: { readonly subject: string; readonly names: NamesView } | null;
  /** Null = the client showed none. */
  readonly peer: PeerView | null;
}

/** The endpoint that a stream goes to. */
export interface EndpointView {
  readonly metadata: MetadataView;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string };
  readonly localityMetadata: MetadataView;
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
  /** TLS of the client's connection; null or absent = plain text. */
  readonly downstreamTls?: TlsView | null | undefined;
  /** The same of the connection to the upstream. */
  readonly upstreamTls?: TlsView | null | undefined;
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
