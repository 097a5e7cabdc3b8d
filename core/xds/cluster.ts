/** Clusters, with every default filled in. */
import type { Cluster, ClusterLoadAssignment, DnsOptions, Thresholds } from "../config/model.ts";
import type { LookupFamily } from "../io/platform.ts";
import { readConfigSource } from "./config-source.ts";
import { readLoadAssignment } from "./endpoints.ts";
import type {
  CircuitBreakers,
  CircuitBreakers_Thresholds,
} from "./generated/envoy/config/cluster/v3/circuit_breaker_pb.ts";
import type { Cluster as ClusterMessage } from "./generated/envoy/config/cluster/v3/cluster_pb.ts";
import type { TcpKeepalive } from "./generated/envoy/config/core/v3/address_pb.ts";
import type { ClusterLoadAssignment as ClusterLoadAssignmentMessage } from "./generated/envoy/config/endpoint/v3/endpoint_pb.ts";
import { readHealth } from "./health-check.ts";
import { readLoadBalancing } from "./load-balancing.ts";
import type { AnyMessage } from "./message.ts";
import { readMetadata } from "./metadata.ts";
import type { Reader } from "./reader.ts";
import type { Subscription } from "./resource.ts";
import { messageToJson } from "./to-json.ts";
import { readUpstreamSocket } from "./transport-socket.ts";
import { readUpstreamHttp } from "./upstream-http.ts";
import { versionOf } from "./version.ts";

/** What Linux takes at most for TCP keepalive. */
const MAX_PROBES = 127;
const MAX_SECONDS = 32_767;

/** Reads a cluster; the endpoints that it subscribes to are added to `wants`. */
export function readCluster(reader: Reader<ClusterMessage>, version: string, wants: Subscription[]): Cluster {
  const tls = readUpstreamSocket(reader.child("transportSocket"), wants);
  const type = readType(reader);
  const name = reader.text("name");
  const edsServiceName = readEds(reader, type, name, wants);
  const connection = reader.child("upstreamConnectionOptions");
  const balancing = reader.child("commonLbConfig");
  const locality = balancing?.oneof("localityConfigSpecifier");
  if (locality?.case === "zoneAwareLbConfig") balancing?.refuseOneof(locality);
  const http = readUpstreamHttp(reader, tls !== null);
  return {
    name,
    version,
    altStatName: reader.text("altStatName"),
    type,
    ...readLoadBalancing(reader),
    connectTimeout: reader.duration("connectTimeout", 5000),
    perConnectionBufferLimitBytes: reader.number("perConnectionBufferLimitBytes", 1024 * 1024),
    loadAssignment: readEndpoints(reader, type, name),
    edsServiceName,
    dns: readDns(reader),
    circuitBreakers: readCircuitBreakers(reader.child("circuitBreakers")),
    ...http,
    ...readHealth(reader, http.http2, balancing?.take("ignoreNewHostsUntilFirstHc") ?? false),
    healthyPanicThreshold: balancing?.child("healthyPanicThreshold")?.take("value") ?? 50,
    localityWeighted: locality?.case === "localityWeightedLbConfig",
    tcpPoolIdleTimeout: 600_000,
    tcpKeepalive: readKeepalive(connection?.child("tcpKeepalive") ?? null),
    metadata: readMetadata(reader.child("metadata")),
    ...(tls === null ? {} : { tls }),
  };
}

function readType(reader: Reader<ClusterMessage>): Cluster["type"] {
  const chosen = reader.oneof("clusterDiscoveryType");
  if (chosen.case === undefined) return "STATIC";
  if (chosen.case === "clusterType") {
    reader.refuseOneof(chosen);
    return "STATIC";
  }
  return reader.named("type", chosen.value, ["STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS"]);
}

function readEds(
  reader: Reader<ClusterMessage>,
  type: Cluster["type"],
  name: string,
  wants: Subscription[],
): string {
  const eds = reader.child("edsClusterConfig");
  if (type !== "EDS") {
    if (eds !== null) {
      eds.inert("edsConfig", "serviceName");
      reader.fault("edsClusterConfig", "must only be set for type EDS");
    }
    return "";
  }
  if (eds === null) {
    reader.fault("edsClusterConfig", "must be set for type EDS");
    return "";
  }
  const serviceName = eds.text("serviceName");
  const source = eds.child("edsConfig");
  if (source === null) eds.fault("edsConfig", "must be set");
  else wants.push({ kind: "EDS", name: serviceName || name, ...readConfigSource(source) });
  return serviceName;
}

function readEndpoints(
  reader: Reader<ClusterMessage>,
  type: Cluster["type"],
  name: string,
): ClusterLoadAssignment | null {
  const assignment = reader.child("loadAssignment");
  if (type === "EDS") {
    if (assignment !== null) {
      assignment.inert("clusterName", "endpoints", "namedEndpoints", "policy");
      reader.fault("loadAssignment", "must not be set for type EDS");
    }
    return null;
  }
  const read = assignment === null ? noEndpoints(name) : readInline(assignment, type);
  const endpoints = read.localities.reduce((sum, locality) => sum + locality.endpoints.length, 0);
  if (type === "LOGICAL_DNS" && (read.localities.length !== 1 || endpoints !== 1)) {
    reader.fault("loadAssignment", "must have exactly one endpoint for type LOGICAL_DNS");
  }
  return read;
}

function readInline(
  reader: Reader<ClusterLoadAssignmentMessage>,
  type: Cluster["type"],
): ClusterLoadAssignment {
  return readLoadAssignment(reader, versionOf(messageToJson(reader.message as unknown as AnyMessage)), type);
}

/** A cluster need not have endpoints: that is how a black hole is made. */
function noEndpoints(clusterName: string): ClusterLoadAssignment {
  return { clusterName, version: "", localities: [], overprovisioningFactor: 140 };
}

function readDns(reader: Reader<ClusterMessage>): DnsOptions {
  const refreshRate = reader.duration("dnsRefreshRate", 5000);
  const failure = reader.child("dnsFailureRefreshRate");
  const failureRefreshBase = failure?.duration("baseInterval", refreshRate) ?? refreshRate;
  // Without a rate of its own, a failed look-up is repeated at the usual rate.
  const failureRefreshMax =
    failure === null ? refreshRate : (failure.duration("maxInterval", null) ?? 10 * failureRefreshBase);
  if (failureRefreshMax < failureRefreshBase)
    failure?.fault("maxInterval", "must not be below base_interval");
  const family = reader.choice("dnsLookupFamily", ["AUTO", "V4_ONLY", "V6_ONLY", "V4_PREFERRED", "ALL"]);
  return {
    refreshRate,
    failureRefreshBase,
    failureRefreshMax,
    jitter: 0,
    respectTtl: reader.take("respectDnsTtl"),
    lookupFamily: family.toLowerCase() as LookupFamily,
  };
}

function readCircuitBreakers(reader: Reader<CircuitBreakers> | null): Cluster["circuitBreakers"] {
  let normal: Thresholds | null = null;
  let high: Thresholds | null = null;
  for (const entry of reader?.children("thresholds") ?? []) {
    const priority = entry.choice("priority", ["DEFAULT", "HIGH"]);
    const thresholds = readThresholds(entry);
    if ((priority === "HIGH" ? high : normal) !== null)
      entry.fault("priority", `is given twice: ${priority}`);
    if (priority === "HIGH") high = thresholds;
    else normal = thresholds;
  }
  return { default: normal ?? readThresholds(null), high: high ?? readThresholds(null) };
}

function readThresholds(reader: Reader<CircuitBreakers_Thresholds> | null): Thresholds {
  const budget = reader?.child("retryBudget") ?? null;
  const retryBudget =
    budget === null
      ? null
      : {
          percent: budget.child("budgetPercent")?.take("value") ?? 20,
          minConcurrency: budget.number("minRetryConcurrency", 3),
        };
  return {
    maxConnections: reader?.number("maxConnections", 1024) ?? 1024,
    maxPendingRequests: reader?.number("maxPendingRequests", 1024) ?? 1024,
    maxRequests: reader?.number("maxRequests", 1024) ?? 1024,
    maxRetries: reader?.number("maxRetries", 3) ?? 3,
    retryBudget,
    trackRemaining: reader?.take("trackRemaining") ?? false,
    maxConnectionPools: reader?.number("maxConnectionPools", 0xffffffff) ?? 0xffffffff,
  };
}

function readKeepalive(reader: Reader<TcpKeepalive> | null): Cluster["tcpKeepalive"] {
  if (reader === null) return null;
  const probes = readBelow(reader, "keepaliveProbes", MAX_PROBES);
  const time = readBelow(reader, "keepaliveTime", MAX_SECONDS);
  const interval = readBelow(reader, "keepaliveInterval", MAX_SECONDS);
  // Seen in Envoy 1.40: a zero in any of them turns the whole off.
  if (probes === 0 || time === 0 || interval === 0) return null;
  return { probes: probes ?? 0, time: time ?? 0, interval: interval ?? 0 };
}

/** The field, or null where the document is silent. Envoy finds out when it connects, and then cannot. */
function readBelow(
  reader: Reader<TcpKeepalive>,
  key: "keepaliveProbes" | "keepaliveTime" | "keepaliveInterval",
  most: number,
): number | null {
  const value = reader.number(key, null);
  if (value !== null && value > most) reader.fault(key, `must be at most ${most}, as the kernel has it`);
  return value;
}
