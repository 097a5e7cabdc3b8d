/** `/clusters` and `/listeners`, as text and as `envoy.admin.v3.Clusters` and `Listeners`. */
import type { ClusterStatus, EndpointStatus } from "../../../core/cluster/cluster-status.ts";
import {
  DegradedActive,
  ExcludedAtOnce,
  FailedActive,
  healthFlags,
  PendingActive,
  PendingRemoval,
  TimedOutActive,
} from "../../../core/cluster/endpoint.ts";
import type { Cluster, Json, Thresholds } from "../../../core/config/model.ts";
import { formatAddress } from "../../../core/io/socket.ts";
import { addressJson } from "./address-json.ts";
import type { AdminSource } from "./admin-source.ts";

/** A cluster in force with the endpoints that the workers see. */
interface Row {
  readonly cluster: Cluster;
  readonly addedViaApi: boolean;
  readonly endpoints: readonly EndpointStatus[];
}

async function rows(source: AdminSource, matches: (name: string) => boolean): Promise<Row[]> {
  const seen = new Map((await source.clusters()).map((each) => [each.name, each.endpoints]));
  const fixed = new Set(source.bootstrap.clusters.map(({ name }) => name));
  // While the first configuration waits for the first round of health checks, its clusters are worth a look already.
  const { bootstrap, snapshot } = source;
  const clusters =
    snapshot.clusters.length > 0 ? snapshot.clusters : bootstrap.clusters.map(({ model }) => model);
  return clusters
    .filter(({ name }) => matches(name))
    .map((cluster) => ({
      cluster,
      addedViaApi: !fixed.has(cluster.name),
      endpoints: seen.get(cluster.name) ?? [],
    }));
}

/** Adds up what several workers saw of the same endpoints. */
export function mergeClusters(workers: readonly (readonly ClusterStatus[])[]): readonly ClusterStatus[] {
  if (workers.length === 1) return workers[0];
  const merged = new Map<string, ClusterStatus>();
  for (const cluster of workers.flat()) {
    const known = merged.get(cluster.name);
    const endpoints = known === undefined ? cluster.endpoints : mergeEndpoints(known, cluster);
    merged.set(cluster.name, { ...cluster, endpoints });
  }
  return [...merged.values()];
}

function mergeEndpoints(one: ClusterStatus, other: ClusterStatus): EndpointStatus[] {
  const merged = new Map<string, EndpointStatus>();
  for (const endpoint of [...one.endpoints, ...other.endpoints]) {
    const key = `${endpoint.priority} ${endpoint.text} ${endpoint.hostname}`;
    const known = merged.get(key);
    merged.set(key, known === undefined ? endpoint : sum(known, endpoint));
  }
  return [...merged.values()];
}

function sum(a: EndpointStatus, b: EndpointStatus): EndpointStatus {
  return {
    ...a,
    marks: a.marks | b.marks,
    cxActive: a.cxActive + b.cxActive,
    cxConnectFail: a.cxConnectFail + b.cxConnectFail,
    cxTotal: a.cxTotal + b.cxTotal,
    rqActive: a.rqActive + b.rqActive,
    rqError: a.rqError + b.rqError,
    rqPendingActive: a.rqPendingActive + b.rqPendingActive,
    rqSuccess: a.rqSuccess + b.rqSuccess,
    rqTimeout: a.rqTimeout + b.rqTimeout,
    rqTotal: a.rqTotal + b.rqTotal,
  };
}

function observabilityName({ name, altStatName }: Cluster): string {
  return altStatName === "" ? name : altStatName;
}

/** The text page, one `cluster::…::…` per line. */
export async function clustersText(source: AdminSource, matches: (name: string) => boolean): Promise<string> {
  let text = "";
  for (const { cluster, addedViaApi, endpoints } of await rows(source, matches)) {
    const line = (rest: string) => {
      text += `${cluster.name}::${rest}\n`;
    };
    line(`observability_name::${observabilityName(cluster)}`);
    for (const [priority, limits] of Object.entries(cluster.circuitBreakers) as [string, Thresholds][]) {
      line(`${priority}_priority::max_connections::${limits.maxConnections}`);
      line(`${priority}_priority::max_pending_requests::${limits.maxPendingRequests}`);
      line(`${priority}_priority::max_requests::${limits.maxRequests}`);
      line(`${priority}_priority::max_retries::${limits.maxRetries}`);
    }
    line(`added_via_api::${addedViaApi}`);
    if (cluster.edsServiceName !== "") line(`eds_service_name::${cluster.edsServiceName}`);
    for (const host of endpoints) {
      const at = host.text;
      const values: [string, string | number][] = [
        ["cx_active", host.cxActive],
        ["cx_connect_fail", host.cxConnectFail],
        ["cx_total", host.cxTotal],
        ["rq_active", host.rqActive],
        ["rq_error", host.rqError],
        ["rq_pending_active", host.rqPendingActive],
        ["rq_success", host.rqSuccess],
        ["rq_timeout", host.rqTimeout],
        ["rq_total", host.rqTotal],
        ["hostname", host.hostname],
        ["health_flags", healthFlags(host.edsHealth, host.marks)],
        ["weight", host.weight],
        ["region", host.locality.region],
        ["zone", host.locality.zone],
        ["sub_zone", host.locality.subZone],
        ["canary", "false"],
        ["priority", host.priority],
        ["success_rate", -1],
        ["local_origin_success_rate", -1],
      ];
      for (const [name, value] of values) line(`${at}::${name}::${value}`);
    }
  }
  return text;
}

/** `envoy.admin.v3.Clusters`. */
export async function clustersJson(source: AdminSource, matches: (name: string) => boolean): Promise<Json> {
  const statuses = (await rows(source, matches)).map(({ cluster, addedViaApi, endpoints }) => ({
    name: cluster.name,
    ...(addedViaApi ? { added_via_api: true } : {}),
    ...(endpoints.length === 0 ? {} : { host_statuses: endpoints.map(hostJson) }),
    circuit_breakers: {
      thresholds: [
        thresholdsJson(cluster.circuitBreakers.default),
        { priority: "HIGH", ...thresholdsJson(cluster.circuitBreakers.high) },
      ],
    },
    observability_name: observabilityName(cluster),
    ...(cluster.edsServiceName === "" ? {} : { eds_service_name: cluster.edsServiceName }),
  }));
  return statuses.length === 0 ? {} : { cluster_statuses: statuses };
}

function thresholdsJson(limits: Thresholds): { readonly [name: string]: Json } {
  return {
    max_connections: limits.maxConnections,
    max_pending_requests: limits.maxPendingRequests,
    max_requests: limits.maxRequests,
    max_retries: limits.maxRetries,
  };
}

/** Counters come before gauges and zero is left out, as protobuf's JSON does. */
function hostJson(host: EndpointStatus): Json {
  const counter = (name: string, value: number): Json =>
    value === 0 ? { name } : { value: `${value}`, name };
  const gauge = (name: string, value: number): Json => ({
    type: "GAUGE",
    ...(value === 0 ? {} : { value: `${value}` }),
    name,
  });
  const { region, zone, subZone } = host.locality;
  return {
    address: addressJson(host.address),
    stats: [
      counter("cx_connect_fail", host.cxConnectFail),
      counter("cx_total", host.cxTotal),
      counter("rq_error", host.rqError),
      counter("rq_success", host.rqSuccess),
      counter("rq_timeout", host.rqTimeout),
      counter("rq_total", host.rqTotal),
      gauge("cx_active", host.cxActive),
      gauge("rq_active", host.rqActive),
      gauge("rq_pending_active", host.rqPendingActive),
    ],
    health_status: healthJson(host),
    weight: host.weight,
    ...(host.hostname === "" ? {} : { hostname: host.hostname }),
    ...(host.priority === 0 ? {} : { priority: host.priority }),
    locality: {
      ...(region === "" ? {} : { region }),
      ...(zone === "" ? {} : { zone }),
      ...(subZone === "" ? {} : { sub_zone: subZone }),
    },
  };
}

/** `HostHealthStatus`; what is not so is left out. */
function healthJson({ marks, edsHealth }: EndpointStatus): Json {
  const flag = (name: string, mark: number) => ((marks & mark) === 0 ? {} : { [name]: true });
  return {
    ...flag("failed_active_health_check", FailedActive),
    eds_health_status: edsHealth === "UNKNOWN" ? "HEALTHY" : edsHealth,
    ...flag("failed_active_degraded_check", DegradedActive),
    ...flag("pending_dynamic_removal", PendingRemoval),
    ...flag("pending_active_hc", PendingActive),
    ...flag("excluded_via_immediate_hc_fail", ExcludedAtOnce),
    ...flag("active_hc_timeout", TimedOutActive),
  };
}

/** `<name>::<address>` per socket. */
export function listenersText({ listening }: AdminSource): string {
  return listening.map(({ listener, actual }) => `${listener}::${formatAddress(actual)}\n`).join("");
}

/** `envoy.admin.v3.Listeners`; a listener's further addresses follow its first. */
export function listenersJson({ listening }: AdminSource): Json {
  const byName = new Map<string, Json[]>();
  for (const { listener, actual } of listening) {
    byName.set(listener, [...(byName.get(listener) ?? []), addressJson(actual)]);
  }
  const statuses = [...byName].map(([name, [first, ...more]]) => ({
    name,
    local_address: first,
    ...(more.length === 0 ? {} : { additional_local_addresses: more }),
  }));
  return statuses.length === 0 ? {} : { listener_statuses: statuses };
}
