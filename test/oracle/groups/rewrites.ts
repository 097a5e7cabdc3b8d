/** What the route does to path and host on the way to the upstream. */
import type { YamlMap } from "../../support/bootstrap.ts";
import { ask, type Group, oracleListener, originCluster, request } from "../scenario.ts";

const route = (prefix: string, action: YamlMap, more: YamlMap = {}, match: YamlMap = {}): YamlMap => ({
  match: { prefix, ...match },
  route: { cluster: "origin", ...action },
  ...more,
});

const ROUTES: readonly YamlMap[] = [
  route("/prefix/", { prefix_rewrite: "/" }),
  route("/prefix", { prefix_rewrite: "/new" }),
  { match: { path: "/exact" }, route: { cluster: "origin", prefix_rewrite: "/whole" } },
  { match: { path_separated_prefix: "/sep" }, route: { cluster: "origin", prefix_rewrite: "/apart" } },
  {
    match: { safe_regex: { regex: "/rx/.*" } },
    route: { cluster: "origin", prefix_rewrite: "/replaced" },
  },
  route("/regex", {
    regex_rewrite: { pattern: { regex: "^/regex/([^/]+)/(.*)$" }, substitution: "/\\2/of/\\1" },
  }),
  route("/all", { regex_rewrite: { pattern: { regex: "a" }, substitution: "b" } }),
  route("/nomatch", { regex_rewrite: { pattern: { regex: "zzz" }, substitution: "b" } }),
  route("/case", { prefix_rewrite: "/lower" }, {}, { case_sensitive: false }),
  route("/host-literal", { host_rewrite_literal: "inner.test" }),
  route("/host-header", { host_rewrite_header: "x-host" }),
  route("/host-regex", {
    host_rewrite_path_regex: { pattern: { regex: "^/host-regex/(.+)$" }, substitution: "\\1.inner" },
  }),
  route("/host-forwarded", { host_rewrite_literal: "inner.test", append_x_forwarded_host: true }),
  route("/removed", {}, { request_headers_to_remove: ["x-gone", "user-agent"] }),
  route("/weighted", {
    cluster: null,
    weighted_clusters: { clusters: [{ name: "origin", weight: 1, host_rewrite_literal: "w.test" }] },
  }),
  route("/", {}),
];

const r = (id: string, line: string, fields = "") => ask(id, "rewrites", request(line, fields));

function clean(routeMap: YamlMap): YamlMap {
  const action = routeMap.route as YamlMap;
  return {
    ...routeMap,
    route: Object.fromEntries(Object.entries(action).filter(([, value]) => value !== null)),
  };
}

export const rewrites: Group = {
  name: "rewrites",
  listeners: ["rewrites", "dns"],
  build: (places) => ({
    listeners: [
      oracleListener(places, "rewrites", ROUTES.map(clean)),
      oracleListener(places, "dns", [
        { match: { prefix: "/auto" }, route: { cluster: "dns", auto_host_rewrite: true } },
        { match: { prefix: "/" }, route: { cluster: "dns" } },
      ]),
    ],
    clusters: [
      originCluster(places),
      {
        name: "dns",
        type: "STRICT_DNS",
        connect_timeout: "1s",
        dns_lookup_family: "V4_ONLY",
        load_assignment: {
          cluster_name: "dns",
          endpoints: [
            {
              lb_endpoints: [
                {
                  endpoint: {
                    address: { socket_address: { address: "localhost", port_value: places.origin } },
                  },
                },
              ],
            },
          ],
        },
      },
    ],
  }),
  asks: [
    r("prefix", "GET /prefix/a?b=c"),
    r("prefix-exact", "GET /prefix"),
    r("prefix-longer-word", "GET /prefixed/x"),
    r("exact", "GET /exact?q=1"),
    r("separated", "GET /sep/tail?q"),
    r("separated-bare", "GET /sep"),
    r("regex-match-prefix-rewrite", "GET /rx/tail?q"),
    r("regex", "GET /regex/one/two/three?x=/y"),
    r("regex-not", "GET /regex/one"),
    r("regex-all-places", "GET /all/a/banana?a=a"),
    r("regex-no-match", "GET /nomatch/x"),
    r("ignore-case", "GET /CaSe/x"),
    r("host-literal", "GET /host-literal"),
    r("host-header", "GET /host-header", "x-host: from-header.test\r\n"),
    r("host-header-missing", "GET /host-header"),
    r("host-regex", "GET /host-regex/name?q=1"),
    r("host-forwarded", "GET /host-forwarded"),
    r("host-forwarded-twice", "GET /host-forwarded", "x-forwarded-host: first.test\r\n"),
    r("removed", "GET /removed", "x-gone: 1\r\nuser-agent: me\r\nx-stays: 2\r\n"),
    r("weighted-host", "GET /weighted"),
    r("untouched", "GET /plain?x=1"),
    r("double-slash", "GET //a//b"),
    r("encoded", "GET /%41%2f%2E%2e?%41"),
    ask("dns", "dns", request("GET /plain")),
    ask("dns-auto-host", "dns", request("GET /auto")),
  ],
};
