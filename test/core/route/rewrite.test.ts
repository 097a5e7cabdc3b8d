import { describe, expect, test } from "bun:test";
import type { RedirectAction, RouteAction } from "../../../core/config/model.ts";
import type { ConfigFault } from "../../../core/errors.ts";
import type { FormatEnvironment } from "../../../core/http/formatter.ts";
import { compileRedirect } from "../../../core/route/redirect.ts";
import { compileRouteTable } from "../../../core/route/route-table.ts";
import { Clock } from "../../../core/time/clock.ts";
import { route, routeConfiguration, routeTo, virtualHost } from "../../support/snapshot-fixture.ts";
import { asked, requestHead, streamInfo } from "../../support/stream-info-fixture.ts";

const environment: FormatEnvironment = { variables: {}, hostname: "", clock: new Clock() };

type Match = Parameters<typeof route>[2];

const PREFIX = (text: string): Match => path({ kind: "prefix", text });
const EXACT = (text: string): Match => path({ kind: "path", text });

function path(match: ReturnType<typeof route>["match"]["path"], caseSensitive = true): Match {
  return { match: { ...route("", routeTo("x")).match, path: match, caseSensitive } };
}

/** Sends a request through a table with one route; what goes upstream as "path host {x-…}". */
function upstream(
  action: Partial<RouteAction>,
  match: Match,
  line: string,
  fields: readonly string[] = [],
  ignoreParameters = false,
): string {
  const { table, faults } = compileRouteTable(
    routeConfiguration([virtualHost([route("", routeTo("echo", action), match)])], {
      ignorePathParametersInPathMatching: ignoreParameters,
    }),
    environment,
  );
  if (table === null) throw new Error(JSON.stringify(faults));
  const head = requestHead(`GET ${line}`, "h", fields);
  const found = table.lookup(head, asked());
  if (found === null) return "404";
  found.finalizeRequest(head, found.clusters?.choose(0) as never, streamInfo({ request: head }), false);
  let extra = "";
  head.fields.forEach((name, value) => {
    if (name !== "x-host") extra += ` ${name}=${value}`;
  });
  return `${head.path} ${head.authority}${extra}`;
}

const original = (path: string) => ` x-envoy-original-path=${path}`;

describe("a prefix rewrite replaces what the route matched and keeps the rest (as observed in Envoy)", () => {
  const table: [Match, string, string, string][] = [
    [PREFIX("/pre"), "/new", "/pre", "/new"],
    [PREFIX("/pre"), "/new", "/prefix?q=1", "/newfix?q=1"],
    [EXACT("/exact"), "/new", "/exact?a=/b", "/new?a=/b"],
    [path({ kind: "path_separated_prefix", text: "/sep" }), "/new", "/sep/a", "/new/a"],
    [path({ kind: "path_separated_prefix", text: "/sep" }), "/new", "/sep?x", "/new?x"],
    [path({ kind: "path_separated_prefix", text: "/root" }), "/", "/root/a", "//a"],
    [PREFIX("/slash/"), "/", "/slash/a", "/a"],
    [path({ kind: "regex", regex: "/rx[0-9]+" }), "/new", "/rx12?q", "/new?q"],
    [path({ kind: "prefix", text: "/CI" }, false), "/new", "/ci/a", "/new/a"],
    [path({ kind: "prefix", text: "/ci" }, false), "/new", "/CI/a", "/new/a"],
    [path({ kind: "path_separated_prefix", text: "/Sep" }, false), "/new", "/sEP/A?q", "/new/A?q"],
  ];
  test.each(table)("%j → %s: %s", (match, prefixRewrite, line, expected) => {
    expect(upstream({ prefixRewrite }, match, line)).toBe(`${expected} h${original(line)}`);
  });

  test("with path parameters ignored, only a path that begins with the route's text is rewritten", () => {
    const go = (line: string) =>
      upstream({ prefixRewrite: "/new" }, PREFIX("/pre/x"), line, [], true).split(" ")[0];
    expect(["/pre;a/x/y", "/pre/x;", "/pre/x/y;z", "/;a/pre/x", "/pre;a=b;c/x;d/z;e?q;f"].map(go)).toEqual([
      "/pre;a/x/y",
      "/new;",
      "/new/y;z",
      "404",
      "/pre;a=b;c/x;d/z;e?q;f",
    ]);
  });
});

describe("a regex rewrite", () => {
  const rewrite = (regex: string, substitution: string, line: string) =>
    upstream({ regexRewrite: { regex, substitution } }, PREFIX("/"), line).split(" ")[0];

  test("sees the path without its query", () => {
    expect(rewrite("^/rr/([^/]+)(.*)$", "\\2/x/\\1", "/rr/foo/bar?q=/rr/a")).toBe("/bar/x/foo?q=/rr/a");
  });
  test("to nothing is no rewrite", () => {
    expect(rewrite("^/empt$", "", "/empt?y")).toBe("/empt?y");
  });
  test("cannot make a target that does not begin with a slash (Envoy sends it)", () => {
    expect(rewrite("^/bad", "nolead", "/badx?y")).toBe("/noleadx?y");
    expect(rewrite("^/", "http://evil/", "/x")).toBe("/http://evil/x");
  });
  test("that does not match leaves the path", () => {
    expect(rewrite("zz", "q", "/a?b")).toBe("/a?b");
  });
});

describe("a host rewrite", () => {
  test("by the configuration", () => {
    expect(upstream({ hostRewriteLiteral: "lit.host:99" }, PREFIX("/"), "/")).toBe(
      "/ lit.host:99 x-envoy-original-host=h",
    );
  });
  test("notes the old host for the upstream if asked to", () => {
    expect(
      upstream({ hostRewriteLiteral: "lit", appendXForwardedHost: true }, PREFIX("/"), "/", [
        "x-forwarded-host: a",
      ]),
    ).toBe("/ lit x-forwarded-host=a,h x-envoy-original-host=h");
  });
  test("by a header: its first value, if it is a host", () => {
    const by = (...values: string[]) =>
      upstream(
        { hostRewriteHeader: "x-host" },
        PREFIX("/"),
        "/",
        values.map((value) => `x-host: ${value}`),
      );
    expect(by()).toBe("/ h");
    expect(by("")).toBe("/ h");
    expect(by("xx:1")).toBe("/ xx:1 x-envoy-original-host=h");
    expect(by("a", "b")).toBe("/ a x-envoy-original-host=h");
    expect(by("evil/path")).toBe("/ h");
    expect(by("u@evil")).toBe("/ h");
  });
  test("from the path, if what comes out is a host (Envoy sends “host: /hpz”)", () => {
    const by = (line: string) =>
      upstream({ hostRewritePathRegex: { regex: "^/hp/(.+)/.+$", substitution: "\\1" } }, PREFIX("/"), line);
    expect(by("/hp/foo/bar?q=/hp/x/y")).toBe("/hp/foo/bar?q=/hp/x/y foo x-envoy-original-host=h");
    expect(by("/hpz")).toBe("/hpz h");
  });
  test("of a weighted cluster goes first and unnoted; the route's own rewrite comes after it", () => {
    const weightedClusters = [
      { name: "echo", weight: 1, headers: virtualHost([]).headers, hostRewriteLiteral: "w.host" },
    ];
    expect(upstream({ cluster: "", weightedClusters }, PREFIX("/"), "/")).toBe("/ w.host");
    expect(upstream({ cluster: "", weightedClusters, hostRewriteLiteral: "r" }, PREFIX("/"), "/")).toBe(
      "/ r x-envoy-original-host=w.host",
    );
  });
});

describe("a redirect (as observed in Envoy)", () => {
  const BASE: RedirectAction = {
    kind: "redirect",
    httpsRedirect: false,
    schemeRedirect: "",
    hostRedirect: "",
    portRedirect: 0,
    pathRedirect: "",
    prefixRewrite: "",
    regexRewrite: null,
    status: 301,
    stripQuery: false,
  };
  const https = { httpsRedirect: true };
  const table: [Partial<RedirectAction>, string, string][] = [
    [https, "h", "https://h/rd/x?q=1"],
    [https, "h:80", "https://h/rd/x?q=1"],
    [https, "h:443", "https://h:443/rd/x?q=1"],
    [https, "h:8080", "https://h:8080/rd/x?q=1"],
    [https, "[::1]:80", "https://[::1]/rd/x?q=1"],
    [https, "[::1]", "https://[::1]/rd/x?q=1"],
    [{ schemeRedirect: "ftp" }, "h:80", "ftp://h/rd/x?q=1"],
    [{ schemeRedirect: "http" }, "h:80", "http://h:80/rd/x?q=1"],
    [{ hostRedirect: "other" }, "h:8080", "http://other/rd/x?q=1"],
    [{ portRedirect: 8443 }, "h:80", "http://h:8443/rd/x?q=1"],
    [{ portRedirect: 8443 }, "[::1]:80", "http://[::1]:8443/rd/x?q=1"],
    [{ pathRedirect: "/np" }, "h:80", "http://h:80/np?q=1"],
    [{ pathRedirect: "/np", stripQuery: true }, "h", "http://h/np"],
    [{ pathRedirect: "/np?z=1", stripQuery: true }, "h", "http://h/np?z=1"],
    [{ prefixRewrite: "/np" }, "h", "http://h/np/x?q=1"],
    [
      { regexRewrite: { regex: "^/rd/(.*)$", substitution: "/r/\\1" }, stripQuery: true },
      "h",
      "http://h/r/x",
    ],
    [{ ...https, stripQuery: true }, "h", "https://h/rd/x"],
  ];
  test.each(table)("%j from %s", (action, host, expected) => {
    const faults: ConfigFault[] = [];
    const redirect = compileRedirect({ ...BASE, ...action }, "redirect", faults);
    expect(faults).toEqual([]);
    expect(redirect.location(requestHead("GET /rd/x?q=1", host), "/rd".length)).toBe(expected);
  });

  test("what the client's side of the connection was is read off x-forwarded-proto", () => {
    const head = requestHead("GET /x", "h:443", ["x-forwarded-proto: https"]);
    head.scheme = "https";
    expect(compileRedirect({ ...BASE, schemeRedirect: "http" }, "", []).location(head, 0)).toBe("http://h/x");
    expect(compileRedirect({ ...BASE, ...https }, "", []).location(head, 0)).toBe("https://h:443/x");
  });
});
