/**
 * The operators of Envoy's `%…%` format language, one table: name → what its arguments mean → a function from a
 * stream to a value. A value is text, a number (which JSON keeps), or null when there is nothing to say.
 *
 * An operator that Envoy has and we do not is in `NOT_IMPLEMENTED`, so that the error can say so: a log field
 * that is silently "-" is worse than a configuration that is refused.
 */

import { lowerCase } from "../bytes/ascii.ts";
import type { Address } from "../io/socket.ts";
import { formatAddress } from "../io/socket.ts";
import type { Clock } from "../time/clock.ts";
import { type Fields, isHeaderName } from "./fields.ts";
import { filterState } from "./filter-state.ts";
import { firstField, firstValue } from "./first-value.ts";
import { protocolName } from "./head.ts";
import { queryParameter } from "./query-parameter.ts";
import { FLAG_LONG_NAMES } from "./response-flags.ts";
import type { StreamInfo } from "./stream-info.ts";
import { compileTimeFormat } from "./strftime.ts";
import { TLS_OPERATORS } from "./tls-operators.ts";

/** What a format may refer to beyond the stream: injected, because the core has no process around it. */
export interface FormatEnvironment {
  /** For `%ENVIRONMENT(X)%`. */
  readonly variables: { readonly [name: string]: string | undefined };
  /** For `%HOSTNAME%`. */
  readonly hostname: string;
  /** For `%EMIT_TIME%`. */
  readonly clock: Clock;
}

export type FormatValue = string | number | null;

/** Reads one value off a stream. Made once per format. */
export type Operator = (info: StreamInfo) => FormatValue;

/**
 * Makes the operator `%name(argument):limit%`; `argument` is null without parentheses, `limit` -1 without one.
 * Returns a string that says what is wrong if there is no such operator or its arguments make no sense.
 */
export function makeOperator(
  name: string,
  argument: string | null,
  limit: number,
  environment: FormatEnvironment,
): Operator | string {
  const plain = PLAIN.get(name);
  if (plain !== undefined) {
    if (argument !== null) return `%${name}% takes no arguments`;
    if (limit >= 0) return `%${name}% takes no length`;
    return plain;
  }
  const make = WITH_ARGUMENT.get(name);
  if (make !== undefined) {
    const operator = make(argument ?? "", environment);
    if (typeof operator === "string") return `%${name}%: ${operator}`;
    if (limit < 0) return operator;
    if (!TAKES_LENGTH.has(name)) return `%${name}% takes no length`;
    return (info) => {
      const value = operator(info);
      return typeof value === "string" && value.length > limit ? value.slice(0, limit) : value;
    };
  }
  if (NOT_IMPLEMENTED.has(name)) return `%${name}% is not implemented`;
  return `%${name}% is not a known operator`;
}

function textOrNull(text: string): string | null {
  return text === "" ? null : text;
}

function ipOf(address: Address | null): string | null {
  return address === null ? null : address.path !== "" ? address.path : address.ip;
}

function portOf(address: Address | null): number | null {
  return address === null || address.path !== "" ? null : address.port;
}

function addressOf(address: Address | null): string | null {
  return address === null ? null : formatAddress(address);
}

/** Whole ms from the start of the stream, null if it has not happened. */
function sinceStart(ms: number): number | null {
  return ms < 0 ? null : Math.floor(ms);
}

function between(from: number, to: number): number | null {
  return from < 0 || to < 0 || to < from ? null : Math.floor(to - from);
}

/** What the fields would take as Envoy counts them: names and values, without separators. */
function fieldBytes(fields: Fields): number {
  let bytes = 0;
  for (let i = 0; i < fields.slots; i++) {
    if (fields.live(i)) bytes += fields.nameAt(i).length + fields.valueAt(i).length;
  }
  return bytes;
}

function requestHeaderBytes(info: StreamInfo): number {
  const head = info.request;
  if (head === null) return 0;
  let bytes = fieldBytes(head.fields);
  bytes += 7 + head.method.length + 7 + head.scheme.length;
  if (head.path !== "") bytes += 5 + head.path.length;
  // ":authority" and "host" are one entry in Envoy.
  if (head.authority !== "") bytes += 10 + head.authority.length;
  if (head.fields.has("host")) bytes -= 4 + (head.fields.get("host") as string).length;
  return bytes;
}

function responseHeaderBytes(info: StreamInfo): number {
  const head = info.response;
  return head === null ? 0 : 7 + 3 + fieldBytes(head.fields);
}

/** "-" if there are none, also in JSON: as Envoy. */
function flags(info: StreamInfo, long: boolean): string {
  const list = info.flags;
  if (list.length === 0) return "-";
  let text = "";
  for (const flag of list) text += (text === "" ? "" : ",") + (long ? FLAG_LONG_NAMES[flag] : flag);
  return text;
}

function addressOperators(name: string, address: (info: StreamInfo) => Address | null): [string, Operator][] {
  return [
    [name, (info) => addressOf(address(info))],
    [`${name}_WITHOUT_PORT`, (info) => ipOf(address(info))],
    [name.replace("_ADDRESS", "_PORT"), (info) => portOf(address(info))],
  ];
}

/** The endpoint once there is a connection to it. */
function connectedUpstream(info: StreamInfo): Address | null {
  return info.upstreamLocal === null ? null : info.upstreamHost;
}

const PLAIN = new Map<string, Operator>([
  ["PROTOCOL", (info) => (info.request === null ? null : protocolName(info.request.version))],
  ["RESPONSE_CODE", (info) => info.responseCode],
  ["RESPONSE_CODE_DETAILS", (info) => textOrNull(info.responseCodeDetails)],
  ["CONNECTION_TERMINATION_DETAILS", (info) => textOrNull(info.connectionTerminationDetails)],
  ["RESPONSE_FLAGS", (info) => flags(info, false)],
  ["RESPONSE_FLAGS_LONG", (info) => flags(info, true)],
  ["BYTES_RECEIVED", (info) => info.bytesReceived],
  ["BYTES_SENT", (info) => info.bytesSent],
  ["REQUEST_HEADERS_BYTES", requestHeaderBytes],
  ["RESPONSE_HEADERS_BYTES", responseHeaderBytes],
  [
    "RESPONSE_TRAILERS_BYTES",
    (info) => (info.responseTrailers === null ? 0 : fieldBytes(info.responseTrailers)),
  ],
  ["DOWNSTREAM_HEADER_BYTES_RECEIVED", (info) => info.headerBytesReceived],
  ["DOWNSTREAM_HEADER_BYTES_SENT", (info) => info.headerBytesSent],
  ["REQUEST_DURATION", (info) => sinceStart(info.requestReceived)],
  ["REQUEST_TX_DURATION", (info) => sinceStart(info.upstreamRequestSent)],
  ["RESPONSE_DURATION", (info) => sinceStart(info.upstreamResponseStarted)],
  ["RESPONSE_TX_DURATION", (info) => between(info.upstreamResponseStarted, info.duration)],
  ["UPSTREAM_HOST", (info) => addressOf(info.upstreamHost)],
  ["UPSTREAM_CLUSTER", (info) => textOrNull(info.clusterStatName)],
  ["UPSTREAM_CLUSTER_RAW", (info) => textOrNull(info.clusterName)],
  ...addressOperators("UPSTREAM_REMOTE_ADDRESS", connectedUpstream),
  ...addressOperators("UPSTREAM_LOCAL_ADDRESS", (info) => info.upstreamLocal),
  ...addressOperators("DOWNSTREAM_REMOTE_ADDRESS", (info) => info.downstreamRemote),
  ...addressOperators("DOWNSTREAM_DIRECT_REMOTE_ADDRESS", (info) => info.downstreamDirectRemote),
  ...addressOperators("DOWNSTREAM_LOCAL_ADDRESS", (info) => info.downstreamLocal),
  // Nothing of ours (original destination) changes the local address yet.
  ...addressOperators("DOWNSTREAM_DIRECT_LOCAL_ADDRESS", (info) => info.downstreamLocal),
  ["UPSTREAM_REQUEST_ATTEMPT_COUNT", (info) => info.upstreamAttempts],
  ["UPSTREAM_TRANSPORT_FAILURE_REASON", (info) => textOrNull(info.upstreamFailure)],
  ["CONNECTION_ID", (info) => info.connectionId],
  ["REQUESTED_SERVER_NAME", (info) => textOrNull(info.requestedServerName)],
  ["ROUTE_NAME", (info) => textOrNull(info.routeName)],
  ["FILTER_CHAIN_NAME", (info) => textOrNull(info.filterChainName)],
  ["STREAM_ID", (info) => textOrNull(info.streamId)],
  ["LOCAL_REPLY_BODY", (info) => info.localReplyBody],
  ...TLS_OPERATORS,
]);

/** What `PLAIN` cannot do: operators with arguments or with something from the environment. */
const WITH_ARGUMENT = new Map<
  string,
  (argument: string, environment: FormatEnvironment) => Operator | string
>([
  ["FILTER_STATE", filterStateOperator],
  ["REQ", (argument) => headerOperator(argument, (info, name) => firstValue(info.request, name))],
  ["RESP", (argument) => headerOperator(argument, (info, name) => firstValue(info.response, name))],
  [
    "TRAILER",
    (argument) => headerOperator(argument, (info, name) => firstField(info.responseTrailers, name)),
  ],
  [
    // An extension in Envoy (envoy.formatter.req_without_query), always there here.
    "REQ_WITHOUT_QUERY",
    (argument) => {
      const operator = headerOperator(argument, (info, name) => firstValue(info.request, name));
      if (typeof operator === "string") return operator;
      return (info) => withoutQuery(operator(info) as string | null);
    },
  ],
  [
    "DURATION",
    (argument, { clock }) => {
      if (argument !== "") return "takes no arguments";
      return (info) =>
        info.duration >= 0 ? Math.floor(info.duration) : Math.max(0, Math.floor(clock.wall - info.startWall));
    },
  ],
  ["START_TIME", (argument) => timeOperator(argument, (info) => info.startWall)],
  ["EMIT_TIME", (argument, { clock }) => timeOperator(argument, () => clock.wall)],
  ["HOSTNAME", (argument, { hostname }) => (argument === "" ? () => hostname : "takes no arguments")],
  [
    "ENVIRONMENT",
    (argument, { variables }) => {
      if (argument === "") return "needs a variable's name";
      const value = (Object.hasOwn(variables, argument) ? variables[argument] : undefined) ?? "-";
      return () => value;
    },
  ],
  [
    "QUERY_PARAM",
    (argument) => {
      if (argument === "") return "needs a parameter's name";
      return (info) => (info.request === null ? null : queryParameter(info.request.path, argument));
    },
  ],
  ["PATH", pathOperator],
  ["COMMON_DURATION", commonDuration],
]);

const TAKES_LENGTH = new Set([
  "REQ",
  "RESP",
  "TRAILER",
  "REQ_WITHOUT_QUERY",
  "ENVIRONMENT",
  "QUERY_PARAM",
  "PATH",
  "FILTER_STATE",
]);

/** `%FILTER_STATE(KEY:PLAIN)%`: what a filter has left under that name. */
function filterStateOperator(argument: string): Operator | string {
  const colon = argument.lastIndexOf(":");
  const form = colon < 0 ? "TYPED" : argument.slice(colon + 1);
  if (form !== "PLAIN") return `the form ${form} is not implemented, only KEY:PLAIN is`;
  const key = argument.slice(0, colon);
  return key === "" ? "needs KEY:PLAIN" : (info) => filterState(info, key);
}

function withoutQuery(path: string | null): string | null {
  if (path === null) return null;
  const query = path.indexOf("?");
  return query < 0 ? path : path.slice(0, query);
}

/** `X?Y`: the first of two headers that is there. */
function headerOperator(
  argument: string,
  get: (info: StreamInfo, name: string) => string | null,
): Operator | string {
  const [main, alternative, ...more] = argument.split("?");
  if (more.length > 0) return "at most one alternative header";
  const first = lowerCase(main);
  if (!isHeaderName(first)) return `"${main}" is not a header name`;
  if (alternative === undefined) return (info) => get(info, first);
  const second = lowerCase(alternative);
  if (!isHeaderName(second)) return `"${alternative}" is not a header name`;
  return (info) => get(info, first) ?? get(info, second);
}

function timeOperator(argument: string, wall: (info: StreamInfo) => number): Operator | string {
  const { format, error } = compileTimeFormat(argument);
  if (format === null) return error;
  return (info) => format.render(wall(info));
}

/** `%PATH(WQ|NQ:ORIG|PATH|ORIG_OR_PATH)%`. */
function pathOperator(argument: string): Operator | string {
  const [query = "", source = "", ...more] = argument.split(":");
  if (more.length > 0 || !["", "WQ", "NQ"].includes(query)) return `"${argument}" is not WQ or NQ`;
  if (!["", "ORIG", "PATH", "ORIG_OR_PATH"].includes(source))
    return `"${source}" is not ORIG, PATH or ORIG_OR_PATH`;
  return (info) => {
    const head = info.request;
    if (head === null) return null;
    let path: string | null = null;
    if (source !== "PATH") path = head.get("x-envoy-original-path");
    if (path === null && source !== "ORIG") path = textOrNull(head.path);
    return query === "NQ" ? withoutQuery(path) : path;
  };
}

const TIME_POINTS: { readonly [name: string]: (info: StreamInfo) => number } = {
  DS_RX_BEG: () => 0,
  DS_RX_END: (info) => info.requestReceived,
  US_TX_END: (info) => info.upstreamRequestSent,
  US_RX_BEG: (info) => info.upstreamResponseStarted,
  US_RX_END: (info) => info.upstreamResponseEnded,
  DS_TX_BEG: (info) => info.responseStarted,
  DS_TX_END: (info) => info.duration,
};
const UNKNOWN_TIME_POINTS = ["US_CX_BEG", "US_CX_END", "US_HS_END", "US_TX_BEG", "US_RX_BODY_BEG"];

/** `%COMMON_DURATION(START:END:PRECISION)%`. */
function commonDuration(argument: string): Operator | string {
  const [from = "", to = "", precision = "", ...more] = argument.split(":");
  for (const point of [from, to]) {
    if (UNKNOWN_TIME_POINTS.includes(point)) return `time point ${point} is not implemented`;
    if (!Object.hasOwn(TIME_POINTS, point)) return `"${point}" is not a known time point`;
  }
  const factor = precision === "ms" ? 1 : precision === "us" ? 1e3 : precision === "ns" ? 1e6 : 0;
  if (factor === 0 || more.length > 0) return "needs START:END:PRECISION with precision ms, us or ns";
  const start = TIME_POINTS[from];
  const end = TIME_POINTS[to];
  return (info) => {
    const a = start(info);
    const b = end(info);
    return a < 0 || b < 0 || b < a ? null : Math.floor((b - a) * factor);
  };
}

// What Envoy 1.40 also has (each was tried there).
const NOT_IMPLEMENTED = new Set(
  `ACCESS_LOG_TYPE BYTES_RETRANSMITTED CEL CLUSTER_METADATA COALESCE CUSTOM_FLAGS
  DOWNSTREAM_DETECTED_CLOSE_TYPE DOWNSTREAM_HANDSHAKE_DURATION DOWNSTREAM_LOCAL_CLOSE_REASON
  DOWNSTREAM_LOCAL_OTHERNAME_SAN DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1
  DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256 DOWNSTREAM_PEER_CHAIN_SERIALS DOWNSTREAM_PEER_FINGERPRINT_1
  DOWNSTREAM_PEER_OTHERNAME_SAN DOWNSTREAM_TLS_SESSION_ID DOWNSTREAM_TRANSPORT_FAILURE_REASON
  DOWNSTREAM_WIRE_BYTES_RECEIVED DOWNSTREAM_WIRE_BYTES_SENT DYNAMIC_METADATA EMIT_TIME_LOCAL GRPC_STATUS
  GRPC_STATUS_NUMBER LISTENER_NAME METADATA PACKETS_RETRANSMITTED QUERY_PARAMS ROUNDTRIP_DURATION SPAN_ID
  START_TIME_LOCAL TLS_JA3_FINGERPRINT TLS_JA4_FINGERPRINT TRACE_ID UNIQUE_ID UPSTREAM_CLUSTER_METADATA
  UPSTREAM_CONNECTION_ID UPSTREAM_CONNECTION_POOL_READY_DURATION UPSTREAM_DETECTED_CLOSE_TYPE
  UPSTREAM_FILTER_STATE UPSTREAM_HEADER_BYTES_RECEIVED UPSTREAM_HEADER_BYTES_SENT UPSTREAM_HOSTS_ATTEMPTED
  UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT UPSTREAM_HOST_NAME UPSTREAM_HOST_NAMES_ATTEMPTED
  UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT UPSTREAM_HOST_NAME_WITHOUT_PORT UPSTREAM_LOCAL_CLOSE_REASON
  UPSTREAM_LOCAL_DNS_SAN UPSTREAM_LOCAL_IP_SAN UPSTREAM_LOCAL_URI_SAN UPSTREAM_METADATA UPSTREAM_PEER_CERT
  UPSTREAM_PEER_CERT_V_END UPSTREAM_PEER_CERT_V_START UPSTREAM_PEER_IP_SAN UPSTREAM_PROTOCOL
  UPSTREAM_TLS_SESSION_ID UPSTREAM_WIRE_BYTES_RECEIVED UPSTREAM_WIRE_BYTES_SENT VIRTUAL_CLUSTER_NAME`.split(
    /\s+/,
  ),
);
