/** What a configuration can say about HTTP/2, and what is counted of it. */
import { describe, expect, test } from "bun:test";
import { answers, get, OK, silent } from "../../support/engine-story.ts";
import { GET, Http2Peer } from "../../support/http2-peer.ts";
import { answer, clientStory, http2, speaking } from "../../support/http2-story.ts";
import { COMMON } from "../../support/snapshot-fixture.ts";

describe("headers_with_underscores_action", () => {
  const request = [...GET, ["x_a", "1"], ["x-b", "2"], ["_", "3"]] as const;

  test("ALLOW: they pass", async () => {
    const { s, client } = await clientStory({ origins: [silent] });
    client.head(1, request, { end: true });
    s.settle();
    expect(s.upstream()[0].received).toContain("x_a: 1\r\nx-b: 2\r\n_: 3\r\n");
    s.expectNothingLeft();
  });

  test("DROP_HEADER: they are taken out, and counted", async () => {
    const common = { ...COMMON, headersWithUnderscoresAction: "DROP_HEADER" } as const;
    const { s, client } = await clientStory({ origins: [silent], manager: { common } });
    client.head(1, request, { end: true });
    s.settle();
    expect(s.upstream()[0].received).toContain("x-b: 2\r\n");
    expect(s.upstream()[0].received).not.toContain("_");
    expect(s.stat("http2.dropped_headers_with_underscores")).toBe(2);
    s.expectNothingLeft();
  });

  test("REJECT_REQUEST: the stream is reset", async () => {
    const common = { ...COMMON, headersWithUnderscoresAction: "REJECT_REQUEST" } as const;
    const { s, client } = await clientStory({ origins: [silent], manager: { common } });
    client.head(1, request, { end: true });
    s.settle();
    expect(client.heard()).toEqual(["1 reset PROTOCOL_ERROR"]);
    expect(s.stat("http2.requests_rejected_with_underscores_in_headers")).toBe(1);
    expect(s.upstream()).toEqual([]);
    s.expectNothingLeft();
  });
});

describe("hpack_table_size", () => {
  test("is told to the peer, and holds once the peer has acknowledged it", async () => {
    const { s, client } = await clientStory({ manager: http2({ hpackTableSize: 0 }), origins: [silent] });
    // A peer that does not know yet may use the 4096 bytes of the RFC.
    client.head(1, [...GET, ["x", "y"]], { end: true });
    client.settingsAck();
    client.head(3, [...GET, ["x", "y"]], { end: true });
    s.settle();
    expect(client.heard()).toEqual(["goaway 3 COMPRESSION_ERROR"]);
    s.expectNothingLeft();
  });

  test("0: our own heads use no table", async () => {
    for (const [hpackTableSize, repeats] of [
      [0, true],
      [4096, false],
    ] as const) {
      const { s, client } = await clientStory({ manager: http2({ hpackTableSize }), origins: [answers(OK)] });
      const seen: string[] = [];
      for (const id of [1, 3]) {
        client.head(id, GET, { end: true });
        s.settle();
        seen.push(client.peer.received);
        client.heard();
      }
      expect(seen[1].includes("x-envoy-upstream-service-time")).toBe(repeats);
      s.expectNothingLeft();
    }
  });

  test("says so in its SETTINGS", async () => {
    const { s } = await clientStory({ manager: http2({ hpackTableSize: 8192 }) });
    const client = new Http2Peer(s.client(), true);
    client.quiet = false;
    client.settings();
    s.settle();
    expect(client.heard()).toContain("setting 1=8192");
    s.expectNothingLeft();
  });
});

test("what a sender keeps out of tables stays out of ours (RFC 7541 6.2.3)", async () => {
  const { s, origins } = await speaking(answer);
  const client = new Http2Peer(s.client(), true);
  client.settings();
  // A literal that is never indexed: x-pin: 1234.
  const pin = [0x10, 5, ...Array.from("x-pin", (c) => c.charCodeAt(0)), 4, 0x31, 0x32, 0x33, 0x34];
  const a = [0x01, 1, 0x61];
  for (const id of [1, 3]) {
    client.frame(1, 5, id, [0x82, 0x86, 0x84, ...a, ...pin]);
    s.settle();
  }
  const [origin] = origins.peers;
  expect(origins.heard.filter((line) => line.includes("x-pin=1234")).length).toBe(2);
  // The second would be an index if the first had gone into the table.
  expect(origin.secrets).toEqual(["x-pin", "x-pin"]);
  s.expectNothingLeft();
});

test("both sides are counted by Envoy's names", async () => {
  const { s, origins } = await speaking((line, peer) => {
    if (line.startsWith("1 head")) peer.head(1, [[":status", "200"]]).head(1, [["x", "y"]], { end: true });
    else if (line.startsWith("3 head")) peer.reset(3, 7).goAway(3, 0);
  });
  s.client(get());
  s.client(get());
  s.advance(100);
  expect(s.stat("cluster.app.http2.trailers")).toBe(1);
  expect(s.stat("cluster.app.http2.rx_reset")).toBe(1);
  expect(s.stat("cluster.app.http2.stream_refused_errors")).toBe(1);
  expect(s.stat("cluster.app.http2.streams_active")).toBe(0);
  expect(origins.peers.length).toBeGreaterThan(0);
  s.expectNothingLeft();
});

test("frames that wait for a client that does not read are counted while they do", async () => {
  const { s, client } = await clientStory({ network: { buffer: 2000 } });
  const waiting = () => ["control_frames", "frames"].map((what) => s.stat(`http2.outbound_${what}_active`));
  client.ping(0);
  s.settle();
  expect(waiting()).toEqual([0, 0]);
  client.peer.pause();
  for (let i = 1; i < 500; i++) client.ping(i);
  s.settle();
  const [answers, frames] = waiting();
  expect(answers).toBeGreaterThan(100);
  expect(frames).toBe(answers);
  client.head(1, GET, { end: true });
  s.settle();
  expect(waiting()).toEqual([answers, answers + 1]);
  client.peer.resume();
  s.advance(10);
  expect(waiting()).toEqual([0, 0]);
  s.expectNothingLeft();
});

test("frames that wait for an upstream that does not read are counted at its cluster", async () => {
  const { s, origins } = await speaking(
    (line, peer) => {
      if (!line.startsWith("1 head")) return;
      peer.peer.pause();
      for (let i = 1; i < 500; i++) peer.ping(i);
    },
    { network: { buffer: 2000 } },
  );
  s.client(get());
  s.advance(10);
  expect(s.stat("cluster.app.http2.outbound_control_frames_active")).toBeGreaterThan(100);
  expect(s.stat("http2.outbound_control_frames_active")).toBe(0);
  origins.peers[0].peer.resume();
  s.advance(10);
  expect(s.stat("cluster.app.http2.outbound_control_frames_active")).toBe(0);
  s.expectNothingLeft();
});
