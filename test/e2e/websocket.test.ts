/** WebSockets through the proxy, with a server and a client that we did not write. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { anyHost, bootstrap, httpListener, staticCluster, toCluster } from "../support/bootstrap.ts";
import { freePorts } from "../support/child-process.ts";
import { type OurProxy, RUNTIMES, startTulle } from "../support/our-proxy.ts";

/** What the client saw until its connection closed. */
function talk(url: string, send: (socket: WebSocket) => void, enough: (messages: unknown[]) => boolean) {
  return new Promise<{ messages: unknown[]; code: number }>((resolve, reject) => {
    const messages: unknown[] = [];
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    const timer = setTimeout(() => reject(new Error(`stuck after ${messages.length} messages`)), 10_000);
    socket.onopen = () => send(socket);
    socket.onmessage = (event) => {
      messages.push(event.data);
      if (enough(messages)) socket.close(4000, "enough");
    };
    socket.onclose = (event) => {
      clearTimeout(timer);
      resolve({ messages, code: event.code });
    };
  });
}

for (const runtime of RUNTIMES) {
  describe(`WebSocket on ${runtime}`, () => {
    let server: ReturnType<typeof Bun.serve>;
    let proxy: OurProxy;
    let url = "";
    let closedWith = 0;

    beforeAll(async () => {
      const [upstream, port, admin] = await freePorts(3);
      server = Bun.serve({
        hostname: "127.0.0.1",
        port: upstream,
        fetch: (request, self) =>
          self.upgrade(request, { data: undefined }) ? undefined : new Response("no", { status: 400 }),
        websocket: {
          maxPayloadLength: 16 * 1024 * 1024,
          open: (socket) => void socket.send("welcome"),
          message(socket, message) {
            if (message === "close") socket.close(4001, "as you wish");
            else socket.send(message);
          },
          close: (_, code) => {
            closedWith = code;
          },
        },
      });
      const file = bootstrap(
        [
          httpListener("ws", port, {
            upgrade_configs: [{ upgrade_type: "websocket" }],
            route_config: anyHost("all", [toCluster("ws")]),
          }),
        ],
        [staticCluster("ws", [upstream])],
        admin,
      );
      proxy = await startTulle(file, port, runtime);
      url = `ws://127.0.0.1:${port}/chat`;
    }, 30_000);

    afterAll(async () => {
      await proxy?.stop();
      await server?.stop(true);
    });

    test("the server speaks first, text comes back, the close code arrives", async () => {
      const { messages, code } = await talk(
        url,
        (socket) => {
          socket.send("one");
          socket.send("zwö");
        },
        (all) => all.length === 3,
      );
      expect(messages).toEqual(["welcome", "one", "zwö"]);
      expect(code).toBe(4000);
      expect(closedWith).toBe(4000);
    });

    test("a large binary message", async () => {
      const bytes = new Uint8Array(4 * 1024 * 1024).map((_, i) => i * 7);
      const { messages } = await talk(
        url,
        (socket) => socket.send(bytes),
        (all) => all.length === 2,
      );
      expect(Buffer.from(messages[1] as ArrayBuffer).equals(Buffer.from(bytes))).toBe(true);
    }, 15_000);

    test("the server closes", async () => {
      const { code } = await talk(
        url,
        (socket) => socket.send("close"),
        () => false,
      );
      expect(code).toBe(4001);
    });

    test("a hundred small messages keep their order", async () => {
      const { messages } = await talk(
        url,
        (socket) => {
          for (let i = 0; i < 100; i++) socket.send(`m${i}`);
        },
        (all) => all.length === 101,
      );
      expect(messages.slice(1)).toEqual(Array.from({ length: 100 }, (_, i) => `m${i}`));
    });
  });
}
