/** Choices of the API that say the same in another way: old spellings, other sources of content, options in two places. */
import { describe, expect, test } from "bun:test";
import type { HttpConnectionManager, Route } from "../../../core/config/model.ts";
import { readBootstrap } from "../../../core/xds/bootstrap.ts";
import type { Checks } from "../../../core/xds/checks.ts";
import { edited, type Part } from "../../support/config-document.ts";

const T = "type.googleapis.com/";
const FILE = `${T}envoy.extensions.access_loggers.file.v3.FileAccessLog`;
const OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const POLICIES = `${T}envoy.extensions.load_balancing_policies`;

/** The model of the edited document, which must be sound. */
function read(part: Part, edit: string, checks: Checks = {}) {
  const { bootstrap, faults } = readBootstrap(edited(part, edit), checks);
  expect(faults).toEqual([]);
  if (bootstrap === null) throw new Error("no bootstrap");
  const listener = bootstrap.listeners[0].model;
  const manager = listener.filterChains[0].filter as HttpConnectionManager;
  const route = manager.routeConfig?.virtualHosts[0]?.routes[0] as Route;
  return { manager, route, cluster: bootstrap.clusters[0].model };
}

describe("header matchers as they were before string_match", () => {
  test.each<[string, object]>([
    ["exact_match: 'A é'", { kind: "exact", text: "A \xc3\xa9", ignoreCase: false }],
    ["prefix_match: a", { kind: "prefix", text: "a", ignoreCase: false }],
    ["suffix_match: a", { kind: "suffix", text: "a", ignoreCase: false }],
    ["contains_match: a", { kind: "contains", text: "a", ignoreCase: false }],
    ["safe_regex_match: { regex: 'a+' }", { kind: "regex", regex: "a+" }],
  ])("%s", (matcher, match) => {
    const { route } = read("route", `{ match: { prefix: /, headers: [{ name: X-A, ${matcher} }] } }`);
    expect(route.match.headers).toMatchObject([{ name: "x-a", test: { kind: "string", match } }]);
  });
});

describe("access logs as they were before log_format", () => {
  test.each<[string, object | null]>([
    ["", null],
    ['format: "%PROTOCOL%\\n"', { kind: "text", format: "%PROTOCOL%\n", omitEmptyValues: false }],
    [
      'json_format: { a: "%PROTOCOL%" }',
      { kind: "json", format: { a: "%PROTOCOL%" }, omitEmptyValues: false },
    ],
    [
      "typed_json_format: { a: { b: x } }",
      { kind: "json", format: { a: { b: "x" } }, omitEmptyValues: false },
    ],
  ])("%s", (written, format) => {
    const comma = written === "" ? "" : ", ";
    const { manager } = read(
      "hcm",
      `{ access_log: [{ name: f, typed_config: { "@type": ${FILE}, path: /x${comma}${written} } }] }`,
    );
    const [log] = manager.accessLog;
    expect(log.path).toBe("/x");
    if (format === null) expect(log.format).toBeNull();
    else expect(log.format).toMatchObject(format);
  });
});

describe("header operations", () => {
  test.each([
    ["", "APPEND_IF_EXISTS_OR_ADD"],
    ["append: true", "APPEND_IF_EXISTS_OR_ADD"],
    ["append: false", "OVERWRITE_IF_EXISTS_OR_ADD"],
    ["append_action: ADD_IF_ABSENT", "ADD_IF_ABSENT"],
    ["append_action: OVERWRITE_IF_EXISTS", "OVERWRITE_IF_EXISTS"],
  ])("%j is %s", (how, action) => {
    const { route } = read(
      "route",
      `{ request_headers_to_add: [{ header: { key: X-A, value: b }${how === "" ? "" : `, ${how}`} }] }`,
    );
    expect(route.headers.requestAdd).toMatchObject([{ name: "x-a", value: "b", action }]);
  });
});

describe("the body of a direct response", () => {
  const checks: Checks = {
    readFile: (path) => (path === "/page" ? "from a file" : null),
    readEnvironment: (name) => (name === "PAGE" ? "from the environment" : null),
  };
  const body = (source: string) => `{ route: "!", direct_response: { status: 200, body: { ${source} } } }`;

  test.each([
    ["inline_string: 'é'", "\xc3\xa9"],
    ["inline_bytes: w6n/", "\xc3\xa9\xff"],
    ["filename: /page", "from a file"],
    ["environment_variable: PAGE", "from the environment"],
  ])("%s", (source, text) => {
    expect(read("route", body(source), checks).route.action).toMatchObject({ body: text });
  });

  test.each([
    ["filename: /none", "filename", "cannot be read: /none"],
    ["environment_variable: NONE", "environment_variable", "is not set: NONE"],
  ])("%s is a fault", (source, field, message) => {
    const { faults } = readBootstrap(edited("route", body(source)), checks);
    expect(faults.map(({ path, message: text }) => [path.split(".").at(-1), text])).toEqual([
      [field, message],
    ]);
  });
});

describe("clusters", () => {
  const withOptions = (common: string) =>
    `{ max_requests_per_connection: 7, typed_extension_protocol_options: { ${OPTIONS}: { "@type": ${T}${OPTIONS}, ${common}explicit_http_config: { http_protocol_options: {} } } } }`;

  test.each([
    ["{ max_requests_per_connection: 7 }", 7],
    ["{ common_http_protocol_options: { max_requests_per_connection: 8 } }", 8],
    [
      "{ max_requests_per_connection: 7, common_http_protocol_options: { max_requests_per_connection: 8 } }",
      8,
    ],
    [withOptions(""), 7],
    [withOptions("common_http_protocol_options: { max_requests_per_connection: 8 }, "), 8],
  ])("max_requests_per_connection of %s is %d", (edit, count) => {
    expect(read("cluster", edit).cluster.common.maxRequestsPerConnection).toBe(count);
  });

  test.each([
    ["{ lb_policy: ROUND_ROBIN, round_robin_lb_config: {} }", "ROUND_ROBIN", 2],
    ["{ lb_policy: LEAST_REQUEST, least_request_lb_config: { choice_count: 5 } }", "LEAST_REQUEST", 5],
    [
      `{ load_balancing_policy: { policies: [{ typed_extension_config: { name: r, typed_config: { "@type": ${POLICIES}.random.v3.Random } } }] } }`,
      "RANDOM",
      2,
    ],
    [
      `{ load_balancing_policy: { policies: [{ typed_extension_config: { name: r, typed_config: { "@type": ${POLICIES}.round_robin.v3.RoundRobin } } }] } }`,
      "ROUND_ROBIN",
      2,
    ],
    [
      `{ load_balancing_policy: { policies: [{ typed_extension_config: { name: x, typed_config: { "@type": ${POLICIES}.maglev.v3.Maglev } } }, { typed_extension_config: { name: l, typed_config: { "@type": ${POLICIES}.least_request.v3.LeastRequest, choice_count: 3 } } }] } }`,
      "LEAST_REQUEST",
      3,
    ],
  ])("%s is %s", (edit, lbPolicy, leastRequestChoiceCount) => {
    expect(read("cluster", edit).cluster).toMatchObject({ lbPolicy, leastRequestChoiceCount });
  });
});

test("an extension may come as a TypedStruct", () => {
  const { manager } = read(
    "chain",
    `{ filters: [{ name: h, typed_config: { "@type": ${T}xds.type.v3.TypedStruct, type_url: ${T}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, value: { stat_prefix: inside, route_config: { name: r }, http_filters: [{ name: r, typed_config: { "@type": ${T}envoy.extensions.filters.http.router.v3.Router } }] } } }] }`,
  );
  expect(manager.statPrefix).toBe("inside");
});
