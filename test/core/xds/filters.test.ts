/**
 * HTTP filters in the configuration: those of a chain, those whose configuration comes from a file of its own, and
 * what routes say about them.
 */
import { describe, expect, test } from "bun:test";
import type {
  HttpConnectionManager,
  HttpFilter,
  Json,
  PerFilterConfig,
  RouteAction,
  RouteConfiguration,
} from "../../../core/config/model.ts";
import { readBootstrap } from "../../../core/xds/bootstrap.ts";
import type { FilterCheck } from "../../../core/xds/checks.ts";
import { readResources } from "../../../core/xds/discovery.ts";
import { edited, PARTS, type Part, yaml } from "../../support/config-document.ts";

const URL = "type.googleapis.com";
const ROUTER = "envoy.extensions.filters.http.router.v3.Router";
const FILTER_CONFIG = `${URL}/envoy.config.route.v3.FilterConfig`;
const A = `{ "@type": ${URL}/test.A }`;
const A5 = `{ "@type": ${URL}/test.A, x: 5 }`;
const ROUTE = `{ name: r, typed_config: { "@type": ${URL}/${ROUTER} } }`;
const FILE = "{ path_config_source: { path: /a.yaml } }";

/** Takes no field but `x`. */
const onlyX: FilterCheck = (config) =>
  Object.keys(config as object)
    .filter((key) => key !== "x")
    .map((path) => ({ path, message: "unknown field" }));
const checks = {
  httpFilters: new Map([
    ["test.A", onlyX],
    ["test.B", onlyX],
  ]),
};

function read(part: Part, edit: string) {
  const { bootstrap, faults, leads } = readBootstrap(edited(part, edit), checks);
  const shown = faults.map(({ path, message }) => `${path.slice(PARTS[part].length)}: ${message}`);
  return { bootstrap, faults: shown, leads };
}

const chain = (filter: string) => `{ http_filters: [${filter}, ${ROUTE}] }`;
const discovered = (more: string, source = FILE) =>
  chain(`{ name: a, config_discovery: { config_source: ${source}, ${more} } }`);

function filters(edit: string): readonly HttpFilter[] {
  const { bootstrap, faults } = read("hcm", edit);
  expect(faults).toEqual([]);
  const manager = bootstrap?.listeners[0].model.filterChains[0].filter as HttpConnectionManager;
  return manager.httpFilters.slice(0, -1);
}

describe("a chain", () => {
  test("a filter with its configuration", () => {
    expect(filters(chain(`{ name: a, disabled: true, typed_config: ${A5} }`))).toEqual([
      { name: "a", typeName: "test.A", disabled: true, config: { x: 5 }, discovery: null },
    ]);
  });

  test("a filter whose configuration is to be discovered", () => {
    const edit = discovered(`type_urls: [${URL}/test.B, ${URL}/test.A]`);
    const discovery = {
      resource: "/a.yaml#a",
      typeNames: ["test.B", "test.A"],
      fallback: null,
      withoutWarming: false,
    };
    expect(filters(edit)).toEqual([{ name: "a", typeName: "", disabled: false, config: {}, discovery }]);
    expect(read("hcm", edit).leads).toEqual([
      { kind: "ECDS", name: "a", path: "/a.yaml", initialFetchTimeout: 15_000, discovery },
    ]);
  });

  test("with what serves until it arrives", () => {
    const edit = discovered(
      `type_urls: [${URL}/test.A], default_config: ${A5}, apply_default_config_without_warming: true`,
    );
    expect(filters(edit)[0].discovery).toEqual({
      resource: "/a.yaml#a",
      typeNames: ["test.A"],
      fallback: { typeName: "test.A", config: { x: 5 } },
      withoutWarming: true,
    });
  });

  const at = ".http_filters[0].config_discovery";
  test.each<[title: string, edit: string, ...faults: string[]]>([
    [
      "no source",
      chain(`{ name: a, config_discovery: { type_urls: [${URL}/test.A] } }`),
      `${at}.config_source: must be set`,
    ],
    [
      "a source that is no file",
      discovered(`type_urls: [${URL}/test.A]`, "{ ads: {} }"),
      `${at}.config_source.ads: not implemented yet: ads`,
    ],
    [
      "another that is none",
      discovered(`type_urls: [${URL}/test.A]`, "{ api_config_source: { api_type: GRPC } }"),
      `${at}.config_source.api_config_source: not implemented yet: api_config_source`,
    ],
    ["no type", discovered("type_urls: []"), `${at}.type_urls: must not be empty`],
    [
      "a type that is not there",
      discovered(`type_urls: [${URL}/test.A, ${URL}/test.C]`),
      `${at}.type_urls[1]: not implemented yet: test.C`,
    ],
    [
      "the router",
      discovered(`type_urls: [${URL}/${ROUTER}]`),
      `${at}.type_urls[0]: not implemented yet: ${ROUTER}`,
    ],
    [
      "a default of another type",
      discovered(`type_urls: [${URL}/test.B], default_config: ${A}`),
      `${at}.default_config.@type: must be one of type_urls, not test.A`,
    ],
    [
      "a default that its check refuses",
      discovered(`type_urls: [${URL}/test.A], default_config: { "@type": ${URL}/test.A, y: 1 }`),
      `${at}.default_config.y: unknown field`,
    ],
    [
      "a default that names no type",
      discovered(`type_urls: [${URL}/test.A], default_config: {}`),
      `${at}.default_config: must name its type in "@type"`,
    ],
    [
      "no warming and no default",
      discovered(`type_urls: [${URL}/test.A], apply_default_config_without_warming: true`),
      `${at}.apply_default_config_without_warming: must only be set beside default_config`,
    ],
    ["nothing at all", chain("{ name: a }"), ".http_filters[0].typed_config: must be set"],
    [
      "an empty configuration",
      chain("{ name: a, typed_config: {} }"),
      '.http_filters[0].typed_config: must name its type in "@type"',
    ],
    [
      "a type that is not there, though the filter is optional: a file with it is no good in Envoy either",
      chain(`{ name: a, is_optional: true, typed_config: { "@type": ${URL}/test.C } }`),
      ".http_filters[0].typed_config.@type: not implemented yet: test.C",
    ],
    [
      "a discovered filter at the end",
      `{ http_filters: [{ name: a, config_discovery: { config_source: ${FILE}, type_urls: [${URL}/test.A] } }] }`,
      `.http_filters[0]: the last HTTP filter must be the router (${ROUTER})`,
    ],
  ])("refused: %s", (_, edit, ...faults) => {
    expect(read("hcm", edit).faults).toEqual(faults);
  });
});

describe("what routes say", () => {
  const perFilter = (entries: string) => `{ typed_per_filter_config: ${entries} }`;
  const own = (config: Json) => ({ typeName: "test.A", config });

  function said(part: "routes" | "vhost" | "route", entries: string): readonly PerFilterConfig[] {
    const { bootstrap, faults } = read(part, perFilter(entries));
    expect(faults).toEqual([]);
    const manager = bootstrap?.listeners[0].model.filterChains[0].filter as HttpConnectionManager;
    const routes = manager.routeConfig as RouteConfiguration;
    const [host] = routes.virtualHosts;
    return { routes, vhost: host, route: host.routes[0] }[part].perFilter;
  }

  test.each(["routes", "vhost", "route"] as const)("on %s", (part) => {
    const entries = `{
      bare: ${A5},
      wrapped: { "@type": ${FILTER_CONFIG}, config: ${A5}, is_optional: true },
      off: { "@type": ${FILTER_CONFIG}, disabled: true },
      "off, whatever it has": { "@type": ${FILTER_CONFIG}, disabled: true, config: { "@type": ${URL}/test.C } },
      on: { "@type": ${FILTER_CONFIG}, config: {} },
      "é": ${A} }`;
    expect(said(part, entries)).toEqual([
      { name: "bare", disabled: false, own: own({ x: 5 }) },
      { name: "wrapped", disabled: false, own: own({ x: 5 }) },
      { name: "off", disabled: true, own: null },
      { name: "off, whatever it has", disabled: true, own: null },
      { name: "on", disabled: false, own: null },
      { name: "\xc3\xa9", disabled: false, own: own({}) },
    ]);
  });

  test.each<[entries: string, ...faults: string[]]>([
    ["{ a: {} }", '["a"]: must name its type in "@type"'],
    [`{ a: { "@type": ${URL}/test.C } }`, '["a"].@type: not implemented yet: test.C'],
    [`{ a: { "@type": ${URL}/test.A, y: 1 } }`, '["a"].y: unknown field'],
    [`{ a: { "@type": ${URL}/${ROUTER} } }`, `["a"].@type: not implemented yet: ${ROUTER}`],
    [`{ a: { "@type": ${FILTER_CONFIG} } }`, '["a"].config: must be set'],
    [
      `{ a: { "@type": ${FILTER_CONFIG}, off: true } }`,
      '["a"].off: unknown field',
      '["a"].config: must be set',
    ],
    [
      `{ a: { "@type": ${FILTER_CONFIG}, is_optional: true, config: { "@type": ${URL}/test.C } } }`,
      '["a"].config.@type: not implemented yet: test.C',
    ],
    [
      `{ a: { "@type": ${FILTER_CONFIG}, config: { "@type": ${URL}/test.A, y: 1 } } }`,
      '["a"].config.y: unknown field',
    ],
    ["[]", ": must be an object, not a list"],
  ])("refused: %s", (entries, ...faults) => {
    const at = ".typed_per_filter_config";
    expect(read("route", perFilter(entries)).faults).toEqual(faults.map((fault) => at + fault));
  });

  test("on the clusters that a route weighs, too", () => {
    const weighed = (entries: string) =>
      `{ route: { weighted_clusters: { clusters: [{ name: service, weight: 1, typed_per_filter_config: ${entries} }] } } }`;
    const { bootstrap, faults: none } = read("route", weighed(`{ a: ${A5} }`));
    expect(none).toEqual([]);
    const manager = bootstrap?.listeners[0].model.filterChains[0].filter as HttpConnectionManager;
    const { action } = (manager.routeConfig as RouteConfiguration).virtualHosts[0].routes[0];
    expect((action as RouteAction).weightedClusters[0].perFilter).toEqual([
      { name: "a", disabled: false, own: own({ x: 5 }) },
    ]);
    expect(read("route", weighed("{ x: { '@type': type.googleapis.com/x.Y } }")).faults).toEqual([
      '.route.weighted_clusters.clusters[0].typed_per_filter_config["x"].@type: not implemented yet: x.Y',
    ]);
  });
});

describe("a configuration of its own", () => {
  const TYPED = `${URL}/envoy.config.core.v3.TypedExtensionConfig`;
  const ecds = (...entries: string[]) =>
    readResources(
      "ECDS",
      yaml(`{ version_info: v, resources: [${entries.map((each) => `{ "@type": ${TYPED}, ${each} }`)}] }`),
      checks,
    );

  test("by name, with the message that it is", () => {
    const { resources, rejected, versionInfo } = ecds(`name: a, typed_config: ${A5}`);
    expect([versionInfo, rejected]).toEqual(["v", []]);
    const [{ name, version, model, wants }] = resources;
    expect(model).toEqual({ name: "a", version, typeName: "test.A", config: { x: 5 } });
    expect([name, wants]).toEqual(["a", []]);
    expect(ecds(`typed_config: { x: 5, "@type": ${URL}/test.A }, name: a`).resources[0].version).toBe(
      version,
    );
    expect(ecds(`name: a, typed_config: ${A}`).resources[0].version).not.toBe(version);
  });

  test.each<[entry: string, fault: string]>([
    [`typed_config: ${A}`, ".name: must not be empty"],
    ["name: a", ".typed_config: must be set"],
    ["name: a, typed_config: {}", '.typed_config: must name its type in "@type"'],
    [`name: a, typed_config: { "@type": ${URL}/test.C }`, ".typed_config.@type: not implemented yet: test.C"],
    [
      `name: a, typed_config: { "@type": ${URL}/${ROUTER} }`,
      `.typed_config.@type: not implemented yet: ${ROUTER}`,
    ],
    [`name: a, typed_config: { "@type": ${URL}/test.A, y: 1 }`, ".typed_config.y: unknown field"],
    [`name: a, disabled: true, typed_config: ${A}`, ".disabled: unknown field"],
  ])("refused: %s", (entry, fault) => {
    const { resources, rejected } = ecds(entry, `name: sound, typed_config: ${A}`);
    expect(rejected.map(({ faults }) => faults.map(({ path, message }) => `${path}: ${message}`))).toEqual([
      [`resources[0]${fault}`],
    ]);
    expect(resources.map(({ name }) => name)).toEqual(["sound"]);
  });
});
