/** From HTTP to a tunnel: WebSocket and CONNECT. Nothing is a tunnel before the upstream has agreed. */
import { describe, expect, test } from "bun:test";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import {
  answers,
  get,
  gist,
  OK,
  type Script,
  type StorySetup,
  silent,
  story,
} from "../../support/engine-story.ts";
import { retryPolicy, route, routeTo } from "../../support/snapshot-fixture.ts";

// The example of RFC 6455 1.3.
const ASK =
  "GET /chat HTTP/1.1\r\nhost: a.example\r\nconnection: Upgrade\r\nupgrade: WebSocket\r\n" +
  "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";
const AGREE =
  "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n" +
  "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/** Agrees, and leaves the rest to the test. */
const agreeing: Script = (peer) => {
  if (!peer.received.startsWith("GET /chat") || !peer.received.endsWith("\r\n\r\n")) return;
  peer.take();
  peer.send(AGREE);
};

async function opened(setup: StorySetup = {}) {
  const s = await story({ origins: [agreeing], ...setup });
  const client = s.client(ASK);
  expect(client.take()).toStartWith("HTTP/1.1 101 Switching Protocols\r\n");
  return { s, client, origin: s.upstream()[0] };
}

describe("a WebSocket", () => {
  test("is asked for upstream in our own words and opened when the upstream agrees", async () => {
    const asked: string[] = [];
    const s = await story({
      origins: [
        (peer) => {
          if (peer.received !== "") asked.push(peer.received);
          agreeing(peer);
        },
      ],
    });
    const client = s.client(ASK);
    expect(asked[0]).toContain("connection: Upgrade\r\nupgrade: WebSocket\r\n");
    expect(asked[0]).toContain("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    expect(client.received).toContain("connection: Upgrade\r\nupgrade: websocket\r\n");
    expect(client.received).toContain("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n");
    expect(client.received).not.toContain("content-length");
    expect(s.stat("http.test.downstream_cx_upgrades_active")).toBe(1);
    s.expectNothingLeft();
  });

  test("carries bytes both ways as they are", async () => {
    const { s, client, origin } = await opened();
    s.send(client, get("/not-a-request"));
    expect(origin.take()).toBe(get("/not-a-request"));
    s.send(origin, OK);
    expect(client.take()).toBe(OK);
    expect(s.stat("tulle.copied_bytes")).toBe(0);
    s.expectNothingLeft();
  });

  test("the upstream may take longer to agree than the route's timeout", async () => {
    const slow: Script = (peer) => s.proxy.network.schedule.after(200, () => agreeing(peer));
    const s = await story({ origins: [slow], action: { timeout: 100 } });
    const client = s.client(ASK);
    s.advance(150);
    expect(client.received).toBe("");
    s.advance(100);
    expect(client.received).toStartWith("HTTP/1.1 101 Switching Protocols\r\n");
    s.expectNothingLeft();
  });

  test("silence that a try may not keep, a tunnel may", async () => {
    const policy = retryPolicy({ retryOn: ["5xx"], perTryIdleTimeout: 50 });
    const routes = [route("/chat", routeTo("app", { retryPolicy: policy }))];
    const { s, client, origin } = await opened({ routes });
    s.send(origin, "hello");
    s.advance(1000);
    s.send(origin, " again");
    expect(client.take()).toBe("hello again");
    s.expectNothingLeft();
  });

  test("bytes that the client sent early wait for the 101, and go first", async () => {
    let seen = "";
    const s = await story({
      origins: [
        (peer) => {
          seen += peer.take();
          if (seen.endsWith("\r\n\r\n")) s.proxy.network.schedule.after(50, () => peer.send(AGREE));
        },
      ],
    });
    const client = s.client(`${ASK}early`);
    s.advance(40);
    expect(seen).not.toContain("early");
    s.advance(20);
    expect(seen).toEndWith("\r\n\r\nearly");
    s.send(client, " late");
    expect(seen).toEndWith("early late");
    s.expectNothingLeft();
  });

  test.each([
    ["the wrong accept", AGREE.replace("s3p", "xxx")],
    ["no accept", AGREE.replace(/sec-websocket-accept.*\r\n/, "")],
    ["another protocol", AGREE.replace("upgrade: websocket", "upgrade: mqtt")],
  ])("%s is no agreement: 502, and early bytes go nowhere", async (_, bytes) => {
    const s = await story({ origins: [answers(bytes)] });
    const client = s.client(`${ASK}early`);
    expect(gist(client.received).slice(0, 3)).toBe("502");
    expect(s.upstream()[0].received).not.toContain("early");
    expect(s.stat("http.test.downstream_cx_upgrades_total")).toBe(0);
    s.expectNothingLeft();
  });

  test("an ordinary answer is passed on, and the connection ends: nothing behind it is read as a request", async () => {
    const s = await story({ origins: [answers("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")] });
    const polite = s.client(ASK);
    expect(gist(polite.received)).toBe("403 no");
    expect(polite.received).toContain("connection: close\r\n");
    expect(polite.received).not.toContain("x-envoy-upstream-service-time");
    expect(polite.ended).toBe(true);
    const early = s.client(ASK + get("/smuggled"));
    expect(gist(early.received)).toBe("403 no");
    expect(early.ended).toBe(true);
    expect(s.logs).toEqual(["GET /chat 403 - via_upstream", "GET /chat 403 - via_upstream"]);
    s.expectNothingLeft();
  });

  test("the upstream connection is never used for anything else", async () => {
    const s = await story({ origins: [answers("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")] });
    s.client(ASK);
    s.client(get());
    expect(s.upstream()).toHaveLength(2);
    s.expectNothingLeft();
  });

  test.each([
    ["a body", ASK.replace("\r\n\r\n", "\r\ncontent-length: 3\r\n\r\nabc")],
    ["POST", ASK.replace("GET", "POST")],
  ])("with %s: 400", async (_, bytes) => {
    const s = await story();
    const client = s.client(bytes);
    expect(gist(client.received).slice(0, 3)).toBe("400");
    expect(client.ended).toBe(true);
    s.expectNothingLeft();
  });
});

describe("the end of a tunnel", () => {
  test("FIN goes through each way by itself: the client first", async () => {
    const { s, client, origin } = await opened();
    client.send("bye").end();
    s.settle();
    expect([origin.take(), origin.ended]).toEqual(["bye", true]);
    expect(client.ended).toBe(false);
    s.send(origin, "last words");
    expect(client.take()).toBe("last words");
    origin.end();
    s.settle();
    expect(client.closed).toBe(true);
    expect(s.logs).toEqual(["GET /chat 101 DC downstream_remote_disconnect"]);
    s.expectNothingLeft();
  });

  test("FIN goes through each way by itself: the upstream first, and what the client says then still arrives", async () => {
    const { s, client, origin } = await opened();
    origin.send("bye").end();
    s.settle();
    expect([client.take(), client.ended]).toEqual(["bye", true]);
    expect(origin.ended).toBe(false);
    s.send(client, "one more thing");
    expect(origin.take()).toBe("one more thing");
    client.end();
    s.settle();
    expect(origin.ended).toBe(true);
    expect(s.logs).toEqual([
      "GET /chat 101 UC upstream_reset_after_response_started{connection_termination}",
    ]);
    s.expectNothingLeft();
  });

  test("FIN of both while the upstream reads slowly: nothing is lost", async () => {
    const { s, client, origin } = await opened({ network: { buffer: 16 * 1024 } });
    const size = 100_000;
    origin.pause();
    client.send("x".repeat(size)).end();
    origin.end();
    s.advance(100);
    origin.resume();
    s.advance(100);
    expect(origin.received).toHaveLength(size);
    expect(origin.ended).toBe(true);
    s.expectNothingLeft();
  });

  test("FIN of both while the client reads slowly: nothing is lost", async () => {
    const { s, client, origin } = await opened({ network: { buffer: 16 * 1024 } });
    const size = 100_000;
    client.pause();
    origin.send("x".repeat(size)).end();
    client.end();
    s.advance(100);
    client.resume();
    s.advance(100);
    expect(client.received).toHaveLength(size);
    s.expectNothingLeft();
  });

  test("an upstream that answers the client's FIN with a RST changes nothing of what is told", async () => {
    const { s, client, origin } = await opened();
    client.end();
    s.settle();
    origin.reset();
    s.settle();
    expect(s.logs).toEqual(["GET /chat 101 DC downstream_remote_disconnect"]);
    s.expectNothingLeft();
  });

  test.each(["client", "upstream"])("RST of the %s ends both sides", async (who) => {
    const { s, client, origin } = await opened();
    (who === "client" ? client : origin).reset();
    s.settle();
    const other: Peer = who === "client" ? origin : client;
    expect(other.closed || other.ended).toBe(true);
    expect(s.logs).toEqual([
      who === "client"
        ? "GET /chat 101 DC downstream_remote_disconnect"
        : "GET /chat 101 UC upstream_reset_after_response_started{connection_termination}",
    ]);
    expect(s.stat("http.test.downstream_cx_upgrades_active")).toBe(0);
    s.expectNothingLeft();
  });

  test("silence for the stream idle time: SI", async () => {
    const { s, client, origin } = await opened({ manager: { streamIdleTimeout: 1000 } });
    s.advance(900);
    s.send(client, "x");
    s.advance(900);
    s.send(origin, "x");
    s.advance(900);
    expect(client.ended).toBe(false);
    s.advance(200);
    expect(client.ended || client.closed).toBe(true);
    expect(origin.ended || origin.closed).toBe(true);
    expect(s.logs).toEqual(["GET /chat 101 SI stream_idle_timeout"]);
    s.expectNothingLeft();
  });

  test("a tunnel outlives the route's timeout", async () => {
    const { s, client, origin } = await opened({ action: { timeout: 500 } });
    s.advance(2000);
    s.send(client, "still here");
    expect(origin.take()).toBe("still here");
    s.expectNothingLeft();
  });

  test("a slow reader pauses the other side", async () => {
    const { s, client, origin } = await opened({ network: { buffer: 16 * 1024 } });
    origin.pause();
    client.send("x".repeat(1_000_000));
    s.advance(100);
    expect(client.unsentBytes).toBeGreaterThan(700_000);
    origin.resume();
    s.advance(100);
    expect(origin.received).toHaveLength(1_000_000);
    s.expectNothingLeft();
  });
});

describe("which protocols", () => {
  const other = ASK.replace("WebSocket", "foo/2");

  test("an unlisted one is stripped and the request goes on", async () => {
    const s = await story();
    const client = s.client(other);
    expect(gist(client.received)).toBe("200 ok");
    expect(s.stat("http.test.downstream_cx_upgrades_total")).toBe(0);
    s.expectNothingLeft();
  });

  test("a route may switch one off, or on, for itself", async () => {
    const off = routeTo("app", {
      upgrades: [{ upgradeType: "websocket", enabled: false, terminateConnect: false }],
    });
    const on = routeTo("app", {
      upgrades: [{ upgradeType: "foo/2", enabled: true, terminateConnect: false }],
    });
    const s = await story({ routes: [route("/chat", off)] });
    expect(gist(s.client(ASK).received)).toBe("403 ");
    expect(s.logs[0]).toBe("GET /chat 403 - upgrade_failed");
    expect(s.stat("http.test.downstream_rq_ws_on_non_ws_route")).toBe(1);
    s.expectNothingLeft();

    const t = await story({
      routes: [route("/chat", on)],
      origins: [answers("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: foo/2\r\n\r\n")],
    });
    expect(t.client(other).received).toStartWith("HTTP/1.1 101 ");
    t.expectNothingLeft();
  });
});

describe("CONNECT", () => {
  const CONNECT = "CONNECT db.example:5432 HTTP/1.1\r\nhost: db.example:5432\r\n\r\n";
  const allowed = { upgrades: [{ upgradeType: "connect", enabled: true, terminateConnect: false }] };
  const toConnect = (upgrades: StorySetup["action"]) => ({
    ...route("/", routeTo("app", upgrades)),
    match: {
      path: { kind: "connect" },
      caseSensitive: true,
      runtimeFraction: null,
      headers: [],
      queryParameters: [],
      grpc: false,
      tls: null,
    } as const,
  });

  test("is off: 404, and nothing behind it is read", async () => {
    const s = await story();
    const client = s.client(CONNECT + get("/smuggled"));
    expect(gist(client.received)).toBe("404 ");
    expect(client.ended).toBe(true);
    expect(s.logs).toHaveLength(1);
    s.expectNothingLeft();
  });

  test("proxied: the upstream's 2xx opens the tunnel", async () => {
    const s = await story({
      manager: allowed,
      routes: [toConnect({})],
      origins: [answers("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")],
    });
    const client = s.client(CONNECT);
    const origin = s.upstream()[0];
    expect(client.take()).toStartWith("HTTP/1.1 200 OK\r\n");
    s.send(client, "raw");
    expect(origin.take()).toEndWith("raw");
    s.send(origin, "answer");
    expect(client.take()).toBe("answer");
    s.expectNothingLeft();
  });

  test("proxied and refused: the answer, and the connection ends", async () => {
    const s = await story({
      manager: allowed,
      routes: [toConnect({})],
      origins: [answers("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")],
    });
    const client = s.client(CONNECT + get("/smuggled"));
    expect(gist(client.received)).toBe("403 no");
    expect(client.ended).toBe(true);
    expect(s.logs).toHaveLength(1);
    s.expectNothingLeft();
  });

  const terminated = toConnect({
    upgrades: [{ upgradeType: "connect", enabled: true, terminateConnect: true }],
  });

  test("terminated: 200 once the upstream is connected, then its bytes and nothing else", async () => {
    const s = await story({ routes: [terminated], origins: [silent] });
    const client = s.client(`${CONNECT}early`);
    expect(client.take()).toStartWith("HTTP/1.1 200 OK\r\n");
    const origin = s.upstream()[0];
    expect(origin.take()).toBe("early");
    s.send(client, get());
    expect(origin.take()).toBe(get());
    s.send(origin, "binary\r\n\0");
    expect(client.take()).toBe("binary\r\n\0");
    client.end();
    s.settle();
    expect(origin.ended).toBe(true);
    s.send(origin, "rest");
    origin.end();
    s.settle();
    expect(client.take()).toBe("rest");
    expect(client.closed).toBe(true);
    expect(s.logs).toEqual(["CONNECT - 200 DC downstream_remote_disconnect"]);
    s.expectNothingLeft();
  });

  test("terminated: an upstream that ends it first has simply answered", async () => {
    const s = await story({ routes: [terminated], origins: [silent] });
    const client = s.client(`${CONNECT}early`);
    s.upstream()[0].send("rest").end();
    s.settle();
    expect(client.received).toEndWith("rest");
    client.end();
    s.settle();
    expect(s.logs).toEqual(["CONNECT - 200 - via_upstream"]);
    s.expectNothingLeft();
  });

  test("terminated: nobody there is 503 UF, and the connection ends", async () => {
    const s = await story({ routes: [terminated], origins: [null] });
    const client = s.client(CONNECT);
    expect(gist(client.received).slice(0, 3)).toBe("503");
    expect(s.logs[0]).toContain(" 503 UF ");
    expect(client.ended).toBe(true);
    s.expectNothingLeft();
  });

  test("terminated: a server that speaks first is heard, one that leaves ends it", async () => {
    const s = await story({
      routes: [terminated],
      origins: [(peer) => peer.connected && peer.receivedBytes === 0 && peer.send("220 hello\r\n")],
    });
    const client = s.client(CONNECT);
    expect(client.received).toEndWith("\r\n\r\n220 hello\r\n");
    s.upstream()[0].reset();
    s.settle();
    expect(client.closed || client.ended).toBe(true);
    s.expectNothingLeft();
  });
});
