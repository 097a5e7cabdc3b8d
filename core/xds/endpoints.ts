/** Endpoints of a cluster, inline or by EDS. */
import type { Cluster, ClusterLoadAssignment, Endpoint, LocalityEndpoints } from "../config/model.ts";
import { readAddress, readLocality } from "./address.ts";
import type {
  LbEndpoint,
  LocalityLbEndpoints,
} from "./generated/envoy/config/endpoint/v3/endpoint_components_pb.ts";
import type { ClusterLoadAssignment as ClusterLoadAssignmentMessage } from "./generated/envoy/config/endpoint/v3/endpoint_pb.ts";
import { readEndpointHealthCheck } from "./health-check.ts";
import { readMetadata } from "./metadata.ts";
import type { Reader } from "./reader.ts";

/** Reads a load assignment for a cluster of that type: names are allowed where DNS resolves them. */
export function readLoadAssignment(
  reader: Reader<ClusterLoadAssignmentMessage>,
  version: string,
  type: Cluster["type"],
): ClusterLoadAssignment {
  const hostnames = type === "STRICT_DNS" || type === "LOGICAL_DNS";
  const policy = reader.child("policy");
  return {
    clusterName: reader.text("clusterName"),
    version,
    localities: reader.children("endpoints").map((locality) => readLocalityEndpoints(locality, hostnames)),
    overprovisioningFactor: policy?.number("overprovisioningFactor", 140) ?? 140,
  };
}

function readLocalityEndpoints(reader: Reader<LocalityLbEndpoints>, hostnames: boolean): LocalityEndpoints {
  return {
    locality: readLocality(reader.child("locality")),
    priority: reader.take("priority"),
    weight: reader.number("loadBalancingWeight", 0),
    endpoints: reader.children("lbEndpoints").map((endpoint) => readEndpoint(endpoint, hostnames)),
    metadata: readMetadata(reader.child("metadata")),
  };
}

function readEndpoint(reader: Reader<LbEndpoint>, hostnames: boolean): Endpoint {
  const chosen = reader.oneof("hostIdentifier");
  if (chosen.case === "endpointName") reader.refuseOneof(chosen);
  else if (chosen.case === undefined) reader.faultHere("endpoint must be set");
  const endpoint = chosen.case === "endpoint" ? chosen.value : null;
  const address = endpoint?.child("address") ?? null;
  if (endpoint !== null && address === null) endpoint.fault("address", "must be set");
  const read = readAddress(address, hostnames);
  const healthCheck = readEndpointHealthCheck(endpoint?.child("healthCheckConfig") ?? null);
  if (hostnames && read.path !== "")
    address?.faultHere("must be a host name or an IP address in a DNS cluster");
  return {
    address: read,
    hostname: endpoint?.text("hostname") ?? "",
    weight: reader.number("loadBalancingWeight", 1),
    health: reader.choice("healthStatus", [
      "UNKNOWN",
      "HEALTHY",
      "UNHEALTHY",
      "DRAINING",
      "TIMEOUT",
      "DEGRADED",
    ]),
    metadata: readMetadata(reader.child("metadata")) ?? {},
    ...(healthCheck === null ? {} : { healthCheck }),
  };
}
