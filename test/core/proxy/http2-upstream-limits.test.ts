/** What an upstream of HTTP/2 may change while requests are under way, and how far one connection to it goes. */
import { describe, expect, test } from "bun:test";
import { get, gist, type Script, story } from "../../support/engine-story.ts";
import { GET, Http2Peer } from "../../support/http2-peer.ts";
import {
  answer,
  http2,
  http2Client,
  OK,
  type Origins,
  speaking,
  streamOf,
} from "../../support/http2-story.ts";
import { HTTP2 } from "../../support/snapshot-fixture.ts";

const WEBSOCKET =
  "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n";
const heads = ({ heard }: Origins) => heard.filter((line) => line.includes(" head ")).map(streamOf);

test("no stream at all: a connection that carries nothing ends, and the next request has another", async () => {
  const { s, origins } = await speaking(answer, { limits: { maxConnections: 1 } }, [3, 0]);
  for (let i = 1; i <= 3; i++) {
    // It goes before the settings are known, as it may.
    expect(gist(s.client(get()).received)).toBe("200 ok");
    s.advance(10);
    expect(origins.peers.length).toBe(i);
    expect(s.stat("cluster.app.upstream_cx_active")).toBe(0);
  }
  expect(heads(origins)).toEqual([1, 1, 1]);
  s.expectNothingLeft();
});

test("fewer than there are: those go on, and no further one begins before there is room", async () => {
  const open: [number, Http2Peer][] = [];
  const { s, origins } = await speaking(
    (line, peer) => {
      if (line.includes(" head ")) open.push([streamOf(line), peer]);
    },
    { limits: { maxConnections: 1 } },
  );
  const clients = [s.client(get()), s.client(get()), s.client(get())];
  origins.peers[0].settings(3, 1);
  s.settle();
  clients.push(s.client(get()));
  const finish = () => {
    const [id, peer] = open.shift() as [number, Http2Peer];
    peer.head(id, OK).data(id, "ok", true);
    s.settle();
  };
  for (const seen of [
    [1, 3, 5],
    [1, 3, 5],
    [1, 3, 5, 7],
  ]) {
    finish();
    expect(heads(origins)).toEqual(seen);
  }
  finish();
  for (const client of clients) expect(gist(client.received)).toBe("200 ok");
  s.expectNothingLeft();
});

test("fewer than there are, while a request for another protocol waits for its word: that one is not sent", async () => {
  let origin: Http2Peer | null = null;
  const heard: string[] = [];
  const script: Script = (peer) => {
    origin ??= new Http2Peer(peer, false);
    if (origin.peer === peer) heard.push(...origin.heard());
  };
  const s = await story({ cluster: { http2: HTTP2 }, origins: [script] });
  s.client(get());
  s.client(get());
  s.client(get("/", WEBSOCKET));
  // It takes other protocols, but no third stream.
  (origin as unknown as Http2Peer).settings(8, 1, 3, 1);
  s.settle();
  expect(heard.filter((line) => line.includes(" head ")).map(streamOf)).toEqual([1, 3]);
  s.expectNothingLeft();
});

test("one that reads again takes those that have waited", async () => {
  const { s, origins } = await speaking(() => undefined, {
    network: { buffer: 20_000 },
    limits: { maxConnections: 1 },
  });
  s.client(get());
  s.advance(10);
  const [origin] = origins.peers;
  origin.peer.pause();
  for (let i = 0; i < 400; i++) {
    s.client(get("/", `x: ${"v".repeat(2100)}\r\n`)).reset();
    s.settle();
  }
  const before = s.stat("cluster.app.upstream_rq_total");
  const waiting = s.client(get("/late"));
  s.advance(10);
  expect(s.stat("cluster.app.upstream_rq_total")).toBe(before);
  expect(s.stat("cluster.app.upstream_rq_pending_active")).toBe(1);
  origin.peer.resume();
  s.advance(100);
  expect(origins.heard.some((line) => line.includes(":path=/late"))).toBe(true);
  expect(waiting.closed).toBe(false);
  s.expectNothingLeft();
});

test("the numbers of streams end: the next request has another connection", async () => {
  const { s, origins } = await speaking(answer);
  s.client(get());
  const [connection] = s.services.buffering.list() as unknown as { made: { lastStream: number } }[];
  connection.made.lastStream = 0x7fffffff - 4;
  expect(gist(s.client(get()).received)).toBe("200 ok");
  expect(gist(s.client(get()).received)).toBe("200 ok");
  expect(heads(origins)).toEqual([1, 0x7fffffff - 2, 1]);
  expect(origins.peers.length).toBe(2);
  s.expectNothingLeft();
});

test("a head that is too large is counted, and is no answer", async () => {
  const { s } = await speaking((line, peer) => {
    if (line.startsWith("1 head"))
      peer.head(1, [
        [":status", "200"],
        ...Array.from({ length: 101 }, (_, i): [string, string] => [`x-${i}`, ""]),
      ]);
  });
  expect(gist(s.client(get()).received)).toStartWith("502 ");
  expect(s.stat("cluster.app.http2.header_overflow")).toBe(1);
  s.expectNothingLeft();
});

describe("what a sender keeps out of tables", () => {
  test("of a target stays out of ours", async () => {
    const { s, origins } = await speaking(answer);
    const client = http2Client(s);
    const text = (value: string) => [value.length, ...Array.from(value, (c) => c.charCodeAt(0))];
    client.frame(1, 5, 1, [0x82, 0x86, 0x14, ...text("/secret"), 0x11, ...text("a.example")]);
    s.settle();
    expect(origins.heard.some((line) => line.includes(":path=/secret"))).toBe(true);
    expect(origins.peers[0].secrets.sort()).toEqual([":authority", ":path"]);
    s.expectNothingLeft();
  });
});

test("an answer whose body is waited for is not in the way of a window that opens for all", async () => {
  const { s } = await speaking(answer);
  const client = http2Client(s, 4, 0);
  client.head(1, GET, { end: true });
  s.settle();
  expect(client.heard().filter((line) => line.includes("data"))).toEqual([]);
  client.settings(4, 65_535);
  s.settle();
  expect(client.heard()).toContain("1 data ok end");
  s.expectNothingLeft();
});

test("a connection that was used a moment ago is not asked whether it is there", async () => {
  const keepalive = { interval: 0, timeout: 1000, jitter: 0, connectionIdleInterval: 5000 };
  const { s, origins } = await speaking(answer, { cluster: http2({ keepalive }) });
  s.client(get());
  s.advance(4000);
  origins.peers[0].peer.vanish();
  const late = s.client(get());
  s.advance(2000);
  expect([late.received, s.stat("cluster.app.http2.keepalive_timeout")]).toEqual(["", 0]);
  s.expectNothingLeft();
});
