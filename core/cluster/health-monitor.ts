/**
 * What the checks of one endpoint come to: when it is thought healthy, and how long to wait before it is asked again.
 *
 *   FAILED ──first success, or healthy_threshold in a row──▶ HEALTHY
 *   HEALTHY ──unhealthy_threshold in a row; an answer that says no, at once──▶ FAILED
 *
 * Knows no clock and no connection. Rules and intervals are Envoy's (HealthCheckerImplBase).
 */
import type { HealthCheck } from "../config/health-check.ts";
import type { Random } from "./balancer.ts";
import {
  CHECKED,
  DegradedActive,
  type EndpointState,
  ExcludedAtOnce,
  FailedActive,
  PendingActive,
  TimedOutActive,
} from "./endpoint.ts";
import type { HealthNote } from "./health-note.ts";

/** The endpoint is thought of as before; as before, but not for long if this goes on; otherwise than before. */
export const Unchanged = 0;
export const ChangePending = 1;
export const Changed = 2;
export type Transition = typeof Unchanged | typeof ChangePending | typeof Changed;

/** It answered that it is not well; it could not be asked; it did not answer in time; it told a request so. */
export type HealthFailure = "ACTIVE" | "NETWORK" | "NETWORK_TIMEOUT" | "PASSIVE";

export class HealthMonitor {
  readonly endpoint: EndpointState;
  /** Nothing was heard of it yet. */
  first = true;
  /** In a row, as far as they count to a threshold. */
  successes = 0;
  failures = 0;

  constructor(endpoint: EndpointState) {
    this.endpoint = endpoint;
  }

  /** `degraded`: it is well, and asks for less load. */
  succeed(check: HealthCheck, degraded: boolean): Transition {
    const { endpoint } = this;
    this.failures = 0;
    let transition: Transition = Unchanged;
    if (endpoint.has(FailedActive)) {
      if (this.first || ++this.successes >= check.healthyThreshold) {
        endpoint.clear(FailedActive | TimedOutActive | ExcludedAtOnce);
        this.successes = 0;
        transition = Changed;
      } else transition = ChangePending;
    }
    if (endpoint.has(PendingActive)) {
      endpoint.clear(PendingActive);
      transition = Changed;
    }
    if (degraded !== endpoint.has(DegradedActive)) {
      if (degraded) endpoint.mark(DegradedActive);
      else endpoint.clear(DegradedActive);
      if (transition === Unchanged) transition = Changed;
    }
    this.first = false;
    return transition;
  }

  /** `retriable`: an answer that counts to the threshold. */
  fail(check: HealthCheck, failure: HealthFailure, retriable: boolean): Transition {
    const { endpoint } = this;
    this.successes = 0;
    let transition: Transition = Unchanged;
    if (!endpoint.has(FailedActive)) {
      const atOnce = !isNetwork(failure) && !retriable;
      if (atOnce || ++this.failures >= check.unhealthyThreshold) {
        endpoint.mark(FailedActive);
        this.failures = 0;
        transition = Changed;
      } else transition = ChangePending;
    }
    if (failure === "NETWORK_TIMEOUT" && endpoint.has(FailedActive)) endpoint.mark(TimedOutActive);
    else endpoint.clear(TimedOutActive);
    if (endpoint.has(PendingActive)) {
      endpoint.clear(PendingActive);
      transition = Changed;
    }
    this.first = false;
    return transition;
  }

  /** Somebody else has asked. */
  learn({ marks, successes, failures }: HealthNote): void {
    const { endpoint } = this;
    endpoint.clear(CHECKED & ~marks);
    endpoint.mark(CHECKED & marks);
    this.successes = successes;
    this.failures = failures;
    this.first = false;
  }

  /** How long to wait after a check with that outcome, ms; `traffic`: the cluster was used. */
  wait(
    check: HealthCheck,
    healthy: boolean,
    transition: Transition,
    traffic: boolean,
    random: Random,
  ): number {
    const base = baseWait(check, healthy, transition === ChangePending, traffic);
    const part = Math.floor((check.intervalJitterPercent * base) / 100);
    return Math.max(1, base + Math.floor(random() * part) + Math.floor(random() * check.intervalJitter));
  }
}

/** It could not be asked, or did not answer. */
export function isNetwork(failure: HealthFailure): boolean {
  return failure === "NETWORK" || failure === "NETWORK_TIMEOUT";
}

function baseWait(check: HealthCheck, healthy: boolean, edge: boolean, traffic: boolean): number {
  if (!traffic) return healthy && !edge ? check.noTrafficHealthyInterval : check.noTrafficInterval;
  if (healthy) return edge ? check.healthyEdgeInterval : check.interval;
  return edge ? check.unhealthyEdgeInterval : check.unhealthyInterval;
}
