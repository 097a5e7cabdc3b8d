/** What a peer sends into streams that are over: borne as far as it can have been on its way, and not as a flood. */
import { describe, expect, test } from "bun:test";
import { answers, get, OK, type Script } from "../../support/engine-story.ts";
import { type Http2Peer, POST } from "../../support/http2-peer.ts";
import { clientStory, http2, speaking } from "../../support/http2-story.ts";
import { COMMON } from "../../support/snapshot-fixture.ts";

describe("data on streams that are over", () => {
  const options = http2({
    initialStreamWindowSize: 70_000,
    initialConnectionWindowSize: 200_000,
    maxConcurrentStreams: 1,
  });
  const whole = "x".repeat(14_000);
  // biome-ignore format: a table
  const ENDS: readonly (readonly [title: string, id: number, begun: number, end: (c: Http2Peer) => unknown])[] = [
    ["that broke a rule", 1, 0, (c) => c.head(1, [...POST, ["connection", "x"]])],
    ["that broke a rule half-way", 1, 28_000, (c) => c.head(1, POST).data(1, whole).data(1, whole).head(1, [["x", "y"]])],
    ["that were refused", 3, 0, (c) => c.head(1, POST).head(3, POST)],
    ["that were answered before their end", 1, 0, (c) => c.head(1, [...POST, ["x-answer", "now"]])],
  ];
  test.each(ENDS)(
    "%s: what may be on its way is ignored; a byte more ends the connection",
    async (_title, id, begun, end) => {
      const origin: Script = (peer) =>
        peer.received.includes("x-answer: now") ? answers(OK)(peer) : undefined;
      const { s, client } = await clientStory({ origins: [origin], manager: options });
      end(client);
      s.advance(10);
      expect(client.heard().filter((line) => line.startsWith(`${id} reset`)).length).toBe(1);
      for (let sent = begun; sent < 70_000; sent += whole.length) client.data(id, whole);
      s.advance(10);
      expect(client.peer.ended).toBe(false);
      client.data(id, "x");
      s.advance(10);
      const ends = client.heard().filter((line) => line.startsWith("goaway"));
      expect(ends).toEqual([expect.stringContaining("FLOW_CONTROL_ERROR")]);
      s.expectNothingLeft();
    },
  );

  test("behind the end that was announced: the stream before it is finished", async () => {
    const { s, client } = await clientStory({
      origins: [(peer) => (peer.received.endsWith("\r\n\r\nx") ? peer.send(OK) : undefined)],
      manager: { ...options, common: { ...COMMON, maxRequestsPerConnection: 1 } },
    });
    client.head(1, [...POST, ["content-length", "1"]]);
    s.advance(1100);
    client.head(3, POST);
    for (let sent = 0; sent < 70_000; sent += whole.length) client.data(3, whole);
    client.data(1, "x", true);
    s.advance(10);
    const heard = client.heard();
    expect(heard).toContain("1 data ok end");
    expect(heard.filter((line) => line.startsWith("goaway")).every((line) => line.endsWith("NO_ERROR"))).toBe(
      true,
    );
    s.expectNothingLeft();
  });

  test("of an upstream that does not hear that a request was given up", async () => {
    const { s, origins } = await speaking(
      (line, peer) => {
        if (line.startsWith("1 head")) peer.head(1, [[":status", "200"]]);
      },
      { cluster: options },
    );
    const client = s.client(get());
    s.advance(10);
    client.reset();
    s.advance(10);
    const [{ peer }] = origins.peers;
    for (let i = 0; i < 5; i++) origins.peers[0].data(1, whole);
    s.advance(10);
    expect(peer.ended).toBe(false);
    origins.peers[0].data(1, "x");
    s.advance(10);
    expect(s.stat("cluster.app.upstream_cx_protocol_error")).toBe(1);
    s.expectNothingLeft();
  });

  test("is borne on many of them, one after the other", async () => {
    const { s, client } = await clientStory({ manager: options });
    for (let id = 1; id < 200; id += 2) {
      client.head(id, POST);
      s.advance(10);
      for (let i = 0; i < 5; i++) client.data(id, whole);
      s.advance(10);
    }
    expect(client.heard().filter((line) => line.startsWith("goaway"))).toEqual([]);
    expect(client.peer.ended).toBe(false);
    s.expectNothingLeft();
  });
});

test("of streams that were over long ago nobody remembers that they were ended by us", async () => {
  const { s, client } = await clientStory({ manager: http2({ maxConcurrentStreams: 10 }) });
  const last = 2 * 1002 + 1;
  for (let id = 1; id <= last; id += 2) {
    client.head(id, POST);
    s.settle();
  }
  expect(client.heard().filter((line) => line.endsWith("reset NO_ERROR")).length).toBe(1003);
  client.data(last, "x").data(7, "x");
  s.settle();
  expect(client.heard()).toEqual([]);
  client.data(1, "x");
  s.settle();
  expect(client.heard()).toEqual([`goaway ${last} STREAM_CLOSED`]);
  s.expectNothingLeft();
});
