import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { lowerCase } from "../../../core/bytes/ascii.ts";
import type { Route, RouteMatch, VirtualHost } from "../../../core/config/model.ts";
import type { FormatEnvironment } from "../../../core/http/formatter.ts";
import type { RequestHead } from "../../../core/http/head.ts";
import type { TlsView } from "../../../core/http/stream-info.ts";
import { compileRegex } from "../../../core/route/regex.ts";
import { compileRouteTable, type RouteTable } from "../../../core/route/route-table.ts";
import { Clock } from "../../../core/time/clock.ts";
import {
  NO_HEADERS,
  route,
  routeConfiguration,
  routeTo,
  virtualHost,
} from "../../support/snapshot-fixture.ts";
import { asked, requestHead } from "../../support/stream-info-fixture.ts";

const environment: FormatEnvironment = { variables: {}, hostname: "", clock: new Clock() };

function table(...args: Parameters<typeof routeConfiguration>): RouteTable {
  const { table, faults } = compileRouteTable(routeConfiguration(...args), environment);
  if (table === null) throw new Error(JSON.stringify(faults));
  return table;
}

/** A virtual host with one route that carries its name. */
function host(name: string, domains: string[], change: Partial<VirtualHost> = {}): VirtualHost {
  return virtualHost([route("", routeTo("c"), { name })], { name, domains, ...change });
}

/** A route called after its match, which may be changed. */
function rule(path: RouteMatch["path"], change: Partial<RouteMatch> = {}, name?: string): Route {
  return route("", routeTo("c"), {
    name: name ?? ("text" in path ? path.text : path.kind === "regex" ? path.regex : path.kind),
    match: { ...route("", routeTo("c")).match, path, ...change },
  });
}

const exact = (text: string, change?: Partial<RouteMatch>) => rule({ kind: "path", text }, change);
const prefix = (text: string, change?: Partial<RouteMatch>) => rule({ kind: "prefix", text }, change);
const separated = (text: string, change?: Partial<RouteMatch>) =>
  rule({ kind: "path_separated_prefix", text }, change);
const regex = (text: string, change?: Partial<RouteMatch>) => rule({ kind: "regex", regex: text }, change);

describe("virtual hosts are chosen as in Envoy 1.40", () => {
  const hosts = (ports: boolean) => [
    host("exact", ports ? ["foo.com", "Foo.Com:8080"] : ["foo.com"]),
    host("suffix", ["*.foo.com"]),
    host("longer suffix", ["*.bar.foo.com", "*-x.foo.com"]),
    host("prefix", ["foo.*"]),
    host("longer prefix", ["foo.bar.*", "foo-*"]),
    host("v6", ports ? ["[::1]", "[::1]:80"] : ["[::1]"]),
    host("default", ["*"]),
  ];
  const plain = table(hosts(true));
  const withoutPorts = table(hosts(false), { ignorePortInHostMatching: true });

  test.each([
    ["foo.com", "exact", "exact"],
    ["FOO.com", "exact", "exact"],
    ["foo.com:8080", "exact", "exact"],
    ["foo.com:80", "prefix", "exact"],
    ["a.foo.com", "suffix", "suffix"],
    ["A.b.FOO.com", "suffix", "suffix"],
    ["a.foo.com:80", "default", "suffix"],
    [".foo.com", "default", "default"],
    ["a.bar.foo.com", "longer suffix", "longer suffix"],
    ["bar.foo.com", "suffix", "suffix"],
    ["a-x.foo.com", "longer suffix", "longer suffix"],
    ["-x.foo.com", "suffix", "suffix"],
    ["foo.com.", "prefix", "prefix"],
    ["foo.org", "prefix", "prefix"],
    ["foo.", "default", "default"],
    ["foo.bar.x", "longer prefix", "longer prefix"],
    ["foo.bar.", "prefix", "prefix"],
    ["foo-a", "longer prefix", "longer prefix"],
    ["[::1]:80", "v6", "v6"],
    ["[::1]:81", "default", "v6"],
    ["constructor", "default", "default"],
    ["__proto__", "default", "default"],
  ])("%s: %s; ports ignored: %s", (authority, expected, ignoring) => {
    expect(plain.findVirtualHost(authority)?.name).toBe(expected);
    expect(withoutPorts.findVirtualHost(authority)?.name).toBe(ignoring);
  });

  test("a request without a host matches only a table that has nothing but *", () => {
    expect(table([host("all", ["*"])]).findVirtualHost("")?.name).toBe("all");
    expect(plain.findVirtualHost("")).toBeNull();
    expect(table([host("a", ["a"])]).findVirtualHost("b")).toBeNull();
  });

  test("plain text is redirected where TLS is required", () => {
    const tls = table([
      host("all", ["a"], { requireTls: "ALL" }),
      host("ext", ["b"], { requireTls: "EXTERNAL_ONLY" }),
    ]);
    const go = (authority: string, scheme: string, ...fields: string[]) => {
      const head = requestHead("GET /x?y", authority, fields);
      head.scheme = scheme;
      const found = tls.lookup(head, asked());
      return found?.redirect === null ? found.name : `${found?.redirect.status} ${found?.location(head)}`;
    };
    expect(go("a", "http")).toBe("301 https://a/x?y");
    expect(go("a", "http", "x-envoy-internal: true")).toBe("301 https://a/x?y");
    expect(go("a", "https")).toBe("all");
    expect(go("b", "http")).toBe("301 https://b/x?y");
    expect(go("b", "http", "x-envoy-internal: true")).toBe("ext");
  });
});

describe("a route matches", () => {
  function first(routes: Route[], line: string, fields: string[] = [], random = 0, ignore = false): string {
    const compiled = table([virtualHost(routes)], { ignorePathParametersInPathMatching: ignore });
    return (
      compiled.lookup(requestHead(line.includes(" ") ? line : `GET ${line}`, "h", fields), asked({ random }))
        ?.name ?? "-"
    );
  }

  test("what is asked of the client's certificate is true (Envoy's table)", () => {
    const tls = (verified: boolean | null) => (verified === null ? { peer: null } : { peer: { verified } });
    const clients = [null, tls(null), tls(false), tls(true)] as (TlsView | null)[];
    for (const [presented, validated, taken] of [
      [null, null, "yyyy"],
      [true, null, "--yy"],
      [false, null, "yy--"],
      [null, true, "---y"],
      [null, false, "yyy-"],
      [true, false, "--y-"],
      [false, true, "----"],
    ] as const) {
      const compiled = table([virtualHost([prefix("/", { tls: { presented, validated } })])]);
      const found = clients.map((downstreamTls) =>
        compiled.lookup(requestHead(), asked({ downstreamTls })) === null ? "-" : "y",
      );
      expect([presented, validated, found.join("")]).toEqual([presented, validated, taken]);
    }
  });

  test.each([
    [exact("/a"), ["/a", "/a?x"], ["/", "/a/", "/ab", "/A"]],
    [exact("/A", { caseSensitive: false }), ["/a", "/A?x"], ["/ab"]],
    [prefix("/a"), ["/a", "/ab", "/a/b?c"], ["/", "/b", "/A", "/?/a"]],
    [prefix("/a", { caseSensitive: false }), ["/A", "/Ab"], ["/b"]],
    [prefix(""), ["/", "/x"], []],
    [separated("/a"), ["/a", "/a/", "/a/b", "/a?x"], ["/ab", "/", "/a;"]],
    [regex("/[0-9]+"), ["/1", "/12?x"], ["/", "/1a"]],
    [regex("/a?b"), ["/b", "/ab"], ["/a?b"]],
    [regex("/x/.*"), ["/x/", "/x/y?z"], ["/x"]],
    // What a pattern must begin with is how it is found: a loop or a choice inside a group ends that.
    [regex("/a(?:b+)c"), ["/abc", "/abbbc"], ["/ac"]],
    [regex("/a(?:b|bb)c"), ["/abc", "/abbc"], ["/abbbc"]],
    [regex("/(?:shop|shelf)(?:s)?/.+"), ["/shop/x", "/shelfs/x"], ["/sh/x"]],
    [regex("/a{2}b"), ["/aab"], ["/ab", "/aaab"]],
    [regex("(?:/v1)?/teas"), ["/teas", "/v1/teas"], ["/v1"]],
  ])("%j", (config, yes, no) => {
    for (const path of yes) expect([path, first([config], path)]).toEqual([path, config.name]);
    for (const path of no) expect([path, first([config], path)]).toEqual([path, "-"]);
  });

  test("in order: the first match wins, whatever kind it is", () => {
    const list = [exact("/a/b"), regex("/a/.+"), prefix("/a/"), separated("/a"), regex(".*x"), prefix("/")];
    expect(["/a/b", "/a/c", "/a/", "/a", "/ax", "/b", "/bx"].map((path) => first(list, path))).toEqual([
      "/a/b",
      "/a/.+",
      "/a/",
      "/a",
      ".*x",
      "/",
      ".*x",
    ]);
    expect(["/a/b", "/a"].map((path) => first([...list].reverse(), path))).toEqual(["/", "/"]);
    expect(first([prefix("/", { headers: [header("x-a")] }), exact("/a"), prefix("/a")], "/a")).toBe("/a");
  });

  test("with headers, query, gRPC and its share of the traffic", () => {
    expect(first([prefix("/", { headers: [header("x-a")] })], "/", ["x-a: 1"])).toBe("/");
    expect(first([prefix("/", { headers: [header("x-a")] })], "/")).toBe("-");
    const query = { queryParameters: [{ name: "q", test: { kind: "present", present: true } as const }] };
    expect(first([prefix("/", query)], "/?q")).toBe("/");
    expect(first([prefix("/", query)], "/?r")).toBe("-");
    for (const [type, yes] of [
      ["application/grpc", true],
      ["application/grpc+proto", true],
      ["application/grpc-web", false],
      ["application/grpc;x", false],
      ["Application/grpc", false],
    ] as const)
      expect(first([prefix("/", { grpc: true })], "/", [`content-type: ${type}`])).toBe(yes ? "/" : "-");
    const share = prefix("/", { runtimeFraction: { runtimeKey: "k", numerator: 25, denominator: 100 } });
    expect([0, 24, 25, 99, 124].map((random) => first([share], "/", [], random))).toEqual([
      "/",
      "/",
      "-",
      "-",
      "/",
    ]);
    const compiled = table([virtualHost([share])]);
    const with50 = (random: number) =>
      compiled.lookup(requestHead(), asked({ random, runtime: { k: 50 } }))?.name;
    expect([with50(49), with50(50)]).toEqual(["/", undefined]);
  });

  test("CONNECT only through a CONNECT matcher; that takes nothing else", () => {
    const list = [rule({ kind: "connect" }), prefix("")];
    expect(first(list, "CONNECT ")).toBe("connect");
    expect(first(list, "GET /")).toBe("");
    expect(first([prefix("")], "CONNECT ")).toBe("-");
  });

  test("path parameters are cut out of each segment if they are to be ignored", () => {
    const go = (config: Route, path: string) => first([config], path, [], 0, true) !== "-";
    expect([
      go(prefix("/keep"), "/keep;x/y"),
      go(exact("/exact/y"), "/exact;a/y;b?c;d"),
      go(exact("/exact"), "/exact;b/c"),
      go(exact("/p;x"), "/p;x"),
      go(separated("/sep"), "/sep;a"),
      go(exact("/q"), "/q?a;b"),
    ]).toEqual([true, true, false, false, true, true]);
    expect(first([exact("/p;x")], "/p;x")).toBe("/p;x");
  });
});

function header(name: string): RouteMatch["headers"][number] {
  return { name, test: { kind: "present", present: true }, invert: false, treatMissingAsEmpty: false };
}

// ── The index against a walk through the list ───────────────────────────────────────────────────────────────

/** What the configuration means, said as simply as possible. */
function naive(routes: readonly Route[], head: RequestHead): Route | undefined {
  const path = head.path.split("?")[0];
  return routes.find(({ match }) => {
    if (match.headers.some((one) => head.get(one.name) === null)) return false;
    const fold = (text: string) => (match.caseSensitive ? text : lowerCase(text));
    const test = match.path;
    if (test.kind === "regex") return compileRegex(test.regex).regex?.fullMatch(path);
    if (test.kind === "connect" || head.method === "CONNECT") return false;
    const [mine, theirs] = [fold(test.text), fold(path)];
    if (test.kind === "path") return mine === theirs;
    if (test.kind === "prefix") return theirs.startsWith(mine);
    return theirs === mine || theirs.startsWith(`${mine}/`);
  });
}

describe("the index", () => {
  const segment = fc.constantFrom("a", "b", "ab", "abc", "A", "B", "x1", "");
  const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join("/")}`);
  const change = fc.record({
    caseSensitive: fc.boolean(),
    headers: fc.constantFrom([], [], [header("x-a")]),
  });
  const anyRoute = fc.oneof(
    fc.tuple(path, change).map(([text, match]) => exact(text, match)),
    fc.tuple(path, change).map(([text, match]) => prefix(text, match)),
    fc.tuple(path, change).map(([text, match]) => separated(text, match)),
    fc
      .tuple(path, fc.constantFrom(".*", "[^/]+", "/[ab]*", "", "(/x1|/b)", "b?c"), change)
      .map(([text, tail, match]) => regex(text + tail, match)),
    change.map((match) => regex(".*[Bb]", match)),
    change.map((match) => prefix("", match)),
  );
  const anyLine = fc
    .tuple(path, fc.constantFrom("", "?", "?a/b", "?x=/a"), fc.boolean())
    .map(([text, query, withHeader]) =>
      requestHead(`GET ${text}${query}`, "h", withHeader ? ["x-a: 1"] : []),
    );

  test("finds the route that a walk through the list in order finds", () => {
    fc.assert(
      fc.property(
        fc.array(anyRoute, { maxLength: 30 }),
        fc.array(anyLine, { minLength: 1, maxLength: 8 }),
        (routes, heads) => {
          const numbered = routes.map((one, i) => ({ ...one, name: String(i) }));
          const compiled = table([virtualHost(numbered)]);
          for (const head of heads) {
            const expected = naive(numbered, head);
            expect([head.path, compiled.lookup(head, asked())?.name]).toEqual([head.path, expected?.name]);
          }
        },
      ),
      { numRuns: 1500 },
    );
  }, 60_000);

  test("asks only the routes whose path can match, among 10 000", () => {
    const kinds: ((i: number) => Route)[] = [
      (i) => prefix(`/service-${i}/`),
      (i) => exact(`/service-${i}/x`),
      (i) => separated(`/service-${i}`),
      (i) => regex(`/service-${i}/[a-z]+`),
      (i) => prefix(`/SERVICE-${i}/`, { caseSensitive: false }),
    ];
    for (const kind of kinds) {
      const compiled = table([virtualHost([...Array(10_000).keys()].map(kind).concat(prefix("/")))]);
      let times = 0;
      for (const entry of compiled.findVirtualHost("h")?.routes ?? []) {
        const accepts = entry.accepts.bind(entry);
        entry.accepts = (...args) => {
          times++;
          return accepts(...args);
        };
      }
      const all = compiled.findVirtualHost("h")?.routes ?? [];
      expect(compiled.lookup(requestHead("GET /service-7777/x"), asked())).toBe(all[7777]);
      // The route itself, those that are called a prefix of it (/service-7, …), and "/".
      expect(times).toBeLessThanOrEqual(5);
    }
  });

  test("10 000 virtual hosts", () => {
    const compiled = table(
      [...Array(10_000).keys()].map((i) => host(`v${i}`, [`s${i}.shop.svc`, `*.s${i}.shop.svc`])),
    );
    expect(compiled.lookup(requestHead("GET /", "S7777.shop.svc"), asked())?.name).toBe("v7777");
    expect(compiled.lookup(requestHead("GET /", "x.s7777.shop.svc"), asked())?.name).toBe("v7777");
    expect(compiled.lookup(requestHead("GET /", "t.shop.svc"), asked())).toBeNull();
  });
});

test("every fault of a configuration is reported, with its path", () => {
  const bad = (name: string) =>
    ({ name, value: "%NOPE%", action: "ADD_IF_ABSENT", keepEmptyValue: false }) as const;
  const { table, faults } = compileRouteTable(
    routeConfiguration(
      [
        virtualHost(
          [
            regex("("),
            regex("(a{100}){100}"),
            prefix("/", {
              headers: [{ ...header("x"), test: { kind: "string", match: { kind: "regex", regex: "[" } } }],
            }),
            prefix("/", {
              queryParameters: [
                { name: "q", test: { kind: "string", match: { kind: "regex", regex: "*" } } },
              ],
            }),
            route("/", routeTo("c", { regexRewrite: { regex: "a", substitution: "\\1" } })),
            route("/", routeTo("", { weightedClusters: [], clusterHeader: "a b" })),
            route(
              "/",
              routeTo("", {
                weightedClusters: [{ name: "x", weight: 0, headers: NO_HEADERS, hostRewriteLiteral: "" }],
              }),
            ),
            route("/", routeTo("c", { hostRewriteLiteral: "a/b" })),
            route("/", {
              kind: "direct_response",
              status: 200,
              body: "",
              bodyFormat: { kind: "text", format: "%X%", omitEmptyValues: false, contentType: "" },
            }),
          ],
          { domains: ["*", "a.com", "A.com"], headers: { ...NO_HEADERS, requestAdd: [bad("x")] } },
        ),
        host("second", ["*", "*.x", "*.X"]),
      ],
      { headers: { ...NO_HEADERS, responseAdd: [bad("x")] } },
    ),
    environment,
  );
  expect(table).toBeNull();
  expect(faults.map((fault) => fault.path)).toEqual([
    "response_headers_to_add[0].header.value",
    "virtual_hosts[0].request_headers_to_add[0].header.value",
    "virtual_hosts[0].routes[0].match.safe_regex.regex",
    "virtual_hosts[0].routes[1].match.safe_regex.regex",
    "virtual_hosts[0].routes[2].match.headers[0].string_match.safe_regex.regex",
    "virtual_hosts[0].routes[3].match.query_parameters[0].string_match.safe_regex.regex",
    "virtual_hosts[0].routes[4].route.regex_rewrite.substitution",
    "virtual_hosts[0].routes[5].route.cluster_header",
    "virtual_hosts[0].routes[6].route.weighted_clusters",
    "virtual_hosts[0].routes[7].route.host_rewrite_literal",
    "virtual_hosts[0].routes[8].direct_response.body_format",
    "virtual_hosts[0].domains[2]",
    "virtual_hosts[1].domains[0]",
    "virtual_hosts[1].domains[2]",
  ]);
});
