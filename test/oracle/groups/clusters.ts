/** Which cluster, and what becomes of a request when the cluster cannot serve it; retries. */
import { staticCluster, upstreamHttp1, type YamlMap } from "../../support/bootstrap.ts";
import type { OriginScript } from "../../support/exchange.ts";
import {
  ask,
  downCluster,
  type Group,
  oracleListener,
  originCluster,
  request,
  response,
} from "../scenario.ts";

const to = (prefix: string, cluster: string, action: YamlMap = {}): YamlMap => ({
  match: { prefix },
  route: { cluster, ...action },
});
const retry = (prefix: string, retry_policy: YamlMap, action: YamlMap = {}, cluster = "origin"): YamlMap =>
  to(prefix, cluster, {
    retry_policy: { retry_back_off: { base_interval: "0.001s" }, ...retry_policy },
    ...action,
  });

const weighted = (
  prefix: string,
  weights: readonly (readonly [string, number])[],
  more: YamlMap = {},
): YamlMap => ({
  match: { prefix },
  route: { weighted_clusters: { clusters: weights.map(([name, weight]) => ({ name, weight })), ...more } },
});

const ROUTES: readonly YamlMap[] = [
  weighted("/w0-100", [
    ["down", 0],
    ["origin", 100],
  ]),
  weighted("/w1-0", [
    ["origin", 1],
    ["down", 0],
  ]),
  weighted("/w-three", [
    ["down", 0],
    ["second", 7],
    ["nobody", 0],
  ]),
  {
    match: { prefix: "/w-headers" },
    route: {
      weighted_clusters: {
        clusters: [
          {
            name: "origin",
            weight: 1,
            request_headers_to_add: [{ header: { key: "x-weighted", value: "yes" } }],
            response_headers_to_add: [{ header: { key: "y-weighted", value: "%UPSTREAM_CLUSTER%" } }],
          },
        ],
      },
    },
  },
  { match: { prefix: "/cluster-header" }, route: { cluster_header: "x-cluster" } },
  to("/unknown-503", "not-configured"),
  to("/unknown-404", "not-configured", { cluster_not_found_response_code: "NOT_FOUND" }),
  to("/unknown-500", "not-configured", { cluster_not_found_response_code: "INTERNAL_SERVER_ERROR" }),
  to("/nobody", "nobody"),
  to("/down", "down"),
  to("/full", "full"),
  to("/no-requests", "no-requests"),
  to("/no-queue", "no-queue"),
  to("/alt", "alt"),
  { match: { prefix: "/non-forwarding" }, non_forwarding_action: {} },
  retry("/r-5xx", { retry_on: "5xx", num_retries: 2 }),
  retry("/r-gateway", { retry_on: "gateway-error" }),
  retry("/r-connect", { retry_on: "connect-failure", num_retries: 2 }, {}, "down"),
  retry("/r-reset", { retry_on: "reset" }),
  retry("/r-reset-before", { retry_on: "reset-before-request" }),
  retry("/r-4xx", { retry_on: "retriable-4xx" }),
  retry("/r-codes", { retry_on: "retriable-status-codes", retriable_status_codes: [418, 503] }),
  retry("/r-headers", {
    retry_on: "retriable-headers",
    retriable_headers: [{ name: "x-again", string_match: { exact: "yes" } }],
  }),
  retry("/r-request-headers", {
    retry_on: "5xx",
    retriable_request_headers: [{ name: "x-may-retry", present_match: true }],
  }),
  retry("/r-none", { retry_on: "5xx", num_retries: 0 }),
  retry("/r-try-timeout", { retry_on: "5xx", num_retries: 1, per_try_timeout: "0.15s" }),
  retry("/r-budget", { retry_on: "5xx", num_retries: 3 }, { timeout: "0.25s" }),
  retry("/r-overflow", { retry_on: "5xx" }, {}, "no-retries"),
  to("/", "origin"),
];

const c = (id: string, line: string, fields = "", origin: readonly OriginScript[] = [], body = "") =>
  ask(id, "clusters", request(line, fields, body), origin);
const bad = response(503, "", "bad");
const good = response(200, "", "good");
const hang: OriginScript = [{ until: "request" }, { elapse: 2000 }];

export const clusters: Group = {
  name: "clusters",
  listeners: ["clusters", "attempts"],
  build: (places) => ({
    listeners: [
      oracleListener(places, "clusters", {
        name: "clusters",
        validate_clusters: false,
        virtual_hosts: [{ name: "v", domains: ["*"], routes: ROUTES }],
      }),
      oracleListener(places, "attempts", {
        name: "attempts",
        virtual_hosts: [
          {
            name: "v",
            domains: ["*"],
            include_request_attempt_count: true,
            include_attempt_count_in_response: true,
            retry_policy: { retry_on: "5xx", num_retries: 2, retry_back_off: { base_interval: "0.001s" } },
            routes: [to("/", "origin")],
          },
        ],
      }),
    ],
    clusters: [
      originCluster(places),
      originCluster(places, "second"),
      originCluster(places, "alt", { alt_stat_name: "alternative" }),
      originCluster(places, "no-retries", { circuit_breakers: { thresholds: [{ max_retries: 0 }] } }),
      downCluster(places),
      staticCluster("nobody", []),
      originCluster(places, "no-requests", { circuit_breakers: { thresholds: [{ max_requests: 0 }] } }),
      originCluster(places, "no-queue", { circuit_breakers: { thresholds: [{ max_pending_requests: 0 }] } }),
      staticCluster("full", [places.origin], {
        ...upstreamHttp1({}),
        circuit_breakers: { thresholds: [{ max_pending_requests: 0, max_connections: 0, max_requests: 0 }] },
      }),
    ],
  }),
  asks: [
    c("weight-0-100", "GET /w0-100"),
    c("weight-1-0", "GET /w1-0"),
    c("weight-three", "GET /w-three"),
    c("weight-headers", "GET /w-headers"),
    c("cluster-header", "GET /cluster-header", "x-cluster: second\r\n"),
    c("cluster-header-missing", "GET /cluster-header"),
    c("cluster-header-unknown", "GET /cluster-header", "x-cluster: none\r\n"),
    c("unknown-503", "GET /unknown-503"),
    c("unknown-404", "GET /unknown-404"),
    c("unknown-500", "GET /unknown-500"),
    c("no-endpoint", "GET /nobody"),
    c("no-endpoint-head", "HEAD /nobody"),
    c("no-endpoint-grpc", "POST /nobody", "Content-Type: application/grpc\r\nContent-Length: 0\r\n"),
    c("refused", "GET /down"),
    c("refused-post", "POST /down", "Content-Length: 5\r\n", [], "hello"),
    c("refused-grpc", "POST /down", "Content-Type: application/grpc\r\nContent-Length: 0\r\n"),
    c("full", "GET /full"),
    c("no-requests", "GET /no-requests"),
    c("no-queue", "GET /no-queue"),
    c("alt-stat-name", "GET /alt"),
    c("non-forwarding", "GET /non-forwarding"),
    c("retry-5xx-once", "GET /r-5xx", "", [bad, good]),
    c("retry-5xx-used-up", "GET /r-5xx", "", [bad, bad, bad]),
    c("retry-5xx-post", "POST /r-5xx", "Content-Length: 5\r\n", [bad, good], "hello"),
    c(
      "retry-5xx-chunked",
      "POST /r-5xx",
      "Transfer-Encoding: chunked\r\n",
      [bad, good],
      "5\r\nhello\r\n0\r\n\r\n",
    ),
    c("retry-5xx-close", "GET /r-5xx", "", [[{ until: "request" }, { close: true }], good]),
    c("retry-5xx-404", "GET /r-5xx", "", [response(404)]),
    c("retry-gateway-502", "GET /r-gateway", "", [response(502), good]),
    c("retry-gateway-500", "GET /r-gateway", "", [response(500), good]),
    c("retry-connect", "GET /r-connect"),
    c("retry-reset", "GET /r-reset", "", [[{ until: "request" }, { reset: true }], good]),
    c("retry-reset-503", "GET /r-reset", "", [bad, good]),
    c("retry-reset-before-late", "GET /r-reset-before", "", [[{ until: "request" }, { close: true }], good]),
    c("retry-409", "GET /r-4xx", "", [response(409), good]),
    c("retry-404", "GET /r-4xx", "", [response(404), good]),
    c("retry-code-418", "GET /r-codes", "", [response(418), good]),
    c("retry-code-500", "GET /r-codes", "", [response(500), good]),
    c("retry-header", "GET /r-headers", "", [response(200, "X-Again: yes\r\n"), good]),
    c("retry-header-not", "GET /r-headers", "", [response(200, "X-Again: no\r\n"), good]),
    c("retry-request-header", "GET /r-request-headers", "x-may-retry: 1\r\n", [bad, good]),
    c("retry-request-header-missing", "GET /r-request-headers", "", [bad, good]),
    c("retry-none", "GET /r-none", "", [bad, good]),
    c("retry-try-timeout", "GET /r-try-timeout", "", [hang, good]),
    c("retry-try-timeout-twice", "GET /r-try-timeout", "", [hang, hang]),
    c("retry-within-timeout", "GET /r-budget", "", [bad, hang]),
    c("retry-overflow", "GET /r-overflow", "", [bad, good]),
    c("retry-ratelimited", "GET /r-5xx", "", [response(503, "X-Envoy-RateLimited: true\r\n"), good]),
    c("retry-headers-of-client", "GET /", "x-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 1\r\n", [bad, good]),
    ask("vhost-retry", "attempts", request("GET /"), [bad, good]),
    ask("vhost-retry-used-up", "attempts", request("GET /"), [bad, bad, bad]),
  ],
};
