/**
 * A reverse proxy of `node:http` and undici, as plain as it can be while doing the rivals' share: keep-alive on both
 * sides, streamed bodies with back-pressure, hop-by-hop fields dropped, x-request-id and x-forwarded-for added.
 *
 *   node node-http-proxy.mjs <listen port> <upstream port>
 */
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { pipeline } from "node:stream";
import { Pool } from "undici";

const [listen, upstream] = process.argv.slice(2).map(Number);
const pool = new Pool(`http://127.0.0.1:${upstream}`, {
  connections: 1024,
  pipelining: 1,
  keepAliveTimeout: 3_600_000,
  keepAliveMaxTimeout: 3_600_000,
});

const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
]);

function forwardable(raw) {
  const kept = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i].toString().toLowerCase();
    if (!HOP_BY_HOP.has(name)) kept.push(name, raw[i + 1].toString());
  }
  return kept;
}

const server = createServer({ keepAliveTimeout: 3_600_000, requestTimeout: 0 }, (request, response) => {
  const headers = forwardable(request.rawHeaders);
  headers.push("x-request-id", randomUUID(), "x-forwarded-proto", "http");
  const via = request.headers["x-forwarded-for"];
  const peer = request.socket.remoteAddress;
  headers.push("x-forwarded-for", via ? `${via}, ${peer}` : peer);
  const hasBody = request.headers["content-length"] > 0 || "transfer-encoding" in request.headers;
  pool.request(
    {
      method: request.method,
      path: request.url,
      headers,
      body: hasBody ? request : null,
      responseHeaders: "raw",
    },
    (error, answer) => {
      if (response.destroyed) {
        answer?.body.on("error", () => {}).destroy(); // the client left before the answer came
        return;
      }
      if (error) {
        if (!response.headersSent) response.writeHead(502);
        response.end();
        return;
      }
      response.writeHead(answer.statusCode, forwardable(answer.headers));
      pipeline(answer.body, response, () => {});
    },
  );
});
server.listen({ port: listen, host: "127.0.0.1", backlog: 4096 });
process.on("SIGTERM", () => process.exit(0));
