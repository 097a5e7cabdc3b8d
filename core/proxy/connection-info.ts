/**
 * What is known about a connection that nobody looks into, in the words that logs use for a request: no head, no
 * route, nothing of what only HTTP has. Whoever extends it fills in what a connection does have.
 */
import type { Listener } from "../config/model.ts";
import type { ResponseFlag } from "../errors.ts";
import type { RequestHead } from "../http/head.ts";
import type { ClusterView, EndpointView, StreamInfo } from "../http/stream-info.ts";
import type { Address } from "../io/socket.ts";
import type { SecureConnection } from "../tls/secure-connection.ts";

export abstract class ConnectionInfo implements StreamInfo {
  readonly request: RequestHead | null = null;
  readonly response = null;
  readonly responseTrailers = null;
  readonly startWall: number;
  readonly requestReceived = -1;
  readonly upstreamRequestSent = -1;
  readonly upstreamResponseStarted = -1;
  readonly upstreamResponseEnded = -1;
  readonly responseStarted = -1;
  duration = -1;
  readonly responseCode = 0;
  responseCodeDetails = "";
  connectionTerminationDetails = "";
  readonly flags: ResponseFlag[] = [];
  /** Bytes as they came: whatever heads and framing they hold are not told apart. */
  bytesReceived = 0;
  bytesSent = 0;
  readonly headerBytesReceived = 0;
  readonly headerBytesSent = 0;
  upstreamBytesReceived = 0;
  upstreamBytesSent = 0;
  readonly routeName = "";
  readonly virtualHostName = "";
  clusterName = "";
  clusterStatName = "";
  upstreamHost: Address | null = null;
  upstreamLocal: Address | null = null;
  upstreamFailure = "";
  upstreamAttempts = 0;
  /** Null if it is plain. */
  secure: SecureConnection | null = null;
  connectionId = 0;
  readonly streamId = "";
  readonly filterChainName: string;
  readonly localReplyBody = "";
  readonly listener: Listener | null;
  readonly parent = null;
  readonly route = null;
  cluster: ClusterView | null = null;
  endpoint: EndpointView | null = null;

  /** `startWall` is when it was accepted, Unix time in ms. */
  constructor(listener: Listener | null, filterChainName: string, startWall: number) {
    this.listener = listener;
    this.filterChainName = filterChainName;
    this.startWall = startWall;
  }

  get downstreamTls(): SecureConnection | null {
    return this.secure;
  }
  get requestedServerName(): string {
    return this.secure === null ? "" : this.secure.info.serverName;
  }

  abstract get downstreamLocal(): Address;
  abstract get downstreamDirectRemote(): Address;
  /** Nobody spoke for somebody else: the peer of the socket is the client. */
  get downstreamRemote(): Address {
    return this.downstreamDirectRemote;
  }
}
