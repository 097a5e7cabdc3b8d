import { describe, expect, test } from "bun:test";
import type { AccessLog, AccessLogFilter, SubstitutionFormat } from "../../../core/config/model.ts";
import { compileFormat, compileJsonFormat, DEFAULT_LOG_FORMAT } from "../../../core/http/formatter.ts";
import { RequestHead, ResponseHead } from "../../../core/http/head.ts";
import type { StreamInfo } from "../../../core/http/stream-info.ts";
import { type AccessLogParts, compileAccessLogs } from "../../../core/telemetry/access-log.ts";
import { compileAccessLogFilter } from "../../../core/telemetry/access-log-filter.ts";
import { Clock } from "../../../core/time/clock.ts";

const HERE = { ip: "127.0.0.1", port: 21002, path: "" };
const CLIENT = { ip: "10.0.0.9", port: 40000, path: "" };
const UPSTREAM = { ip: "127.0.0.1", port: 21001, path: "" };

/** A request that went well; `change` says what was different. */
function stream(change: Partial<StreamInfo> = {}): StreamInfo {
  const request = new RequestHead();
  request.method = "GET";
  request.path = "/cart?id=7";
  request.authority = "shop.example";
  request.fields.add("user-agent", 'curl "8"');
  request.fields.add("x-request-id", "1ffa38fd-7623-4e38-a52f-6bf87a8014a2");
  const response = new ResponseHead();
  response.status = 200;
  return {
    request,
    response,
    responseTrailers: null,
    startWall: Date.UTC(2026, 10, 21, 8, 51, 24, 464),
    requestReceived: 0,
    upstreamRequestSent: 1,
    upstreamResponseStarted: 4,
    upstreamResponseEnded: 5,
    responseStarted: 4,
    duration: 5.7,
    responseCode: 200,
    responseCodeDetails: "via_upstream",
    connectionTerminationDetails: "",
    flags: [],
    bytesReceived: 0,
    bytesSent: 65,
    headerBytesReceived: 100,
    headerBytesSent: 120,
    upstreamBytesReceived: 190,
    upstreamBytesSent: 210,
    routeName: "",
    virtualHostName: "shop",
    clusterName: "shop",
    upstreamHost: UPSTREAM,
    upstreamLocal: null,
    upstreamFailure: "",
    upstreamAttempts: 1,
    downstreamLocal: HERE,
    downstreamDirectRemote: CLIENT,
    downstreamRemote: CLIENT,
    requestedServerName: "",
    connectionId: 1,
    streamId: "1ffa38fd-7623-4e38-a52f-6bf87a8014a2",
    filterChainName: "",
    clusterStatName: "shop",
    localReplyBody: "",
    parent: null,
    listener: null,
    route: null,
    cluster: null,
    endpoint: null,
    ...change,
  };
}

/** Logs by path, and what an engine would hand in. */
class Lab implements AccessLogParts {
  readonly lines: { [path: string]: string[] } = {};
  readonly runtime: { [key: string]: number } = {};
  dice = 0;

  compileHeader: AccessLogParts["compileHeader"] = (matcher) => (head) => head.get(matcher.name) !== null;
  runtimeNumber: AccessLogParts["runtimeNumber"] = (key) => this.runtime[key] ?? null;
  random: AccessLogParts["random"] = () => this.dice;
  openLog: AccessLogParts["openLog"] = (path) => {
    this.lines[path] ??= [];
    return { write: (line) => void this.lines[path].push(line) };
  };
  compileFormat(format: SubstitutionFormat | null) {
    const environment = { variables: {}, hostname: "host", clock: new Clock() };
    const { formatter, errors } =
      format?.kind === "json"
        ? compileJsonFormat(format.format, environment, format.omitEmptyValues)
        : compileFormat(format?.format ?? DEFAULT_LOG_FORMAT, environment, format?.omitEmptyValues === true);
    if (formatter === null) throw new Error(errors.join());
    return formatter;
  }
}

function logOf(log: Partial<AccessLog>, info: StreamInfo): string {
  const lab = new Lab();
  for (const logger of compileAccessLogs([{ path: "a", format: null, filter: null, ...log }], lab))
    logger.log(info);
  return lab.lines.a.join("");
}

describe("formats", () => {
  test("the default line is Envoy's", () => {
    expect(logOf({}, stream())).toBe(
      '[2026-11-21T08:51:24.464Z] "GET /cart?id=7 HTTP/1.1" 200 - 0 65 5 - "-" "curl "8"" ' +
        '"1ffa38fd-7623-4e38-a52f-6bf87a8014a2" "shop.example" "127.0.0.1:21001"\n',
    );
  });

  test("a client that went away before an answer", () => {
    const info = stream({ response: null, responseCode: 0, flags: ["DC"], bytesSent: 0, upstreamHost: null });
    expect(logOf({}, info)).toContain('HTTP/1.1" 0 DC 0 0 5 - "-"');
    expect(logOf({}, info)).toEndWith('"shop.example" "-"\n');
  });

  test("text with its own line end, and without empty values", () => {
    const format = (omitEmptyValues: boolean) =>
      ({
        kind: "text",
        format: "%RESPONSE_CODE% [%ROUTE_NAME%] %REQ(X)%!\n",
        omitEmptyValues,
        contentType: "",
      }) as const;
    expect(logOf({ format: format(false) }, stream())).toBe("200 [-] -!\n");
    expect(logOf({ format: format(true) }, stream())).toBe("200 [] !\n");
  });

  test("JSON: numbers stay numbers, missing is null or left out, one document per line", () => {
    const json = {
      code: "%RESPONSE_CODE%",
      agent: "%REQ(USER-AGENT)%",
      nothing: "%REQ(X)%",
      deep: { ms: "%DURATION%" },
    };
    const format = (omitEmptyValues: boolean) =>
      ({ kind: "json", format: json, omitEmptyValues, contentType: "" }) as const;
    expect(logOf({ format: format(false) }, stream())).toBe(
      '{"agent":"curl \\"8\\"","code":200,"deep":{"ms":5},"nothing":null}\n',
    );
    expect(logOf({ format: format(true) }, stream())).toBe(
      '{"agent":"curl \\"8\\"","code":200,"deep":{"ms":5}}\n',
    );
  });

  test("two logs with one filter each go to their own sinks", () => {
    const lab = new Lab();
    const errors: AccessLogFilter = {
      kind: "status_code",
      comparison: { op: "GE", value: 500, runtimeKey: "" },
    };
    const loggers = compileAccessLogs(
      [
        { path: "all", format: null, filter: null },
        { path: "errors", format: null, filter: errors },
      ],
      lab,
    );
    for (const info of [stream(), stream({ responseCode: 503, flags: ["UF"] })]) {
      for (const logger of loggers) logger.log(info);
    }
    expect(lab.lines.all).toHaveLength(2);
    expect(lab.lines.errors).toEqual([expect.stringContaining('" 503 UF ')]);
  });
});

describe("filters", () => {
  const status = (op: "EQ" | "GE" | "LE" | "NE", value: number): AccessLogFilter => ({
    kind: "status_code",
    comparison: { op, value, runtimeKey: "" },
  });
  const slow: AccessLogFilter = { kind: "duration", comparison: { op: "GE", value: 6, runtimeKey: "slow" } };

  const fast: AccessLogFilter = { kind: "duration", comparison: { op: "LE", value: 5, runtimeKey: "" } };

  // The outcomes for statuses were checked against Envoy 1.40.
  const CASES: readonly (readonly [string, AccessLogFilter, Partial<StreamInfo>, boolean])[] = [
    ["status GE 404: 200", status("GE", 404), { responseCode: 200 }, false],
    ["status GE 404: 404", status("GE", 404), { responseCode: 404 }, true],
    ["status LE 200: 200", status("LE", 200), { responseCode: 200 }, true],
    ["status LE 200: no answer is 0", status("LE", 200), { responseCode: 0 }, true],
    ["status EQ 404: 503", status("EQ", 404), { responseCode: 503 }, false],
    ["status NE 404: 503", status("NE", 404), { responseCode: 503 }, true],
    ["duration is in whole ms: 5.7 is 5", fast, { duration: 5.7 }, true],
    ["duration 6", slow, { duration: 6 }, true],
    ["any flag: none", { kind: "response_flag", flags: [] }, { flags: [] }, false],
    ["any flag: one", { kind: "response_flag", flags: [] }, { flags: ["UF"] }, true],
    ["flag UF or UO: UT", { kind: "response_flag", flags: ["UF", "UO"] }, { flags: ["UT"] }, false],
    [
      "flag UF or UO: URX and UF",
      { kind: "response_flag", flags: ["UF", "UO"] },
      { flags: ["URX", "UF"] },
      true,
    ],
    ["not a health check", { kind: "not_health_check" }, {}, true],
    ["traced: nothing is yet", { kind: "traceable" }, {}, false],
    ["and: one fails", { kind: "and", filters: [status("GE", 500), slow] }, { responseCode: 503 }, false],
    ["or: one holds", { kind: "or", filters: [status("GE", 500), slow] }, { responseCode: 503 }, true],
  ];
  test.each(CASES)("%s", (_, filter, change, expected) => {
    expect(compileAccessLogFilter(filter, new Lab())(stream(change))).toBe(expected);
  });

  test("a header filter never matches a connection without a request", () => {
    const filter: AccessLogFilter = {
      kind: "header",
      header: {
        name: "user-agent",
        test: { kind: "present", present: true },
        invert: false,
        treatMissingAsEmpty: false,
      },
    };
    const accepts = compileAccessLogFilter(filter, new Lab());
    expect(accepts(stream())).toBe(true);
    expect(accepts(stream({ request: null }))).toBe(false);
  });

  test("a runtime key changes a threshold while the log lives", () => {
    const lab = new Lab();
    const accepts = compileAccessLogFilter(slow, lab);
    expect(accepts(stream({ duration: 5 }))).toBe(false);
    lab.runtime.slow = 5;
    expect(accepts(stream({ duration: 5 }))).toBe(true);
  });

  describe("a share of the requests", () => {
    const half: AccessLogFilter = {
      kind: "runtime",
      fraction: { runtimeKey: "share", numerator: 50, denominator: 100 },
    };
    const idOf = (n: number) => `${n.toString(16).padStart(8, "0")}-0000-4000-8000-000000000000`;

    // As Envoy 1.40 decided for these ids.
    test.each([
      [10, true],
      [49, true],
      [50, false],
      [99, false],
      [100, true],
      [149, true],
      [150, false],
    ])("the request id decides: %d", (number, logged) => {
      const lab = new Lab();
      lab.dice = logged ? 99 : 0;
      expect(compileAccessLogFilter(half, lab)(stream({ streamId: idOf(number) }))).toBe(logged);
    });

    test("without a UUID the dice decide", () => {
      const lab = new Lab();
      const accepts = compileAccessLogFilter(half, lab);
      lab.dice = 149;
      expect(accepts(stream({ streamId: "" }))).toBe(true);
      lab.dice = 150;
      expect(accepts(stream({ streamId: "z".repeat(36) }))).toBe(false);
    });

    test("a runtime key is a percentage, whatever the denominator", () => {
      const lab = new Lab();
      lab.runtime.share = 1;
      const accepts = compileAccessLogFilter(
        { kind: "runtime", fraction: { runtimeKey: "share", numerator: 1_000_000, denominator: 1_000_000 } },
        lab,
      );
      expect(accepts(stream({ streamId: idOf(100) }))).toBe(true);
      expect(accepts(stream({ streamId: idOf(101) }))).toBe(false);
    });
  });
});
