/** Clients that speak HTTP/2 to the proxy, frame by frame; upstreams of HTTP/1. */
import { describe, expect, test } from "bun:test";
import { get, OK, silent, story } from "../../support/engine-story.ts";
import { GET, Http2Peer, POST } from "../../support/http2-peer.ts";
import { clientStory } from "../../support/http2-story.ts";
import { COMMON, HTTP2 } from "../../support/snapshot-fixture.ts";

const ANSWER = "head :status=200 x-envoy-upstream-service-time=0 server=envoy content-length=2";

describe("a request", () => {
  test("is answered on its stream", async () => {
    const { s, client } = await clientStory();
    client.head(1, GET, { end: true });
    s.settle();
    expect(client.heard()).toEqual([`1 ${ANSWER}`, "1 data ok end"]);
    expect(s.upstream()[0].receivedBytes).toBeGreaterThan(0);
    expect(s.logs).toEqual(["GET / 200 - via_upstream"]);
    expect(s.stat("http.test.downstream_cx_http2_total")).toBe(1);
    expect(s.stat("http.test.downstream_rq_http2_total")).toBe(1);
    expect(s.stat("http.test.downstream_cx_http1_total")).toBe(0);
    s.expectNothingLeft();
  });

  test("comes byte by byte", async () => {
    const { s, client } = await clientStory({ network: { maxRead: 1 } });
    client.head(1, GET, { end: true, parts: 3 });
    s.advance(1000);
    expect(client.heard()).toEqual([`1 ${ANSWER}`, "1 data o", "1 data k end"]);
    s.expectNothingLeft();
  });

  test("with a body of known length goes upstream with that length", async () => {
    const { s, client } = await clientStory({ origins: [silent] });
    client
      .head(1, [...POST, ["content-length", "5"]])
      .data(1, "he")
      .data(1, "llo", true);
    s.settle();
    expect(s.upstream()[0].received).toContain("content-length: 5\r\n");
    expect(s.upstream()[0].received).toEndWith("\r\n\r\nhello");
    s.expectNothingLeft();
  });

  test("with a body of unknown length goes upstream in chunks", async () => {
    const { s, client } = await clientStory({ origins: [silent] });
    client.head(1, POST).data(1, "he").data(1, "llo", true);
    s.settle();
    expect(s.upstream()[0].received).toContain("transfer-encoding: chunked\r\n");
    expect(s.upstream()[0].received).toEndWith("\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n");
    s.expectNothingLeft();
  });

  test("many at once are answered each on its own", async () => {
    const { s, client } = await clientStory();
    for (let id = 1; id < 40; id += 2) client.head(id, GET, { end: true });
    s.settle();
    const heard = client.heard();
    expect(heard.length).toBe(40);
    for (let id = 1; id < 40; id += 2) expect(heard).toContain(`${id} data ok end`);
    s.expectNothingLeft();
  });
});

describe("content-length", () => {
  for (const [what, length, body] of [
    ["less than", "5", "hell"],
    ["more than", "3", "hell"],
  ]) {
    test(`a body that is ${what} declared resets the stream and destroys the upstream connection`, async () => {
      const { s, client } = await clientStory({ origins: [silent] });
      client.head(1, [...POST, ["content-length", length]]);
      s.settle();
      client.data(1, body, true);
      s.settle();
      expect(client.heard()).toEqual(["1 reset PROTOCOL_ERROR"]);
      expect(s.upstream()[0]?.ended ?? true).toBe(true);
      expect(s.stat("cluster.app.upstream_cx_active")).toBe(0);
      s.expectNothingLeft();
    });
  }
});

describe("a stream that is reset", () => {
  test("by the client: the upstream connection is destroyed", async () => {
    const { s, client } = await clientStory({ origins: [silent] });
    client.head(1, GET, { end: true });
    s.settle();
    client.reset(1, 8);
    s.settle();
    expect(s.upstream()[0].ended).toBe(true);
    expect(s.logs).toEqual(["GET / 0 DR http2.remote_reset"]);
    client.head(3, GET, { end: true });
    s.settle();
    expect(s.upstream().length).toBe(2);
    s.expectNothingLeft();
  });

  test("because the answer is cut", async () => {
    const { s, client } = await clientStory({
      origins: [
        (peer) => {
          peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
          peer.close();
        },
      ],
    });
    client.head(1, GET, { end: true });
    s.settle();
    expect(client.heard().at(-1)).toBe("1 reset INTERNAL_ERROR");
    s.expectNothingLeft();
  });
});

describe("windows", () => {
  test("an answer waits for the stream's window, and the upstream is paused", async () => {
    const body = "x".repeat(500_000);
    const { s, client } = await clientStory(
      {
        origins: [
          (peer) =>
            void (
              peer.take() !== "" &&
              peer.send(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
            ),
        ],
      },
      4,
      10,
    );
    client.head(1, GET, { end: true });
    s.settle();
    expect(client.heard().slice(1)).toEqual(["1 data xxxxxxxxxx"]);
    expect(s.stat("cluster.app.upstream_flow_control_paused_reading_total")).toBe(1);
    client.windowUpdate(1, 1_000_000).windowUpdate(0, 1_000_000);
    s.advance(1000);
    const heard = client.heard();
    expect(heard.at(-1)).toEndWith(" end");
    s.expectNothingLeft();
  });

  test("a client that never opens its window is let go after the stream idle timeout", async () => {
    const { s, client } = await clientStory({}, 4, 0);
    client.head(1, GET, { end: true });
    s.settle();
    expect(client.heard()).toEqual([`1 ${ANSWER}`]);
    s.advance(301_000);
    expect(client.heard()).toEqual(["1 reset CANCEL"]);
    expect(s.stat("http2.tx_flush_timeout")).toBe(1);
    s.expectNothingLeft();
  });

  test("credit comes back only for what has left the proxy", async () => {
    const http2 = { ...HTTP2, initialStreamWindowSize: 65_535, initialConnectionWindowSize: 65_535 };
    const { s, client } = await clientStory({
      origins: [silent],
      manager: { http2 },
      limits: { maxConnections: 1 },
    });
    client.quiet = false;
    client.head(1, GET, { end: true });
    s.settle();
    client.head(3, POST);
    for (let i = 0; i < 4; i++) client.data(3, "x".repeat(i < 3 ? 16_384 : 65_535 - 3 * 16_384));
    s.advance(100);
    expect(client.heard()).toEqual([]); // it waits for a connection
    const [origin] = s.upstream();
    origin.send(OK);
    s.advance(100);
    expect(client.heard()).toContain("0 window +65535");
    expect(origin.receivedBytes).toBeGreaterThan(65_535);
    s.expectNothingLeft();
  });
});

describe("an idle connection", () => {
  const common = (idleTimeout: number) => ({
    common: { ...COMMON, idleTimeout },
  });

  for (const idleTimeout of [300, 60_000]) {
    test(`ends ${idleTimeout} ms after its last stream, and not before`, async () => {
      const { s, client } = await clientStory({ manager: common(idleTimeout) });
      for (const id of [1, 3]) {
        s.advance(idleTimeout - 50);
        client.head(id, GET, { end: true });
        s.settle();
        expect(client.heard().at(-1)).toBe(`${id} data ok end`);
      }
      s.advance(idleTimeout - 10);
      expect(client.heard()).toEqual([]);
      s.advance(20);
      expect(client.heard()).toEqual(["goaway 3 NO_ERROR"]);
      expect(s.stat("http.test.downstream_cx_idle_timeout")).toBe(1);
      s.expectNothingLeft();
    });
  }

  test("keeps what it had for many streams for a moment only, and serves on", async () => {
    const { s, client } = await clientStory({ manager: common(0) });
    for (let id = 1; id < 41; id += 2) client.head(id, GET, { end: true });
    s.settle();
    expect(client.heard().filter((line) => line.endsWith(" end"))).toHaveLength(20);
    s.advance(400);
    const kept = s.queuedTimers;
    s.advance(200);
    expect(s.queuedTimers).toBeLessThan(kept - 20);
    s.advance(1_000_000); // no timeout ends it
    client.head(41, GET, { end: true });
    s.settle();
    expect(client.heard().at(-1)).toBe("41 data ok end");
    s.expectNothingLeft();
  });
});

describe("the end of a connection", () => {
  test("a listener that drains announces it, serves what comes, and closes when the last stream is over", async () => {
    const { s, client } = await clientStory({ origins: [silent] });
    client.head(1, GET, { end: true });
    s.settle();
    s.proxy.run(() => s.proxy.worker.drain());
    s.settle();
    client.head(3, GET, { end: true }); // it was on its way
    expect(client.heard()).toEqual(["goaway announced NO_ERROR"]);
    s.settle();
    expect(client.heard()).toEqual(["goaway 3 NO_ERROR"]);
    client.head(5, GET, { end: true }); // it should know by now
    for (const origin of s.upstream()) origin.send(OK);
    s.settle();
    expect(client.heard().filter((line) => line.endsWith(" end"))).toEqual([
      "1 data ok end",
      "3 data ok end",
    ]);
    expect(client.peer.ended).toBe(true);
    expect(s.upstream().length).toBe(2);
    s.expectNothingLeft();
  });

  test("an idle connection ends with a word", async () => {
    const { s, client } = await clientStory();
    s.advance(3_600_000);
    expect(client.heard()).toEqual(["goaway 0 NO_ERROR"]);
    expect(client.peer.ended).toBe(true);
    s.expectNothingLeft();
  });

  test("what is no HTTP/2 behind the preface is told so", async () => {
    const s = await story();
    const peer = s.client();
    const client = new Http2Peer(peer, true);
    client.ping(1);
    s.settle();
    expect(client.heard()).toEqual(["goaway 0 PROTOCOL_ERROR"]);
    s.advance(2000);
    expect(peer.ended).toBe(true);
    s.expectNothingLeft();
  });
});

describe("HTTP/1 on the same port", () => {
  test("is served, however it is cut", async () => {
    const s = await story();
    const peer = s.client("P");
    s.send(peer, "RI / HTTP/1.1\r\nhost: a\r\n\r\n");
    expect(peer.received).toStartWith("HTTP/1.1 200");
    const other = s.client(get());
    expect(other.received).toStartWith("HTTP/1.1 200");
    expect(s.stat("http.test.downstream_cx_http1_total")).toBe(2);
    s.expectNothingLeft();
  });

  test("the preface, however it is cut", async () => {
    const s = await story();
    const peer = s.client("PRI * HT");
    s.send(peer, "TP/2.0\r\n\r\nSM\r\n\r\n");
    const client = new Http2Peer(peer, true);
    peer.take();
    s.expectNothingLeft();
    expect(client.heard()).toEqual([]);
  });
});
