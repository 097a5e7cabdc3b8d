import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { utf8ByteString } from "../../../core/bytes/ascii.ts";
import { Fields } from "../../../core/http/fields.ts";
import { setFilterState } from "../../../core/http/filter-state.ts";
import {
  compileFormat,
  compileJsonFormat,
  DEFAULT_LOG_FORMAT,
  type FormatEnvironment,
  type JsonValue,
} from "../../../core/http/formatter.ts";
import type { StreamInfo } from "../../../core/http/stream-info.ts";
import { Clock } from "../../../core/time/clock.ts";
import { requestHead, responseHead, streamInfo } from "../../support/stream-info-fixture.ts";

const clock = new Clock();
clock.epoch = Date.UTC(2026, 10, 21, 9, 19, 20);
const environment: FormatEnvironment = { variables: { FOO: "bar" }, hostname: "node-1", clock };

function text(format: string, info: StreamInfo = streamInfo(), omitEmpty = false): string {
  const { formatter, errors } = compileFormat(format, environment, omitEmpty);
  if (formatter === null) throw new Error(errors.join("; "));
  return formatter.format(info);
}

function header(format: string, info: StreamInfo = streamInfo()): string | null {
  const { formatter, errors } = compileFormat(format, environment);
  if (formatter === null) throw new Error(errors.join("; "));
  return formatter.formatHeader(info);
}

function json(format: JsonValue, info: StreamInfo = streamInfo(), omitEmpty = false): string {
  const { formatter, errors } = compileJsonFormat(format, environment, omitEmpty);
  if (formatter === null) throw new Error(errors.join("; "));
  return formatter.format(info);
}

const REQUEST = requestHead("POST /new/x/y?a=bcd&q=1", "h:80", [
  "x-a: first",
  "x-a: second",
  "x-envoy-original-path: /x/y?a=bcd&q=1",
  "user-agent: curl",
]);
const RESPONSE = responseHead(200, ["x-dup: u", "x-envoy-upstream-service-time: 1"]);
const FULL = streamInfo({ request: REQUEST, response: RESPONSE });
setFilterState(FULL, "wasm.who", "me too");

test("the default line is Envoy's", () => {
  expect(text(DEFAULT_LOG_FORMAT, FULL)).toBe(
    '[2026-11-21T09:19:19.833Z] "POST /x/y?a=bcd&q=1 HTTP/1.1" 200 - 0 297 7 1 "-" "curl" "-" "h:80" "127.0.0.1:23109"\n',
  );
});

describe("operators", () => {
  // operator, as text, as JSON
  const table: [string, string, string][] = [
    ["PROTOCOL", "HTTP/1.1", '"HTTP/1.1"'],
    ["RESPONSE_CODE", "200", "200"],
    ["RESPONSE_CODE_DETAILS", "via_upstream", '"via_upstream"'],
    ["CONNECTION_TERMINATION_DETAILS", "-", "null"],
    ["RESPONSE_FLAGS", "-", '"-"'],
    ["RESPONSE_FLAGS_LONG", "-", '"-"'],
    ["BYTES_RECEIVED", "0", "0"],
    ["BYTES_SENT", "297", "297"],
    ["DURATION", "7", "7"],
    ["REQUEST_DURATION", "0", "0"],
    ["REQUEST_TX_DURATION", "1", "1"],
    ["RESPONSE_DURATION", "2", "2"],
    ["RESPONSE_TX_DURATION", "4", "4"],
    ["COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)", "7730", "7730"],
    ["COMMON_DURATION(US_RX_BEG:US_RX_END:ms)", "3", "3"],
    ["COMMON_DURATION(DS_TX_END:DS_RX_BEG:ms)", "-", "null"],
    ["UPSTREAM_HOST", "127.0.0.1:23109", '"127.0.0.1:23109"'],
    ["UPSTREAM_CLUSTER", "alt_echo2", '"alt_echo2"'],
    ["UPSTREAM_CLUSTER_RAW", "echo2", '"echo2"'],
    ["UPSTREAM_LOCAL_ADDRESS", "[::1]:50000", '"[::1]:50000"'],
    ["UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", "::1", '"::1"'],
    ["UPSTREAM_LOCAL_PORT", "50000", "50000"],
    ["UPSTREAM_REMOTE_ADDRESS", "127.0.0.1:23109", '"127.0.0.1:23109"'],
    ["UPSTREAM_REMOTE_PORT", "23109", "23109"],
    ["DOWNSTREAM_REMOTE_ADDRESS", "10.0.0.9:40000", '"10.0.0.9:40000"'],
    ["DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "10.0.0.9", '"10.0.0.9"'],
    ["DOWNSTREAM_DIRECT_REMOTE_ADDRESS", "127.0.0.1:54564", '"127.0.0.1:54564"'],
    ["DOWNSTREAM_LOCAL_ADDRESS", "127.0.0.1:23110", '"127.0.0.1:23110"'],
    ["DOWNSTREAM_LOCAL_PORT", "23110", "23110"],
    ["UPSTREAM_REQUEST_ATTEMPT_COUNT", "1", "1"],
    ["UPSTREAM_TRANSPORT_FAILURE_REASON", "-", "null"],
    ["CONNECTION_ID", "3", "3"],
    ["REQUESTED_SERVER_NAME", "-", "null"],
    ["ROUTE_NAME", "rn", '"rn"'],
    ["FILTER_CHAIN_NAME", "-", "null"],
    ["STREAM_ID", "705fc6d0", '"705fc6d0"'],
    ["LOCAL_REPLY_BODY", "", '""'],
    ["HOSTNAME", "node-1", '"node-1"'],
    ["ENVIRONMENT(FOO)", "bar", '"bar"'],
    ["ENVIRONMENT(FOO):2", "ba", '"ba"'],
    ["ENVIRONMENT(NOPE)", "-", '"-"'],
    ["ENVIRONMENT(constructor)", "-", '"-"'],
    ["REQ(x-a)", "first", '"first"'],
    ["REQ(X-A):3", "fir", '"fir"'],
    ["REQ(X-A):100", "first", '"first"'],
    ["REQ(nope?x-a)", "first", '"first"'],
    ["REQ(nope)", "-", "null"],
    ["REQ(host)", "h:80", '"h:80"'],
    ["REQ(:AUTHORITY)", "h:80", '"h:80"'],
    ["REQ(:METHOD)", "POST", '"POST"'],
    ["REQ_WITHOUT_QUERY(:PATH)", "/new/x/y", '"/new/x/y"'],
    ["RESP(x-dup)", "u", '"u"'],
    ["RESP(:STATUS)", "200", '"200"'],
    ["TRAILER(x)", "-", "null"],
    ["PATH", "/x/y?a=bcd&q=1", '"/x/y?a=bcd&q=1"'],
    ["PATH(NQ)", "/x/y", '"/x/y"'],
    ["PATH(WQ:PATH)", "/new/x/y?a=bcd&q=1", '"/new/x/y?a=bcd&q=1"'],
    ["PATH(NQ:ORIG):2", "/x", '"/x"'],
    ["FILTER_STATE(wasm.who:PLAIN)", "me too", '"me too"'],
    ["FILTER_STATE(wasm.who:PLAIN):2", "me", '"me"'],
    ["FILTER_STATE(who:PLAIN)", "-", "null"],
    ["QUERY_PARAM(a)", "bcd", '"bcd"'],
    ["QUERY_PARAM(a):2", "bc", '"bc"'],
    ["QUERY_PARAM(b)", "-", "null"],
    ["START_TIME", "2026-11-21T09:19:19.833Z", '"2026-11-21T09:19:19.833Z"'],
    ["START_TIME(%s)", "1795252759", '"1795252759"'],
    ["EMIT_TIME", "2026-11-21T09:19:20.000Z", '"2026-11-21T09:19:20.000Z"'],
    ["DOWNSTREAM_HEADER_BYTES_RECEIVED", "52", "52"],
    ["DOWNSTREAM_HEADER_BYTES_SENT", "126", "126"],
  ];
  test.each(table)("%%%s%%", (operator, asText, asJson) => {
    expect(text(`%${operator}%`, FULL)).toBe(asText);
    expect(json(`%${operator}%`, FULL)).toBe(asJson);
  });

  test("flags, short and long", () => {
    const info = streamInfo({ flags: ["URX", "UF"] });
    expect(text("%RESPONSE_FLAGS%", info)).toBe("URX,UF");
    expect(text("%RESPONSE_FLAGS_LONG%", info)).toBe("UpstreamRetryLimitExceeded,UpstreamConnectionFailure");
  });

  test("headers are counted as Envoy counts them", () => {
    const request = requestHead("POST /new/x/y?a=bcd&q=1", "h", [
      "host: h",
      "x-a: first",
      'x-a: sec"\\\t\x80\xc3\xa9',
      "content-length: 0",
      "x-forwarded-proto: http",
      "x-request-id: 705fc6d0-9bb5-4976-9594-7d2ba1f4e0ea",
      "x-envoy-expected-rq-timeout-ms: 15000",
      "x-envoy-original-path: /x/y?a=bcd&q=1",
    ]);
    const response = responseHead(200, [
      "content-length: 297",
      "x-up: 1",
      "x-dup: u",
      "x-envoy-upstream-service-time: 1",
      "date: Sat, 21 Nov 2026 09:19:19 GMT",
      "server: envoy",
    ]);
    // The numbers that Envoy 1.40 logged for this exchange.
    expect(text("%REQUEST_HEADERS_BYTES% %RESPONSE_HEADERS_BYTES%", streamInfo({ request, response }))).toBe(
      "230 112",
    );
  });

  test("trailers", () => {
    const responseTrailers = new Fields();
    responseTrailers.add("grpc-status", "13");
    expect(text("%TRAILER(GRPC-STATUS)% %RESPONSE_TRAILERS_BYTES%", streamInfo({ responseTrailers }))).toBe(
      "13 13",
    );
  });

  test("a stream that is still alive has the duration until now; a TCP connection has no request", () => {
    expect(text("%DURATION%", streamInfo({ duration: -1 }))).toBe("167");
    const tcp = streamInfo({ request: null, response: null, responseCode: 0, upstreamResponseStarted: -1 });
    expect(
      text("%PROTOCOL% %REQ(:PATH)% %PATH% %QUERY_PARAM(a)% %RESPONSE_CODE% %RESPONSE_DURATION%", tcp),
    ).toBe("- - - - 0 -");
  });

  test("an endpoint that was never connected has no remote address, a Unix socket no port", () => {
    const upstreamHost = { ip: "", port: 0, path: "/run/app.sock" };
    expect(
      text("%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS%", streamInfo({ upstreamHost, upstreamLocal: null })),
    ).toBe("/run/app.sock -");
    expect(json(["%UPSTREAM_REMOTE_ADDRESS%", "%UPSTREAM_REMOTE_PORT%"], streamInfo({ upstreamHost }))).toBe(
      '["/run/app.sock",null]',
    );
  });
});

describe("missing values", () => {
  test("in a log: a dash, or nothing if empty values are omitted", () => {
    expect(text("a %REQ(nope)% b%REQ(nope)%c")).toBe("a - b-c");
    expect(text("a %REQ(nope)% b%REQ(nope)%c", streamInfo(), true)).toBe("a  bc");
  });

  test("in a header: nothing in a mix, no header alone", () => {
    expect(header("%REQ(nope)%")).toBeNull();
    expect(header("a%REQ(nope)%b")).toBe("ab");
    expect(header("%REQ(nope)%%REQ(nope)%")).toBe("");
    expect(header("%RESPONSE_FLAGS%")).toBe("-");
    expect(header("%RESPONSE_CODE%")).toBe("200");
    expect(header("")).toBe("");
    expect(header("100%%")).toBe("100%");
  });

  test("in JSON: null, or no member at all", () => {
    const format = {
      b: "x%BYTES_SENT%",
      a: "%REQ(nope)%",
      m: "a%REQ(nope)%b",
      l: ["%REQ(nope)%", "%RESPONSE_CODE%"],
      n: null,
    };
    expect(json(format)).toBe('{"a":null,"b":"x297","l":[null,200],"m":"a-b","n":null}');
    expect(json(format, streamInfo(), true)).toBe('{"b":"x297","l":[200],"m":"ab"}');
  });
});

test("JSON keeps what is not text, sorts members and escapes", () => {
  expect(json({ z: 1.5, a: true, m: { k: "100%%", 'q"': "%RESPONSE_CODE% " } })).toBe(
    '{"a":true,"m":{"k":"100%","q\\"":"200 "},"z":1.5}',
  );
  const hostile = requestHead("GET /", "h", [
    'x: a"\\\t\x01\x7f',
    `y: ${utf8ByteString("€")}`,
    `z: ${utf8ByteString("€")} \xff`,
  ]);
  expect(json(["%REQ(x)%", "%REQ(y)%", "%REQ(z)%"], streamInfo({ request: hostile }))).toBe(
    `["a\\"\\\\\\t\\u0001\\u007f","${utf8ByteString("€")}","\\u00e2\\u0082\\u00ac \\u00ff"]`,
  );
});

test("whatever a peer sends, a JSON line can be parsed", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 255 })), (bytes) => {
      const value = String.fromCharCode(...bytes);
      const request = requestHead("GET /", "h");
      request.fields.add("x", value);
      const line = json({ x: "%REQ(x)%" }, streamInfo({ request }));
      const decoded = JSON.parse(
        new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(line, "latin1")),
      );
      let expected = value;
      try {
        expected = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
          Buffer.from(value, "latin1"),
        );
      } catch {
        // Not UTF-8: every byte stands for itself.
      }
      expect(decoded).toEqual({ x: expected });
    }),
    { numRuns: 2000 },
  );
});

describe("formats that are refused", () => {
  test.each([
    ["100%", "not an operator"],
    ["50% off", "not an operator"],
    ["%NOPE%", "not a known operator"],
    ["%VIRTUAL_HOST_NAME%", "not a known operator"],
    ["%req(x)%", "not an operator"],
    ["%REQ(x%", "not an operator"],
    ["%DYNAMIC_METADATA(a:b)%", "not implemented"],
    ["%DOWNSTREAM_TLS_SESSION_ID%", "not implemented"],
    ["%REQ%", "not a header name"],
    ["%REQ(a?b?c)%", "at most one alternative"],
    ["%REQ(a b)%", "not a header name"],
    ["%PROTOCOL(x)%", "takes no arguments"],
    ["%PROTOCOL:3%", "takes no length"],
    ["%START_TIME:3%", "takes no length"],
    ["%START_TIME(%Q)%", "not known"],
    ["%DURATION(x)%", "takes no arguments"],
    ["%COMMON_DURATION(A:B:ms)%", "time point"],
    ["%COMMON_DURATION(US_CX_BEG:US_CX_END:ms)%", "not implemented"],
    ["%COMMON_DURATION(DS_RX_BEG:DS_TX_END:s)%", "precision"],
    ["%PATH(X)%", "WQ or NQ"],
    ["%ENVIRONMENT()%", "variable"],
  ])("%s: %s", (format, message) => {
    const { formatter, errors } = compileFormat(format, environment);
    expect(formatter).toBeNull();
    expect(errors.join()).toContain(message);
  });

  test("all faults of a format are reported, in JSON with their place", () => {
    expect(compileFormat("%A% %REQ(x)% %B%", environment).errors).toHaveLength(2);
    expect(compileJsonFormat({ a: ["%A%"], b: { c: "%B%" } }, environment).errors).toEqual([
      "a[0]: %A% is not a known operator",
      "b.c: %B% is not a known operator",
    ]);
  });
});
