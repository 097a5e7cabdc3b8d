/** Connections of HTTP/2 to an endpoint: how many there are, what each of them carries, and how they end. */
import { describe, expect, test } from "bun:test";
import { Respond } from "../../../core/filter/verdict.ts";
import { at } from "../../../runtime-adapters/memory/network.ts";
import { get, gist, post, type StorySetup, story, storySnapshot } from "../../support/engine-story.ts";
import type { Http2Peer } from "../../support/http2-peer.ts";
import { GET } from "../../support/http2-peer.ts";
import {
  answer,
  bilingual,
  http2Client,
  OK,
  type Origins,
  speaking,
  streamOf,
} from "../../support/http2-story.ts";
import { recorded, reply } from "../../support/scripted-filter.ts";
import { HTTP2, retryPolicy } from "../../support/snapshot-fixture.ts";

const COMMON = {
  idleTimeout: 3_600_000,
  maxConnectionDuration: 0,
  maxHeadersCount: 100,
  maxStreamDuration: 0,
  headersWithUnderscoresAction: "ALLOW",
  maxRequestsPerConnection: 0,
} as const;

/** An origin that answers when it is told to. */
async function holding(setup: StorySetup = {}, settings: readonly number[] = []) {
  const open: [number, Http2Peer][] = [];
  const { s, origins } = await speaking(
    (line, peer) => {
      if (line.includes(" head ")) open.push([streamOf(line), peer]);
    },
    setup,
    settings,
  );
  /** Answers the oldest request. */
  const finish = () => {
    const [id, peer] = open.shift() as [number, Http2Peer];
    peer.head(id, OK).data(id, "ok", true);
    s.settle();
  };
  return { s, origins, open, finish };
}

const gone = ({ peers }: Origins): boolean[] => peers.map(({ peer }) => peer.ended || peer.closed);

describe("how many", () => {
  test("as many streams as the configuration allows, then another connection", async () => {
    const { s, origins, open, finish } = await holding({
      cluster: { http2: { ...HTTP2, maxConcurrentStreams: 2 } },
    });
    const clients = Array.from({ length: 5 }, () => s.client(get()));
    expect(open.map(([id]) => id)).toEqual([1, 3, 1, 3, 1]);
    expect(origins.peers.length).toBe(3);
    while (open.length > 0) finish();
    for (const client of clients) expect(gist(client.received)).toBe("200 ok");
    s.expectNothingLeft();
  });

  test("as many streams as the peer allows, once it has said so", async () => {
    const { s, origins, open, finish } = await holding({}, [3, 1]);
    s.client(get());
    expect(open.length).toBe(1);
    s.client(get());
    expect(origins.peers.length).toBe(2);
    expect(open.map(([id]) => id)).toEqual([1, 1]);
    finish();
    s.client(get());
    expect(open.map(([id]) => id)).toEqual([1, 3]); // the room on the first one was found
    finish();
    finish();
    s.expectNothingLeft();
  });

  test("those that wait because of max_connections take the room that becomes free", async () => {
    const { s, origins, open, finish } = await holding({ limits: { maxConnections: 1 } }, [3, 1]);
    const clients = [s.client(get()), s.client(get()), s.client(get())];
    expect(origins.peers.length).toBe(1);
    expect(open.length).toBe(1);
    expect(s.stat("cluster.app.upstream_cx_overflow")).toBe(2);
    for (let i = 0; i < 3; i++) finish();
    for (const client of clients) expect(gist(client.received)).toBe("200 ok");
    s.expectNothingLeft();
  });

  test("a peer that allows more later is sent more", async () => {
    const { s, origins, open, finish } = await holding({ limits: { maxConnections: 1 } }, [3, 1]);
    for (let i = 0; i < 3; i++) s.client(get());
    expect(open.length).toBe(1);
    origins.peers[0].settings(3, 3);
    s.settle();
    expect(open.map(([id]) => id)).toEqual([1, 3, 5]);
    for (let i = 0; i < 3; i++) finish();
    s.expectNothingLeft();
  });

  test("max_requests and max_pending_requests refuse what is beyond them", async () => {
    const { s, open, finish } = await holding({ limits: { maxRequests: 2 } });
    s.client(get());
    s.client(get());
    expect(gist(s.client(get()).received)).toStartWith("503 ");
    expect(s.logs[0]).toStartWith("GET / 503 UO ");
    while (open.length > 0) finish();
    s.expectNothingLeft();
  });
});

describe("how long", () => {
  test("max_requests_per_connection: the next request has a connection of its own", async () => {
    const { s, origins } = await speaking(answer, {
      cluster: { common: { ...COMMON, maxRequestsPerConnection: 2 } },
    });
    for (let i = 0; i < 5; i++) expect(gist(s.client(get()).received)).toBe("200 ok");
    expect(origins.peers.length).toBe(3);
    expect(gone(origins)).toEqual([true, true, false]);
    expect(s.stat("cluster.app.upstream_cx_max_requests")).toBe(2);
    s.expectNothingLeft();
  });

  test("max_requests_per_connection: many at once are spread", async () => {
    const { s, origins, open, finish } = await holding({
      cluster: { common: { ...COMMON, maxRequestsPerConnection: 2 } },
    });
    for (let i = 0; i < 5; i++) s.client(get());
    expect(origins.peers.length).toBe(3);
    while (open.length > 0) finish();
    expect(gone(origins)).toEqual([true, true, false]);
    s.expectNothingLeft();
  });

  test("max_requests_per_connection: as many connections are made as those who wait for one will need", async () => {
    const { s, origins, open, finish } = await holding({
      cluster: { common: { ...COMMON, maxRequestsPerConnection: 2 } },
    });
    const clients = Array.from({ length: 5 }, () => s.proxy.dial("127.0.0.1:80").send(get()));
    s.advance(10);
    expect(open.map(([id]) => id).sort()).toEqual([1, 1, 1, 3, 3]);
    expect(origins.peers.length).toBe(3);
    while (open.length > 0) finish();
    for (const client of clients) {
      expect(gist(client.received)).toBe("200 ok");
      client.close();
    }
    s.expectNothingLeft();
  });

  test("max_connection_duration: what it carries is finished, and nothing is added", async () => {
    const { s, origins, open, finish } = await holding({
      cluster: { common: { ...COMMON, maxConnectionDuration: 1000 } },
    });
    const old = s.client(get());
    s.advance(1500);
    s.client(get());
    expect(origins.peers.length).toBe(2);
    expect(gone(origins)).toEqual([false, false]);
    finish();
    expect(gist(old.received)).toBe("200 ok");
    expect(gone(origins)).toEqual([true, false]);
    expect(origins.heard).toContain("goaway 0 NO_ERROR");
    finish();
    s.advance(1500);
    expect(gone(origins)).toEqual([true, true]);
    expect(s.stat("cluster.app.upstream_cx_max_duration_reached")).toBe(2);
    expect(open.length).toBe(0);
    s.expectNothingLeft();
  });

  test("idle_timeout runs from the last stream's end", async () => {
    const { s, origins, finish } = await holding({ cluster: { common: { ...COMMON, idleTimeout: 1000 } } });
    s.client(get());
    s.advance(1500);
    expect(gone(origins)).toEqual([false]);
    finish();
    s.advance(900);
    expect(gone(origins)).toEqual([false]);
    s.advance(200);
    expect(gone(origins)).toEqual([true]);
    expect(origins.heard.at(-1)).toBe("goaway 0 NO_ERROR");
    expect(s.stat("cluster.app.upstream_cx_idle_timeout")).toBe(1);
    s.expectNothingLeft();
  });
});

describe("a cluster whose version of HTTP changes", () => {
  for (const [from, to] of [
    [null, HTTP2],
    [HTTP2, null],
  ]) {
    const name = (http2: object | null) => (http2 === null ? "HTTP/1.1" : "HTTP/2");
    test(`from ${name(from)} to ${name(to)}: the next request, while the last one is finished`, async () => {
      const { spoken, waiting, script } = bilingual();
      const s = await story({ cluster: { http2: from }, origins: [script] });
      const first = s.client(get());
      await s.apply(storySnapshot({ cluster: { http2: to } }));
      const second = s.client(get());
      expect(spoken).toEqual([name(from), name(to)]);
      for (const each of waiting) each();
      s.settle();
      for (const client of [first, second]) expect(gist(client.received)).toBe("200 ok");
      s.client(get());
      expect(spoken[2]).toBe(name(to));
      expect(s.upstream().filter((peer) => !peer.ended && !peer.closed).length).toBe(1);
      s.expectNothingLeft();
    });

    test(`from ${name(from)} to ${name(to)}: while a connection is made`, async () => {
      const { spoken, waiting, script } = bilingual();
      const s = await story({ network: { latency: 20 }, cluster: { http2: from }, origins: [script] });
      const client = s.client(get());
      s.advance(75); // the upstream has not accepted yet
      await s.apply(storySnapshot({ cluster: { http2: to } }));
      s.advance(100);
      expect(spoken).toEqual([name(from)]);
      for (const each of waiting) each();
      s.advance(100);
      expect(gist(client.received)).toBe("200 ok");
      s.expectNothingLeft();
    });
  }
});

describe("an endpoint that leaves its cluster", () => {
  for (const [what, maxConcurrentStreams] of [
    ["with room", 100],
    ["that is full", 1],
  ] as const) {
    test(`its connection (${what}) finishes what it carries, and takes nothing more`, async () => {
      const http2 = { ...HTTP2, maxConcurrentStreams };
      const { s, origins, finish } = await holding({ cluster: { http2 } });
      const client = s.client(get());
      await s.apply(storySnapshot({ cluster: { http2 }, origins: [] }));
      s.settle();
      expect(gist(s.client(get()).received)).toStartWith("503 ");
      expect(gone(origins)).toEqual([false]);
      finish();
      expect(gist(client.received)).toBe("200 ok");
      expect(gone(origins)).toEqual([true]);
      expect(origins.heard.at(-1)).toBe("goaway 0 NO_ERROR");
      s.expectNothingLeft();
    });
  }

  test("its idle connection closes at once", async () => {
    const { s, origins } = await speaking(answer);
    s.client(get());
    await s.apply(storySnapshot({ cluster: { http2: HTTP2 }, origins: [] }));
    s.settle();
    expect(gone(origins)).toEqual([true]);
    s.expectNothingLeft();
  });
});

describe("a failure", () => {
  test("to connect fails all who wait, once each", async () => {
    const { s } = await speaking(answer, { cluster: { connectTimeout: 100 } });
    s.proxy.network.failConnects(at("10.0.0.1:8080"), "ECONNREFUSED");
    const client = http2Client(s);
    client.head(1, GET, { end: true }).head(3, GET, { end: true }).head(5, GET, { end: true });
    s.advance(200);
    const heads = client.heard().filter((line) => line.includes(" head "));
    expect(heads.map((line) => line.slice(0, 19))).toEqual([
      "1 head :status=503 ",
      "3 head :status=503 ",
      "5 head :status=503 ",
    ]);
    expect(s.stat("cluster.app.upstream_cx_total")).toBe(1);
    expect(s.stat("cluster.app.upstream_rq_pending_failure_eject")).toBe(3);
    expect(s.logs[0]).toStartWith("GET / 503 UF ");
    s.expectNothingLeft();
  });

  test("of the connection is one for all its requests", async () => {
    const { s, origins } = await holding();
    const clients = [s.client(get()), s.client(post("hello")), s.client(get())];
    origins.peers[0].peer.reset();
    s.settle();
    for (const client of clients) expect(client.received).toStartWith("HTTP/1.1 503 ");
    expect(s.logs[0]).toBe("GET / 503 UC upstream_reset_before_response_started{connection_termination}");
    expect(s.stat("cluster.app.upstream_cx_destroy_remote_with_active_rq")).toBe(1);
    s.expectNothingLeft();
  });

  test("of the peer to keep the rules is the end of the connection, and of all its requests: 502", async () => {
    const { s, origins } = await holding();
    const clients = [s.client(get()), s.client(get())];
    origins.peers[0].frame(6, 0, 0, [1, 2, 3]); // a PING of three bytes
    s.settle();
    for (const client of clients) expect(client.received).toStartWith("HTTP/1.1 502 ");
    expect(s.logs[0]).toStartWith(
      "GET / 502 UPE upstream_reset_before_response_started{protocol_error|http2.",
    );
    expect(origins.heard.at(-1)).toBe("goaway 0 FRAME_SIZE_ERROR");
    expect(s.stat("cluster.app.upstream_cx_protocol_error")).toBe(1);
    expect(s.stat("cluster.app.upstream_rq_tx_reset")).toBe(2);
    s.expectNothingLeft();
  });

  test("of one stream is no other's", async () => {
    const { s, origins, open, finish } = await holding();
    const [first, second] = [s.client(get()), s.client(get())];
    origins.peers[0].reset(1, 8);
    s.settle();
    expect(first.received).toStartWith("HTTP/1.1 503 ");
    expect(s.logs[0]).toBe("GET / 503 UR upstream_reset_before_response_started{remote_reset}");
    expect(s.stat("cluster.app.upstream_rq_rx_reset")).toBe(1);
    open.shift();
    finish();
    expect(gist(second.received)).toBe("200 ok");
    s.expectNothingLeft();
  });

  test("that a policy names is tried again: a reset, and a refused stream each time", async () => {
    let resets = 3;
    const { s } = await speaking(
      (line, peer) => {
        if (line.includes(" head ") && resets-- > 0) peer.reset(streamOf(line), resets === 2 ? 8 : 7);
        else if (line.includes(" head ")) answer(line, peer);
      },
      { action: { retryPolicy: retryPolicy({ retryOn: ["reset", "refused-stream"], numRetries: 3 }) } },
    );
    const client = s.client(get());
    s.advance(2000);
    expect(gist(client.received)).toBe("200 ok");
    s.expectNothingLeft();
  });

  test.each([
    ["a GET", get(), 2],
    ["a POST without a body", post(""), 2],
    ["a PUT", post("hello", 5, "PUT"), 2],
    ["a POST, whose body is not kept", post("hello"), 1],
  ])("refused streams without a policy: %s", async (_what, request, tries) => {
    const { s, origins } = await speaking((line, peer) => {
      if (line.includes(" head ")) peer.reset(streamOf(line), 7);
    });
    expect(s.client(request).received).toStartWith("HTTP/1.1 503 ");
    expect(origins.heard.filter((line) => line.includes(" head ")).length).toBe(tries);
    expect(s.logs[0]).toEndWith(
      " / 503 UR upstream_reset_before_response_started{remote_refused_stream_reset}",
    );
    s.expectNothingLeft();
  });
});

describe("GOAWAY", () => {
  test("on an idle connection closes it", async () => {
    const { s, origins } = await speaking(answer);
    s.client(get());
    origins.peers[0].goAway(1, 0);
    s.settle();
    expect(gone(origins)).toEqual([true]);
    expect(gist(s.client(get()).received)).toBe("200 ok");
    expect(s.stat("cluster.app.upstream_cx_close_notify")).toBe(1);
    s.expectNothingLeft();
  });

  test("before the first request's answer: the request is finished there, the next goes elsewhere", async () => {
    const { s, origins, open, finish } = await holding();
    const first = s.client(get());
    origins.peers[0].goAway(0x7fffffff, 0); // announced only (RFC 9113 6.8)
    s.settle();
    s.client(get());
    expect(origins.peers.length).toBe(2);
    origins.peers[0].goAway(1, 0);
    s.settle();
    finish();
    expect(gist(first.received)).toBe("200 ok");
    expect(gone(origins)).toEqual([true, false]);
    expect(open.length).toBe(1);
    finish();
    s.expectNothingLeft();
  });

  test("that names lower streams each time is heeded each time", async () => {
    const { s, origins, open } = await holding();
    for (let i = 0; i < 3; i++) s.client(get());
    origins.peers[0].goAway(5, 0);
    s.settle();
    origins.peers[0].goAway(1, 0);
    s.settle();
    // Streams 3 and 5 were not looked at: they are on another connection now.
    expect(open.slice(3).map(([id]) => id)).toEqual([1, 3]);
    for (const [id, peer] of [open[0], ...open.slice(3)]) peer.head(id, OK).data(id, "ok", true);
    s.settle();
    expect(s.logs).toEqual(Array.from({ length: 3 }, () => "GET / 200 - via_upstream"));
    s.expectNothingLeft();
  });

  test("of a peer that closes at once ends those that it has looked at", async () => {
    const { s, origins } = await holding();
    const client = s.client(post("hello"));
    origins.peers[0].goAway(1, 11);
    origins.peers[0].peer.end();
    s.settle();
    expect(client.received).toStartWith("HTTP/1.1 503 ");
    s.expectNothingLeft();
  });
});

describe("requests of one client of HTTP/1, one behind the other", () => {
  // Each begins while the upstream's frame that ended the one before is still being dealt with.
  const replaces = recorded("replaces", [], (callbacks) => ({
    onResponseHeaders: () => {
      callbacks.respond(reply(418, "tea"));
      return Respond;
    },
  }));
  test.each([
    ["", [], "200 ok"],
    [", and answers that a filter replaces", [replaces], "418 tea"],
  ])("come in order%s", async (_what, filters, each) => {
    const { s, origins } = await speaking(
      (line, peer) => {
        if (filters.length === 0) answer(line, peer);
        else peer.head(streamOf(line), [[":status", "200"]], { end: true });
      },
      { filters },
    );
    const client = s.client(get("/1") + get("/2") + get("/3"));
    expect(client.received.match(/HTTP\/1.1 (\d+)/g)?.map((line) => line.slice(-3))).toEqual(
      Array.from({ length: 3 }, () => each.slice(0, 3)),
    );
    expect(client.received.split(each.slice(4)).length - 1).toBe(3);
    expect(origins.heard.filter((line) => line.includes(" head ")).length).toBe(3);
    s.expectNothingLeft();
  });
});
