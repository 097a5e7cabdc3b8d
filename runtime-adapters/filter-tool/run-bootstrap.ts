/** The configuration of `tulle filter run`: what Envoy would be given for the same. */
import { isIP } from "node:net";
import type { FilterOptions } from "./tool-command-line.ts";

const TYPES = "type.googleapis.com/envoy.extensions";
const WASM = `${TYPES}.filters.http.wasm.v3.Wasm`;
const ROUTER = `${TYPES}.filters.http.router.v3.Router`;
const MANAGER = `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`;
const TEXT = "type.googleapis.com/google.protobuf.StringValue";

const ALONE = "This is tulle filter run, without an upstream: --upstream HOST:PORT\n";

/** The plugin, in a file of its own so that it can be changed while the sidecar runs. */
export function runPlugin(name: string, module: string, configuration: string): object {
  const config = {
    name,
    vm_config: { runtime: "envoy.wasm.runtime.v8", code: { local: { filename: module } } },
    ...(configuration === "" ? {} : { configuration: { "@type": TEXT, value: configuration } }),
  };
  const resource = {
    "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
    name,
    typed_config: { "@type": WASM, config },
  };
  return { resources: [resource] };
}

/** A listener with the plugin and a route to the upstream, or an answer to everything. */
export function runBootstrap(name: string, pluginFile: string, { upstream, port }: FilterOptions): object {
  const route =
    upstream === null
      ? { direct_response: { status: 200, body: { inline_string: ALONE } } }
      : { route: { cluster: "upstream" } };
  const manager = {
    "@type": MANAGER,
    stat_prefix: "web",
    route_config: {
      virtual_hosts: [{ name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, ...route }] }],
    },
    http_filters: [
      {
        name,
        config_discovery: {
          config_source: { path_config_source: { path: pluginFile }, resource_api_version: "V3" },
          type_urls: [WASM],
        },
      },
      { name: "envoy.filters.http.router", typed_config: { "@type": ROUTER } },
    ],
  };
  const listener = {
    name: "web",
    address: address("127.0.0.1", port),
    filter_chains: [
      { filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }] },
    ],
  };
  const clusters = upstream === null ? [] : [cluster(upstream.host, upstream.port)];
  return {
    node: { id: name, cluster: "filter-run" },
    admin: { address: address("127.0.0.1", 0) },
    static_resources: { listeners: [listener], clusters },
  };
}

function cluster(host: string, port: number): object {
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: address(host, port) } }] }];
  return {
    name: "upstream",
    type: isIP(host) === 0 ? "STRICT_DNS" : "STATIC",
    load_assignment: { cluster_name: "upstream", endpoints },
  };
}

function address(host: string, port: number): object {
  return { socket_address: { address: host, port_value: port } };
}
