/** The clusters of a worker as requests see them: pools by priority, options that change under living pools, EDS under a name of its own. */
import { describe, expect, test } from "bun:test";
import type { Cluster, ClusterLoadAssignment, Snapshot } from "../../../core/config/model.ts";
import { at } from "../../../runtime-adapters/memory/network.ts";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import {
  answers,
  get,
  gist,
  OK,
  type Script,
  type Story,
  type StorySetup,
  silent,
  story,
  storySnapshot,
} from "../../support/engine-story.ts";
import { cluster, endpoint, retryPolicy, route, routeTo, snapshot } from "../../support/snapshot-fixture.ts";

/** "/high…" goes with priority HIGH, everything else with DEFAULT. */
function byPriority(setup: StorySetup = {}): StorySetup {
  return { ...setup, routes: [route("/high", routeTo("app", { priority: "HIGH" }))] };
}

/** The setup's snapshot with another cluster in it. */
function withCluster(setup: StorySetup, change: (app: Cluster) => Partial<Cluster>): Snapshot {
  const whole = storySnapshot(setup);
  const [app] = whole.clusters;
  const changed = { ...app, ...change(app) };
  return { ...whole, clusters: [{ ...changed, version: JSON.stringify(changed) }] };
}

describe("priority HIGH", () => {
  test("has connections of its own, and breakers that DEFAULT cannot exhaust", async () => {
    const setup = byPriority({ origins: [silent], limits: { maxConnections: 1, maxPendingRequests: 1 } });
    const s = await story(setup);
    s.client(get("/1"));
    s.client(get("/2"));
    const refused = s.client(get("/3"));
    expect(gist(refused.received)).toStartWith("503 upstream connect error");
    expect(s.stat("cluster.app.circuit_breakers.default.cx_open")).toBe(1);
    expect(s.stat("cluster.app.circuit_breakers.high.cx_open")).toBe(0);

    const urgent = [s.client(get("/high/1")), s.client(get("/high/2"))];
    expect(s.upstream()).toHaveLength(3);
    for (const peer of s.upstream().slice(1)) s.send(peer, OK);
    expect(urgent.map((client) => gist(client.received))).toEqual(["200 ok", "200 ok"]);

    // An idle connection of one priority is of no use to the other.
    s.send(s.upstream()[0], OK);
    s.settle();
    s.client(get("/high/3"));
    expect(s.upstream()).toHaveLength(3);
    s.expectNothingLeft();
  });

  test("its connections leave with their endpoint, and live by the options in force, like those of DEFAULT", async () => {
    const setup = byPriority();
    const s = await story(setup);
    s.client(get("/"));
    s.client(get("/high"));
    expect(s.upstream()).toHaveLength(2);
    await s.apply(withCluster(setup, (app) => ({ common: { ...app.common, maxRequestsPerConnection: 1 } })));
    const clients = [s.client(get("/")), s.client(get("/high"))];
    s.settle();
    expect(clients.map((client) => gist(client.received))).toEqual(["200 ok", "200 ok"]);
    expect(s.upstream().map((peer) => peer.ended)).toEqual([true, true]);

    await s.apply(withCluster(setup, () => ({})));
    s.client(get("/"));
    s.client(get("/high"));
    expect(s.upstream()).toHaveLength(4);
    const elsewhere = cluster("app", [at("10.0.0.9:8080")]);
    await s.apply({ ...storySnapshot(setup), clusters: [elsewhere] });
    s.settle();
    expect(s.upstream().map((peer) => peer.ended)).toEqual([true, true, true, true]);
    s.expectNothingLeft();
  });
});

describe("options that change under a living pool", () => {
  const quick = (app: Cluster) => ({ common: { ...app.common, idleTimeout: 1000 } });

  test("idle_timeout holds from the next idle time on", async () => {
    const s = await story();
    s.client(get());
    await s.apply(withCluster({}, quick));
    s.client(get());
    s.advance(900);
    expect(s.upstream().map((peer) => peer.ended)).toEqual([false]);
    s.advance(200);
    expect(s.upstream().map((peer) => peer.ended)).toEqual([true]);
    s.expectNothingLeft();
  });

  test("response limits hold for the next connection", async () => {
    const s = await story({
      origins: [answers(`HTTP/1.1 200 OK\r\nx: ${"v".repeat(5000)}\r\ncontent-length: 0\r\n\r\n`)],
    });
    expect(gist(s.client(get()).received)).toBe("200 ");
    await s.apply(withCluster({}, () => ({ maxResponseHeadersBytes: 4096 })));
    s.upstream()[0].close();
    s.settle();
    expect(gist(s.client(get()).received)).toStartWith("502 ");
    s.expectNothingLeft();
  });

  test("the case of header names holds for the next connection", async () => {
    const heads: string[] = [];
    const s = await story({
      origins: [
        (peer) => {
          if (!peer.received.endsWith("\r\n\r\n")) return;
          heads.push(peer.take());
          peer.send(OK);
        },
      ],
    });
    s.client(get("/", "X-TWO-words: 1\r\n"));
    expect(heads[0]).toContain("\r\nx-two-words: 1\r\n");
    await s.apply(withCluster({}, (app) => ({ http1: { ...app.http1, headerKeyFormat: "PROPER_CASE" } })));
    s.upstream()[0].close();
    s.settle();
    s.client(get("/", "X-TWO-words: 1\r\n"));
    expect(heads[1]).toContain("\r\nX-Two-Words: 1\r\n");
    expect(heads[1]).toContain("\r\nHost: a.example\r\n");
    s.expectNothingLeft();
  });
});

describe("LOGICAL_DNS", () => {
  const asked = new Map<Peer, string[]>();
  /** Answers, and remembers which paths each connection was asked for. */
  const noting: Script = (peer) => {
    const [, path] = /^GET (\S+) /.exec(peer.received) ?? [];
    if (path === undefined || !peer.received.endsWith("\r\n\r\n")) return;
    asked.set(peer, [...(asked.get(peer) ?? []), path]);
    peer.take();
    peer.send(OK);
  };
  const paths = (s: Story, origin: number) =>
    s.upstream(origin).map((peer) => (asked.get(peer) ?? []).join(" "));

  test("new connections go where the name points now; a connection that lives is used as long as it does", async () => {
    const named = (app: Cluster): Partial<Cluster> => ({
      type: "LOGICAL_DNS",
      loadAssignment: {
        ...(app.loadAssignment as ClusterLoadAssignment),
        localities: [
          {
            ...(app.loadAssignment as ClusterLoadAssignment).localities[0],
            endpoints: [endpoint(at("shop.test:8080"))],
          },
        ],
      },
    });
    const setup: StorySetup = { origins: [noting, noting], log: "%REQ(:PATH)% %UPSTREAM_HOST%\n" };
    const s = await story(setup);
    s.proxy.network.name("shop.test", ["10.0.0.1"]);
    await s.apply(withCluster(setup, named));
    s.settle();
    const client = s.client(get("/1"));
    s.proxy.network.name("shop.test", ["10.0.0.2", "10.0.0.1"]);
    s.advance(5001);
    s.send(client, get("/2"));
    s.upstream(0)[0].close();
    s.settle();
    s.send(client, get("/3"));
    expect([paths(s, 0), paths(s, 1)]).toEqual([["/1 /2"], ["/3"]]);
    expect(s.logs).toEqual(["/1 10.0.0.1:8080", "/2 10.0.0.1:8080", "/3 10.0.0.2:8080"]);
    expect(s.proxy.worker.clusterStatus()[0].endpoints.map(({ text, hostname }) => [text, hostname])).toEqual(
      [["10.0.0.2:8080", "shop.test"]],
    );
    await s.apply({ ...storySnapshot(setup), clusters: [] });
    s.expectNothingLeft();
  });
});

describe("EDS", () => {
  const eds = (name: string, edsServiceName: string, version = "1"): Cluster => ({
    ...cluster(name, [], { type: "EDS", loadAssignment: null }),
    edsServiceName,
    version,
  });
  const members = (clusterName: string, address: string, version: string): ClusterLoadAssignment => ({
    clusterName,
    version,
    overprovisioningFactor: 140,
    localities: [
      {
        locality: { region: "", zone: "", subZone: "" },
        priority: 0,
        weight: 0,
        endpoints: [endpoint(at(address))],
      },
    ],
  });
  const { listeners } = storySnapshot();
  const ask = (s: Story) => gist(s.client(get()).received);

  test("goes by the service name where there is one, for every cluster that names it", async () => {
    const s = await story();
    await s.apply(snapshot(listeners, []));
    await s.apply(
      snapshot(listeners, [eds("app", "svc"), eds("other", "svc")], {
        endpoints: [members("app", "10.0.0.9:1", "1")],
      }),
    );
    expect([...s.proxy.worker.warmingClusters].sort()).toEqual(["app", "other"]);
    await s.apply(
      snapshot(listeners, [eds("app", "svc"), eds("other", "svc")], {
        endpoints: [members("svc", "10.0.0.1:8080", "1")],
      }),
    );
    expect(s.proxy.worker.warmingClusters).toEqual([]);
    expect(ask(s)).toBe("200 ok");
    s.expectNothingLeft();
  });

  test("the same version is not counted as an update; one that is gone from the snapshot changes nothing", async () => {
    const s = await story();
    const endpoints = [members("app", "10.0.0.1:8080", "1")];
    await s.apply(snapshot(listeners, [eds("app", "")], { endpoints }));
    const before = s.stat("cluster.app.update_success");
    await s.apply(snapshot(listeners, [eds("app", "")], { endpoints }));
    await s.apply(snapshot(listeners, [eds("app", "")]));
    expect(s.stat("cluster.app.update_success")).toBe(before);
    expect(ask(s)).toBe("200 ok");
    s.expectNothingLeft();
  });

  test("a cluster that was removed and comes back gets the endpoints that are still there", async () => {
    const s = await story();
    const endpoints = [members("app", "10.0.0.1:8080", "1")];
    await s.apply(snapshot(listeners, [eds("app", "")], { endpoints }));
    await s.apply(snapshot(listeners, [], { endpoints }));
    expect(ask(s)).toBe("503 ");
    await s.apply(snapshot(listeners, [eds("app", "")], { endpoints }));
    expect(ask(s)).toBe("200 ok");
    s.expectNothingLeft();
  });

  test("a changed cluster keeps the endpoints that it has", async () => {
    const s = await story();
    const endpoints = [members("app", "10.0.0.1:8080", "1")];
    await s.apply(snapshot(listeners, [eds("app", "")], { endpoints }));
    await s.apply(snapshot(listeners, [{ ...eds("app", "", "2"), connectTimeout: 77 }], { endpoints }));
    expect(s.proxy.worker.warmingClusters).toEqual([]);
    expect(ask(s)).toBe("200 ok");
    s.expectNothingLeft();
  });
});

test("/clusters counts per endpoint what became of its requests", async () => {
  const script =
    (act: (peer: Peer) => unknown): Script =>
    (peer) => {
      if (peer.received.endsWith("\r\n\r\n")) act(peer);
    };
  const cases: [string, Script | null, object][] = [
    ["an answer", answers(OK), { rqSuccess: 1, rqError: 0 }],
    ["a 500", answers("HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n"), { rqSuccess: 0, rqError: 1 }],
    ["a FIN", script((peer) => peer.close()), { rqSuccess: 0, rqError: 1 }],
    ["a reset", script((peer) => peer.reset()), { rqSuccess: 0, rqError: 1 }],
    ["garbage", answers("garbage\r\n\r\n"), { rqSuccess: 0, rqError: 1 }],
    ["nothing, and the client leaves", silent, { rqSuccess: 0, rqError: 0 }],
    ["nobody there", null, { rqTotal: 0, rqSuccess: 0, rqError: 1, cxConnectFail: 1 }],
  ];
  for (const [name, origin, counts] of cases) {
    const s = await story({ origins: [origin] });
    const client = s.client(get());
    client.reset();
    s.settle();
    const [{ endpoints }] = s.proxy.worker.clusterStatus();
    const expected = { cxTotal: 1, cxConnectFail: 0, rqTotal: 1, rqActive: 0, rqTimeout: 0, ...counts };
    expect({ name, ...endpoints[0] }).toMatchObject({ name, ...expected });
    s.expectNothingLeft();
  }
});

describe("what Envoy 1.40 counts of an upstream's failings", () => {
  const HALF = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello";
  const CHUNKED = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
  const then =
    (bytes: string, act: (peer: Peer) => unknown = () => {}): Script =>
    (peer) => {
      if (!peer.received.endsWith("\r\n\r\n")) return;
      peer.take();
      if (bytes !== "") peer.send(bytes);
      act(peer);
    };
  let later: (act: () => void) => void;
  const tries = retryPolicy({ retryOn: ["5xx"], numRetries: 1 });
  test.each<[string, Script | null, NonNullable<StorySetup["action"]>, object]>([
    ["silence, route timeout", silent, { timeout: 300 }, { rqError: 1, rqTimeout: 1 }],
    ["half an answer, route timeout", then(HALF), { timeout: 300 }, { rqSuccess: 1, rqTimeout: 1 }],
    ["no connection, route timeout", null, { timeout: 300 }, { rqTotal: 0 }],
    [
      "silence, two tries of 300 ms",
      silent,
      { retryPolicy: { ...tries, perTryTimeout: 300 } },
      { rqTotal: 2, rqError: 2, rqTimeout: 2 },
    ],
    [
      "silence, two tries of 300 ms without a byte",
      silent,
      { retryPolicy: { ...tries, perTryIdleTimeout: 300 } },
      { rqTotal: 2, rqError: 2, rqTimeout: 2 },
    ],
    ["silence, stream idle timeout", silent, { idleTimeout: 300 }, {}],
    ["silence, max_stream_duration", silent, { maxStreamDuration: 300 }, {}],
    ["a 200, cut by a FIN", then(HALF, (peer) => peer.close()), {}, { rqSuccess: 1 }],
    ["a 200, cut by a reset", then(HALF, (peer) => later(() => peer.reset())), {}, { rqSuccess: 1 }],
    ["a 503, cut by a FIN", then(HALF.replace("200", "503"), (peer) => peer.close()), {}, { rqError: 1 }],
    ["garbage within an answer", then(`${CHUNKED}5\r\nhello\r\nzz\r\n`), {}, { rqSuccess: 1 }],
    ["no answer but a FIN", then("", (peer) => peer.close()), {}, { rqError: 1 }],
    ["garbage", then("garbage\r\n\r\n"), {}, { rqError: 1 }],
  ])("%s", async (name, origin, action, counts) => {
    const s = await story({ origins: [origin], action, cluster: { connectTimeout: 10_000 } });
    later = (act) => s.proxy.network.schedule.after(100, act);
    if (origin === null) s.proxy.network.failConnects(at("10.0.0.1:8080"), "ETIMEDOUT");
    s.client(get());
    s.advance(2000);
    const [{ endpoints }] = s.proxy.worker.clusterStatus();
    const expected = { rqTotal: 1, rqActive: 0, rqSuccess: 0, rqError: 0, rqTimeout: 0, ...counts };
    expect({ name, ...endpoints[0] }).toMatchObject({ name, ...expected });
    expect(s.stat("cluster.app.upstream_rq_rx_reset")).toBe(0);
    expect(s.stat("cluster.app.upstream_rq_tx_reset")).toBe(0);
  });
});

test("one word about each cluster for the admin pages, ready or not", async () => {
  const s = await story();
  const { listeners } = storySnapshot();
  const waiting = { ...cluster("later", [], { type: "EDS", loadAssignment: null }), version: "1" };
  await s.apply(snapshot(listeners, [cluster("app", [at("10.0.0.1:8080")]), waiting]));
  const status = s.proxy.worker.clusterStatus();
  expect(status.map(({ name }) => name)).toEqual(["app", "later"]);
  s.expectNothingLeft();
});
