/** What the router filter can be told: headers of its own, strict checks, expected timeouts, statistics by code. */
import { router, staticCluster, type YamlMap } from "../../support/bootstrap.ts";
import type { ClientStep, OriginScript } from "../../support/exchange.ts";
import {
  ask,
  downCluster,
  type Group,
  oracleListener,
  originCluster,
  request,
  response,
} from "../scenario.ts";

const options = (fields: YamlMap): YamlMap => ({ http_filters: [router(fields)] });

/** Its clients are internal ones: what they ask for is heard. */
const INTERNAL: YamlMap = {
  use_remote_address: true,
  skip_xff_append: true,
  internal_address_config: { cidr_ranges: [{ address_prefix: "127.0.0.0", prefix_len: 8 }] },
};

const to = (prefix: string, action: YamlMap = {}, cluster = "origin"): YamlMap => ({
  match: { prefix },
  route: { cluster, ...action },
});

const ROUTES: YamlMap = {
  name: "routes",
  virtual_hosts: [
    {
      name: "counted",
      domains: ["counted.test"],
      include_request_attempt_count: true,
      include_attempt_count_in_response: true,
      routes: [to("/")],
    },
    {
      name: "v",
      domains: ["*"],
      routes: [
        to("/rewrite", { prefix_rewrite: "/new", host_rewrite_literal: "new.test" }),
        to("/slow", { timeout: "0.2s" }),
        to("/tries", {
          timeout: "2s",
          retry_policy: { retry_on: "5xx", num_retries: 1, per_try_timeout: "0.3s" },
        }),
        to("/endless", { timeout: "0s" }),
        to("/down", {}, "down"),
        to("/full", {}, "full"),
        { match: { prefix: "/redirect" }, redirect: { path_redirect: "/x" } },
        to("/alt", {}, "alt"),
        to("/"),
      ],
    },
  ],
};

const STRICT: YamlMap = {
  strict_check_headers: [
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-max-retries",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
  ],
};

const LISTENERS: { readonly [name: string]: YamlMap } = {
  plain: { ...options({}), ...INTERNAL },
  suppress: { ...options({ suppress_envoy_headers: true }), ...INTERNAL },
  strict: { ...options(STRICT), ...INTERNAL },
  "strict-outside": options(STRICT),
  "strict-one": { ...options({ strict_check_headers: ["x-envoy-max-retries"] }), ...INTERNAL },
  expected: { ...options({ respect_expected_rq_timeout: true }), ...INTERNAL },
  "expected-outside": options({ respect_expected_rq_timeout: true }),
  "no-codes": options({ dynamic_stats: false }),
  "child-span": options({ start_child_span: true }),
};

const hang: OriginScript = [{ until: "request" }, { elapse: 700 }];
/** Waits for less than the route's own time-outs, and for more than those that are asked for. */
const wait = (line: string, fields: string): ClientStep[] => [
  request(line, fields),
  { reached: 1 },
  { elapse: 500 },
  { reset: true },
  { elapse: 20 },
];
const GRPC = "content-type: application/grpc\r\ncontent-length: 0\r\n";

const o = (listener: string, id: string, line = "GET /", fields = "", origin: readonly OriginScript[] = []) =>
  ask(`${listener}:${id}`, listener, request(line, fields), origin);
const timeouts = (listener: string) => [
  ask(`${listener}:expected`, listener, "", [hang], {
    client: wait("GET /", "x-envoy-expected-rq-timeout-ms: 250\r\n"),
  }),
  ask(`${listener}:expected-endless`, listener, "", [hang], {
    client: wait("GET /endless", "x-envoy-expected-rq-timeout-ms: 350\r\n"),
  }),
  o(
    listener,
    "expected-and-own",
    "GET /",
    "x-envoy-expected-rq-timeout-ms: 4000\r\nx-envoy-upstream-rq-timeout-ms: 250\r\n",
    [response(200)],
  ),
  o(
    listener,
    "expected-bad",
    "GET /",
    "x-envoy-expected-rq-timeout-ms: soon\r\nx-envoy-upstream-rq-timeout-ms: 4000\r\n",
  ),
  o(listener, "expected-zero", "GET /", "x-envoy-expected-rq-timeout-ms: 0\r\n"),
  o(listener, "expected-tries", "GET /tries", "x-envoy-expected-rq-timeout-ms: 5000\r\n"),
  o(listener, "expected-tries-shorter", "GET /tries", "x-envoy-expected-rq-timeout-ms: 200\r\n"),
  o(listener, "expected-redirect", "GET /redirect", "x-envoy-expected-rq-timeout-ms: 200\r\n"),
];

export const routerOptions: Group = {
  name: "router-options",
  listeners: Object.keys(LISTENERS),
  build: (places) => ({
    listeners: Object.entries(LISTENERS).map(([name, manager]) =>
      oracleListener(places, name, ROUTES, manager),
    ),
    clusters: [
      originCluster(places),
      originCluster(places, "alt"),
      downCluster(places),
      staticCluster("full", [places.origin], {
        circuit_breakers: { thresholds: [{ max_pending_requests: 0, max_connections: 0, max_requests: 0 }] },
      }),
    ],
  }),
  asks: [
    ...["plain", "suppress"].flatMap((listener) => [
      o(listener, "get"),
      o(listener, "counted", "GET /", "Host: counted.test\r\n"),
      o(listener, "rewrite", "GET /rewrite/x"),
      o(listener, "slow", "GET /slow", "", [hang]),
      o(listener, "down", "GET /down"),
      o(listener, "full", "GET /full"),
      o(listener, "tries", "GET /tries", "", [response(503), response(200)]),
      o(listener, "own-timeout", "GET /", "x-envoy-upstream-rq-timeout-ms: 4000\r\n"),
      o(
        listener,
        "theirs",
        "GET /rewrite",
        "x-envoy-original-path: /theirs\r\nx-envoy-expected-rq-timeout-ms: 7\r\n",
        [response(200, "x-envoy-upstream-service-time: 77\r\nx-envoy-overloaded: true\r\n")],
      ),
    ]),
    ...["strict", "strict-outside"].flatMap((listener) => [
      o(listener, "none"),
      o(
        listener,
        "good",
        "GET /",
        "x-envoy-upstream-rq-timeout-ms: 4000\r\nx-envoy-upstream-rq-per-try-timeout-ms: 300\r\nx-envoy-max-retries: 2\r\nx-envoy-retry-on: 5xx,reset\r\nx-envoy-retry-grpc-on: cancelled\r\n",
      ),
      o(listener, "timeout", "GET /", "x-envoy-upstream-rq-timeout-ms: 10.5\r\n"),
      o(listener, "timeout-negative", "GET /", "x-envoy-upstream-rq-timeout-ms: -1\r\n"),
      o(listener, "timeout-long", "GET /", "x-envoy-upstream-rq-timeout-ms: 99999999999\r\n"),
      o(listener, "timeout-empty", "GET /", "x-envoy-upstream-rq-timeout-ms:\r\n"),
      o(listener, "per-try", "GET /", "x-envoy-upstream-rq-per-try-timeout-ms: x\r\n"),
      o(listener, "retries", "GET /", "x-envoy-max-retries: many\r\n"),
      o(listener, "retry-on", "GET /", "x-envoy-retry-on: 5xx,sometimes\r\n"),
      o(listener, "retry-on-spaces", "GET /", "x-envoy-retry-on: 5xx, reset\r\n"),
      o(listener, "retry-on-empty", "GET /", "x-envoy-retry-on:\r\n"),
      o(listener, "retry-on-list-end", "GET /", "x-envoy-retry-on: 5xx,\r\n"),
      o(listener, "retry-on-grpc", "GET /", "x-envoy-retry-on: cancelled\r\n"),
      o(listener, "grpc-on", "GET /", "x-envoy-retry-grpc-on: 5xx\r\n"),
      o(listener, "two", "GET /", "x-envoy-retry-on: what\r\nx-envoy-max-retries: many\r\n"),
      o(listener, "redirect", "GET /redirect", "x-envoy-max-retries: many\r\n"),
      o(listener, "grpc", "POST /", `${GRPC}x-envoy-max-retries: many\r\n`),
    ]),
    o("strict-one", "other", "GET /", "x-envoy-retry-on: what\r\n"),
    o("strict-one", "checked", "GET /", "x-envoy-max-retries: many\r\n"),
    o("strict-one", "two-lines", "GET /", "x-envoy-max-retries: 1\r\nx-envoy-max-retries: 2\r\n"),
    ...timeouts("plain"),
    ...timeouts("expected"),
    ...timeouts("expected-outside"),
    o("no-codes", "get", "GET /alt"),
    o("no-codes", "503", "GET /alt", "", [response(503)]),
    o("no-codes", "down", "GET /down"),
    o("child-span", "get"),
  ],
};
