/** The admin app on `Deno.serve`. */
import type { Address } from "../../core/io/socket.ts";
import type { FetchHandler, FetchServer } from "../fetch-server.ts";
import { ListenError } from "../runtime.ts";

/** The part of Deno's API that is used here; its own types are not installed. */
interface DenoServe {
  serve(
    options: {
      readonly hostname?: string;
      readonly port?: number;
      readonly path?: string;
      readonly onListen: (address: { readonly port?: number }) => void;
    },
    handler: FetchHandler,
  ): { shutdown(): Promise<void> };
}

/** See `ServeFetch`. */
export function serveFetch(address: Address, handler: FetchHandler): Promise<FetchServer> {
  const deno = (globalThis as unknown as { Deno: DenoServe }).Deno;
  return new Promise((resolve, reject) => {
    try {
      const server = deno.serve(
        {
          ...(address.path !== "" ? { path: address.path } : { hostname: address.ip, port: address.port }),
          onListen: ({ port = 0 }) =>
            resolve({ address: { ...address, port }, stop: () => void server.shutdown() }),
        },
        handler,
      );
    } catch (error) {
      const { code = "EIO", message } = error as { code?: string; message: string };
      reject(new ListenError(code, address, message));
    }
  });
}
