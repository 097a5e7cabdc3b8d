/** The admin app on `node:http`. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import type { Address } from "../../core/io/socket.ts";
import type { FetchHandler, FetchServer } from "../fetch-server.ts";
import { ListenError } from "../runtime.ts";

/** A body is handed on as it comes: whoever reads it bounds it. */
function toRequest(incoming: IncomingMessage): Request {
  const headers = new Headers();
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
    headers.append(incoming.rawHeaders[i], incoming.rawHeaders[i + 1]);
  }
  const target = incoming.url?.startsWith("/") ? incoming.url : "/";
  const method = incoming.method ?? "GET";
  const url = new URL(`http://${incoming.headers.host ?? "localhost"}${target}`);
  if (method !== "POST") return new Request(url, { method, headers });
  const body = Readable.toWeb(incoming) as unknown as BodyInit;
  return new Request(url, { method, headers, body, duplex: "half" } as RequestInit);
}

async function answer(handler: FetchHandler, incoming: IncomingMessage, outgoing: ServerResponse) {
  try {
    const response = await handler(toRequest(incoming));
    outgoing.writeHead(response.status, [...response.headers].flat());
    outgoing.end(new Uint8Array(await response.arrayBuffer()));
  } catch {
    // A Host that is no host, a method that fetch forbids (TRACE).
    outgoing.writeHead(400, { connection: "close" });
    outgoing.end();
  }
}

/** See `ServeFetch`. */
export function serveFetch(address: Address, handler: FetchHandler): Promise<FetchServer> {
  const server = createServer((incoming, outgoing) => void answer(handler, incoming, outgoing));
  return new Promise((resolve, reject) => {
    server.once("error", (error: Error & { code?: string }) =>
      reject(new ListenError(error.code ?? "EIO", address, error.message)),
    );
    server.once("listening", () => {
      const port = address.path !== "" ? 0 : (server.address() as AddressInfo).port;
      resolve({ address: { ...address, port }, stop: () => void server.close() });
    });
    if (address.path !== "") server.listen(address.path);
    else server.listen(address.port, address.ip);
  });
}
