/**
 * The cases of health checks that are compared with Envoy. Each script ends with a check that is held, so that the
 * numbers stand still when they are read.
 */
import { upstreamHttp1, upstreamHttp2, type YamlMap } from "../../support/bootstrap.ts";
import type { Http2Peer } from "../../support/http2-peer.ts";
import { type HealthCase, PORT } from "./case.ts";
import { type Http2Step, REFUSES, type Script, type Step } from "./target.ts";

const answer = (status: number, fields = "", body = "", version = "1.1"): string =>
  `HTTP/${version} ${status} X\r\ncontent-length: ${body.length}\r\n${fields}\r\n${body}`;

const say = (status: number, fields = "", body = ""): Step => ({ say: answer(status, fields, body) });
const OK = say(200);
const BAD = say(500);
const HANG: Step = {};

const http = (fields: YamlMap = {}, more: YamlMap = {}): YamlMap => ({
  http_health_check: { path: "/health", ...fields },
  ...more,
});
const tcp = (fields: YamlMap = {}, more: YamlMap = {}): YamlMap => ({ tcp_health_check: fields, ...more });
const grpc = (fields: YamlMap = {}, more: YamlMap = {}): YamlMap => ({ grpc_health_check: fields, ...more });

const one = (
  id: string,
  check: YamlMap,
  steps: readonly Step[],
  more: Partial<HealthCase> = {},
): HealthCase => ({
  id,
  check,
  targets: [{ asks: "http", steps }],
  ...more,
});
const raw = (
  id: string,
  asks: "connect" | number,
  check: YamlMap,
  steps: readonly Step[],
  more: Partial<HealthCase> = {},
): HealthCase => ({ id, check, targets: [{ asks, steps } as Script], ...more });
const http2 = (id: string, check: YamlMap, steps: readonly Http2Step[], more: Partial<HealthCase> = {}) => ({
  id,
  check,
  targets: [{ asks: "http2" as const, steps }],
  cluster: upstreamHttp2(),
  ...more,
});

const text = (value: string): string => Buffer.from(value, "latin1").toString("hex");
const header = (key: string, value: string, more: YamlMap = {}): YamlMap => ({
  header: { key, value },
  ...more,
});

/** Short enough to be waited for, long enough to be read in between. */
const SOON: YamlMap = { timeout: "0.4s" };

const bytes = (...values: number[]): string => String.fromCharCode(...values);
const SERVING = bytes(0, 0, 0, 0, 2, 8, 1);
const NOT_SERVING = bytes(0, 0, 0, 0, 2, 8, 2);
const HEAD = [
  [":status", "200"],
  ["content-type", "application/grpc"],
] as const;

/** An answer of gRPC: so many bytes, and the trailers. */
const tells =
  (message: string, status = "0"): Http2Step =>
  (peer, stream) => {
    peer.head(stream, HEAD);
    if (message !== "") peer.data(stream, message);
    peer.head(stream, [["grpc-status", status]], { end: true });
  };
const refuses =
  (fields: readonly (readonly [string, string])[]): Http2Step =>
  (peer, stream) =>
    void peer.head(stream, fields, { end: true });
const plain = refuses([[":status", "200"]]);
const then =
  (step: Http2Step, more: (peer: Http2Peer, stream: number) => void): Http2Step =>
  (peer, stream) => {
    step(peer, stream);
    more(peer, stream);
  };
const CODEC2: YamlMap = { codec_client_type: "HTTP2" };

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
  one("path", http({ path: "/health a?b=c#d" }), [OK]),
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
  one("closed-between", http(), [{ ...OK, later: { ms: 20, close: "end" } }, OK]),
  one("closed-with-it", http(), [{ ...OK, close: "end" }, OK]),
  one("closed-instead", http(), [OK, { close: "end" }, { close: "end" }, OK, { close: "end" }]),
  one("closed-threshold", http(), [OK, { close: "end" }, { close: "end" }, { close: "end" }]),
  one("reset-first", http(), [{ close: "reset" }]),
  one("reset-threshold", http(), [OK, { close: "reset" }, { close: "reset" }, { close: "reset" }]),
  one("two-answers", http(), [{ say: answer(200) + answer(200) }, OK]),
  one("timeout", http({}, SOON), [HANG]),
  one("timeout-later", http({}, SOON), [OK, HANG, HANG]),
  one("timeout-threshold", http({}, SOON), [OK, HANG, HANG, HANG]),
  one("timeout-then-bad", http({}, SOON), [HANG, BAD]),
  one("timeout-then-well", http({}, SOON), [HANG, OK]),
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

const overHttp2: readonly HealthCase[] = [
  http2("http2", http(CODEC2), [plain, plain]),
  http2(
    "http2-headers",
    http({
      ...CODEC2,
      host: "h.test",
      method: "POST",
      send: { text: text("hi") },
      request_headers_to_add: [header("X-A", "1")],
    }),
    [plain],
  ),
  http2("http2-post", http({ ...CODEC2, method: "POST" }), [plain]),
  http2("http2-of-http1", http(CODEC2), [plain], { cluster: {} }),
  http2("http2-bad", http(CODEC2), [plain, refuses([[":status", "500"]])]),
  http2("http2-goaway-between", http(CODEC2), [then(plain, (peer, stream) => peer.goAway(stream, 0)), plain]),
  http2("http2-goaway-during", http(CODEC2), [
    (peer, stream) => plain(peer.goAway(stream, 0), stream),
    plain,
  ]),
  http2("http2-reset", http(CODEC2), [plain, (peer, stream) => void peer.reset(stream, 2), plain]),
  http2("http2-timeout", http(CODEC2, SOON), [() => undefined]),
  http2("http2-no-reuse", http(CODEC2, { reuse_connection: false }), [plain, plain]),
];

const overTcp: readonly HealthCase[] = [
  raw("tcp-connect", "connect", tcp(), [HANG, HANG], { endless: true }),
  raw("tcp-send-only", "connect", tcp({ send: { text: text("ping") } }), [HANG, HANG], { endless: true }),
  raw(
    "tcp-answer",
    4,
    tcp({ send: { text: text("ping") }, receive: [{ text: text("po") }, { text: text("ng") }] }),
    [{ say: "<po-ng>" }, { say: "pong" }],
  ),
  raw("tcp-answer-in-parts", 4, tcp({ send: { text: text("ping") }, receive: [{ text: text("pong") }] }), [
    { say: "po", later: { ms: 40, say: "ng" } },
    { say: "pong" },
  ]),
  raw("tcp-no-answer", 4, tcp({ send: { text: text("ping") }, receive: [{ text: text("pong") }] }, SOON), [
    { say: "gnop" },
  ]),
  raw("tcp-closed", 4, tcp({ send: { text: text("ping") }, receive: [{ text: text("pong") }] }), [
    { say: "pong" },
    { close: "end" },
    { close: "end" },
    { close: "end" },
  ]),
  raw("tcp-closed-between", 4, tcp({ send: { text: text("ping") }, receive: [{ text: text("pong") }] }), [
    { say: "pong", later: { ms: 20, close: "end" } },
    { say: "pong" },
  ]),
  raw(
    "tcp-not-reused",
    4,
    tcp({ send: { text: text("ping") }, receive: [{ text: text("pong") }] }, { reuse_connection: false }),
    [{ say: "pong" }, { say: "pong" }],
  ),
  { id: "tcp-refused", check: tcp(), targets: [REFUSES], endless: true },
];

const overGrpc: readonly HealthCase[] = [
  http2("grpc", grpc(), [tells(SERVING), tells(SERVING)]),
  http2(
    "grpc-service",
    grpc({ service_name: "tea.Pot", authority: "a.test", initial_metadata: [header("x-a", "%PROTOCOL%")] }),
    [tells(SERVING)],
  ),
  http2("grpc-endpoint-host", grpc({ authority: "a.test" }), [tells(SERVING)], {
    checkedAt: { hostname: "e.test" },
  }),
  http2("grpc-timeout-field", grpc({}, { timeout: "7.25s" }), [tells(SERVING)]),
  http2("grpc-not-serving", grpc(), [tells(SERVING), tells(NOT_SERVING)]),
  http2("grpc-recovers", grpc(), [tells(NOT_SERVING), tells(SERVING), tells(SERVING)]),
  http2("grpc-unknown", grpc(), [tells(bytes(0, 0, 0, 0, 0))]),
  http2("grpc-service-unknown", grpc(), [tells(bytes(0, 0, 0, 0, 2, 8, 3))]),
  http2("grpc-new-status", grpc(), [tells(bytes(0, 0, 0, 0, 2, 8, 9))]),
  http2("grpc-status", grpc(), [tells(SERVING), tells(SERVING, "14")]),
  http2("grpc-unimplemented", grpc(), [refuses([...HEAD, ["grpc-status", "12"]])]),
  http2("grpc-no-message", grpc(), [tells("")]),
  http2("grpc-two-messages", grpc(), [tells(SERVING + SERVING)]),
  http2("grpc-part", grpc(), [tells(SERVING.slice(0, 6))]),
  http2("grpc-no-message-format", grpc(), [tells(bytes(0, 0, 0, 0, 1, 255))]),
  http2("grpc-flag", grpc(), [tells(bytes(2, 0, 0, 0, 2, 8, 1))]),
  http2("grpc-http-status", grpc(), [refuses([[":status", "500"]])]),
  http2("grpc-content-type", grpc(), [
    refuses([
      [":status", "200"],
      ["content-type", "text/plain"],
      ["grpc-status", "0"],
    ]),
  ]),
  http2("grpc-no-trailers", grpc(), [
    (peer, stream) => void peer.head(stream, HEAD).data(stream, SERVING, true),
  ]),
  http2("grpc-degraded", grpc(), [
    (peer, stream) =>
      void peer
        .head(stream, [...HEAD, ["x-envoy-degraded", "1"]])
        .data(stream, SERVING)
        .head(stream, [["grpc-status", "0"]], { end: true }),
  ]),
  http2("grpc-reset", grpc(), [tells(SERVING), (peer, stream) => void peer.reset(stream, 8)]),
  http2("grpc-reset-threshold", grpc(), [
    tells(SERVING),
    ...Array.from({ length: 3 }, (): Http2Step => (peer, stream) => void peer.reset(stream, 7)),
  ]),
  http2("grpc-timeout", grpc({}, SOON), [tells(SERVING), () => undefined]),
  http2("grpc-goaway-between", grpc(), [
    then(tells(SERVING), (peer, stream) => peer.goAway(stream, 0)),
    tells(SERVING),
  ]),
  http2("grpc-goaway-during", grpc(), [
    (peer, stream) => tells(SERVING)(peer.goAway(stream, 0), stream),
    tells(SERVING),
  ]),
  http2("grpc-goaway-error", grpc(), [
    tells(SERVING),
    (peer, stream) => void peer.goAway(stream, 2),
    tells(SERVING),
  ]),
];

const served = (name: string, steps: readonly Step[], fields = ""): Script => ({
  asks: "http",
  steps,
  served: answer(200, fields, name),
});

const choices: readonly HealthCase[] = [
  { id: "one-failed", check: http(), targets: [served("a", [OK]), served("b", [BAD])], requests: 4 },
  { id: "all-failed", check: http(), targets: [served("a", [BAD]), served("b", [BAD])], requests: 4 },
  {
    id: "all-failed-no-panic",
    check: http(),
    targets: [served("a", [BAD]), served("b", [BAD])],
    cluster: { common_lb_config: { healthy_panic_threshold: { value: 0 } } },
    requests: 2,
  },
  {
    id: "one-degraded",
    check: http(),
    targets: [served("a", [OK]), served("b", [say(200, "x-envoy-degraded: x\r\n")])],
    cluster: { common_lb_config: { healthy_panic_threshold: { value: 0 } } },
    endless: true,
  },
  {
    id: "all-degraded",
    check: http(),
    targets: [served("a", [say(200, "x-envoy-degraded: x\r\n")])],
    requests: 2,
  },
  {
    id: "excluded-in-passing",
    check: http(),
    targets: [served("a", [OK], "x-envoy-immediate-health-check-fail: true\r\n"), served("b", [OK])],
    requests: 6,
  },
];

/** A newcomer, or one that goes: the first is always there. */
const set = (
  id: string,
  sets: readonly (readonly number[])[],
  steps: readonly Step[],
  more: Partial<HealthCase> = {},
  released?: Step,
): HealthCase => ({
  id,
  check: http(),
  targets: [
    { asks: "http", steps: [OK] },
    { asks: "http", steps, ...(released === undefined ? {} : { released }) },
  ],
  sets,
  ...more,
});
const IGNORED: YamlMap = { common_lb_config: { ignore_new_hosts_until_first_hc: true } };

const changes: readonly HealthCase[] = [
  set("set-first-check-pending", [[0], [0, 1]], []),
  set("set-first-check-good", [[0], [0, 1]], [], {}, OK),
  set("set-first-check-bad", [[0], [0, 1]], [], {}, BAD),
  set("set-ignored-till-checked", [[0], [0, 1]], [], { cluster: IGNORED }),
  set("set-ignored-then-good", [[0], [0, 1]], [], { cluster: IGNORED }, OK),
  set("set-ignored-then-bad", [[0], [0, 1]], [], { cluster: IGNORED }, BAD),
  set("set-removed", [[0, 1], [0]], [OK]),
  set("set-removed-and-back", [[0, 1], [0], [0, 1]], [OK]),
  set("set-removed-then-bad", [[0, 1], [0]], [OK], {}, BAD),
  set("set-removed-when-bad", [[0, 1], [0]], [BAD]),
  set("set-removed-at-once", [[0, 1], [0]], [OK], { cluster: { ignore_health_on_host_removal: true } }),
];

/** All of them, in the order in which they are shown. */
export const cases: readonly HealthCase[] = [
  ...requests,
  ...answers,
  ...connections,
  ...events,
  ...overHttp2,
  ...overTcp,
  ...overGrpc,
  ...choices,
  ...changes,
];
