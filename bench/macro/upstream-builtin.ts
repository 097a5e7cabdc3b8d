/**
 * The upstream for machines without nginx: the same answers as upstream.ts lists, from Bun's own HTTP server. It costs more
 * CPU than nginx on the load core, so requests/s may be limited by it; CPU per request of the proxies is not.
 *
 *   bun upstream-builtin.ts <port>
 */
import { BLOB, smallBody } from "./upstream.ts";

const blob = new Uint8Array(BLOB).fill(0x74);
const small = Buffer.from(smallBody());
let served = 0;

Bun.serve({
  port: Number(process.argv[2]),
  hostname: "127.0.0.1",
  idleTimeout: 255,
  async fetch(request) {
    const { pathname } = new URL(request.url);
    served++;
    if (pathname === "/blob") return new Response(blob);
    if (pathname === "/echo") {
      const header = (name: string) => request.headers.get(name) ?? "";
      const [id, via, client] = ["x-request-id", "x-forwarded-for", "x-forwarded-client-cert"].map(header);
      return new Response(`${id}|${via}|${served}|${client}`);
    }
    if (request.body === null) return new Response(small);
    let read = 0;
    for await (const chunk of request.body) read += chunk.length;
    return new Response(small, { headers: { "X-Bytes-Read": String(read) } });
  },
});
