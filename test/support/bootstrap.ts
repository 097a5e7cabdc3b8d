/**
 * Envoy v3 bootstrap files as plain objects, in the spelling of the YAML: what a test writes to a file and gives to
 * the proxy or to Envoy itself. Only shapes, no defaults of our own beyond what a listener needs to exist.
 */

export type Yaml = null | boolean | number | string | readonly Yaml[] | { readonly [key: string]: Yaml };
export type YamlMap = { readonly [key: string]: Yaml };

export function address(port: number, ip = "127.0.0.1"): YamlMap {
  return { socket_address: { address: ip, port_value: port } };
}

function any(type: string, fields: YamlMap): YamlMap {
  return { "@type": `type.googleapis.com/${type}`, ...fields };
}

/** The router filter with its options. */
export function router(options: YamlMap): YamlMap {
  return {
    name: "envoy.filters.http.router",
    typed_config: any("envoy.extensions.filters.http.router.v3.Router", options),
  };
}

export const ROUTER: YamlMap = router({});

/** A filter that runs the module in a file, in a VM of its own, and has no configuration. */
export function wasmFilter(name: string, file: string): YamlMap {
  const code = { local: { filename: file } };
  return {
    name,
    typed_config: any("envoy.extensions.filters.http.wasm.v3.Wasm", {
      config: { name, vm_config: { vm_id: name, runtime: "envoy.wasm.runtime.v8", code } },
    }),
  };
}

export function fileLog(path: string, format: YamlMap = {}): YamlMap {
  return {
    name: "envoy.access_loggers.file",
    typed_config: any("envoy.extensions.access_loggers.file.v3.FileAccessLog", { path, ...format }),
  };
}

/** A listener with one HTTP connection manager; `manager` is merged over the usual fields. */
export function httpListener(name: string, port: number, manager: YamlMap, listener: YamlMap = {}): YamlMap {
  return {
    name,
    address: address(port),
    filter_chains: [
      {
        filters: [
          {
            name: "envoy.filters.network.http_connection_manager",
            typed_config: any(
              "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
              { stat_prefix: name, http_filters: [ROUTER], ...manager },
            ),
          },
        ],
      },
    ],
    ...listener,
  };
}

export function tcpListener(name: string, port: number, proxy: YamlMap): YamlMap {
  return {
    name,
    address: address(port),
    filter_chains: [
      {
        filters: [
          {
            name: "envoy.filters.network.tcp_proxy",
            typed_config: any("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", {
              stat_prefix: name,
              ...proxy,
            }),
          },
        ],
      },
    ],
  };
}

/** A route configuration with one virtual host for everything. */
export function anyHost(name: string, routes: readonly YamlMap[], host: YamlMap = {}): YamlMap {
  return { name, virtual_hosts: [{ name, domains: ["*"], routes, ...host }] };
}

export function toCluster(cluster: string, action: YamlMap = {}, route: YamlMap = {}): YamlMap {
  return { match: { prefix: "/" }, route: { cluster, ...action }, ...route };
}

export function staticCluster(name: string, ports: readonly number[], cluster: YamlMap = {}): YamlMap {
  return {
    name,
    type: "STATIC",
    connect_timeout: "1s",
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: ports.map((port) => ({ endpoint: { address: address(port) } })) }],
    },
    ...cluster,
  };
}

/** HTTP/1.1 options of a cluster, in the place where v3 keeps them. */
export function upstreamHttp1(options: YamlMap, common: YamlMap = {}): YamlMap {
  return {
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": any(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        {
          explicit_http_config: { http_protocol_options: options },
          ...(Object.keys(common).length > 0 ? { common_http_protocol_options: common } : {}),
        },
      ),
    },
  };
}

/** A cluster that speaks HTTP/2, in the place where v3 says so. */
export function upstreamHttp2(options: YamlMap = {}, common: YamlMap = {}): YamlMap {
  return {
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": any(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        {
          explicit_http_config: { http2_protocol_options: options },
          ...(Object.keys(common).length > 0 ? { common_http_protocol_options: common } : {}),
        },
      ),
    },
  };
}

export function bootstrap(
  listeners: readonly YamlMap[],
  clusters: readonly YamlMap[],
  adminPort: number,
  more: YamlMap = {},
): YamlMap {
  return {
    node: { id: "test", cluster: "test" },
    admin: { address: address(adminPort) },
    static_resources: { listeners, clusters },
    ...more,
  };
}
