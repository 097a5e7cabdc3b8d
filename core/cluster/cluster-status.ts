/**
 * The members of a cluster as one worker sees them, as plain data: what `/clusters` is made of. Workers fill it
 * when asked; the supervisor adds up the counters of the same host.
 */
import type { Endpoint, Locality } from "../config/model.ts";
import type { Address } from "../io/socket.ts";

/** One upstream host. Counters count since the worker first knew it. */
export interface HostStatus {
  readonly address: Address;
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly locality: Locality;
  readonly health: Endpoint["health"];
  /** Envoy's `health_flags` text, e.g. "healthy". */
  readonly healthFlags: string;
  readonly cxActive: number;
  readonly cxConnectFail: number;
  readonly cxTotal: number;
  readonly rqActive: number;
  readonly rqPendingActive: number;
  readonly rqError: number;
  readonly rqSuccess: number;
  readonly rqTimeout: number;
  readonly rqTotal: number;
}

/** One cluster with its hosts in the order of the load assignment. */
export interface ClusterStatus {
  readonly name: string;
  readonly hosts: readonly HostStatus[];
}
