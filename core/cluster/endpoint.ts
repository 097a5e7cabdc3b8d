/**
 * One upstream host as a worker sees it: where it is, how much of the load it should get, and what happened to
 * it so far. The state outlives configuration updates as long as its address stays in the cluster, so its
 * connection pool and its counters do too.
 *
 * Knows no cluster, no balancer and no pool: the engine keeps its own object in `pool`.
 * Law: fixed shape; the counters are plain numbers that the engine increments directly.
 */
import type { EndpointHealthCheck } from "../config/health-check.ts";
import type { Endpoint, Locality, Metadata } from "../config/model.ts";
import { type Address, formatAddress } from "../io/socket.ts";

/** Takes its full share. */
export const Healthy = 0;
/** Used only for the load that healthy endpoints cannot take. */
export const Degraded = 1;
/** Used only in panic. */
export const Unhealthy = 2;
export type Health = typeof Healthy | typeof Degraded | typeof Unhealthy;

/** How Envoy balances on a configured (EDS) health: draining and timed-out hosts count as unhealthy. */
export function healthOf(configured: Endpoint["health"]): Health {
  switch (configured) {
    case "UNKNOWN":
    case "HEALTHY":
      return Healthy;
    case "DEGRADED":
      return Degraded;
    default:
      return Unhealthy;
  }
}

/** What active health checks make of an endpoint, and what follows from it: bits of `EndpointState.marks`. */
export const FailedActive = 1;
export const DegradedActive = 2;
/** It has left the assignment, and stays as long as it passes its checks. */
export const PendingRemoval = 4;
/** It is new, and does not count before its first check. */
export const PendingActive = 8;
/** It said itself that it fails (`x-envoy-immediate-health-check-fail`), and does not count until it passes. */
export const ExcludedAtOnce = 16;
/** Its last check was not answered in time. */
export const TimedOutActive = 32;

/** All that checks make of it; whether it has left the assignment is another matter. */
export const CHECKED = FailedActive | DegradedActive | PendingActive | ExcludedAtOnce | TimedOutActive;

/** One host of a cluster in this worker. */
export class EndpointState {
  /** Where new connections go. Changes only in LOGICAL_DNS clusters, by `moveTo`. */
  address: Address;
  /** `formatAddress(address)`: logs, admin pages, `%UPSTREAM_HOST%`. */
  text: string;
  /** For `auto_host_rewrite` and admin pages; the DNS name in DNS clusters; "" = none. */
  hostname: string;
  /** At least 1. */
  weight: number;
  /** What follows from what is configured and from the marks. */
  health: Health;
  /** As configured. */
  configuredHealth: Endpoint["health"];
  /** What health checks make of it; change it by `mark` and `clear`. */
  marks = 0;
  /** What it says about its checks; null = nothing. */
  healthCheck: EndpointHealthCheck | null;
  locality: Locality;
  priority: number;
  metadata: Metadata;
  /** Of its locality. */
  localityMetadata: Metadata;
  /** False once it left its cluster: no new request may be sent, the pool drains. */
  live = true;
  /** The engine's connection pool of this endpoint; null until the engine makes one. */
  pool: unknown = null;

  /** Open connections, those still connecting included. */
  cxActive = 0;
  cxConnectFail = 0;
  cxTotal = 0;
  /** Of `cxActive`, those that carry plain TCP: as long as there is one, they count as a pool. */
  tcpActive = 0;
  /** Requests in flight: what LEAST_REQUEST looks at. Queued ones are not counted, as in Envoy. */
  rqActive = 0;
  rqError = 0;
  /** Requests that wait for a connection of this endpoint. */
  rqPendingActive = 0;
  rqSuccess = 0;
  rqTimeout = 0;
  rqTotal = 0;

  constructor(endpoint: Endpoint, locality: Locality, priority: number, localityMetadata: Metadata = {}) {
    this.address = endpoint.address;
    this.text = formatAddress(endpoint.address);
    this.hostname = endpoint.hostname;
    this.weight = endpoint.weight;
    this.health = healthOf(endpoint.health);
    this.configuredHealth = endpoint.health;
    this.healthCheck = endpoint.healthCheck ?? null;
    this.locality = locality;
    this.priority = priority;
    this.metadata = endpoint.metadata;
    this.localityMetadata = localityMetadata;
  }

  /** It neither counts for its level nor against it. */
  get excluded(): boolean {
    return this.configuredHealth === "DRAINING" || this.has(PendingActive | ExcludedAtOnce);
  }

  /** Has any of these marks. */
  has(marks: number): boolean {
    return (this.marks & marks) !== 0;
  }

  mark(marks: number): void {
    this.marks |= marks;
    this.judge();
  }

  clear(marks: number): void {
    this.marks &= ~marks;
    this.judge();
  }

  /** What is configured has changed. */
  configure(health: Endpoint["health"]): void {
    this.configuredHealth = health;
    this.judge();
  }

  private judge(): void {
    const configured = healthOf(this.configuredHealth);
    if (this.has(FailedActive)) this.health = Unhealthy;
    else if (configured === Healthy && this.has(DegradedActive)) this.health = Degraded;
    else this.health = configured;
  }

  /** New connections go to `address` from now on; open ones stay where they are (LOGICAL_DNS). */
  moveTo(address: Address): void {
    this.address = address;
    this.text = formatAddress(address);
  }
}

/** Envoy's words in its order, and which marks or configured states they stand for. */
const FLAGS: readonly (readonly [word: string, mark: number, ...configured: Endpoint["health"][]])[] = [
  ["/failed_active_hc", FailedActive],
  ["/failed_eds_health", 0, "UNHEALTHY", "TIMEOUT", "DRAINING"],
  ["/degraded_active_hc", DegradedActive],
  ["/degraded_eds_health", 0, "DEGRADED"],
  ["/pending_dynamic_removal", PendingRemoval],
  ["/pending_active_hc", PendingActive],
  ["/excluded_via_immediate_hc_fail", ExcludedAtOnce],
  ["/active_hc_timeout", TimedOutActive],
  ["/eds_status_draining", 0, "DRAINING"],
];

/** Envoy's `health_flags` text: "healthy" or the reasons why not, each with a leading "/". */
export function healthFlags(health: Endpoint["health"], marks: number): string {
  const words = FLAGS.filter(
    ([, mark, ...configured]) => (marks & mark) !== 0 || configured.includes(health),
  );
  return words.length === 0 ? "healthy" : words.map(([word]) => word).join("");
}
