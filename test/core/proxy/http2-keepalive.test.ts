/** PINGs that ask whether a peer is still there: `connection_keepalive`, on both sides. */
import { describe, expect, test } from "bun:test";
import { KEEPALIVE_MARK } from "../../../core/proxy/http2-keepalive.ts";
import { get, silent } from "../../support/engine-story.ts";
import { GET } from "../../support/http2-peer.ts";
import { answer, clientStory, http2, speaking } from "../../support/http2-story.ts";

const EVERY_10_S = { interval: 10_000, timeout: 2000, jitter: 0, connectionIdleInterval: 0 };

describe("a client", () => {
  test("that answers stays, however long it is silent otherwise", async () => {
    const { s, client } = await clientStory({ manager: http2({ keepalive: EVERY_10_S }) });
    for (let i = 0; i < 20; i++) {
      s.advance(10_000);
      client.heard(); // and answers
      s.settle();
    }
    expect(client.peer.ended).toBe(false);
    expect(s.stat("http2.keepalive_timeout")).toBe(0);
    s.expectNothingLeft();
  });

  test("that does not answer is cut, and what it wanted upstream ends", async () => {
    const manager = http2({ keepalive: EVERY_10_S });
    const { s, client } = await clientStory({ manager, origins: [silent] });
    client.head(1, GET, { end: true });
    s.advance(11_900);
    expect(client.peer.closed).toBe(false);
    s.advance(200);
    expect(client.peer.ended).toBe(true);
    expect(s.stat("http2.keepalive_timeout")).toBe(1);
    expect(s.stat("http.test.downstream_cx_destroy_local")).toBe(1);
    expect(s.upstream()[0].ended).toBe(true);
    s.expectNothingLeft();
  });

  test("that answers something else is cut", async () => {
    const manager = http2({ keepalive: EVERY_10_S });
    const { s, client } = await clientStory({ manager });
    s.advance(10_100);
    client.frame(6, 1, 0, new Uint8Array(8));
    s.advance(1900);
    expect(client.peer.ended).toBe(false);
    s.advance(200);
    expect(client.peer.ended).toBe(true);
    expect(s.stat("http2.keepalive_timeout")).toBe(1);
    s.expectNothingLeft();
  });

  test("whose answer is to that does not hear any sooner that the connection ends", async () => {
    const manager = http2({ keepalive: { ...EVERY_10_S, timeout: 5000 } });
    const { s, client } = await clientStory({ manager, origins: [silent] });
    client.head(1, GET, { end: true });
    s.advance(10_100);
    s.proxy.run(() => s.proxy.worker.drain());
    s.settle();
    client.frame(6, 1, 0, [0, 0, 0, 0, 0, 0, 0, KEEPALIVE_MARK]);
    s.advance(900);
    expect(client.heard()).toEqual(["goaway announced NO_ERROR"]);
    s.advance(200);
    expect(client.heard()).toContain("goaway 1 NO_ERROR");
    s.expectNothingLeft();
  });

  test("whose answer waits behind a body that is on its way is given time as long as something comes", async () => {
    const manager = http2({ keepalive: EVERY_10_S });
    const { s, client } = await clientStory({ manager, origins: [silent] });
    client.head(1, [[":method", "POST"], ...GET.slice(1)]);
    for (let i = 0; i < 30; i++) {
      s.advance(1000);
      client.data(1, "x");
    }
    expect(client.peer.ended).toBe(false);
    s.advance(2100);
    expect(client.peer.ended).toBe(true);
    s.expectNothingLeft();
  });

  test("is asked at different times, by the jitter", async () => {
    const times = new Set<number>();
    for (let seed = 0; seed < 5; seed++) {
      const manager = http2({ keepalive: { ...EVERY_10_S, jitter: 0.5 } });
      const { s, client } = await clientStory({ manager, network: { seed } });
      let at = 0;
      for (; !client.peer.received.includes("\0\0\b\x06") && at < 16_000; at += 100) s.advance(100);
      expect(at).toBeGreaterThanOrEqual(10_000);
      expect(at).toBeLessThanOrEqual(15_100);
      times.add(at);
    }
    expect(times.size).toBeGreaterThan(1);
  });
});

describe("an upstream", () => {
  test("that answers stays", async () => {
    const { s, origins } = await speaking(answer, { cluster: http2({ keepalive: EVERY_10_S }) });
    s.client(get());
    s.advance(100_000);
    s.client(get());
    expect(origins.peers.length).toBe(1);
    expect(s.stat("cluster.app.http2.keepalive_timeout")).toBe(0);
    s.expectNothingLeft();
  });

  test("that is gone is found out, and its requests fail", async () => {
    const { s, origins } = await speaking(() => undefined, { cluster: http2({ keepalive: EVERY_10_S }) });
    const client = s.client(get());
    origins.peers[0].peer.vanish();
    s.advance(12_100);
    expect(client.received).toStartWith("HTTP/1.1 503");
    expect(s.stat("cluster.app.http2.keepalive_timeout")).toBe(1);
    expect(s.stat("cluster.app.upstream_cx_active")).toBe(0);
    s.expectNothingLeft();
  });

  test("that was silent for long is asked when it is used", async () => {
    const keepalive = { interval: 0, timeout: 2000, jitter: 0, connectionIdleInterval: 30_000 };
    const { s, origins } = await speaking(answer, { cluster: http2({ keepalive }) });
    s.client(get());
    s.advance(29_000);
    s.client(get());
    s.advance(31_000);
    expect(s.stat("cluster.app.http2.keepalive_timeout")).toBe(0);
    origins.peers[0].peer.vanish();
    const late = s.client(get());
    s.advance(1900);
    expect(late.received).toBe("");
    s.advance(200);
    expect(late.received).toStartWith("HTTP/1.1 503");
    expect(s.stat("cluster.app.http2.keepalive_timeout")).toBe(1);
    s.expectNothingLeft();
  });
});
