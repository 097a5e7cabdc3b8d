/** Transport sockets of listeners and clusters: plain text, which is also the default, and TLS. */
import type { DownstreamTls, UpstreamTls } from "../config/tls.ts";
import type { TransportSocket } from "./generated/envoy/config/core/v3/base_pb.ts";
import type {
  DownstreamTlsContext,
  UpstreamTlsContext,
} from "./generated/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { openUnpacked, type Reader } from "./reader.ts";
import type { Subscription } from "./resource.ts";
import { readDownstreamTls, readUpstreamTls } from "./tls-context.ts";

const RAW_BUFFER = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
const DOWNSTREAM = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
const UPSTREAM = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";

/** Reads the socket of a filter chain; null = plain text. */
export function readDownstreamSocket(
  reader: Reader<TransportSocket> | null,
  wants: Subscription[],
): DownstreamTls | null {
  const tls = openSocket<DownstreamTlsContext>(reader, DOWNSTREAM);
  return tls === null ? null : readDownstreamTls(tls, wants);
}

/** Reads the socket of a cluster; null = plain text. */
export function readUpstreamSocket(
  reader: Reader<TransportSocket> | null,
  wants: Subscription[],
): UpstreamTls | null {
  const tls = openSocket<UpstreamTlsContext>(reader, UPSTREAM);
  return tls === null ? null : readUpstreamTls(tls, wants);
}

/** The context if it is a `wanted`, null for plain text; anything else is reported. */
function openSocket<T extends DownstreamTlsContext | UpstreamTlsContext>(
  reader: Reader<TransportSocket> | null,
  wanted: T["$typeName"],
): Reader<T> | null {
  if (reader === null) return null;
  const name = reader.take("name");
  const packed = reader.packed();
  if (packed.any === null ? name === "envoy.transport_sockets.raw_buffer" : packed.typeName === RAW_BUFFER)
    return null;
  if (packed.typeName === wanted) return openUnpacked<T>(reader.context, packed, wanted);
  if (packed.typeName === DOWNSTREAM || packed.typeName === UPSTREAM)
    reader.context.faults.close(`${packed.path}.@type`, `must be type.googleapis.com/${wanted}`);
  else reader.refuseHere(`transport_socket (${packed.typeName || name})`);
  return null;
}
