/**
 * The topology as an Envoy v3 bootstrap: the very same file drives Envoy and Tulle. Everything that it leaves out is
 * Envoy's default: request id generated, statistics on, circuit breakers at 1024. `use_remote_address` puts
 * X-Forwarded-For on. No access log.
 */
import { ownTls, peerCluster } from "./envoy-tls.ts";
import { isPair, OWN_ANSWER, routesOf, type Topology } from "./topology.ts";

/** A JSON document, which is YAML too. */
export function envoyBootstrap(topology: Topology): string {
  const { tls } = topology;
  const clusters: object[] = [];
  for (let i = 0; i < topology.table.clusters; i++) {
    clusters.push({
      name: `cluster_${i}`,
      type: "STATIC",
      connect_timeout: "5s",
      ...(topology.http2.up ? { typed_extension_protocol_options: HTTP2 } : {}),
      load_assignment: endpointAt(`cluster_${i}`, topology.upstream),
    });
  }
  const routes: object[] = [...routesOf(topology.table), { kind: "prefix", text: "/", cluster: 0 }].map(
    (route) => ({ match: { [route.kind]: route.text }, route: { cluster: `cluster_${route.cluster}` } }),
  );
  const manager = (own: { readonly [field: string]: unknown }, table: readonly object[]) => ({
    "@type":
      "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "bench",
    use_remote_address: true,
    ...own,
    http_filters: [
      ...topology.chain.filters,
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
      },
    ],
    route_config: { name: "bench", virtual_hosts: [{ name: "all", domains: ["*"], routes: table }] },
  });
  const listener = (name: string, port: number, typed_config: object, more: object) => ({
    name,
    address: socket(port),
    filter_chains: [
      { filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config }], ...more },
    ],
  });
  const codec_type = topology.http2.down ? "AUTO" : "HTTP1";
  const listeners = [];
  if (tls !== null && isPair(tls.use)) {
    const toPeer = [{ match: { prefix: "/" }, route: { cluster: "peer" } }];
    listeners.push(listener("bench", topology.listen, manager({ codec_type }, toPeer), {}));
    clusters.push({
      name: "peer",
      type: "STATIC",
      connect_timeout: "5s",
      ...(tls.use === "pair-http2" ? { typed_extension_protocol_options: HTTP2 } : {}),
      ...peerCluster(tls),
      load_assignment: endpointAt("peer", tls.port),
    });
  } else listeners.push(listener("bench", topology.listen, manager({ codec_type }, routes), {}));
  if (tls !== null) {
    const own = tls.use === "server" ? {} : FORWARDED_CERTIFICATE;
    const answer = { status: 200, body: { inline_string: "ok" } };
    const table =
      tls.use === "mutual" ? [{ match: { path: OWN_ANSWER }, direct_response: answer }, ...routes] : routes;
    const typed_config = manager({ codec_type: "AUTO", ...own }, table);
    listeners.push(listener("tls", tls.port, typed_config, ownTls(tls)));
  }
  return JSON.stringify(
    {
      node: { id: "bench", cluster: "bench" },
      admin: { address: socket(topology.admin) },
      ...(topology.chain.fuel ? {} : { layered_runtime: { layers: [UNMETERED] } }),
      static_resources: { listeners, clusters },
    },
    null,
    1,
  );
}

/** The next one hears who the client is, and nothing that the client says of itself. */
const FORWARDED_CERTIFICATE = {
  forward_client_cert_details: "SANITIZE_SET",
  set_current_client_cert_details: { uri: true },
};

/** For an upstream. */
const HTTP2 = {
  "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    explicit_http_config: { http2_protocol_options: {} },
  },
};

/** Envoy takes the key and has no use for it. */
const UNMETERED = { name: "bench", static_layer: { "tulle.wasm.fuel": false } };

function endpointAt(cluster_name: string, port: number) {
  return { cluster_name, endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(port) } }] }] };
}

function socket(port: number) {
  return { socket_address: { address: "127.0.0.1", port_value: port } };
}
