import { describe, expect, test } from "bun:test";
import { envoyBootstrap } from "../../../bench/macro/envoy-bootstrap.ts";
import { type FilterChain, NO_FILTERS, wasmFilter } from "../../../bench/macro/filter-chains.ts";
import {
  NO_HTTP2,
  OWN_ANSWER,
  PLAIN,
  pathsOver,
  type RouteEntry,
  routesOf,
  type TlsUse,
} from "../../../bench/macro/topology.ts";

function matches(routes: readonly RouteEntry[], path: string): number {
  return routes.findIndex(({ kind, text }) => (kind === "path" ? path === text : path.startsWith(text)));
}

describe("tables", () => {
  test("every request path of a table hits a route of its own, spread from the first to the last", () => {
    for (const routes of [10, 100, 1000, 10_000]) {
      const table = { routes, clusters: 1 };
      const list = routesOf(table);
      const hit = pathsOver(table).map((path) => matches(list, path));
      expect(hit.length).toBe(Math.min(routes, 1000));
      expect(new Set(hit).size).toBe(hit.length);
      expect(Math.min(...hit)).toBe(0);
      expect(Math.max(...hit)).toBeGreaterThanOrEqual(routes - 10);
    }
  });

  test("only ten clusters get traffic, however many there are", () => {
    for (const clusters of [10, 1000]) {
      const used = routesOf({ routes: 0, clusters }).map(({ cluster }) => cluster);
      expect(new Set(used).size).toBe(10);
      expect(Math.max(...used)).toBeLessThan(clusters);
    }
  });
});

test("filters stand before the router; without fuel, the runtime says so", () => {
  const topology = {
    listen: 1,
    admin: 2,
    upstream: 3,
    clients: 10,
    http2: NO_HTTP2,
    tls: null,
    table: PLAIN,
    folder: "/nowhere",
  };
  const read = (chain: FilterChain) => JSON.parse(envoyBootstrap({ ...topology, chain }));
  const namesIn = (bootstrap: ReturnType<typeof read>) =>
    bootstrap.static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters.map(
      ({ name }: { name: string }) => name,
    );
  const chain = {
    ...NO_FILTERS,
    filters: [wasmFilter("one", "/one.wasm", {}), wasmFilter("two", "/two.wasm", null)],
  };
  expect(namesIn(read(chain))).toEqual(["one", "two", "envoy.filters.http.router"]);
  expect(read(chain).layered_runtime).toBeUndefined();
  expect(read({ ...chain, fuel: false }).layered_runtime.layers[0].static_layer).toEqual({
    "tulle.wasm.fuel": false,
  });
});

test("the bootstrap ends with the catch-all route and names only clusters that it has", () => {
  const topology = {
    listen: 1,
    admin: 2,
    upstream: 3,
    clients: 10,
    http2: NO_HTTP2,
    tls: null,
    chain: NO_FILTERS,
    folder: "/nowhere",
  };
  for (const table of [PLAIN, { routes: 5, clusters: 1 }, { routes: 0, clusters: 40 }]) {
    const { static_resources } = JSON.parse(envoyBootstrap({ ...topology, table }));
    const manager = static_resources.listeners[0].filter_chains[0].filters[0].typed_config;
    const { routes } = manager.route_config.virtual_hosts[0];
    expect(routes.at(-1)).toEqual({ match: { prefix: "/" }, route: { cluster: "cluster_0" } });
    const names = static_resources.clusters.map(({ name }: { name: string }) => name);
    for (const { route } of routes) expect(names).toContain(route.cluster);
  }
});

describe("TLS", () => {
  const files = (name: string, uri: string) => ({ chain: `/${name}.pem`, key: `/${name}-key.pem`, uri });
  const identities = {
    ca: "/ca.pem",
    server: files("server", "spiffe://bench.test/server"),
    client: files("client", "spiffe://bench.test/client"),
  };
  const read = (use: TlsUse) => {
    const tls = { port: 4, identities, use };
    const bootstrap = JSON.parse(
      envoyBootstrap({
        ...{ listen: 1, admin: 2, upstream: 3, clients: 10, folder: "/nowhere" },
        ...{ http2: NO_HTTP2, tls, table: PLAIN, chain: NO_FILTERS },
      }),
    );
    const [plain, secure] = bootstrap.static_resources.listeners.map(
      (listener: { filter_chains: [{ filters: [{ typed_config: object }] }] }) => listener.filter_chains[0],
    );
    return { plain, secure, clusters: bootstrap.static_resources.clusters };
  };
  const routesIn = (chain: {
    filters: [{ typed_config: { route_config: { virtual_hosts: [{ routes: object[] }] } } }];
  }) => chain.filters[0].typed_config.route_config.virtual_hosts[0].routes;
  const wants = (uri: string) => ({
    trusted_ca: { filename: "/ca.pem" },
    match_typed_subject_alt_names: [{ san_type: "URI", matcher: { exact: uri } }],
  });

  test("a server of TLS asks for no certificate and passes none on", () => {
    const { secure } = read("server");
    expect(secure.transport_socket.typed_config.require_client_certificate).toBeUndefined();
    expect(secure.filters[0].typed_config.forward_client_cert_details).toBeUndefined();
  });

  test("a pair is two listeners of one process: the plain one knows the other one alone, each knows who the other is", () => {
    for (const [use, alpn] of [
      ["pair-http2", "h2"],
      ["pair-http1", "http/1.1"],
    ] as const) {
      const { plain, secure, clusters } = read(use);
      expect(routesIn(plain)).toEqual([{ match: { prefix: "/" }, route: { cluster: "peer" } }]);
      const peer = clusters.find(({ name }: { name: string }) => name === "peer");
      expect(JSON.stringify(peer.load_assignment)).toContain('"port_value":4');
      expect(peer.typed_extension_protocol_options === undefined).toBe(use === "pair-http1");
      const dialled = peer.transport_socket.typed_config.common_tls_context;
      const accepted = secure.transport_socket.typed_config;
      expect(dialled.validation_context).toEqual(wants("spiffe://bench.test/server"));
      expect(accepted.common_tls_context.validation_context).toEqual(wants("spiffe://bench.test/client"));
      expect(accepted.require_client_certificate).toBe(true);
      expect([dialled.alpn_protocols, accepted.common_tls_context.alpn_protocols]).toEqual([[alpn], [alpn]]);
      expect(secure.filters[0].typed_config.forward_client_cert_details).toBe("SANITIZE_SET");
    }
  });

  test("a port for clients with certificates answers one path itself", () => {
    const { plain, secure } = read("mutual");
    expect(routesIn(secure)[0]).toMatchObject({
      match: { path: OWN_ANSWER },
      direct_response: { status: 200 },
    });
    expect(routesIn(plain)).toHaveLength(1);
    expect(routesIn(read("server").secure)).toHaveLength(1);
  });
});
