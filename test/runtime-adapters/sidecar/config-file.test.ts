/** Files that a configuration comes from: those that cannot be read, those that are no YAML, those that quote others. */
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { readBootstrapFile, readResourceFile } from "../../../runtime-adapters/sidecar/config-file.ts";
import { checks } from "../../../runtime-adapters/sidecar/engine.ts";
import { validate } from "../../../runtime-adapters/sidecar/validate.ts";
import { httpListener, Workspace } from "../../support/sidecar-process.ts";

const workspace = new Workspace();
afterAll(() => workspace.remove());

const SOUND = "admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }\n";

/** Faults of a bootstrap with this text, without the file's name in front. */
function faultsOf(text: string | Uint8Array): string[] {
  const path = workspace.file("bootstrap.yaml");
  writeFileSync(path, text);
  const { bootstrap, faults } = readBootstrapFile(path, checks);
  expect(bootstrap === null).toBe(faults.length > 0);
  return faults.map((fault) => {
    expect(fault).toStartWith(`${path}:`);
    return fault.slice(path.length + 1);
  });
}

describe("a file that cannot be read says why, as a bootstrap and as a resource file", () => {
  test.each<[string, (path: string) => void, string]>([
    ["missing", () => {}, "no such file"],
    ["folder", (path) => mkdirSync(path), "is a directory"],
    ["latin1", (path) => writeFileSync(path, Buffer.from("node: { id: caf\xe9 }", "latin1")), "is not UTF-8"],
  ])("%s", (name, make, why) => {
    const path = workspace.file(name);
    make(path);
    expect(readBootstrapFile(path, checks)).toEqual({
      bootstrap: null,
      faults: [`${path}: ${why}`],
      leads: [],
    });
    expect(readResourceFile("LDS", path, checks)).toMatchObject({
      unreadable: true,
      missing: name === "missing",
      resources: [],
      faults: [`${path}: ${why}`],
    });
    expect(validate(path, checks)).toEqual([`${path}: ${why}`]);
  });

  test.skipIf(process.getuid?.() === 0)("one that is forbidden", () => {
    const path = workspace.write("secret", SOUND);
    chmodSync(path, 0);
    expect(readBootstrapFile(path, checks).faults).toEqual([`${path}: permission denied`]);
  });
});

describe("text that is no document: line and column", () => {
  test.each([
    ["admin: [", /^1:9: /],
    ["admin:\n  address: {\n", /^3:1: /],
    ["admin: {}\nadmin: {}\n", /^2:1: /],
    ['node:\n\tid: "x"\n', /^2:1: /],
    ["node: &a { id: *b }\n", /^1:16: /],
    ['{ "node": { "id": 1, } ', /^1:2\d: /],
  ])("%j", (text, place) => {
    const faults = faultsOf(text);
    expect(faults.length).toBeGreaterThan(0);
    expect(faults[0]).toMatch(place);
  });

  test("and every one of them", () => {
    const faults = faultsOf("node:\n\tid: x\nadmin: [\nother: }\n");
    expect(faults.length).toBeGreaterThan(1);
    for (const fault of faults) expect(fault).toMatch(/^\d+:\d+: ./);
  });
});

test("faults of content have the place of the field, in the order of the file", () => {
  expect(faultsOf(`nope: 1\n${SOUND}node:\n  id: 5\n  locality: { region: r, zon: z }\n`)).toEqual([
    "1:1: nope: unknown field (did you mean node?)",
    "4:3: node.id: must be a string, not the number 5",
    "5:26: node.locality.zon: unknown field",
  ]);
});

test.each(["", "# nothing but a remark\n", "---\n"])("%j is no bootstrap", (text) => {
  expect(faultsOf(text)).toEqual([expect.stringMatching(/^1:\d: must be an object, not null$/) as never]);
});

test("a byte order mark is no content", () => {
  expect(faultsOf(`\ufeff${SOUND}`)).toEqual([]);
});

describe("content from elsewhere", () => {
  const page = (source: object) => {
    const routes = [{ match: { prefix: "/" }, direct_response: { status: 200, body: source } }];
    const route_config = { name: "r", virtual_hosts: [{ name: "v", domains: ["*"], routes }] };
    return { static_resources: { listeners: [httpListener("in", 0, { route_config })] } };
  };
  const bodyOf = (source: object) => {
    const { bootstrap, faults } = readBootstrapFile(workspace.write("quoting.json", page(source)), checks);
    const text = JSON.stringify(bootstrap?.listeners[0].model ?? null);
    return faults.length > 0 ? faults[0].replace(/^.*\.body\./, "") : /"body":"([^"]*)"/.exec(text)?.[1];
  };

  test("a file, byte by byte", () => {
    const path = workspace.file("page");
    writeFileSync(path, Buffer.from("caf\xe9", "latin1"));
    expect(bodyOf({ filename: path })).toBe("caf\xe9");
    expect(bodyOf({ filename: `${path}-not-there` })).toBe(`filename: cannot be read: ${path}-not-there`);
  });

  test("a variable of the environment, as UTF-8", () => {
    process.env.TULLE_TEST_PAGE = "café";
    expect(bodyOf({ environment_variable: "TULLE_TEST_PAGE" })).toBe("caf\xc3\xa9");
    delete process.env.TULLE_TEST_PAGE;
    expect(bodyOf({ environment_variable: "TULLE_TEST_PAGE" })).toBe(
      "environment_variable: is not set: TULLE_TEST_PAGE",
    );
  });
});

test("validate walks from the bootstrap to every file that it leads to, once, and says all that is wrong", () => {
  const from = (name: string) => ({ path_config_source: { path: workspace.file(name) } });
  const type = (name: string) => `type.googleapis.com/envoy.config.${name}`;
  const rds = (name: string, file: string) => ({
    rds: { route_config_name: name, config_source: from(file) },
  });
  workspace.write("v-lds.json", {
    resources: [
      { "@type": type("listener.v3.Listener"), ...httpListener("one", 1, rds("r1", "v-rds.json")) },
      { "@type": type("listener.v3.Listener"), ...httpListener("two", 2, rds("r2", "v-rds.json")) },
      { "@type": type("listener.v3.Listener"), ...httpListener("three", 3, rds("r3", "v-none.json")) },
    ],
  });
  workspace.write("v-rds.json", {
    resources: [{ "@type": type("route.v3.RouteConfiguration"), name: "r1", virtual_host: [] }],
  });
  workspace.write("v-cds.json", {
    resources: [
      {
        "@type": type("cluster.v3.Cluster"),
        name: "app",
        type: "EDS",
        eds_cluster_config: { service_name: "svc", eds_config: from("v-eds.json") },
      },
    ],
  });
  workspace.write("v-eds.json", {
    resources: [
      { "@type": type("endpoint.v3.ClusterLoadAssignment"), cluster_name: "svc", endpoints: [{ nope: 1 }] },
    ],
  });
  const path = workspace.write("v-bootstrap.json", {
    dynamic_resources: { lds_config: from("v-lds.json"), cds_config: from("v-cds.json") },
  });
  const faults = validate(path, checks).map((line) => line.slice(workspace.path.length + 1));
  expect(faults.map((fault) => fault.replace(/:\d+:\d+:/, ":")).sort()).toEqual([
    "v-eds.json: resources[0].endpoints[0].nope: unknown field",
    "v-none.json: no such file",
    'v-rds.json: has no RDS resource "r2"',
    "v-rds.json: resources[0].virtual_host: unknown field (did you mean virtual_hosts?)",
  ]);
});

test("validate reads on behind a fault, in the bootstrap and in a resource: no fault hides another", () => {
  const from = (name: string) => ({ path_config_source: { path: workspace.file(name) } });
  const type = (name: string) => `type.googleapis.com/envoy.config.${name}`;
  const rds = (name: string, file: string) => ({
    rds: { route_config_name: name, config_source: from(file) },
  });
  const routes = (name: string) => ({ "@type": type("route.v3.RouteConfiguration"), name, nope: 1 });
  const app = (eds_config: object) => ({ name: "app", type: "EDS", eds_cluster_config: { eds_config } });
  workspace.write("h-lds.json", {
    resources: [
      { "@type": type("listener.v3.Listener"), nope: 2, ...httpListener("one", 1, rds("r1", "h-rds1.json")) },
    ],
  });
  workspace.write("h-rds1.json", { resources: [routes("r1")] });
  workspace.write("h-rds2.json", { resources: [routes("r2"), { "@type": type("listener.v3.Listener") }] });
  workspace.write("h-cds.json", {
    resources: [{ "@type": type("cluster.v3.Cluster"), ...app({ ads: {} }) }],
  });
  workspace.write("h-eds.json", { resource: [] });
  const path = workspace.write("h-bootstrap.json", {
    nope: 3,
    static_resources: {
      listeners: [{ ...httpListener("two", 2, rds("r2", "h-rds2.json")), name: 5 }],
      clusters: [{ ...app(from("h-eds.json")), connect_timeout: "0s" }],
    },
    dynamic_resources: { lds_config: from("h-lds.json"), cds_config: from("h-cds.json") },
  });
  const faults = validate(path, checks).map((line) => line.slice(workspace.path.length + 1));
  expect(faults.map((fault) => fault.replace(/:\d+:\d+:/, ":")).sort()).toEqual([
    "h-bootstrap.json: nope: unknown field (did you mean node?)",
    "h-bootstrap.json: static_resources.clusters[0].connect_timeout: must be above 0 ms",
    "h-bootstrap.json: static_resources.listeners[0].name: must be a string, not the number 5",
    "h-cds.json: resources[0].eds_cluster_config.eds_config.ads: not implemented yet: ads",
    "h-eds.json: resource: unknown field (did you mean resources?)",
    "h-lds.json: resources[0].nope: unknown field",
    "h-rds1.json: resources[0].nope: unknown field",
    "h-rds2.json: resources[0].nope: unknown field",
    `h-rds2.json: resources[1].@type: must be ${type("route.v3.RouteConfiguration")}, not ${type("listener.v3.Listener")}`,
  ]);
});
