/** A cluster as plain, structured-cloneable data: what a worker hands to the admin page `/clusters`. */
import type { Cluster, Locality, Thresholds } from "../config/model.ts";
import type { Address } from "../io/socket.ts";
import { type EndpointState, healthFlags } from "./endpoint.ts";

export interface EndpointStatus {
  readonly address: Address;
  /** As it is spelt in the page's lines. */
  readonly text: string;
  readonly hostname: string;
  /** "healthy", or Envoy's reasons why not, each with a leading "/". */
  readonly healthFlags: string;
  /** As configured by EDS. */
  readonly edsHealth: string;
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
    healthFlags: healthFlags(endpoint),
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
