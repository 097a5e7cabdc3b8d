/**
 * What Envoy calls attributes: the values behind the paths of `proxy_get_property` (proxy-wasm.md 1.8 and "Observed").
 * Strings and lists are byte strings, numbers are 64-bit integers, times are nanoseconds. A path that Envoy knows
 * and that says nothing here (there is no TLS yet) is not found.
 */
import { lowerCase } from "../../core/bytes/ascii.ts";
import type { RequestHead } from "../../core/http/head.ts";
import { protocolName } from "../../core/http/head.ts";
import type { StreamInfo } from "../../core/http/stream-info.ts";
import { type Address, formatAddress } from "../../core/io/socket.ts";
import type { GuestContext } from "./guest-context.ts";
import { FieldsMap, type HeaderMap, RequestMap, ResponseMap } from "./header-map.ts";
import { responseFlagBits } from "./response-flag-bits.ts";
import type { WasmVm } from "./vm.ts";

/** A value as it goes to a guest; null: there is none now. */
export type PropertyValue = string | number | boolean | HeaderMap | null;

type OfStream = (info: StreamInfo) => PropertyValue;
type OfRequest = (head: RequestHead, info: StreamInfo) => PropertyValue;

const requestMap = new RequestMap();
const responseMap = new ResponseMap();
const fieldsMap = new FieldsMap();

const NANOSECONDS = 1e6;

/** Not an object: a guest's path must find nothing that an object has by itself. */
function table<T>(entries: { readonly [path: string]: T }): ReadonlyMap<string, T> {
  return new Map(Object.entries(entries));
}

function address(of: Address | null): string | null {
  return of === null ? null : formatAddress(of);
}

function duration(ms: number): number | null {
  return ms < 0 ? null : Math.round(ms * NANOSECONDS);
}

function text(value: string): string | null {
  return value === "" ? null : value;
}

const OF_REQUEST = table<OfRequest>({
  "request\0path": (head) => head.path,
  "request\0url_path": (head) => head.path.split("?", 1)[0],
  "request\0query": (head) => (head.path.includes("?") ? head.path.slice(head.path.indexOf("?") + 1) : ""),
  "request\0host": (head) => head.authority,
  "request\0scheme": (head) => head.scheme,
  "request\0method": (head) => head.method,
  "request\0referer": (head) => head.fields.get("referer"),
  "request\0useragent": (head) => head.fields.get("user-agent"),
  "request\0id": (head) => head.fields.get("x-request-id"),
  "request\0protocol": (head) => protocolName(head.version),
  "request\0time": (_head, info) => Math.floor(info.startWall * NANOSECONDS),
  "request\0duration": (_head, info) => duration(info.duration),
  "request\0size": (_head, info) => info.bytesReceived,
  "request\0total_size": (_head, info) => info.bytesReceived + info.headerBytesReceived,
  "request\0headers": (head) => requestMap.over(head),
});

const OF_STREAM = table<OfStream>({
  "response\0code": (info) => (info.responseCode === 0 ? null : info.responseCode),
  "response\0code_details": (info) => text(info.responseCodeDetails),
  "response\0flags": (info) => responseFlagBits(info.flags),
  "response\0size": (info) => info.bytesSent,
  "response\0total_size": (info) => info.bytesSent + info.headerBytesSent,
  "response\0backend_latency": (info) =>
    info.upstreamResponseStarted < 0 || info.upstreamRequestSent < 0
      ? null
      : duration(info.upstreamResponseStarted - info.upstreamRequestSent),
  "response\0grpc_status": (info) => {
    const status = info.responseTrailers?.get("grpc-status") ?? info.response?.fields.get("grpc-status");
    return status === null || status === undefined || !/^\d{1,3}$/.test(status) ? null : Number(status);
  },
  "source\0address": (info) => address(info.downstreamRemote),
  "source\0port": (info) => info.downstreamRemote.port,
  "destination\0address": (info) => address(info.downstreamLocal),
  "destination\0port": (info) => info.downstreamLocal.port,
  "connection\0id": (info) => info.connectionId,
  connection_id: (info) => info.connectionId,
  "connection\0mtls": () => false,
  "connection\0requested_server_name": (info) => text(info.requestedServerName),
  "connection\0termination_details": (info) => text(info.connectionTerminationDetails),
  "upstream\0address": (info) => address(info.upstreamHost),
  "upstream\0port": (info) => info.upstreamHost?.port ?? null,
  "upstream\0local_address": (info) => address(info.upstreamLocal),
  "upstream\0transport_failure_reason": (info) => text(info.upstreamFailure),
  "upstream\0request_attempt_count": (info) => (info.upstreamAttempts === 0 ? null : info.upstreamAttempts),
  "xds\0cluster_name": (info) => text(info.clusterName),
  "xds\0route_name": (info) => text(info.routeName),
  "xds\0virtual_host_name": (info) => text(info.virtualHostName),
  "xds\0filter_chain_name": (info) => text(info.filterChainName),
  "response\0headers": (info) => (info.response === null ? null : responseMap.over(info.response)),
  "response\0trailers": (info) =>
    info.responseTrailers === null ? null : fieldsMap.over(info.responseTrailers),
});

const OF_PLUGIN = table<(vm: WasmVm) => string>({
  plugin_name: (vm) => vm.host.config.name,
  plugin_root_id: (vm) => vm.host.config.rootId,
  plugin_vm_id: (vm) => vm.host.config.vm.id,
});

const REQUEST_HEADERS = "request\0headers\0";
const RESPONSE_HEADERS = "response\0headers\0";
const RESPONSE_TRAILERS = "response\0trailers\0";

/** Paths below these are Envoy's, whether there is a value or not: no filter can leave one there. */
const OURS: ReadonlySet<string> = new Set([
  "request",
  "response",
  "source",
  "destination",
  "connection",
  "upstream",
]);

/** True if `path` (segments joined by NUL) is one that filters may not leave values at. */
export function isReserved(path: string): boolean {
  const end = path.indexOf("\0");
  return OURS.has(end < 0 ? path : path.slice(0, end)) || OF_STREAM.has(path) || OF_PLUGIN.has(path);
}

/** The value at `path` (segments joined by NUL) for a context, or null. */
export function findProperty(vm: WasmVm, context: GuestContext | null, path: string): PropertyValue {
  const ofPlugin = OF_PLUGIN.get(path);
  if (ofPlugin !== undefined) return ofPlugin(vm);
  const info = context === null ? null : context.info;
  if (info === null) return null;
  const ofStream = OF_STREAM.get(path);
  if (ofStream !== undefined) return ofStream(info);
  const { request, response, responseTrailers } = info;
  if (request !== null) {
    const ofRequest = OF_REQUEST.get(path);
    if (ofRequest !== undefined) return ofRequest(request, info);
    if (path.startsWith(REQUEST_HEADERS)) return request.get(lowerCase(path.slice(REQUEST_HEADERS.length)));
  }
  if (path.startsWith(RESPONSE_HEADERS))
    return response === null ? null : response.get(lowerCase(path.slice(RESPONSE_HEADERS.length)));
  if (path.startsWith(RESPONSE_TRAILERS))
    return responseTrailers === null
      ? null
      : responseTrailers.get(lowerCase(path.slice(RESPONSE_TRAILERS.length)));
  return null;
}
