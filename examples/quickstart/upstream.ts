/**
 * A small shop that the quickstart's proxy stands in front of: it lists teas, takes orders, is slow or fails
 * when asked to. Plain node:http, so that it looks like anybody's service.
 *
 *   GET  /teas            the catalogue
 *   POST /orders          {"tea": "sencha"} → 201
 *   GET  /slow?ms=500     answers after that time
 *   GET  /echo            the request as the upstream saw it
 *   GET  /fail            503
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const TEAS = ["assam", "darjeeling", "lapsang", "sencha"];
const MAX_ORDER_BYTES = 4096;
const MAX_DELAY = 60_000;

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body, null, 2)}\n`;
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

async function order(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let text = "";
  for await (const chunk of request) {
    text += chunk;
    if (text.length > MAX_ORDER_BYTES) return send(response, 413, { error: "an order is small" });
  }
  let tea: unknown;
  try {
    tea = (JSON.parse(text) as { tea?: unknown }).tea;
  } catch {
    return send(response, 400, { error: "an order is JSON" });
  }
  if (typeof tea !== "string" || !TEAS.includes(tea)) return send(response, 404, { error: "no such tea" });
  send(response, 201, { ordered: tea });
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://upstream");
  switch (`${request.method} ${url.pathname}`) {
    case "GET /teas":
      return send(response, 200, { teas: TEAS });
    case "POST /orders":
      return order(request, response);
    case "GET /slow": {
      const ms = Math.min(MAX_DELAY, Number(url.searchParams.get("ms") ?? 500) || 0);
      await new Promise((resolve) => setTimeout(resolve, ms));
      return send(response, 200, { waited: ms });
    }
    case "GET /echo":
      return send(response, 200, {
        method: request.method,
        target: request.url,
        headers: request.rawHeaders,
      });
    case "GET /fail":
      return send(response, 503, { error: "as you wished" });
    default:
      return send(response, 404, { error: "try /teas" });
  }
}

const port = Number(process.env.PORT ?? 18080);
const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy());
});
server.on("error", (error) => {
  process.stderr.write(`upstream: cannot listen on 127.0.0.1:${port}: ${error.message}\n`);
  process.exit(1);
});
server.listen(port, "127.0.0.1", () => {
  process.stdout.write(`upstream listens on http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
const stop = () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
};
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
