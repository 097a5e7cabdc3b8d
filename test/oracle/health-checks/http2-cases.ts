/** Checks by HTTP/2 and by gRPC. */
import { upstreamHttp2, type YamlMap } from "../../support/bootstrap.ts";
import type { Http2Peer } from "../../support/http2-peer.ts";
import { grpc, type HealthCase, header, http, SOON, text } from "./case.ts";
import type { Http2Step } from "./target.ts";

const http2 = (id: string, check: YamlMap, steps: readonly Http2Step[], more: Partial<HealthCase> = {}) => ({
  id,
  check,
  targets: [{ asks: "http2" as const, steps }],
  cluster: upstreamHttp2(),
  ...more,
});

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
  http2("http2-timeout", http(CODEC2, SOON), [() => undefined, () => undefined], { endless: true }),
  http2("http2-no-reuse", http(CODEC2, { reuse_connection: false }), [plain, plain]),
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
  http2("grpc-timeout-field", grpc({}, { timeout: "77.25s" }), [tells(SERVING)]),
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
  http2(
    "grpc-timeout",
    grpc({}, SOON),
    [tells(SERVING), ...Array.from({ length: 3 }, (): Http2Step => () => undefined)],
    { endless: true },
  ),
  http2("grpc-goaway-between", grpc(), [
    then(tells(SERVING), (peer, stream) => peer.goAway(stream, 0)),
    tells(SERVING),
  ]),
  http2("grpc-goaway-during", grpc(), [
    (peer, stream) => tells(SERVING)(peer.goAway(stream, 0), stream),
    tells(SERVING),
  ]),
  http2("grpc-goaway-error", grpc({}, SOON), [], {
    targets: [
      {
        asks: "http2",
        steps: [tells(SERVING), (peer, stream) => void peer.goAway(stream, 2), tells(SERVING)],
        rest: tells(SERVING),
      },
    ],
    endless: true,
  }),
];

export const http2Cases: readonly HealthCase[] = [...overHttp2, ...overGrpc];
