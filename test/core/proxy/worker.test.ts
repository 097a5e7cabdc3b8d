/** Configuration that changes under load: listeners, routes, clusters, endpoints; draining; and what is left. */
import { describe, expect, test } from "bun:test";
import type { ClusterLoadAssignment, HttpConnectionManager, Listener } from "../../../core/config/model.ts";
import { at } from "../../../runtime-adapters/memory/network.ts";
import { answers, get, gist, OK, post, silent, story, storySnapshot } from "../../support/engine-story.ts";
import {
  cluster,
  endpoint,
  ip,
  route,
  routeConfiguration,
  snapshot,
  virtualHost,
} from "../../support/snapshot-fixture.ts";

const NAMED = (name: string) => answers(`HTTP/1.1 200 OK\r\ncontent-length: ${name.length}\r\n\r\n${name}`);

/** The same listener with other route tables: by name. */
function byName(listener: Listener): Listener {
  const [chain] = listener.filterChains;
  const filter = { ...(chain.filter as HttpConnectionManager), rds: "routes", routeConfig: null };
  return { ...listener, filterChains: [{ ...chain, filter }] };
}

function saying(body: string) {
  const direct = route("/", { kind: "direct_response", status: 200, body, bodyFormat: null });
  return { ...routeConfiguration([virtualHost([direct])]), name: "routes", version: body };
}

describe("listeners", () => {
  test("a changed listener serves new connections; the old one finishes what it has", async () => {
    const s = await story({
      origins: [
        (peer) => {
          if (!peer.received.endsWith("\r\n\r\n")) return;
          peer.take();
          s.proxy.network.schedule.after(100, () => peer.send(OK));
        },
      ],
    });
    const idle = s.client();
    const writing = s.client();
    const busy = s.client(get());
    await s.apply(storySnapshot({ manager: { serverName: "new" } }));
    s.settle();
    // Who is idle may be about to ask: it is answered once more.
    expect([idle.ended, writing.ended]).toEqual([false, false]);
    s.send(writing, get());
    const fresh = s.client(get());
    s.advance(200);
    expect(busy.received).toContain("server: envoy\r\n");
    expect(busy.received).toContain("connection: close\r\n");
    expect(busy.ended).toBe(true);
    expect(gist(writing.received)).toBe("200 ok");
    expect(writing.received).toContain("connection: close\r\n");
    expect(fresh.received).toContain("server: new\r\n");
    expect(fresh.received).not.toContain("connection: close\r\n");
    s.advance(59_000);
    expect(idle.ended).toBe(false);
    s.advance(1_000);
    expect(idle.ended).toBe(true);
    expect(s.stat("http.test.downstream_cx_drain_close")).toBe(3);
    s.expectNothingLeft();
  });

  test("a removed listener: connections end with their next answer or after a minute, none is accepted", async () => {
    const s = await story({ origins: [silent], action: { timeout: 0 } });
    const idle = s.client();
    const busy = s.client(get());
    await s.apply({ ...storySnapshot(), listeners: [] });
    expect(s.proxy.worker.drainingListeners).toBe(1);
    s.advance(60_001);
    expect(idle.ended).toBe(true);
    expect(s.client(get()).closed).toBe(true);
    s.send(s.upstream()[0], OK);
    expect(gist(busy.received)).toBe("200 ok");
    expect(busy.ended).toBe(true);
    s.expectNothingLeft();
    expect(s.proxy.worker.drainingListeners).toBe(0);
    // Its statistics are gone with it.
    const prefixes = s.proxy.stats.export().scopes.map(({ prefix }) => prefix);
    expect(prefixes.filter((prefix) => /^(listener|http)\./.test(prefix))).toEqual([]);
  });

  test("the runtime's connection limit: one more is closed at once; a new limit holds for the next", async () => {
    const key = "envoy.resource_limits.listener.web.connection_limit";
    const s = await story();
    await s.apply({ ...storySnapshot(), runtime: { [key]: 2 } });
    const [first, , third] = [s.client(), s.client(), s.client()];
    expect(third.closed || third.ended).toBe(true);
    expect(s.stat("listener.127.0.0.1_80.downstream_cx_overflow")).toBe(1);
    expect(s.stat("listener.127.0.0.1_80.downstream_cx_total")).toBe(2);
    first.close();
    s.settle();
    expect(gist(s.client(get()).received)).toBe("200 ok");
    await s.apply({ ...storySnapshot(), runtime: {} });
    expect(gist(s.client(get()).received)).toBe("200 ok");
    s.expectNothingLeft();
  });

  test("an unchanged listener is left alone", async () => {
    const s = await story();
    const client = s.client(get());
    await s.apply(storySnapshot());
    s.send(client, get());
    expect(s.logs).toHaveLength(2);
    expect(client.received).not.toContain("connection: close");
    s.expectNothingLeft();
  });

  test("one whose routes have not arrived is not ready", async () => {
    const whole = storySnapshot();
    const s = await story();
    await s.apply({ ...whole, listeners: [{ ...byName(whole.listeners[0]), name: "warm", version: "w" }] });
    expect(s.proxy.worker.isListenerReady("warm")).toBe(false);
    await s.apply({
      ...whole,
      listeners: [{ ...byName(whole.listeners[0]), name: "warm", version: "w" }],
      routes: [saying("one")],
    });
    expect(s.proxy.worker.isListenerReady("warm")).toBe(true);
  });

  test("filter chains are chosen by the address dialled; nobody's connection is closed", async () => {
    const [web] = storySnapshot().listeners;
    const [chain] = web.filterChains;
    const only = {
      ...chain,
      match: { ...chain.match, prefixRanges: [{ ip: "10.1.0.0", prefixLength: 16 }] },
    };
    const s = await story();
    await s.apply({
      ...storySnapshot(),
      listeners: [
        { ...web, name: "wide", version: "x", addresses: [ip("0.0.0.0", 81)], filterChains: [only] },
      ],
    });
    expect(gist(s.client(get(), "10.1.2.3:81").received)).toBe("200 ok");
    expect(s.client(get(), "10.2.2.3:81").closed).toBe(true);
    expect(s.stat("listener.0.0.0.0_81.no_filter_chain_match")).toBe(1);
    s.expectNothingLeft();
  });
});

describe("buffered bytes are measured when somebody asks", () => {
  test("of a client that does not read, of pipelined requests and of a head that is not complete", async () => {
    const body = "b".repeat(50_000);
    const s = await story({
      network: { buffer: 4096, maxRead: 4096 },
      origins: [answers(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`)],
    });
    const client = s.client();
    client.pause();
    s.send(client, get("/1") + get("/2"));
    s.client("GET / HTTP/1.1\r\nhost");
    const rx = "http.test.downstream_cx_rx_bytes_buffered";
    const tx = "http.test.downstream_cx_tx_bytes_buffered";
    const { stats, worker } = s.proxy;
    expect(stats.export().scopes.length).toBeGreaterThan(0);
    expect(s.stat(rx)).toBe(get("/2").length + "GET / HTTP/1.1\r\nhost".length);
    const waiting = s.stat(tx);
    expect(waiting).toBeGreaterThan(0);
    worker.measureBuffers();
    expect(s.stat(tx)).toBe(waiting); // measured again, not added up
    client.resume();
    s.advance(100);
    expect([s.stat(tx), s.stat(rx)]).toEqual([0, "GET / HTTP/1.1\r\nhost".length]);
    s.expectNothingLeft();
  });

  test("of an upstream that does not read, and of half a response head", async () => {
    const s = await story({ network: { buffer: 4096, maxRead: 4096 }, origins: [(peer) => peer.pause()] });
    s.client(post("b".repeat(50_000)));
    expect(s.stat("cluster.app.upstream_cx_tx_bytes_buffered")).toBeGreaterThan(0);
    s.upstream()[0].resume();
    s.advance(10);
    s.send(s.upstream()[0], "HTTP/1.1 200 OK\r\ncont");
    expect(s.stat("cluster.app.upstream_cx_rx_bytes_buffered")).toBe("HTTP/1.1 200 OK\r\ncont".length);
    s.expectNothingLeft();
  });
});

describe("drain", () => {
  test("of the worker: idle connections close soon, answers say close, nothing new is taken", async () => {
    const s = await story({ origins: [silent] });
    const idle = s.client();
    const busy = s.client(get());
    s.proxy.run(() => s.proxy.worker.drain());
    s.settle();
    expect(idle.ended).toBe(false);
    s.advance(1001);
    expect(idle.ended).toBe(true);
    expect(s.client(get()).closed).toBe(true);
    s.send(s.upstream()[0], OK);
    expect(busy.received).toContain("connection: close\r\n");
    expect(busy.ended).toBe(true);
    s.advance(2000);
    expect(s.proxy.worker.activeConnections).toBe(0);
    // The listener still exists, with its numbers, and can be replaced or removed without harm.
    expect(s.stat("listener.127.0.0.1_80.downstream_cx_total")).toBe(2);
    await s.apply(storySnapshot({ manager: { serverName: "new" } }));
    expect(s.client(get()).closed).toBe(true);
    await s.apply({ ...storySnapshot(), listeners: [] });
    s.expectNothingLeft();
  });

  test("a failed health check says close on every answer, and closes nothing by itself", async () => {
    const s = await story();
    const idle = s.client();
    s.proxy.worker.failHealthCheck(true);
    const client = s.client(get());
    expect(client.received).toContain("connection: close\r\n");
    expect(idle.ended).toBe(false);
    s.proxy.worker.failHealthCheck(false);
    s.send(idle, get());
    expect(idle.received).not.toContain("connection: close\r\n");
    s.expectNothingLeft();
  });
});

describe("routes by name", () => {
  test("a new table holds for the next request of a living connection", async () => {
    const s = await story();
    const whole = storySnapshot();
    const web = { ...byName(whole.listeners[0]), version: "rds" };
    await s.apply({ ...whole, listeners: [web], routes: [saying("one")] });
    const client = s.client(get());
    expect(gist(client.take())).toBe("200 one");
    await s.apply({ ...whole, listeners: [web], routes: [saying("two")] });
    s.send(client, get());
    expect(gist(client.take())).toBe("200 two");
    // A table that is taken away is kept until another comes.
    await s.apply({ ...whole, listeners: [web], routes: [] });
    s.send(client, get());
    expect(gist(client.take())).toBe("200 two");
    s.expectNothingLeft();
  });
});

describe("clusters", () => {
  test("a changed cluster keeps its pool; new options hold for what comes", async () => {
    const s = await story();
    const client = s.client(get());
    await s.apply(storySnapshot({ cluster: { connectTimeout: 77 } }));
    s.send(client, get());
    expect(s.upstream()).toHaveLength(1);
    s.expectNothingLeft();
  });

  test("an endpoint that leaves: idle connections close, busy ones finish and close", async () => {
    const s = await story({ origins: [silent, silent] });
    const clients = [s.client(get("/1")), s.client(get("/2"))];
    s.send(s.upstream(0)[0], OK);
    await s.apply(snapshotWith([ip("10.0.0.3", 8080)]));
    s.settle();
    expect(s.upstream(0)[0].ended).toBe(true);
    expect(s.upstream(1)[0].ended).toBe(false);
    s.send(s.upstream(1)[0], OK);
    expect(s.upstream(1)[0].ended).toBe(true);
    expect(clients.map((client) => gist(client.received))).toEqual(["200 ok", "200 ok"]);
    s.expectNothingLeft();
  });

  test("EDS: a cluster without endpoints yet is not there; updates move requests", async () => {
    const s = await story({ origins: [NAMED("a"), NAMED("b")] });
    const eds = { ...cluster("app", [], { type: "EDS", loadAssignment: null }), version: "eds" };
    const next = (addresses: readonly string[], version: string): ClusterLoadAssignment => ({
      clusterName: "app",
      version,
      overprovisioningFactor: 140,
      localities: [
        {
          locality: { region: "", zone: "", subZone: "" },
          priority: 0,
          weight: 0,
          endpoints: addresses.map((text) => endpoint(at(text))),
        },
      ],
    });
    const { listeners } = storySnapshot();
    await s.apply(snapshot(listeners, []));
    await s.apply(snapshot(listeners, [eds]));
    expect(s.proxy.worker.warmingClusters).toEqual(["app"]);
    const client = s.client(get());
    expect(gist(client.take())).toBe("503 ");
    await s.apply(snapshot(listeners, [eds], { endpoints: [next(["10.0.0.1:8080"], "1")] }));
    s.send(client, get());
    expect(gist(client.take())).toBe("200 a");
    await s.apply(snapshot(listeners, [eds], { endpoints: [next(["10.0.0.2:8080"], "2")] }));
    s.send(client, get());
    expect(gist(client.take())).toBe("200 b");
    expect(s.stat("cluster_manager.cluster_updated")).toBe(1);
    await s.apply(snapshot(listeners, [eds], { endpoints: [next([], "3")] }));
    expect(s.stat("cluster_manager.cluster_updated")).toBe(2);
    s.send(client, get());
    expect(gist(client.take())).toBe("503 no healthy upstream");
    s.expectNothingLeft();
  });

  test("a removed cluster finishes what it has and answers no more", async () => {
    const s = await story({ origins: [silent] });
    const client = s.client(get());
    await s.apply({ ...storySnapshot(), clusters: [] });
    s.send(s.upstream()[0], OK);
    expect(gist(client.take())).toBe("200 ok");
    s.send(client, get());
    expect(gist(client.received)).toBe("503 ");
    expect(s.logs.at(-1)).toBe("GET / 503 NC cluster_not_found");
    s.expectNothingLeft();
  });
});

function snapshotWith(addresses: readonly ReturnType<typeof ip>[]) {
  return { ...storySnapshot({ origins: [null, null] }), clusters: [cluster("app", addresses)] };
}
