/**
 * Attacks on servers of HTTP/2 (http.md 2.6): each ends in bounded time, with a word, and what was under way upstream
 * ends at once. A client that works hard does none of them, and is not cut.
 */
import { describe, expect, test } from "bun:test";
import { answers, get, OK, type Story, type StorySetup, silent } from "../../support/engine-story.ts";
import { GET, type Http2Peer, POST } from "../../support/http2-peer.ts";
import { clientStory, http2, speaking } from "../../support/http2-story.ts";

const zeros = (count: number) => new Uint8Array(count);
const CALM = (line: string) => line.startsWith("goaway") && line.endsWith("ENHANCE_YOUR_CALM");

/** Goes on until the connection ends; returns how many steps that took, and the last line heard. */
function until(s: Story, client: Http2Peer, most: number, step: (i: number) => unknown): [number, string] {
  let last = "";
  for (let i = 0; i < most; i++) {
    step(i);
    if (i % 10 !== 9) continue;
    s.advance(0.5);
    last = client.heard().at(-1) ?? last;
    if (client.peer.ended) return [i + 1, last];
  }
  s.advance(10);
  return [most, client.heard().at(-1) ?? last];
}

/** An answer whose head is no smaller the second time. */
const LARGE = `HTTP/1.1 200 OK\r\nx-large: ${"v".repeat(2100)}\r\ncontent-length: 2\r\n\r\n`;

describe("an attacker is told to be calm, and cut", () => {
  // biome-ignore format: a table
  const FLOODS: readonly (readonly [title: string, most: number, stat: string | null, step: (c: Http2Peer, i: number) => unknown])[] = [
    ["Rapid Reset (CVE-2023-44487)", 260, "http.test.downstream_rq_too_many_premature_resets",
      (c, i) => c.head(2 * i + 1, GET, { end: true }).reset(2 * i + 1, 8)],
    ["MadeYouReset by a window that opens by nothing (CVE-2025-8671)", 110, null,
      (c, i) => c.head(2 * i + 1, GET, { end: true }).windowUpdate(2 * i + 1, 0)],
    ["MadeYouReset by a window that is too large", 110, null,
      (c, i) => c.head(2 * i + 1, GET, { end: true }).windowUpdate(2 * i + 1, 0x7fffffff)],
    ["MadeYouReset by PRIORITY of another size", 110, null,
      (c, i) => c.head(2 * i + 1, GET, { end: true }).frame(2, 0, 2 * i + 1, zeros(4))],
    ["MadeYouReset by HEADERS behind the end", 110, null,
      (c, i) => c.head(2 * i + 1, GET, { end: true }).head(2 * i + 1, GET, { end: true })],
    ["MadeYouReset by DATA behind the end", 110, null,
      (c, i) => c.head(2 * i + 1, GET, { end: true }).data(2 * i + 1, "x")],
    ["MadeYouReset by a wrong length", 110, null,
      (c, i) => c.head(2 * i + 1, [...POST, ["content-length", "1"]]).data(2 * i + 1, "", true)],
    ["MadeYouReset by malformed requests", 110, null,
      (c, i) => c.head(2 * i + 1, [...GET, ["connection", "x"]], { end: true })],
    ["PINGs", 1010, "http2.outbound_control_flood", (c, i) => c.ping(i)],
    ["SETTINGS (CVE-2019-9515)", 210, "http2.outbound_control_flood", (c) => c.settings(4, 65_535)],
    ["empty SETTINGS", 210, "http2.outbound_control_flood", (c) => c.settings()],
    ["empty DATA (CVE-2019-9518)", 1020, "http2.inbound_empty_frames_flood", (c, i) => (i === 0 ? c.head(1, POST) : c.data(1, ""))],
    ["DATA that is all padding", 1020, "http2.inbound_empty_frames_flood", (c, i) => (i === 0 ? c.head(1, POST) : c.frame(0, 8, 1, i % 2 === 0 ? zeros(1) : [3, 0, 0, 0]))],
    ["PRIORITY (CVE-2019-9513)", 1010, "http2.inbound_priority_frames_flood", (c) => c.frame(2, 0, 7, zeros(5))],
    ["GOAWAY", 1010, "http2.inbound_priority_frames_flood", (c) => c.goAway(0, 0)],
    ["unknown frames", 1010, "http2.inbound_priority_frames_flood", (c) => c.frame(0x99, 0, 0)],
    ["acknowledgements of nothing", 1010, "http2.inbound_priority_frames_flood", (c) => c.frame(6, 1, 0, zeros(8))],
    ["windows that open by a byte", 1030, "http2.inbound_window_update_frames_flood", (c, i) => (i === 0 ? c.head(1, POST) : c.windowUpdate(1, 1))],
    ["resets of what is over", 1280, "http2.inbound_priority_frames_flood", (c, i) => (i === 0 ? c.head(1, POST) : c.reset(1, 8))],
  ];
  test.each(FLOODS)("%s", async (_title, most, stat, step) => {
    const { s, client } = await clientStory({ origins: [silent] });
    const [steps, last] = until(s, client, 3 * most, (i) => step(client, i));
    expect(last).toSatisfy(CALM);
    expect(steps).toBeLessThanOrEqual(most);
    if (stat !== null) expect(s.stat(stat)).toBe(1);
    // Upstream work ends with the stream that wanted it, not some time later.
    expect(s.stat("cluster.app.upstream_rq_active")).toBe(0);
    expect(s.stat("http2.streams_active")).toBe(0);
    s.expectNothingLeft();
  });

  test("streams above the limit, and streams behind the end", async () => {
    const { s, client } = await clientStory({
      origins: [silent],
      manager: http2({ maxConcurrentStreams: 10 }),
    });
    const step = (i: number) => client.head(2 * i + 1, POST);
    let heard: string[] = [];
    let i = 0;
    for (; i < 1000 && !heard.some(CALM); i++) {
      step(i);
      if (i % 10 === 9) s.settle();
      heard = client.heard();
    }
    expect(i).toBeLessThan(175);
    expect(client.peer.ended).toBe(false); // ten streams are served to their end
    s.advance(1001);
    const [more] = until(s, client, 1000, (n) => step(i + n));
    expect(more).toBeLessThan(220);
    expect(client.peer.ended).toBe(true);
    s.expectNothingLeft();
  });

  test("CONTINUATION without end (CVE-2024-30255): by frames, and by bytes", async () => {
    for (const part of [zeros(0), zeros(16_384)]) {
      const { s, client } = await clientStory({ origins: [silent] });
      client.frame(1, 0, 1, [0x82]);
      const [frames, last] = until(s, client, 100, () => client.frame(9, 0, 1, part));
      expect(last).toBe("goaway 0 ENHANCE_YOUR_CALM");
      expect(frames).toBeLessThanOrEqual(20);
      s.expectNothingLeft();
    }
  });

  test("a header block that never ends: after the time for a head", async () => {
    for (const [manager, ms, stat] of [
      [{ requestHeadersTimeout: 5000 }, 5000, "downstream_rq_header_timeout"],
      [{}, 300_000, "downstream_rq_idle_timeout"],
    ] as const) {
      const { s, client } = await clientStory({ origins: [silent], manager });
      client.frame(1, 0, 1, [0x82]);
      s.advance(ms - 100);
      client.frame(9, 0, 1, [0x84]); // a little of it gains no time
      s.advance(50);
      expect(client.heard()).toEqual([]);
      s.advance(100);
      expect(client.heard()).toEqual(["goaway 0 ENHANCE_YOUR_CALM"]);
      expect(s.stat(`http.test.${stat}`)).toBe(1);
      s.expectNothingLeft();
    }
  });

  test("a client that asks and does not read the answers (CVE-2019-9512) costs what may wait, and no more", async () => {
    for (const ask of [(c: Http2Peer) => c.ping(1), (c: Http2Peer) => c.settings()]) {
      const { s, client } = await clientStory({ network: { buffer: 2000 } });
      client.peer.pause();
      // Slow enough for the bound by time.
      for (let i = 0; i < 50_000 && !client.peer.ended; i++) {
        ask(client);
        if (i % 50 === 0) s.advance(1000);
        if (s.stat("http2.outbound_control_flood") > 0) break;
      }
      expect(s.stat("http2.outbound_control_flood")).toBe(1);
      expect(s.stat("http.test.downstream_cx_tx_bytes_total")).toBeLessThan(80_000);
      client.peer.resume();
      s.expectNothingLeft();
    }
  });

  test("a client that requests and does not read is not read from, until it reads (CVE-2019-9517)", async () => {
    const { s, client } = await clientStory({ network: { buffer: 20_000 }, origins: [answers(LARGE)] });
    client.peer.pause();
    const asked = 1000;
    for (let i = 0; i < asked; i++) {
      client.head(2 * i + 1, [[":method", "HEAD"], ...GET.slice(1)], { end: true });
      s.settle();
    }
    expect(s.stat("http.test.downstream_rq_total")).toBeLessThan(200);
    expect(s.stat("http.test.downstream_cx_tx_bytes_total")).toBeLessThan(300_000);
    expect(s.stat("http.test.downstream_flow_control_paused_reading_total")).toBe(1);
    client.peer.resume();
    s.advance(1000);
    const heard = client.heard();
    expect(heard.length).toBe(asked);
    expect(heard.at(-1)).toEndWith(" end");
    client.peer.pause();
    s.expectNothingLeft();
  });

  test.each([
    [2000, 2000],
    [0, 300_000],
  ])(
    "… and is cut when it never does: stream_idle_timeout %i, after %i ms",
    async (streamIdleTimeout, patience) => {
      const setup = {
        network: { buffer: 20_000 },
        origins: [answers(LARGE)],
        manager: { streamIdleTimeout },
      };
      const { s, client } = await clientStory(setup);
      client.peer.pause();
      for (let i = 0; i < 200; i++) {
        client.head(2 * i + 1, [[":method", "HEAD"], ...GET.slice(1)], { end: true });
        s.settle();
      }
      s.advance(patience - 200);
      expect(s.stat("http.test.downstream_cx_active")).toBe(1);
      s.advance(300);
      expect(s.stat("http.test.downstream_cx_active")).toBe(0);
      expect(s.stat("http2.outbound_flood")).toBe(1);
      s.expectNothingLeft();
    },
  );

  test("an HPACK bomb (CVE-2026-47774): a field of the table, again and again, is counted before it is made", async () => {
    const { s, client } = await clientStory({ origins: [silent] });
    for (const name of ["x", "cookie"]) {
      const id = name === "x" ? 1 : 201;
      client.head(id, [...GET, [name, "v".repeat(1900)]], { end: true });
      s.settle();
      // 16 000 times 1900 bytes, of a frame of 16 KiB; behind the bound the table goes on.
      const refs = zeros(16_000).fill(0xbe);
      client.frame(1, 5, id + 100, Uint8Array.of(0x82, 0x86, 0x84, ...authority(), ...refs));
      s.settle();
      expect(client.heard()[0]).toStartWith(`${id + 100} head :status=431 `);
      expect(s.logs.at(-1)).toBe("GET / 431 DPE request_headers_too_large");
    }
    expect(s.stat("http2.header_overflow")).toBe(2);
    client.ping(1);
    s.settle();
    expect(client.heard().at(-1)).toBe("pong");
    s.expectNothingLeft();
  });

  test("one after the other: a client that asks for nothing but 431 is warned, and then cut", async () => {
    const { s, client } = await clientStory({ origins: [silent] });
    const large = [...GET, ...Array.from({ length: 120 }, () => ["cookie", "a=b"] as const)];
    const heard: string[] = [];
    let sent = 0;
    for (; sent < 1000 && !client.peer.ended && !client.peer.closed; sent++) {
      client.head(2 * sent + 1, large, { end: true });
      s.settle();
      heard.push(...client.heard());
    }
    const goodbyes = heard.filter((line) => line.includes("goaway"));
    expect(sent).toBeLessThanOrEqual(401);
    expect(heard.filter((line) => line.includes(":status=431")).length).toBeGreaterThanOrEqual(300);
    expect(goodbyes[0]).toContain("NO_ERROR");
    s.expectNothingLeft();
  });

  test("crumbs of a cookie, and a host that is dropped, are counted (CVE-2026-73550)", async () => {
    const { s, client } = await clientStory({ origins: [silent] });
    client.head(1, [...GET, ...Array.from({ length: 120 }, () => ["cookie", "a=b"] as const)], { end: true });
    s.settle();
    expect(client.heard()[0]).toStartWith("1 head :status=431 ");
    s.expectNothingLeft();
  });

  test("the heads of all open streams are bounded together", async () => {
    const { s, client } = await clientStory({
      origins: [silent],
      limits: { maxRequests: 10_000, maxConnections: 10_000, maxPendingRequests: 10_000 },
    });
    const large = [...POST, ...["a", "b", "c", "d"].map((name) => [name, "v".repeat(14_000)] as const)];
    for (let i = 0; i < 80; i++) client.head(2 * i + 1, large, { parts: 4 });
    s.advance(10);
    const refused = client.heard().filter((line) => line.endsWith("REFUSED_STREAM"));
    expect(refused.length).toBeGreaterThan(0);
    expect(s.stat("http2.streams_active") * 56_000).toBeLessThan(4.3e6);
    s.expectNothingLeft();
  });

  test("windows that stay closed: what waits is bounded, and time ends it", async () => {
    const body = "x".repeat(1_000_000);
    const reply = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const { s, client } = await clientStory(
      { origins: [(peer) => void (peer.take() !== "" && peer.send(reply))] },
      4,
      0,
    );
    for (let i = 0; i < 20; i++) client.head(2 * i + 1, GET, { end: true });
    s.advance(100);
    expect(s.stat("http2.pending_send_bytes")).toBeLessThan(20 * 200_000);
    expect(s.stat("cluster.app.upstream_flow_control_paused_reading_total")).toBe(20);
    s.advance(301_000);
    expect(s.stat("http2.streams_active")).toBe(0);
    expect(s.stat("cluster.app.upstream_cx_active")).toBe(0);
    s.expectNothingLeft();
  });

  test("many windows that stay closed: of all together little more than a read for each is kept, and none starves", async () => {
    const [streams, length, read] = [150, 100_000, 8192];
    const reply = `HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n${"x".repeat(length)}`;
    const { s, client } = await clientStory(
      {
        network: { maxRead: read },
        origins: [(peer) => void (peer.take() !== "" && peer.send(reply))],
        limits: { maxRequests: 10_000, maxConnections: 10_000, maxPendingRequests: 10_000 },
      },
      4,
      0,
    );
    for (let i = 0; i < streams; i++) client.head(2 * i + 1, GET, { end: true });
    s.advance(100);
    const kept = s.stat("http2.pending_send_bytes");
    expect(kept).toBeGreaterThan(streams * 1000);
    expect(kept).toBeLessThan(4 * 1024 * 1024 + streams * read);
    client.windowUpdate(0, 0x7f000000);
    for (let i = 0; i < streams; i++) client.windowUpdate(2 * i + 1, length);
    s.advance(2000);
    client.heard();
    expect([...client.bodies.values()].map((body) => body.length)).toEqual(Array(streams).fill(length));
    expect(s.stat("http2.pending_send_bytes")).toBe(0);
    s.expectNothingLeft();
  });

  test("early data of a request for another protocol is bounded (CVE-2026-73548), and never reaches the upstream", async () => {
    const manager = http2({ allowConnect: true });
    const { s, client } = await clientStory({ origins: [silent], manager });
    client.head(1, [[":method", "CONNECT"], [":protocol", "websocket"], ...GET.slice(1)]);
    for (let i = 0; i < 5; i++) client.data(1, "x".repeat(16_000));
    s.settle();
    expect(client.heard()).toEqual(["1 reset ENHANCE_YOUR_CALM"]);
    expect(s.upstream()[0].received).not.toContain("xxx");
    expect(s.stat("cluster.app.upstream_rq_active")).toBe(0);
    s.expectNothingLeft();
  });
});

/** A literal authority for blocks that are made by hand. */
function authority(): number[] {
  return [0x01, 1, 0x61];
}

describe("a client that works is not cut", () => {
  const many: StorySetup = { origins: [answers(OK)] };

  test("with two window updates and a PING for every frame that it gets", async () => {
    const chunk = "x".repeat(100);
    const { s, client } = await clientStory({ origins: [silent] });
    client.head(1, GET, { end: true });
    s.settle();
    const [origin] = s.upstream();
    origin.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    for (let i = 0; i < 5000; i++) {
      origin.send(`64\r\n${chunk}\r\n`);
      s.advance(0.1);
      client.windowUpdate(1, 100).windowUpdate(0, 100).ping(i);
    }
    s.advance(10);
    expect(client.heard().some(CALM)).toBe(false);
    expect(client.peer.ended).toBe(false);
    s.expectNothingLeft();
  });

  test("with a priority for every request", async () => {
    const { s, client } = await clientStory(many);
    for (let i = 0; i < 5000; i++) {
      client.head(2 * i + 1, GET, { end: true }).frame(2, 0, 2 * i + 1, zeros(5));
      s.advance(0.1);
    }
    s.advance(10);
    expect(client.heard().filter((line) => line.endsWith("data ok end")).length).toBe(5000);
    s.expectNothingLeft();
  });

  test("when it gives up a third of what it asks for, and many after a while", async () => {
    const { s, client } = await clientStory(many);
    for (let i = 0; i < 3000; i++) {
      client.head(2 * i + 1, GET, { end: true });
      if (i % 3 === 0) client.reset(2 * i + 1, 8);
      s.settle();
    }
    expect(client.peer.ended).toBe(false);
    s.expectNothingLeft();
  });

  test("but a long good life buys no attack", async () => {
    const { s, client } = await clientStory(many);
    for (let i = 0; i < 5000; i++) {
      client.head(2 * i + 1, GET, { end: true });
      s.settle();
    }
    const [steps, last] = until(s, client, 5000, (i) => {
      const id = 2 * (5000 + i) + 1;
      return client.head(id, GET, { end: true }).reset(id, 8);
    });
    expect(last).toSatisfy(CALM);
    expect(steps).toBeLessThan(2100);
    s.expectNothingLeft();
  });
});

describe("an upstream", () => {
  test("that does not read gets no more requests", async () => {
    const { s, origins } = await speaking(() => undefined, { network: { buffer: 20_000 } });
    const first = s.client(get());
    s.advance(10);
    const [origin] = origins.peers;
    origin.peer.pause();
    // Requests that are given up at once: their streams are over, what was said of them waits.
    for (let i = 0; i < 400 && origins.peers.length === 1; i++) {
      s.client(get("/", `x: ${"v".repeat(2100)}\r\n`)).reset();
      s.settle();
    }
    expect(origins.peers.length).toBe(2);
    expect(s.stat("cluster.app.upstream_cx_tx_bytes_total")).toBeLessThan(320_000);
    expect(first.closed).toBe(false);
    origin.peer.resume();
    s.expectNothingLeft();
  });

  test("that is on the way to too much gets no more requests, and finishes what it has", async () => {
    const { s, origins } = await speaking((line, peer) => {
      if (line.startsWith("1 head") && origins.peers.length === 1) for (let i = 0; i < 800; i++) peer.ping(1);
    });
    const first = s.client(get());
    s.advance(20);
    s.client(get());
    s.advance(20);
    expect(origins.peers.length).toBe(2);
    origins.peers[0].head(1, [[":status", "204"]], { end: true });
    s.advance(20);
    expect(first.received).toStartWith("HTTP/1.1 204");
    expect(origins.peers.map(({ peer }) => peer.ended)).toEqual([true, false]);
    expect(s.stat("cluster.app.upstream_cx_protocol_error")).toBe(0);
    s.expectNothingLeft();
  });

  test("that says too much is let go", async () => {
    for (const flood of [
      (p: Http2Peer) => p.ping(1),
      (p: Http2Peer) => p.settings(4, 1),
      (p: Http2Peer) => p.goAway(99, 0),
      (p: Http2Peer) => p.windowUpdate(0, 1),
      (p: Http2Peer) => p.data(1, ""),
    ]) {
      const { s } = await speaking((line, peer) => {
        if (!line.startsWith("1 head")) return;
        peer.head(1, [[":status", "200"]]);
        for (let i = 0; i < 1100; i++) flood(peer);
      });
      s.client(get());
      s.advance(20);
      expect(s.stat("cluster.app.upstream_cx_active")).toBe(0);
      expect(s.stat("cluster.app.upstream_cx_protocol_error")).toBe(1);
      s.expectNothingLeft();
    }
  });
});
