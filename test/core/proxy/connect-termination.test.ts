/** CONNECT that ends here (connect_config): what a refused tunnel is answered, and what an open one owes both sides. */
import { describe, expect, test } from "bun:test";
import { at } from "../../../runtime-adapters/memory/network.ts";
import { get, gist, type StorySetup, silent, story, storySnapshot } from "../../support/engine-story.ts";
import { cluster, route, routeTo } from "../../support/snapshot-fixture.ts";

const CONNECT = "CONNECT db.example:5432 HTTP/1.1\r\nhost: db.example:5432\r\n\r\n";
const TERMINATED = {
  ...route(
    "/",
    routeTo("app", { upgrades: [{ upgradeType: "connect", enabled: true, terminateConnect: true }] }),
  ),
  match: { ...route("/", routeTo("app")).match, path: { kind: "connect" } as const },
};

const tunnels = (setup: StorySetup = {}) => story({ routes: [TERMINATED], origins: [silent], ...setup });

describe("refused", () => {
  test("no endpoint: 503 UH", async () => {
    const s = await tunnels({ origins: [] });
    const client = s.client(CONNECT + get("/smuggled"));
    expect(gist(client.received)).toBe("503 no healthy upstream");
    expect(client.ended).toBe(true);
    expect(s.logs).toEqual(["CONNECT - 503 UH no_healthy_upstream"]);
    expect(s.stat("cluster.app.upstream_rq_5xx")).toBe(1);
    s.expectNothingLeft();
  });

  test.each([[{ maxRequests: 1 }], [{ maxConnections: 1 }]])("breakers: %j is 503 UO", async (limits) => {
    const s = await tunnels({ limits });
    const open = s.client(CONNECT);
    expect(open.take()).toStartWith("HTTP/1.1 200 OK\r\n");
    const refused = s.client(CONNECT);
    expect(gist(refused.received).slice(0, 3)).toBe("503");
    expect(refused.received).toContain("x-envoy-overloaded: true\r\n");
    expect(s.logs[0]).toStartWith("CONNECT - 503 UO ");
    expect(s.stat("cluster.app.upstream_cx_overflow")).toBe(1);
    open.reset();
    s.settle();
    expect(s.client(CONNECT).received).toStartWith("HTTP/1.1 200 OK\r\n");
    s.expectNothingLeft();
  });

  test("max_pending_requests: who would have to wait is 503 UO", async () => {
    const s = await tunnels({ limits: { maxPendingRequests: 0 } });
    expect(gist(s.client(CONNECT).received).slice(0, 3)).toBe("503");
    expect(s.logs[0]).toStartWith("CONNECT - 503 UO ");
    expect(s.stat("cluster.app.upstream_rq_pending_overflow")).toBe(1);
    expect(s.stat("cluster.app.upstream_cx_total")).toBe(0);
    s.expectNothingLeft();
  });

  test("connect_timeout: 503 UF", async () => {
    const s = await tunnels({ cluster: { connectTimeout: 200 } });
    s.proxy.network.failConnects(at("10.0.0.1:8080"), "ETIMEDOUT");
    const client = s.client(CONNECT);
    s.advance(150);
    expect(client.received).toBe("");
    s.advance(100);
    expect(gist(client.received)).toBe(
      "503 upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
    );
    expect(s.logs[0]).toStartWith("CONNECT - 503 UF ");
    s.expectNothingLeft();
  });

  test("a client that leaves before the upstream is there takes the attempt with it", async () => {
    const s = await tunnels();
    s.proxy.network.failConnects(at("10.0.0.1:8080"), "ETIMEDOUT");
    const client = s.client(CONNECT);
    expect(s.stat("cluster.app.upstream_cx_active")).toBe(1);
    client.reset();
    s.settle();
    expect(s.stat("cluster.app.upstream_cx_active")).toBe(0);
    expect(s.stat("cluster.app.upstream_rq_active")).toBe(0);
    s.expectNothingLeft();
  });
});

describe("open", () => {
  const SIZE = 1_000_000;
  const SLOW = { network: { buffer: 16 * 1024 } };

  test("a client that does not read pauses the upstream, and gets everything in the end", async () => {
    const s = await tunnels(SLOW);
    const client = s.client(CONNECT);
    client.take();
    client.pause();
    const [origin] = s.upstream();
    s.send(origin, "x".repeat(SIZE));
    s.advance(100);
    expect(origin.unsentBytes).toBeGreaterThan(SIZE / 2);
    client.resume();
    s.advance(100);
    expect(client.received).toHaveLength(SIZE);
    s.expectNothingLeft();
  });

  test("an upstream that does not read pauses the client, and gets everything in the end", async () => {
    const s = await tunnels(SLOW);
    const client = s.client(CONNECT);
    const origin = s.upstream()[0].pause();
    s.send(client, "x".repeat(SIZE));
    s.advance(100);
    expect(client.unsentBytes).toBeGreaterThan(SIZE / 2);
    origin.resume();
    s.advance(100);
    expect(origin.received).toHaveLength(SIZE);
    s.expectNothingLeft();
  });

  test("outlives the route's timeout, not the stream's silence; bytes either way are no silence", async () => {
    const s = await tunnels({ manager: { streamIdleTimeout: 20_000 } });
    const client = s.client(CONNECT);
    const [origin] = s.upstream();
    for (let i = 0; i < 4; i++) {
      s.advance(15_000);
      s.send(i % 2 === 0 ? client : origin, "x");
    }
    expect([client.ended, origin.ended]).toEqual([false, false]);
    s.advance(21_000);
    expect([client.ended || client.closed, origin.ended || origin.closed]).toEqual([true, true]);
    expect(s.logs[0]).toStartWith("CONNECT - 200 SI ");
    s.expectNothingLeft();
  });

  test("counts what it carried, and lives on when its cluster is taken away", async () => {
    const setup = {
      routes: [TERMINATED],
      log: "%RESPONSE_CODE% %BYTES_RECEIVED%/%BYTES_SENT% %UPSTREAM_HOST%",
    };
    const s = await tunnels(setup);
    const client = s.client(`${CONNECT}abc`);
    await s.apply({ ...storySnapshot(setup), clusters: [cluster("other", [])] });
    s.send(s.upstream()[0], "12345");
    expect(client.received).toEndWith("12345");
    client.end();
    s.settle();
    s.upstream()[0].end();
    s.settle();
    expect(s.logs).toEqual(["200 3/5 10.0.0.1:8080"]);
    s.expectNothingLeft();
  });
});

test("a log says - for the path that CONNECT does not have, and for all that garbage does not have", async () => {
  const s = await tunnels({ origins: [null] });
  s.client(CONNECT);
  s.client("garbage\r\n\r\n");
  expect(s.logs[0]).toStartWith("CONNECT - 503 UF ");
  expect(s.logs[1]).toStartWith("- - 400 DPE ");
  s.expectNothingLeft();
});
