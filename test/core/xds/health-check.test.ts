/** `health_checks` and `health_check_config`: what they come to, and what is refused (as Envoy 1.40 refuses it). */
import { describe, expect, test } from "bun:test";
import type { Cluster } from "../../../core/config/model.ts";
import { readBootstrap } from "../../../core/xds/bootstrap.ts";
import { edited, PARTS } from "../../support/config-document.ts";
import { HTTP_QUESTION, healthCheck } from "../../support/health-fixture.ts";
import { HTTP2 } from "../../support/snapshot-fixture.ts";

const ALWAYS = "timeout: 0.3s, interval: 1s, unhealthy_threshold: 2, healthy_threshold: 3";
const H2 = "http2_protocol_options: {}";
const checks = {
  checkRegex: () => "",
  checkFormat: (format: string) => (format.includes("%NOPE%") ? "unknown operator NOPE" : ""),
};

function read(edit: string) {
  const { bootstrap, faults } = readBootstrap(edited("cluster", edit), checks);
  const said = faults.map(({ path, message }) => `${path.slice(PARTS.cluster.length)}: ${message}`);
  return { cluster: bootstrap?.clusters[0].model as Cluster, said };
}

/** One check, with what is in it beside what it must have. */
function checked(rest: string, more = ""): string {
  return `{ health_checks: [{ ${ALWAYS}, ${rest} }]${more === "" ? "" : `, ${more}`} }`;
}

describe("what a check comes to", () => {
  test("the least", () => {
    const { cluster, said } = read(checked("http_health_check: { path: /health }"));
    expect(said).toEqual([]);
    expect(cluster).toMatchObject({
      ignoreNewUntilChecked: false,
      ignoreHealthOnRemoval: false,
      closeOnFailure: false,
    });
    expect(cluster.healthCheck).toEqual(
      healthCheck({ healthyThreshold: 3, noTrafficInterval: 60_000, noTrafficHealthyInterval: 60_000 }),
    );
  });

  test("nothing at all without checks, whatever stands beside them", () => {
    const { cluster, said } = read(
      "{ ignore_health_on_host_removal: true, close_connections_on_host_health_failure: true }",
    );
    expect([said, "healthCheck" in cluster, "closeOnFailure" in cluster]).toEqual([[], false, false]);
  });

  test("intervals that follow others", () => {
    const { healthCheck: check } = read(
      checked("tcp_health_check: {}, unhealthy_interval: 2s, no_traffic_interval: 3s"),
    ).cluster;
    expect(check).toMatchObject({
      unhealthyInterval: 2000,
      unhealthyEdgeInterval: 2000,
      healthyEdgeInterval: 1000,
      noTrafficInterval: 3000,
      noTrafficHealthyInterval: 3000,
    });
  });

  test("everything that is not the question", () => {
    const { cluster, said } = read(
      checked(
        `tcp_health_check: {}, initial_jitter: 0.1s, interval_jitter: 0.2s, interval_jitter_percent: 30,
         unhealthy_interval: 4s, unhealthy_edge_interval: 5s, healthy_edge_interval: 6s, no_traffic_interval: 7s,
         no_traffic_healthy_interval: 8s, reuse_connection: false, tls_options: { alpn_protocols: [a, b] },
         alt_port: 1, event_log_path: /a, always_log_health_check_failures: true,
         always_log_health_check_success: true, event_logger: [{ name: x, typed_config: {
           "@type": type.googleapis.com/envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink,
           event_log_path: /b } }]`,
        `ignore_health_on_host_removal: true, close_connections_on_host_health_failure: true,
         common_lb_config: { ignore_new_hosts_until_first_hc: true }`,
      ),
    );
    expect(said).toEqual([]);
    expect(cluster).toMatchObject({
      ignoreNewUntilChecked: true,
      ignoreHealthOnRemoval: true,
      closeOnFailure: true,
    });
    expect(cluster.healthCheck).toEqual({
      timeout: 300,
      interval: 1000,
      initialJitter: 100,
      intervalJitter: 200,
      intervalJitterPercent: 30,
      unhealthyThreshold: 2,
      healthyThreshold: 3,
      reuseConnection: false,
      noTrafficInterval: 7000,
      noTrafficHealthyInterval: 8000,
      unhealthyInterval: 4000,
      unhealthyEdgeInterval: 5000,
      healthyEdgeInterval: 6000,
      alpn: ["a", "b"],
      question: { kind: "TCP", send: "", receive: [] },
      events: { paths: ["/a", "/b"], everyFailure: true, everySuccess: true },
    });
  });

  test("HTTP", () => {
    const { cluster, said } = read(
      checked(
        `http_health_check: { path: "/x?y", host: h, method: POST, send: { text: "48692A" }, receive: [{ text: 6f6b },
           { binary: AAE= }], response_buffer_size: 0, request_headers_to_add: [{ header: { key: A, value: "1" } }],
           request_headers_to_remove: [User-Agent], expected_statuses: [{ start: 200, end: 300 }],
           retriable_statuses: [{ start: 503, end: 504 }], codec_client_type: HTTP2,
           service_name_matcher: { prefix: s } }`,
      ),
    );
    expect(said).toEqual([]);
    expect(cluster.healthCheck?.question).toEqual({
      ...HTTP_QUESTION,
      http2: HTTP2,
      method: "POST",
      host: "h",
      path: "/x?y",
      payload: "Hi*",
      receive: ["ok", "\x00\x01"],
      bodyLimit: 0,
      headersToAdd: [{ name: "a", value: "1", action: "APPEND_IF_EXISTS_OR_ADD", keepEmptyValue: false }],
      headersToRemove: ["user-agent"],
      expected: [{ start: 200, end: 300 }],
      retriable: [{ start: 503, end: 504 }],
      serviceName: { kind: "prefix", text: "s", ignoreCase: false },
    });
  });

  test("HTTP/1 is asked for unless it is said otherwise, also of a cluster that speaks HTTP/2", () => {
    const { question } = read(checked("http_health_check: { path: / }", H2)).cluster.healthCheck ?? {};
    expect(question).toMatchObject({ kind: "HTTP", http2: null, method: "GET" });
  });

  test("gRPC, TCP", () => {
    const grpc = read(
      checked(
        "grpc_health_check: { service_name: s, authority: a, initial_metadata: [{ header: { key: b, value: c } }] }",
        "http2_protocol_options: { max_concurrent_streams: 7 }",
      ),
    );
    expect([grpc.said, grpc.cluster.healthCheck?.question]).toEqual([
      [],
      {
        kind: "GRPC",
        http2: { ...HTTP2, maxConcurrentStreams: 7 },
        service: "s",
        authority: "a",
        metadata: [{ name: "b", value: "c", action: "APPEND_IF_EXISTS_OR_ADD", keepEmptyValue: false }],
      },
    ]);
    const tcp = read(
      checked('tcp_health_check: { send: { text: "50494e47" }, receive: [{ text: 504f4e47 }] }'),
    );
    expect(tcp.cluster.healthCheck?.question).toEqual({ kind: "TCP", send: "PING", receive: ["PONG"] });
  });

  test("what an endpoint says itself", () => {
    const edit = `{ load_assignment: { cluster_name: service, endpoints: [{ lb_endpoints: [{ endpoint: {
      address: { socket_address: { address: 10.0.0.1, port_value: 80 } }, health_check_config: { port_value: 81,
      hostname: h, disable_active_health_check: true,
      address: { socket_address: { address: 10.0.0.2, port_value: 82 } } } } }] }] } }`;
    const { cluster, said } = read(edit);
    const { loadAssignment } = cluster;
    const own = loadAssignment?.localities[0].endpoints[0].healthCheck;
    expect([said, own]).toEqual([
      [],
      { address: { ip: "10.0.0.2", port: 82, path: "" }, port: 81, hostname: "h", disabled: true },
    ]);
  });
});

describe("what is refused", () => {
  const http = (rest: string) => checked(`http_health_check: { path: /, ${rest} }`);
  const inHttp = ".health_checks[0].http_health_check";
  test.each([
    [
      "{ health_checks: [{}] }",
      ".health_checks[0].timeout: must be set",
      ".health_checks[0].interval: must be set",
      ".health_checks[0].unhealthy_threshold: must be set",
      ".health_checks[0].healthy_threshold: must be set",
      ".health_checks[0]: one of http_health_check, tcp_health_check, grpc_health_check, custom_health_check must be set",
    ],
    [
      "{ health_checks: [{ timeout: 0s, interval: 0s, unhealthy_threshold: 1, healthy_threshold: 1, unhealthy_interval: 0s, tcp_health_check: {} }] }",
      ".health_checks[0].timeout: must be above 0 ms",
      ".health_checks[0].interval: must be above 0 ms",
      ".health_checks[0].unhealthy_interval: must be above 0 ms",
    ],
    [
      checked("tcp_health_check: {}, initial_jitter: -1s"),
      ".health_checks[0].initial_jitter: must not be negative",
    ],
    [
      `{ health_checks: [{ ${ALWAYS}, tcp_health_check: {} }, { ${ALWAYS}, tcp_health_check: {} }] }`,
      ".health_checks: not implemented yet: more than one health check",
    ],
    [
      checked("custom_health_check: { name: x }"),
      ".health_checks[0].custom_health_check: not implemented yet: custom_health_check",
    ],
    [
      checked("grpc_health_check: {}"),
      ".health_checks[0].grpc_health_check: needs a cluster that speaks HTTP/2",
    ],
    [http("codec_client_type: HTTP3"), `${inHttp}.codec_client_type: not implemented yet: HTTP3`],
    [http("method: CONNECT"), `${inHttp}.method: must not be 6`],
    [http("send: { text: '00' }"), `${inHttp}.send: a request of method GET has no body`],
    [
      checked("http_health_check: { path: '/a b' }"),
      `${inHttp}.path: has characters that a request target must not have`,
    ],
    [
      http('receive: [{ text: "616161" }], response_buffer_size: 2'),
      `${inHttp}.receive: is longer (3) than response_buffer_size (2)`,
    ],
    [
      http("receive: [{ text: zz }, { text: abc }]"),
      `${inHttp}.receive[0].text: must be bytes in pairs of hexadecimal digits`,
      `${inHttp}.receive[1].text: must be bytes in pairs of hexadecimal digits`,
    ],
    [
      http("expected_statuses: [{ start: 200, end: 200 }], retriable_statuses: [{ start: 99, end: 601 }]"),
      `${inHttp}.expected_statuses[0]: must not be empty: 200 to 200`,
      `${inHttp}.retriable_statuses[0]: must be within 100 and 600`,
    ],
    [
      http(
        "request_headers_to_add: [{ header: { key: host, value: x } }], request_headers_to_remove: [host]",
      ),
      `${inHttp}.request_headers_to_add[0].header.key: must be neither "host" nor begin with ":"`,
      `${inHttp}.request_headers_to_remove[0]: must be neither "host" nor begin with ":"`,
    ],
    [
      http('request_headers_to_add: [{ header: { key: a, value: "%NOPE%" } }]'),
      `${inHttp}.request_headers_to_add[0].header.value: unknown operator NOPE`,
    ],
    [
      checked("tcp_health_check: { proxy_protocol_config: { version: V1 } }"),
      ".health_checks[0].tcp_health_check.proxy_protocol_config: not implemented yet: proxy_protocol_config",
    ],
    [
      checked(
        "tcp_health_check: {}, event_logger: [{ name: x, typed_config: { '@type': type.googleapis.com/x.Y } }]",
      ),
      ".health_checks[0].event_logger[0].typed_config.@type: not implemented yet: x.Y",
    ],
    [
      checked("tcp_health_check: {}, transport_socket_match_criteria: { a: b }"),
      ".health_checks[0].transport_socket_match_criteria: not implemented yet: transport_socket_match_criteria",
    ],
  ])("%s", (edit, ...expected) => {
    expect(read(edit as string).said).toEqual(expected as string[]);
  });
});
