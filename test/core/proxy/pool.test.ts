/** Connections to an endpoint: how many, for how long, for how many requests, and what circuit breakers refuse. */
import { describe, expect, test } from "bun:test";
import { at } from "../../../runtime-adapters/memory/network.ts";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import { answers, get, gist, OK, post, silent, story, storySnapshot } from "../../support/engine-story.ts";
import { cluster, ip } from "../../support/snapshot-fixture.ts";

const COMMON = {
  idleTimeout: 3_600_000,
  maxConnectionDuration: 0,
  maxHeadersCount: 100,
  maxStreamDuration: 0,
  headersWithUnderscoresAction: "ALLOW",
  maxRequestsPerConnection: 0,
} as const;

const OVERFLOW = "503 upstream connect error or disconnect/reset before headers. reset reason: overflow";

/** Holds requests until told to answer. */
function holding() {
  const held: Peer[] = [];
  const script = (peer: Peer) => {
    if (!peer.received.endsWith("\r\n\r\n")) return;
    peer.take();
    held.push(peer);
  };
  return { held, script, answer: () => held.shift()?.send(OK) };
}

describe("reuse", () => {
  test("the youngest idle connection is taken, so that surplus ones age and close", async () => {
    const origin = holding();
    const s = await story({
      origins: [origin.script],
      cluster: { common: { ...COMMON, idleTimeout: 1000 } },
    });
    const clients = [s.client(get("/1")), s.client(get("/2")), s.client(get("/3"))];
    expect(s.upstream()).toHaveLength(3);
    while (origin.answer() !== undefined) s.settle();
    for (let i = 0; i < 4; i++) {
      s.advance(400);
      s.send(clients[0], get("/again"));
      origin.answer();
      s.settle();
    }
    expect(s.upstream().map((peer) => peer.ended)).toEqual([true, true, false]);
    expect(s.stat("cluster.app.upstream_cx_idle_timeout")).toBe(2);
    s.expectNothingLeft();
  });

  describe("pipelined requests of one client", () => {
    /** Answers what it was asked last, by its path. */
    const echo = (peer: Peer) => {
      const path = /^GET (\S+) /.exec(peer.received)?.[1];
      if (path === undefined || !peer.received.endsWith("\r\n\r\n")) return;
      peer.take();
      peer.send(`HTTP/1.1 200 OK\r\nx-path: ${path}\r\ncontent-length: ${path.length}\r\n\r\n${path}`);
    };

    test("share one upstream connection: it is in its pool when the next one begins", async () => {
      const s = await story({ origins: [echo], log: "%REQ(:PATH)% %RESP(x-path)% %BYTES_SENT%" });
      const client = s.client(get("/1") + get("/2") + get("/3"));
      expect(client.received.match(/\r\n\r\n\/./g)).toEqual(["\r\n\r\n/1", "\r\n\r\n/2", "\r\n\r\n/3"]);
      expect(s.upstream()).toHaveLength(1);
      expect(s.stat("cluster.app.upstream_cx_total")).toBe(1);
      // Each head was still there when its line was written.
      expect(s.logs).toEqual(["/1 /1 2", "/2 /2 2", "/3 /3 2"]);
      s.expectNothingLeft();
    });

    test("also with chunks, trailers and none of them", async () => {
      const bodies = [
        "transfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx-t: 1\r\n\r\n",
        "content-length: 0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "content-length: 1\r\n\r\nz",
      ];
      let n = 0;
      const s = await story({
        network: { splitReads: true, maxRead: 7 },
        origins: [
          (peer) => {
            if (!peer.received.endsWith("\r\n\r\n")) return;
            peer.take();
            peer.send(`HTTP/1.1 200 OK\r\n${bodies[n++]}`);
          },
        ],
      });
      const client = s.client(get("/1") + get("/2") + get("/3") + get("/4"));
      expect(client.received.match(/HTTP\/1.1 200/g)).toHaveLength(4);
      expect(client.received).toEndWith("\r\n\r\nz");
      expect(s.upstream()).toHaveLength(1);
      s.expectNothingLeft();
    });

    test.each([
      ["says close", "connection: close\r\n", ""],
      ["sends a byte too many", "", "x"],
      ["sends an answer too many", "", "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"],
    ])("have another one each if the upstream %s", async (_, field, more) => {
      const s = await story({
        origins: [answers(`HTTP/1.1 200 OK\r\n${field}content-length: 2\r\n\r\nok${more}`)],
      });
      const client = s.client(get("/1") + get("/2"));
      expect(client.received.match(/HTTP\/1.1 200/g)).toHaveLength(2);
      expect(client.received).not.toContain("poison");
      expect(s.upstream()).toHaveLength(2);
      expect(s.upstream().every(({ ended, closed }) => ended || closed)).toBe(true);
      s.expectNothingLeft();
    });

    test("do not jump the queue: who has waited longer is served first", async () => {
      const origin = holding();
      const s = await story({
        origins: [origin.script],
        limits: { maxConnections: 1 },
        log: "%REQ(:PATH)% %RESP(content-length)%",
      });
      s.client(get("/1") + get("/3"));
      s.client(get("/2"));
      while (origin.answer() !== undefined) s.settle();
      expect(s.logs).toEqual(["/1 2", "/2 2", "/3 2"]);
      expect(s.upstream()).toHaveLength(1);
      s.expectNothingLeft();
    });

    test("of an endpoint that left meanwhile go elsewhere", async () => {
      const origin = holding();
      const s = await story({ origins: [origin.script, answers(OK)] });
      const client = s.client(get("/1") + get("/2"));
      const other = cluster("app", [ip("10.0.0.2", 8080)], { version: "other" });
      await s.apply({ ...storySnapshot(), clusters: [other] });
      origin.answer();
      s.settle();
      expect(client.received.match(/HTTP\/1.1 200/g)).toHaveLength(2);
      expect([s.upstream(0).length, s.upstream(1).length]).toEqual([1, 1]);
      expect(s.upstream(0)[0].ended).toBe(true);
      s.expectNothingLeft();
    });
  });

  test("max_requests_per_connection: the last request says close, the next has a new connection", async () => {
    const s = await story({ cluster: { common: { ...COMMON, maxRequestsPerConnection: 2 } } });
    const client = s.client(get("/1"));
    for (const path of ["/2", "/3", "/4", "/5"]) s.send(client, get(path));
    expect(s.upstream()).toHaveLength(3);
    expect(s.upstream().map((peer) => peer.ended)).toEqual([true, true, false]);
    expect(s.stat("cluster.app.upstream_cx_max_requests")).toBe(2);
    s.expectNothingLeft();
  });

  test.each([
    ["said close", "connection: close\r\ncontent-length: 2\r\n\r\nok", "local", 0],
    ["ended its answer with FIN", "\r\nok", "remote", 0],
    ["left within its answer", "content-length: 9\r\n\r\nok", "remote", 1],
  ])("who ended it, and what it was doing: the upstream %s", async (_, rest, side, busy) => {
    const s = await story({
      origins: [
        (peer) => {
          if (peer.take() === "") return;
          peer.send(`HTTP/1.1 200 OK\r\n${rest}`);
          if (side === "remote") peer.end();
        },
      ],
    });
    s.client(get());
    const stat = (name: string) => s.stat(`cluster.app.upstream_cx_destroy${name}`);
    expect([stat("_local"), stat("_remote")]).toEqual(side === "local" ? [1, 0] : [0, 1]);
    expect(stat("_with_active_rq")).toBe(busy);
    s.expectNothingLeft();
  });

  test("max_connection_duration: idle ones close when it is over, busy ones after their answer", async () => {
    const origin = holding();
    const s = await story({
      origins: [origin.script],
      cluster: { common: { ...COMMON, maxConnectionDuration: 1000 } },
    });
    const clients = [s.client(get("/1")), s.client(get("/2"))];
    origin.answer();
    s.advance(1001);
    expect(s.upstream().map((peer) => peer.ended)).toEqual([true, false]);
    origin.answer();
    s.settle();
    expect(s.upstream().map((peer) => peer.ended)).toEqual([true, true]);
    expect(clients.map((client) => gist(client.received))).toEqual(["200 ok", "200 ok"]);
    expect(s.stat("cluster.app.upstream_cx_max_duration_reached")).toBe(2);
    s.expectNothingLeft();
  });

  test.each([
    ["connection: close\r\n", "says close"],
    ["connection: x, close\r\n", "says close among others"],
  ])("%j: an upstream that %s is not asked again", async (field) => {
    const s = await story({
      origins: [answers(`HTTP/1.1 200 OK\r\n${field}content-length: 2\r\n\r\nok`)],
    });
    const client = s.client(get());
    s.send(client, get());
    expect(s.upstream()).toHaveLength(2);
    expect(client.received).not.toContain("connection: close");
    expect(s.stat("cluster.app.upstream_cx_close_notify")).toBe(2);
    s.expectNothingLeft();
  });

  test("HTTP/1.0 upstreams are asked again only if they say keep-alive", async () => {
    const s = await story({ origins: [answers("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok")] });
    const client = s.client(get());
    s.send(client, get());
    expect(s.upstream()).toHaveLength(2);
    const kept = await story({
      origins: [answers("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok")],
    });
    const other = kept.client(get());
    kept.send(other, get());
    expect(kept.upstream()).toHaveLength(1);
    s.expectNothingLeft();
    kept.expectNothingLeft();
  });

  test.each([
    ["a second answer with the first", `${OK}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison`],
    ["a byte after the answer", `${OK}x`],
    ["a body announced by 204", "HTTP/1.1 204 No Content\r\ncontent-length: 6\r\n\r\npoison"],
  ])("%s destroys the connection: nobody gets it", async (_, bytes) => {
    const s = await story({ origins: [answers(bytes)] });
    const first = s.client(get("/1"));
    const second = s.client(get("/2"));
    expect(first.received).not.toContain("poison");
    expect(second.received).not.toContain("poison");
    expect(s.upstream()).toHaveLength(2);
    s.expectNothingLeft();
  });

  test("a byte on an idle connection destroys it before anybody is given it", async () => {
    const s = await story();
    s.client(get("/1"));
    s.upstream()[0].send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison");
    s.settle();
    const client = s.client(get("/2"));
    expect(gist(client.received)).toBe("200 ok");
    expect(s.upstream()).toHaveLength(2);
    expect(s.stat("cluster.app.upstream_cx_protocol_error")).toBe(1);
    s.expectNothingLeft();
  });

  test("an upstream that closes an idle connection is noticed", async () => {
    const s = await story();
    s.client(get("/1"));
    s.upstream()[0].close();
    s.settle();
    expect(s.stat("cluster.app.upstream_cx_active")).toBe(0);
    expect(s.stat("cluster.app.upstream_cx_destroy_remote")).toBe(1);
    s.expectNothingLeft();
  });

  test.each([
    ["with a request: 503 UC", silent, "GET / 503 UC upstream_reset_before_response_started"],
    ["while idle: its connection goes", answers(OK), "GET / 200 - via_upstream"],
  ])("tcp_keepalive finds out an upstream that vanished %s", async (_, origin, line) => {
    const s = await story({
      origins: [origin],
      cluster: { tcpKeepalive: { time: 10, interval: 5, probes: 4 } },
      manager: { streamIdleTimeout: 0 },
      action: { timeout: 0 },
    });
    s.client(get());
    s.upstream()[0].vanish();
    s.advance(29_900);
    expect(s.stat("cluster.app.upstream_cx_active")).toBe(1);
    s.advance(200);
    expect(s.logs).toHaveLength(1);
    expect(s.logs[0]).toStartWith(line);
    expect(s.stat("cluster.app.upstream_cx_active")).toBe(0);
    s.expectNothingLeft();
  });

  test("a connection whose waiter left is kept for the next", async () => {
    const s = await story({ network: { latency: 5 } });
    const gone = s.client();
    gone.send(get("/1"));
    s.advance(17);
    gone.reset();
    s.advance(50);
    expect(s.stat("cluster.app.upstream_rq_cancelled")).toBe(1);
    const client = s.client();
    client.send(get("/2"));
    s.advance(100);
    expect(gist(client.received)).toBe("200 ok");
    expect(s.upstream()).toHaveLength(1);
    s.expectNothingLeft();
  });
});

describe("circuit breakers", () => {
  test("max_requests: the next is refused with UO and x-envoy-overloaded", async () => {
    const origin = holding();
    const s = await story({ origins: [origin.script], limits: { maxRequests: 2 } });
    const clients = [s.client(get("/1")), s.client(get("/2")), s.client(get("/3"))];
    expect(gist(clients[2].received)).toBe(OVERFLOW);
    expect(clients[2].received).toContain("x-envoy-overloaded: true\r\n");
    expect(s.logs).toEqual(["GET /3 503 UO upstream_reset_before_response_started{overflow}"]);
    expect(s.stat("cluster.app.upstream_rq_active_overflow")).toBe(1);
    expect(s.stat("cluster.app.circuit_breakers.default.rq_open")).toBe(1);
    origin.answer();
    s.settle();
    expect(s.stat("cluster.app.circuit_breakers.default.rq_open")).toBe(0);
    s.send(clients[2], get("/4"));
    origin.answer();
    origin.answer();
    s.settle();
    expect(clients.map((client) => gist(client.received).slice(0, 3))).toEqual(["200", "200", "503"]);
    s.expectNothingLeft();
  });

  test("max_requests holds for requests that waited for a connection together", async () => {
    const s = await story({ network: { latency: 10 }, origins: [silent], limits: { maxRequests: 1 } });
    const clients = ["/1", "/2", "/3"].map((path) => {
      const client = s.client();
      client.send(get(path));
      return client;
    });
    s.advance(200);
    expect(s.stat("cluster.app.upstream_rq_active")).toBe(1);
    expect(clients.map((client) => client.received.slice(9, 12)).sort()).toEqual(["", "503", "503"]);
    s.expectNothingLeft();
  });

  test("max_pending_requests: a request that would wait is refused", async () => {
    const s = await story({ limits: { maxPendingRequests: 1 }, network: { latency: 10 } });
    const clients = [s.client(), s.client(), s.client()];
    for (const client of clients) client.send(get());
    s.advance(45);
    expect(s.stat("cluster.app.circuit_breakers.default.rq_pending_open")).toBe(1);
    s.advance(200);
    expect(clients.map((client) => client.received.slice(9, 12)).sort()).toEqual(["200", "503", "503"]);
    expect(s.stat("cluster.app.upstream_rq_pending_overflow")).toBe(2);
    expect(s.stat("cluster.app.circuit_breakers.default.rq_pending_open")).toBe(0);
    s.expectNothingLeft();
  });

  test("max_pending_requests 0 refuses everything that has no connection yet", async () => {
    const s = await story({ limits: { maxPendingRequests: 0 } });
    expect(gist(s.client(get()).received)).toBe(OVERFLOW);
    s.expectNothingLeft();
  });

  test("max_connections: requests wait for the one there is; the first is always allowed", async () => {
    for (const maxConnections of [1, 0]) {
      const origin = holding();
      const s = await story({ origins: [origin.script], limits: { maxConnections } });
      const clients = [s.client(get("/1")), s.client(get("/2")), s.client(get("/3"))];
      expect(s.upstream()).toHaveLength(1);
      expect(s.stat("cluster.app.upstream_rq_pending_active")).toBe(2);
      const [{ endpoints }] = s.proxy.worker.clusterStatus();
      expect(endpoints.map(({ rqActive, rqPendingActive }) => [rqActive, rqPendingActive])).toEqual([[1, 2]]);
      for (let i = 0; i < 3; i++) {
        origin.answer();
        s.settle();
      }
      expect(clients.map((client) => gist(client.received))).toEqual(["200 ok", "200 ok", "200 ok"]);
      expect(s.upstream()).toHaveLength(1);
      expect(s.stat("cluster.app.upstream_cx_overflow")).toBeGreaterThan(0);
      s.expectNothingLeft();
    }
  });

  test("max_connection_pools: an endpoint more than that is as good as none, until a pool is empty", async () => {
    const s = await story({
      origins: [answers(OK), answers(OK)],
      limits: { maxConnectionPools: 1 },
    });
    const client = s.client(get("/1"));
    s.send(client, get("/2"));
    s.send(client, get("/3"));
    expect(client.received.match(/HTTP\/1.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 503", "HTTP/1.1 200"]);
    expect(s.logs[1]).toBe("GET /2 503 UH no_healthy_upstream");
    expect(s.stat("cluster.app.upstream_cx_pool_overflow")).toBe(1);
    expect(s.stat("cluster.app.circuit_breakers.default.cx_pool_open")).toBe(1);
    const [used] = [...s.upstream(0), ...s.upstream(1)];
    used.close();
    s.settle();
    expect(s.stat("cluster.app.circuit_breakers.default.cx_pool_open")).toBe(0);
    s.send(client, get("/4"));
    expect(s.logs[3]).toBe("GET /4 200 - via_upstream");
    expect([s.upstream(0).length, s.upstream(1).length]).toEqual([1, 1]);
    s.expectNothingLeft();
  });

  test("a connection that cannot be reused makes room for a new one", async () => {
    const s = await story({
      origins: [
        (peer) => {
          if (!peer.received.endsWith("\r\n\r\n")) return;
          peer.take();
          s.proxy.network.schedule.after(10, () =>
            peer.send(`HTTP/1.1 200 OK\r\nconnection: close\r\n${OK.slice(17)}`),
          );
        },
      ],
      limits: { maxConnections: 1 },
    });
    const clients = [s.client(get("/1")), s.client(get("/2")), s.client(get("/3"))];
    s.advance(100);
    expect(clients.map((client) => gist(client.received))).toEqual(["200 ok", "200 ok", "200 ok"]);
    expect(s.upstream()).toHaveLength(3);
    s.expectNothingLeft();
  });

  test("what remains is told with track_remaining", async () => {
    const origin = holding();
    const s = await story({ origins: [origin.script], limits: { maxRequests: 5, trackRemaining: true } });
    s.client(get());
    expect(s.stat("cluster.app.circuit_breakers.default.remaining_rq")).toBe(4);
    origin.answer();
    s.settle();
    expect(s.stat("cluster.app.circuit_breakers.default.remaining_rq")).toBe(5);
  });
});

describe("back-pressure", () => {
  const SIZE = 3_000_000;
  const big = "x".repeat(SIZE);

  test("a client that reads slowly pauses the upstream; memory stays bounded", async () => {
    const s = await story({
      origins: [answers(`HTTP/1.1 200 OK\r\ncontent-length: ${SIZE}\r\n\r\n${big}`)],
      network: { buffer: 64 * 1024 },
    });
    const client = s.client();
    client.pause();
    client.send(get());
    s.advance(100);
    const origin = s.upstream()[0];
    expect(origin.unsentBytes).toBeGreaterThan(SIZE - 400_000);
    expect(s.stat("cluster.app.upstream_flow_control_paused_reading_total")).toBe(1);
    client.resume();
    s.advance(100);
    expect(client.received.length).toBeGreaterThan(SIZE);
    expect(s.stat("cluster.app.upstream_flow_control_resumed_reading_total")).toBeGreaterThan(0);
    // The connection is read again for the next request.
    s.send(client, get("/next"));
    s.advance(100);
    expect(s.logs).toHaveLength(2);
    expect(s.stat("tulle.copied_bytes")).toBe(0);
    s.expectNothingLeft();
  });

  test("an upstream that reads slowly pauses the client", async () => {
    const s = await story({
      origins: [
        (peer) => {
          if (peer.receivedBytes === 0) peer.pause();
          if (peer.received.endsWith("END")) peer.send(OK);
        },
      ],
      network: { buffer: 64 * 1024 },
    });
    const client = s.client();
    client.send(post(`${big}END`));
    s.advance(100);
    expect(client.unsentBytes).toBeGreaterThan(SIZE - 400_000);
    expect(s.stat("cluster.app.upstream_flow_control_backed_up_total")).toBe(1);
    expect(s.stat("http.test.downstream_flow_control_paused_reading_total")).toBeGreaterThan(0);
    s.upstream()[0].resume();
    s.advance(100);
    expect(gist(client.received)).toBe("200 ok");
    expect(s.upstream()[0].received).toHaveLength(
      SIZE + 3 + s.upstream()[0].received.indexOf("\r\n\r\n") + 4,
    );
    expect(s.stat("tulle.copied_bytes")).toBe(0);
    s.expectNothingLeft();
  });

  for (const [whose, limits, least, most] of [
    ["the listener's", { listener: 20_000 }, 150_000, 170_000],
    ["the cluster's", { cluster: 20_000 }, 150_000, 170_000],
    ["the smaller, the cluster's", { listener: 100_000, cluster: 20_000 }, 150_000, 170_000],
    ["the smaller, the listener's", { listener: 20_000, cluster: 100_000 }, 150_000, 170_000],
    ["the listener's, as the cluster has none (0)", { listener: 20_000, cluster: 0 }, 150_000, 170_000],
    ["the default, which is larger than the body", {}, 0, 0],
  ] as const) {
    test(`a body that waits for a connection is buffered up to the limit, ${whose}; then the client waits`, async () => {
      const limit = (bytes: number | undefined) =>
        bytes === undefined ? {} : { perConnectionBufferLimitBytes: bytes };
      const { listener, cluster } = limits as { listener?: number; cluster?: number };
      const s = await story({
        origins: [(peer) => peer.received.endsWith("END") && peer.send(OK)],
        network: { buffer: 16 * 1024, maxRead: 4096 },
        listener: limit(listener),
        cluster: { connectTimeout: 10_000, ...limit(cluster) },
      });
      s.proxy.network.failConnects(at("10.0.0.1:8080"), "ETIMEDOUT");
      const client = s.client();
      client.send(post(`${"x".repeat(200_000)}END`));
      s.advance(1000);
      expect(client.unsentBytes).toBeGreaterThanOrEqual(least);
      expect(client.unsentBytes).toBeLessThanOrEqual(most);
      s.advance(10_000);
      expect(gist(client.received).slice(0, 3)).toBe("503");
      s.expectNothingLeft();
    });
  }

  test("chunked both ways, byte by byte, without a copy of the body", async () => {
    const s = await story({
      origins: [
        (peer) => {
          if (!peer.received.endsWith("0\r\n\r\n")) return;
          peer.take();
          peer.send(
            `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1f40\r\n${"y".repeat(8000)}\r\n0\r\n\r\n`,
          );
        },
      ],
    });
    const client = s.client(
      `POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1f40\r\n${"x".repeat(8000)}\r\n0\r\n\r\n`,
    );
    expect(client.received).toContain("y".repeat(8000));
    expect(s.stat("tulle.copied_bytes")).toBe(0);
    s.expectNothingLeft();
  });
});
