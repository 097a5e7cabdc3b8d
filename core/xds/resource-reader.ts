/** One message of a dynamic or static resource → `Resource`: its model, its source for dumps, its version. */
import type {
  Cluster,
  ClusterLoadAssignment,
  ExtensionConfig,
  FilterConfig,
  Listener,
  RouteConfiguration,
} from "../config/model.ts";
import type { Secret } from "../config/tls.ts";
import { readCluster } from "./cluster.ts";
import { readLoadAssignment } from "./endpoints.ts";
import { readFilterConfig } from "./filter-config.ts";
import type { Cluster as ClusterMessage } from "./generated/envoy/config/cluster/v3/cluster_pb.ts";
import type { TypedExtensionConfig } from "./generated/envoy/config/core/v3/extension_pb.ts";
import type { ClusterLoadAssignment as ClusterLoadAssignmentMessage } from "./generated/envoy/config/endpoint/v3/endpoint_pb.ts";
import type { Listener as ListenerMessage } from "./generated/envoy/config/listener/v3/listener_pb.ts";
import type { RouteConfiguration as RouteConfigurationMessage } from "./generated/envoy/config/route/v3/route_pb.ts";
import type { Secret as SecretMessage } from "./generated/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import { readListener } from "./listener.ts";
import type { AnyMessage } from "./message.ts";
import type { Reader } from "./reader.ts";
import type { ModelOf, Resource, ResourceKind, Subscription } from "./resource.ts";
import { readRouteConfiguration } from "./route-configuration.ts";
import { readSecret } from "./tls-secret.ts";
import { messageToJson } from "./to-json.ts";
import { versionOf } from "./version.ts";

/** Reads a listener (LDS or static). */
export function listenerResource(reader: Reader<ListenerMessage>): Resource<Listener> {
  return resource(reader, (version, wants) => readListener(reader, version, wants));
}

/** Reads a cluster (CDS or static). */
export function clusterResource(reader: Reader<ClusterMessage>): Resource<Cluster> {
  return resource(reader, (version, wants) => readCluster(reader, version, wants));
}

/** Reads a route configuration (RDS). */
export function routesResource(reader: Reader<RouteConfigurationMessage>): Resource<RouteConfiguration> {
  return resource(reader, (version) => {
    const routes = readRouteConfiguration(reader, version, false);
    if (routes.name === "") reader.fault("name", "must not be empty");
    return routes;
  });
}

/** Reads the endpoints of a cluster (EDS), which are addresses, not names. */
export function endpointsResource(
  reader: Reader<ClusterLoadAssignmentMessage>,
): Resource<ClusterLoadAssignment> {
  return resource(reader, (version) => readLoadAssignment(reader, version, "EDS"));
}

/** Reads the configuration of an HTTP filter (ECDS). */
export function extensionResource(reader: Reader<TypedExtensionConfig>): Resource<ExtensionConfig> {
  return resource(reader, (version) => {
    const name = reader.text("name");
    const { typeName, config } = readFilterConfig(reader.context, reader.packed(), false) ?? NOT_CONFIGURED;
    return { name, version, typeName, config };
  });
}

/** Reads a secret (SDS). */
export function secretResource(reader: Reader<SecretMessage>): Resource<Secret> {
  return resource(reader, (version) => {
    const secret = readSecret(reader, version);
    if (secret.name === "") reader.fault("name", "must not be empty");
    return secret;
  });
}

/** Stands in where a configuration is missing, which is reported. */
const NOT_CONFIGURED: FilterConfig = { typeName: "", config: {} };

function resource<T extends ModelOf[ResourceKind]>(
  reader: { readonly message: { $typeName: string } },
  read: (version: string, wants: Subscription[]) => T,
): Resource<T> {
  const source = messageToJson(reader.message as AnyMessage);
  const wants: Subscription[] = [];
  const model = read(versionOf(source), wants);
  const name = "clusterName" in model ? model.clusterName : model.name;
  return { name, version: model.version, model, source, wants };
}
