/** Upstreams that speak HTTP/2 with the proxy, frame by frame; clients of HTTP/1. */
import { describe, expect, test } from "bun:test";
import { latin1, toBytes } from "../../../core/bytes/ascii.ts";
import { RequestHead } from "../../../core/http/head.ts";
import { get, post } from "../../support/engine-story.ts";
import type { Http2Peer } from "../../support/http2-peer.ts";
import { answer, OK, speaking, streamOf } from "../../support/http2-story.ts";

describe("a request", () => {
  test("goes as a stream, and its answer comes back", async () => {
    const { s, origins } = await speaking(answer);
    const client = s.client(get());
    expect(client.received).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(client.received).toEndWith("content-length: 2\r\n\r\nok");
    expect(origins.heard[0]).toStartWith("1 head :method=GET :scheme=http :path=/ :authority=a.example ");
    expect(origins.heard[0]).toEndWith(" end");
    expect(s.stat("cluster.app.upstream_cx_http2_total")).toBe(1);
    expect(s.stat("cluster.app.upstream_rq_active")).toBe(0);
    s.expectNothingLeft();
  });

  test("with a body ends with its last byte", async () => {
    const { s, origins } = await speaking(answer);
    const client = s.client(post("hello"));
    expect(client.received).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(origins.heard.at(-1)).toBe("1 data hello end");
    s.expectNothingLeft();
  });

  test("many at once share a connection", async () => {
    const waiting: [number, Http2Peer][] = [];
    const { s, origins } = await speaking((line, peer) => {
      if (line.endsWith(" end")) waiting.push([Number(line.split(" ")[0]), peer]);
    });
    const clients = Array.from({ length: 10 }, () => s.client(get()));
    expect(origins.peers.length).toBe(1);
    expect(waiting.map(([id]) => id)).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    for (const [id, peer] of waiting.reverse()) peer.head(id, OK).data(id, "ok", true);
    s.settle();
    for (const client of clients) expect(client.received).toEndWith("ok");
    s.expectNothingLeft();
  });
});

describe("an answer", () => {
  test("of unknown length is sent in chunks", async () => {
    const { s } = await speaking((_line, peer) => {
      peer
        .head(1, [[":status", "200"]])
        .data(1, "he")
        .data(1, "llo", true);
    });
    expect(s.client(get()).received).toEndWith("\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n");
    s.expectNothingLeft();
  });

  test("that is reset midway closes the client's connection without an end", async () => {
    const { s } = await speaking((_line, peer) => {
      peer
        .head(1, [[":status", "200"]])
        .data(1, "he")
        .reset(1, 2);
    });
    const client = s.client(get());
    expect(client.received).toEndWith("\r\n\r\n2\r\nhe");
    expect(client.ended).toBe(true);
    s.expectNothingLeft();
  });

  test("that says less than it declares is cut", async () => {
    const { s } = await speaking((_line, peer) => {
      peer
        .head(1, [
          [":status", "200"],
          ["content-length", "5"],
        ])
        .data(1, "he", true);
    });
    const client = s.client(get());
    expect(client.received).toEndWith("\r\n\r\nhe");
    expect(client.ended).toBe(true);
    s.expectNothingLeft();
  });

  for (const [what, head] of [
    [
      "has an upper-case name",
      [
        [":status", "200"],
        ["X-A", "b"],
      ],
    ],
    [
      "has a field of one hop",
      [
        [":status", "200"],
        ["connection", "close"],
      ],
    ],
    ["has no status", [["x-a", "b"]]],
    ["switches protocols", [[":status", "101"]]],
    [
      "declares two lengths",
      [
        [":status", "200"],
        ["content-length", "1"],
        ["content-length", "1"],
      ],
    ],
  ] as const) {
    test(`that ${what} is a 502`, async () => {
      const { s } = await speaking((_line, peer) => void peer.head(1, head as never, { end: true }));
      expect(s.client(get()).received).toStartWith("HTTP/1.1 502 ");
      expect(s.logs[0]).toContain(" 502 UPE ");
      s.expectNothingLeft();
    });
  }
});

describe("GOAWAY", () => {
  test("requests that the peer has not looked at are tried again elsewhere; the others end where they are", async () => {
    let first = true;
    const { s, origins } = await speaking((line, peer) => {
      if (!line.includes(" head ")) return;
      const id = Number(line.split(" ")[0]);
      if (!first || id === 1) {
        if (id !== 1 || !first) answer(line, peer);
        return;
      }
      first = false;
      peer.goAway(1, 0).head(1, OK).data(1, "ok", true);
    });
    const clients = [s.client(get()), s.client(get())];
    s.settle();
    for (const client of clients) expect(client.received).toStartWith("HTTP/1.1 200 ");
    expect(origins.peers.length).toBe(2);
    expect(origins.peers[0].peer.closed || origins.peers[0].peer.ended).toBe(true);
    s.expectNothingLeft();
  });

  test("a refused stream is tried again once, whatever the method", async () => {
    let refused = 0;
    const { s } = await speaking((line, peer) => {
      if (!line.includes(" head ")) return;
      const id = Number(line.split(" ")[0]);
      if (refused++ === 0) peer.reset(id, 7);
      else answer(line, peer);
    });
    expect(s.client(get()).received).toStartWith("HTTP/1.1 200 ");
    s.expectNothingLeft();
  });
});

test("a filter's own request goes as a stream, its body and the answer's trailers as well", async () => {
  let tries = 0;
  const { s, origins } = await speaking((line, peer) => {
    const id = streamOf(line);
    if (!line.endsWith(" end")) return;
    if (tries++ === 0)
      peer.reset(id, 7); // refused: it is sent again, even a POST
    else
      peer
        .head(id, [[":status", "200"]])
        .data(id, "yes")
        .head(id, [["x-sum", "1"]], { end: true });
  });
  const head = new RequestHead();
  head.method = "POST";
  head.path = "/check";
  head.authority = "callout.example";
  let heard = "";
  s.proxy.run(() => {
    s.context.callouts.send("app", head, toBytes("may I?"), 1000, {
      onAnswer({ status }, bytes, trailers) {
        heard = `${status} ${latin1(bytes, 0, bytes.length)} ${trailers?.get("x-sum")}`;
      },
    });
  });
  s.settle();
  s.settle();
  expect(heard).toBe("200 yes 1");
  expect(origins.heard).toEqual([
    "1 head :method=POST :scheme=http :path=/check :authority=callout.example content-length=6",
    "1 data may I? end",
    "3 head :method=POST :scheme=http :path=/check :authority=callout.example content-length=6",
    "3 data may I? end",
  ]);
  s.expectNothingLeft();
});
