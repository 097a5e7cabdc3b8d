/**
 * A route's retry policy, compiled once per configuration: conditions become bits, matchers become matchers.
 * What happens to one request under it is in `retry-state.ts`.
 */
import type { HeaderMatcher as HeaderMatcherConfig, RetryPolicy } from "../config/model.ts";
import type { ConfigFault } from "../errors.ts";
import { trimOws } from "../http/hop-by-hop.ts";
import { compileHeaderMatcher, type HeaderMatcher } from "../route/header-matcher.ts";

export const On5xx = 1;
export const OnGatewayError = 2;
export const OnConnectFailure = 4;
export const OnRetriable4xx = 8;
export const OnRefusedStream = 16;
export const OnRetriableStatusCodes = 32;
export const OnRetriableHeaders = 64;
export const OnReset = 128;
export const OnResetBeforeRequest = 256;
export const OnEnvoyRateLimited = 512;
export const OnGrpcCancelled = 1024;
export const OnGrpcDeadlineExceeded = 2048;
export const OnGrpcResourceExhausted = 4096;
export const OnGrpcUnavailable = 8192;
export const OnGrpcInternal = 16384;
/** All conditions on `grpc-status`. */
export const OnGrpc =
  OnGrpcCancelled | OnGrpcDeadlineExceeded | OnGrpcResourceExhausted | OnGrpcUnavailable | OnGrpcInternal;

const HTTP_CONDITIONS: ReadonlyMap<string, number> = new Map([
  ["5xx", On5xx],
  ["gateway-error", OnGatewayError],
  ["connect-failure", OnConnectFailure],
  ["retriable-4xx", OnRetriable4xx],
  ["refused-stream", OnRefusedStream],
  ["retriable-status-codes", OnRetriableStatusCodes],
  ["retriable-headers", OnRetriableHeaders],
  ["reset", OnReset],
  ["reset-before-request", OnResetBeforeRequest],
  ["envoy-ratelimited", OnEnvoyRateLimited],
]);

const GRPC_CONDITIONS: ReadonlyMap<string, number> = new Map([
  ["cancelled", OnGrpcCancelled],
  ["deadline-exceeded", OnGrpcDeadlineExceeded],
  ["resource-exhausted", OnGrpcResourceExhausted],
  ["unavailable", OnGrpcUnavailable],
  ["internal", OnGrpcInternal],
]);

/** Every condition that `retry_on` may name, for validation. */
export const RETRY_CONDITIONS: readonly string[] = [...HTTP_CONDITIONS.keys(), ...GRPC_CONDITIONS.keys()];

/** Bits of an `x-envoy-retry-on` value; unknown conditions are ignored, as in Envoy. */
export function httpConditions(list: string): number {
  return conditionsOf(list, HTTP_CONDITIONS);
}

/** Bits of an `x-envoy-retry-grpc-on` value. */
export function grpcConditions(list: string): number {
  return conditionsOf(list, GRPC_CONDITIONS);
}

/** True if `x-envoy-retry-on` names nothing that is unknown. */
export function areHttpConditions(list: string): boolean {
  return listItems(list).every((name) => HTTP_CONDITIONS.has(name));
}

/** `areHttpConditions` for `x-envoy-retry-grpc-on`. */
export function areGrpcConditions(list: string): boolean {
  return listItems(list).every((name) => GRPC_CONDITIONS.has(name));
}

function conditionsOf(list: string, known: ReadonlyMap<string, number>): number {
  let bits = 0;
  for (const name of listItems(list)) bits |= known.get(name) ?? 0;
  return bits;
}

/** The items of a comma-separated header value, without SP and HTAB around them; empty ones are left out. */
export function listItems(list: string): string[] {
  return list
    .split(",")
    .map(trimOws)
    .filter((item) => item !== "");
}

/** A retry policy ready for use. Immutable. */
export interface CompiledRetryPolicy {
  /** `On…` bits. */
  readonly conditions: number;
  readonly numRetries: number;
  /** ms, 0 = none. */
  readonly perTryTimeout: number;
  readonly perTryIdleTimeout: number;
  readonly statusCodes: readonly number[];
  /** Of the response, any of them. */
  readonly headers: readonly HeaderMatcher[];
  /** Of the request: if there are any, one must match or nothing is retried. */
  readonly requestHeaders: readonly HeaderMatcher[];
  /** ms. */
  readonly backOffBase: number;
  readonly backOffMax: number;
  readonly previousHosts: boolean;
  readonly hostSelectionAttempts: number;
}

/** What holds for a route without policy whose request brings `x-envoy-retry-on`. */
export const NO_RETRY_POLICY: CompiledRetryPolicy = Object.freeze({
  conditions: 0,
  numRetries: 1,
  perTryTimeout: 0,
  perTryIdleTimeout: 0,
  statusCodes: [],
  headers: [],
  requestHeaders: [],
  backOffBase: 25,
  backOffMax: 250,
  previousHosts: false,
  hostSelectionAttempts: 1,
});

/** Compiles `policy`; what is wrong goes to `faults` under `path` (the policy's place in its document). */
export function compileRetryPolicy(
  policy: RetryPolicy,
  path: string,
  faults: ConfigFault[],
): CompiledRetryPolicy {
  let conditions = 0;
  for (const name of policy.retryOn) {
    const bit = HTTP_CONDITIONS.get(name) ?? GRPC_CONDITIONS.get(name);
    if (bit === undefined) faults.push({ path: `${path}.retry_on`, message: `unknown condition "${name}"` });
    else conditions |= bit;
  }
  const matchers = (list: readonly HeaderMatcherConfig[], field: string): HeaderMatcher[] =>
    list.map((matcher, i) => compileHeaderMatcher(matcher, `${path}.${field}[${i}]`, faults));
  return {
    conditions,
    numRetries: policy.numRetries,
    perTryTimeout: policy.perTryTimeout,
    perTryIdleTimeout: policy.perTryIdleTimeout,
    statusCodes: policy.retriableStatusCodes,
    headers: matchers(policy.retriableHeaders, "retriable_headers"),
    requestHeaders: matchers(policy.retriableRequestHeaders, "retriable_request_headers"),
    backOffBase: policy.backOffBase,
    backOffMax: Math.max(policy.backOffBase, policy.backOffMax),
    previousHosts: policy.previousHosts,
    hostSelectionAttempts: policy.hostSelectionAttempts,
  };
}
