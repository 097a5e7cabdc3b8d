/**
 * Bodies leave in the memory in which they came: `tulle.copied_bytes` stays 0 over real sockets, whatever the
 * framing and direction, on every runtime. That it can move at all is shown by a head that comes in two pieces.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { installedRuntimes } from "../support/runtimes.ts";
import {
  forwarding,
  httpListener,
  loopback,
  PATIENCE,
  SidecarProcess,
  staticCluster,
  Workspace,
} from "../support/sidecar-process.ts";

const SIZE = 5_000_003;
const BODY = new Uint8Array(SIZE).map((_, i) => (i * 31 + (i >> 8)) & 255);

/** The same bytes without a length: they go as chunks, of odd sizes. */
function stream(): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      const end = Math.min(SIZE, at + 70_001);
      controller.enqueue(BODY.slice(at, end));
      at = end;
      if (at === SIZE) controller.close();
    },
  });
}

const digest = (bytes: ArrayBuffer | Uint8Array) => Bun.hash(bytes).toString();
const WANTED = digest(BODY);

let origin: Bun.Server<undefined>;
const workspace = new Workspace();

beforeAll(() => {
  origin = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/download") return new Response(BODY);
      if (pathname === "/chunked") return new Response(stream());
      const framing = request.headers.get("transfer-encoding") ?? "length";
      return new Response(`${framing} ${digest(await request.arrayBuffer())}`);
    },
  });
});

afterAll(async () => {
  await origin.stop(true);
  workspace.remove();
});

describe.each(installedRuntimes.map((runtime) => [runtime.name, runtime] as const))("on %s", (_, runtime) => {
  let proxy: SidecarProcess;
  let url = "";
  const copied = () => proxy.stat("tulle.copied_bytes");

  beforeAll(async () => {
    proxy = await new SidecarProcess(runtime, workspace, {
      admin: { address: loopback(0) },
      static_resources: {
        listeners: [httpListener("in", 0, { route_config: forwarding("app") })],
        clusters: [staticCluster("app", origin.port as number)],
      },
    }).ready();
    url = await proxy.url("in");
  }, PATIENCE);
  afterAll(() => proxy.kill());

  test.each(["/download", "/chunked"])("%s", async (path) => {
    const answer = await fetch(url + path);
    expect(answer.headers.get("transfer-encoding")).toBe(path === "/chunked" ? "chunked" : null);
    expect(digest(await answer.arrayBuffer())).toBe(WANTED);
    expect(await copied()).toBe(0);
  });

  test.each([
    ["with a length", () => BODY, "length"],
    ["chunked", stream, "chunked"],
  ])("upload %s", async (_, body, framing) => {
    const answer = await fetch(`${url}/upload`, { method: "POST", body: body() });
    expect(await answer.text()).toBe(`${framing} ${WANTED}`);
    expect(await copied()).toBe(0);
  });

  test("a head in two pieces is put together, and that counts", async () => {
    const head = "GET /small HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n";
    const { hostname, port } = new URL(url);
    const answer = await new Promise<string>((resolve) => {
      let text = "";
      const socket = connect(Number(port), hostname, () => {
        socket.setNoDelay(true);
        socket.write(head.slice(0, 30));
        setTimeout(() => socket.write(head.slice(30)), 50);
      });
      socket.on("data", (chunk) => {
        text += chunk;
      });
      socket.on("close", () => resolve(text));
    });
    expect(answer).toStartWith("HTTP/1.1 200 ");
    expect(await copied()).toBe(head.length);
  });
});
