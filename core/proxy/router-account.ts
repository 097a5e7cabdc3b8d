/**
 * The account of a forwarded request: what statistics, the log and the heads on either side are told about its
 * tries and its answer, or about the lack of one. It decides nothing: that is for the router, which extends it.
 *
 * Law: an answer is charged once, when it goes downstream, whoever made it; a try's outcome is charged to its
 * endpoint.
 */
import type { Breaker } from "../cluster/breaker.ts";
import type { ClusterState } from "../cluster/cluster.ts";
import type { EndpointState } from "../cluster/endpoint.ts";
import type { ResetReason } from "../cluster/reset-reason.ts";
import { LimitExceeded, Overflow, type RetryDecision } from "../cluster/retry-state.ts";
import type { RouteAction, RouterOptions } from "../config/model.ts";
import type { Fault, ResponseFlag } from "../errors.ts";
import type { Fields } from "../http/fields.ts";
import { isGrpc, isGrpcSuccess } from "../http/grpc.ts";
import type { ResponseHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import type { ClusterTarget } from "../route/cluster-choice.ts";
import type { RouteEntry } from "../route/route-entry.ts";
import type { ResponseCodeStats } from "../telemetry/response-stats.ts";
import type { Stream } from "./stream.ts";
import { describeFailure, flagOf, underscored } from "./upstream-failure.ts";

const ATTEMPT_COUNT = known("x-envoy-attempt-count");
const SERVICE_TIME = known("x-envoy-upstream-service-time");
const ALT_STAT_NAME = known("x-envoy-upstream-alt-stat-name");
const INTERNAL = known("x-envoy-internal");
const GRPC_STATUS = known("grpc-status");

export class RouterAccount {
  protected readonly stream: Stream;
  protected readonly route: RouteEntry;
  protected readonly action: RouteAction;
  protected readonly target: ClusterTarget;
  protected readonly cluster: ClusterState;
  protected readonly options: RouterOptions;
  /** Where answers are counted a second time, if an internal client wants it. */
  private readonly alternative: ResponseCodeStats | null;
  /** Of an answer of gRPC: how its endpoint has done is in the trailers. */
  private unjudged: EndpointState | null = null;

  constructor(stream: Stream, route: RouteEntry, target: ClusterTarget, cluster: ClusterState) {
    const { fields } = stream.request;
    this.stream = stream;
    this.route = route;
    this.action = route.action as RouteAction;
    this.target = target;
    this.cluster = cluster;
    this.options = stream.manager.config.router;
    this.alternative = fields.hasId(ALT_STAT_NAME) ? alternativeOf(cluster, fields) : null;
  }

  /** What comes of the answer goes on, or is dropped: nothing of it is kept. */
  get answerPassing(): number {
    return this.stream.answerPassing;
  }

  // ── A try ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** What the request says about the endpoint that it goes to; `again` if it went to another one before. */
  protected address(endpoint: EndpointState, again: boolean): void {
    const { stream, route } = this;
    if (this.action.autoHostRewrite && endpoint.hostname !== "") {
      if (again) stream.request.authority = endpoint.hostname;
      else route.rewriteHost(stream.request, endpoint.hostname, this.options.suppressEnvoyHeaders);
    }
    if (route.virtualHost.includeRequestAttemptCount) {
      stream.request.fields.setId(ATTEMPT_COUNT, String(stream.upstreamAttempts));
    }
  }

  /** No try is made: the breaker has no request left. */
  protected chargeOverflow(breaker: Breaker): void {
    // Envoy asks the queue first; and it makes a connection before it finds that nothing may use it.
    if (breaker.pendingRequests.available) this.cluster.stats.upstreamRqActiveOverflow++;
    else this.cluster.stats.upstreamRqPendingOverflow++;
  }

  /** The request took too long, all tries together; the attempt charges its endpoint. */
  protected chargeTimeout(): void {
    this.cluster.stats.upstreamRqTimeout++;
  }

  /** A try took too long, or was silent for too long (`idle`); the attempt charges its endpoint. */
  protected chargeTryTimeout(idle: boolean): void {
    if (idle) this.cluster.stats.upstreamRqPerTryIdleTimeout++;
    else this.cluster.stats.upstreamRqPerTryTimeout++;
  }

  /** A try brought an answer that is thrown away for another try. */
  protected chargeRetried(endpoint: EndpointState, status: number): void {
    this.cluster.responses.chargeRetried(status);
    endpoint.rqError++;
  }

  /** A try failed before its answer began. `queueFull`: already at the queue, so that no endpoint was asked. */
  protected noteFailure(detail: string, connected: boolean, queueFull: boolean): void {
    if (!connected) this.stream.upstreamFailure = underscored(detail);
    if (queueFull) {
      this.stream.upstreamHost = null;
      this.stream.endpoint = null;
    }
  }

  /** Says in the log why a further try that the policy wants was not made. */
  protected flagRefusal(decision: RetryDecision): void {
    if (decision === LimitExceeded) this.stream.flag("URX");
    else if (decision === Overflow) this.stream.flag("UO");
  }

  // ── The answer ────────────────────────────────────────────────────────────────────────────────────────────

  /** The upstream's answer goes downstream: charges it, and adds what it tells about its way here. */
  protected acceptAnswer(endpoint: EndpointState, head: ResponseHead, endOfStream: boolean): void {
    const { stream, route } = this;
    const { fields, status } = head;
    const now = stream.elapsed();
    stream.upstreamResponseStarted = now;
    this.charge(status);
    if (status >= 500) endpoint.rqError++;
    else if (!isGrpc(stream.request.fields)) endpoint.rqSuccess++;
    else {
      this.unjudged = endpoint;
      if (endOfStream) this.judge(fields);
    }
    if (stream.upstreamRequestSent >= 0 && stream.upgrade === "" && !this.options.suppressEnvoyHeaders) {
      fields.setId(SERVICE_TIME, String(Math.floor(now - stream.upstreamRequestSent)));
    }
    if (route.virtualHost.includeAttemptCountInResponse) {
      fields.setId(ATTEMPT_COUNT, String(stream.upstreamAttempts));
    }
    stream.responseCodeDetails = "via_upstream";
    stream.response = head;
    stream.responseCode = status;
    route.finalizeResponse(fields, this.target, stream);
  }

  /** The answer is complete: of gRPC, `fields` (trailers, or the head where nothing else came) say how it went. */
  protected judge(fields: Fields | null): void {
    const { unjudged } = this;
    this.unjudged = null;
    if (unjudged === null) return;
    if (fields !== null && isGrpcSuccess(fields.getId(GRPC_STATUS))) unjudged.rqSuccess++;
    else unjudged.rqError++;
  }

  /** The upstream went away within its answer. */
  protected noteCut(reason: ResetReason, fault: Fault | null): void {
    const { stream } = this;
    this.judge(null);
    const ended = stream.upgrade !== "" && stream.requestComplete; // a tunnel that its client has ended
    if (!ended) stream.cutByUpstream(fault === null ? flagOf(reason) : "UPE", reason);
    if (isGrpc(stream.request.fields)) stream.manager.stats.rqResetAfterDownstreamResponseStarted++;
  }

  /** The upstream's answer is whole. */
  protected chargeTime(): void {
    if (!this.options.dynamicStats) return;
    const { stream } = this;
    const ms = stream.upstreamResponseEnded - Math.max(stream.upstreamRequestSent, 0);
    this.cluster.responses.chargeTime(ms, this.internal);
    this.alternative?.chargeTime(ms, this.internal);
  }

  /** Answers for want of the upstream's, in Envoy's words for what went wrong; `again`: it was tried before. */
  protected explain(reason: ResetReason, detail: string, fault: Fault | null, again: boolean): void {
    const { status, body, details, flag, headers } = describeFailure(reason, detail, fault, again);
    this.fail(status, body, details, flag, this.options.suppressEnvoyHeaders ? [] : headers);
  }

  /** Answers for want of the upstream's. */
  protected fail(
    status: number,
    body: string,
    details: string,
    flag: ResponseFlag,
    headers: readonly (readonly [string, string])[] = [],
  ): void {
    this.charge(status);
    this.stream.reply(status, body, details, flag, headers);
  }

  /** Counts an answer that goes downstream, the upstream's or ours for lack of it. */
  private charge(status: number): void {
    if (!this.options.dynamicStats) return;
    this.cluster.responses.charge(status, this.internal);
    this.alternative?.charge(status, this.internal);
  }

  private get internal(): boolean {
    return this.stream.request.fields.getId(INTERNAL) === "true";
  }
}

/** The name is for us alone: it goes no further. */
function alternativeOf(cluster: ClusterState, fields: Fields): ResponseCodeStats | null {
  const responses = cluster.alternativeResponses(fields.getId(ALT_STAT_NAME) as string);
  fields.removeId(ALT_STAT_NAME);
  return responses;
}
