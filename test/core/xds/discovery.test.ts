/** File xDS: one document, many resources, each accepted or refused by itself. */
import { describe, expect, test } from "bun:test";
import { readResources } from "../../../core/xds/discovery.ts";
import type { ResourceKind } from "../../../core/xds/resource.ts";
import { yaml } from "../../support/config-document.ts";

const CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener";
const ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
const ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

function read(kind: ResourceKind, text: string): unknown {
  const { versionInfo, resources, rejected, faults } = readResources(kind, yaml(text));
  return {
    versionInfo,
    good: resources.map(({ name }) => name),
    bad: rejected.map(({ name, faults }) => [
      name,
      ...faults.map(({ path, message }) => `${path}: ${message}`),
    ]),
    faults: faults.map(({ path, message }) => `${path}: ${message}`),
  };
}

describe("resources", () => {
  test("the good ones are usable beside the bad", () => {
    const text = `
      version_info: "7"
      resources:
        - { "@type": ${CLUSTER}, name: a }
        - { "@type": ${CLUSTER}, name: b, connect_timeout: 0s, nope: 1 }
        - { "@type": ${CLUSTER}, name: c, type: ORIGINAL_DST }
        - { "@type": ${CLUSTER}, name: d }`;
    expect(read("CDS", text)).toEqual({
      versionInfo: "7",
      good: ["a", "d"],
      bad: [
        ["b", "resources[1].nope: unknown field", "resources[1].connect_timeout: must be above 0 ms"],
        ["c", "resources[2].type: not implemented yet: ORIGINAL_DST"],
      ],
      faults: [],
    });
  });

  test("a name may be given once: the first holds", () => {
    const text = `{ resources: [{ "@type": ${CLUSTER}, name: a }, { "@type": ${CLUSTER}, name: a, type: STRICT_DNS }] }`;
    expect(read("CDS", text)).toEqual({
      versionInfo: "",
      good: ["a"],
      bad: [["a", 'resources[1]: is given twice: "a"']],
      faults: [],
    });
  });

  test("each has the type of its service", () => {
    const text = `{ resources: [{ "@type": ${ROUTES}, name: a }, { name: b }, 5, null] }`;
    expect(read("LDS", text)).toMatchObject({
      good: [],
      bad: [
        ["", `resources[0].@type: must be ${LISTENER}, not ${ROUTES}`],
        ["", `resources[1].@type: must be ${LISTENER}`],
        ["", "resources[2]: must be an object, not the number 5"],
        ["", "resources[3]: must be an object, not null"],
      ],
    });
  });

  test("may stand in the wrapper of delta xDS", () => {
    const wrapper = "type.googleapis.com/envoy.service.discovery.v3.Resource";
    const text = `
      resources:
        - { "@type": ${wrapper}, name: a, version: "3", resource: { "@type": ${ENDPOINTS}, cluster_name: a } }
        - { "@type": ${wrapper}, name: b, resource: { "@type": ${ENDPOINTS}, cluster_name: "" } }
        - { "@type": ${wrapper}, name: c }
        - { "@type": ${wrapper}, nope: d, resource: { "@type": ${ENDPOINTS}, cluster_name: d } }`;
    expect(read("EDS", text)).toMatchObject({
      good: ["a"],
      bad: [
        ["", "resources[1].resource.cluster_name: must not be empty"],
        ["", "resources[2].resource: must be an object, not null"],
        ["d", "resources[3].nope: unknown field"],
      ],
    });
  });

  test("endpoints are addresses, not names", () => {
    const text = `
      resources:
        - "@type": ${ENDPOINTS}
          cluster_name: a
          endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: a.example, port_value: 1 } } } }] }]`;
    const path = "resources[0].endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address";
    expect(read("EDS", text)).toMatchObject({
      bad: [["a", `${path}: must be an IP address, not "a.example"`]],
    });
  });

  test("routes may name clusters that are not there, unless they ask for a check", () => {
    const routes = (extra: string): string => `
      resources:
        - "@type": ${ROUTES}
          name: r
          ${extra}
          virtual_hosts: [{ name: v, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: later } }] }]`;
    expect(read("RDS", routes(""))).toMatchObject({ good: ["r"] });
    const checked = yaml(routes("validate_clusters: true"));
    expect(readResources("RDS", checked, { clusters: new Set(["later"]) }).rejected).toEqual([]);
    expect(readResources("RDS", checked, { clusters: new Set() }).rejected[0].faults[0].message).toBe(
      'unknown cluster "later"',
    );
  });
});

describe("the document", () => {
  test.each([
    ["{}", []],
    ["{ resources: null }", []],
    ["{ resources: 5 }", ["resources: must be a list, not the number 5"]],
    ["{ resourcs: [] }", ["resourcs: unknown field (did you mean resources?)"]],
    ["{ version_info: 5 }", ["version_info: must be a string, not the number 5"]],
    ["[]", [": must be an object, not a list"]],
    ["text", [': must be an object, not the string "text"']],
  ])("%s", (text, faults) => {
    expect(read("CDS", text)).toEqual({ versionInfo: "", good: [], bad: [], faults });
  });

  test("equal resources have equal versions, whatever the order and spelling of fields", () => {
    const version = (text: string): string => readResources("CDS", yaml(text)).resources[0].version;
    const one = version(`{ resources: [{ "@type": ${CLUSTER}, name: a, connect_timeout: 1s, type: 1 }] }`);
    const same = version(
      `{ resources: [{ type: STRICT_DNS, connectTimeout: 1.0s, "@type": ${CLUSTER}, name: a }] }`,
    );
    const other = version(`{ resources: [{ "@type": ${CLUSTER}, name: a, connect_timeout: 2s, type: 1 }] }`);
    expect(same).toBe(one);
    expect(other).not.toBe(one);
    expect(one).toMatch(/^[0-9a-f]{16}$/);
  });
});
