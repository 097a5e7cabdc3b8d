/**
 * The last filter: sends the request to an endpoint of its route's cluster and brings the answer back; decides
 * about timeouts and further tries. One object per forwarded request. It knows clusters and policies; a single try
 * is an `Attempt`, how bytes are framed on either side is the connections' business, and who is told and charged
 * what is in the account that it extends.
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
import type { ClusterState } from "../cluster/cluster.ts";
import type { ResetReason } from "../cluster/reset-reason.ts";
import { NoRetry, Retry, type RetryState } from "../cluster/retry-state.ts";
import type { Fault } from "../errors.ts";
import type { Fields } from "../http/fields.ts";
import { AsTunnel, type Framing, NoBody } from "../http/framing.ts";
import type { ResponseHead } from "../http/head.ts";
import type { ClusterTarget } from "../route/cluster-choice.ts";
import type { RouteEntry } from "../route/route-entry.ts";
import { Attempt, type AttemptOwner } from "./attempt.ts";
import type { Forwarder } from "./forwarder.ts";
import { PausedByBuffer, PausedByUpstream } from "./pressure.ts";
import { RouteTimeouts } from "./route-timeouts.ts";
import { RouterReplay } from "./router-replay.ts";
import type { Stream } from "./stream.ts";
import { isAccepted } from "./upgrade.ts";
import type { UpstreamExchange } from "./upstream-exchange.ts";

const TRYING = 0;
const ANSWERING = 1;
const BACKOFF = 2;
const OVER = 3;

export class Router extends RouterReplay implements Forwarder, AttemptOwner {
  private readonly timeouts: RouteTimeouts;
  /** The current try, or null. */
  private attempt: Attempt | null = null;
  private state = TRYING;
  private retried = false;
  private requestEnded: boolean;
  private trailers: Fields | null = null;
  /** What follows the answer's head is not HTTP. */
  private tunnel = false;

  constructor(
    stream: Stream,
    route: RouteEntry,
    target: ClusterTarget,
    cluster: ClusterState,
    endOfStream: boolean,
  ) {
    super(stream, route, target, cluster, endOfStream);
    const { fields } = stream.request;
    this.timeouts = new RouteTimeouts(route, this.action, fields, this.options.respectExpectedRqTimeout);
    this.requestEnded = endOfStream;
  }

  // ── The stream's side ─────────────────────────────────────────────────────────────────────────────────────

  /** Sends the request on its way. */
  start(): void {
    const { stream, route, action, timeouts } = this;
    const { fields } = stream.request;
    const { suppressEnvoyHeaders } = this.options;
    timeouts.announce(fields, suppressEnvoyHeaders);
    route.finalizeRequest(stream.request, this.target, stream, suppressEnvoyHeaders);
    this.beginRetries();
    if (action.maxStreamDuration !== null || action.grpcTimeout !== null)
      timeouts.limitStream(stream, action);
    if (this.requestEnded) timeouts.startAll(stream);
    this.try();
  }

  get passing(): number {
    return this.keepBody && this.state !== ANSWERING ? 0 : (this.attempt?.connection?.direct ?? 0);
  }

  onData(bytes: Uint8Array, start: number, end: number): void {
    if (this.state === OVER) return;
    const connection = this.attempt === null ? null : this.attempt.connection;
    if (connection === null) {
      this.kept().wait(bytes, start, end);
      return;
    }
    this.stream.upstreamBytesSent += end - start;
    connection.sendBody(bytes, start, end);
    if (this.keepBody && this.state !== ANSWERING) this.keepBody = this.kept().keep(bytes, start, end);
  }

  /** The request is complete; in a tunnel: the client sent FIN. */
  onEnd(trailers: Fields | null): void {
    if (this.state === OVER) return;
    this.requestEnded = true;
    this.trailers = trailers;
    const connection = this.attempt === null ? null : this.attempt.connection;
    if (connection !== null) this.endRequest(connection);
    if (this.state !== ANSWERING) this.timeouts.startAll(this.stream);
  }

  /** Gives everything up: the stream has an answer of its own, or is gone. */
  stop(): void {
    if (this.state === OVER) return;
    this.over();
    this.leaveAttempt();
  }

  pauseUpstream(): void {
    this.attempt?.pause();
  }

  resumeUpstream(): void {
    this.attempt?.resume();
  }

  onRouteTimeout(): void {
    if (this.state === OVER) return;
    this.chargeTimeout();
    this.attempt?.countTimeout();
    this.timedOut("response_timeout");
  }

  /** The end of a back-off, or of a try's time. */
  onTryTimer(): void {
    if (this.state === BACKOFF) {
      this.try();
      return;
    }
    const { attempt } = this;
    if (this.state === OVER || attempt === null) return;
    const { now } = this.stream.connection.services.clock;
    const idle = this.state === ANSWERING || this.timeouts.endedIdle(now);
    this.chargeTryTimeout(idle);
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
    const { stream, cluster, breaker, retry } = this;
    this.state = TRYING;
    const endpoint = cluster.chooseEndpoint(this.retried ? retry : null);
    stream.upstreamAttempts++;
    if (endpoint === null) {
      this.fail(503, "no healthy upstream", "no_healthy_upstream", "UH");
      return;
    }
    stream.upstreamHost = endpoint.address;
    stream.endpoint = endpoint;
    if (!breaker.requests.available) {
      this.chargeOverflow(breaker);
      this.onAttemptFailed("overflow", "", null, false, false);
      return;
    }
    retry?.onTry(endpoint);
    this.address(endpoint, this.retried || this.wasFree);
    const http2 = stream.request.version === 20;
    const pool = stream.manager.clusters.poolOf(cluster, endpoint, breaker, http2);
    this.attempt = new Attempt(this, cluster, breaker, endpoint, pool);
    this.attempt.start();
  }

  onAttemptReady(connection: UpstreamExchange): void {
    const { stream } = this;
    stream.upstreamHost = connection.address;
    stream.upstreamLocal = connection.local;
    stream.upstreamTls = connection.secure;
    connection.sendHead(
      stream.request,
      stream.upgrade !== "" ? NoBody : stream.requestFraming,
      stream.requestLength,
      stream.upgrade === "connect" ? "" : stream.upgrade,
      stream.trailers,
    );
    if (this.body !== null) {
      stream.upstreamBytesSent += this.body.size;
      this.body.sendTo(connection, this.keepBody);
    }
    if (this.requestEnded) this.endRequest(connection);
    if (stream.holdsUpstream) this.pauseUpstream();
  }

  private endRequest(connection: UpstreamExchange): void {
    const { stream } = this;
    if (stream.upstreamRequestSent < 0) stream.upstreamRequestSent = stream.elapsed();
    if (this.state === TRYING) this.timeouts.startTry(stream);
    connection.sendEnd(this.trailers);
  }

  // ── The upstream's side ───────────────────────────────────────────────────────────────────────────────────

  onInformational(head: ResponseHead): void {
    this.stream.sendInformational(head);
  }

  onResponseHead(head: ResponseHead, framing: Framing, contentLength: number, endOfStream: boolean): void {
    const { stream } = this;
    const { endpoint } = this.attempt as Attempt;
    if (framing === AsTunnel && !isAccepted(stream.upgrade, stream.webSocketKey, head)) {
      this.leaveAttempt();
      this.failed("protocol error", "upgrade_refused", null, true);
      return;
    }
    const decision = this.retry === null || !this.canReplay() ? NoRetry : this.retry.onHeaders(head);
    if (decision === Retry) {
      this.chargeRetried(endpoint, head.status);
      this.leaveAttempt();
      this.scheduleRetry();
      return;
    }
    this.flagRefusal(decision);
    this.state = ANSWERING;
    this.body?.clear();
    const { services, timers } = stream.connection;
    services.timers.cancel(timers.attempt);
    this.timeouts.touchTry(stream);
    this.acceptAnswer(endpoint, head, endOfStream);
    if (framing === AsTunnel) {
      this.tunnel = true;
      services.timers.cancel(timers.route);
      this.requestEnded = false;
    } else if (stream.upgrade !== "") {
      // An upgrade answered with an ordinary response: what the client may have sent ahead is no HTTP.
      stream.connection.closeAfter();
      stream.upgrade = "";
    }
    stream.sendHead(head, framing, contentLength, endOfStream);
    if (stream.holdsUpstream) this.pauseUpstream();
  }

  onResponseBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.state !== ANSWERING) return;
    this.stream.upstreamBytesReceived += end - start;
    this.timeouts.touchTry(this.stream);
    this.stream.sendBody(bytes, start, end);
  }

  onResponseEnd(trailers: Fields | null): void {
    const { stream, attempt } = this;
    if (this.state !== ANSWERING || attempt === null || attempt.connection === null) return;
    const { passesTrailers } = attempt.connection;
    stream.upstreamResponseEnded = stream.elapsed();
    if (this.tunnel) {
      if (!stream.requestComplete) stream.cutByUpstream("UC", "connection termination");
      stream.sendEnd(null);
      return;
    }
    this.chargeTime();
    this.judge(trailers);
    if (this.requestEnded) {
      this.attempt = null;
      attempt.complete();
      this.over();
    }
    stream.sendEnd(passesTrailers ? trailers : null);
    this.stop(); // even if a filter holds the end: what is left of the request is of no use
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
      this.noteCut(reason, fault);
      this.over();
      stream.abort();
      return;
    }
    this.noteFailure(detail, connected, reason === "overflow" && !this.breaker.pendingRequests.available);
    if (this.isFree(reason, fault, stale)) {
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
    this.explain(reason, detail, fault, this.retried);
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

  private scheduleRetry(): void {
    const { random } = this.stream.connection.services;
    this.retried = true;
    this.state = BACKOFF;
    this.timeouts.startBackOff(this.stream, (this.retry as RetryState).backOff(random));
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
    this.timeouts.stop(this.stream);
    this.retry?.end();
    this.body?.clear();
    // The next request comes over the same connection.
    this.stream.connection.pressure.release(PausedByUpstream | PausedByBuffer);
  }
}
