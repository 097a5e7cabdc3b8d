/** Plain TCP through the proxy: bytes as they are, FIN each way by itself, limits, time-outs, and the log line. */
import { describe, expect, test } from "bun:test";
import { latin1, toBytes } from "../../../core/bytes/ascii.ts";
import type { Cluster, TcpProxy, Thresholds } from "../../../core/config/model.ts";
import type { PlainSocket, SocketHandler } from "../../../core/io/socket.ts";
import { at, type NetworkOptions } from "../../../runtime-adapters/memory/network.ts";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import { type Script, Story, silent, textLog } from "../../support/engine-story.ts";
import { ProxyFixture } from "../../support/proxy-fixture.ts";
import { cluster, ip, listener, NO_HEADERS, snapshot, tcpProxy } from "../../support/snapshot-fixture.ts";

const LINE =
  "%RESPONSE_FLAGS% %UPSTREAM_HOST% %BYTES_RECEIVED%/%BYTES_SENT% %UPSTREAM_CLUSTER% %CONNECTION_TERMINATION_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON%";

interface Setup {
  readonly network?: NetworkOptions;
  readonly filter?: Partial<TcpProxy>;
  readonly origins?: readonly (Script | null)[];
  readonly limits?: Partial<Thresholds>;
  readonly connectTimeout?: number;
  readonly tcpKeepalive?: Cluster["tcpKeepalive"];
}

/** A TCP proxy on 127.0.0.1:80 before 10.0.0.1:8080, … */
async function tcp(setup: Setup = {}): Promise<Story> {
  const proxy = new ProxyFixture(setup.network);
  const scripts = setup.origins ?? [silent];
  const origins = scripts.map((script, i) => {
    const address = at(`10.0.0.${i + 1}:8080`);
    if (script !== null) return proxy.network.serve(address, script);
    return { address, peers: [], stop: () => undefined };
  });
  const plain = cluster(
    "app",
    scripts.map((_, i) => ip(`10.0.0.${i + 1}`, 8080)),
    { connectTimeout: setup.connectTimeout ?? 5000, tcpKeepalive: setup.tcpKeepalive ?? null },
  );
  const limits = { ...plain.circuitBreakers.default, ...setup.limits };
  const filter = tcpProxy("app", {
    accessLog: [textLog(LINE)],
    ...setup.filter,
  });
  await proxy.apply(
    snapshot(
      [listener("tcp", ip("127.0.0.1", 80), filter)],
      [{ ...plain, circuitBreakers: { default: limits, high: limits } }],
    ),
  );
  return new Story(proxy, origins);
}

test("bytes go both ways as they are, none is copied, and the line says what happened", async () => {
  const s = await tcp();
  const client = s.client("\x00\xff GET / HTTP/9\n");
  const origin = s.upstream()[0];
  expect(origin.take()).toBe("\x00\xff GET / HTTP/9\n");
  s.send(origin, "\x80\x81");
  expect(client.take()).toBe("\x80\x81");
  client.end();
  origin.end();
  s.settle();
  expect([client.closed, origin.closed]).toEqual([true, true]);
  expect(s.logs).toEqual(["- 10.0.0.1:8080 16/2 app - -"]);
  expect(s.stat("tcp.test.downstream_cx_rx_bytes_total")).toBe(16);
  expect(s.stat("tcp.test.downstream_cx_tx_bytes_total")).toBe(2);
  expect(s.stat("cluster.app.upstream_cx_rx_bytes_total")).toBe(2);
  expect(s.stat("cluster.app.upstream_cx_tx_bytes_total")).toBe(16);
  expect(s.stat("tulle.copied_bytes")).toBe(0);
  s.expectNothingLeft();
});

describe("to its cluster a connection is a request, too", () => {
  const counts = (s: Story, ...names: string[]) =>
    names.map((name) => s.stat(`cluster.app.upstream_${name}`));

  test("it waits, is active, and is over", async () => {
    const s = await tcp();
    const client = s.client("a");
    expect(counts(s, "rq_pending_total", "rq_total", "rq_active")).toEqual([1, 1, 1]);
    client.reset();
    s.settle();
    expect(counts(s, "rq_pending_active", "rq_total", "rq_active")).toEqual([0, 1, 0]);
    s.expectNothingLeft();
  });

  test("refused, it has failed while it waited", async () => {
    const s = await tcp({ origins: [null] });
    s.client("a");
    expect(counts(s, "rq_pending_total", "rq_pending_failure_eject", "rq_total")).toEqual([1, 1, 0]);
    expect(counts(s, "cx_destroy_remote", "cx_destroy_with_active_rq")).toEqual([1, 0]);
    s.expectNothingLeft();
  });

  test("left while it waits, it is cancelled", async () => {
    const s = await tcp();
    s.proxy.network.failConnects(at("10.0.0.1:8080"), "ETIMEDOUT");
    s.client("a").reset();
    s.settle();
    expect(counts(s, "rq_cancelled", "rq_pending_failure_eject", "cx_destroy_local")).toEqual([1, 0, 1]);
    s.expectNothingLeft();
  });

  const fin = (peer: Peer) => peer.end();
  const rst = (peer: Peer) => peer.reset();
  test.each([
    ["the upstream answers our FIN", [["client", fin] as const, ["origin", fin] as const], "remote"],
    ["we answer the upstream's FIN", [["origin", fin] as const, ["client", fin] as const], "local"],
    ["the upstream resets", [["origin", rst] as const], "remote"],
    ["the client resets", [["client", rst] as const], "local"],
  ] as const)("%s: whose doing the end is", async (_, steps, side) => {
    const s = await tcp();
    const peers = { client: s.client("a"), origin: s.upstream()[0] };
    for (const [who, act] of steps) {
      act(peers[who]);
      s.settle();
    }
    const local = side === "local" ? 1 : 0;
    expect(counts(s, "cx_destroy_local_with_active_rq", "cx_destroy_remote_with_active_rq")).toEqual([
      local,
      1 - local,
    ]);
    expect(counts(s, "cx_destroy", "cx_destroy_with_active_rq")).toEqual([1, 1]);
    s.expectNothingLeft();
  });
});

describe("the end", () => {
  test("tcp_keepalive of the cluster finds out an upstream that vanished", async () => {
    const s = await tcp({ filter: { idleTimeout: 0 }, tcpKeepalive: { time: 10, interval: 5, probes: 4 } });
    const client = s.client("hello");
    s.upstream()[0].vanish();
    s.advance(29_900);
    expect(client.closed).toBe(false);
    s.advance(200);
    expect(client.closed).toBe(true);
    s.expectNothingLeft();
  });

  test.each([
    ["the client", true],
    ["the upstream", false],
  ])("FIN of %s leaves the other direction open", async (_, clientFirst) => {
    const s = await tcp();
    const client = s.client("a");
    const origin = s.upstream()[0];
    const [first, second]: [Peer, Peer] = clientFirst ? [client, origin] : [origin, client];
    first.end();
    s.settle();
    expect(second.ended).toBe(true);
    expect(first.ended).toBe(false);
    first.take();
    s.send(second, "still");
    expect(first.take()).toBe("still");
    second.end();
    s.settle();
    expect([first.closed, second.closed]).toEqual([true, true]);
    expect(s.logs).toHaveLength(1);
    s.expectNothingLeft();
  });

  test.each([
    ["the client", true],
    ["the upstream", false],
  ])("RST of %s ends both", async (_, byClient) => {
    const s = await tcp();
    const client = s.client("a");
    const origin = s.upstream()[0];
    (byClient ? client : origin).reset();
    s.settle();
    expect((byClient ? origin : client).closeReason).toBe("ECONNRESET");
    expect(s.logs).toHaveLength(1);
    s.expectNothingLeft();
  });

  test("both have ended and the client reads slowly: it gets everything", async () => {
    const s = await tcp({ network: { buffer: 16 * 1024 } });
    const client = s.client("a");
    const origin = s.upstream()[0];
    client.end();
    client.pause();
    origin.send("x".repeat(100_000)).end();
    s.advance(1000);
    client.resume();
    s.advance(1000);
    expect(client.received).toHaveLength(100_000);
    expect(client.closeReason).toBe("");
    s.expectNothingLeft();
  });

  test("both have ended and the upstream reads slowly: it gets everything", async () => {
    const s = await tcp();
    const client = s.proxy.dial();
    s.proxy.network.line = { ...s.proxy.network.line, buffer: 16 * 1024 }; // behind the proxy all is slower
    s.send(client, "a");
    const origin = s.upstream()[0];
    origin.take();
    origin.end();
    origin.pause();
    client.send("x".repeat(100_000)).end();
    s.advance(1000);
    origin.resume();
    s.advance(1000);
    expect(origin.received).toHaveLength(100_000);
    expect(s.stat("tcp.test.upstream_flush_active")).toBe(0);
    s.expectNothingLeft();
  });
});

/** A client whose adapter tells things in an order of its own; what the proxy does to its socket is written down. */
function puppet(s: Story) {
  const done: string[] = [];
  const socket: PlainSocket = {
    handler: null,
    secure: () => void done.push("secure"),
    local: ip("127.0.0.1", 80),
    remote: ip("127.0.0.1", 40000),
    pendingBytes: 0,
    write: (bytes, start, end) => void done.push(`write ${latin1(bytes, start, end)}`),
    pause: () => void done.push("pause"),
    resume: () => void done.push("resume"),
    keepAlive: () => void done.push("keepAlive"),
    end: () => void done.push("end"),
    finish: () => void done.push("finish"),
    close: () => void done.push("close"),
    reset: () => void done.push("reset"),
  };
  const { proxy } = s;
  const handler = proxy.run(() => proxy.worker.accept("tcp", socket)) as SocketHandler;
  const tell = (what: (to: SocketHandler) => void) => proxy.run(() => what(handler));
  return { done, tell };
}

describe("what adapters may do", () => {
  test("bytes that come although reading is paused wait for the upstream, in order", async () => {
    const s = await tcp({ network: { latency: 10 } });
    const { done, tell } = puppet(s);
    tell((client) => client.onData(toBytes("one ")));
    tell((client) => client.onData(toBytes("two ")));
    expect(done).toEqual(["pause"]);
    s.advance(20);
    tell((client) => client.onData(toBytes("three")));
    s.advance(20);
    expect(s.upstream()[0].received).toBe("one two three");
    expect(done).toEqual(["pause", "resume"]);
    tell((client) => client.onClose("ECONNRESET"));
    s.advance(20);
    expect(s.logs).toEqual(["- 10.0.0.1:8080 13/0 app - -"]);
    s.expectNothingLeft();
  });

  /** A client that has sent 100 kB and is gone, and an upstream that has ended too and does not read. */
  async function flushing() {
    const s = await tcp({ network: { buffer: 16 * 1024 } });
    const { tell } = puppet(s);
    s.settle();
    const origin = s.upstream()[0].pause();
    tell((client) => client.onData(toBytes("x".repeat(100_000))));
    tell((client) => client.onEnd());
    origin.end();
    s.settle();
    tell((client) => client.onClose(""));
    s.settle();
    return { s, origin };
  }

  test("both have ended and the client is gone: the upstream still gets what is queued, and is counted meanwhile", async () => {
    const { s, origin } = await flushing();
    expect(s.logs).toEqual(["- 10.0.0.1:8080 100000/0 app - -"]);
    expect(s.stat("tcp.test.upstream_flush_total")).toBe(1);
    expect(s.stat("tcp.test.upstream_flush_active")).toBe(1);
    expect(s.stat("cluster.app.upstream_cx_active")).toBe(1);
    s.advance(50_000);
    origin.resume();
    s.settle();
    expect(origin.received).toHaveLength(100_000);
    expect(origin.ended).toBe(true);
    expect(s.stat("tcp.test.upstream_flush_active")).toBe(0);
    s.expectNothingLeft();
  });

  test("it has a minute to take some of it, again and again, but not for ever", async () => {
    const { s, origin } = await flushing();
    origin.onChange = (peer) => peer.pause(); // one read at a time
    s.advance(50_000);
    origin.resume();
    s.advance(50_000);
    expect(origin.received.length).toBeLessThan(100_000);
    expect(s.stat("cluster.app.upstream_cx_active")).toBe(1);
    s.advance(70_000);
    expect(s.stat("cluster.app.upstream_cx_active")).toBe(0);
    expect(s.stat("tcp.test.upstream_flush_active")).toBe(0);
    s.expectNothingLeft();
  });
});

describe("connecting", () => {
  test("the client is not read before the upstream is there, and loses nothing", async () => {
    const s = await tcp({ network: { latency: 10 } });
    const client = s.client();
    client.send("hello").end();
    s.advance(200);
    expect(s.upstream()[0].received).toBe("hello");
    expect(s.upstream()[0].ended).toBe(true);
    s.expectNothingLeft();
  });

  test("refused: UF, the client is closed", async () => {
    const s = await tcp({ origins: [null] });
    const client = s.client("a");
    expect(client.closed || client.ended).toBe(true);
    expect(s.logs).toEqual(["UF,URX 10.0.0.1:8080 0/0 app - delayed_connect_error:_Connection_refused"]);
    expect(s.stat("cluster.app.upstream_cx_connect_fail")).toBe(1);
    expect(s.stat("cluster.app.upstream_cx_connect_attempts_exceeded")).toBe(1);
    s.expectNothingLeft();
  });

  test("max_connect_attempts tries the next endpoint; UF,URX when they are used up", async () => {
    const s = await tcp({ origins: [silent, null], filter: { maxConnectAttempts: 2 } });
    s.client("1");
    s.client("2");
    expect(
      s
        .upstream(0)
        .map((peer) => peer.received)
        .sort(),
    ).toEqual(["1", "2"]);
    s.expectNothingLeft();
    const none = await tcp({ origins: [null, null], filter: { maxConnectAttempts: 2 } });
    none.client("x");
    expect(none.logs[0]).toStartWith("UF,URX ");
    none.expectNothingLeft();
  });

  test("connect timeout", async () => {
    const s = await tcp({ connectTimeout: 300 });
    s.proxy.network.failConnects(at("10.0.0.1:8080"), "ETIMEDOUT");
    const client = s.client("a");
    s.advance(290);
    expect(client.ended).toBe(false);
    s.advance(20);
    expect(client.ended || client.closed).toBe(true);
    expect(s.stat("cluster.app.upstream_cx_connect_timeout")).toBe(1);
    s.expectNothingLeft();
  });

  test("a client that leaves while we connect takes the attempt with it", async () => {
    const s = await tcp();
    s.proxy.network.failConnects(at("10.0.0.1:8080"), "ETIMEDOUT");
    const client = s.client("a");
    const pending = () => s.proxy.worker.clusterStatus()[0].endpoints[0].rqPendingActive;
    expect(pending()).toBe(1);
    client.reset();
    s.settle();
    expect(pending()).toBe(0);
    expect(s.stat("cluster.app.upstream_cx_active")).toBe(0);
    expect(s.logs).toHaveLength(1);
    s.expectNothingLeft();
  });

  test("max_connections: UO", async () => {
    const s = await tcp({ limits: { maxConnections: 1 } });
    const first = s.client("1");
    const second = s.client("2");
    expect(first.ended).toBe(false);
    expect(second.closed || second.ended).toBe(true);
    expect(s.logs[0]).toStartWith("UO ");
    expect(s.stat("cluster.app.upstream_cx_overflow")).toBe(1);
    s.expectNothingLeft();
  });

  // All as seen in Envoy 1.40.
  test.each([
    [1, 1],
    [3, 3],
    [0xffffffff, 0xffffffff],
  ])(
    "max_pending_requests: who would have to wait is refused with URX; %d attempts",
    async (attempts, overflow) => {
      const s = await tcp({ limits: { maxPendingRequests: 1 }, filter: { maxConnectAttempts: attempts } });
      s.client("1");
      s.proxy.network.failConnects(at("10.0.0.1:8080"), "ETIMEDOUT");
      const waiting = s.client("2");
      expect(s.stat("cluster.app.circuit_breakers.default.rq_pending_open")).toBe(1);
      const refused = s.client("3");
      expect(waiting.closed || waiting.ended).toBe(false);
      expect(refused.closed || refused.ended).toBe(true);
      expect(s.logs).toEqual(["URX - 0/0 app - -"]);
      expect(s.stat("cluster.app.upstream_rq_pending_overflow")).toBe(overflow);
      expect(s.stat("cluster.app.upstream_cx_connect_attempts_exceeded")).toBe(1);
      expect(s.stat("cluster.app.upstream_cx_total")).toBe(2);
      waiting.reset();
      s.settle();
      expect(s.stat("cluster.app.circuit_breakers.default.rq_pending_open")).toBe(0);
      s.expectNothingLeft();
    },
  );

  test("max_requests: counted, and refused to nobody", async () => {
    const s = await tcp({ limits: { maxRequests: 1, trackRemaining: true } });
    const left = (what: string) => s.stat(`cluster.app.circuit_breakers.default.${what}`);
    const clients = [s.client("1"), s.client("2")];
    expect(clients.map(({ ended, closed }) => ended || closed)).toEqual([false, false]);
    expect([left("rq_open"), left("remaining_rq"), left("remaining_pending")]).toEqual([1, 0, 1024]);
    s.proxy.network.failConnects(at("10.0.0.1:8080"), "ETIMEDOUT");
    s.client("3");
    expect(left("remaining_pending")).toBe(1023);
    for (const client of clients) client.reset();
    s.settle();
    expect([left("rq_open"), left("remaining_rq")]).toEqual([0, 1]);
  });

  test("max_connection_pools: the connections to one endpoint are one pool; the next endpoint is none: UH", async () => {
    const s = await tcp({ origins: [silent, silent], limits: { maxConnectionPools: 1 } });
    const clients = [s.client("1"), s.client("2"), s.client("3")];
    expect(clients.map(({ ended, closed }) => ended || closed)).toEqual([false, true, false]);
    expect(s.logs[0]).toStartWith("UH ");
    expect(s.stat("cluster.app.upstream_cx_pool_overflow")).toBe(1);
    expect(s.stat("cluster.app.circuit_breakers.default.cx_pool_open")).toBe(1);
    s.expectNothingLeft();
    expect(s.stat("cluster.app.circuit_breakers.default.cx_pool_open")).toBe(0);
  });

  test("no endpoint: UH; no such cluster: NC and downstream_cx_no_route", async () => {
    const s = await tcp({ origins: [] });
    s.client("a");
    expect(s.logs[0]).toStartWith("UH ");
    s.expectNothingLeft();
    const lost = await tcp({
      filter: { clusters: [{ name: "lost", weight: 1, headers: NO_HEADERS, hostRewriteLiteral: "" }] },
    });
    lost.client("a");
    expect(lost.logs[0]).toStartWith("NC ");
    expect(lost.stat("tcp.test.downstream_cx_no_route")).toBe(1);
    lost.expectNothingLeft();
  });

  test("weighted clusters share connections by weight", async () => {
    const weighted = (name: string, weight: number) => ({
      name,
      weight,
      headers: NO_HEADERS,
      hostRewriteLiteral: "",
    });
    const s = await tcp({ filter: { clusters: [weighted("app", 3), weighted("gone", 1)] } });
    for (let i = 0; i < 400; i++) s.client("x");
    const missed = s.stat("tcp.test.downstream_cx_no_route");
    expect(missed).toBeGreaterThan(60);
    expect(missed).toBeLessThan(140);
    s.expectNothingLeft();
  });
});

describe("time", () => {
  test("idle_timeout counts from the last byte either way", async () => {
    const s = await tcp({ filter: { idleTimeout: 1000 } });
    const client = s.client("a");
    s.advance(900);
    s.send(s.upstream()[0], "b");
    s.advance(900);
    expect(client.ended).toBe(false);
    s.advance(200);
    expect(client.ended || client.closed).toBe(true);
    expect(s.stat("tcp.test.idle_timeout")).toBe(1);
    s.expectNothingLeft();
  });

  test("max_downstream_connection_duration", async () => {
    const s = await tcp({ filter: { maxDownstreamConnectionDuration: 1000 } });
    const client = s.client("a");
    for (let i = 0; i < 11; i++) {
      s.advance(100);
      client.send("x");
    }
    expect(client.ended || client.closed).toBe(true);
    expect(s.stat("tcp.test.max_downstream_connection_duration")).toBe(1);
    expect(s.logs[0]).toContain("max_connection_duration");
    s.expectNothingLeft();
  });
});

describe("back-pressure", () => {
  test.each([
    ["upload", true],
    ["download", false],
  ])("%s: a reader that stops stops the writer, and nothing is lost", async (_, up) => {
    const s = await tcp({ network: { buffer: 32 * 1024 } });
    const client = s.client();
    const origin = s.upstream()[0];
    const [from, to]: [Peer, Peer] = up ? [client, origin] : [origin, client];
    to.pause();
    from.send("x".repeat(2_000_000));
    s.advance(100);
    expect(from.unsentBytes).toBeGreaterThan(1_700_000);
    const waits = up
      ? "cluster.app.upstream_cx_tx_bytes_buffered"
      : "tcp.test.downstream_cx_tx_bytes_buffered";
    expect(s.stat(waits)).toBeGreaterThan(0);
    expect(s.stat(waits) + to.receivedBytes + from.unsentBytes).toBeLessThanOrEqual(2_000_000);
    to.resume();
    s.advance(100);
    expect(to.received).toHaveLength(2_000_000);
    s.expectNothingLeft();
  });
});

test("the connection outlives its listener and its cluster", async () => {
  const s = await tcp();
  const client = s.client("a");
  await s.apply(snapshot([], []));
  s.send(client, "b");
  expect(s.upstream()[0].take()).toBe("ab");
  expect(s.proxy.worker.activeConnections).toBe(1);
  client.end();
  s.upstream()[0].end();
  s.settle();
  expect(s.proxy.worker.activeConnections).toBe(0);
  s.expectNothingLeft();
});
