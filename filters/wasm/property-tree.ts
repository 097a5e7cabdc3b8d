/**
 * What Envoy calls attributes: the values behind the paths of `proxy_get_property` (proxy-wasm.md 1.8 and "Observed").
 * Strings and lists are byte strings, numbers are 64-bit integers, times are nanoseconds. A path that Envoy knows
 * and that says nothing here (there is no TLS yet) is not found.
 */
import type { RequestHead } from "../../core/http/head.ts";
import { protocolName } from "../../core/http/head.ts";
import type { StreamInfo } from "../../core/http/stream-info.ts";
import { type Address, formatAddress } from "../../core/io/socket.ts";
import type { GuestContext } from "./guest-context.ts";
import { responseFlagBits } from "./response-flag-bits.ts";
import type { WasmVm } from "./vm.ts";

/** A value as it goes to a guest; null: there is none. */
export type PropertyValue = string | number | boolean | Uint8Array | null;

type OfStream = (info: StreamInfo) => PropertyValue;
type OfRequest = (head: RequestHead, info: StreamInfo) => PropertyValue;

const NANOSECONDS = 1e6;

function address(of: Address | null): string | null {
  return of === null ? null : formatAddress(of);
}

function duration(ms: number): number | null {
  return ms < 0 ? null : Math.round(ms * NANOSECONDS);
}

function text(value: string): string | null {
  return value === "" ? null : value;
}

const OF_REQUEST: { readonly [path: string]: OfRequest } = {
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
};

const OF_STREAM: { readonly [path: string]: OfStream } = {
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
};

const OF_PLUGIN: { readonly [path: string]: (vm: WasmVm) => string } = {
  plugin_name: (vm) => vm.host.config.name,
  plugin_root_id: (vm) => vm.host.config.rootId,
  plugin_vm_id: (vm) => vm.host.config.vm.id,
};

const REQUEST_HEADERS = "request\0headers\0";
const RESPONSE_HEADERS = "response\0headers\0";
const RESPONSE_TRAILERS = "response\0trailers\0";

/** The value at `path` (segments joined by NUL) for a context, or null. */
export function findProperty(vm: WasmVm, context: GuestContext | null, path: string): PropertyValue {
  const info = context === null ? null : context.info;
  const head = info === null ? null : info.request;
  if (info !== null) {
    const ofStream = OF_STREAM[path];
    if (ofStream !== undefined) return ofStream(info);
    if (head !== null) {
      const ofRequest = OF_REQUEST[path];
      if (ofRequest !== undefined) return ofRequest(head, info);
      if (path.startsWith(REQUEST_HEADERS)) return head.get(path.slice(REQUEST_HEADERS.length));
    }
    if (path.startsWith(RESPONSE_HEADERS))
      return info.response?.get(path.slice(RESPONSE_HEADERS.length)) ?? null;
    if (path.startsWith(RESPONSE_TRAILERS))
      return info.responseTrailers?.get(path.slice(RESPONSE_TRAILERS.length)) ?? null;
  }
  const ofPlugin = OF_PLUGIN[path];
  if (ofPlugin !== undefined) return ofPlugin(vm);
  // One segment with dots is how some SDKs write a path.
  if (path.includes(".") && !path.includes("\0"))
    return findProperty(vm, context, path.replaceAll(".", "\0"));
  return null;
}
