/**
 * A DiscoveryResponse document (xDS from a file) → resources. All or nothing per resource: the good ones are
 * usable whatever is wrong with the others.
 */
import type { ConfigFault } from "../config/config-fault.ts";
import type { Json } from "../config/model.ts";
import type { Secret } from "../config/tls.ts";
import type { Checks } from "./checks.ts";
import { Faults } from "./faults.ts";
import { messageFromJson } from "./from-json.ts";
import { type AnyMessage, emptyMessage, typeNameOf } from "./message.ts";
import { Context } from "./reader.ts";
import type { InlineSecret, ModelOf, Rejected, Resource, ResourceKind, Update } from "./resource.ts";
import {
  clusterResource,
  endpointsResource,
  extensionResource,
  listenerResource,
  routesResource,
  secretResource,
} from "./resource-reader.ts";
import { nameOfKind } from "./scalars.ts";
import { type MessageType, messageType } from "./schema.ts";
import { validate } from "./validate.ts";

type JsonObject = { readonly [key: string]: Json };
type Model = ModelOf[ResourceKind];

/** The message that each kind of resource is. */
export const RESOURCE_TYPES: { readonly [K in ResourceKind]: string } = {
  LDS: "envoy.config.listener.v3.Listener",
  CDS: "envoy.config.cluster.v3.Cluster",
  RDS: "envoy.config.route.v3.RouteConfiguration",
  EDS: "envoy.config.endpoint.v3.ClusterLoadAssignment",
  ECDS: "envoy.config.core.v3.TypedExtensionConfig",
  SDS: "envoy.extensions.transport_sockets.tls.v3.Secret",
};

const ENVELOPE = "envoy.service.discovery.v3.DiscoveryResponse";
const WRAPPER = "envoy.service.discovery.v3.Resource";

/**
 * Reads an `envoy.service.discovery.v3.DiscoveryResponse` in JSON shape that carries resources of `kind`. Never
 * throws. A resource may stand in an `envoy.service.discovery.v3.Resource`.
 */
export function readResources<K extends ResourceKind>(
  kind: K,
  json: Json,
  checks: Checks = {},
): Update<ModelOf[K]> {
  const faults = new Faults();
  const entries = readEnvelope(json, faults);
  const resources: Resource<Model>[] = [];
  const rejected: Rejected[] = [];
  const names = new Set<string>();
  if (faults.count === 0) {
    entries.forEach((entry, i) => {
      const found = new Faults();
      const resource = readResource(kind, entry, `resources[${i}]`, found, checks);
      const name = resource?.name ?? "";
      if (resource !== null && found.count === 0 && names.has(name)) {
        found.add(`resources[${i}]`, `is given twice: ${JSON.stringify(name)}`);
      }
      names.add(name);
      if (resource !== null && found.count === 0) resources.push(resource);
      else rejected.push({ name, faults: found.list(), wants: resource?.wants ?? [] });
    });
  }
  const version =
    faults.count === 0 ? ((json as JsonObject).version_info ?? (json as JsonObject).versionInfo) : "";
  return {
    versionInfo: typeof version === "string" ? version : "",
    resources: resources as unknown as Resource<ModelOf[K]>[],
    rejected,
    faults: faults.list(),
  };
}

/** The packed resources; each is decoded by itself, so that one bad apple stays one. */
function readEnvelope(json: Json, faults: Faults): readonly Json[] {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    faults.add("", `must be an object, not ${nameOfKind(json)}`);
    return [];
  }
  const { resources, ...envelope } = json as JsonObject;
  messageFromJson(ENVELOPE, envelope, "", faults);
  if (resources === undefined || resources === null) return [];
  if (Array.isArray(resources)) return resources;
  faults.add("resources", `must be a list, not ${nameOfKind(resources)}`);
  return [];
}

function readResource(
  kind: ResourceKind,
  json: Json,
  path: string,
  faults: Faults,
  checks: Checks,
): Resource<Model> | null {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    faults.add(path, `must be an object, not ${nameOfKind(json)}`);
    return null;
  }
  const { "@type": typeUrl, ...content } = json as JsonObject;
  const expected = RESOURCE_TYPES[kind];
  if (typeof typeUrl !== "string") {
    faults.add(`${path}.@type`, `must be type.googleapis.com/${expected}`);
    return null;
  }
  if (typeNameOf(typeUrl) === WRAPPER) {
    const { resource, ...rest } = content;
    messageFromJson(WRAPPER, rest, path, faults);
    return readResource(kind, resource ?? null, `${path}.resource`, faults, checks);
  }
  if (typeNameOf(typeUrl) !== expected || messageType(expected) === null) {
    faults.add(`${path}.@type`, `must be type.googleapis.com/${expected}, not ${typeUrl}`);
    return null;
  }
  const message = messageFromJson(expected, content, path, faults);
  validate(message, path, faults);
  const context = new Context(faults, checks);
  const resource = translate(kind, context, message, path);
  context.finish();
  return resource;
}

function translate(kind: ResourceKind, context: Context, message: AnyMessage, path: string): Resource<Model> {
  switch (kind) {
    case "LDS":
      return listenerResource(context.open(message, path));
    case "CDS":
      return clusterResource(context.open(message, path));
    case "RDS":
      return routesResource(context.open(message, path));
    case "EDS":
      return endpointsResource(context.open(message, path));
    case "ECDS":
      return extensionResource(context.open(message, path));
    case "SDS":
      return secretResource(context.open(message, path));
  }
}

/**
 * Reads a secret that stands in a document, with the files that it names as they are now. `name`: see `Subscription`.
 * Paths of faults begin with its kind.
 */
export function readInlineSecret(
  name: string,
  secret: InlineSecret,
  checks: Checks,
): { readonly resource: Resource<Secret> | null; readonly faults: readonly ConfigFault[] } {
  const faults = new Faults();
  const context = new Context(faults, checks);
  const type = secret.kind === "tls_certificate" ? "tlsCertificate" : "validationContext";
  const message = {
    ...emptyMessage(messageType(RESOURCE_TYPES.SDS) as MessageType),
    name,
    type: { case: type, value: secret.message },
  };
  const resource = secretResource(context.open(message, ""));
  context.finish();
  return { resource: faults.count === 0 ? resource : null, faults: faults.list() };
}
