/**
 * The last filter: sends the request to an endpoint of its route's cluster and brings the answer back; decides
 * about timeouts and further tries. One object per forwarded request. It knows endpoints, pools and policies; how
 * bytes are framed on either side is the connections' business.
 *
 * Laws: at most one try at a time. A retry is possible only while nothing of an answer has gone downstream and
 * the whole request body so far can be replayed. Whatever happens, `stop` leaves no timer, no queue entry and no
 * breaker slot behind.
 *
 *   CHOOSING ─▶ WAITING (pool) ─▶ SENT ─▶ ANSWERING ─▶ over
 *       ▲           │ failure       │ reset, retriable answer, per-try timeout
 *       └─ BACKOFF ◀┴───────────────┘
 */
import { parseDecimalText } from "../bytes/ascii.ts";
import { webSocketAccept } from "../bytes/websocket-accept.ts";
import type { Breaker } from "../cluster/breaker.ts";
import type { ClusterState } from "../cluster/cluster.ts";
import type { EndpointState } from "../cluster/endpoint.ts";
import { isConnectFailure, type ResetReason } from "../cluster/reset-reason.ts";
import {
  LimitExceeded,
  NoRetry,
  Overflow,
  Retry,
  type RetryDecision,
  RetryState,
} from "../cluster/retry-state.ts";
import type { RouteAction } from "../config/model.ts";
import type { Fault, ResponseFlag } from "../errors.ts";
import type { Fields } from "../http/fields.ts";
import type { ResponseHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import { AsTunnel, type Framing, NoBody } from "../http1/message-parser.ts";
import type { ClusterTarget } from "../route/cluster-choice.ts";
import type { RouteEntry } from "../route/route-entry.ts";
import { BodyQueue } from "./body-queue.ts";
import type { ConnectionPool, PoolWaiter } from "./pool.ts";
import { PausedByBuffer, PausedByUpstream } from "./pressure.ts";
import type { Stream } from "./stream.ts";
import type { AttemptSink, UpstreamConnection } from "./upstream.ts";

const EXPECTED_TIMEOUT = known("x-envoy-expected-rq-timeout-ms");
const RQ_TIMEOUT = known("x-envoy-upstream-rq-timeout-ms");
const TRY_TIMEOUT = known("x-envoy-upstream-rq-per-try-timeout-ms");
const ALT_RESPONSE = known("x-envoy-upstream-rq-timeout-alt-response");
const ATTEMPT_COUNT = known("x-envoy-attempt-count");
const SERVICE_TIME = known("x-envoy-upstream-service-time");
const RETRY_ON = known("x-envoy-retry-on");
const RETRY_GRPC_ON = known("x-envoy-retry-grpc-on");
const INTERNAL = known("x-envoy-internal");
const UPGRADE = known("upgrade");
const WEBSOCKET_ACCEPT = known("sec-websocket-accept");

const CHOOSING = 0;
const WAITING = 1;
const SENT = 2;
const ANSWERING = 3;
const BACKOFF = 4;
const OVER = 5;

const MAX_TIMEOUT_MS = 0x7fffffff;

export class Router implements AttemptSink, PoolWaiter {
  private readonly stream: Stream;
  private readonly route: RouteEntry;
  private readonly action: RouteAction;
  private target: ClusterTarget | null = null;
  private cluster: ClusterState | null = null;
  private breaker: Breaker | null = null;
  private endpoint: EndpointState | null = null;
  private pool: ConnectionPool | null = null;
  private connection: UpstreamConnection | null = null;
  private retry: RetryState | null = null;
  private state = CHOOSING;
  /** ms; 0 = off. */
  private timeout = 0;
  private tryTimeout = 0;
  private altResponse = false;
  private retried = false;
  private staleUsed = false;
  private requestEnded = false;
  private trailers: Fields | null = null;
  /** Body that waits or is kept for a retry; null until needed. */
  private body: BodyQueue | null = null;
  private keepBody = false;
  private bodyLost = false;
  private paused = false;
  private counted = false;

  constructor(stream: Stream, route: RouteEntry) {
    this.stream = stream;
    this.route = route;
    this.action = route.action as RouteAction;
  }

  // ── The stream's side ─────────────────────────────────────────────────────────────────────────────────────

  start(endOfStream: boolean): void {
    const { stream, route, action } = this;
    const { manager, request } = stream;
    this.requestEnded = endOfStream;
    manager.stats.rqTotal++;
    const target = (route.clusters as NonNullable<RouteEntry["clusters"]>).choose(stream.random);
    this.target = target;
    stream.target = target;
    const name = target.clusterName(request);
    const cluster = manager.clusters.find(name);
    stream.clusterName = name;
    if (cluster === null) {
      manager.stats.noCluster++;
      stream.reply(action.clusterNotFoundStatus, "", "cluster_not_found", "NC");
      return;
    }
    this.cluster = cluster;
    stream.clusterStatName = cluster.config.altStatName === "" ? cluster.name : cluster.config.altStatName;
    this.breaker = cluster.breaker(action.priority);
    this.readTimeouts();
    route.finalizeRequest(request, target, stream);
    this.beginRetries(cluster);
    if (action.maxStreamDuration !== null && action.maxStreamDuration > 0) {
      const { services, maxDuration } = stream.connection;
      services.timers.arm(maxDuration, stream.started + action.maxStreamDuration);
    }
    if (endOfStream) this.armRouteTimer();
    this.attempt();
  }

  onData(bytes: Uint8Array, start: number, end: number): void {
    if (this.state === OVER) return;
    const connection = this.connection;
    if (connection !== null) {
      this.stream.upstreamBytesSent += end - start;
      connection.sendBody(bytes, start, end);
      if (this.keepBody) this.keep(bytes, start, end);
      return;
    }
    this.keep(bytes, start, end);
  }

  /** The request is complete; in a tunnel: the client sent FIN. */
  onEnd(trailers: Fields | null): void {
    if (this.state === OVER) return;
    this.requestEnded = true;
    this.trailers = trailers;
    if (this.connection !== null) this.endRequest(this.connection);
    if (this.stream.upgrade === "") this.armRouteTimer();
  }

  /** Gives everything up: the stream has an answer of its own, or is gone. */
  stop(): void {
    if (this.state === OVER) return;
    const before = this.state;
    this.state = OVER;
    this.cancelTimers();
    if (before === WAITING) this.pool?.cancel(this);
    const connection = this.connection;
    this.connection = null;
    if (connection !== null) {
      (this.cluster as ClusterState).stats.upstreamRqTxReset++;
      this.endAttempt();
      connection.abort();
    }
    this.retry?.end();
    this.dropBody();
    this.stream.connection.release(PausedByUpstream | PausedByBuffer);
  }

  pauseUpstream(): void {
    if (this.connection !== null && !this.paused) {
      this.paused = true;
      (this.cluster as ClusterState).stats.upstreamFlowControlPausedReadingTotal++;
      this.connection.pauseReading();
    }
  }

  resumeUpstream(): void {
    if (!this.paused) return;
    this.paused = false;
    (this.cluster as ClusterState).stats.upstreamFlowControlResumedReadingTotal++;
    this.connection?.resumeReading();
  }

  onRouteTimeout(): void {
    if (this.state === OVER) return;
    const { stats } = this.cluster as ClusterState;
    stats.upstreamRqTimeout++;
    if (this.endpoint !== null) this.endpoint.rqTimeout++;
    this.timedOut("response_timeout");
  }

  onTryTimer(): void {
    if (this.state === BACKOFF) {
      this.attempt();
      return;
    }
    if (this.state !== SENT) return;
    (this.cluster as ClusterState).stats.upstreamRqPerTryTimeout++;
    if (this.endpoint !== null) this.endpoint.rqTimeout++;
    this.leaveAttempt();
    const decision = this.askRetry("local reset", true);
    if (decision === Retry) this.scheduleRetry();
    else {
      if (decision === LimitExceeded) this.stream.flag("URX");
      this.timedOut("upstream_per_try_timeout");
    }
  }

  // ── A try ─────────────────────────────────────────────────────────────────────────────────────────────────

  private attempt(): void {
    const { stream, route } = this;
    const cluster = this.cluster as ClusterState;
    const retry = this.retry;
    this.state = CHOOSING;
    const endpoint = cluster.chooseEndpoint(this.retried ? retry : null);
    if (endpoint === null) {
      this.fail(503, "no healthy upstream", "no_healthy_upstream", "UH");
      return;
    }
    if (!(this.breaker as Breaker).requests.available) {
      cluster.stats.upstreamRqActiveOverflow++;
      cluster.stats.upstreamRqPendingOverflow++;
      this.onPoolFailure("overflow", "");
      return;
    }
    this.endpoint = endpoint;
    stream.upstreamHost = endpoint.address;
    stream.upstreamAttempts++;
    retry?.onTry(endpoint);
    if (this.action.autoHostRewrite && endpoint.hostname !== "" && stream.upstreamAttempts === 1) {
      route.rewriteHost(stream.request, endpoint.hostname);
    }
    if (route.virtualHost.includeRequestAttemptCount) {
      stream.request.fields.setId(ATTEMPT_COUNT, String(stream.upstreamAttempts));
    }
    const pool = stream.manager.clusters.poolOf(cluster, endpoint, this.breaker as Breaker);
    this.pool = pool;
    this.state = WAITING;
    const connection = pool.acquire(this);
    if (connection !== null) this.onPoolReady(connection);
  }

  onPoolReady(connection: UpstreamConnection): void {
    const { stream } = this;
    const cluster = this.cluster as ClusterState;
    const endpoint = this.endpoint as EndpointState;
    this.state = SENT;
    this.connection = connection;
    connection.assign(this);
    this.counted = true;
    (this.breaker as Breaker).requests.acquire();
    cluster.stats.upstreamRqTotal++;
    cluster.stats.upstreamRqActive++;
    endpoint.rqTotal++;
    endpoint.rqActive++;
    stream.upstreamLocal = null;
    const { parser } = stream.connection;
    const framing = stream.upgrade !== "" ? NoBody : parser.framing;
    const nothing = this.requestEnded && (this.body === null || this.body.isEmpty) && framing === NoBody;
    connection.sendHead(
      stream.request,
      framing,
      parser.contentLength,
      stream.upgrade === "connect" ? "" : stream.upgrade,
      stream.trailers,
      stream.manager.clusters.nameCaseOf(cluster),
      nothing && stream.upgrade === "",
    );
    if (this.body !== null) {
      stream.upstreamBytesSent += this.body.bytes;
      this.body.replay(connection);
      if (!this.keepBody) this.body.clear();
      stream.connection.release(PausedByBuffer);
    }
    if (stream.upgrade === "") {
      if (this.requestEnded) this.endRequest(connection);
    }
    if (this.tryTimeout > 0 && this.requestEnded) this.armTryTimer();
    if (stream.connection.blocked) this.pauseUpstream();
  }

  onPoolFailure(reason: ResetReason, detail: string): void {
    this.state = CHOOSING;
    const { stream } = this;
    if (reason !== "overflow" && this.endpoint !== null) this.endpoint.rqError++;
    stream.upstreamFailure = detail;
    this.failed(reason, detail, null, false);
  }

  private endRequest(connection: UpstreamConnection): void {
    const { stream } = this;
    if (stream.upstreamRequestSent < 0) stream.upstreamRequestSent = stream.elapsed();
    connection.sendEnd(this.trailers);
    if (this.tryTimeout > 0 && this.state === SENT) this.armTryTimer();
  }

  // ── The upstream's side ───────────────────────────────────────────────────────────────────────────────────

  onUpstreamInformational(head: ResponseHead): void {
    this.stream.sendInformational(head);
  }

  onUpstreamHead(head: ResponseHead, framing: Framing, contentLength: number, endOfStream: boolean): void {
    const { stream } = this;
    const cluster = this.cluster as ClusterState;
    if (framing === AsTunnel && !this.acceptsUpgrade(head)) {
      this.leaveAttempt();
      this.failed("protocol error", "upgrade_refused", null, true);
      return;
    }
    const decision = this.retry === null ? NoRetry : this.retry.onHeaders(head);
    if (decision === Retry && this.canReplay()) {
      cluster.responses.chargeRetried(head.status);
      (this.endpoint as EndpointState).rqError++;
      this.leaveAttempt();
      this.scheduleRetry();
      return;
    }
    if (decision === LimitExceeded) stream.flag("URX");
    else if (decision === Overflow) stream.flag("UO");
    this.state = ANSWERING;
    const { services, tryTimer } = stream.connection;
    services.timers.cancel(tryTimer);
    this.dropBody();
    const now = stream.elapsed();
    stream.upstreamResponseStarted = now;
    const internal = stream.request.fields.getId(INTERNAL) === "true";
    cluster.responses.charge(head.status, internal);
    if (head.status >= 500) (this.endpoint as EndpointState).rqError++;
    else (this.endpoint as EndpointState).rqSuccess++;
    const fields = head.fields;
    if (stream.upstreamRequestSent >= 0) {
      fields.setId(SERVICE_TIME, String(Math.floor(now - stream.upstreamRequestSent)));
    }
    if (this.route.virtualHost.includeAttemptCountInResponse) {
      fields.setId(ATTEMPT_COUNT, String(stream.upstreamAttempts));
    }
    stream.responseCodeDetails = "via_upstream";
    stream.response = head;
    stream.responseCode = head.status;
    this.route.finalizeResponse(fields, this.target, stream);
    if (framing === AsTunnel) services.timers.cancel(stream.connection.routeTimer);
    else if (stream.upgrade !== "") this.refusedUpgrade();
    stream.sendHead(head, framing, contentLength, endOfStream);
    if (stream.connection.blocked) this.pauseUpstream();
  }

  onUpstreamBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.state !== ANSWERING) return;
    this.stream.upstreamBytesReceived += end - start;
    this.stream.sendBody(bytes, start, end);
  }

  onUpstreamEnd(): void {
    const { stream } = this;
    const connection = this.connection;
    if (this.state !== ANSWERING || connection === null) return;
    const tunnel = connection.parser.framing === AsTunnel;
    stream.upstreamResponseEnded = stream.elapsed();
    if (tunnel) {
      stream.sendEnd(null);
      if (this.requestEnded) this.stop();
      return;
    }
    (this.cluster as ClusterState).responses.chargeTime(
      stream.upstreamResponseEnded - Math.max(stream.upstreamRequestSent, 0),
      stream.request.fields.getId(INTERNAL) === "true",
    );
    if (this.paused) this.resumeUpstream();
    const { trailers } = connection.parser;
    if (this.requestEnded) {
      // Whole on both sides: the connection goes back to its pool by itself.
      this.connection = null;
      this.endAttempt();
      this.over();
    }
    stream.sendEnd(trailers.count > 0 ? trailers : null);
  }

  onUpstreamReset(reason: ResetReason, detail: string, fault: Fault | null): void {
    const { stream } = this;
    if (this.state === OVER) return;
    const connection = this.connection;
    this.connection = null;
    (this.cluster as ClusterState).stats.upstreamRqRxReset++;
    this.endAttempt();
    if (this.state === ANSWERING) {
      const tunnel = stream.upgrade !== "";
      stream.flag(fault === null ? "UC" : "UPE");
      if (!tunnel)
        stream.responseCodeDetails = `upstream_reset_after_response_started{${underscored(reason)}}`;
      this.over();
      stream.manager.stats.rqResetAfterDownstreamResponseStarted++;
      stream.abort();
      return;
    }
    if (this.endpoint !== null) this.endpoint.rqError++;
    const stale = fault === null && connection?.reused === true && !this.staleUsed;
    if (stale && this.canReplay() && isSafeToRepeat(stream.request.method)) {
      this.staleUsed = true;
      stream.upstreamAttempts--;
      this.attempt();
      return;
    }
    this.failed(reason, detail, fault, true);
  }

  onUpstreamBlocked(): void {
    (this.cluster as ClusterState).stats.upstreamFlowControlBackedUpTotal++;
    this.stream.connection.press(PausedByUpstream);
  }

  onUpstreamDrain(): void {
    (this.cluster as ClusterState).stats.upstreamFlowControlDrainedTotal++;
    this.stream.touch();
    this.stream.connection.release(PausedByUpstream);
  }

  // ── Failure and retry ─────────────────────────────────────────────────────────────────────────────────────

  /** A try failed before anything of an answer went downstream. */
  private failed(reason: ResetReason, detail: string, fault: Fault | null, started: boolean): void {
    const { stream } = this;
    const decision = this.askRetry(reason, started);
    if (decision === Retry) {
      this.scheduleRetry();
      return;
    }
    if (decision === LimitExceeded) stream.flag("URX");
    const words = `upstream connect error or disconnect/reset before headers. ${
      this.retried ? "retried and the latest " : ""
    }reset reason: ${reason}`;
    const details = `upstream_reset_before_response_started{${underscored(reason)}${detail === "" ? "" : `|${underscored(detail)}`}}`;
    if (fault !== null || reason === "protocol error") this.fail(502, words, details, "UPE");
    else if (reason === "overflow") this.fail(503, words, details, "UO", [["x-envoy-overloaded", "true"]]);
    else this.fail(503, words, details, isConnectFailure(reason) ? "UF" : "UC");
  }

  private fail(
    status: number,
    body: string,
    details: string,
    flag: ResponseFlag,
    headers: readonly (readonly [string, string])[] = [],
  ): void {
    const cluster = this.cluster as ClusterState;
    cluster.responses.charge(status, this.stream.request.fields.getId(INTERNAL) === "true");
    this.stream.reply(status, body, details, flag, headers);
  }

  private timedOut(details: string): void {
    const { stream } = this;
    stream.flag("UT");
    if (stream.response !== null) {
      stream.responseCodeDetails = details;
      this.stop();
      stream.abort();
      return;
    }
    const status = this.altResponse ? 204 : 504;
    this.fail(status, this.altResponse ? "" : "upstream request timeout", details, "UT");
  }

  private askRetry(reason: ResetReason, started: boolean): RetryDecision {
    if (this.retry === null) return NoRetry;
    if (!this.canReplay()) {
      (this.cluster as ClusterState).stats.retryOrShadowAbandoned++;
      return NoRetry;
    }
    return this.retry.onReset(reason, started);
  }

  private canReplay(): boolean {
    return !this.bodyLost && this.stream.response === null;
  }

  private scheduleRetry(): void {
    const { services, tryTimer } = this.stream.connection;
    this.retried = true;
    this.state = BACKOFF;
    services.timers.arm(tryTimer, services.clock.now + (this.retry as RetryState).backOff(services.random));
  }

  /** Gives up the connection of this try; the request lives on. */
  private leaveAttempt(): void {
    const connection = this.connection;
    this.connection = null;
    this.endAttempt();
    connection?.abort();
  }

  /** Undoes what `onPoolReady` counted, once. */
  private endAttempt(): void {
    this.paused = false;
    if (!this.counted) return;
    this.counted = false;
    (this.breaker as Breaker).requests.release();
    (this.cluster as ClusterState).stats.upstreamRqActive--;
    (this.endpoint as EndpointState).rqActive--;
  }

  private over(): void {
    this.state = OVER;
    this.cancelTimers();
    this.retry?.end();
  }

  // ── Details ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Route timeout, and what an internal client asked for instead. */
  private readTimeouts(): void {
    const { fields } = this.stream.request;
    this.timeout = this.action.timeout;
    this.tryTimeout = this.route.retryPolicy === null ? 0 : this.route.retryPolicy.perTryTimeout;
    if (fields.hasId(RQ_TIMEOUT)) {
      const asked = parseDecimalText(fields.getId(RQ_TIMEOUT) as string, MAX_TIMEOUT_MS);
      if (asked >= 0) this.timeout = asked;
      fields.removeId(RQ_TIMEOUT);
    }
    if (fields.hasId(TRY_TIMEOUT)) {
      const asked = parseDecimalText(fields.getId(TRY_TIMEOUT) as string, MAX_TIMEOUT_MS);
      if (asked >= 0) this.tryTimeout = asked;
      fields.removeId(TRY_TIMEOUT);
    }
    this.altResponse = fields.removeId(ALT_RESPONSE);
    if (this.timeout > 0 && this.tryTimeout >= this.timeout) this.tryTimeout = 0;
    const expected = this.tryTimeout > 0 ? this.tryTimeout : this.timeout;
    if (expected > 0) fields.setId(EXPECTED_TIMEOUT, String(expected));
  }

  private beginRetries(cluster: ClusterState): void {
    const { stream, route } = this;
    const { fields, method } = stream.request;
    if (route.retryPolicy !== null || fields.hasId(RETRY_ON) || fields.hasId(RETRY_GRPC_ON)) {
      const retry = new RetryState();
      const policy = stream.manager.clusters.retryPolicy(route.retryPolicy);
      if (retry.begin(policy, stream.request, this.breaker as Breaker, cluster.stats)) this.retry = retry;
    }
    this.keepBody = stream.upgrade === "" && (this.retry !== null || isSafeToRepeat(method));
  }

  private armRouteTimer(): void {
    if (this.timeout === 0 || this.stream.upgrade !== "") return;
    const { services, routeTimer } = this.stream.connection;
    services.timers.arm(routeTimer, services.clock.now + this.timeout);
  }

  private armTryTimer(): void {
    const { services, tryTimer } = this.stream.connection;
    services.timers.arm(tryTimer, services.clock.now + this.tryTimeout);
  }

  private cancelTimers(): void {
    const { services, tryTimer, routeTimer } = this.stream.connection;
    services.timers.cancel(tryTimer);
    services.timers.cancel(routeTimer);
  }

  private keep(bytes: Uint8Array, start: number, end: number): void {
    if (this.bodyLost && this.connection !== null) return;
    this.body ??= new BodyQueue();
    this.body.push(bytes, start, end);
    const limit = this.route.perRequestBufferLimitBytes ?? this.stream.manager.bufferLimit;
    if (this.body.bytes <= limit) return;
    if (this.connection !== null) {
      // It has been sent already: only the chance of a retry is lost.
      this.bodyLost = true;
      this.keepBody = false;
      this.body.clear();
    } else this.stream.connection.press(PausedByBuffer);
  }

  private dropBody(): void {
    this.body?.clear();
    this.keepBody = false;
  }

  /** Nothing becomes a tunnel before the switch is verified (invariant 6). */
  private acceptsUpgrade(head: ResponseHead): boolean {
    const { upgrade } = this.stream;
    if (upgrade === "connect") return head.status >= 200 && head.status < 300;
    if (head.status !== 101) return false;
    if ((head.fields.getId(UPGRADE) ?? "").toLowerCase() !== upgrade) return false;
    if (upgrade !== "websocket") return true;
    return head.fields.getId(WEBSOCKET_ACCEPT) === webSocketAccept(this.stream.webSocketKey);
  }

  /** The upstream answered an upgrade with an ordinary response. */
  private refusedUpgrade(): void {
    const { stream } = this;
    const { connection } = stream;
    if (stream.upgrade === "connect" || connection.parser.restLength > 0) connection.closeAfter();
    stream.upgrade = "";
  }
}

/** Methods without effects on the server, or with the same effect however often (row K3). */
function isSafeToRepeat(method: string): boolean {
  return (
    method === "GET" || method === "HEAD" || method === "OPTIONS" || method === "PUT" || method === "DELETE"
  );
}

function underscored(text: string): string {
  return text.replaceAll(" ", "_");
}
