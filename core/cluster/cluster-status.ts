/** A cluster as plain, structured-cloneable data: what a worker hands to the admin page `/clusters`. */
import type { Cluster, Endpoint, Locality, Thresholds } from "../config/model.ts";
import type { Address } from "../io/socket.ts";
import type { EndpointState } from "./endpoint.ts";

export interface EndpointStatus {
  readonly address: Address;
  /** As it is spelt in the page's lines. */
  readonly text: string;
  readonly hostname: string;
  /** What health checks make of it: bits, see `EndpointState.marks`. */
  readonly marks: number;
  /** As configured by EDS. */
  readonly edsHealth: Endpoint["health"];
  readonly weight: number;
  readonly priority: number;
  readonly locality: Locality;
  readonly cxActive: number;
  readonly cxConnectFail: number;
  readonly cxTotal: number;
  readonly rqActive: number;
  readonly rqError: number;
  readonly rqPendingActive: number;
  readonly rqSuccess: number;
  readonly rqTimeout: number;
  readonly rqTotal: number;
}

export interface ClusterStatus {
  readonly name: string;
  /** `alt_stat_name`, or the name. */
  readonly observabilityName: string;
  readonly edsServiceName: string;
  /** As configured, for the whole process. */
  readonly defaultThresholds: Thresholds;
  readonly highThresholds: Thresholds;
  readonly endpoints: readonly EndpointStatus[];
}

/** The status of a cluster and its endpoints now. */
export function statusOf(config: Cluster, endpoints: Iterable<EndpointState>): ClusterStatus {
  return {
    name: config.name,
    observabilityName: config.altStatName === "" ? config.name : config.altStatName,
    edsServiceName: config.edsServiceName,
    defaultThresholds: config.circuitBreakers.default,
    highThresholds: config.circuitBreakers.high,
    endpoints: Array.from(endpoints, endpointStatus),
  };
}

/** The statuses that workers give of one endpoint are merged by adding the numbers from `cxActive` on. */
function endpointStatus(endpoint: EndpointState): EndpointStatus {
  const { address, text, hostname, weight, priority, locality } = endpoint;
  const {
    cxActive,
    cxConnectFail,
    cxTotal,
    rqActive,
    rqError,
    rqPendingActive,
    rqSuccess,
    rqTimeout,
    rqTotal,
  } = endpoint;
  return {
    address,
    text,
    hostname,
    marks: endpoint.marks,
    edsHealth: endpoint.configuredHealth,
    weight,
    priority,
    locality,
    cxActive,
    cxConnectFail,
    cxTotal,
    rqActive,
    rqError,
    rqPendingActive,
    rqSuccess,
    rqTimeout,
    rqTotal,
  };
}
