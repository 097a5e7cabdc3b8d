/**
 * The topology as an Envoy v3 bootstrap: the very same file drives Envoy and Tulle. Everything that it leaves out is
 * Envoy's default: request id generated, statistics on, circuit breakers at 1024. `use_remote_address` puts
 * X-Forwarded-For on. No access log.
 */
import { routesOf, type TlsPort, type Topology } from "./topology.ts";

/** A JSON document, which is YAML too. */
export function envoyBootstrap(topology: Topology): string {
  const clusters = [];
  for (let i = 0; i < topology.table.clusters; i++) {
    clusters.push({
      name: `cluster_${i}`,
      type: "STATIC",
      connect_timeout: "5s",
      ...(topology.http2.up ? { typed_extension_protocol_options: HTTP2 } : {}),
      load_assignment: {
        cluster_name: `cluster_${i}`,
        endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(topology.upstream) } }] }],
      },
    });
  }
  const routes = [...routesOf(topology.table), { kind: "prefix", text: "/", cluster: 0 }];
  const manager = {
    "@type":
      "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "bench",
    codec_type: topology.http2.down ? "AUTO" : "HTTP1",
    use_remote_address: true,
    http_filters: [
      ...topology.chain.filters,
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
      },
    ],
    route_config: {
      name: "bench",
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: routes.map((route) => ({
            match: { [route.kind]: route.text },
            route: { cluster: `cluster_${route.cluster}` },
          })),
        },
      ],
    },
  };
  return JSON.stringify(
    {
      node: { id: "bench", cluster: "bench" },
      admin: { address: socket(topology.admin) },
      ...(topology.chain.fuel ? {} : { layered_runtime: { layers: [UNMETERED] } }),
      static_resources: {
        listeners: [
          {
            name: "bench",
            address: socket(topology.listen),
            filter_chains: [
              { filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }] },
            ],
          },
          ...(topology.tls === null ? [] : [tlsListener(topology.tls, manager)]),
        ],
        clusters,
      },
    },
    null,
    1,
  );
}

/** The same connection manager behind TLS; ALPN says which version is spoken. */
function tlsListener({ port, certificate }: TlsPort, manager: object) {
  const typed_config = { ...manager, codec_type: "AUTO" };
  return {
    name: "tls",
    address: socket(port),
    filter_chains: [
      {
        filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config }],
        transport_socket: {
          name: "envoy.transport_sockets.tls",
          typed_config: {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            common_tls_context: {
              alpn_protocols: ["h2", "http/1.1"],
              tls_certificates: [
                {
                  certificate_chain: { filename: certificate.chain },
                  private_key: { filename: certificate.key },
                },
              ],
            },
          },
        },
      },
    ],
  };
}

/** For the upstream. */
const HTTP2 = {
  "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    explicit_http_config: { http2_protocol_options: {} },
  },
};

/** Envoy takes the key and has no use for it. */
const UNMETERED = { name: "bench", static_layer: { "tulle.wasm.fuel": false } };

function socket(port: number) {
  return { socket_address: { address: "127.0.0.1", port_value: port } };
}
