/**
 * What Envoy calls attributes: the values behind the paths of `proxy_get_property` (proxy-wasm.md 1.8 and "Observed").
 * Strings, lists and messages are byte strings, numbers are 64-bit integers, times are nanoseconds. A path that Envoy
 * knows and that says nothing here is not found.
 */
import { lowerCase, parseDecimalText } from "../../core/bytes/ascii.ts";
import type { Metadata } from "../../core/config/model.ts";
import { filterState } from "../../core/http/filter-state.ts";
import { grpcStatusOf } from "../../core/http/grpc.ts";
import type { RequestHead } from "../../core/http/head.ts";
import { protocolName } from "../../core/http/head.ts";
import type { ListenerView, PeerView, StreamInfo, TlsView } from "../../core/http/stream-info.ts";
import { type Address, formatAddress } from "../../core/io/socket.ts";
import { findLocality, findMetadata, findNode } from "./config-paths.ts";
import type { GuestContext } from "./guest-context.ts";
import { FieldsMap, type HeaderMap, isShown, RequestMap, ResponseMap } from "./header-map.ts";
import { bytesOfMap } from "./pairs.ts";
import { encodePairs, NO_PAIRS } from "./property-encoding.ts";
import { responseFlagBits } from "./response-flag-bits.ts";
import type { WasmVm } from "./vm.ts";

/** A value as it goes to a guest; null: there is none now; undefined: there is one, which cannot be given. */
export type PropertyValue = string | number | boolean | null | undefined;

type OfStream = (info: StreamInfo) => PropertyValue;
type OfRequest = (head: RequestHead) => PropertyValue;

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
});

type OfTls = (tls: TlsView, peer: PeerView | null) => PropertyValue;

/** Below "connection" and "upstream". A certificate's first name stands for all of that kind (Envoy). */
const OF_TLS: { readonly [name: string]: OfTls } = {
  tls_version: (tls) => tls.version,
  subject_local_certificate: ({ local }) => local?.subject ?? "",
  dns_san_local_certificate: ({ local }) => local?.names.dns[0] ?? null,
  uri_san_local_certificate: ({ local }) => local?.names.uri[0] ?? null,
  subject_peer_certificate: (_, peer) => peer?.subject ?? "",
  dns_san_peer_certificate: (_, peer) => peer?.names.dns[0] ?? null,
  uri_san_peer_certificate: (_, peer) => peer?.names.uri[0] ?? null,
  sha256_peer_certificate_digest: (_, peer) => peer?.sha256 ?? null,
  peer_certificate: (_, peer) => peer?.pem ?? null,
};

/** A client that proved nothing is nobody: filters decide by what is said here. */
function believed(tls: TlsView): PeerView | null {
  return tls.peer?.verified === true ? tls.peer : null;
}

function tlsEntries(): { [path: string]: OfStream } {
  const entries: { [path: string]: OfStream } = {};
  for (const [name, read] of Object.entries(OF_TLS)) {
    entries[`connection\0${name}`] = ({ downstreamTls: tls }) => (tls ? read(tls, believed(tls)) : null);
    entries[`upstream\0${name}`] = ({ upstreamTls: tls }) => (tls ? read(tls, tls.peer) : null);
  }
  return entries;
}

const OF_STREAM = table<OfStream>({
  ...tlsEntries(),
  "request\0time": (info) => Math.floor(info.startWall * NANOSECONDS),
  "request\0duration": (info) => duration(info.duration),
  "request\0size": (info) => {
    const declared = info.request === null ? null : info.request.fields.get("content-length");
    if (declared === null) return info.bytesReceived;
    const length = parseDecimalText(declared, Number.MAX_SAFE_INTEGER);
    return length < 0 ? null : length;
  },
  "request\0total_size": (info) => info.bytesReceived + requestHeaderBytes(info),
  "request\0headers_bytes": requestHeaderBytes,
  "request\0headers": (info) => (info.request === null ? NO_PAIRS : joined(requestMap.over(info.request))),
  "response\0code": (info) => (info.responseCode === 0 ? null : info.responseCode),
  "response\0code_details": (info) => text(info.responseCodeDetails),
  "response\0flags": (info) => responseFlagBits(info.flags),
  "response\0size": (info) => info.bytesSent,
  "response\0headers_bytes": responseHeaderBytes,
  "response\0total_size": (info) =>
    info.bytesSent +
    responseHeaderBytes(info) +
    (info.responseTrailers === null ? 0 : bytesOfMap(fieldsMap.over(info.responseTrailers))),
  "response\0backend_latency": (info) =>
    info.upstreamResponseEnded < 0 || info.upstreamRequestSent < 0
      ? null
      : duration(info.upstreamResponseEnded - info.upstreamRequestSent),
  "response\0grpc_status": (info) => {
    const status = info.responseTrailers?.get("grpc-status") ?? info.response?.fields.get("grpc-status");
    if (status !== null && status !== undefined && /^\d{1,3}$/.test(status)) return Number(status);
    return info.responseCode === 0 ? null : grpcStatusOf(info.responseCode);
  },
  "source\0address": (info) => address(info.downstreamRemote),
  "source\0port": (info) => info.downstreamRemote.port,
  "destination\0address": (info) => address(info.downstreamLocal),
  "destination\0port": (info) => info.downstreamLocal.port,
  "connection\0id": (info) => info.connectionId,
  connection_id: (info) => info.connectionId,
  "connection\0mtls": ({ downstreamTls: tls }) => tls != null && believed(tls) !== null,
  "connection\0requested_server_name": (info) => info.requestedServerName,
  "connection\0termination_details": (info) => text(info.connectionTerminationDetails),
  "upstream\0address": (info) => address(info.upstreamHost),
  "upstream\0port": (info) => info.upstreamHost?.port ?? null,
  "upstream\0local_address": (info) => address(info.upstreamLocal),
  "upstream\0transport_failure_reason": (info) => (info.upstreamAttempts === 0 ? null : info.upstreamFailure),
  "upstream\0request_attempt_count": (info) => info.upstreamAttempts,
  "upstream\0num_endpoints": ({ cluster }) => (cluster === null ? null : cluster.endpoints.total),
  "xds\0cluster_name": (info) => text(info.clusterName),
  "xds\0route_name": ({ route }) => (route === null ? null : route.name),
  "xds\0virtual_host_name": ({ route }) => (route === null ? null : route.virtualHost.name),
  "xds\0filter_chain_name": (info) => info.filterChainName,
  "xds\0listener_direction": ({ listener }) =>
    listener === null ? null : DIRECTIONS.indexOf(listener.trafficDirection),
  "response\0headers": (info) =>
    info.response === null ? NO_PAIRS : joined(responseMap.over(info.response)),
  "response\0trailers": (info) =>
    info.responseTrailers === null ? NO_PAIRS : joined(fieldsMap.over(info.responseTrailers)),
});

/** By their numbers in Envoy. */
const DIRECTIONS: readonly ListenerView["trafficDirection"][] = ["UNSPECIFIED", "INBOUND", "OUTBOUND"];

/** Messages that a path may lead into: what is asked of them is the path behind their name, "" for the whole. */
const BELOW = table<(info: StreamInfo, path: string) => PropertyValue>({
  "upstream\0locality": ({ endpoint }, path) =>
    endpoint === null ? null : findLocality(endpoint.locality, path),
  "xds\0route_metadata": ({ route }, path) =>
    route === null ? null : findMetadata(route.config.metadata ?? NOTHING, path),
  "xds\0virtual_host_metadata": ({ route }, path) =>
    route === null ? null : findMetadata(route.virtualHost.metadata ?? NOTHING, path),
  "xds\0cluster_metadata": ({ cluster }, path) =>
    cluster === null ? null : findMetadata(cluster.config.metadata ?? NOTHING, path),
  "xds\0upstream_host_metadata": ({ endpoint }, path) =>
    endpoint === null ? null : findMetadata(endpoint.metadata, path),
  "xds\0upstream_host_locality_metadata": ({ endpoint }, path) =>
    endpoint === null ? null : findMetadata(endpoint.localityMetadata, path),
  "xds\0listener_metadata": ({ listener }, path) =>
    listener === null ? null : findMetadata(listener.metadata ?? NOTHING, path),
});

const NOTHING: Metadata = {};

function requestHeaderBytes({ request }: StreamInfo): number {
  return request === null ? 0 : bytesOfMap(requestMap.over(request));
}

function responseHeaderBytes({ response }: StreamInfo): number {
  return response === null ? 0 : bytesOfMap(responseMap.over(response));
}

/** All of a map, a field that comes several times once, with its values joined. */
function joined(map: HeaderMap): string {
  const found = new Map<string, string>();
  for (const name of map.pseudoNames) {
    const value = map.pseudo(name);
    if (value !== null) found.set(name, value);
  }
  const { fields } = map;
  for (let i = 0; i < fields.slots; i++) {
    if (!isShown(fields, i)) continue;
    const name = fields.nameAt(i);
    if (!found.has(name)) found.set(name, fields.get(name) as string);
  }
  return encodePairs([...found.keys()], [...found.values()]);
}

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
  "xds",
  "metadata",
  "filter_state",
  "upstream_filter_state",
]);

const NODE = "xds\0node";
const METADATA = "metadata";
const FILTER_STATE = "filter_state\0";

/** True if `path` (segments joined by NUL) is one that filters may not leave values at. */
export function isReserved(path: string): boolean {
  const end = path.indexOf("\0");
  return OURS.has(end < 0 ? path : path.slice(0, end)) || OF_STREAM.has(path) || OF_PLUGIN.has(path);
}

/** The value at `path` (segments joined by NUL) for a context. */
export function findProperty(vm: WasmVm, context: GuestContext | null, path: string): PropertyValue {
  const ofPlugin = OF_PLUGIN.get(path);
  if (ofPlugin !== undefined) return ofPlugin(vm);
  const info = context === null ? null : context.info;
  if (info === null) return findOfProcess(vm, path);
  const ofStream = OF_STREAM.get(path);
  if (ofStream !== undefined) return ofStream(info);
  const { request, response, responseTrailers } = info;
  if (request !== null) {
    const ofRequest = OF_REQUEST.get(path);
    if (ofRequest !== undefined) return ofRequest(request);
    if (path.startsWith(REQUEST_HEADERS)) return request.get(lowerCase(path.slice(REQUEST_HEADERS.length)));
  }
  if (path.startsWith(RESPONSE_HEADERS))
    return response === null ? null : response.get(lowerCase(path.slice(RESPONSE_HEADERS.length)));
  if (path.startsWith(RESPONSE_TRAILERS))
    return responseTrailers === null
      ? null
      : responseTrailers.get(lowerCase(path.slice(RESPONSE_TRAILERS.length)));
  if (path.startsWith(FILTER_STATE)) return filterState(info, path.slice(FILTER_STATE.length));
  const name = twoSegments(path);
  const below = BELOW.get(name);
  if (below !== undefined) return below(info, path.slice(name.length + 1));
  if (path === METADATA || path.startsWith("metadata\0"))
    return findMetadata(NOTHING, path.slice(METADATA.length + 1)); // no filter here leaves any
  if (OURS.has(path)) return path === "upstream_filter_state" && info.endpoint === null ? null : undefined;
  return findOfProcess(vm, path);
}

/** What is the same for all streams, and to be had without one. */
function findOfProcess(vm: WasmVm, path: string): PropertyValue {
  if (path === "" || path === "xds") return undefined;
  return twoSegments(path) === NODE ? findNode(vm.host.context.node, path.slice(NODE.length + 1)) : null;
}

/** `path` up to its second NUL. */
function twoSegments(path: string): string {
  const at = path.indexOf("\0");
  const end = at < 0 ? -1 : path.indexOf("\0", at + 1);
  return end < 0 ? path : path.slice(0, end);
}
