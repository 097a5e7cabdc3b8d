/**
 * One upstream host as a worker sees it: where it is, how much of the load it should get, and what happened to
 * it so far. The state outlives configuration updates as long as its address stays in the cluster, so its
 * connection pool and its counters do too.
 *
 * Knows no cluster, no balancer and no pool: the engine keeps its own object in `pool`.
 * Law: fixed shape; the counters are plain numbers that the engine increments directly.
 */
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
  health: Health;
  /** As configured, for admin pages. */
  configuredHealth: Endpoint["health"];
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
    this.locality = locality;
    this.priority = priority;
    this.metadata = endpoint.metadata;
    this.localityMetadata = localityMetadata;
  }

  /** New connections go to `address` from now on; open ones stay where they are (LOGICAL_DNS). */
  moveTo(address: Address): void {
    this.address = address;
    this.text = formatAddress(address);
  }
}

/** Envoy's `health_flags` text: "healthy" or the reasons why not, each with a leading "/". */
export function healthFlags(endpoint: EndpointState): string {
  switch (endpoint.configuredHealth) {
    case "UNKNOWN":
    case "HEALTHY":
      return "healthy";
    case "DEGRADED":
      return "/degraded_eds_health";
    case "DRAINING":
      return "/failed_eds_health/eds_status_draining";
    default:
      return "/failed_eds_health";
  }
}
