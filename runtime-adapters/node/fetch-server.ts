/** The admin app on `node:http`. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Address } from "../../core/io/socket.ts";
import { type FetchHandler, type FetchServer, MAX_REQUEST_BODY } from "../fetch-server.ts";
import { readWithin } from "../read-within.ts";
import { ListenError } from "../runtime.ts";

/** What the handler gets: only a POST has a body, for no other command looks at one. */
function toRequest(incoming: IncomingMessage, body: Uint8Array<ArrayBuffer>): Request {
  const headers = new Headers();
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
    headers.append(incoming.rawHeaders[i], incoming.rawHeaders[i + 1]);
  }
  const target = incoming.url?.startsWith("/") ? incoming.url : "/";
  return new Request(new URL(`http://${incoming.headers.host ?? "localhost"}${target}`), {
    method: incoming.method ?? "GET",
    headers,
    ...(incoming.method === "POST" && body.length > 0 ? { body } : {}),
  });
}

async function answer(handler: FetchHandler, incoming: IncomingMessage, outgoing: ServerResponse) {
  try {
    // A sender who went away is told the same as one who sends too much: it is not there to read it.
    const body = await readWithin(incoming, MAX_REQUEST_BODY).catch(() => null);
    if (body === null) {
      outgoing.writeHead(413, { connection: "close" });
      outgoing.end();
      return;
    }
    const response = await handler(toRequest(incoming, body));
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
