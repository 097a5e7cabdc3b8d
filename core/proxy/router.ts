/**
 * The last filter: sends the request to an endpoint of its route's cluster and brings the answer back; decides
 * about timeouts and further tries. One object per forwarded request. It knows clusters and policies; a single try
 * is an `Attempt`, and how bytes are framed on either side is the connections' business.
 *
 * Laws: at most one try at a time. A retry is possible only while nothing of an answer has gone downstream and
 * the whole request body so far can be replayed. Whatever happens, `stop` leaves no timer, no queue entry and no
 * breaker slot behind.
 *
 *   TRYING ─▶ ANSWERING ─▶ OVER
 *     │ ▲ failure, retriable answer, per-try timeout
 *     ▼ │
 *   BACKOFF
 */
import type { Breaker } from "../cluster/breaker.ts";
import type { ClusterState } from "../cluster/cluster.ts";
import type { ResetReason } from "../cluster/reset-reason.ts";
import {
  isIdempotent,
  LimitExceeded,
  NoRetry,
  Overflow,
  Retry,
  type RetryDecision,
  RetryState,
} from "../cluster/retry-state.ts";
import type { RouteAction, RouterOptions } from "../config/model.ts";
import type { Fault, ResponseFlag } from "../errors.ts";
import type { Fields } from "../http/fields.ts";
import { isGrpc } from "../http/grpc.ts";
import type { ResponseHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import { AsTunnel, type Framing, NoBody } from "../http1/message-parser.ts";
import type { ClusterTarget } from "../route/cluster-choice.ts";
import type { RouteEntry } from "../route/route-entry.ts";
import type { ResponseCodeStats } from "../telemetry/response-stats.ts";
import { Attempt, type AttemptOwner } from "./attempt.ts";
import { BodyQueue } from "./body-queue.ts";
import type { Forwarder } from "./forwarder.ts";
import { PausedByBuffer, PausedByUpstream } from "./pressure.ts";
import { RouteTimeouts } from "./route-timeouts.ts";
import type { Stream } from "./stream.ts";
import { isAccepted } from "./upgrade.ts";
import type { UpstreamConnection } from "./upstream.ts";
import { describeFailure, underscored } from "./upstream-failure.ts";

const ATTEMPT_COUNT = known("x-envoy-attempt-count");
const SERVICE_TIME = known("x-envoy-upstream-service-time");
const ALT_STAT_NAME = known("x-envoy-upstream-alt-stat-name");
const RETRY_ON = known("x-envoy-retry-on");
const RETRY_GRPC_ON = known("x-envoy-retry-grpc-on");
const INTERNAL = known("x-envoy-internal");

const TRYING = 0;
const ANSWERING = 1;
const BACKOFF = 2;
const OVER = 3;

export class Router implements Forwarder, AttemptOwner {
  private readonly stream: Stream;
  private readonly route: RouteEntry;
  private readonly action: RouteAction;
  private readonly target: ClusterTarget;
  private readonly timeouts: RouteTimeouts;
  private readonly cluster: ClusterState;
  private readonly breaker: Breaker;
  private readonly options: RouterOptions;
  /** Where answers are counted a second time, if an internal client wants it. */
  private readonly alternative: ResponseCodeStats | null;
  /** The current try, or null. */
  private attempt: Attempt | null = null;
  /** Null if this request is not retried under a policy. */
  private retry: RetryState | null = null;
  private state = TRYING;
  private retried = false;
  private staleRetried = false;
  private requestEnded: boolean;
  /** When the current try had its whole request, ms. */
  private trySent = 0;
  private trailers: Fields | null = null;
  /** Body that waits for a connection or is kept for another try; null until there is some. */
  private body: BodyQueue | null = null;
  private keepBody: boolean;
  private bodyLost = false;

  constructor(
    stream: Stream,
    route: RouteEntry,
    target: ClusterTarget,
    cluster: ClusterState,
    endOfStream: boolean,
  ) {
    this.stream = stream;
    this.route = route;
    this.action = route.action as RouteAction;
    this.target = target;
    this.cluster = cluster;
    this.breaker = cluster.breaker(this.action.priority);
    this.requestEnded = endOfStream;
    const { request } = stream;
    const { fields } = request;
    const options = stream.manager.config.router;
    this.options = options;
    this.timeouts = new RouteTimeouts(route, this.action.timeout, fields, options.respectExpectedRqTimeout);
    this.alternative = fields.hasId(ALT_STAT_NAME) ? alternativeOf(cluster, fields) : null;
    this.keepBody = isIdempotent(request.method);
  }

  // ── The stream's side ─────────────────────────────────────────────────────────────────────────────────────

  /** Sends the request on its way. */
  start(): void {
    const { stream, route, action } = this;
    const { fields } = stream.request;
    const { suppressEnvoyHeaders } = this.options;
    if (!suppressEnvoyHeaders) this.timeouts.announce(fields);
    route.finalizeRequest(stream.request, this.target, stream, suppressEnvoyHeaders);
    if (route.retryPolicy !== null || fields.hasId(RETRY_ON) || fields.hasId(RETRY_GRPC_ON))
      this.beginRetries();
    if (action.maxStreamDuration !== null) {
      const { services, timers } = stream.connection;
      if (action.maxStreamDuration === 0) services.timers.cancel(timers.duration);
      else services.timers.arm(timers.duration, stream.started + action.maxStreamDuration);
    }
    if (this.requestEnded) this.armRouteTimer();
    this.try();
  }

  onData(bytes: Uint8Array, start: number, end: number): void {
    if (this.state === OVER) return;
    const connection = this.attempt === null ? null : this.attempt.connection;
    if (connection !== null) {
      this.stream.upstreamBytesSent += end - start;
      connection.sendBody(bytes, start, end);
      if (this.keepBody && this.state !== ANSWERING) this.keep(bytes, start, end, true);
    } else this.keep(bytes, start, end, false);
  }

  /** The request is complete; in a tunnel: the client sent FIN. */
  onEnd(trailers: Fields | null): void {
    if (this.state === OVER) return;
    this.requestEnded = true;
    this.trailers = trailers;
    const connection = this.attempt === null ? null : this.attempt.connection;
    if (connection !== null) this.endRequest(connection);
    this.armRouteTimer();
  }

  /** Gives everything up: the stream has an answer of its own, or is gone. */
  stop(): void {
    if (this.state === OVER) return;
    this.over();
    const { attempt } = this;
    this.attempt = null;
    attempt?.abandon();
  }

  pauseUpstream(): void {
    this.attempt?.pause();
  }

  resumeUpstream(): void {
    this.attempt?.resume();
  }

  onRouteTimeout(): void {
    if (this.state === OVER) return;
    this.cluster.stats.upstreamRqTimeout++;
    this.attempt?.countTimeout();
    this.timedOut("response_timeout");
  }

  /** The end of a back-off, or of a try's time. */
  onTryTimer(): void {
    if (this.state === BACKOFF) {
      this.try();
      return;
    }
    const { attempt, timeouts } = this;
    if (this.state === OVER || attempt === null) return;
    const { now } = this.stream.connection.services.clock;
    const idle = this.state === ANSWERING || timeouts.perTry === 0 || now < this.trySent + timeouts.perTry;
    if (idle) this.cluster.stats.upstreamRqPerTryIdleTimeout++;
    else this.cluster.stats.upstreamRqPerTryTimeout++;
    attempt.countTimeout();
    const details = idle ? "upstream_per_try_idle_timeout" : "upstream_per_try_timeout";
    if (this.state === ANSWERING) {
      this.timedOut(details);
      return;
    }
    this.leaveAttempt();
    const decision = this.askRetry("local reset", true);
    if (decision === Retry) this.scheduleRetry();
    else {
      this.flagRefusal(decision);
      this.timedOut(details);
    }
  }

  // ── A try ─────────────────────────────────────────────────────────────────────────────────────────────────

  private try(): void {
    const { stream, route, cluster, breaker, retry } = this;
    this.state = TRYING;
    const endpoint = cluster.chooseEndpoint(this.retried ? retry : null);
    stream.upstreamAttempts++;
    if (endpoint === null) {
      this.fail(503, "no healthy upstream", "no_healthy_upstream", "UH");
      return;
    }
    stream.upstreamHost = endpoint.address;
    if (!breaker.requests.available) {
      // Envoy asks the queue first; and it makes a connection before it finds that nothing may use it.
      if (breaker.pendingRequests.available) cluster.stats.upstreamRqActiveOverflow++;
      else cluster.stats.upstreamRqPendingOverflow++;
      this.onAttemptFailed("overflow", "", null, false, false);
      return;
    }
    retry?.onTry(endpoint);
    if (this.action.autoHostRewrite && endpoint.hostname !== "") {
      if (this.retried || this.staleRetried) stream.request.authority = endpoint.hostname;
      else route.rewriteHost(stream.request, endpoint.hostname, this.options.suppressEnvoyHeaders);
    }
    if (route.virtualHost.includeRequestAttemptCount) {
      stream.request.fields.setId(ATTEMPT_COUNT, String(stream.upstreamAttempts));
    }
    const pool = stream.manager.clusters.poolOf(cluster, endpoint, breaker);
    this.attempt = new Attempt(this, cluster, breaker, endpoint, pool);
    this.attempt.start();
  }

  onAttemptReady(connection: UpstreamConnection): void {
    const { stream } = this;
    const { parser, blocked } = stream.connection;
    stream.upstreamHost = connection.address;
    stream.upstreamLocal = connection.local;
    const framing = stream.upgrade !== "" ? NoBody : parser.framing;
    connection.sendHead(
      stream.request,
      framing,
      parser.contentLength,
      stream.upgrade === "connect" ? "" : stream.upgrade,
      stream.trailers,
    );
    if (this.body !== null) {
      stream.upstreamBytesSent += this.body.bytes;
      this.body.replay(connection);
      if (!this.keepBody) this.body.clear();
      stream.connection.pressure.release(PausedByBuffer);
    }
    if (this.requestEnded) this.endRequest(connection);
    if (blocked) this.pauseUpstream();
  }

  /** The upstream gave a sign of life. */
  private touchTry(): void {
    const { services, timers } = this.stream.connection;
    if (this.stream.upgrade === "") {
      services.timers.arm(timers.attempt, services.clock.now + this.timeouts.perTryIdle);
    }
  }

  private endRequest(connection: UpstreamConnection): void {
    const { stream, timeouts } = this;
    if (stream.upstreamRequestSent < 0) stream.upstreamRequestSent = stream.elapsed();
    const { perTry, perTryIdle } = timeouts;
    if (perTry + perTryIdle > 0 && this.state === TRYING) {
      const { services, timers } = stream.connection;
      this.trySent = services.clock.now;
      const limit = perTry === 0 ? perTryIdle : perTryIdle === 0 ? perTry : Math.min(perTry, perTryIdle);
      services.timers.arm(timers.attempt, this.trySent + limit);
    }
    connection.sendEnd(this.trailers);
  }

  // ── The upstream's side ───────────────────────────────────────────────────────────────────────────────────

  onInformational(head: ResponseHead): void {
    this.stream.sendInformational(head);
  }

  onResponseHead(head: ResponseHead, framing: Framing, contentLength: number, endOfStream: boolean): void {
    const { stream, cluster } = this;
    const { endpoint } = this.attempt as Attempt;
    if (framing === AsTunnel && !isAccepted(stream.upgrade, stream.webSocketKey, head)) {
      this.leaveAttempt();
      this.failed("protocol error", "upgrade_refused", null, true);
      return;
    }
    const decision = this.retry === null || !this.canReplay() ? NoRetry : this.retry.onHeaders(head);
    if (decision === Retry) {
      cluster.responses.chargeRetried(head.status);
      endpoint.rqError++;
      this.leaveAttempt();
      this.scheduleRetry();
      return;
    }
    this.flagRefusal(decision);
    this.state = ANSWERING;
    this.body?.clear();
    const { services, timers } = stream.connection;
    services.timers.cancel(timers.attempt);
    if (this.timeouts.perTryIdle > 0 && framing !== AsTunnel) this.touchTry();
    const now = stream.elapsed();
    stream.upstreamResponseStarted = now;
    this.charge(head.status);
    if (head.status >= 500) endpoint.rqError++;
    else endpoint.rqSuccess++;
    this.decorate(head, now);
    if (framing === AsTunnel) {
      services.timers.cancel(timers.route);
      this.requestEnded = false;
    } else if (stream.upgrade !== "") this.refusedUpgrade();
    stream.sendHead(head, framing, contentLength, endOfStream);
    if (stream.connection.blocked) this.pauseUpstream();
  }

  onResponseBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.state !== ANSWERING) return;
    this.stream.upstreamBytesReceived += end - start;
    if (this.timeouts.perTryIdle > 0) this.touchTry();
    this.stream.sendBody(bytes, start, end);
  }

  onResponseEnd(): void {
    const { stream, attempt } = this;
    if (this.state !== ANSWERING || attempt === null || attempt.connection === null) return;
    const { parser } = attempt.connection;
    stream.upstreamResponseEnded = stream.elapsed();
    if (parser.framing === AsTunnel) {
      if (!stream.requestComplete) stream.cutByUpstream("UC", "connection termination");
      stream.sendEnd(null);
      return;
    }
    this.chargeTime(stream.upstreamResponseEnded - Math.max(stream.upstreamRequestSent, 0));
    if (this.requestEnded) {
      this.attempt = null;
      attempt.complete();
      this.over();
    }
    stream.sendEnd(this.cluster.config.http1.enableTrailers ? parser.trailers : null);
  }

  onAttemptFailed(
    reason: ResetReason,
    detail: string,
    fault: Fault | null,
    connected: boolean,
    stale: boolean,
  ): void {
    const { stream } = this;
    this.attempt = null;
    if (this.state === OVER) return;
    stream.connection.pressure.release(PausedByUpstream); // the next try's connection is not the one that was full
    if (this.state === ANSWERING) {
      const ended = stream.upgrade !== "" && stream.requestComplete; // a tunnel that its client has ended
      if (!ended) stream.cutByUpstream(fault === null ? "UC" : "UPE", reason);
      this.over();
      if (isGrpc(stream.request.fields)) stream.manager.stats.rqResetAfterDownstreamResponseStarted++;
      stream.abort();
      return;
    }
    if (!connected) stream.upstreamFailure = underscored(detail);
    // Refused at the queue: no endpoint was asked.
    if (reason === "overflow" && !this.breaker.pendingRequests.available) stream.upstreamHost = null;
    // Row K3: a reused connection that ends before any byte most likely crossed our request with its idle close.
    // Only what may be done twice is: a policy for other failures keeps the body of a POST, too.
    if (stale && fault === null && !this.staleRetried && this.canReplay() && this.mayRepeat()) {
      this.staleRetried = true;
      stream.upstreamAttempts--;
      this.try();
      return;
    }
    this.failed(reason, detail, fault, connected);
  }

  onUpstreamBlocked(): void {
    this.stream.connection.pressure.press(PausedByUpstream);
  }

  onUpstreamDrain(): void {
    this.stream.touch();
    this.stream.connection.pressure.release(PausedByUpstream);
  }

  // ── Failure and retry ─────────────────────────────────────────────────────────────────────────────────────

  /** A try failed before anything of an answer went downstream. */
  private failed(reason: ResetReason, detail: string, fault: Fault | null, started: boolean): void {
    const decision = this.askRetry(reason, started);
    if (decision === Retry) {
      this.scheduleRetry();
      return;
    }
    this.flagRefusal(decision);
    const { status, body, details, flag, headers } = describeFailure(reason, detail, fault, this.retried);
    this.fail(status, body, details, flag, this.options.suppressEnvoyHeaders ? [] : headers);
  }

  /** Says in the log why a further try that the policy wants was not made. */
  private flagRefusal(decision: RetryDecision): void {
    if (decision === LimitExceeded) this.stream.flag("URX");
    else if (decision === Overflow) this.stream.flag("UO");
  }

  private fail(
    status: number,
    body: string,
    details: string,
    flag: ResponseFlag,
    headers: readonly (readonly [string, string])[] = [],
  ): void {
    this.charge(status);
    this.stream.reply(status, body, details, flag, headers);
  }

  private timedOut(details: string): void {
    const { stream } = this;
    if (stream.response !== null) {
      stream.flag("UT");
      stream.responseCodeDetails = details;
      this.stop();
      stream.abort();
    } else if (this.timeouts.alternative) this.fail(204, "", details, "UT");
    else this.fail(504, "upstream request timeout", details, "UT");
  }

  private beginRetries(): void {
    const { stream, route, cluster } = this;
    const retry = new RetryState();
    const policy = stream.manager.clusters.retryPolicy(route.retryPolicy);
    if (!retry.begin(policy, stream.request, this.breaker, cluster.stats)) return;
    this.retry = retry;
    this.keepBody = true;
  }

  private askRetry(reason: ResetReason, started: boolean): RetryDecision {
    if (this.retry === null) return NoRetry;
    if (!this.canReplay()) {
      this.cluster.stats.retryOrShadowAbandoned++;
      return NoRetry;
    }
    return this.retry.onReset(reason, started);
  }

  /** Idempotent, and its body so far is kept. */
  private mayRepeat(): boolean {
    return this.keepBody && isIdempotent(this.stream.request.method);
  }

  private canReplay(): boolean {
    return !this.bodyLost && this.stream.response === null && this.stream.upgrade === "";
  }

  private scheduleRetry(): void {
    const { services, timers } = this.stream.connection;
    this.retried = true;
    this.state = BACKOFF;
    services.timers.arm(
      timers.attempt,
      services.clock.now + (this.retry as RetryState).backOff(services.random),
    );
  }

  /** Gives up the current try; the request lives on. */
  private leaveAttempt(): void {
    const { attempt } = this;
    this.attempt = null;
    attempt?.abandon();
    this.stream.connection.pressure.release(PausedByUpstream);
  }

  private over(): void {
    this.state = OVER;
    const { services, timers } = this.stream.connection;
    services.timers.cancel(timers.attempt);
    services.timers.cancel(timers.route);
    this.retry?.end();
    this.body?.clear();
    // The next request comes over the same connection.
    this.stream.connection.pressure.release(PausedByUpstream | PausedByBuffer);
  }

  // ── Details ───────────────────────────────────────────────────────────────────────────────────────────────

  private get internal(): boolean {
    return this.stream.request.fields.getId(INTERNAL) === "true";
  }

  /** Counts an answer that goes downstream, the upstream's or ours for lack of it. */
  private charge(status: number): void {
    if (!this.options.dynamicStats) return;
    this.cluster.responses.charge(status, this.internal);
    this.alternative?.charge(status, this.internal);
  }

  private chargeTime(ms: number): void {
    if (!this.options.dynamicStats) return;
    this.cluster.responses.chargeTime(ms, this.internal);
    this.alternative?.chargeTime(ms, this.internal);
  }

  /** What a forwarded answer tells about its way here, and what the route wants of it. */
  private decorate(head: ResponseHead, now: number): void {
    const { stream, route } = this;
    const { fields } = head;
    if (stream.upstreamRequestSent >= 0 && stream.upgrade === "" && !this.options.suppressEnvoyHeaders) {
      fields.setId(SERVICE_TIME, String(Math.floor(now - stream.upstreamRequestSent)));
    }
    if (route.virtualHost.includeAttemptCountInResponse) {
      fields.setId(ATTEMPT_COUNT, String(stream.upstreamAttempts));
    }
    stream.responseCodeDetails = "via_upstream";
    stream.response = head;
    stream.responseCode = head.status;
    route.finalizeResponse(fields, this.target, stream);
  }

  /** Starts once the whole request is here (Envoy); a tunnel has no route timeout. */
  private armRouteTimer(): void {
    if (this.timeouts.total === 0 || this.stream.upgrade !== "" || this.state === ANSWERING) return;
    const { services, timers } = this.stream.connection;
    services.timers.arm(timers.route, services.clock.now + this.timeouts.total);
  }

  /** Keeps a piece of the body: it waits (`sent` false), or another try may need it. */
  private keep(bytes: Uint8Array, start: number, end: number, sent: boolean): void {
    this.body ??= new BodyQueue();
    this.body.push(bytes, start, end);
    let limit = this.route.perRequestBufferLimitBytes ?? this.stream.manager.bufferLimit;
    // What waits goes to one upstream connection at once: the cluster has a say, too (0: it has none).
    if (!sent) limit = Math.min(limit, this.cluster.config.perConnectionBufferLimitBytes || limit);
    if (this.body.bytes <= limit) return;
    if (sent) {
      // Only the chance of another try is lost.
      this.bodyLost = true;
      this.keepBody = false;
      this.body.clear();
    } else this.stream.connection.pressure.press(PausedByBuffer);
  }

  /** The upstream answered an upgrade with an ordinary response: what the client may have sent ahead is no HTTP. */
  private refusedUpgrade(): void {
    this.stream.connection.closeAfter();
    this.stream.upgrade = "";
  }
}

/** The name is for us alone: it goes no further. */
function alternativeOf(cluster: ClusterState, fields: Fields): ResponseCodeStats | null {
  const responses = cluster.alternativeResponses(fields.getId(ALT_STAT_NAME) as string);
  fields.removeId(ALT_STAT_NAME);
  return responses;
}
