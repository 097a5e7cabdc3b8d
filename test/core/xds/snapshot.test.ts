/** What is in force: static and dynamic resources together, and what waits for what. */
import { describe, expect, test } from "bun:test";
import type { Snapshot } from "../../../core/config/model.ts";
import { readBootstrap } from "../../../core/xds/bootstrap.ts";
import { readResources } from "../../../core/xds/discovery.ts";
import type { Bootstrap, Dynamic, ModelOf, Resource, ResourceKind } from "../../../core/xds/resource.ts";
import { buildSnapshot, NOTHING_DYNAMIC } from "../../../core/xds/snapshot.ts";
import { yaml } from "../../support/config-document.ts";

const HCM =
  "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";

function bootstrap(text: string): Bootstrap {
  const { bootstrap, faults } = readBootstrap(yaml(text));
  expect(faults).toEqual([]);
  return bootstrap as Bootstrap;
}

function resources<K extends ResourceKind>(kind: K, text: string): Map<string, Resource<ModelOf[K]>> {
  const { resources, rejected } = readResources(kind, yaml(`{ resources: [${text}] }`));
  expect(rejected).toEqual([]);
  return new Map(resources.map((resource) => [resource.name, resource]));
}

function listener(name: string, port: number, rds: string): string {
  return `{ "@type": type.googleapis.com/envoy.config.listener.v3.Listener, name: ${name}, address: { socket_address: { address: 127.0.0.1, port_value: ${port} } }, filter_chains: [{ filters: [{ name: h, typed_config: { "@type": ${HCM}, stat_prefix: s, rds: { route_config_name: ${rds}, config_source: { path: /rds.yaml } }, http_filters: [{ name: r, typed_config: { "@type": ${ROUTER} } }] } }] }] }`;
}

const cluster = (name: string, extra = ""): string =>
  `{ "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster, name: ${name} ${extra} }`;
const eds = ", type: EDS, eds_cluster_config: { eds_config: { path: /eds.yaml } }";
const routes = (name: string): string =>
  `{ "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration, name: ${name} }`;
const endpoints = (name: string): string =>
  `{ "@type": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment, cluster_name: ${name} }`;

function names(snapshot: Snapshot): { [kind: string]: string[] } {
  return {
    listeners: snapshot.listeners.map(({ name }) => name),
    clusters: snapshot.clusters.map(({ name }) => name),
    routes: snapshot.routes.map(({ name }) => name),
    endpoints: snapshot.endpoints.map(({ clusterName }) => clusterName),
  };
}

const empty = bootstrap("{}");

describe("warming", () => {
  test("a listener waits for its routes, a cluster for its endpoints", () => {
    const waiting: Dynamic = {
      ...NOTHING_DYNAMIC,
      listeners: resources("LDS", listener("front", 1, "main")),
      clusters: resources("CDS", `${cluster("a", eds)}, ${cluster("b")}`),
    };
    const { snapshot, warming } = buildSnapshot(empty, waiting);
    expect(names(snapshot)).toEqual({ listeners: [], clusters: ["b"], routes: [], endpoints: [] });
    expect(warming).toEqual([
      {
        kind: "CDS",
        name: "a",
        waitsFor: [{ kind: "EDS", name: "a", path: "/eds.yaml", initialFetchTimeout: 15000 }],
      },
      {
        kind: "LDS",
        name: "front",
        waitsFor: [{ kind: "RDS", name: "main", path: "/rds.yaml", initialFetchTimeout: 15000 }],
      },
    ]);

    const arrived = {
      ...waiting,
      routes: resources("RDS", routes("main")),
      endpoints: resources("EDS", endpoints("a")),
    };
    const after = buildSnapshot(empty, arrived, snapshot);
    expect(after.warming).toEqual([]);
    expect(names(after.snapshot)).toEqual({
      listeners: ["front"],
      clusters: ["a", "b"],
      routes: ["main"],
      endpoints: ["a"],
    });
  });

  test("meanwhile the predecessor stays", () => {
    const first: Dynamic = {
      ...NOTHING_DYNAMIC,
      listeners: resources("LDS", listener("front", 1, "main")),
      routes: resources("RDS", routes("main")),
    };
    const { snapshot } = buildSnapshot(empty, first);
    const changed = { ...first, listeners: resources("LDS", listener("front", 2, "other")) };
    const during = buildSnapshot(empty, changed, snapshot);
    expect(during.warming.map(({ name }) => name)).toEqual(["front"]);
    expect(during.snapshot.listeners[0].addresses[0].port).toBe(1);

    const arrived = { ...changed, routes: resources("RDS", `${routes("main")}, ${routes("other")}`) };
    const after = buildSnapshot(empty, arrived, during.snapshot);
    expect(after.warming).toEqual([]);
    expect(after.snapshot.listeners[0].addresses[0].port).toBe(2);
  });

  test("what was given up is not waited for", () => {
    const waiting: Dynamic = {
      ...NOTHING_DYNAMIC,
      listeners: resources("LDS", listener("front", 1, "main")),
    };
    const { snapshot, warming } = buildSnapshot(empty, waiting, null, new Set(["RDS/main"]));
    expect(warming).toEqual([]);
    expect(names(snapshot)).toEqual({ listeners: ["front"], clusters: [], routes: [], endpoints: [] });
  });
});

describe("filters whose configuration comes from elsewhere", () => {
  const checks = { httpFilters: new Map([["test.A", () => []]]) };
  const A = "type.googleapis.com/test.A";
  const typed = `{ "@type": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig, name: a, typed_config: { "@type": ${A} } }`;
  const [resource] = readResources("ECDS", yaml(`{ resources: [${typed}] }`), checks).resources;
  const key = "ECDS//a.yaml#a";

  /** One listener on `port` whose chain has the filter "a". */
  function waiting(port: number, more = ""): Dynamic {
    const discovery = `{ config_source: { path: /a.yaml }, type_urls: [${A}] ${more} }`;
    const text = listener("front", port, "main").replace(
      "http_filters: [",
      `http_filters: [{ name: a, config_discovery: ${discovery} }, `,
    );
    const { resources: listeners } = readResources("LDS", yaml(`{ resources: [${text}] }`), checks);
    return {
      ...NOTHING_DYNAMIC,
      listeners: new Map(listeners.map((each) => [each.name, each])),
      routes: resources("RDS", routes("main")),
    };
  }
  const withDefault = `, default_config: { "@type": ${A} }`;
  const inForce = (dynamic: Dynamic, givenUp: string[] = [], previous: Snapshot | null = null) => {
    const { snapshot, warming } = buildSnapshot(empty, dynamic, previous, new Set(givenUp));
    return {
      ports: snapshot.listeners.map(({ addresses }) => addresses[0].port),
      waitsFor: warming.flatMap(({ waitsFor }) => waitsFor.map(({ kind, name }) => `${kind} ${name}`)),
      extensions: snapshot.extensions,
    };
  };
  const arrived = (dynamic: Dynamic): Dynamic => ({
    ...dynamic,
    extensions: new Map([["/a.yaml#a", resource]]),
  });

  test("the listener waits, and its predecessor stays", () => {
    expect(inForce(waiting(1))).toEqual({ ports: [], waitsFor: ["ECDS a"], extensions: [] });
    const { snapshot } = buildSnapshot(empty, arrived(waiting(1)));
    expect(inForce(waiting(2), [], snapshot)).toMatchObject({ ports: [1], waitsFor: ["ECDS a"] });
  });

  test("what arrives goes by file and name: filters of one name may have several files", () => {
    expect(inForce(arrived(waiting(1)))).toEqual({
      ports: [1],
      waitsFor: [],
      extensions: [{ ...resource.model, name: "/a.yaml#a" }],
    });
  });

  test("if it never comes, the default serves, and without a default nobody does", () => {
    expect(inForce(waiting(1, withDefault))).toMatchObject({ ports: [], waitsFor: ["ECDS a"] });
    expect(inForce(waiting(1, withDefault), [key])).toMatchObject({ ports: [1], waitsFor: [] });
    expect(inForce(waiting(1), [key])).toMatchObject({ ports: [], waitsFor: ["ECDS a"] });
  });

  test("what another listener asked for may be of a type that this one does not take", () => {
    const other = { ...resource, model: { ...resource.model, typeName: "test.B" } };
    const extensions = new Map([["/a.yaml#a", other]]);
    expect(inForce({ ...waiting(1), extensions })).toMatchObject({ ports: [], waitsFor: ["ECDS a"] });
    expect(inForce({ ...waiting(1, withDefault), extensions })).toMatchObject({ ports: [1], waitsFor: [] });
  });

  test("without warming the default serves at once", () => {
    const more = `${withDefault}, apply_default_config_without_warming: true`;
    expect(inForce(waiting(1, more))).toMatchObject({ ports: [1], waitsFor: [] });
  });
});

describe("static and dynamic", () => {
  const given = bootstrap(
    "{ node: { id: me }, static_resources: { clusters: [{ name: a, connect_timeout: 1s }] }, layered_runtime: { layers: [{ name: x, static_layer: { k: 1 } }] } }",
  );

  test("a static resource wins over a dynamic one of its name", () => {
    const dynamic = { ...NOTHING_DYNAMIC, clusters: resources("CDS", `${cluster("a")}, ${cluster("b")}`) };
    const { snapshot } = buildSnapshot(given, dynamic);
    expect(snapshot.clusters.map(({ name, connectTimeout }) => [name, connectTimeout])).toEqual([
      ["a", 1000],
      ["b", 5000],
    ]);
  });

  test("node and runtime come from the bootstrap", () => {
    const { snapshot } = buildSnapshot(given, NOTHING_DYNAMIC);
    expect(snapshot.node.id).toBe("me");
    expect(snapshot.runtime).toEqual({ k: 1 });
    expect(structuredClone(snapshot)).toEqual(snapshot);
  });

  test("a resource that is gone is gone, also from what was in force", () => {
    const { snapshot } = buildSnapshot(given, {
      ...NOTHING_DYNAMIC,
      clusters: resources("CDS", cluster("b")),
    });
    expect(names(buildSnapshot(given, NOTHING_DYNAMIC, snapshot).snapshot).clusters).toEqual(["a"]);
  });
});
