/**
 * Whether one request is tried again, and how long it waits before. One object per stream, reused for the
 * requests that follow on it: `begin`, then after each try that failed `onReset` or `onHeaders`, at last `end`.
 *
 *   begin ─▶ (try) ─ onReset / onHeaders ─▶ Retry ─ backOff() ─▶ (try) ─ …
 *                                        └▶ NoRetry / LimitExceeded / Overflow: what came is the answer ─▶ end
 *
 * Safety (http.md K3): nothing is ever sent twice unless the operator's policy, or a request header that the
 * connection manager let through from inside the mesh, names the condition under which it happened. Those
 * conditions mean what they mean in Envoy: `5xx`, `gateway-error` and `reset` also repeat a POST whose bytes
 * were sent; `connect-failure`, `refused-stream` and `reset-before-request` never do. The one free retry
 * is for idempotent methods on a stale connection, and the router's.
 *
 * A granted retry holds a place in the circuit breaker until the next decision or `end`.
 * Knows no timer and no body: the engine waits, and must not ask once it can no longer replay the body.
 */
import { lowerCase, parseDecimalText } from "../bytes/ascii.ts";
import type { RequestHead, ResponseHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import type { ClusterStats } from "../telemetry/cluster-stats.ts";
import type { Random } from "./balancer.ts";
import type { Breaker } from "./breaker.ts";
import type { EndpointState } from "./endpoint.ts";
import type { SelectionContext } from "./endpoint-set.ts";
import { isConnectFailure, type ResetReason } from "./reset-reason.ts";
import {
  type CompiledRetryPolicy,
  grpcConditions,
  httpConditions,
  listItems,
  NO_RETRY_POLICY,
  On5xx,
  OnConnectFailure,
  OnEnvoyRateLimited,
  OnGatewayError,
  OnGrpc,
  OnGrpcCancelled,
  OnGrpcDeadlineExceeded,
  OnGrpcInternal,
  OnGrpcResourceExhausted,
  OnGrpcUnavailable,
  OnRefusedStream,
  OnReset,
  OnResetBeforeRequest,
  OnRetriable4xx,
  OnRetriableHeaders,
  OnRetriableStatusCodes,
} from "./retry-policy.ts";

/** What came is the answer. */
export const NoRetry = 0;
/** Try again after `backOff()`. */
export const Retry = 1;
/** It would be retried, but all tries are used up: flag `URX`. */
export const LimitExceeded = 2;
/** It would be retried, but the breaker has no retry left: flag `UO`. */
export const Overflow = 3;
export type RetryDecision = typeof NoRetry | typeof Retry | typeof LimitExceeded | typeof Overflow;

const RETRY_ON = known("x-envoy-retry-on");
const RETRY_GRPC_ON = known("x-envoy-retry-grpc-on");
const MAX_RETRIES = known("x-envoy-max-retries");
const STATUS_CODES = known("x-envoy-retriable-status-codes");
const HEADER_NAMES = known("x-envoy-retriable-header-names");
const HEDGE = known("x-envoy-hedge-on-per-try-timeout");
const RATE_LIMITED = known("x-envoy-ratelimited");
const GRPC_STATUS = known("grpc-status");

const NONE: readonly never[] = [];

export class RetryState implements SelectionContext {
  private policy: CompiledRetryPolicy = NO_RETRY_POLICY;
  private breaker: Breaker | null = null;
  private stats: ClusterStats | null = null;
  private conditions = 0;
  private left = 0;
  private interval = 0;
  /** From the request's own headers. */
  private extraCodes: readonly number[] = NONE;
  private extraHeaders: readonly string[] = NONE;
  /** True while this request holds a retry of the breaker. */
  private holding = false;
  private readonly tried: EndpointState[] = [];

  /**
   * Starts a request: combines the route's policy (null = none) with the request's `x-envoy-*` headers and takes
   * those headers out. Returns false if this request is never retried under a policy; the other methods then
   * say `NoRetry`.
   */
  begin(
    policy: CompiledRetryPolicy | null,
    request: RequestHead,
    breaker: Breaker,
    stats: ClusterStats,
  ): boolean {
    this.end();
    const rules = policy ?? NO_RETRY_POLICY;
    this.policy = rules;
    this.breaker = breaker;
    this.stats = stats;
    this.conditions = rules.conditions;
    this.left = rules.numRetries;
    this.interval = rules.backOffBase;
    this.extraCodes = NONE;
    this.extraHeaders = NONE;

    const fields = request.fields;
    const on = fields.getId(RETRY_ON);
    if (on !== null) this.conditions |= httpConditions(on);
    const grpcOn = fields.getId(RETRY_GRPC_ON);
    if (grpcOn !== null) this.conditions |= grpcConditions(grpcOn);
    if (this.conditions !== 0) this.readOverrides(request);
    fields.removeId(RETRY_ON);
    fields.removeId(RETRY_GRPC_ON);
    fields.removeId(MAX_RETRIES);
    fields.removeId(STATUS_CODES);
    fields.removeId(HEADER_NAMES);
    fields.removeId(HEDGE);
    return this.conditions !== 0;
  }

  /** The request is over: gives the breaker back what it holds and forgets the endpoints. Idempotent. */
  end(): void {
    this.letGo();
    this.tried.length = 0;
    this.conditions = 0;
  }

  /** A try on this endpoint begins. */
  onTry(endpoint: EndpointState): void {
    if (this.policy.previousHosts) this.tried.push(endpoint);
  }

  get hostSelectionAttempts(): number {
    return this.tried.length === 0 ? 0 : this.policy.hostSelectionAttempts;
  }

  /** Envoy's `previous_hosts` predicate. */
  rejects(endpoint: EndpointState): boolean {
    return this.tried.includes(endpoint);
  }

  /**
   * The try ended without response head. `requestStarted`: at least one byte of the request was given to the
   * connection. A per-try timeout is a "local reset".
   */
  onReset(reason: ResetReason, requestStarted: boolean): RetryDecision {
    return this.decide(this.wouldRetryReset(reason, requestStarted));
  }

  /** A response head came that was not passed on yet. */
  onHeaders(head: ResponseHead): RetryDecision {
    return this.decide(this.conditions !== 0 && this.wouldRetryHeaders(head));
  }

  /** How long to wait before the retry just granted: random in [0, min(base · 2^(n-1), max)), ms. */
  backOff(random: Random): number {
    const wait = random() * this.interval;
    this.interval = Math.min(this.interval * 2, this.policy.backOffMax);
    return wait;
  }

  private decide(wanted: boolean): RetryDecision {
    const { breaker, stats } = this;
    if (breaker === null || stats === null) return NoRetry;
    if (!wanted) {
      if (this.holding) stats.upstreamRqRetrySuccess++;
      this.letGo();
      return NoRetry;
    }
    this.letGo();
    if (this.left === 0) {
      stats.upstreamRqRetryLimitExceeded++;
      return LimitExceeded;
    }
    this.left--;
    if (!breaker.tryAcquireRetry()) {
      stats.upstreamRqRetryOverflow++;
      return Overflow;
    }
    this.holding = true;
    stats.upstreamRqRetry++;
    stats.upstreamRqRetryBackoffExponential++;
    return Retry;
  }

  private letGo(): void {
    if (!this.holding) return;
    this.holding = false;
    (this.breaker as Breaker).retries.release();
  }

  private wouldRetryReset(reason: ResetReason, requestStarted: boolean): boolean {
    if (reason === "overflow" || reason === "pool overflow") return false;
    const on = this.conditions;
    if ((on & (On5xx | OnGatewayError | OnReset)) !== 0) return true;
    if ((on & OnConnectFailure) !== 0 && isConnectFailure(reason)) return true;
    if ((on & OnResetBeforeRequest) !== 0 && !requestStarted) return true;
    return (on & OnRefusedStream) !== 0 && reason === "remote refused stream reset";
  }

  private wouldRetryHeaders(head: ResponseHead): boolean {
    const on = this.conditions;
    const status = head.status;
    // A rate limiter's refusal is repeated only if asked for by name, whatever its status.
    if (head.fields.hasId(RATE_LIMITED)) return (on & OnEnvoyRateLimited) !== 0;
    if ((on & On5xx) !== 0 && status >= 500 && status <= 599) return true;
    if ((on & OnGatewayError) !== 0 && status >= 502 && status <= 504) return true;
    if ((on & OnRetriable4xx) !== 0 && status === 409) return true;
    if ((on & OnRetriableStatusCodes) !== 0) {
      if (this.policy.statusCodes.includes(status) || this.extraCodes.includes(status)) return true;
    }
    if ((on & OnRetriableHeaders) !== 0 && this.headersMatch(head)) return true;
    return (on & OnGrpc) !== 0 && (on & grpcBit(head.fields.getId(GRPC_STATUS))) !== 0;
  }

  private headersMatch(head: ResponseHead): boolean {
    for (const matcher of this.policy.headers) if (matcher.matches(head)) return true;
    for (const name of this.extraHeaders) if (head.fields.has(name)) return true;
    return false;
  }

  private readOverrides(request: RequestHead): void {
    const { fields } = request;
    const gates = this.policy.requestHeaders;
    if (gates.length > 0 && !gates.some((gate) => gate.matches(request))) {
      this.conditions = 0;
      return;
    }
    const max = fields.getId(MAX_RETRIES);
    if (max !== null) {
      const count = parseDecimalText(max, 0xffffffff);
      if (count >= 0) this.left = count;
    }
    const codes = fields.getId(STATUS_CODES);
    if (codes !== null) this.extraCodes = listItems(codes).map((code) => parseDecimalText(code, 999));
    const names = fields.getId(HEADER_NAMES);
    if (names !== null) this.extraHeaders = listItems(lowerCase(names));
  }
}

/** RFC 9110 9.2.2: sending it twice has the effect of sending it once. */
export function isIdempotent(method: string): boolean {
  switch (method) {
    case "GET":
    case "HEAD":
    case "OPTIONS":
    case "TRACE":
    case "PUT":
    case "DELETE":
      return true;
    default:
      return false;
  }
}

/** The condition that a `grpc-status` field stands for, 0 = none. */
function grpcBit(status: string | null): number {
  switch (status) {
    case "1":
      return OnGrpcCancelled;
    case "4":
      return OnGrpcDeadlineExceeded;
    case "8":
      return OnGrpcResourceExhausted;
    case "13":
      return OnGrpcInternal;
    case "14":
      return OnGrpcUnavailable;
    default:
      return 0;
  }
}
