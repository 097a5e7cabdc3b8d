/** An address as `envoy.config.core.v3.Address` in JSON. */
import type { Json } from "../../../core/config/model.ts";
import type { Address } from "../../../core/io/socket.ts";

/** `{ socket_address: … }` or `{ pipe: … }`. */
export function addressJson({ ip, port, path }: Address): Json {
  return path !== "" ? { pipe: { path } } : { socket_address: { address: ip, port_value: port } };
}
