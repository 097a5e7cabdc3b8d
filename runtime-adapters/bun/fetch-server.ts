/** The admin app on `Bun.serve`. */
import type { Address } from "../../core/io/socket.ts";
import { type FetchHandler, type FetchServer, MAX_REQUEST_BODY } from "../fetch-server.ts";
import { ListenError } from "../runtime.ts";

/** See `ServeFetch`. */
export async function serveFetch(address: Address, handler: FetchHandler): Promise<FetchServer> {
  try {
    // Without `development` Bun shares the port with whoever else does: two proxies would be one admin server.
    const options = { fetch: handler, development: false, maxRequestBodySize: MAX_REQUEST_BODY };
    const server =
      address.path !== ""
        ? Bun.serve({ ...options, unix: address.path })
        : Bun.serve({ ...options, reusePort: false, hostname: address.ip, port: address.port });
    return {
      address: address.path !== "" ? address : { ...address, port: server.port ?? 0 },
      stop: () => void server.stop(),
    };
  } catch (error) {
    const { code = "EIO", message } = error as { code?: string; message: string };
    throw new ListenError(code, address, message);
  }
}
