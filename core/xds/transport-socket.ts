/** Transport sockets of listeners and clusters. Plain text is what there is; TLS is refused by name. */
import type { TransportSocket } from "./generated/envoy/config/core/v3/base_pb.ts";
import type { Reader } from "./reader.ts";

const RAW_BUFFER = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";

/** Accepts plain text only, which is also the default. */
export function refuseTls(reader: Reader<TransportSocket> | null): void {
  if (reader === null) return;
  const name = reader.take("name");
  const packed = reader.packed();
  if (packed.any === null ? name === "envoy.transport_sockets.raw_buffer" : packed.typeName === RAW_BUFFER)
    return;
  reader.refuseHere(`transport_socket (${packed.typeName || name})`);
}
