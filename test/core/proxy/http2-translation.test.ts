/** Between versions: HTTP/2 to HTTP/2, HTTP/2 to HTTP/1 and HTTP/1 to HTTP/2; bodies, windows, ends and tunnels. */
import { describe, expect, test } from "bun:test";
import { webSocketAccept } from "../../../core/bytes/websocket-accept.ts";
import { Continue } from "../../../core/filter/verdict.ts";
import { get, gist, OK as OK1, type StorySetup, silent, story } from "../../support/engine-story.ts";
import { GET, type Http2Peer, POST } from "../../support/http2-peer.ts";
import { answer, http2Client, OK, speaking, streamOf } from "../../support/http2-story.ts";
import { bytesOf, recorded } from "../../support/scripted-filter.ts";
import { HTTP1, HTTP2, retryPolicy, route, routeTo } from "../../support/snapshot-fixture.ts";

/** Ignores what it hears. */
const still = () => undefined;

/** The lines of a list that are about heads, without what we add to them. */
const plain = (lines: readonly string[]): string[] =>
  lines.map((line) => line.replace(/ (x-envoy|x-request|x-forwarded|server)[^ ]*/g, ""));

describe("from HTTP/2 to HTTP/2", () => {
  test("trailers go both ways", async () => {
    const { s, origins } = await speaking((line, peer) => {
      if (line.endsWith("x-sum=1 end"))
        peer
          .head(1, [[":status", "200"]])
          .data(1, "ok")
          .head(1, [["x-sum", "2"]], { end: true });
    });
    const client = http2Client(s);
    client
      .head(1, [...POST, ["te", "trailers"]])
      .data(1, "hello")
      .head(1, [["x-sum", "1"]], { end: true });
    s.settle();
    expect(plain(origins.heard)).toEqual([
      "1 head :method=POST :scheme=http :path=/ :authority=a.example te=trailers",
      "1 data hello",
      "1 head x-sum=1 end",
    ]);
    expect(plain(client.heard())).toEqual(["1 head :status=200", "1 data ok", "1 head x-sum=2 end"]);
    s.expectNothingLeft();
  });

  test("both halves flow at once, piece by piece", async () => {
    const { s } = await speaking((line, peer) => {
      if (line.includes(" head ")) peer.head(1, [[":status", "200"]]);
      else echoes(line, peer);
    });
    const client = http2Client(s);
    client.head(1, POST);
    s.settle();
    expect(plain(client.heard())).toEqual(["1 head :status=200"]);
    client.data(1, "a");
    s.settle();
    expect(client.heard()).toEqual(["1 data <a>"]);
    client.data(1, "b", true);
    s.settle();
    expect(client.heard()).toEqual(["1 data <b> end"]);
    s.expectNothingLeft();
  });

  test("a body ends with its last frame on the next hop, too, with and without a length", async () => {
    const { s, origins } = await speaking((line, peer) => {
      const id = streamOf(line);
      if (line.endsWith(" end")) peer.head(id, id === 1 ? OK : OK.slice(0, 1)).data(id, "ok", true);
    });
    const client = http2Client(s);
    const data = (lines: readonly string[]) => lines.filter((line) => line.includes(" data "));
    client.head(1, GET, { end: true });
    s.settle();
    expect(data(client.heard())).toEqual(["1 data ok end"]);
    // The connection is there: nothing has to wait for it.
    client.head(3, [...POST, ["content-length", "2"]]).data(3, "ab", true);
    client.head(5, POST).data(5, "c").data(5, "d", true);
    s.settle();
    expect(data(origins.heard)).toEqual(["3 data ab end", "5 data c", "5 data d end"]);
    expect(data(client.heard())).toEqual(["3 data ok end", "5 data ok end"]);
    s.expectNothingLeft();
  });

  test("a body that is shorter than declared has no end on the next hop, either way", async () => {
    const { s, origins } = await speaking((line, peer) => {
      const id = streamOf(line);
      if (line.endsWith(" end")) peer.head(id, OK).data(id, "o", true);
    });
    const client = http2Client(s);
    client.head(1, GET, { end: true });
    s.settle();
    client.head(3, [...POST, ["content-length", "3"]]).data(3, "ab", true);
    s.settle();
    expect(plain(origins.heard)).toEqual([
      "1 head :method=GET :scheme=http :path=/ :authority=a.example end",
      "1 reset PROTOCOL_ERROR",
      "3 head :method=POST :scheme=http :path=/ :authority=a.example content-length=3",
      "3 data ab",
      "3 reset CANCEL",
    ]);
    expect(plain(client.heard())).toEqual([
      "1 head :status=200 content-length=2",
      "1 data o",
      "1 reset INTERNAL_ERROR",
      "3 reset PROTOCOL_ERROR",
    ]);
    s.expectNothingLeft();
  });

  test("padding behind the last byte may still be cut off: the end comes in a frame of its own", async () => {
    const { s } = await speaking((line, peer) => {
      if (line.endsWith(" end")) peer.head(1, OK.slice(0, 1)).frame(0, 9, 1, [2, 0x6f, 0x6b, 0, 0]);
    });
    const client = http2Client(s);
    client.head(1, GET, { end: true });
    s.settle();
    expect(client.heard().slice(1)).toEqual(["1 data ok", "1 data  end"]);
    s.expectNothingLeft();
  });

  test("what a filter lets follow follows", async () => {
    const { s, origins } = await speaking(answer, {
      filters: [
        recorded("adds", [], () => ({
          onRequestBody(body, ends) {
            if (ends) body.replace(body.size, 0, bytesOf("!"));
            return Continue;
          },
          onResponseHeaders(head) {
            head.fields.remove("content-length");
            return Continue;
          },
          onResponseBody(body, ends) {
            if (ends) body.replace(body.size, 0, bytesOf("?"));
            return Continue;
          },
        })),
      ],
    });
    const client = http2Client(s);
    client.head(1, POST).data(1, "ab", true);
    s.settle();
    client.heard();
    expect([origins.peers[0].bodies.get(1), client.bodies.get(1)]).toEqual(["ab!", "ok?"]);
    s.expectNothingLeft();
  });

  test("a request that ended with its body is tried again with all of it", async () => {
    let refused = false;
    const { s, origins } = await speaking(
      (line, peer) => {
        if (!refused && line.endsWith(" end")) {
          refused = true;
          peer.reset(streamOf(line), 7);
        } else answer(line, peer);
      },
      { action: { retryPolicy: retryPolicy({ retryOn: ["refused-stream"], numRetries: 1 }) } },
    );
    const client = http2Client(s);
    client.head(1, POST).data(1, "a").data(1, "b", true);
    s.advance(100);
    expect(client.heard().at(-1)).toBe("1 data ok end");
    expect([...origins.peers[0].bodies.values()]).toEqual(["ab", "ab"]);
    s.expectNothingLeft();
  });

  test("a client that does not read holds the upstream's window", async () => {
    let origin: Http2Peer | null = null;
    const { s, origins } = await speaking((_line, peer) => {
      origin = peer;
    });
    const client = http2Client(s, 4, 1000);
    client.head(1, GET, { end: true });
    s.settle();
    const peer = origin as unknown as Http2Peer;
    peer.quiet = false;
    peer.head(1, [[":status", "200"]]);
    for (let i = 0; i < 12; i++) peer.data(1, "x".repeat(16_384));
    s.settle();
    expect(plain(client.heard())).toEqual(["1 head :status=200", "1 data (1000)"]);
    // What fits into what may wait was given back; nothing since.
    expect(origins.heard.filter((line) => line.startsWith("1 window "))).toEqual([]);
    expect(s.stat("cluster.app.upstream_flow_control_paused_reading_total")).toBe(1);
    client.windowUpdate(0, 1 << 20);
    for (let i = 0; i < 15; i++) {
      client.windowUpdate(1, 16_384);
      s.settle();
    }
    const bytes = client.heard().reduce((sum, line) => sum + Number(/\((\d+)\)/.exec(line)?.[1] ?? 0), 0);
    expect(bytes).toBe(12 * 16_384 - 1000);
    expect(origins.heard.filter((line) => line.startsWith("1 window ")).length).toBeGreaterThan(0);
    expect(s.stat("cluster.app.upstream_flow_control_resumed_reading_total")).toBe(1);
    s.expectNothingLeft();
  });

  test("an upstream that does not read holds the client's window", async () => {
    const { s, origins } = await speaking(still, {}, [4, 1000]);
    const client = http2Client(s);
    client.quiet = false;
    client.head(1, POST);
    s.settle();
    for (let i = 0; i < 12; i++) client.data(1, "x".repeat(16_384));
    s.settle();
    expect(origins.heard.at(-1)).toBe("1 data (1000)");
    expect(client.heard()).toEqual([]);
    expect(s.stat("cluster.app.upstream_flow_control_backed_up_total")).toBe(1);
    origins.peers[0].windowUpdate(0, 1 << 20);
    for (let i = 0; i < 15; i++) {
      origins.peers[0].windowUpdate(1, 16_384);
      s.settle();
    }
    const bytes = origins.heard.reduce((sum, line) => sum + Number(/\((\d+)\)/.exec(line)?.[1] ?? 0), 0);
    expect(bytes).toBe(12 * 16_384);
    expect(client.heard().filter((line) => line.startsWith("1 window ")).length).toBeGreaterThan(0);
    s.expectNothingLeft();
  });

  test("a stream that is held holds no other", async () => {
    const { s } = await speaking((line, peer) => {
      const id = streamOf(line);
      if (!line.includes(" head ")) return;
      peer.head(id, [[":status", "200"]]);
      if (id === 1) for (let i = 0; i < 12; i++) peer.data(1, "x".repeat(16_384));
      else peer.data(id, "ok", true);
    });
    const client = http2Client(s, 4, 1000);
    client.head(1, GET, { end: true });
    s.settle();
    client.heard();
    client.head(3, GET, { end: true });
    s.settle();
    expect(plain(client.heard())).toEqual(["3 head :status=200", "3 data ok end"]);
    s.expectNothingLeft();
  });

  test("a client's reset reaches the upstream as CANCEL", async () => {
    const { s, origins } = await speaking(still);
    const client = http2Client(s);
    client.head(1, POST).data(1, "hel");
    s.settle();
    client.reset(1, 8);
    s.settle();
    expect(origins.heard.at(-1)).toBe("1 reset CANCEL");
    expect(s.stat("cluster.app.upstream_rq_tx_reset")).toBe(1);
    expect(s.logs).toEqual(["POST / 0 DR http2.remote_reset"]);
    s.expectNothingLeft();
  });

  test("an upstream's reset within its answer reaches the client as a reset, never as an end", async () => {
    const { s } = await speaking((_line, peer) => {
      peer
        .head(1, [[":status", "200"]])
        .data(1, "he")
        .reset(1, 8);
    });
    const client = http2Client(s);
    client.head(1, GET, { end: true });
    s.settle();
    expect(plain(client.heard())).toEqual(["1 head :status=200", "1 data he", "1 reset INTERNAL_ERROR"]);
    expect(s.logs).toEqual(["GET / 200 UR upstream_reset_after_response_started{remote_reset}"]);
    s.expectNothingLeft();
  });

  test("an answer that comes before the request is whole ends both", async () => {
    const { s, origins } = await speaking((line, peer) => {
      if (line.includes(" head ")) peer.head(1, OK).data(1, "ok", true);
    });
    const client = http2Client(s);
    client.head(1, POST).data(1, "hel");
    s.settle();
    const heard = plain(client.heard());
    expect(heard.slice(1)).toEqual(["1 data ok end", "1 reset NO_ERROR"]);
    expect(origins.heard.at(-1)).toBe("1 reset NO_ERROR");
    s.expectNothingLeft();
  });

  test("interim answers go on, but a 100 that nobody waits for", async () => {
    const { s } = await speaking((line, peer) => {
      peer.head(1, [[":status", "100"]]).head(1, [
        [":status", "103"],
        ["link", "</a>"],
      ]);
      answer(line, peer);
    });
    const client = http2Client(s);
    client.head(1, GET, { end: true });
    s.settle();
    expect(plain(client.heard()).slice(0, 2)).toEqual([
      "1 head :status=103 link=</a>",
      "1 head :status=200 content-length=2",
    ]);
    s.expectNothingLeft();
  });

  test("a client that waits for a 100 is told the upstream's", async () => {
    const { s, origins } = await speaking((line, peer) => {
      if (line.includes(" head ")) peer.head(1, [[":status", "100"]]);
      else answer(line, peer);
    });
    const client = http2Client(s);
    client.head(1, [...POST, ["expect", "100-continue"]]);
    s.settle();
    expect(plain(client.heard())).toEqual(["1 head :status=100"]);
    client.data(1, "hello", true);
    s.settle();
    expect(origins.heard[0]).toContain(" expect=100-continue ");
    expect(plain(client.heard())[0]).toBe("1 head :status=200 content-length=2");
    s.expectNothingLeft();
  });

  for (const [status, method] of [
    ["200", "HEAD"],
    ["204", "GET"],
    ["304", "GET"],
  ]) {
    for (const end of [true, false]) {
      test(`${method} and ${status} have no body${end ? "" : ", even if their end comes behind them"}`, async () => {
        const length = status === "204" ? [] : ([["content-length", "5"]] as const);
        const { s } = await speaking((_line, peer) => {
          peer.head(1, [[":status", status], ...length], { end });
          if (!end) peer.data(1, "", true);
        });
        const client = http2Client(s);
        client.head(1, [[":method", method], ...GET.slice(1)], { end: true });
        s.settle();
        const declared = status === "204" ? "" : " content-length=5";
        expect(plain(client.heard())).toEqual([`1 head :status=${status}${declared} end`]);
        expect(s.logs).toEqual([`${method} / ${status} - via_upstream`]);
        s.expectNothingLeft();
      });
    }
  }
});

describe("from HTTP/2 to HTTP/1", () => {
  test.each([
    ["a reset", (client: Http2Peer) => client.reset(1, 8)],
    ["the end of the connection", (client: Http2Peer) => client.peer.reset()],
    ["less than declared", (client: Http2Peer) => client.data(1, "l", true)],
  ])("an upload that is cut (%s) destroys the upstream's connection, without an end", async (_what, cut) => {
    for (const length of [[], [["content-length", "9"]] as const]) {
      const s = await story({ origins: [silent] });
      const client = http2Client(s);
      client.head(1, [...POST, ...length]).data(1, "hel");
      s.settle();
      const [origin] = s.upstream();
      const before = origin.received;
      expect(before).toEndWith(length.length > 0 ? "\r\n\r\nhel" : "\r\n\r\n3\r\nhel");
      if (_what === "less than declared" && length.length === 0) client.reset(1, 0);
      else cut(client);
      s.settle();
      expect(origin.closed || origin.ended).toBe(true);
      expect(origin.received.startsWith(before)).toBe(true);
      expect(origin.received).not.toContain("\r\n0\r\n");
      s.expectNothingLeft();
    }
  });

  test("an answer that is cut is a reset", async () => {
    const s = await story({
      origins: [
        (peer) => {
          if (peer.received === "") return;
          peer.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe").close();
        },
      ],
    });
    const client = http2Client(s);
    client.head(1, GET, { end: true });
    s.settle();
    expect(plain(client.heard())).toEqual([
      "1 head :status=200 content-length=5",
      "1 data he",
      "1 reset INTERNAL_ERROR",
    ]);
    s.expectNothingLeft();
  });

  test("what belongs to a hop of HTTP/1 stays there; trailers go on where they are enabled", async () => {
    const s = await story({
      cluster: { http1: { ...HTTP1, enableTrailers: true } },
      origins: [
        (peer) => {
          if (peer.received === "") return;
          peer.take();
          peer.send(
            "HTTP/1.1 200 OK\r\nconnection: keep-alive, x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\n" +
              "X-Upper: A\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 2\r\n\r\n",
          );
        },
      ],
    });
    const client = http2Client(s);
    client.head(1, GET, { end: true });
    s.settle();
    expect(plain(client.heard())).toEqual([
      "1 head :status=200 x-upper=A",
      "1 data ok",
      "1 head x-sum=2 end",
    ]);
    s.expectNothingLeft();
  });
});

// ── Tunnels ───────────────────────────────────────────────────────────────────────────────────────────────────

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ASK1 =
  "GET /chat HTTP/1.1\r\nhost: a.example\r\nconnection: Upgrade\r\nupgrade: websocket\r\n" +
  `sec-websocket-key: ${KEY}\r\nsec-websocket-version: 13\r\n\r\n`;
const ASK2 = [
  [":method", "CONNECT"],
  [":protocol", "websocket"],
  [":scheme", "http"],
  [":path", "/chat"],
  [":authority", "a.example"],
  ["sec-websocket-version", "13"],
] as const;

/** An origin of HTTP/2 that takes CONNECT with a protocol, agrees, and echoes. */
function echoes(line: string, peer: Http2Peer): void {
  const id = streamOf(line);
  if (line.includes(" head ")) peer.head(id, [[":status", "200"]]);
  else if (line.endsWith(" data  end")) peer.data(id, "", true);
  else if (line.includes(" data ")) peer.data(id, `<${line.split(" ")[2]}>`, line.endsWith(" end"));
}

describe("a WebSocket", () => {
  test("from HTTP/2 to HTTP/1: what a client sends ahead waits for the upstream's word", async () => {
    let asked = "";
    const s = await story({
      origins: [
        (peer) => {
          if (!peer.received.endsWith("\r\n\r\n") || asked !== "") return;
          asked = peer.take();
          const key = /sec-websocket-key: (.*)\r/.exec(asked)?.[1] as string;
          expect(peer.received).toBe("");
          peer.send(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n" +
              `sec-websocket-accept: ${webSocketAccept(key)}\r\n\r\nhello`,
          );
        },
      ],
    });
    const client = http2Client(s);
    client.head(1, ASK2).data(1, "ahead");
    s.settle();
    expect(asked).toStartWith("GET /chat HTTP/1.1\r\nhost: a.example\r\n");
    expect(asked).toContain("connection: Upgrade\r\nupgrade: websocket\r\n");
    const heard = plain(client.heard());
    expect(heard[0]).toStartWith("1 head :status=200");
    expect(heard.slice(1)).toEqual(["1 data hello"]);
    const [origin] = s.upstream();
    expect(origin.take()).toBe("ahead");
    client.data(1, "bye", true);
    s.settle();
    expect(origin.take()).toBe("bye");
    expect(origin.ended).toBe(true);
    origin.end();
    s.settle();
    expect(client.heard()).toEqual(["1 data  end"]);
    expect(s.logs[0]).toStartWith("GET /chat 101 ");
    s.expectNothingLeft();
  });

  test("from HTTP/2 to HTTP/1: a key that a proxy before us has passed on is the one that is answered", async () => {
    const s = await story({
      origins: [
        (peer) => {
          if (!peer.received.includes(`sec-websocket-key: ${KEY}\r\n`)) return;
          peer.take();
          peer.send(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n" +
              `sec-websocket-accept: ${webSocketAccept(KEY)}\r\n\r\n`,
          );
        },
      ],
    });
    const client = http2Client(s);
    client.head(1, [...ASK2, ["sec-websocket-key", KEY]]);
    s.settle();
    const [head] = client.heard();
    expect(head).toStartWith("1 head :status=200");
    expect(head).toContain(` sec-websocket-accept=${webSocketAccept(KEY)}`);
    s.expectNothingLeft();
  });

  test("from HTTP/2 to HTTP/1: a wrong accept is no tunnel", async () => {
    const s = await story({
      origins: [
        (peer) => {
          if (peer.received === "") return;
          peer.send(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n" +
              "sec-websocket-accept: AAAA\r\n\r\n",
          );
        },
      ],
    });
    const client = http2Client(s);
    client.head(1, ASK2).data(1, "ahead");
    s.settle();
    expect(plain(client.heard())[0]).toContain(":status=502");
    expect(s.upstream()[0].received).not.toContain("ahead");
    s.expectNothingLeft();
  });

  test("from HTTP/1 to HTTP/2: an extended CONNECT", async () => {
    const { s, origins } = await speaking(echoes, {}, [8, 1]);
    const client = s.client(ASK1);
    expect(client.take()).toContain(`sec-websocket-accept: ${webSocketAccept(KEY)}\r\n`);
    const asked = origins.heard.find((line) => line.includes("CONNECT")) as string;
    expect(asked).toContain(
      ":method=CONNECT :protocol=websocket :scheme=http :path=/chat :authority=a.example ",
    );
    expect(asked).not.toContain("connection=");
    expect(asked).not.toContain("upgrade=");
    s.send(client, "hi");
    expect(client.take()).toBe("<hi>");
    client.end();
    s.settle();
    expect(client.ended).toBe(true);
    s.expectNothingLeft();
  });

  test("from HTTP/1 to an upstream that takes no CONNECT with a protocol: 502", async () => {
    const { s, origins } = await speaking(echoes);
    const client = s.client(ASK1);
    s.advance(5);
    expect(gist(client.received)).toStartWith("502 ");
    expect(s.logs[0]).toStartWith("GET /chat 502 UPE ");
    expect(origins.heard.some((line) => line.includes("CONNECT"))).toBe(false);
    s.expectNothingLeft();
  });

  test("waits for the settings of the upstream, and not for ever", async () => {
    const s = await story({ cluster: { http2: HTTP2 }, origins: [silent] });
    const [stays, leaves] = [s.client(ASK1), s.client(ASK1)];
    leaves.reset();
    s.settle();
    expect(s.stat("cluster.app.upstream_rq_active")).toBe(1);
    s.upstream()[0].reset();
    s.settle();
    expect(gist(stays.received)).toStartWith("503 ");
    s.expectNothingLeft();
  });

  test("from HTTP/2 to HTTP/2", async () => {
    const { s } = await speaking(echoes, {}, [8, 1]);
    const client = http2Client(s);
    client.head(1, ASK2).data(1, "a");
    s.settle();
    const heard = plain(client.heard());
    expect(heard[0]).toStartWith("1 head :status=200");
    expect(heard.slice(1)).toEqual(["1 data <a>"]);
    client.data(1, "b", true);
    s.settle();
    expect(client.heard()).toEqual(["1 data <b>", "1 data  end"]);
    expect(s.stat("http.test.downstream_cx_upgrades_active")).toBe(0);
    s.expectNothingLeft();
  });

  test("a client's reset ends the upstream's stream", async () => {
    const { s, origins } = await speaking(echoes, {}, [8, 1]);
    const client = http2Client(s);
    client.head(1, ASK2);
    s.settle();
    client.reset(1, 8);
    s.settle();
    expect(origins.heard.at(-1)).toEndWith(" reset CANCEL");
    s.expectNothingLeft();
  });

  test("an upstream that refuses answers like to any request", async () => {
    const { s } = await speaking(
      (line, peer) => {
        if (line.includes("CONNECT")) peer.head(streamOf(line), [[":status", "403"]], { end: true });
      },
      {},
      [8, 1],
    );
    expect(gist(s.client(ASK1).received)).toStartWith("403 ");
    const client = http2Client(s);
    client.head(1, ASK2);
    s.settle();
    expect(plain(client.heard())[0]).toStartWith("1 head :status=403");
    s.expectNothingLeft();
  });
});

describe("CONNECT", () => {
  const CONNECT = [
    [":method", "CONNECT"],
    [":authority", "db.example:5432"],
  ] as const;
  const matching = (terminateConnect: boolean): StorySetup => ({
    routes: [
      {
        ...route(
          "/",
          routeTo("app", { upgrades: [{ upgradeType: "connect", enabled: true, terminateConnect }] }),
        ),
        match: { ...route("/", routeTo("app")).match, path: { kind: "connect" } as const },
      },
    ],
    manager: { http2: { ...HTTP2, allowConnect: true } },
  });

  test("over HTTP/2 that ends here is plain TCP to the endpoint", async () => {
    const s = await story({ ...matching(true), origins: [silent] });
    const client = http2Client(s);
    client.head(1, CONNECT);
    s.settle();
    expect(plain(client.heard())).toEqual(["1 head :status=200"]);
    const [origin] = s.upstream();
    client.data(1, "select 1");
    s.settle();
    expect(origin.take()).toBe("select 1");
    origin.send("1 row");
    s.settle();
    expect(client.heard()).toEqual(["1 data 1 row"]);
    client.data(1, "", true);
    s.settle();
    expect(origin.ended).toBe(true);
    origin.end();
    s.settle();
    expect(client.heard()).toEqual(["1 data  end"]);
    s.expectNothingLeft();
  });

  test("over HTTP/2 goes on over HTTP/2", async () => {
    const { s, origins } = await speaking(echoes, matching(false));
    const client = http2Client(s);
    client.head(1, CONNECT).data(1, "a");
    s.settle();
    expect(plain(origins.heard)[0]).toStartWith("1 head :method=CONNECT :authority=db.example:5432");
    expect(plain(client.heard())).toEqual(["1 head :status=200", "1 data <a>"]);
    s.expectNothingLeft();
  });

  test("over HTTP/2 to an upstream of HTTP/1", async () => {
    const s = await story({
      ...matching(false),
      origins: [
        (peer) => {
          if (peer.received.startsWith("CONNECT db.example:5432 HTTP/1.1\r\n")) {
            peer.take();
            peer.send("HTTP/1.1 200 OK\r\n\r\n");
          }
        },
      ],
    });
    const client = http2Client(s);
    client.head(1, CONNECT).data(1, "a");
    s.settle();
    expect(plain(client.heard())).toEqual(["1 head :status=200"]);
    expect(s.upstream()[0].take()).toBe("a");
    s.expectNothingLeft();
  });

  test("to an endpoint that is not there: 503, and the stream ends", async () => {
    const s = await story({ ...matching(true), origins: [null] });
    const client = http2Client(s);
    client.head(1, CONNECT).data(1, "a");
    s.settle();
    expect(plain(client.heard())[0]).toContain(":status=503");
    expect(s.logs[0]).toStartWith("CONNECT - 503 UF ");
    s.expectNothingLeft();
  });
});

test("answers of HTTP/1 and HTTP/2 clients of one story are the same", async () => {
  const s = await story();
  const client = http2Client(s);
  client.head(1, GET, { end: true });
  s.settle();
  expect(client.heard()[1]).toBe("1 data ok end");
  expect(s.client(get()).received).toEndWith(OK1.slice(-2));
  s.expectNothingLeft();
});
