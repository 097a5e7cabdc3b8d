/** What the router filter can be told, and what an internal client may ask of it. */
import { describe, expect, test } from "bun:test";
import type { HttpConnectionManager, RouterOptions } from "../../../core/config/model.ts";
import { ROUTER_DEFAULTS } from "../../../core/xds/router-options.ts";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import { get, gist, OK, type Script, type StorySetup, silent, story } from "../../support/engine-story.ts";

/** Everybody on this machine may command the proxy. */
const INTERNAL: Partial<HttpConnectionManager> = {
  useRemoteAddress: true,
  internalCidrRanges: [{ ip: "127.0.0.0", prefixLength: 8 }],
};

/** A story whose router has these options and whose clients are internal; `seen` is what reached the origin. */
async function told(options: Partial<RouterOptions>, setup: StorySetup = {}) {
  const seen: string[] = [];
  const script: Script = (peer: Peer) => {
    if (!peer.received.endsWith("\r\n\r\n")) return;
    seen.push(peer.take());
    peer.send(OK);
  };
  const router = { ...ROUTER_DEFAULTS, ...options };
  const s = await story({ origins: [script], ...setup, manager: { ...INTERNAL, router, ...setup.manager } });
  return { s, seen };
}

const ownFields = (head: string): string[] =>
  head
    .split("\r\n")
    .map((line) => line.split(":")[0])
    .filter((name) => name.startsWith("x-envoy-") && name !== "x-envoy-internal");

describe("suppress_envoy_headers", () => {
  const rewriting: StorySetup = { action: { prefixRewrite: "/new/", hostRewriteLiteral: "b.example" } };

  test("without it the upstream hears of rewrites and time-outs, and the client of the time that it took", async () => {
    const { s, seen } = await told({}, rewriting);
    const { received } = s.client(get("/old"));
    expect(ownFields(seen[0]).sort()).toEqual([
      "x-envoy-expected-rq-timeout-ms",
      "x-envoy-original-host",
      "x-envoy-original-path",
    ]);
    expect(ownFields(received)).toEqual(["x-envoy-upstream-service-time"]);
    s.expectNothingLeft();
  });

  test("with it neither hears anything", async () => {
    const { s, seen } = await told({ suppressEnvoyHeaders: true }, rewriting);
    const { received } = s.client(get("/old"));
    expect(seen[0]).toStartWith("GET /new/old HTTP/1.1\r\nhost: b.example\r\n");
    expect([...ownFields(seen[0]), ...ownFields(received)]).toEqual([]);
    s.expectNothingLeft();
  });

  test("an overflow says no x-envoy-overloaded", async () => {
    for (const suppressEnvoyHeaders of [false, true]) {
      const { s } = await told({ suppressEnvoyHeaders }, { limits: { maxRequests: 0 } });
      const { received } = s.client(get());
      expect(received.includes("x-envoy-overloaded: true\r\n")).toBe(!suppressEnvoyHeaders);
      expect(s.stat("cluster.app.upstream_rq_active_overflow")).toBe(1);
      expect(s.stat("cluster.app.upstream_rq_pending_overflow")).toBe(0);
      s.expectNothingLeft();
    }
  });

  test("what the virtual host wants to be counted is still told", async () => {
    const { s, seen } = await told(
      { suppressEnvoyHeaders: true },
      { virtualHost: { includeRequestAttemptCount: true, includeAttemptCountInResponse: true } },
    );
    const { received } = s.client(get());
    expect(ownFields(seen[0])).toEqual(["x-envoy-attempt-count"]);
    expect(ownFields(received)).toEqual(["x-envoy-attempt-count"]);
    s.expectNothingLeft();
  });
});

describe("strict_check_headers", () => {
  const strictCheckHeaders = [
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-max-retries",
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
  ];

  test.each([
    "x-envoy-upstream-rq-timeout-ms: 5000",
    "x-envoy-max-retries: 0",
    "x-envoy-retry-on: 5xx, reset,",
    "x-envoy-retry-on:",
    "x-envoy-retry-grpc-on: cancelled",
    "x-envoy-upstream-rq-per-try-timeout-ms: not in the list",
  ])("%s goes on", async (field) => {
    const { s } = await told({ strictCheckHeaders });
    expect(gist(s.client(get("/", `${field}\r\n`)).received)).toBe("200 ok");
    s.expectNothingLeft();
  });

  test.each([
    ["x-envoy-upstream-rq-timeout-ms", "1.5"],
    ["x-envoy-upstream-rq-timeout-ms", ""],
    ["x-envoy-max-retries", "-1"],
    ["x-envoy-max-retries", "99999999999999999999"],
    ["x-envoy-retry-on", "5xx,never"],
    ["x-envoy-retry-on", "cancelled"],
    ["x-envoy-retry-grpc-on", "5xx"],
  ])("%s: %j is answered with 400, and the connection ends", async (name, value) => {
    const { s, seen } = await told({ strictCheckHeaders });
    const client = s.client(get("/", `${name}: ${value}\r\n`));
    expect(gist(client.received)).toBe(`400 invalid header '${name}' with value '${value}'`);
    expect(client.ended).toBe(true);
    expect(seen).toEqual([]);
    expect(s.logs).toEqual([`GET / 400 IH request_headers_failed_strict_check{${name}}`]);
    s.expectNothingLeft();
  });

  test("a stranger's are taken away before, as always", async () => {
    const { s } = await told({ strictCheckHeaders }, { manager: { internalCidrRanges: [] } });
    expect(gist(s.client(get("/", "x-envoy-max-retries: many\r\n")).received)).toBe("200 ok");
    s.expectNothingLeft();
  });
});

describe("respect_expected_rq_timeout", () => {
  const asked = "x-envoy-expected-rq-timeout-ms: 300\r\n";

  test("the time-out that the proxy before us announced is the route's", async () => {
    const { s } = await told({ respectExpectedRqTimeout: true }, { origins: [silent] });
    const client = s.client(get("/", asked));
    s.advance(290);
    expect(client.received).toBe("");
    s.advance(20);
    expect(gist(client.received)).toBe("504 upstream request timeout");
    s.expectNothingLeft();
  });

  test("otherwise it is written anew", async () => {
    const { s, seen } = await told({});
    s.client(get("/", asked));
    expect(seen[0]).toContain("x-envoy-expected-rq-timeout-ms: 15000\r\n");
    s.expectNothingLeft();
  });

  test("it counts more than the client's own wish, which goes on", async () => {
    const { s, seen } = await told({ respectExpectedRqTimeout: true });
    s.client(get("/", `${asked}x-envoy-upstream-rq-timeout-ms: 7\r\n`));
    expect(seen[0]).toContain("x-envoy-expected-rq-timeout-ms: 300\r\n");
    expect(seen[0]).toContain("x-envoy-upstream-rq-timeout-ms: 7\r\n");
    s.expectNothingLeft();
  });
});

test("dynamic_stats off: no answer is counted by its code", async () => {
  for (const dynamicStats of [true, false]) {
    const { s } = await told({ dynamicStats });
    s.client(get());
    expect(s.stat("cluster.app.upstream_rq_200")).toBe(dynamicStats ? 1 : 0);
    expect(s.stat("cluster.app.upstream_rq_total")).toBe(1);
    s.expectNothingLeft();
  }
});

describe("x-envoy-upstream-alt-stat-name", () => {
  const named = (name: string) => `x-envoy-upstream-alt-stat-name: ${name}\r\n`;

  test("of an internal client counts its answers once more, and goes no further", async () => {
    const { s, seen } = await told({});
    s.client(get("/", named("batch")));
    s.client(get());
    expect(s.stat("cluster.app.batch.upstream_rq_200")).toBe(1);
    expect(s.stat("cluster.app.batch.internal.upstream_rq_2xx")).toBe(1);
    expect(s.stat("cluster.app.upstream_rq_200")).toBe(2);
    expect(seen[0]).not.toContain("alt-stat-name");
    s.expectNothingLeft();
  });

  test.each(["two words", "a,b", "x".repeat(65), ""])("%j is no name", async (name) => {
    const { s } = await told({});
    expect(gist(s.client(get("/", named(name))).received)).toBe("200 ok");
    expect(s.stat(`cluster.app.${name}.upstream_rq_200`)).toBe(0);
    s.expectNothingLeft();
  });

  test("there are a hundred names to a cluster, not more", async () => {
    const { s } = await told({});
    const client = s.client();
    for (let i = 0; i <= 100; i++) s.send(client, get("/", named(`n${i}`)));
    expect(s.stat("cluster.app.n99.upstream_rq_200")).toBe(1);
    expect(s.stat("cluster.app.n100.upstream_rq_200")).toBe(0);
    expect(s.stat("cluster.app.upstream_rq_200")).toBe(101);
    s.expectNothingLeft();
  });
});

test("x-envoy-force-trace of an internal client gets it the request's id", async () => {
  const { s } = await told({});
  const id = "x-request-id: 11111111-2222-4333-8444-555555555555\r\n";
  expect(s.client(get("/", `${id}x-envoy-force-trace: 1\r\n`)).received).toContain(id);
  expect(s.client(get("/", id)).received).not.toContain("x-request-id");
  s.expectNothingLeft();
});
