/** Clusters that speak either version of HTTP: as ALPN says (`auto_config`), connection by connection. */
import { describe, expect, test } from "bun:test";
import type { Cluster, Snapshot } from "../../../core/config/model.ts";
import { PLAIN_SAILING } from "../../../runtime-adapters/memory/fake-tls.ts";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import { Random } from "../../../runtime-adapters/memory/random.ts";
import { answers, get, gist, OK, type Story, silent } from "../../support/engine-story.ts";
import { cluster, HTTP2, retryPolicy } from "../../support/snapshot-fixture.ts";
import { changePeer, type Pair, pair, SSL_IN, snapshots } from "../../support/tls-pair.ts";

/** What the endpoint, a proxy as well, agrees to. Nothing: it knows no protocol that anybody asks for. */
type Speech = "h2" | "http/1.1" | "nothing";

const speaking = (speech: Speech) => ({ alpn: [speech] });

/** Its cluster speaks what ALPN says; a handshake takes 30 ms. */
async function auto(speech: Speech, setup: Pair = {}): Promise<Story> {
  const s = await pair({
    ...setup,
    cluster: { http2: HTTP2, protocolBy: "ALPN", ...setup.cluster },
    down: { ...speaking(speech), ...setup.down },
  });
  s.proxy.network.tls = { ...PLAIN_SAILING, delay: 10 };
  return s;
}

const clients = (s: Story, count: number): Peer[] => Array.from({ length: count }, () => s.client(get()));

const expectAnswers = (peers: readonly Peer[]) => {
  for (const peer of peers) expect(gist(peer.received)).toBe("200 ok");
};

/** Connections so far, of either version and in all. */
const made = (s: Story) => ({
  http1: s.stat("cluster.peer.upstream_cx_http1_total"),
  http2: s.stat("cluster.peer.upstream_cx_http2_total"),
  all: s.stat("cluster.peer.upstream_cx_total"),
});

/**
 * The endpoint's next connections agree to something else, and those that are there come to an end. So may the cluster
 * be another.
 */
async function changeMind(s: Story, speech: Speech, peer: Partial<Cluster> = {}): Promise<void> {
  const snapshot = snapshots.get(s) as Snapshot;
  const listeners = snapshot.listeners.map((each) => {
    if (each.name !== "in") return each;
    const filterChains = each.filterChains.map((chain) => ({
      ...chain,
      tls: chain.tls && { ...chain.tls, ...speaking(speech) },
    }));
    return { ...each, version: speech, filterChains };
  });
  const clusters = snapshot.clusters.map((each) =>
    each.name === "peer" ? { ...each, ...peer, version: Object.entries(peer).join(" ") } : each,
  );
  await s.apply({ ...snapshot, listeners, clusters });
}

/** What a cluster may be changed to. */
const CLUSTERS: readonly Partial<Cluster>[] = [
  {},
  { protocolBy: undefined },
  { protocolBy: undefined, http2: null },
  { protocolBy: "DOWNSTREAM" },
  { tls: null, protocolBy: undefined, http2: null },
];

describe("what the endpoint agrees to decides", () => {
  for (const [speech, expected] of [
    ["h2", { http1: 0, http2: 1, all: 1 }],
    ["http/1.1", { http1: 1, http2: 0, all: 1 }],
    ["nothing", { http1: 1, http2: 0, all: 1 }],
  ] as const) {
    test(speech, async () => {
      const s = await auto(speech);
      const user = s.client(get());
      s.advance(100);
      s.send(user, get());
      s.advance(100);
      expect(user.received.split("HTTP/1.1 200 OK").length).toBe(3);
      expect(made(s)).toEqual(expected);
      expect(s.stat("cluster.peer.ssl.handshake")).toBe(1);
      s.expectNothingLeft();
    });
  }

  test("and a transport socket that names its own protocols asks for nothing else", async () => {
    const s = await auto("h2", { up: { alpn: ["http/1.1"] }, down: { alpn: ["h2", "http/1.1"] } });
    s.client(get());
    s.advance(100);
    expect(made(s)).toEqual({ http1: 1, http2: 0, all: 1 });
    s.expectNothingLeft();
  });

  test("HTTP/2 has no numbers of its own before it is spoken", async () => {
    const s = await auto("http/1.1");
    s.client(get());
    s.advance(100);
    s.gauges(); // whoever looks makes none
    const names = s.proxy.stats
      .export()
      .scopes.flatMap(({ prefix, sets }) => sets.map(({ at }) => prefix + at));
    expect(names.filter((name) => name.startsWith("cluster.peer.http2"))).toEqual([]);
    s.expectNothingLeft();
  });
});

describe("how many connections are made", () => {
  test("one for all that wait, since it might speak HTTP/2", async () => {
    const s = await auto("h2");
    const users = clients(s, 5);
    expect(made(s)).toEqual({ http1: 0, http2: 0, all: 1 });
    s.advance(100);
    expectAnswers(users);
    expect(made(s)).toEqual({ http1: 0, http2: 1, all: 1 });
    s.expectNothingLeft();
  });

  test("as many as its streams ask for", async () => {
    const s = await auto("h2", { cluster: { http2: { ...HTTP2, maxConcurrentStreams: 2 } } });
    const users = clients(s, 5);
    expect(made(s).all).toBe(3);
    s.advance(100);
    expectAnswers(users);
    expect(made(s)).toEqual({ http1: 0, http2: 3, all: 3 });
    s.expectNothingLeft();
  });

  test("one for each as soon as it is known to speak HTTP/1; the next time at once", async () => {
    const s = await auto("http/1.1", { answer: silent });
    const users = clients(s, 5);
    expect(made(s).all).toBe(1);
    s.advance(30);
    expect(made(s)).toEqual({ http1: 1, http2: 0, all: 5 });
    s.advance(100);
    const more = clients(s, 3);
    expect(made(s)).toEqual({ http1: 5, http2: 0, all: 8 });
    s.advance(100);
    for (const origin of s.upstream()) s.send(origin, OK);
    s.advance(100);
    expectAnswers([...users, ...more]);
    expect(made(s)).toEqual({ http1: 8, http2: 0, all: 8 });
    s.expectNothingLeft();
  });
});

describe("an endpoint that changes its mind", () => {
  for (const [from, to, expected] of [
    ["h2", "http/1.1", { http1: 3, http2: 1, all: 4 }],
    ["http/1.1", "h2", { http1: 1, http2: 1, all: 4 }],
  ] as const) {
    test(`from ${from} to ${to}`, async () => {
      const s = await auto(from);
      s.client(get());
      s.advance(100);
      await changeMind(s, to);
      s.advance(70_000); // the listener that was there before has let go of its connections
      const users = clients(s, 3);
      s.advance(100);
      expectAnswers(users);
      // From HTTP/1 three are made, of which the first one that is there takes all requests, and two are idle.
      if (to === "h2") expect(made(s)).toEqual({ ...expected, http2: 3 });
      else expect(made(s)).toEqual(expected);
      s.client(get());
      s.advance(100);
      expect(made(s).all).toBe(expected.all);
      s.expectNothingLeft();
    });
  }

  test("while requests are under way: both are used side by side", async () => {
    const s = await auto("http/1.1", { answer: silent });
    const first = s.client(get());
    s.advance(100);
    await changeMind(s, "h2");
    const second = s.client(get());
    s.advance(100);
    expect(made(s)).toEqual({ http1: 1, http2: 1, all: 2 });
    for (const origin of s.upstream()) s.send(origin, OK);
    s.advance(100);
    expectAnswers([first, second]);
    s.expectNothingLeft();
  });
});

describe("circuit breakers", () => {
  test("max_connections: those who wait share the one connection of HTTP/1, one after the other", async () => {
    const s = await auto("http/1.1", { limits: { maxConnections: 1 } });
    const users = clients(s, 4);
    s.advance(200);
    expectAnswers(users);
    expect(made(s)).toEqual({ http1: 1, http2: 0, all: 1 });
    expect(s.stat("cluster.peer.upstream_cx_overflow")).toBe(1);
    s.expectNothingLeft();
  });

  test("max_pending_requests: who finds the queue full is refused", async () => {
    const s = await auto("h2", { limits: { maxPendingRequests: 2 } });
    const users = clients(s, 3);
    s.advance(100);
    expectAnswers(users.slice(0, 2));
    expect(users[2].received).toStartWith("HTTP/1.1 503 ");
    expect(s.stat("cluster.peer.upstream_rq_pending_overflow")).toBe(1);
    s.expectNothingLeft();
  });

  test("max_requests holds for the streams of one connection", async () => {
    const s = await auto("h2", { limits: { maxRequests: 2 }, answer: silent });
    const users = clients(s, 3);
    s.advance(100);
    expect(users.map((user) => user.received.slice(9, 12))).toEqual(["", "", "503"]);
    for (const origin of s.upstream()) s.send(origin, OK);
    s.advance(100);
    expectAnswers(users.slice(0, 2));
    s.expectNothingLeft();
  });
});

describe("the life of a connection", () => {
  const common = (change: object) => ({
    common: { ...cluster("x", []).common, ...change },
  });

  for (const [speech, all] of [
    ["h2", 2],
    ["http/1.1", 4],
  ] as const) {
    test(`${speech}: as many requests as max_requests_per_connection`, async () => {
      const maxRequestsPerConnection = speech === "h2" ? 2 : 1;
      const s = await auto(speech, { cluster: common({ maxRequestsPerConnection }) });
      const users = clients(s, 4);
      s.advance(200);
      expectAnswers(users);
      expect(made(s).all).toBe(all);
      expect(s.stat("cluster.peer.upstream_cx_active")).toBe(0);
      s.expectNothingLeft();
    });

    test(`${speech}: max_connection_duration begins with the handshake`, async () => {
      const s = await auto(speech, { cluster: common({ maxConnectionDuration: 1000 }) });
      s.client(get());
      s.advance(990);
      expect(s.stat("cluster.peer.upstream_cx_active")).toBe(1);
      s.advance(10);
      expect(s.stat("cluster.peer.upstream_cx_active")).toBe(0);
      expect(s.stat("cluster.peer.upstream_cx_max_duration_reached")).toBe(1);
      s.expectNothingLeft();
    });
  }
});

describe("handshakes that fail", () => {
  const failure = { ...PLAIN_SAILING, delay: 10, failure: "server", detail: "NO" } as const;

  test("fail who waits, with the reason", async () => {
    const s = await auto("h2", { outboundLog: "%RESPONSE_FLAGS% %UPSTREAM_TRANSPORT_FAILURE_REASON%" });
    s.proxy.network.tls = failure;
    const users = clients(s, 2);
    s.advance(100);
    for (const user of users) expect(user.received).toStartWith("HTTP/1.1 503 ");
    expect(s.logs).toEqual(["UF TLS_error:ALERT_40", "UF TLS_error:ALERT_40"]);
    expect(s.stat("cluster.peer.upstream_cx_connect_fail")).toBe(1);
    expect(made(s)).toEqual({ http1: 0, http2: 0, all: 1 });
    s.expectNothingLeft();
  });

  test("are tried again where a policy says so", async () => {
    const policy = retryPolicy({ retryOn: ["connect-failure"] });
    const s = await auto("h2", { action: { retryPolicy: policy } });
    s.proxy.network.tls = failure;
    const users = clients(s, 2);
    s.advance(20);
    s.proxy.network.tls = { ...PLAIN_SAILING, delay: 10 };
    s.advance(300);
    expectAnswers(users);
    expect(s.stat("cluster.peer.upstream_rq_retry_success")).toBe(2);
    expect(made(s)).toEqual({ http1: 0, http2: 1, all: 2 });
    s.expectNothingLeft();
  });

  test("by taking too long", async () => {
    const s = await auto("h2", { cluster: { connectTimeout: 500 } });
    s.proxy.network.tls = { ...PLAIN_SAILING, delay: 10_000 };
    const user = s.client(get());
    s.advance(600);
    expect(user.received).toStartWith("HTTP/1.1 503 ");
    expect(s.stat("cluster.peer.upstream_cx_connect_timeout")).toBe(1);
    s.expectNothingLeft();
  });

  for (const [what, act] of [
    ["the clients go", (users: readonly Peer[]) => users.map((user) => user.close())],
    ["nobody goes", () => undefined],
  ] as const) {
    test(`while ${what}, nothing is left of them`, async () => {
      const s = await auto("http/1.1");
      const users = clients(s, 3);
      act(users);
      s.advance(100);
      s.expectNothingLeft();
    });
  }
});

describe("what changes in the midst of a handshake", () => {
  test("the endpoint leaves: its requests are answered, and the connection goes", async () => {
    for (const speech of ["h2", "http/1.1"] as const) {
      const s = await auto(speech);
      const users = clients(s, 3);
      await changePeer(s, ({ loadAssignment }) => ({
        loadAssignment: loadAssignment && { ...loadAssignment, version: "2", localities: [] },
      }));
      s.advance(200);
      expectAnswers(users);
      expect(s.stat("cluster.peer.upstream_cx_active")).toBe(0);
      s.expectNothingLeft();
    }
  });

  test("the cluster speaks HTTP/1 alone: the next connection does", async () => {
    const s = await auto("h2", { down: { alpn: ["h2", "http/1.1"] } });
    const first = s.client(get());
    await changePeer(s, () => ({ http2: null, protocolBy: undefined }));
    const second = s.client(get());
    s.advance(100);
    expectAnswers([first, second]);
    expect(made(s)).toEqual({ http1: 1, http2: 1, all: 2 });
    expect(s.stat("cluster.peer.upstream_cx_active")).toBe(1);
    s.expectNothingLeft();
  });
});

test("an endpoint of HTTP/1 is asked for it, and for nothing else, by a cluster of HTTP/1", async () => {
  const s = await pair({ down: { alpn: ["h2", "http/1.1"] }, log: "%DOWNSTREAM_TLS_VERSION% %PROTOCOL%" });
  s.client(get());
  s.advance(100);
  expect(s.logs).toEqual(["TLSv1.3 HTTP/1.1"]);
  expect(s.stat(`${SSL_IN}handshake`)).toBe(1);
  s.expectNothingLeft();
});

describe("disorder", () => {
  for (let seed = 1; seed <= 40; seed++) {
    test(`seed ${seed}`, async () => {
      const random = new Random(seed);
      const below = (n: number) => Math.floor(random.next() * n);
      const speeches = ["h2", "http/1.1", "nothing"] as const;
      const answering = below(2) === 0;
      const s = await auto(speeches[below(3)], {
        limits: { maxConnections: 1 + below(4), maxPendingRequests: 2 + below(8), maxRequests: 2 + below(8) },
        cluster: { connectTimeout: 100, http2: { ...HTTP2, maxConcurrentStreams: 1 + below(3) } },
        action:
          below(2) === 0
            ? {}
            : { retryPolicy: retryPolicy({ retryOn: ["connect-failure", "reset"], numRetries: 2 }) },
        answer: answering ? answers(OK) : silent,
      });
      const users: Peer[] = [];
      for (let step = 0; step < 40; step++) {
        const chosen = users[below(Math.max(1, users.length))];
        switch (below(7)) {
          case 0:
          case 1:
            users.push(s.client(get()));
            break;
          case 2:
            if (chosen !== undefined && !chosen.closed) chosen.close();
            break;
          case 3:
            await changeMind(s, speeches[below(3)], CLUSTERS[below(2) * below(CLUSTERS.length)]);
            break;
          case 4:
            s.proxy.network.tls = {
              ...PLAIN_SAILING,
              delay: below(60),
              failure: (["", "", "server", "client"] as const)[below(4)],
            };
            break;
          case 5: {
            const origin = s.upstream()[below(Math.max(1, s.upstream().length))];
            if (origin !== undefined && !origin.closed) {
              if (below(2) === 0) origin.reset();
              else if (origin.received !== "") s.send(origin, OK);
            }
            break;
          }
          default:
            s.advance(below(80));
        }
      }
      s.proxy.network.tls = PLAIN_SAILING;
      s.advance(20_000);
      // Whoever waited had a connection made for him, or was told that there is none.
      if (answering) for (const { received } of users) expect(received).not.toStartWith("HTTP/1.1 504 ");
      s.expectNothingLeft();
    });
  }
});
