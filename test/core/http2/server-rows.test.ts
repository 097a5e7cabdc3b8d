/**
 * Clients that break the rules of HTTP/2, frame by frame: the rows of section 2 of the HTTP catalogue, by their ids. Each
 * comes whole, byte by byte and at random splits, with the same outcome. The upstream says nothing.
 */
import { describe, expect, test } from "bun:test";
import { type StorySetup, silent } from "../../support/engine-story.ts";
import { GET, type Http2Peer, POST } from "../../support/http2-peer.ts";
import { CUTS, clientStory, http2 } from "../../support/http2-story.ts";

type Say = (client: Http2Peer) => unknown;
type Row = readonly [id: string, title: string, say: Say, ...heard: string[]];

const zeros = (count: number) => new Uint8Array(count);
const LARGEST = 0x7fffffff;
const BROKEN = "goaway 1 PROTOCOL_ERROR";
const RESET = "1 reset PROTOCOL_ERROR";
const ALIVE = "pong";

/** A request that has begun; what follows is about it. */
const open = (client: Http2Peer) => client.head(1, POST);
/** One that is complete. */
const whole = (client: Http2Peer) => client.head(1, GET, { end: true });

// biome-ignore format: a table
const CONNECTION: readonly Row[] = [
  ["P1", "a push", (c) => open(c).frame(5, 4, 1, [0, 0, 0, 2]), BROKEN],
  ["P2", "DATA that is too long", (c) => open(c).frame(0, 0, 1, zeros(16_385)), "goaway 1 FRAME_SIZE_ERROR"],
  ["P2", "HEADERS that are too long", (c) => c.frame(1, 5, 1, zeros(16_385)), "goaway 0 FRAME_SIZE_ERROR"],
  ["P2", "SETTINGS that are too long", (c) => c.frame(4, 0, 0, zeros(16_386)), "goaway 0 FRAME_SIZE_ERROR"],
  ["P2", "a PING of seven bytes", (c) => open(c).frame(6, 0, 0, zeros(7)), "goaway 1 FRAME_SIZE_ERROR"],
  ["P2", "RST_STREAM of three bytes", (c) => open(c).frame(3, 0, 1, zeros(3)), "goaway 1 FRAME_SIZE_ERROR"],
  ["P2", "WINDOW_UPDATE of five bytes", (c) => open(c).frame(8, 0, 1, zeros(5)), "goaway 1 FRAME_SIZE_ERROR"],
  ["P2", "half a setting", (c) => c.frame(4, 0, 0, zeros(3)), "goaway 0 FRAME_SIZE_ERROR"],
  ["P2", "an acknowledgement with a setting", (c) => c.frame(4, 1, 0, zeros(6)), "goaway 0 FRAME_SIZE_ERROR"],
  ["P2", "GOAWAY of four bytes", (c) => open(c).frame(7, 0, 0, zeros(4)), "goaway 1 FRAME_SIZE_ERROR"],
  ["P2", "PRIORITY of four bytes ends its stream alone", (c) => open(c).frame(2, 0, 1, zeros(4)).ping(1), "1 reset FRAME_SIZE_ERROR", ALIVE],
  ["P3", "unknown types, flags and settings mean nothing", (c) => open(c).frame(0x42, 0xff, 9, zeros(20)).frame(6, 0xfe, 0, zeros(8)).settings(0x99, 7), ALIVE],
  ["P3", "the reserved bit means nothing", (c) => open(c).frame(3, 0, 0x80000001, [0, 0, 0, 8]).ping(1), ALIVE],
  ["P3", "an unknown frame inside of a header block", (c) => c.frame(1, 0, 1, [0x82]).frame(0x42, 0, 1), "goaway 0 PROTOCOL_ERROR"],
  ["P3", "CONTINUATION of another stream", (c) => c.frame(1, 0, 1, [0x82]).frame(9, 4, 3, [0x84]), "goaway 0 PROTOCOL_ERROR"],
  ["P3", "CONTINUATION behind a whole block", (c) => open(c).frame(9, 4, 1, [0x84]), BROKEN],
  ["P3", "DATA on stream 0", (c) => open(c).frame(0, 0, 0, [1]), BROKEN],
  ["P3", "HEADERS on stream 0", (c) => open(c).frame(1, 5, 0, [0x82]), BROKEN],
  ["P3", "PRIORITY on stream 0", (c) => open(c).frame(2, 0, 0, zeros(5)), BROKEN],
  ["P3", "RST_STREAM on stream 0", (c) => open(c).reset(0, 8), BROKEN],
  ["P3", "SETTINGS on a stream", (c) => open(c).frame(4, 0, 1), BROKEN],
  ["P3", "PING on a stream", (c) => open(c).frame(6, 0, 1, zeros(8)), BROKEN],
  ["P3", "GOAWAY on a stream", (c) => open(c).frame(7, 0, 1, zeros(8)), BROKEN],
  ["P3", "padding as long as its DATA", (c) => open(c).frame(0, 8, 1, [3, 0, 0]), BROKEN],
  ["P3", "padding as long as its HEADERS", (c) => c.frame(1, 0xd, 1, [3, 0x82, 0x84]), "goaway 0 PROTOCOL_ERROR"],
  ["P4", "ENABLE_PUSH of 2", (c) => open(c).settings(2, 2), BROKEN],
  ["P4", "INITIAL_WINDOW_SIZE above 2^31 - 1", (c) => open(c).settings(4, 0x80000000), "goaway 1 FLOW_CONTROL_ERROR"],
  ["P4", "INITIAL_WINDOW_SIZE above 2^31 - 1, before there are streams", (c) => c.settings(4, 0x80000000), "goaway 0 FLOW_CONTROL_ERROR"],
  ["P4", "MAX_FRAME_SIZE below 16384", (c) => open(c).settings(5, 16_383), BROKEN],
  ["P4", "MAX_FRAME_SIZE above 2^24 - 1", (c) => open(c).settings(5, 16_777_216), BROKEN],
  ["P4", "ENABLE_CONNECT_PROTOCOL from 1 to 0", (c) => open(c).settings(8, 1).settings(8, 0), BROKEN],
  ["P4", "INITIAL_WINDOW_SIZE that makes a window too large", (c) => open(c).windowUpdate(1, LARGEST - 65_535).settings(4, 65_536), "goaway 1 FLOW_CONTROL_ERROR"],
  ["P4", "INITIAL_WINDOW_SIZE that is taken back in its frame", (c) => open(c).windowUpdate(1, LARGEST - 65_535).settings(4, 65_536, 4, 65_535).ping(1), ALIVE],
  ["P5", "a table above what we allow", (c) => c.frame(1, 5, 1, [0x3f, 0xe2, 0x1f, 0x82]), "goaway 1 COMPRESSION_ERROR"],
  ["P5", "a table that changes behind a field", (c) => c.frame(1, 5, 1, [0x82, 0x20]), "goaway 1 COMPRESSION_ERROR"],
  ["P5", "an index of nothing", (c) => c.frame(1, 5, 1, [0x80]), "goaway 1 COMPRESSION_ERROR"],
  ["P5", "an index behind the table", (c) => c.frame(1, 5, 1, [0xff, 0]), "goaway 1 COMPRESSION_ERROR"],
  ["P5", "an integer that does not end", (c) => c.frame(1, 5, 1, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), "goaway 1 COMPRESSION_ERROR"],
  ["P5", "Huffman code with EOS", (c) => c.frame(1, 5, 1, [0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0]), "goaway 1 COMPRESSION_ERROR"],
  ["S1", "an even stream", (c) => c.head(2, POST), "goaway 0 PROTOCOL_ERROR"],
  ["S1", "a stream below another that was opened", (c) => c.head(5, POST).head(3, POST), "goaway 5 STREAM_CLOSED"],
  ["S1", "DATA on an idle stream", (c) => open(c).data(3, "x"), BROKEN],
  ["S1", "empty DATA on an idle stream", (c) => open(c).data(3, ""), BROKEN],
  ["S1", "RST_STREAM of an idle stream", (c) => open(c).reset(3, 8), BROKEN],
  ["S1", "WINDOW_UPDATE of an idle stream", (c) => open(c).windowUpdate(3, 100), BROKEN],
  ["S1", "WINDOW_UPDATE of nothing on an idle stream", (c) => open(c).windowUpdate(3, 0), BROKEN],
  ["S1", "PRIORITY of an idle stream means nothing", (c) => open(c).frame(2, 0, 9, zeros(5)).ping(1), ALIVE],
  ["S1", "DATA behind the client's own reset", (c) => open(c).reset(1, 8).data(1, "x"), "goaway 1 STREAM_CLOSED"],
  ["S1", "HEADERS behind the client's own reset", (c) => open(c).reset(1, 8).head(1, POST), "goaway 1 STREAM_CLOSED"],
  ["S1", "WINDOW_UPDATE and another reset behind a reset mean nothing", (c) => open(c).reset(1, 8).windowUpdate(1, 9).reset(1, 8).ping(1), ALIVE],
  ["W1", "a window that opens by nothing", (c) => open(c).windowUpdate(0, 0), BROKEN],
  ["W1", "a window above 2^31 - 1", (c) => open(c).windowUpdate(0, LARGEST), "goaway 1 FLOW_CONTROL_ERROR"],
  ["2.6", "a block in too many parts", (c) => { c.frame(1, 0, 1, [0x82]); for (let i = 0; i < 20; i++) c.frame(9, 0, 1); }, "goaway 0 ENHANCE_YOUR_CALM"],
];

// biome-ignore format: a table
const STREAM: readonly Row[] = [
  ["S1", "DATA behind the end", (c) => whole(c).data(1, "x"), "1 reset STREAM_CLOSED"],
  ["S1", "empty DATA behind the end", (c) => whole(c).data(1, ""), "1 reset STREAM_CLOSED"],
  ["S1", "padding alone behind the end", (c) => whole(c).frame(0, 8, 1, [3, 0, 0, 0]), "1 reset STREAM_CLOSED"],
  ["S1", "HEADERS behind the end", (c) => whole(c).head(1, GET, { end: true }), "1 reset STREAM_CLOSED"],
  ["S1", "what is on its way behind our reset is borne", (c) => open(c).windowUpdate(1, 0).data(1, "x").frame(0, 9, 1, [3, 0, 0, 0]).head(1, [["x", "y"]], { end: true }).windowUpdate(1, 1).reset(1, 8), RESET],
  ["S3", "trailers that do not end", (c) => open(c).head(1, [["x", "y"]]), RESET],
  ["S3", "a request in trailers", (c) => open(c).head(1, GET, { end: true }), RESET],
  ["S3", "trailers with a field of one hop", (c) => open(c).head(1, [["connection", "close"]], { end: true }), RESET],
  ["W1", "a stream's window that opens by nothing", (c) => open(c).windowUpdate(1, 0), RESET],
  ["W1", "a stream's window above 2^31 - 1", (c) => open(c).windowUpdate(1, LARGEST), "1 reset FLOW_CONTROL_ERROR"],
  ["M1", "a name with capitals", (c) => c.head(1, [...GET, ["X-A", "b"]], { end: true }), RESET],
  ["M1", "an empty name", (c) => c.head(1, [...GET, ["", "b"]], { end: true }), RESET],
  ["M1", "a name with a space", (c) => c.head(1, [...GET, ["x a", "b"]], { end: true }), RESET],
  ["M1", "a name with a colon", (c) => c.head(1, [...GET, ["x:a", "b"]], { end: true }), RESET],
  ["M1", "a name beyond ASCII", (c) => c.head(1, [...GET, ["x\xe9", "b"]], { end: true }), RESET],
  ["M1", "CR LF in a value", (c) => c.head(1, [...GET, ["x", "a\r\nb: c"]], { end: true }), RESET],
  ["M1", "NUL in a value", (c) => c.head(1, [...GET, ["x", "a\0"]], { end: true }), RESET],
  ["M1", "a value that begins with a space", (c) => c.head(1, [...GET, ["x", " a"]], { end: true }), RESET],
  ["M1", "a value that ends with a tab", (c) => c.head(1, [...GET, ["x", "a\t"]], { end: true }), RESET],
  ["M1", "connection", (c) => c.head(1, [...GET, ["connection", "close"]], { end: true }), RESET],
  ["M1", "proxy-connection", (c) => c.head(1, [...GET, ["proxy-connection", "x"]], { end: true }), RESET],
  ["M1", "keep-alive", (c) => c.head(1, [...GET, ["keep-alive", "5"]], { end: true }), RESET],
  ["M1", "transfer-encoding", (c) => c.head(1, [...POST, ["transfer-encoding", "chunked"]]), RESET],
  ["M1", "upgrade", (c) => c.head(1, [...GET, ["upgrade", "h2c"]], { end: true }), RESET],
  ["M1", "te other than trailers", (c) => c.head(1, [...GET, ["te", "gzip"]], { end: true }), RESET],
  ["M1", "an unknown pseudo header", (c) => c.head(1, [...GET, [":x", "y"]], { end: true }), RESET],
  ["M1", "a pseudo header of answers", (c) => c.head(1, [...GET, [":status", "200"]], { end: true }), RESET],
  ["M1", "a pseudo header twice", (c) => c.head(1, [...GET, [":method", "GET"]], { end: true }), RESET],
  ["M1", "a late pseudo header", (c) => c.head(1, [...GET.slice(0, 3), ["x", "y"], [":authority", "a"]], { end: true }), RESET],
  ["M1", "no method", (c) => c.head(1, GET.slice(1), { end: true }), RESET],
  ["M1", "no scheme", (c) => c.head(1, [GET[0], ...GET.slice(2)], { end: true }), RESET],
  ["M1", "no path", (c) => c.head(1, [...GET.slice(0, 2), GET[3]], { end: true }), RESET],
  ["M1", "no authority", (c) => c.head(1, GET.slice(0, 3), { end: true }), RESET],
  ["M1", "a length and no body", (c) => c.head(1, [...POST, ["content-length", "1"]], { end: true }), RESET],
  ["M1", "a length above the body", (c) => c.head(1, [...POST, ["content-length", "3"]]).data(1, "ab", true), RESET],
  ["M1", "a length below the body", (c) => c.head(1, [...POST, ["content-length", "1"]]).data(1, "ab"), RESET],
  ["M1", "a length above the body, and trailers", (c) => c.head(1, [...POST, ["content-length", "3"]]).data(1, "ab").head(1, [["x", "y"]], { end: true }), RESET],
  ["M1", "two lengths", (c) => c.head(1, [...POST, ["content-length", "1"], ["content-length", "1"]]), RESET],
  ["M1", "a length that is no number", (c) => c.head(1, [...POST, ["content-length", "+1"]]), RESET],
  ["M2", "a path without a slash (CVE-2026-33186)", (c) => c.head(1, [...GET.slice(0, 2), [":path", "admin"], GET[3]], { end: true }), RESET],
  ["M2", "a path with a space (CVE-2021-39240)", (c) => c.head(1, [...GET.slice(0, 2), [":path", "/a b"], GET[3]], { end: true }), RESET],
  ["M2", "a path with a fragment (CVE-2023-45539)", (c) => c.head(1, [...GET.slice(0, 2), [":path", "/a#b"], GET[3]], { end: true }), RESET],
  ["M2", "* with GET", (c) => c.head(1, [...GET.slice(0, 2), [":path", "*"], GET[3]], { end: true }), RESET],
  ["M2", "an empty path", (c) => c.head(1, [...GET.slice(0, 2), [":path", ""], GET[3]], { end: true }), RESET],
  ["M2", "a method with a space", (c) => c.head(1, [[":method", "GET /"], ...GET.slice(1)], { end: true }), RESET],
  ["M2", "a scheme of another protocol", (c) => c.head(1, [GET[0], [":scheme", "file"], ...GET.slice(2)], { end: true }), RESET],
  ["M2", "an authority with a user", (c) => c.head(1, [...GET.slice(0, 3), [":authority", "u@a.example"]], { end: true }), RESET],
  ["M2", "an authority with a comma", (c) => c.head(1, [...GET.slice(0, 3), [":authority", "a,b"]], { end: true }), RESET],
  ["M2", "an authority with a path", (c) => c.head(1, [...GET.slice(0, 3), [":authority", "a/b"]], { end: true }), RESET],
  ["M2", "a host that is another", (c) => c.head(1, [...GET, ["host", "b.example"]], { end: true }), RESET],
  ["M2", "two hosts", (c) => c.head(1, [...GET, ["host", "a.example"], ["host", "a.example"]], { end: true }), RESET],
  ["M3", "CONNECT with a path (CVE-2026-73547)", (c) => c.head(1, [[":method", "CONNECT"], [":path", "/"], [":authority", "a:443"]]), RESET],
  ["M3", "CONNECT with a scheme", (c) => c.head(1, [[":method", "CONNECT"], [":scheme", "http"], [":authority", "a:443"]]), RESET],
  ["M3", "CONNECT to no port", (c) => c.head(1, [[":method", "CONNECT"], [":authority", "a"]]), RESET],
  ["M3", "CONNECT to nowhere", (c) => c.head(1, [[":method", "CONNECT"]]), RESET],
  ["M3", "a protocol of GET", (c) => c.head(1, [...GET, [":protocol", "websocket"]]), RESET],
  ["L15", "a name that folds to another's", (c) => c.head(1, [...POST, ["content_length", "5"]]), RESET],
];

const SETUP: StorySetup = { origins: [silent] };

describe.each(CUTS)("%s", (_cut, network) => {
  test.each(CONNECTION)("%s %s", async (_id, _title, say, ...heard) => {
    const { s, client } = await clientStory({ ...SETUP, network });
    say(client);
    s.advance(100);
    expect(client.heard()).toEqual(heard);
    expect(client.peer.ended).toBe(heard.some((line) => line.startsWith("goaway")));
    // Whatever was under way upstream has ended with it.
    if (client.peer.ended) expect(s.stat("cluster.app.upstream_rq_active")).toBe(0);
    s.expectNothingLeft();
  });

  test.each(STREAM)("%s %s", async (_id, _title, say, ...heard) => {
    const { s, client } = await clientStory({ ...SETUP, network });
    say(client);
    client.ping(1); // the connection goes on
    s.advance(100);
    expect(client.heard()).toEqual([...heard, ALIVE]);
    expect(client.peer.ended).toBe(false);
    expect(s.stat("cluster.app.upstream_rq_active")).toBe(0);
    expect(s.stat("http2.rx_messaging_error")).toBe(1);
    expect(s.stat("http2.tx_reset")).toBe(1);
    s.expectNothingLeft();
  });

  test("S2 a stream above the limit is refused, and can be tried again", async () => {
    const manager = http2({ maxConcurrentStreams: 1 });
    const { s, client } = await clientStory({ ...SETUP, network, manager });
    open(client).head(3, POST).data(3, "x").reset(1, 8).head(5, POST).ping(1);
    s.advance(100);
    expect(client.heard()).toEqual(["3 reset REFUSED_STREAM", ALIVE]);
    expect(s.stat("http2.streams_active")).toBe(1);
    s.expectNothingLeft();
  });

  test("P4 every SETTINGS frame is acknowledged, and ours need not be", async () => {
    const { s, client } = await clientStory({ ...SETUP, network });
    client.quiet = false;
    client.settings().settings(4, 100_000).settings(0xff, 1).settingsAck().settingsAck().ping(1);
    s.advance(100);
    expect(client.heard()).toEqual(["settings ack", "settings ack", "settings ack", ALIVE]);
    s.expectNothingLeft();
  });

  test("M4, D1 crumbs of a cookie are one field, and names of one hop stay here", async () => {
    const { s, client } = await clientStory({ ...SETUP, network });
    client.head(
      1,
      [
        ...GET,
        ["cookie", "a=1"],
        ["x", "y"],
        ["cookie", "b=2"],
        ["te", "trailers"],
        ["host", "A.example:80"],
      ],
      { end: true },
    );
    s.advance(100);
    const { received } = s.upstream()[0];
    expect(received).toContain("\r\ncookie: a=1; b=2\r\n");
    expect(received.match(/\r\nhost: /g)?.length).toBe(1);
    expect(received).not.toContain("content-length");
    expect(received).not.toContain("transfer-encoding");
    s.expectNothingLeft();
  });

  test("S4 behind an announced end streams are served, behind the end they are not", async () => {
    const { s, client } = await clientStory({ ...SETUP, network });
    open(client);
    s.advance(20);
    s.proxy.run(() => s.proxy.worker.drain());
    client.head(3, GET, { end: true });
    s.advance(100);
    expect(client.heard()).toEqual(["goaway announced NO_ERROR"]);
    s.advance(2000);
    client.head(5, GET, { end: true }).data(1, "x", true).ping(1);
    s.advance(100);
    expect(client.heard()).toEqual(["goaway 3 NO_ERROR", ALIVE]);
    expect(s.stat("http.test.downstream_rq_total")).toBe(2);
    expect(s.stat("http2.goaway_sent")).toBe(2);
    s.expectNothingLeft();
  });
});
