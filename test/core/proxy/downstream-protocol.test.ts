/** Clusters that speak to their endpoints as the client speaks to the proxy (`use_downstream_protocol_config`). */
import { describe, expect, test } from "bun:test";
import type { Cluster } from "../../../core/config/model.ts";
import { RequestHead } from "../../../core/http/head.ts";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import { get, gist, type Story, type StorySetup, story, storySnapshot } from "../../support/engine-story.ts";
import { GET, type Http2Peer } from "../../support/http2-peer.ts";
import { bilingual, http2Client } from "../../support/http2-story.ts";
import { HTTP2, retryPolicy } from "../../support/snapshot-fixture.ts";
import { pair } from "../../support/tls-pair.ts";

const BY_CLIENT: Partial<Cluster> = { http2: HTTP2, protocolBy: "DOWNSTREAM" };

async function byClient(setup: StorySetup = {}) {
  const { spoken, waiting, script } = bilingual();
  const s = await story({ ...setup, cluster: { ...BY_CLIENT, ...setup.cluster }, origins: [script] });
  const finish = () => {
    for (const each of waiting.splice(0)) each();
    s.settle();
  };
  return { s, spoken, finish };
}

const open = (s: Story): readonly Peer[] => s.upstream().filter((peer) => !peer.ended && !peer.closed);

/** The body of the answer on stream 1, which has ended. */
function whole(client: Http2Peer): string {
  expect(client.heard().at(-1)).toEndWith(" end");
  return client.bodies.get(1) ?? "";
}

test("each client's version has connections of its own, which are kept", async () => {
  const { s, spoken, finish } = await byClient();
  const first = s.client(get());
  const second = http2Client(s);
  second.head(1, GET, { end: true });
  s.settle();
  expect(spoken).toEqual(["HTTP/1.1", "HTTP/2"]);
  finish();
  expect(gist(first.received)).toBe("200 ok");
  expect(whole(second)).toBe("ok");
  second.head(3, GET, { end: true });
  s.send(first, get());
  expect(spoken).toEqual(["HTTP/1.1", "HTTP/2", "HTTP/2", "HTTP/1.1"]);
  finish();
  expect(s.stat("cluster.app.upstream_cx_http1_total")).toBe(1);
  expect(s.stat("cluster.app.upstream_cx_http2_total")).toBe(1);
  expect(open(s).length).toBe(2);
  s.expectNothingLeft();
});

test("HTTP/1.0 is HTTP/1.1 to the endpoint", async () => {
  const http1 = { ...(storySnapshot().clusters[0] as Cluster).http1, acceptHttp10: true };
  const { s, spoken, finish } = await byClient({ manager: { http1 } });
  const user = s.client("GET / HTTP/1.0\r\nhost: a.example\r\n\r\n");
  expect(spoken).toEqual(["HTTP/1.1"]);
  finish();
  expect(gist(user.received)).toBe("200 ok");
  s.expectNothingLeft();
});

test("over TLS each asks for its own version by ALPN", async () => {
  const s = await pair({ cluster: BY_CLIENT, down: { alpn: ["h2", "http/1.1"] }, log: "%PROTOCOL%" });
  s.client(get());
  s.advance(100);
  const user = http2Client(s);
  user.head(1, GET, { end: true });
  s.advance(100);
  expect(s.logs).toEqual(["HTTP/1.1", "HTTP/2"]);
  expect(s.stat("cluster.peer.ssl.handshake")).toBe(2);
  s.expectNothingLeft();
});

test("a request that is tried again is so in its own version", async () => {
  const policy = retryPolicy({ retryOn: ["reset"] });
  const { s, spoken, finish } = await byClient({ action: { retryPolicy: policy } });
  for (const version of ["HTTP/1.1", "HTTP/2"]) {
    const user = version === "HTTP/2" ? http2Client(s) : s.client(get());
    if ("head" in user) user.head(1, GET, { end: true });
    s.settle();
    const [origin] = open(s);
    origin.reset();
    s.advance(100);
    expect(spoken.splice(0)).toEqual([version, version]);
    finish();
    const received = "heard" in user ? user.heard().join() : user.received;
    expect(received).toContain("ok");
    for (const peer of open(s)) peer.close();
    s.settle();
  }
  s.expectNothingLeft();
});

test("a filter's call is made by HTTP/1.1, and by HTTP/2 if it is one of gRPC", async () => {
  const { s, spoken, finish } = await byClient();
  const statuses: number[] = [];
  for (const type of ["text/plain", "application/grpc"]) {
    const head = new RequestHead();
    head.method = "GET";
    head.path = "/";
    head.authority = "call.example";
    head.fields.add("content-type", type);
    s.proxy.run(() => {
      s.context.callouts.send("app", head, new Uint8Array(0), 1000, {
        onAnswer: ({ status }) => statuses.push(status),
      });
    });
    s.settle();
  }
  expect(spoken).toEqual(["HTTP/1.1", "HTTP/2"]);
  finish();
  expect(statuses).toEqual([200, 200]);
  s.expectNothingLeft();
});

describe("circuit breakers", () => {
  test("max_connection_pools counts both", async () => {
    const { s, finish } = await byClient({ limits: { maxConnectionPools: 1 } });
    const first = s.client(get());
    const second = http2Client(s);
    second.head(1, GET, { end: true });
    s.settle();
    expect(second.heard()[0]).toStartWith("1 head :status=503 ");
    expect(s.stat("cluster.app.upstream_cx_pool_overflow")).toBe(1);
    finish();
    expect(gist(first.received)).toBe("200 ok");
    s.expectNothingLeft();
  });

  test("max_requests holds for both together", async () => {
    const { s, finish } = await byClient({ limits: { maxRequests: 1 } });
    const first = s.client(get());
    const second = http2Client(s);
    second.head(1, GET, { end: true });
    s.settle();
    expect(second.heard()[0]).toStartWith("1 head :status=503 ");
    finish();
    expect(gist(first.received)).toBe("200 ok");
    s.expectNothingLeft();
  });
});

for (const [what, change] of [
  ["the endpoint leaves", { origins: [] }],
  ["the cluster speaks one version alone", { cluster: { http2: null } }],
] as const) {
  test(`${what}: both finish what they carry, and go`, async () => {
    const { s, finish } = await byClient();
    const first = s.client(get());
    const second = http2Client(s);
    second.head(1, GET, { end: true });
    s.settle();
    await s.apply(storySnapshot(change));
    s.settle();
    expect(open(s).length).toBe(2);
    finish();
    expect(gist(first.received)).toBe("200 ok");
    expect(whole(second)).toBe("ok");
    expect(open(s).length).toBe(0);
    s.expectNothingLeft();
  });
}
