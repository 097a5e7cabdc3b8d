/** Streams of HTTP/2 clients: what is given back, what waits in turn, what is over, and what is counted of it. */
import { describe, expect, test } from "bun:test";
import { webSocketAccept } from "../../../core/bytes/websocket-accept.ts";
import { answers, OK, type Script, silent } from "../../support/engine-story.ts";
import { GET, Http2Peer, POST } from "../../support/http2-peer.ts";
import { clientStory, http2, http2Client } from "../../support/http2-story.ts";

const UPGRADE = [[":method", "CONNECT"], [":protocol", "websocket"], ...GET.slice(1)] as const;
const large = (bytes: number) => `HTTP/1.1 200 OK\r\ncontent-length: ${bytes}\r\n\r\n${"b".repeat(bytes)}`;
const dataOf = (client: Http2Peer, id: number) => client.bodies.get(id)?.length ?? 0;

describe("credit", () => {
  test("of data behind the end of a request comes back to the connection", async () => {
    const { s, client } = await clientStory({
      origins: [silent],
      manager: http2({ initialConnectionWindowSize: 65_535 }),
    });
    const piece = "x".repeat(16_000);
    for (let id = 1; id < 20; id += 2) client.head(id, GET, { end: true }).data(id, piece);
    s.settle();
    client.heard();
    client.head(101, POST).data(101, piece).data(101, piece);
    s.advance(10);
    expect(client.heard().filter((line) => line.startsWith("goaway"))).toEqual([]);
    s.expectNothingLeft();
  });

  test("of padding behind the end of a request comes back, too", async () => {
    const { s, client } = await clientStory({
      origins: [silent],
      manager: http2({ initialConnectionWindowSize: 65_535 }),
    });
    client.quiet = false;
    const padding = [255, ...new Uint8Array(255)];
    for (let i = 0; i < 150; i++) {
      client.head(2 * i + 1, GET, { end: true }).frame(0, 8, 2 * i + 1, padding);
      s.advance(500); // so slowly that it is no flood
    }
    expect(client.heard().filter((line) => line.startsWith("0 window"))).toEqual(["0 window +32768"]);
    s.expectNothingLeft();
  });

  test("of what is sent ahead of another protocol comes when that is granted, and not before", async () => {
    let grant: () => void = () => undefined;
    const origin: Script = (peer) => {
      if (!peer.received.endsWith("\r\n\r\n")) return;
      const key = /sec-websocket-key: (.*)\r/.exec(peer.take())?.[1] as string;
      grant = () =>
        peer.send(
          `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${webSocketAccept(key)}\r\n\r\n`,
        );
    };
    const { s, client } = await clientStory({
      origins: [origin],
      manager: http2({ allowConnect: true, initialStreamWindowSize: 65_535 }),
    });
    client.quiet = false;
    client.head(1, UPGRADE);
    for (let i = 0; i < 4; i++) client.data(1, "x".repeat(12_000));
    s.settle();
    expect(client.heard().filter((line) => line.includes("window"))).toEqual([]);
    grant();
    s.settle();
    expect(client.heard().filter((line) => line.startsWith("1 window"))).toEqual(["1 window +48000"]);
    s.expectNothingLeft();
  });
});

test("who ends its side ahead of another protocol has ended it when that is granted", async () => {
  const origin: Script = (peer) => {
    if (!peer.received.endsWith("\r\n\r\n")) return;
    const key = /sec-websocket-key: (.*)\r/.exec(peer.take())?.[1] as string;
    peer.send(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${webSocketAccept(key)}\r\n\r\n`,
    );
  };
  const { s, client } = await clientStory({ origins: [origin], manager: http2({ allowConnect: true }) });
  client.head(1, UPGRADE).data(1, "all", true);
  s.settle();
  expect([s.upstream()[0].received, s.upstream()[0].ended]).toEqual(["all", true]);
  s.expectNothingLeft();
});

describe("what waits for a client", () => {
  test("goes a frame of each stream in turn", async () => {
    const { s, client } = await clientStory({ origins: [answers(large(60_000))] }, 4, 1 << 20);
    for (const id of [1, 3, 5, 7]) {
      client.head(id, GET, { end: true });
      s.settle();
    }
    client.heard();
    const before = [3, 5, 7].map((id) => dataOf(client, id));
    // Room for a frame of each.
    client.windowUpdate(0, 3 * 16_384);
    s.settle();
    client.heard();
    const more = [3, 5, 7].map((id, i) => dataOf(client, id) - before[i]);
    expect(Math.max(...more)).toBeLessThanOrEqual(16_384);
    expect(Math.min(...more)).toBeGreaterThan(8_000);
    s.expectNothingLeft();
  });

  test("is forgotten with its stream", async () => {
    const { s, client } = await clientStory({ origins: [answers(large(60_000))] }, 4, 0);
    client.head(1, GET, { end: true });
    s.settle();
    expect(s.stat("http2.pending_send_bytes")).toBe(60_000);
    client.reset(1, 8);
    s.settle();
    expect(s.stat("http2.pending_send_bytes")).toBe(0);
    s.expectNothingLeft();
  });

  test("in very many pieces pauses the upstream, as many bytes would", async () => {
    const origin: Script = (peer) => {
      if (!peer.received.endsWith("\r\n\r\n")) return;
      peer.take();
      peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
      for (let i = 0; i < 1100; i++) peer.send("1\r\nx\r\n");
    };
    const { s, client } = await clientStory({ origins: [origin] }, 4, 0);
    client.head(1, GET, { end: true });
    s.settle();
    expect(s.stat("cluster.app.upstream_flow_control_paused_reading_total")).toBe(1);
    s.expectNothingLeft();
  });

  test("and is read slowly is not cut, as long as some of it is", async () => {
    const manager = { streamIdleTimeout: 1000 };
    const { s, client } = await clientStory({ origins: [answers(large(20_000))], manager }, 4, 0);
    client.head(1, GET, { end: true });
    s.settle();
    for (let i = 0; i < 19; i++) {
      s.advance(900);
      client.windowUpdate(1, 1000);
      s.settle();
    }
    client.heard();
    expect([dataOf(client, 1), s.stat("http2.tx_flush_timeout")]).toEqual([19_000, 0]);
    s.advance(2100);
    expect(client.heard()).toEqual(["1 reset CANCEL"]);
    expect(s.stat("http2.tx_flush_timeout")).toBe(1);
    s.expectNothingLeft();
  });
});

describe("a request that its client gives up", () => {
  const log = "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%";
  test.each<[how: string, leave: (client: Http2Peer) => unknown, details: string]>([
    ["by a reset", (client) => client.reset(1, 8), "DR http2.remote_reset"],
    ["by its end", (client) => client.peer.close(), "DC downstream_remote_disconnect"],
  ])("%s: that is what logs say", async (_how, leave, details) => {
    const { s, client } = await clientStory({ origins: [silent], log });
    client.head(1, GET, { end: true });
    s.settle();
    leave(client);
    s.settle();
    expect(s.logs).toEqual([details]);
    s.expectNothingLeft();
  });

  test("after more than a second is not one of too many, whatever their number", async () => {
    const { s, client } = await clientStory({ origins: [silent] });
    for (let id = 1; id < 1500; ) {
      const first = id;
      for (let i = 0; i < 50; i++, id += 2) client.head(id, GET, { end: true });
      s.advance(1100);
      for (let each = first; each < id; each += 2) client.reset(each, 8);
      s.advance(10);
    }
    expect(s.stat("http.test.downstream_rq_too_many_premature_resets")).toBe(0);
    expect(client.peer.ended).toBe(false);
    s.expectNothingLeft();
  });
});

test("heads that are over make room for others, however many there were", async () => {
  const { s, client } = await clientStory();
  const fill = "v".repeat(10_000);
  for (let id = 1; id < 1000; id += 2) {
    client.head(id, [...GET, ["x-fill", fill]], { end: true });
    s.settle();
  }
  const heard = client.heard();
  expect(heard.filter((line) => line.includes("reset"))).toEqual([]);
  expect(heard.filter((line) => line.endsWith(" end")).length).toBe(500);
  s.expectNothingLeft();
});

test("a client is told how many streams and how much of a head there may be", async () => {
  const { s } = await clientStory();
  const client = new Http2Peer(s.client(), true);
  client.quiet = false;
  client.settings();
  s.settle();
  const heard = client.heard();
  expect(heard).toContain("setting 3=1024");
  expect(heard).toContain("setting 6=61440");
  s.expectNothingLeft();
});

test("an answer that cannot have a body is told without a length", async () => {
  const { s } = await clientStory({
    origins: [answers("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n")],
  });
  const client = http2Client(s);
  client.head(1, GET, { end: true });
  s.settle();
  const [head] = client.heard();
  expect(head).toStartWith("1 head :status=204 ");
  expect(head).not.toContain("content-length");
  expect(head).toEndWith(" end");
  s.expectNothingLeft();
});

test("acknowledgements of SETTINGS that were never sent are a flood", async () => {
  const { s, client } = await clientStory({ origins: [answers(OK)] });
  for (let i = 0; i < 1100; i++) client.settingsAck();
  s.advance(10);
  expect(client.heard().at(-1)).toEndWith("ENHANCE_YOUR_CALM");
  s.expectNothingLeft();
});

test("header blocks that are each complete in time are never too slow, however they overlap", async () => {
  const manager = { requestHeadersTimeout: 1000 };
  const { s, client } = await clientStory({ origins: [answers(OK)], manager });
  const block = [0x82, 0x86, 0x84, 0x01, 1, 0x61];
  client.frame(1, 1, 1, block.slice(0, 3));
  for (let id = 3; id < 20; id += 2) {
    s.advance(700);
    // The end of one, and the beginning of the next, in one read.
    client.frame(9, 4, id - 2, block.slice(3)).frame(1, 1, id, block.slice(0, 3));
  }
  s.advance(700);
  expect(client.heard().filter((line) => line.endsWith(" end")).length).toBe(9);
  s.advance(400);
  expect(client.heard()).toEqual(["goaway 17 ENHANCE_YOUR_CALM"]);
  s.expectNothingLeft();
});

test("while the health check fails a client hears with its next answer that the connection ends", async () => {
  const { s, client } = await clientStory({ origins: [answers(OK)] });
  s.proxy.worker.failHealthCheck(true);
  client.head(1, GET, { end: true });
  s.settle();
  expect(client.heard()[0]).toBe("goaway announced NO_ERROR");
  s.expectNothingLeft();
});

test("an answer that was complete before its request is followed by a reset when it has been read", async () => {
  const origin: Script = (peer) => {
    if (peer.received.endsWith("start")) peer.send(large(20_000)).end();
  };
  const { s, client } = await clientStory({ origins: [origin] }, 4, 0);
  client.head(1, [...POST, ["content-length", "9"]]).data(1, "start");
  s.advance(10);
  expect(client.heard().some((line) => line.includes("reset"))).toBe(false);
  client.windowUpdate(1, 20_000);
  s.advance(10);
  expect(client.heard().slice(-2)).toEqual(["1 data (3616) end", "1 reset NO_ERROR"]);
  s.expectNothingLeft();
});

test("trailers that are too many are counted as heads are", async () => {
  const { s, client } = await clientStory({ origins: [silent] });
  const many = Array.from({ length: 33 }, (_, i): [string, string] => [`x-${i}`, ""]);
  client.head(1, POST).head(1, many, { end: true });
  s.settle();
  expect(client.heard()).toEqual(["1 reset PROTOCOL_ERROR"]);
  expect([s.stat("http2.header_overflow"), s.stat("http2.trailers")]).toEqual([1, 0]);
  client.head(3, POST).head(3, many.slice(1), { end: true });
  s.settle();
  expect([s.stat("http2.header_overflow"), s.stat("http2.trailers")]).toEqual([1, 1]);
  s.expectNothingLeft();
});
