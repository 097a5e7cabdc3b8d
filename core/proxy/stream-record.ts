/**
 * What is known about one request and its answer: the fields of `StreamInfo`, filled by the stream and the router
 * as things happen, read by logs, formatters and statistics. It decides nothing.
 */
import type { ClusterState } from "../cluster/cluster.ts";
import type { EndpointState } from "../cluster/endpoint.ts";
import type { ResetReason } from "../cluster/reset-reason.ts";
import type { Listener } from "../config/model.ts";
import type { ResponseFlag } from "../errors.ts";
import type { Fields } from "../http/fields.ts";
import type { RequestHead, ResponseHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import { RefusedStream } from "../http2/frames.ts";
import type { Address } from "../io/socket.ts";
import type { RouteEntry } from "../route/route-entry.ts";
import type { Runtime } from "../route/runtime-fraction.ts";
import type { SecureConnection } from "../tls/secure-connection.ts";
import type { DownstreamExchange } from "./downstream-exchange.ts";
import type { ReplyDraft } from "./local-reply.ts";
import { underscored } from "./upstream-failure.ts";

const REQUEST_ID = known("x-request-id");
const WEBSOCKET_KEY = known("sec-websocket-key");
const NO_FLAGS: readonly ResponseFlag[] = [];

export class StreamRecord implements ReplyDraft {
  readonly connection: DownstreamExchange;
  readonly request: RequestHead;
  response: ResponseHead | null = null;
  responseTrailers: Fields | null = null;

  /** ms on the clock's scale. */
  readonly started: number;
  requestReceived = -1;
  upstreamRequestSent = -1;
  upstreamResponseStarted = -1;
  upstreamResponseEnded = -1;
  responseStarted = -1;
  duration = -1;
  responseCode = 0;
  responseCodeDetails = "";
  connectionTerminationDetails = "";
  flags: readonly ResponseFlag[] = NO_FLAGS;
  bytesReceived = 0;
  bytesSent = 0;
  headerBytesReceived = 0;
  headerBytesSent = 0;
  upstreamBytesReceived = 0;
  upstreamBytesSent = 0;
  clusterName = "";
  clusterStatName = "";
  upstreamHost: Address | null = null;
  upstreamLocal: Address | null = null;
  upstreamTls: SecureConnection | null = null;
  upstreamFailure = "";
  upstreamAttempts = 0;
  downstreamRemote: Address;
  localReplyBody = "";

  route: RouteEntry | null = null;
  endpoint: EndpointState | null = null;

  constructor(connection: DownstreamExchange) {
    this.connection = connection;
    this.request = connection.message.head;
    this.started = connection.requestStarted;
    this.downstreamRemote = connection.socket.remote;
    this.headerBytesReceived = connection.message.headBytes;
  }

  get startWall(): number {
    return this.connection.services.clock.epoch + this.started;
  }
  get routeName(): string {
    return this.route === null ? "" : this.route.name;
  }
  get virtualHostName(): string {
    return this.route === null ? "" : this.route.virtualHost.name;
  }
  get downstreamLocal(): Address {
    return this.connection.socket.local;
  }
  get downstreamDirectRemote(): Address {
    return this.connection.socket.remote;
  }
  get requestedServerName(): string {
    return this.downstreamTls === null ? "" : this.downstreamTls.info.serverName;
  }
  get runtime(): Runtime {
    return this.connection.manager.runtime;
  }
  get downstreamTls(): SecureConnection | null {
    return this.connection.secure;
  }
  get connectionId(): number {
    return this.connection.connectionId;
  }
  get streamId(): string {
    return this.request.fields.getId(REQUEST_ID) ?? "";
  }
  /** The key that a WebSocket client sent, or "". */
  get webSocketKey(): string {
    return this.request.fields.getId(WEBSOCKET_KEY) ?? "";
  }
  get listener(): Listener {
    return this.connection.manager.listener;
  }
  get parent(): StreamInfo | null {
    return this.connection.networkInfo;
  }
  get cluster(): ClusterState | null {
    return this.connection.manager.clusters.find(this.clusterName);
  }
  get filterChainName(): string {
    return this.connection.manager.filterChainName;
  }

  /** ms since the request began. */
  elapsed(): number {
    return this.connection.services.clock.now - this.started;
  }

  /** Adds a response flag once. */
  flag(flag: ResponseFlag): void {
    if (!this.flags.includes(flag)) this.flags = [...this.flags, flag];
  }

  /** The client went away before its answer was complete, or was the first to end a tunnel. */
  leftByClient(): void {
    this.flag("DC");
    this.responseCodeDetails = "downstream_remote_disconnect";
  }

  /** The client has given the stream up, with that code of HTTP/2, or (`broken`) has broken a rule of it. */
  protected resetByClient(code: number, broken: string): void {
    this.flag(broken === "" ? "DR" : "DPE");
    if (broken !== "") this.responseCodeDetails = `http2.${broken}`;
    else this.responseCodeDetails = code === RefusedStream ? "http2.remote_refuse" : "http2.remote_reset";
  }

  /** The upstream went away within its answer, or was the first to end a tunnel. */
  cutByUpstream(flag: ResponseFlag, reason: ResetReason): void {
    this.flag(flag);
    this.responseCodeDetails = `upstream_reset_after_response_started{${underscored(reason)}}`;
  }
}
