/**
 * Upstreams that break the rules of HTTP/2, frame by frame: the rows of section 2 of the HTTP catalogue as they hold for
 * answers. Each comes whole, byte by byte and at random splits; a client of HTTP/1 sees a 502, or a cut answer.
 */
import { describe, expect, test } from "bun:test";
import { get, gist } from "../../support/engine-story.ts";
import type { Http2Peer } from "../../support/http2-peer.ts";
import { CUTS, speaking } from "../../support/http2-story.ts";

type Say = (peer: Http2Peer) => unknown;
/** What an origin says to a request, the status that the client sees (0: the answer is cut), what the origin hears next. */
type Row = readonly [id: string, title: string, say: Say, status: number, ...heard: string[]];

const zeros = (count: number) => new Uint8Array(count);
const LARGEST = 0x7fffffff;
const OK = [[":status", "200"]] as const;
const BAD = "1 reset PROTOCOL_ERROR";
const GONE = "goaway 0 PROTOCOL_ERROR";

// biome-ignore format: a table
const ROWS: readonly Row[] = [
  ["P1", "a push", (p) => p.frame(5, 4, 1, [0, 0, 0, 2, 0x82]), 502, GONE],
  ["P2", "a frame that is too long", (p) => p.frame(0, 0, 1, zeros(16_385)), 502, "goaway 0 FRAME_SIZE_ERROR"],
  ["P2", "PRIORITY of four bytes, on a stream that is over", (p) => p.head(1, OK, { end: true }).frame(2, 0, 1, zeros(4)), 200, "1 reset FRAME_SIZE_ERROR"],
  ["P3", "DATA on stream 0", (p) => p.frame(0, 0, 0, [1]), 502, GONE],
  ["P4", "ENABLE_PUSH of 1", (p) => p.settings(2, 1), 502, GONE],
  ["P4", "INITIAL_WINDOW_SIZE above 2^31 - 1", (p) => p.settings(4, 0x80000000), 502, "goaway 0 FLOW_CONTROL_ERROR"],
  ["P5", "a block that is not well coded", (p) => p.frame(1, 5, 1, [0x80]), 502, "goaway 0 COMPRESSION_ERROR"],
  ["S1", "an answer to nothing", (p) => p.head(3, OK), 502, GONE],
  ["S1", "a stream of its own", (p) => p.head(2, OK), 502, GONE],
  ["S1", "HEADERS behind the end", (p) => p.head(1, OK).data(1, "", true).head(1, OK, { end: true }), 200, "goaway 0 STREAM_CLOSED"],
  ["S3", "DATA in front of the head", (p) => p.data(1, "x"), 502, BAD],
  ["S3", "a part of DATA in front of the head", (p) => p.peer.send(Uint8Array.of(0, 0, 9, 0, 0, 0, 0, 0, 1, 0x61)), 502, BAD],
  ["S3", "the end in front of the head", (p) => p.data(1, "", true), 502, BAD],
  ["S3", "trailers that do not end", (p) => p.head(1, OK).data(1, "x").head(1, [["x", "y"]]), 0, BAD],
  ["S3", "a status in trailers", (p) => p.head(1, OK).data(1, "x").head(1, OK, { end: true }), 0, BAD],
  ["S3", "an interim answer that ends", (p) => p.head(1, [[":status", "103"]], { end: true }), 502, BAD],
  ["W1", "a window that opens by nothing", (p) => p.windowUpdate(0, 0), 502, GONE],
  ["W1", "a stream's window that opens by nothing", (p) => p.windowUpdate(1, 0), 502, BAD],
  ["W1", "a stream's window above 2^31 - 1", (p) => p.windowUpdate(1, LARGEST), 502, "1 reset FLOW_CONTROL_ERROR"],
  ["M1", "no status", (p) => p.head(1, [["x", "y"]], { end: true }), 502, BAD],
  ["M1", "a status that is none", (p) => p.head(1, [[":status", "2xx"]], { end: true }), 502, BAD],
  ["M1", "a status of four digits", (p) => p.head(1, [[":status", "2000"]], { end: true }), 502, BAD],
  ["M1", "two", (p) => p.head(1, [...OK, ...OK], { end: true }), 502, BAD],
  ["M1", "a late one", (p) => p.head(1, [["x", "y"], ...OK], { end: true }), 502, BAD],
  ["M1", "a path", (p) => p.head(1, [...OK, [":path", "/"]], { end: true }), 502, BAD],
  ["M1", "101 (8.6)", (p) => p.head(1, [[":status", "101"]]), 502, BAD],
  ["M1", "a name with capitals", (p) => p.head(1, [...OK, ["X-A", "b"]], { end: true }), 502, BAD],
  ["M1", "an empty name (CVE-2023-25725)", (p) => p.head(1, [...OK, ["", "b"]], { end: true }), 502, BAD],
  ["M1", "CR LF in a value", (p) => p.head(1, [...OK, ["x", "a\r\nset-cookie: b"]], { end: true }), 502, BAD],
  ["M1", "a field of one hop", (p) => p.head(1, [...OK, ["transfer-encoding", "chunked"]]), 502, BAD],
  ["M1", "a length and no body (CVE-2026-48743)", (p) => p.head(1, [...OK, ["content-length", "1"]], { end: true }), 502, BAD],
  ["M1", "a length above the body", (p) => p.head(1, [...OK, ["content-length", "3"]]).data(1, "ab", true), 0, BAD],
  ["M1", "a length below the body", (p) => p.head(1, [...OK, ["content-length", "1"]]).data(1, "ab"), 0, BAD],
  ["M1", "a body of 204", (p) => p.head(1, [[":status", "204"]]).data(1, "x", true), 0, BAD],
  ["E1", "interim answers without end", (p) => { for (let i = 0; i < 17; i++) p.head(1, [[":status", "103"]]); }, 103, BAD],
  ["1.9", "too many fields", (p) => p.head(1, [...OK, ...Array.from({ length: 100 }, (_, i) => [`x-${i}`, "y"] as const)], { end: true }), 502, BAD],
];

describe.each(CUTS)("%s", (cutting, network) => {
  test.each(ROWS)("%s %s", async (_id, _title, say, status, ...heard) => {
    const { s, origins } = await speaking(
      (line, peer) => {
        if (line.startsWith("1 head")) say(peer);
      },
      { network, action: { retryPolicy: null } },
    );
    const client = s.client(get());
    s.advance(200);
    const cut = status === 0;
    if (cut) expect(client.ended).toBe(true);
    else expect(gist(client.received)).toStartWith(String(status));
    // A connection that is closed with bytes unread is reset, and a goodbye may be lost.
    if (cutting !== "whole" && heard[0]?.startsWith("goaway"))
      expect(heard).toContain(origins.heard[1] ?? heard[0]);
    else expect(origins.heard.slice(1)).toEqual(heard);
    if (status === 103) expect(client.received).toContain("\r\n\r\nHTTP/1.1 502 ");
    // Nothing of what was refused has come through.
    expect(client.received).not.toContain("set-cookie");
    if (status !== 200) expect(client.received.endsWith("0\r\n\r\n")).toBe(false);
    s.expectNothingLeft();
  });

  test("S1 what is on its way behind our reset is borne, and its bytes are given back", async () => {
    let after = "";
    const { s, origins } = await speaking(
      (line, peer) => {
        if (line === "1 reset CANCEL") peer.data(1, "late").head(1, [["x", "y"]], { end: true });
        else if (line.startsWith("3 head")) peer.head(3, [[":status", "204"]], { end: true });
        after = line;
      },
      { network },
    );
    s.client(get()).reset();
    s.advance(200);
    expect(after).toBe("1 reset CANCEL");
    const other = s.client(get());
    s.advance(200);
    expect(other.received).toStartWith("HTTP/1.1 204");
    expect(origins.peers.length).toBe(1);
    s.expectNothingLeft();
  });
});
