/** Defects that a review found: each was seen to fail before it was repaired. Named for what must not happen. */
import { describe, expect, test } from "bun:test";
import { readBootstrap } from "../../../core/xds/bootstrap.ts";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import { answers, get, gist, OK, post, silent, story, storySnapshot } from "../../support/engine-story.ts";
import { ip, listener, retryPolicy, route, snapshot, tcpProxy } from "../../support/snapshot-fixture.ts";

function direct(path: string, body: string, status = 200) {
  return route(path, { kind: "direct_response", status, body, bodyFormat: null } as never);
}

describe("framing towards the client", () => {
  test("205 never declares a body that does not come", async () => {
    const s = await story({ origins: [answers("HTTP/1.1 205 Reset Content\r\ncontent-length: 5\r\n\r\n")] });
    const client = s.client(get());
    expect(client.take()).toContain("content-length: 0\r\n");
    s.send(client, get());
    expect(client.received).toStartWith("HTTP/1.1 205");
    s.expectNothingLeft();
  });

  test("an answer that ends with the connection is reset if it cannot be delivered whole", async () => {
    const chunk = `bb8\r\n${"x".repeat(3000)}\r\n0\r\n\r\n`;
    const s = await story({
      origins: [answers(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunk}`)],
    });
    const { network } = s.proxy;
    const { line } = network;
    network.line = { ...line, buffer: 1000 };
    const client = s.client();
    client.pause();
    network.line = line;
    s.send(client, "GET / HTTP/1.0\r\nhost: a.example\r\n\r\n");
    s.advance(120_000);
    client.resume();
    s.settle();
    expect(client.received.length).toBeLessThan(3000);
    expect(client.closeReason).toBe("ECONNRESET");
    s.expectNothingLeft();
  });
});

describe("pauses end", () => {
  test("an upstream that is full and answers: client goes on, connection is not reused", async () => {
    const s = await story({
      network: { buffer: 2000, maxRead: 8000 },
      origins: [
        (peer: Peer) => {
          if (peer.receivedBytes > 0) peer.pause();
        },
      ],
    });
    const client = s.client(post("x".repeat(1000), 5000));
    const origin = s.upstream()[0];
    s.send(client, "x".repeat(4000));
    expect(origin.receivedBytes).toBeLessThan(4000);
    origin.send(OK);
    s.settle();
    expect(client.take()).toStartWith("HTTP/1.1 200");
    s.send(client, get("/next"));
    s.settle();
    expect(s.upstream()).toHaveLength(2);
    expect(s.upstream()[1].received).toStartWith("GET /next");
    s.expectNothingLeft();
  });

  test("an upstream that answers before it shows that it is full: its connection is not kept either", async () => {
    const s = await story({ network: { buffer: 1000 }, origins: [silent] });
    const client = s.client(post("a", 1401));
    const [origin] = s.upstream();
    origin.pause();
    s.send(client, "b".repeat(500)); // there is room for it, not for the rest
    client.send("b".repeat(900));
    origin.send(OK);
    s.settle();
    expect(gist(client.received)).toBe("200 ok");
    s.send(client, get("/next"));
    expect(s.upstream()).toHaveLength(2);
    expect(s.stat("cluster.app.upstream_cx_active")).toBe(1);
    s.expectNothingLeft();
  });

  test("a try that was full and failed does not keep the client paused in the next one", async () => {
    const s = await story({
      network: { buffer: 2000, maxRead: 8000 },
      action: { retryPolicy: retryPolicy({ retryOn: ["reset"], numRetries: 1 }) },
      origins: [silent],
    });
    const client = s.client(post("", 9000));
    const [first] = s.upstream();
    first.pause();
    s.send(client, "x".repeat(4000));
    s.proxy.network.line = { ...s.proxy.network.line, buffer: 100_000 };
    first.reset();
    s.advance(300);
    s.send(client, "x".repeat(5000));
    s.advance(10);
    const { received } = s.upstream()[1];
    expect(received).toHaveLength(received.indexOf("\r\n\r\n") + 4 + 9000);
    s.expectNothingLeft();
  });
});

describe("a reused connection that breaks", () => {
  test("POST is not repeated unless its policy says so", async () => {
    let seen = 0;
    const s = await story({
      action: { retryPolicy: retryPolicy({ retryOn: ["connect-failure"], numRetries: 2 }) },
      origins: [
        (peer: Peer) => {
          if (!peer.received.endsWith("body")) return;
          peer.take();
          if (++seen === 2) peer.reset();
          else peer.send(OK);
        },
      ],
    });
    const client = s.client(post("body"));
    expect(client.take()).toStartWith("HTTP/1.1 200");
    s.send(client, post("body"));
    s.advance(1000);
    expect(seen).toBe(2);
    expect(client.received).toStartWith("HTTP/1.1 503");
    s.expectNothingLeft();
  });

  test("GET is not repeated once a byte of an answer came", async () => {
    let seen = 0;
    const s = await story({
      origins: [
        (peer: Peer) => {
          if (!peer.received.endsWith("\r\n\r\n")) return;
          peer.take();
          peer.send(++seen === 2 ? "HTTP/1.1 200 O" : OK);
        },
      ],
    });
    const client = s.client(get());
    client.take();
    s.send(client, get());
    s.upstream()[0].reset();
    s.settle();
    expect(seen).toBe(2);
    expect(client.received).toStartWith("HTTP/1.1 503");
    s.expectNothingLeft();
  });
});

describe("pipelining", () => {
  test("a request that waited behind another begins when its turn comes", async () => {
    const s = await story({
      manager: { requestTimeout: 2000 },
      log: "%REQ(:PATH)% %RESPONSE_CODE% %DURATION%",
      origins: [silent],
    });
    const client = s.client(get("/one") + post("", 4));
    s.advance(5000);
    s.upstream()[0].send(OK);
    s.settle();
    s.send(client, "body");
    s.upstream()[0].send(OK);
    s.settle();
    expect(client.received.match(/HTTP\/1.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 200"]);
    expect(s.logs[1]).toMatch(/^\/ 200 [0-9]$/);
    s.expectNothingLeft();
  });

  test("half a head behind an answered request has the time of a head, not of an idle connection", async () => {
    const s = await story({
      manager: { requestHeadersTimeout: 1000 },
      routes: [direct("/direct", "d")],
    });
    const client = s.client(`${get("/direct")}GET /half HTT`);
    s.advance(1100);
    expect(client.received.match(/HTTP\/1.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 408"]);
    s.expectNothingLeft();
  });

  test("a client that does not read cannot pile up answers", async () => {
    const s = await story({
      network: { buffer: 10_000, maxRead: 10_000 },
      routes: [direct("/direct", "d".repeat(4000))],
    });
    const client = s.client();
    client.pause();
    const wave = get("/direct").repeat(200);
    for (let i = 0; i < 20; i++) s.send(client, wave);
    const [socket] = (s.proxy.driver as unknown as { sockets: Set<{ pendingBytes: number }> }).sockets;
    expect(socket.pendingBytes).toBeLessThan(2 * 1024 * 1024);
    expect(client.unsentBytes).toBeGreaterThan(0);
    // Nothing is lost: reading on brings them all.
    client.keep = false;
    client.resume();
    s.advance(100);
    s.advance(10_000);
    expect(client.unsentBytes).toBe(0);
    expect(s.logs).toHaveLength(4000);
    s.expectNothingLeft();
  });

  test("requests that came with a FIN are all answered", async () => {
    const s = await story({ network: { maxRead: 40 } });
    const client = s.client();
    client.send(get("/1") + get("/2") + get("/3")).end();
    s.advance(100);
    expect(client.received.match(/HTTP\/1.1 \d+/g)).toHaveLength(3);
    expect(client.ended).toBe(true);
    s.expectNothingLeft();
  });
});

describe("half-closed peers lose nothing", () => {
  test("a client that ends its side and reads slowly gets the whole answer", async () => {
    const body = "b".repeat(9000);
    const s = await story({
      network: { buffer: 1000 },
      origins: [answers(`HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n${body}`)],
    });
    const client = s.client();
    client.pause();
    s.send(client, get());
    s.advance(10);
    client.end();
    s.advance(10);
    client.resume();
    s.advance(100);
    expect(client.received).toEndWith(body);
    expect(client.closeReason).toBe("");
    s.expectNothingLeft();
  });

  test.each([true, false])(
    "TCP: what the upstream sent before its FIN arrives (client ended first: %p)",
    async (first) => {
      const s = await tcpStory(1000);
      const client = s.client("q");
      const origin = s.upstream()[0];
      if (first) client.end();
      s.settle();
      client.pause();
      origin.send("r".repeat(5000)).end();
      s.advance(10);
      if (!first) client.end();
      s.advance(10);
      client.resume();
      s.advance(100);
      expect(client.receivedBytes).toBe(5000);
      s.expectNothingLeft();
    },
  );

  test("TCP: what the client sent before its FIN arrives", async () => {
    const s = await tcpStory(1000);
    const client = s.client("q");
    const origin = s.upstream()[0];
    origin.end();
    s.settle();
    origin.pause();
    client.send("r".repeat(5000)).end();
    s.advance(50);
    origin.resume();
    s.advance(100);
    expect(origin.receivedBytes).toBe(5001);
    s.expectNothingLeft();
  });

  test("TCP: an upstream that resets behind its FIN does not cost the client the answer", async () => {
    const s = await tcpStory(1000);
    const { network } = s.proxy;
    const client = s.client();
    s.send(client, "q");
    client.pause();
    s.upstream()[0].send("r".repeat(900)).end();
    s.advance(10);
    s.upstream()[0].send("");
    s.upstream()[0].reset();
    s.advance(10);
    client.resume();
    s.advance(100);
    expect(client.receivedBytes).toBe(900);
    expect(network.now).toBeLessThan(1000);
    s.expectNothingLeft();
  });

  const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
  const upgrades = { upgrades: [{ upgradeType: "echo", enabled: true, terminateConnect: false }] };
  const ASK = get("/", "connection: upgrade\r\nupgrade: echo\r\n");

  test("a tunnel: what the client sent before its FIN arrives", async () => {
    const s = await story({ network: { buffer: 1000 }, manager: upgrades, origins: [answers(SWITCH)] });
    const client = s.client(ASK);
    const origin = s.upstream()[0];
    origin.end();
    s.settle();
    origin.pause();
    origin.take();
    client.send("r".repeat(5000)).end();
    s.advance(50);
    origin.resume();
    s.advance(100);
    expect(origin.received).toHaveLength(5000);
    s.expectNothingLeft();
  });

  test("a tunnel whose upstream has ended is not cut while the client still sends", async () => {
    const s = await story({ manager: upgrades, origins: [answers(SWITCH)] });
    const client = s.client(ASK);
    const origin = s.upstream()[0];
    origin.take();
    origin.onChange = null;
    origin.end();
    for (let i = 0; i < 5; i++) {
      s.advance(50_000);
      s.send(client, "x");
    }
    expect(origin.received).toBe("xxxxx");
    s.expectNothingLeft();
  });

  test("a FIN that came before the switch is passed on after it", async () => {
    const s = await story({ manager: upgrades, origins: [silent] });
    const client = s.client(ASK);
    client.end();
    s.settle();
    s.upstream()[0].send(SWITCH);
    s.settle();
    expect(s.upstream()[0].ended).toBe(true);
    s.expectNothingLeft();
  });
});

async function tcpStory(buffer: number) {
  const s = await story({ network: { buffer }, origins: [silent] });
  const { clusters } = storySnapshot();
  const filter = tcpProxy("app", { statPrefix: "tcp" });
  await s.apply(snapshot([listener("web", ip("127.0.0.1", 80), filter)], clusters));
  return s;
}

describe("what follows a refused tunnel is not a request", () => {
  test("CONNECT answered by ourselves closes", async () => {
    const s = await story({
      manager: { upgrades: [{ upgradeType: "connect", enabled: true, terminateConnect: false }] },
      origins: [null],
    });
    const client = s.client(
      `CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n\r\n${get("/smuggled")}`,
    );
    s.advance(10);
    expect(client.received.match(/HTTP\/1.1 \d+/g)).toHaveLength(1);
    expect(client.received).toContain("connection: close");
    s.expectNothingLeft();
  });

  test("bytes behind an upgrade that we answer ourselves", async () => {
    const s = await story({ origins: [null] });
    const ask = get("/", "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n");
    const client = s.client(ask + get("/smuggled"));
    s.advance(10);
    expect(client.received.match(/HTTP\/1.1 \d+/g)).toHaveLength(1);
    s.expectNothingLeft();
  });
});

describe("configuration moves under requests", () => {
  test("a cluster that is removed while a request waits for its connection", async () => {
    const s = await story({ network: { latency: 5 } });
    const client = s.client();
    s.advance(20);
    client.send(get());
    s.advance(7);
    await s.apply({ ...storySnapshot(), clusters: [] });
    s.advance(100);
    expect(client.received).toStartWith("HTTP/1.1 200");
    expect(s.proxy.driver.faults).toBe(0);
  });

  test("a cluster that is removed while a request waits for its next try", async () => {
    const s = await story({
      action: {
        retryPolicy: retryPolicy({ retryOn: ["connect-failure"], backOffBase: 500, backOffMax: 500 }),
      },
      origins: [null],
    });
    const client = s.client(get());
    await s.apply({ ...storySnapshot(), clusters: [] });
    s.advance(1000);
    expect(client.received).toStartWith("HTTP/1.1 503");
    expect(s.proxy.driver.faults).toBe(0);
  });

  test("a connection whose answer was under way when the drain began closes after it", async () => {
    const s = await story({ origins: [silent] });
    const client = s.client(get());
    s.upstream()[0].send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab");
    s.settle();
    s.proxy.run(() => s.proxy.worker.drain());
    s.advance(1500); // the patience with idle connections is over
    s.upstream()[0].send("cd");
    s.settle();
    expect(client.received).toEndWith("abcd");
    s.advance(10);
    expect(client.ended).toBe(true);
    s.expectNothingLeft();
  });
});

test("text beyond bytes in a body is sent as UTF-8", async () => {
  const bodyFormat = { kind: "text", format: "\u20ac", omitEmptyValues: false, contentType: "" };
  const s = await story({
    routes: [route("/", { kind: "direct_response", status: 200, body: "", bodyFormat } as never)],
  });
  expect(s.client(get()).received).toEndWith("content-length: 3\r\n\r\n\xe2\x82\xac");
  s.expectNothingLeft();
});

test("a rewrite that would break the request line is refused", () => {
  const faults = (route: object) => {
    const routeConfig = {
      virtual_hosts: [{ name: "v", domains: ["*"], routes: [{ match: { prefix: "/" }, route }] }],
    };
    return readBootstrap(bootstrapWith(routeConfig) as never).faults.map(({ message }) => message);
  };
  const pattern = { regex: "^/(.*)$" };
  const refusal = ["has characters that a request target must not have"];
  expect(faults({ cluster: "app", prefix_rewrite: "/a b" })).toEqual(refusal);
  expect(faults({ cluster: "app", prefix_rewrite: "/a\u010a" })).toEqual(refusal);
  expect(faults({ cluster: "app", regex_rewrite: { pattern, substitution: "/ HTTP/1.1" } })).toEqual(refusal);
  expect(faults({ cluster: "app", regex_rewrite: { pattern, substitution: "/x/\\1" } })).toEqual([]);
});

function bootstrapWith(routeConfig: object): object {
  const type = "type.googleapis.com/envoy.extensions.filters";
  const router = { name: "r", typed_config: { "@type": `${type}.http.router.v3.Router` } };
  const manager = {
    "@type": `${type}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "s",
    http_filters: [router],
    route_config: routeConfig,
  };
  const address = { socket_address: { address: "127.0.0.1", port_value: 80 } };
  return {
    static_resources: {
      clusters: [{ name: "app", type: "STATIC", load_assignment: { cluster_name: "app" } }],
      listeners: [
        { name: "l", address, filter_chains: [{ filters: [{ name: "h", typed_config: manager }] }] },
      ],
    },
  };
}

describe("bad bytes behind an answer", () => {
  test("a broken rest of an answered request ends the connection at once", async () => {
    const s = await story({ routes: [direct("/", "d")] });
    const client = s.client("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    expect(client.received).toStartWith("HTTP/1.1 200");
    s.send(client, "zz\r\n");
    s.advance(10);
    expect(client.ended).toBe(true);
    s.expectNothingLeft();
  });

  test("trailers that Connection nominates do not travel", async () => {
    const s = await story({
      manager: { http1: { ...storyHttp1(), enableTrailers: true } },
      cluster: { http1: { ...storyHttp1(), enableTrailers: true } },
      origins: [silent],
    });
    s.client(
      "POST / HTTP/1.1\r\nhost: a\r\nconnection: close, x-hop\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-hop: 1\r\nx-end: 2\r\n\r\n",
    );
    expect(s.upstream()[0].received).toContain("\r\n0\r\nx-end: 2\r\n\r\n");
    s.expectNothingLeft();
  });
});

function storyHttp1() {
  return storySnapshot().clusters[0].http1;
}
