/** Path normalisation and host stripping. */
import type { YamlMap } from "../../support/bootstrap.ts";
import { ask, type Group, oracleListener, originCluster, request } from "../scenario.ts";

const ROUTES: readonly YamlMap[] = [
  { name: "admin", match: { prefix: "/admin" }, route: { cluster: "origin" } },
  { name: "rest", match: { prefix: "/" }, route: { cluster: "origin" } },
];

const LISTENERS: { readonly [name: string]: YamlMap } = {
  none: { normalize_path: false },
  base: { normalize_path: true },
  merge: { normalize_path: true, merge_slashes: true },
  "merge-only": { normalize_path: false, merge_slashes: true },
  reject: { normalize_path: true, path_with_escaped_slashes_action: "REJECT_REQUEST" },
  redirect: { normalize_path: true, path_with_escaped_slashes_action: "UNESCAPE_AND_REDIRECT" },
  forward: {
    normalize_path: true,
    merge_slashes: true,
    path_with_escaped_slashes_action: "UNESCAPE_AND_FORWARD",
  },
};

const PATHS: { readonly [word: string]: string } = {
  plain: "/a/b?c=d",
  "dot-dot": "/x/../admin",
  dot: "/./admin/./x",
  "encoded-dots": "/x/%2e%2e/admin",
  "encoded-dots-upper": "/x/%2E%2E/admin",
  "above-root": "/../../admin",
  slashes: "//admin///x",
  "encoded-slash": "/x%2fadmin",
  "encoded-slash-upper": "/x%2Fadmin",
  "encoded-backslash": "/x%5Cadmin",
  "encoded-slash-dots": "/x%2f..%2fadmin",
  "encoded-letter": "/%61dmin",
  "double-encoded": "/%252e%252e/admin",
  "dots-in-query": "/a?x=/../b//c",
  "trailing-dot-dot": "/a/b/..",
  "trailing-dot": "/a/b/.",
  "only-slashes": "///",
  empty: "/",
  "only-dots": "/..",
  semicolon: "/a;x=1/../b",
  "bad-percent": "/a%zz",
  "percent-nul": "/a%00b",
  "tilde-encoded": "/%7euser",
  "space-encoded": "/a%20b",
};

const HOSTS: { readonly [name: string]: YamlMap } = {
  "strip-matching": { strip_matching_host_port: true },
  "strip-any": { strip_any_host_port: true },
  "strip-dot": { strip_trailing_host_dot: true },
};

export const paths: Group = {
  name: "paths",
  listeners: [...Object.keys(LISTENERS), ...Object.keys(HOSTS), "ignore-parameters"],
  build: (places) => ({
    listeners: [
      ...Object.entries({ ...LISTENERS, ...HOSTS }).map(([name, manager]) =>
        oracleListener(places, name, ROUTES, manager),
      ),
      oracleListener(places, "ignore-parameters", {
        name: "ignore-parameters",
        ignore_path_parameters_in_path_matching: true,
        virtual_hosts: [
          {
            name: "v",
            domains: ["*"],
            routes: [
              { name: "exact", match: { path: "/exact" }, route: { cluster: "origin" } },
              { name: "rest", match: { prefix: "/" }, route: { cluster: "origin" } },
            ],
          },
        ],
      }),
    ],
    clusters: [originCluster(places)],
  }),
  asks: [
    ...Object.keys(LISTENERS).flatMap((listener) =>
      Object.entries(PATHS).map(([word, path]) =>
        ask(`${listener}:${word}`, listener, request(`GET ${path}`)),
      ),
    ),
    ...Object.keys(HOSTS).flatMap((listener) =>
      Object.entries({
        plain: "o.test",
        "port-80": "o.test:80",
        "port-other": "o.test:8080",
        dot: "o.test.",
        "dot-port": "o.test.:8080",
        ipv6: "[::1]:8080",
      }).map(([word, host]) => ask(`${listener}:${word}`, listener, request("GET /", `Host: ${host}\r\n`))),
    ),
    ask("parameters-exact", "ignore-parameters", request("GET /exact;a=b")),
    ask("parameters-rest", "ignore-parameters", request("GET /x/exact;a=b")),
  ],
};
