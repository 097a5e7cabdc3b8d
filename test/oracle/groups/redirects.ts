/** Redirects and direct responses. */
import type { YamlMap } from "../../support/bootstrap.ts";
import { ask, type Group, oracleListener, originCluster, request } from "../scenario.ts";

const to = (prefix: string, redirect: YamlMap, route: YamlMap = {}): YamlMap => ({
  match: { prefix },
  redirect,
  ...route,
});
const direct = (path: string, direct_response: YamlMap, route: YamlMap = {}): YamlMap => ({
  match: { path },
  direct_response,
  ...route,
});

const ROUTES: readonly YamlMap[] = [
  to("/https", { https_redirect: true }),
  to("/scheme", { scheme_redirect: "ftp" }),
  to("/host", { host_redirect: "new.test" }),
  to("/port", { port_redirect: 8443 }),
  to("/both", { https_redirect: true, host_redirect: "new.test", port_redirect: 444 }),
  to("/path-query", { path_redirect: "/fixed?a=b" }),
  to("/path", { path_redirect: "/fixed" }),
  to("/prefix", { prefix_rewrite: "/other" }),
  to("/regex", { regex_rewrite: { pattern: { regex: "/regex/(\\w+)/(\\w+)" }, substitution: "/\\2/\\1" } }),
  to("/strip", { path_redirect: "/stripped", strip_query: true }),
  to("/s-host", { host_redirect: "new.test", strip_query: true }),
  to("/302", { path_redirect: "/x", response_code: "FOUND" }),
  to("/303", { path_redirect: "/x", response_code: "SEE_OTHER" }),
  to("/307", { path_redirect: "/x", response_code: "TEMPORARY_REDIRECT" }),
  to("/308", { path_redirect: "/x", response_code: "PERMANENT_REDIRECT" }),
  to(
    "/named",
    { path_redirect: "/x" },
    {
      name: "named-redirect",
      response_headers_to_add: [{ header: { key: "x-redirected", value: "%REQ(:PATH)%" } }],
    },
  ),
  direct("/d200", { status: 200, body: { inline_string: "hello" } }),
  direct("/d200-empty", { status: 200 }),
  direct("/d201", { status: 201, body: { inline_string: "made" } }),
  direct("/d204", { status: 204 }),
  direct("/d400", { status: 400, body: { inline_string: "bad" } }),
  direct("/d404", { status: 404, body: { inline_string: "gone" } }),
  direct("/d503", { status: 503, body: { inline_string: "busy" } }),
  direct("/d599", { status: 599 }),
  direct(
    "/headers",
    { status: 200, body: { inline_string: "h" } },
    {
      response_headers_to_add: [
        {
          header: { key: "content-type", value: "application/json" },
          append_action: "OVERWRITE_IF_EXISTS_OR_ADD",
        },
        { header: { key: "x-code", value: "%RESPONSE_CODE%" } },
      ],
      response_headers_to_remove: ["server"],
    },
  ),
  direct("/bytes", { status: 200, body: { inline_bytes: "AAEC/w==" } }),
];

const r = (id: string, line: string, fields = "", body = "") =>
  ask(id, "redirects", request(line, fields, body));

export const redirects: Group = {
  name: "redirects",
  listeners: ["redirects", "unread"],
  build: (places) => ({
    listeners: [oracleListener(places, "redirects", ROUTES), oracleListener(places, "unread", ROUTES)],
    clusters: [originCluster(places)],
  }),
  asks: [
    r("https", "GET /https/x?y=z"),
    r("https-port-80", "GET /https/x", "Host: o.test:80\r\n"),
    r("https-port-8080", "GET /https/x", "Host: o.test:8080\r\n"),
    r("https-port-443", "GET /https/x", "Host: o.test:443\r\n"),
    r("https-from-https", "GET /https/x", "x-forwarded-proto: https\r\n"),
    r("scheme", "GET /scheme"),
    r("host", "GET /host/x?q"),
    r("host-keeps-port", "GET /host/x", "Host: o.test:8080\r\n"),
    r("port", "GET /port"),
    r("port-replaces", "GET /port", "Host: o.test:8080\r\n"),
    r("both", "GET /both"),
    r("path-query", "GET /path-query?c=d"),
    r("path", "GET /path/x?keep=1"),
    r("prefix", "GET /prefix/tail?q=1"),
    r("regex", "GET /regex/a/b?q=1"),
    r("strip", "GET /strip?q=1"),
    r("strip-host", "GET /s-host?q=1"),
    r("302", "GET /302"),
    r("303", "GET /303"),
    r("307", "POST /307", "Content-Length: 2\r\n", "hi"),
    r("308", "GET /308"),
    r("named", "GET /named"),
    r("ipv6-host", "GET /https", "Host: [::1]:80\r\n"),
    r("head", "HEAD /path"),
    r("http10", "GET /path"),
    r("d200", "GET /d200"),
    r("d200-head", "HEAD /d200"),
    r("d200-empty", "GET /d200-empty"),
    r("d200-post", "POST /d200", "Content-Length: 2\r\n", "hi"),
    r("d200-post-chunked", "POST /d200", "Transfer-Encoding: chunked\r\n", "2\r\nhi\r\n0\r\n\r\n"),
    ask("d200-post-unread", "unread", request("POST /d200", "Content-Length: 5000\r\n", "hi")),
    ask("d200-post-huge", "unread", request("POST /d200", "Content-Length: 5000000\r\n", "hi")),
    r("d201", "GET /d201"),
    r("d204", "GET /d204"),
    r("d400", "GET /d400"),
    r("d404", "GET /d404"),
    r("d503", "GET /d503"),
    r("d599", "GET /d599"),
    r("headers", "GET /headers?x=1"),
    r("bytes", "GET /bytes"),
    r("d200-close", "GET /d200", "Connection: close\r\n"),
    r("d200-grpc", "POST /d404", "Content-Type: application/grpc\r\nContent-Length: 0\r\n"),
  ],
};
