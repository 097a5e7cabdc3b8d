/**
 * One request and its answer. It admits the request (version, host, path, hop-by-hop fields), finds its route,
 * hands it to the filters and the router, and carries the answer back to the connection. It is also the record
 * of what happened (`StreamInfo`), which logs, formatters and statistics read.
 *
 * Laws: at most one answer; after `finish` nothing happens any more; the log is written exactly once, while both
 * heads are still there.
 */

import { lowerCase, parseDecimalText, toBytes } from "../bytes/ascii.ts";
import type { Fault, ResponseFlag } from "../errors.ts";
import { hostEnd, stripAuthority } from "../http/authority.ts";
import type { Fields } from "../http/fields.ts";
import type { RequestHead, ResponseHead } from "../http/head.ts";
import { HopAccepted, HopOptions, readHopOptions } from "../http/hop-by-hop.ts";
import { known } from "../http/names.ts";
import { PATH_DETAILS, PathAccepted, PathRedirected } from "../http/path.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import { AsTunnel, ByLength, type Framing, NoBody } from "../http1/message-parser.ts";
import type { Address } from "../io/socket.ts";
import type { ClusterTarget } from "../route/cluster-choice.ts";
import type { RouteEntry } from "../route/route-entry.ts";
import type { ConnectionManager } from "./connection-manager.ts";
import type { DownstreamConnection } from "./downstream.ts";
import type { ReplyDraft } from "./local-reply.ts";
import { Router } from "./router.ts";

const SERVER = known("server");
const EXPECT = known("expect");
const UPGRADE = known("upgrade");
const HOST = known("host");
const LOCATION = known("location");
const MAX_FORWARDS = known("max-forwards");
const REQUEST_ID = known("x-request-id");
const CONTENT_TYPE = known("content-type");
const WEBSOCKET_KEY = known("sec-websocket-key");
const VIA = known("via");

const hop = new HopOptions(); // read at once, never kept

const NO_FLAGS: readonly ResponseFlag[] = [];

/** More fields for a local reply: lower-case name, value. */
export type ReplyHeaders = readonly (readonly [string, string])[];
const NO_HEADERS: ReplyHeaders = [];

export class Stream implements StreamInfo, ReplyDraft {
  readonly connection: DownstreamConnection;
  readonly manager: ConnectionManager;
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
  upstreamFailure = "";
  upstreamAttempts = 0;
  downstreamRemote: Address;
  localReplyBody = "";

  route: RouteEntry | null = null;
  target: ClusterTarget | null = null;
  /** The protocol to switch to, lower case, "connect" for CONNECT, or "". */
  upgrade = "";
  /** `TE: trailers` was asked for. */
  trailers = false;
  /** The client waits for a 100 before it sends the body. */
  expects100 = false;
  /** One random number per request for all routing decisions. */
  readonly random: number;

  private router: Router | null = null;
  private requestEnded = false;
  private responseEnded = false;
  private done = false;
  private tunnelOpen = false;

  constructor(connection: DownstreamConnection) {
    this.connection = connection;
    this.manager = connection.manager;
    this.request = connection.parser.head;
    this.started = connection.requestStarted;
    this.downstreamRemote = connection.socket.remote;
    this.headerBytesReceived = connection.parser.headBytes;
    this.random = connection.services.random32();
    const { stats } = this.manager;
    stats.downstreamRqTotal++;
    stats.downstreamRqHttp1Total++;
    stats.downstreamRqActive++;
  }

  // ── The rest of StreamInfo ────────────────────────────────────────────────────────────────────────────────

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
    return "";
  }
  get connectionId(): number {
    return this.connection.id;
  }
  get streamId(): string {
    return this.request.fields.getId(REQUEST_ID) ?? "";
  }
  get filterChainName(): string {
    return this.manager.filterChainName;
  }

  /** ms since the request began. */
  elapsed(): number {
    return this.connection.services.clock.now - this.started;
  }

  /** Adds a response flag once. */
  flag(flag: ResponseFlag): void {
    if (!this.flags.includes(flag)) this.flags = [...this.flags, flag];
  }

  // ── The request ───────────────────────────────────────────────────────────────────────────────────────────

  /** The head is complete. */
  begin(endOfStream: boolean): void {
    this.armTimers(endOfStream);
    if (!this.admit(endOfStream)) return;
    const { manager, request } = this;
    const table = manager.routeTable;
    const route = table === null ? null : table.lookup(request, this.random, manager.runtime);
    this.route = route;
    if (route === null) {
      manager.stats.noRoute++;
      this.reply(404, "", "route_not_found", "NR");
      return;
    }
    if (route.redirect !== null) {
      manager.stats.rqDirectResponse++;
      this.replyRouted(route, route.redirect.status, "", [["location", route.location(request)]]);
      return;
    }
    if (route.directResponse !== null) {
      manager.stats.rqDirectResponse++;
      const { status, body } = route.directResponse;
      const text = route.bodyFormatter === null ? body : route.bodyFormatter.format(this);
      const headers: ReplyHeaders =
        status === 201
          ? [["location", `${request.scheme}://${request.authority}${request.path}`]]
          : NO_HEADERS;
      this.replyRouted(route, status, text, headers);
      return;
    }
    if (route.action === null) {
      manager.stats.noRoute++;
      this.reply(404, "", "route_not_found", "NR");
      return;
    }
    this.router = new Router(this, route);
    this.router.start(endOfStream);
  }

  onRequestBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.done) return;
    this.bytesReceived += end - start;
    this.touch();
    if (!this.responseEnded) this.router?.onData(bytes, start, end);
  }

  /** The request is complete (or, in a tunnel, the client sent FIN). */
  onRequestEnd(trailers: Fields | null): void {
    if (this.done || this.requestEnded) return;
    this.requestEnded = true;
    this.requestReceived = this.elapsed();
    const { timers } = this.connection.services;
    timers.cancel(this.connection.requestTimer);
    if (!this.responseEnded) this.router?.onEnd(trailers !== null && trailers.count > 0 ? trailers : null);
    if (this.responseEnded) this.finish();
  }

  get requestComplete(): boolean {
    return this.requestEnded;
  }

  /** False if it was answered here. */
  private admit(endOfStream: boolean): boolean {
    const { request, manager, connection } = this;
    const { config } = manager;
    const fields = request.fields;
    if (request.version === 10 && !this.admitHttp10()) return false;
    if (hostEnd(request.authority) < 0) return this.reply(400, "", "invalid_authority", "");
    request.authority = stripAuthority(
      request.authority,
      manager.authorityOptions,
      connection.socket.local.port,
      request.method === "CONNECT",
    );
    if (readHopOptions(fields, hop) !== HopAccepted)
      return this.reply(400, "", "invalid_connection_header", "DPE");
    if (hop.close) connection.closeAfter();
    this.trailers = hop.trailers;
    const upgradeAsked = hop.upgrade;
    if (request.path !== "" && request.path !== "*" && !this.normalizePath()) return false;
    const secure = false;
    this.downstreamRemote = manager.headerRules.apply(request, connection.socket.remote, secure);
    if (!manager.headerRules.via(request)) return this.reply(508, "", "loop_detected", "");
    if (fields.hasId(EXPECT) && !this.admitExpectation()) return false;
    if (request.method === "TRACE") {
      return this.reply(405, "", "trace_not_allowed", "", [
        ["allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"],
      ]);
    }
    if (request.method === "OPTIONS" && fields.hasId(MAX_FORWARDS) && !this.countForwards()) return false;
    if (request.method === "CONNECT") {
      if (!manager.upgrades.has("connect")) {
        connection.closeAfter(); // RFC 9931: nothing after a refused CONNECT is read
        return this.reply(404, "", "route_not_found", "NR");
      }
      this.upgrade = "connect";
    } else if (upgradeAsked && fields.hasId(UPGRADE)) {
      const protocol = lowerCase(fields.getId(UPGRADE) as string);
      // Row E3: unlisted tokens are stripped and the request goes on as usual.
      if (request.version === 11 && manager.upgrades.has(protocol)) {
        if (request.method !== "GET" || !endOfStream || connection.parser.framing !== NoBody) {
          return this.reply(400, "", "upgrade_with_body", "DPE");
        }
        this.upgrade = protocol;
      }
    }
    void config;
    return true;
  }

  private admitHttp10(): boolean {
    const { request, manager } = this;
    const { http1 } = manager.config;
    if (!http1.acceptHttp10) return this.reply(426, "", "low_version", "");
    if (request.authority === "" && !request.fields.hasId(HOST))
      request.authority = http1.defaultHostForHttp10;
    if (request.authority === "") return this.reply(400, "", "missing_host_header", "");
    return true;
  }

  private normalizePath(): boolean {
    const { request, manager } = this;
    const policy = manager.pathPolicy;
    const action = policy.apply(request.path);
    if (action === PathAccepted) {
      request.path = policy.path;
      return true;
    }
    if (action === PathRedirected) {
      manager.stats.downstreamRqRedirectedWithNormalizedPath++;
      return this.reply(307, "", "path_normalization_redirect", "", [["location", policy.path]]);
    }
    manager.stats.downstreamRqFailedPathNormalization++;
    return this.reply(400, "", PATH_DETAILS, "");
  }

  /** Row E2. */
  private admitExpectation(): boolean {
    const { fields, version } = this.request;
    if (version === 10) {
      fields.removeId(EXPECT);
      return true;
    }
    if (lowerCase(fields.getId(EXPECT) as string) !== "100-continue")
      return this.reply(417, "", "unknown_expectation", "");
    this.expects100 = true;
    return true;
  }

  /** Row H9: OPTIONS with Max-Forwards 0 is for us. */
  private countForwards(): boolean {
    const { fields } = this.request;
    const left = parseDecimalText(fields.getId(MAX_FORWARDS) as string, 0xffff);
    if (left < 0) return this.reply(400, "", "bad_max_forwards", "DPE");
    if (left === 0)
      return this.reply(200, "", "max_forwards_reached", "", [
        ["allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"],
      ]);
    fields.setId(MAX_FORWARDS, String(left - 1));
    return true;
  }

  // ── Answers ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Answers here. Always returns false, so that checks read `return this.reply(…)`. */
  reply(
    status: number,
    body: string,
    details: string,
    flag: ResponseFlag | "",
    headers: ReplyHeaders = NO_HEADERS,
    route: RouteEntry | null = null,
  ): boolean {
    if (this.done || this.responseEnded) return false;
    if (flag !== "") this.flag(flag);
    this.responseCodeDetails = details;
    this.router?.stop();
    if (this.response !== null) {
      // Too late for an answer: the one under way is cut, visibly.
      this.manager.stats.rqResetAfterDownstreamResponseStarted++;
      this.abort();
      return false;
    }
    const { connection, manager } = this;
    const head = connection.localHead;
    head.clear();
    this.responseCode = status;
    this.localReplyBody = body;
    for (const [name, value] of headers) head.fields.add(name, value);
    const grpc = this.request.fields.getId(CONTENT_TYPE)?.startsWith("application/grpc") === true;
    const text = manager.localReplies.compose(this, head, grpc);
    if (route !== null) route.finalizeResponse(head.fields, null, this);
    if (!this.requestEnded && !this.requestIsEmpty()) {
      manager.stats.downstreamRqResponseBeforeRqComplete++;
      connection.closeAfter();
    }
    const bytes = toBytes(text);
    this.sendHead(head, ByLength, bytes.length, bytes.length === 0);
    if (bytes.length > 0 && this.request.method !== "HEAD") this.sendBody(bytes, 0, bytes.length);
    this.sendEnd(null);
    return false;
  }

  private replyRouted(route: RouteEntry, status: number, body: string, headers: ReplyHeaders): void {
    this.reply(status, body, "direct_response", "", headers, route);
  }

  private requestIsEmpty(): boolean {
    const { parser } = this.connection;
    return parser.framing === NoBody || (parser.framing === ByLength && parser.contentLength === 0);
  }

  /** An interim response of the upstream. */
  sendInformational(head: ResponseHead): void {
    if (this.done || this.response !== null) return;
    if (head.status === 100 && !this.expects100) return; // ours to swallow: the client did not ask
    head.fields.removeId(SERVER);
    this.connection.writeInformational(head);
  }

  /** The head of the answer: adds what every answer carries and writes it. */
  sendHead(head: ResponseHead, framing: Framing, length: number, endOfStream: boolean): void {
    const { manager, connection } = this;
    const { config } = manager;
    this.response = head;
    this.responseCode = head.status;
    this.responseStarted = this.elapsed();
    const fields = head.fields;
    if (config.serverHeaderTransformation === "OVERWRITE") fields.setId(SERVER, config.serverName);
    else if (config.serverHeaderTransformation === "APPEND_IF_ABSENT" && !fields.hasId(SERVER)) {
      fields.addId(SERVER, config.serverName);
    }
    if (config.via !== "") {
      const before = fields.getId(VIA);
      fields.setId(VIA, before === null ? `1.1 ${config.via}` : `${before}, 1.1 ${config.via}`);
    }
    if (config.alwaysSetRequestIdInResponse) {
      const id = this.request.fields.getId(REQUEST_ID);
      if (id !== null) fields.setId(REQUEST_ID, id);
    }
    if (!this.requestEnded && !this.requestIsEmpty() && framing !== AsTunnel) connection.closeAfter(); // row E5
    const upgrade = framing === AsTunnel && head.status === 101 ? this.upgrade : "";
    this.headerBytesSent = connection.writeHead(
      head,
      framing,
      length,
      endOfStream,
      this.request.method === "HEAD",
      upgrade,
    );
    if (framing === AsTunnel) {
      this.tunnelOpen = true;
      this.requestEnded = false;
      connection.enterTunnel();
    }
  }

  sendBody(bytes: Uint8Array, start: number, end: number): void {
    this.bytesSent += end - start;
    this.touch();
    this.connection.writeBody(bytes, start, end);
  }

  /** The answer is complete (in a tunnel: the upstream sent FIN). */
  sendEnd(trailers: Fields | null): void {
    if (this.done || this.responseEnded) return;
    this.responseEnded = true;
    this.responseTrailers = trailers;
    this.connection.writeEnd(this.manager.config.http1.enableTrailers ? trailers : null);
    if (this.requestEnded || this.requestIsEmptyNow()) this.finish();
    else if (!this.tunnelOpen) {
      // Row E5: what is left of the request is of no use to anybody.
      this.router?.stop();
      this.finish(false);
    }
  }

  private requestIsEmptyNow(): boolean {
    return !this.tunnelOpen && this.requestIsEmpty();
  }

  /** The key that a WebSocket client sent, or "". */
  get webSocketKey(): string {
    return this.request.fields.getId(WEBSOCKET_KEY) ?? "";
  }

  // ── Trouble ───────────────────────────────────────────────────────────────────────────────────────────────

  /** The client's bytes are not HTTP. */
  onCodecFault(fault: Fault): void {
    if (fault.flag !== "") this.flag(fault.flag);
    this.reply(fault.status, fault.status === 400 ? "Bad Request" : "", fault.details, "");
  }

  onHeadTimeout(): void {
    this.reply(408, "", "request_header_timeout", "");
  }

  /** The client's connection is gone. */
  onDownstreamGone(_reason: string): void {
    if (this.done) return;
    this.router?.stop();
    if (this.tunnelOpen)
      this.responseCodeDetails = this.responseCodeDetails || "downstream_remote_disconnect";
    else this.responseCodeDetails = "downstream_remote_disconnect";
    if (!this.tunnelOpen) this.flag("DC");
    this.manager.stats.downstreamRqRxReset++;
    this.conclude();
  }

  onDownstreamBlocked(): void {
    this.router?.pauseUpstream();
  }

  onDownstreamDrain(): void {
    this.touch();
    this.router?.resumeUpstream();
  }

  onStreamIdle(): void {
    if (this.done) return;
    this.manager.stats.downstreamRqIdleTimeout++;
    if (this.response !== null) {
      this.flag("SI");
      this.responseCodeDetails = "stream_idle_timeout";
      this.router?.stop();
      this.abort();
    } else this.reply(this.requestComplete ? 504 : 408, "stream timeout", "stream_idle_timeout", "SI");
  }

  onRequestTimeout(): void {
    this.manager.stats.downstreamRqTimeout++;
    this.reply(408, "request timeout", "request_overall_timeout", "");
  }

  onMaxDuration(): void {
    this.manager.stats.downstreamRqMaxDurationReached++;
    if (this.response !== null) {
      this.responseCodeDetails = "max_duration_timeout";
      this.router?.stop();
      this.abort();
    } else
      this.reply(
        this.requestComplete ? 504 : 408,
        "downstream duration timeout",
        "max_duration_timeout",
        this.requestComplete ? "" : "UMSDR",
      );
  }

  onRouteTimeout(): void {
    this.router?.onRouteTimeout();
  }

  onTryTimer(): void {
    this.router?.onTryTimer();
  }

  /** The answer that has begun cannot be completed. */
  abort(): void {
    if (this.done) return;
    this.manager.stats.downstreamRqTxReset++;
    this.conclude();
    this.connection.abort();
  }

  /** Restarts the stream idle timeout: something moved. */
  touch(): void {
    const idle = this.idleTimeout;
    if (idle > 0) {
      const { services, streamIdle } = this.connection;
      services.timers.arm(streamIdle, services.clock.now + idle);
    }
  }

  private get idleTimeout(): number {
    const action = this.route?.action;
    const own = action === undefined || action === null ? null : action.idleTimeout;
    return own ?? this.manager.config.streamIdleTimeout;
  }

  private armTimers(endOfStream: boolean): void {
    const { config } = this.manager;
    const { services, streamIdle, requestTimer, maxDuration } = this.connection;
    const { now } = services.clock;
    if (config.streamIdleTimeout > 0) services.timers.arm(streamIdle, now + config.streamIdleTimeout);
    if (config.requestTimeout > 0 && !endOfStream)
      services.timers.arm(requestTimer, this.started + config.requestTimeout);
    if (config.common.maxStreamDuration > 0)
      services.timers.arm(maxDuration, this.started + config.common.maxStreamDuration);
  }

  private finish(clean = true): void {
    if (this.done) return;
    this.conclude();
    this.connection.streamDone(clean);
  }

  /** Counts and logs; the stream is over. */
  private conclude(): void {
    this.done = true;
    const { manager } = this;
    const { stats } = manager;
    this.duration = this.elapsed();
    stats.downstreamRqActive--;
    stats.downstreamRqTime.record(this.duration);
    if (this.tunnelOpen) stats.downstreamCxUpgradesActive--;
    if (this.response !== null) {
      stats.charge(this.response.status);
      manager.listenerResponses.charge(this.response.status);
    }
    const loggers = manager.loggers;
    for (let i = 0; i < loggers.length; i++) loggers[i].log(this);
  }
}
void LOCATION;
