/**
 * `/config_dump`: what was configured, where it came from, since when, and why a newer version is not in force.
 * Shapes are `envoy.admin.v3.ConfigDump` and its parts. Secrets cannot leak from here: the sources of resources hold
 * "[redacted]" wherever the API marks a field as sensitive, and what stands in an address (`http_uri`) is left out.
 */
import type { ClusterLoadAssignment, Endpoint, Json, LocalityEndpoints } from "../../../core/config/model.ts";
import type { Resource } from "../../../core/xds/resource.ts";
import { withoutSecrets } from "../modules/shown-address.ts";
import type { Delivery } from "../subscriptions.ts";
import { addressJson } from "./address-json.ts";
import type { AdminSource } from "./admin-source.ts";

type Fields = { [name: string]: Json };

/** What the query asked for. */
export interface DumpQuery {
  /** A repeated field of the dumps, "" = all of them. */
  readonly resource: string;
  /** Comma-separated field paths, "" = everything. */
  readonly mask: string;
  readonly matchesName: (name: string) => boolean;
  readonly includeEds: boolean;
}

/** A body, or a complaint. */
export interface DumpAnswer {
  readonly status: 200 | 400 | 404;
  readonly json: Json | undefined;
  readonly text: string;
}

const ADMIN = "type.googleapis.com/envoy.admin.v3.";
const LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener";
const CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
const ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
const EXTENSION = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
const SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
const HCM =
  "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/** The message type of one element of each repeated field, for `?resource=`. */
const ELEMENT_TYPE: { readonly [field: string]: string } = {
  static_clusters: "ClustersConfigDump.StaticCluster",
  dynamic_active_clusters: "ClustersConfigDump.DynamicCluster",
  dynamic_warming_clusters: "ClustersConfigDump.DynamicCluster",
  ecds_filters: "EcdsConfigDump.EcdsFilterConfig",
  static_endpoint_configs: "EndpointsConfigDump.StaticEndpointConfig",
  dynamic_endpoint_configs: "EndpointsConfigDump.DynamicEndpointConfig",
  static_listeners: "ListenersConfigDump.StaticListener",
  dynamic_listeners: "ListenersConfigDump.DynamicListener",
  dynamic_active_secrets: "SecretsConfigDump.DynamicSecret",
  static_route_configs: "RoutesConfigDump.StaticRouteConfig",
  dynamic_route_configs: "RoutesConfigDump.DynamicRouteConfig",
};

/** Answers `/config_dump`. */
export function configDump(source: AdminSource, query: DumpQuery): DumpAnswer {
  let configs = dumps(source, query).map((each) => withoutSecretAddresses(each) as Fields);
  if (query.resource !== "") {
    const elementType = ELEMENT_TYPE[query.resource];
    if (elementType === undefined) {
      const isPlain = configs.some((dump) => dump[query.resource] !== undefined);
      return isPlain
        ? wrong(
            400,
            `${query.resource} is not a repeated field. Use ?mask=${query.resource} to get only this field`,
          )
        : wrong(404, `${query.resource} not found in config dump`);
    }
    const holder = elementType.slice(0, elementType.indexOf("."));
    const dump = configs.find((each) => each["@type"] === ADMIN + holder);
    if (dump === undefined) return wrong(404, `${query.resource} not found in config dump`);
    const elements = (dump[query.resource] ?? []) as readonly Fields[];
    configs = elements.map((element) => ({ "@type": ADMIN + elementType, ...element }));
  }
  if (query.mask !== "") {
    const paths = query.mask.split(",").map((path) => path.trim().split("."));
    const before = configs.length;
    configs = configs.map((each) => masked(each, paths)).filter((each) => each !== null);
    if (configs.length === 0 && before > 0) {
      return wrong(400, `FieldMask ${query.mask} could not be successfully applied to any configs.`);
    }
  }
  return { status: 200, json: configs.length === 0 ? {} : { configs }, text: "" };
}

function wrong(status: 400 | 404, text: string): DumpAnswer {
  return { status, json: undefined, text };
}

function dumps(source: AdminSource, query: DumpQuery): Fields[] {
  const { bootstrap } = source;
  const started = time(source.startedAt);
  const all: Fields[] = [
    dump("BootstrapConfigDump", { bootstrap: bootstrap.source, last_updated: started }),
    dump("ClustersConfigDump", clusters(source, query)),
  ];
  // As in Envoy, only where there is such a filter.
  if (source.subscriptions.deliveries.ECDS.size > 0)
    all.push(dump("EcdsConfigDump", extensions(source, query)));
  if (query.includeEds) all.push(dump("EndpointsConfigDump", endpoints(source, query)));
  all.push(
    dump("ListenersConfigDump", listeners(source, query)),
    dump("ScopedRoutesConfigDump", {}),
    dump("RoutesConfigDump", routes(source, query)),
    dump("SecretsConfigDump", secrets(source, query)),
  );
  if (source.wasmModules.length > 0) all.push(wasmModules(source));
  return all;
}

/** Envoy has no page for these: a Struct is what any tool can read. */
function wasmModules(source: AdminSource): Fields {
  const modules = source.wasmModules.map(({ source: from, sha256, abi, plugins }) => ({
    source: from,
    sha256,
    abi_version: abi,
    plugins,
  }));
  return { "@type": "type.googleapis.com/google.protobuf.Struct", value: { wasm_modules: modules } };
}

/** Envoy leaves out what is empty. */
function dump(type: string, fields: Fields): Fields {
  const out: Fields = { "@type": ADMIN + type };
  for (const [name, value] of Object.entries(fields)) {
    if (value === "" || (Array.isArray(value) && value.length === 0)) continue;
    out[name] = value;
  }
  return out;
}

function clusters({ bootstrap, subscriptions, startedAt }: AdminSource, query: DumpQuery): Fields {
  const warming = new Set(
    subscriptions.warming.filter((each) => each.kind === "CDS").map(({ name }) => name),
  );
  const dynamic = [...subscriptions.deliveries.CDS].filter(([name]) => query.matchesName(name));
  const state = ([, delivery]: [string, Delivery]): Fields =>
    compact({
      version_info: delivery.versionInfo,
      cluster: typed(CLUSTER, delivery.resource),
      last_updated: delivery.resource === null ? "" : time(delivery.lastUpdated),
      error_state: errorState(delivery),
    });
  return {
    version_info: subscriptions.versionInfo.CDS,
    static_clusters: bootstrap.clusters
      .filter(({ name }) => query.matchesName(name))
      .map((each) => ({ cluster: typed(CLUSTER, each), last_updated: time(startedAt) })),
    dynamic_active_clusters: dynamic.filter(([name]) => !warming.has(name)).map(state),
    dynamic_warming_clusters: dynamic.filter(([name]) => warming.has(name)).map(state),
  };
}

function listeners({ bootstrap, subscriptions, startedAt }: AdminSource, query: DumpQuery): Fields {
  const warming = new Set(
    subscriptions.warming.filter((each) => each.kind === "LDS").map(({ name }) => name),
  );
  return {
    version_info: subscriptions.versionInfo.LDS,
    static_listeners: bootstrap.listeners
      .filter(({ name }) => query.matchesName(name))
      .map((each) => ({ listener: typed(LISTENER, each), last_updated: time(startedAt) })),
    dynamic_listeners: [...subscriptions.deliveries.LDS]
      .filter(([name]) => query.matchesName(name))
      .map(([name, delivery]) => {
        const state =
          delivery.resource === null
            ? ""
            : compact({
                version_info: delivery.versionInfo,
                listener: typed(LISTENER, delivery.resource),
                last_updated: time(delivery.lastUpdated),
              });
        return compact({
          name,
          [warming.has(name) ? "warming_state" : "active_state"]: state,
          error_state: errorState(delivery),
        });
      }),
  };
}

function routes({ bootstrap, subscriptions, startedAt }: AdminSource, query: DumpQuery): Fields {
  const inline: Fields[] = [];
  const collect = (resource: Resource<unknown> | null, updated: number) => {
    if (resource === null) return;
    for (const config of inlineRoutes(resource.source)) {
      const name = (config as Fields).name;
      if (query.matchesName(typeof name === "string" ? name : "")) {
        inline.push({
          route_config: { "@type": ROUTES, ...(config as Fields) },
          last_updated: time(updated),
        });
      }
    }
  };
  for (const resource of bootstrap.listeners) collect(resource, startedAt);
  for (const { resource, lastUpdated } of subscriptions.deliveries.LDS.values())
    collect(resource, lastUpdated);
  return {
    static_route_configs: inline,
    dynamic_route_configs: [...subscriptions.deliveries.RDS]
      .filter(([name]) => query.matchesName(name))
      .map(([, delivery]) =>
        compact({
          version_info: delivery.versionInfo,
          route_config: typed(ROUTES, delivery.resource),
          last_updated: delivery.resource === null ? "" : time(delivery.lastUpdated),
          error_state: errorState(delivery),
        }),
      ),
  };
}

function extensions({ subscriptions }: AdminSource, query: DumpQuery): Fields {
  return {
    ecds_filters: [...subscriptions.deliveries.ECDS.values()]
      .filter(({ name }) => query.matchesName(name))
      .map((delivery) =>
        compact({
          version_info: delivery.versionInfo,
          ecds_filter: typed(EXTENSION, delivery.resource),
          last_updated: delivery.resource === null ? "" : time(delivery.lastUpdated),
          error_state: errorState(delivery),
        }),
      ),
  };
}

/** Those of SDS; what stands in the configuration itself is shown there. */
function secrets({ subscriptions }: AdminSource, query: DumpQuery): Fields {
  return {
    dynamic_active_secrets: [...subscriptions.deliveries.SDS]
      .filter(([key, { name }]) => key !== name && query.matchesName(name))
      .map(([, delivery]) =>
        compact({
          name: delivery.name,
          version_info: delivery.versionInfo,
          last_updated: delivery.resource === null ? "" : time(delivery.lastUpdated),
          secret: typed(SECRET, delivery.resource),
          error_state: errorState(delivery),
        }),
      ),
  };
}

function endpoints(source: AdminSource, query: DumpQuery): Fields {
  return {
    static_endpoint_configs: source.snapshot.clusters
      .filter(({ name, loadAssignment }) => loadAssignment !== null && query.matchesName(name))
      .map(({ name, loadAssignment }) => ({
        endpoint_config: endpointsJson(name, loadAssignment as ClusterLoadAssignment),
      })),
    dynamic_endpoint_configs: [...source.subscriptions.deliveries.EDS]
      .filter(([name]) => query.matchesName(name))
      .map(([name, delivery]) =>
        compact({
          endpoint_config:
            delivery.resource === null
              ? ""
              : endpointsJson(name, delivery.resource.model as ClusterLoadAssignment),
          error_state: errorState(delivery),
        }),
      ),
  };
}

/** As Envoy does: not the message that came, but what was understood. */
function endpointsJson(name: string, { localities, overprovisioningFactor }: ClusterLoadAssignment): Json {
  return {
    "@type": ENDPOINTS,
    cluster_name: name,
    endpoints: localities.map(localityJson),
    policy: { overprovisioning_factor: overprovisioningFactor },
  };
}

function localityJson({ locality, priority, weight, endpoints }: LocalityEndpoints): Json {
  return {
    locality: compact({ region: locality.region, zone: locality.zone, sub_zone: locality.subZone }),
    lb_endpoints: endpoints.map(endpointJson),
    load_balancing_weight: weight,
    ...(priority === 0 ? {} : { priority }),
  };
}

function endpointJson(endpoint: Endpoint): Json {
  return {
    endpoint: {
      address: addressJson(endpoint.address),
      health_check_config: {},
      ...(endpoint.hostname === "" ? {} : { hostname: endpoint.hostname }),
    },
    health_status: endpoint.health === "UNKNOWN" ? "HEALTHY" : endpoint.health,
    load_balancing_weight: endpoint.weight,
  };
}

function errorState({ error }: Delivery): Json {
  if (error === null) return "";
  return compact({
    last_update_attempt: time(error.at),
    details: error.details,
    version_info: error.versionInfo,
  });
}

/** Every `route_config` written inside a connection manager. */
function inlineRoutes(json: Json): Json[] {
  if (json === null || typeof json !== "object") return [];
  if (Array.isArray(json)) return json.flatMap(inlineRoutes);
  const fields = json as Fields;
  if (fields["@type"] === HCM) return fields.route_config === undefined ? [] : [fields.route_config];
  return Object.values(fields).flatMap(inlineRoutes);
}

/** Where a module is to be asked for: Envoy shows the whole address, though it may have a password in it. */
function withoutSecretAddresses(json: Json): Json {
  if (json === null || typeof json !== "object") return json;
  if (Array.isArray(json)) return json.map(withoutSecretAddresses);
  const fields = Object.entries(json as Fields).map(([name, value]): [string, Json] => {
    if (name !== "http_uri" || typeof (value as Fields | null)?.uri !== "string")
      return [name, withoutSecretAddresses(value)];
    return [name, { ...(value as Fields), uri: withoutSecrets((value as Fields).uri as string) }];
  });
  return Object.fromEntries(fields);
}

function typed(type: string, resource: Resource<unknown> | null): Json {
  return resource === null ? "" : { "@type": type, ...(resource.source as Fields) };
}

function compact(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));
}

function time(unixMs: number): string {
  return new Date(unixMs).toISOString();
}

/** The parts of `json` that the paths name, or null if there is none. `@type` stays where something else does. */
function masked(json: Fields, paths: readonly (readonly string[])[]): Fields | null {
  const out: Fields = {};
  for (const name of new Set(paths.map((path) => path[0]))) {
    const value = json[name];
    if (value === undefined) continue;
    const rest = paths.filter((path) => path[0] === name).map((path) => path.slice(1));
    const kept = rest.some((path) => path.length === 0) ? value : maskedValue(value, rest);
    if (kept !== null) out[name] = kept;
  }
  if (Object.keys(out).length === 0) return null;
  return json["@type"] === undefined ? out : { "@type": json["@type"], ...out };
}

function maskedValue(value: Json, paths: readonly (readonly string[])[]): Json {
  if (value === null || typeof value !== "object") return null;
  if (Array.isArray(value))
    return value.map((each) => maskedValue(each, paths)).filter((each) => each !== null);
  return masked(value as Fields, paths);
}
