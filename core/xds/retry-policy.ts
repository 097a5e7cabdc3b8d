/** Retry policies of routes and virtual hosts. */
import type { RetryPolicy } from "../config/model.ts";
import type {
  RetryPolicy_RetryHostPredicate,
  RetryPolicy as RetryPolicyMessage,
} from "./generated/envoy/config/route/v3/route_components_pb.ts";
import { readHeaderMatcher } from "./matchers.ts";
import type { Reader } from "./reader.ts";

const PREVIOUS_HOSTS = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate";

const CONDITIONS = new Set([
  "5xx",
  "gateway-error",
  "reset",
  "reset-before-request",
  "connect-failure",
  "envoy-ratelimited",
  "retriable-4xx",
  "refused-stream",
  "retriable-status-codes",
  "retriable-headers",
  "http3-post-connect-failure",
  "cancelled",
  "deadline-exceeded",
  "internal",
  "resource-exhausted",
  "unavailable",
]);

/** Reads a retry policy; null if there is none. */
export function readRetryPolicy(reader: Reader<RetryPolicyMessage> | null): RetryPolicy | null {
  if (reader === null) return null;
  const backOff = reader.child("retryBackOff");
  // Envoy's floor is 1 ms: a shorter base is raised to it.
  const backOffBase = backOff === null ? 25 : Math.max(1, backOff.duration("baseInterval", 25));
  const backOffMax = backOff?.duration("maxInterval", null) ?? 10 * backOffBase;
  if (backOffMax < backOffBase) backOff?.fault("maxInterval", "must not be below base_interval");
  return {
    retryOn: readConditions(reader),
    numRetries: reader.number("numRetries", 1),
    perTryTimeout: reader.duration("perTryTimeout", 0),
    perTryIdleTimeout: reader.duration("perTryIdleTimeout", 0),
    retriableStatusCodes: reader.take("retriableStatusCodes"),
    retriableHeaders: reader.children("retriableHeaders").map(readHeaderMatcher),
    retriableRequestHeaders: reader.children("retriableRequestHeaders").map(readHeaderMatcher),
    backOffBase,
    backOffMax,
    previousHosts: reader.children("retryHostPredicate").map(readHostPredicate).includes(true),
    hostSelectionAttempts: readAttempts(reader),
  };
}

function readConditions(reader: Reader<RetryPolicyMessage>): string[] {
  const conditions = reader
    .text("retryOn")
    .split(",")
    .map((condition) => condition.trim())
    .filter((condition) => condition !== "");
  for (const condition of conditions) {
    if (!CONDITIONS.has(condition)) reader.fault("retryOn", `unknown condition: ${condition}`);
  }
  return conditions;
}

function readHostPredicate(reader: Reader<RetryPolicy_RetryHostPredicate>): boolean {
  reader.inert("name"); // a label; the type says which predicate it is
  const packed = reader.packed();
  if (packed.typeName === PREVIOUS_HOSTS) return true;
  if (packed.any === null) reader.context.faults.add(packed.path, "must be set");
  else reader.refuseHere(packed.typeName);
  return false;
}

function readAttempts(reader: Reader<RetryPolicyMessage>): number {
  const attempts = Number(reader.take("hostSelectionRetryMaxAttempts"));
  if (attempts < 0 || attempts > 0xffffffff) {
    reader.fault("hostSelectionRetryMaxAttempts", "must be from 0 to 4294967295");
  }
  return attempts === 0 ? 1 : attempts;
}
