/** Who is the client: X-Forwarded-For, request ids, x-envoy-* headers, via, server, scheme. */
import type { YamlMap } from "../../support/bootstrap.ts";
import { ask, type Group, oracleListener, originCluster, request, response } from "../scenario.ts";

const ALL: readonly YamlMap[] = [{ match: { prefix: "/" }, route: { cluster: "origin" } }];
const XFF = "x-forwarded-for: 1.1.1.1, 2.2.2.2, 3.3.3.3\r\n";
const ID = "x-request-id: 11111111-2222-4333-8444-555555555555\r\n";
const CONTROL =
  "x-envoy-internal: true\r\nx-envoy-external-address: 9.9.9.9\r\nx-envoy-upstream-rq-timeout-ms: 4000\r\nx-envoy-expected-rq-timeout-ms: 7\r\nx-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 3\r\nx-envoy-original-path: /evil\r\nx-envoy-decorator-operation: op\r\nx-envoy-attempt-count: 3\r\nx-envoy-upstream-alt-stat-name: a\r\nx-envoy-force-trace: 1\r\nx-client-trace-id: c\r\n";

const LISTENERS: { readonly [name: string]: YamlMap } = {
  inner: {},
  edge: { use_remote_address: true },
  "edge-internal": {
    use_remote_address: true,
    internal_address_config: {
      cidr_ranges: [
        { address_prefix: "127.0.0.0", prefix_len: 8 },
        { address_prefix: "10.0.0.0", prefix_len: 8 },
      ],
    },
  },
  "inner-internal": {
    internal_address_config: { cidr_ranges: [{ address_prefix: "10.0.0.0", prefix_len: 8 }] },
  },
  hops1: { xff_num_trusted_hops: 1 },
  hops2: { xff_num_trusted_hops: 2 },
  "edge-hops1": { use_remote_address: true, xff_num_trusted_hops: 1 },
  "no-append": { use_remote_address: true, skip_xff_append: true },
  "keep-id": { use_remote_address: true, preserve_external_request_id: true },
  "no-id": { generate_request_id: false },
  "id-in-response": { always_set_request_id_in_response: true },
  via: { via: "mesh" },
  "server-name": { server_name: "mine" },
  "server-absent": { server_header_transformation: "APPEND_IF_ABSENT", server_name: "mine" },
  "server-pass": { server_header_transformation: "PASS_THROUGH" },
  scheme: { scheme_header_transformation: { scheme_to_overwrite: "https" } },
};

const i = (listener: string, what: string, fields = "", origin: readonly string[] = []) =>
  ask(`${listener}:${what}`, listener, request("GET /", fields), origin);

export const identity: Group = {
  name: "identity",
  listeners: Object.keys(LISTENERS),
  build: (places) => ({
    listeners: Object.entries(LISTENERS).map(([name, manager]) => oracleListener(places, name, ALL, manager)),
    clusters: [originCluster(places)],
  }),
  asks: [
    ...[
      "inner",
      "edge",
      "edge-internal",
      "inner-internal",
      "hops1",
      "hops2",
      "edge-hops1",
      "no-append",
    ].flatMap((listener) => [
      i(listener, "bare"),
      i(listener, "xff", XFF),
      i(listener, "xff-one", "x-forwarded-for: 10.0.0.1\r\n"),
      i(listener, "proto", `x-forwarded-proto: https\r\n${XFF}`),
      i(listener, "control", CONTROL),
      i(listener, "control-xff", CONTROL + XFF),
      i(listener, "id", ID),
    ]),
    i("inner", "xff-bad", "x-forwarded-for: not-an-ip\r\n"),
    i("inner", "xff-two-lines", "x-forwarded-for: 1.1.1.1\r\nx-forwarded-for: 2.2.2.2\r\n"),
    i("inner", "xff-ipv6", "x-forwarded-for: 2001:db8::1\r\n"),
    i("inner", "xff-empty", "x-forwarded-for:\r\n"),
    i("inner", "proto-bad", "x-forwarded-proto: gopher\r\n"),
    i("inner", "forwarded", "forwarded: for=1.1.1.1\r\n"),
    i("hops2", "xff-short", "x-forwarded-for: 1.1.1.1\r\n"),
    i("keep-id", "id", ID + XFF),
    i("keep-id", "none", XFF),
    i("edge", "id-xff", ID + XFF),
    i("no-id", "none"),
    i("no-id", "id", ID),
    i("id-in-response", "none"),
    i("id-in-response", "id", ID),
    i("inner", "id-not-uuid", "x-request-id: hello\r\n"),
    i("via", "none"),
    i("via", "there", "Via: 1.0 before\r\n", [response(200, "Via: 1.1 behind\r\n")]),
    i("server-name", "none"),
    i("server-name", "there", "", [response(200, "Server: origin\r\n")]),
    i("server-absent", "none"),
    i("server-absent", "there", "", [response(200, "Server: origin\r\n")]),
    i("server-pass", "none"),
    i("server-pass", "there", "", [response(200, "Server: origin\r\n")]),
    i("scheme", "none"),
    i("scheme", "proto", "x-forwarded-proto: http\r\n"),
    i("inner", "response-control", "", [
      response(
        200,
        "x-envoy-upstream-service-time: 77\r\nx-envoy-decorator-operation: x\r\nx-envoy-immediate-health-check-fail: 1\r\nx-envoy-overloaded: 1\r\nx-request-id: r\r\n",
      ),
    ]),
    i("inner", "xfcc", "x-forwarded-client-cert: By=x;Hash=y\r\n"),
    i("inner", "date", "", [response(200, "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n")]),
    i("inner", "user-agent", "User-Agent: curl/8\r\nAccept: */*\r\n"),
  ],
};
