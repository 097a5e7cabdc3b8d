/** Checks by HTTP/1: what is asked, what answers come to, what becomes of connections, and the lines of the events. */
import { upstreamHttp1, upstreamHttp2 } from "../../support/bootstrap.ts";
import {
  answer,
  BAD,
  HANG,
  type HealthCase,
  header,
  http,
  OK,
  one,
  PORT,
  SLOWLY,
  SOON,
  say,
  text,
} from "./case.ts";
import { REFUSES } from "./target.ts";

const requests: readonly HealthCase[] = [
  one("request", http(), [OK, OK]),
  one("host", http({ host: "h.test" }), [OK]),
  one("endpoint-host", http({ host: "h.test" }), [OK], { checkedAt: { hostname: "e.test" } }),
  one("endpoint-name", http(), [OK], { endpoint: { endpoint: { hostname: "n.test" } } }),
  one("endpoint-port", http(), [OK], { checkedAt: { port_value: PORT } }),
  one("endpoint-address", http(), [OK], {
    checkedAt: { address: { socket_address: { address: "127.0.0.1", port_value: PORT } } },
  }),
  one("endpoint-address-and-port", http(), [OK], {
    checkedAt: { port_value: PORT, address: { socket_address: { address: "127.0.0.1", port_value: 1 } } },
  }),
  one("path", http({ path: "/health?b=c" }), [OK]),
  one("method-head", http({ method: "HEAD" }), [OK]),
  one("method-trace", http({ method: "TRACE" }), [OK]),
  one("method-unspecified", http({ method: "METHOD_UNSPECIFIED" }), [OK]),
  one("method-options", http({ method: "OPTIONS" }), [OK]),
  one("post", http({ method: "POST" }), [OK]),
  one("post-text", http({ method: "POST", send: { text: text("hello") } }), [OK]),
  one("put-binary", http({ method: "PUT", send: { binary: "AAEC/w==" } }), [OK]),
  one("headers", http({ request_headers_to_add: [header("X-A", "1"), header("x-a", "2")] }), [OK]),
  one(
    "headers-percent",
    http({ request_headers_to_add: [header("x-p", "5%% %PROTOCOL%|%UPSTREAM_HOST%")] }),
    [OK],
  ),
  one(
    "headers-none-there",
    http({
      request_headers_to_add: [header("x-p", "<%REQ(x-a)%|%DOWNSTREAM_REMOTE_ADDRESS%|%RESPONSE_CODE%>")],
    }),
    [OK],
  ),
  one(
    "headers-agent",
    http({
      request_headers_to_add: [header("user-agent", "mine", { append_action: "OVERWRITE_IF_EXISTS_OR_ADD" })],
    }),
    [OK],
  ),
  one("headers-agent-added", http({ request_headers_to_add: [header("user-agent", "mine")] }), [OK]),
  one(
    "headers-empty",
    http({ request_headers_to_add: [header("x-a", ""), header("x-b", "", { keep_empty_value: true })] }),
    [OK],
  ),
  one("headers-removed", http({ request_headers_to_remove: ["user-agent"] }), [OK]),
  one("proper-case", http({ request_headers_to_add: [header("x-a-b", "1")] }), [OK], {
    cluster: upstreamHttp1({ header_key_format: { proper_case_words: {} } }),
  }),
  one("http1-of-http2", http(), [OK], { cluster: upstreamHttp2() }),
];

const answers: readonly HealthCase[] = [
  one("expected", http({ expected_statuses: [{ start: 201, end: 203 }] }), [say(202), say(203)]),
  one("expected-not-200", http({ expected_statuses: [{ start: 201, end: 203 }] }), [OK]),
  one("fails-first", http(), [BAD]),
  one("fails-at-once", http(), [OK, BAD]),
  one("recovers", http(), [OK, BAD, OK, OK]),
  one("recovers-not-yet", http(), [OK, BAD, OK]),
  one("recovers-from-the-first", http(), [BAD, OK]),
  one("retriable", http({ retriable_statuses: [{ start: 500, end: 501 }] }), [OK, BAD, BAD, OK, BAD, BAD]),
  one("retriable-threshold", http({ retriable_statuses: [{ start: 500, end: 501 }] }), [OK, BAD, BAD, BAD]),
  one("retriable-first", http({ retriable_statuses: [{ start: 500, end: 501 }] }), [BAD]),
  one("thresholds-zero", http({}, { unhealthy_threshold: 0, healthy_threshold: 0 }), [OK, BAD, OK, OK]),
  one("degraded", http(), [OK, say(200, "x-envoy-degraded: x\r\n")]),
  one("degraded-first", http(), [say(200, "x-envoy-degraded:\r\n")]),
  one("degraded-no-more", http(), [OK, say(200, "x-envoy-degraded: x\r\n"), OK]),
  one("degraded-and-bad", http(), [OK, say(503, "x-envoy-degraded: x\r\n")]),
  one("degraded-then-bad", http(), [say(200, "x-envoy-degraded: x\r\n"), BAD]),
  one("excluded", http(), [OK, say(503, "x-envoy-immediate-health-check-fail: true\r\n")]),
  one("excluded-back", http(), [OK, say(503, "x-envoy-immediate-health-check-fail: true\r\n"), OK, OK]),
  one("excluded-still", http(), [OK, say(503, "x-envoy-immediate-health-check-fail: true\r\n"), BAD]),
  one("excluded-by-200", http(), [OK, say(200, "x-envoy-immediate-health-check-fail: true\r\n")]),
  one("body-found", http({ receive: [{ text: text("aa") }, { text: text("bb") }] }), [
    say(200, "", "xaaxbbx"),
  ]),
  one("body-order", http({ receive: [{ text: text("aa") }, { text: text("bb") }] }), [
    OK,
    say(200, "", "bbaa"),
  ]),
  one("body-overlap", http({ receive: [{ text: text("aa") }, { binary: "YWI=" }] }), [say(200, "", "aab")]),
  one(
    "body-and-retriable",
    http({ receive: [{ text: text("ok") }], retriable_statuses: [{ start: 500, end: 501 }] }),
    [say(200, "", "ok"), BAD],
  ),
  one("body-and-excluded", http({ receive: [{ text: text("ok") }] }), [
    say(200, "", "ok"),
    say(200, "x-envoy-immediate-health-check-fail: true\r\n"),
  ]),
  one("body-late", http({ receive: [{ text: text("ok") }] }), [say(200, "", `${"-".repeat(1022)}ok`)]),
  one("body-too-late", http({ receive: [{ text: text("ok") }] }), [say(200, "", `${"-".repeat(1023)}ok`)]),
  one("body-all", http({ receive: [{ text: text("ok") }], response_buffer_size: 0 }), [
    say(200, "", `${"-".repeat(4000)}ok`),
  ]),
  one("body-slow", http(), [
    { say: "HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\no", later: { ms: 60, say: "k" } },
    OK,
  ]),
  one("body-to-the-end", http(), [{ say: "HTTP/1.1 200 X\r\n\r\nbye", close: "end" }, OK]),
  one("service-name", http({ service_name_matcher: { prefix: "tea" } }), [
    say(200, "x-envoy-upstream-healthchecked-cluster: tea-house\r\n"),
  ]),
  one("service-name-other", http({ service_name_matcher: { prefix: "tea" } }), [
    say(200, "x-envoy-upstream-healthchecked-cluster: pub\r\n"),
  ]),
  one("service-name-none", http({ service_name_matcher: { prefix: "tea" } }), [OK, OK]),
  one("interim", http(), [{ say: `HTTP/1.1 100 Continue\r\n\r\n${answer(200)}` }, OK]),
  one("no-http", http(), [OK, { say: "SSH-2.0-x\r\n" }, { say: "SSH-2.0-x\r\n" }, { say: "SSH-2.0-x\r\n" }]),
  one("too-large", http(), [OK, say(200, `x: ${"y".repeat(70_000)}\r\n`), OK]),
];

const connections: readonly HealthCase[] = [
  one("reused", http(), [OK, OK, OK]),
  one("not-reused", http({}, { reuse_connection: false }), [OK, OK, OK]),
  one("connection-close", http(), [say(200, "connection: close\r\n"), OK]),
  one("http10", http(), [{ say: answer(200, "", "", "1.0") }, OK]),
  one("closed-between", http({}, SLOWLY), [{ ...OK, later: { ms: 20, close: "end" } }, OK]),
  one("closed-with-it", http({}, SLOWLY), [{ ...OK, close: "end" }, OK]),
  one("closed-instead", http(), [OK, { close: "end" }, { close: "end" }, OK, { close: "end" }]),
  one("closed-threshold", http(), [OK, { close: "end" }, { close: "end" }, { close: "end" }]),
  one("reset-first", http(), [{ close: "reset" }]),
  one("reset-threshold", http(), [OK, { close: "reset" }, { close: "reset" }, { close: "reset" }]),
  one("two-answers", http(), [{ say: answer(200) + answer(200) }, OK]),
  one("timeout", http({}, SOON), [HANG], { endless: true }),
  {
    id: "timeout-below-threshold",
    check: http({}, SOON),
    targets: [{ asks: "http", steps: [OK, HANG, HANG, OK], rest: OK }],
    endless: true,
  },
  one("timeout-threshold", http({}, SOON), [OK, HANG, HANG, HANG], { endless: true }),
  {
    id: "timeout-then-bad",
    check: http({}, SOON),
    targets: [{ asks: "http", steps: [HANG, BAD], rest: BAD }],
    endless: true,
  },
  {
    id: "timeout-then-well",
    check: http({}, SOON),
    targets: [{ asks: "http", steps: [HANG, OK], rest: OK }],
    endless: true,
  },
  { id: "refused", check: http(), targets: [REFUSES], endless: true },
  one("disabled", http(), [], {
    checkedAt: { disable_active_health_check: true },
    targets: [REFUSES],
    endless: true,
  }),
];

const events: readonly HealthCase[] = [
  one("log-failures", http({}, { always_log_health_check_failures: true }), [BAD, BAD, OK, BAD]),
  one(
    "log-failures-pending",
    http({ retriable_statuses: [{ start: 500, end: 501 }] }, { always_log_health_check_failures: true }),
    [OK, BAD, BAD, OK],
  ),
  one("log-successes", http({}, { always_log_health_check_success: true }), [OK, OK, BAD, OK, OK, OK]),
  one("log-metadata", http(), [OK], {
    endpoint: { metadata: { filter_metadata: { a: { b: ["c", 1, null, true] } } } },
  }),
  one("log-excluded", http({}, { always_log_health_check_failures: true }), [
    OK,
    say(503, "x-envoy-immediate-health-check-fail: true\r\n"),
  ]),
];

export const httpCases: readonly HealthCase[] = [...requests, ...answers, ...connections, ...events];
