/** Health checks on the wire: what endpoints are asked, by which connections, and what their answers come to. */
import { describe, expect, test } from "bun:test";
import { latin1 } from "../../../core/bytes/ascii.ts";
import type {
  GrpcQuestion,
  HealthCheck,
  HttpQuestion,
  TcpQuestion,
} from "../../../core/config/health-check.ts";
import type { Cluster } from "../../../core/config/model.ts";
import { framedMessage } from "../../../core/filter/grpc-message-reader.ts";
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
} from "../../support/engine-story.ts";
import { GRPC_QUESTION, HTTP_QUESTION, healthCheck, TCP_QUESTION } from "../../support/health-fixture.ts";
import type { Http2Peer } from "../../support/http2-peer.ts";
import { Origins, streamOf } from "../../support/http2-story.ts";
import {
  cluster,
  endpoint,
  HTTP2,
  ip,
  listener,
  NO_HEADERS,
  snapshot,
  tcpProxy,
} from "../../support/snapshot-fixture.ts";
import { pair } from "../../support/tls-pair.ts";

const ANSWER = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const SORRY = "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n";
const ONE = ip("10.0.0.1", 8080);

/** Asked every second, 100 ms long, and trusted or not at once. */
function check(question: HealthCheck["question"], change: Partial<HealthCheck> = {}): HealthCheck {
  return healthCheck({ timeout: 100, unhealthyThreshold: 1, healthyThreshold: 1, question, ...change });
}

function http(change: Partial<HttpQuestion> = {}, more: Partial<HealthCheck> = {}): HealthCheck {
  return check({ ...HTTP_QUESTION, ...change }, more);
}

/** A proxy whose origin is asked so; whatever happens at once has happened. */
async function asking(
  healthCheck: HealthCheck,
  origin: Script | null,
  setup: StorySetup = {},
): Promise<Story> {
  const s = await story({ origins: [origin], ...setup, cluster: { healthCheck, ...setup.cluster } });
  s.settle();
  return s;
}

function flags(s: Story): string[] {
  const MARKS = ["failed", "degraded", "pending removal", "pending", "excluded", "timeout"];
  return s.proxy.worker
    .clusterStatus()
    .flatMap(({ endpoints }) =>
      endpoints.map(({ marks }) => MARKS.filter((_, i) => marks & (1 << i)).join() || "healthy"),
    );
}

/** The checks end with their cluster, and nothing is left. */
async function end(s: Story): Promise<void> {
  await s.apply(snapshot([], []));
  s.expectNothingLeft();
}

/** Keeps what it is asked, and answers each request in turn with the next text, the last one again and again. */
function script(...texts: string[]): { readonly script: Script; readonly requests: string[] } {
  const requests: string[] = [];
  return {
    requests,
    script: (peer) => {
      if (!peer.received.includes("\r\n\r\n")) {
        if (peer.ended) peer.close();
        return;
      }
      requests.push(peer.take());
      peer.send(texts[Math.min(requests.length, texts.length) - 1]);
    },
  };
}

describe("HTTP/1", () => {
  test("a GET by the cluster's name, in Envoy's words; one connection, which counts nowhere", async () => {
    const origin = script(ANSWER);
    const s = await asking(http(), origin.script);
    expect(origin.requests).toEqual(["GET /health HTTP/1.1\r\nhost: app\r\nuser-agent: Envoy/HC\r\n\r\n"]);
    s.advance(1000);
    s.advance(1000);
    expect([origin.requests.length, s.upstream().length, flags(s)]).toEqual([3, 1, ["healthy"]]);
    for (const name of [
      "upstream_cx_total",
      "upstream_cx_active",
      "upstream_rq_total",
      "upstream_cx_tx_bytes_total",
    ])
      expect(s.stat(`cluster.app.${name}`)).toBe(0);
    expect(s.stat("cluster.app.health_check.success")).toBe(3);
    await end(s);
  });

  test("as it is configured: method, host, path, payload, fields", async () => {
    const origin = script(ANSWER);
    const add = (name: string, value: string) =>
      ({ name, value, action: "APPEND_IF_EXISTS_OR_ADD", keepEmptyValue: false }) as const;
    const s = await asking(
      http({
        method: "POST",
        host: "h",
        path: "/x?y",
        payload: "Hi",
        headersToAdd: [
          add("x-a", "5%% of %UPSTREAM_HOST%"),
          add("x-b", "%DOWNSTREAM_REMOTE_ADDRESS%"),
          add("x-c", "%REQ(X)%"),
        ],
        headersToRemove: ["user-agent"],
      }),
      origin.script,
    );
    const [head, body] = origin.requests[0].split("\r\n\r\n");
    expect([head.split("\r\n"), body]).toEqual([
      ["POST /x?y HTTP/1.1", "host: h", "x-a: 5% of 10.0.0.1:8080", "x-b: 127.0.0.1:0", "content-length: 2"],
      "Hi",
    ]);
    await end(s);
  });

  test("an endpoint's own name, port and address", async () => {
    const s = await story({ origins: [silent, silent] });
    const asked: string[] = [];
    for (const address of ["10.0.0.1:81", "10.0.0.9:82"]) {
      const [to, port] = address.split(":");
      s.proxy.network.serve(ip(to, Number(port)), (peer) => {
        if (peer.received.endsWith("\r\n\r\n")) {
          asked.push(`${address} ${/host: (.*)\r/.exec(peer.take())?.[1]}`);
          peer.send(ANSWER);
        }
      });
    }
    const own = { address: null, port: 81, hostname: "own.example", disabled: false };
    const endpoints = [
      endpoint(ONE, { healthCheck: own }),
      endpoint(ip("10.0.0.2", 8080), {
        healthCheck: { ...own, address: ip("10.0.0.9", 1), port: 82, hostname: "" },
      }),
    ];
    const plain = cluster("app", []);
    const loadAssignment = {
      ...plain.loadAssignment!,
      localities: [{ ...plain.loadAssignment!.localities[0], endpoints }],
    };
    await s.apply(
      snapshot([], [{ ...plain, version: "2", healthCheck: http({ host: "h" }), loadAssignment }]),
    );
    s.settle();
    expect(asked).toEqual(["10.0.0.1:81 own.example", "10.0.0.9:82 h"]);
    await end(s);
  });

  const statuses = http(
    { expected: [{ start: 200, end: 204 }], retriable: [{ start: 500, end: 503 }] },
    { unhealthyThreshold: 2 },
  );
  const response = (status: string, rest = "", body = "") =>
    `HTTP/1.1 ${status}\r\ncontent-length: ${body.length}\r\n${rest}\r\n${body}`;
  test.each([
    ["200", response("200 OK"), "healthy"],
    ["203", response("203 OK"), "healthy"],
    ["204", "HTTP/1.1 204 No\r\n\r\n", "failed"],
    ["503", response("503 Oh"), "failed"],
    ["500, which is retriable", response("500 Oh"), "healthy"],
    ["an interim answer before", `HTTP/1.1 100 Continue\r\n\r\n${ANSWER}`, "healthy"],
    ["less load, please", response("200 OK", "x-envoy-degraded:\r\n"), "degraded"],
    ["no, and at once", response("503 Oh", "x-envoy-immediate-health-check-fail: 1\r\n"), "failed,excluded"],
    [
      "yes, whatever else it says",
      response("200 OK", "x-envoy-immediate-health-check-fail: 1\r\n"),
      "healthy",
    ],
    ["another protocol", "HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "healthy"],
    ["garbage", "HTTP/1.1 abc\r\n\r\n", "healthy"],
    ["two answers", ANSWER + ANSWER, "healthy"],
  ])("%s", async (_, text, expected) => {
    const origin = script(ANSWER, text);
    const s = await asking(statuses, origin.script);
    s.advance(1000);
    expect(flags(s)).toEqual([expected]);
    await end(s);
  });

  test("answers that are no HTTP count as the network's fault", async () => {
    const s = await asking(statuses, script(ANSWER, "HTTP/1.1 abc\r\n\r\n").script);
    s.advance(1000);
    s.advance(1000);
    expect(flags(s)).toEqual(["failed"]);
    expect(s.stat("cluster.app.health_check.network_failure")).toBe(2);
    await end(s);
  });

  const body = (text: string) => `HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
  test.each([
    ["aaXXbb", "healthy"],
    ["bbaa", "failed"],
    ["aa", "failed"],
    ["aab", "failed"],
    [`${"x".repeat(20)}aabb`, "failed"], // beyond what is looked at
    [`${"x".repeat(12)}aabb`, "healthy"],
    ["", "failed"],
  ])("what must be in the body: %s", async (text, expected) => {
    const s = await asking(http({ receive: ["aa", "bb"], bodyLimit: 16 }), script(body(text)).script);
    expect(flags(s)).toEqual([expected]);
    await end(s);
  });

  test("a body that comes in pieces is searched as one", async () => {
    const s = await asking(http({ receive: ["needle"] }), (peer) => {
      if (peer.take() !== "") peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nxxne");
    });
    s.advance(10);
    s.send(s.upstream()[0], "edle");
    expect(flags(s)).toEqual(["failed"]); // it is not whole
    s.send(s.upstream()[0], "..");
    expect(flags(s)).toEqual(["healthy"]);
    await end(s);
  });

  test("… in each answer anew", async () => {
    const s = await asking(http({ receive: ["aa"] }), script(body("aa"), body("")).script);
    s.advance(1000);
    expect(flags(s)).toEqual(["failed"]);
    await end(s);
  });

  test("the name of the service", async () => {
    const name = (text: string) =>
      `HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-envoy-upstream-healthchecked-cluster: ${text}\r\n\r\n`;
    const matching = http({ serviceName: { kind: "prefix", text: "shop", ignoreCase: false } });
    const s = await asking(matching, script(name("shop-1"), name("other"), ANSWER).script);
    expect(flags(s)).toEqual(["healthy"]);
    s.advance(1000);
    expect(flags(s)).toEqual(["failed"]);
    s.advance(1000);
    expect([flags(s), s.stat("cluster.app.health_check.verify_cluster")]).toEqual([["failed"], 3]);
    await end(s);
  });

  test("a connection that the endpoint closes between two questions costs nothing", async () => {
    const origin = script(ANSWER);
    const s = await asking(http(), origin.script);
    s.upstream()[0].close();
    s.advance(999);
    expect(s.stat("cluster.app.health_check.failure")).toBe(0);
    s.advance(1);
    s.settle();
    expect([origin.requests.length, s.upstream().length, flags(s)]).toEqual([2, 2, ["healthy"]]);
    await end(s);
  });

  test("… nor one that it closes as the question comes", async () => {
    let asked = 0;
    const s = await asking(http(), (peer) => {
      if (!peer.received.endsWith("\r\n\r\n")) return;
      peer.take();
      if (++asked === 2) peer.close();
      else peer.send(ANSWER);
    });
    s.advance(1000);
    s.settle();
    expect([asked, s.upstream().length, flags(s)]).toEqual([3, 2, ["healthy"]]);
    expect(s.stat("cluster.app.health_check.attempt")).toBe(2);
    await end(s);
  });

  test.each([
    ["the answer says close", http(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"],
    ["it is an answer of HTTP/1.0", http(), "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n"],
    ["connections are not to be used again", http({}, { reuseConnection: false }), ANSWER],
  ])("a connection for each question where %s", async (_, healthCheck, text) => {
    const s = await asking(healthCheck, script(text).script);
    s.advance(1000);
    s.advance(1000);
    expect(s.upstream().map((peer) => peer.ended || peer.closed)).toEqual([true, true, true]);
    expect(flags(s)).toEqual(["healthy"]);
    await end(s);
  });

  test("no answer in time: the connection is closed, and the next question goes by another", async () => {
    let asked = 0;
    const s = await asking(http(), (peer) => {
      if (peer.take() !== "" && ++asked > 1) peer.send(ANSWER);
    });
    expect(flags(s)).toEqual(["failed"]);
    s.advance(100);
    expect(flags(s)).toEqual(["failed,timeout"]);
    expect(s.upstream()[0].ended || s.upstream()[0].closed).toBe(true);
    s.send(s.upstream()[0], ANSWER); // too late
    expect(flags(s)).toEqual(["failed,timeout"]);
    s.advance(1000);
    s.settle();
    expect([s.upstream().length, flags(s)]).toEqual([2, ["healthy"]]);
    await end(s);
  });

  test("a body without end is heard for as long as the time-out, and not kept", async () => {
    const s = await asking(http({ receive: ["never"] }), (peer) => {
      if (peer.take() !== "") peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    });
    for (let i = 0; i < 10; i++) s.send(s.upstream()[0], `1000\r\n${"x".repeat(4096)}\r\n`);
    s.advance(100);
    expect([flags(s), s.upstream()[0].closed || s.upstream()[0].ended]).toEqual([["failed,timeout"], true]);
    await end(s);
  });

  test("nobody listens", async () => {
    const s = await asking(http(), null);
    expect([flags(s), s.stat("cluster.app.health_check.network_failure")]).toEqual([["failed"], 1]);
    await end(s);
  });

  test("a connection that is never made is given up, and leaves nothing", async () => {
    const s = await asking(http(), script(ANSWER).script);
    s.upstream()[0].close();
    s.proxy.network.failConnects(ONE, "ETIMEDOUT");
    s.advance(1000);
    s.advance(100);
    expect([flags(s), s.stat("cluster.app.health_check.network_failure")]).toEqual([["failed,timeout"], 1]);
    s.proxy.network.failConnects(ONE, "");
    s.advance(1000);
    s.settle();
    expect(flags(s)).toEqual(["healthy"]);
    await end(s);
  });
});

describe("HTTP/2 and gRPC", () => {
  /** An origin that does with each request, when it is whole, what the n-th script says. */
  function speaks(...scripts: ((id: number, peer: Http2Peer) => void)[]) {
    let n = 0;
    return new Origins((line, peer) => {
      if (line.endsWith(" end")) scripts[Math.min(n++, scripts.length - 1)](streamOf(line), peer);
    });
  }
  const ok = (id: number, peer: Http2Peer) => void peer.head(id, [[":status", "200"]], { end: true });

  test("a GET over HTTP/2, also of a cluster that speaks HTTP/1; one connection", async () => {
    const origins = speaks(ok);
    const s = await asking(http({ http2: HTTP2 }), origins.script);
    s.advance(1000);
    expect(origins.heard).toEqual([
      "1 head :method=GET :scheme=http :path=/health :authority=app user-agent=Envoy/HC end",
      "3 head :method=GET :scheme=http :path=/health :authority=app user-agent=Envoy/HC end",
    ]);
    expect([origins.peers.length, flags(s)]).toEqual([1, ["healthy"]]);
    await end(s);
  });

  test("GOAWAY between two questions, and in the middle of one", async () => {
    const origins = speaks(
      (id, peer) => {
        ok(id, peer);
        peer.goAway(id, 0);
      },
      (id, peer) => {
        peer.goAway(id, 0);
        ok(id, peer);
      },
      ok,
    );
    const s = await asking(http({ http2: HTTP2 }), origins.script);
    s.advance(1000);
    s.advance(1000);
    expect([origins.peers.length, flags(s), s.stat("cluster.app.health_check.success")]).toEqual([
      3,
      ["healthy"],
      3,
    ]);
    await end(s);
  });

  test("a reset counts as the network's fault; what does not answer is left for another connection", async () => {
    const origins = speaks(
      ok,
      (id, peer) => void peer.reset(id, 8),
      () => undefined,
      ok,
    );
    const s = await asking(http({ http2: HTTP2 }, { unhealthyThreshold: 2 }), origins.script);
    s.advance(1000);
    expect([flags(s), s.stat("cluster.app.health_check.network_failure")]).toEqual([["healthy"], 1]);
    s.advance(1100);
    expect(flags(s)).toEqual(["failed,timeout"]);
    s.advance(1000);
    expect([flags(s), origins.peers.length]).toEqual([["healthy"], 2]);
    await end(s);
  });

  test("an endpoint that takes no request any more costs one connection at a time", async () => {
    const origins = speaks(ok);
    const s = await asking(http({ http2: HTTP2 }), origins.script);
    for (let i = 0; i < 5; i++) {
      origins.peers[i].settings(3, 0); // MAX_CONCURRENT_STREAMS
      s.settle();
      s.advance(1000);
    }
    expect(origins.peers.map(({ peer }) => peer.ended || peer.closed)).toEqual([
      true,
      true,
      true,
      true,
      true,
      false,
    ]);
    await end(s);
  });

  const message = (...bytes: number[]) => latin1(framedMessage(new Uint8Array(bytes)), 0, bytes.length + 5);
  const SERVING = message(8, 1);
  const HEAD = [
    [":status", "200"],
    ["content-type", "application/grpc"],
  ] as const;
  const trailers = (status: string) => [["grpc-status", status]] as const;
  const says =
    (text: string, status = "0", head: readonly (readonly [string, string])[] = HEAD) =>
    (id: number, peer: Http2Peer) =>
      void peer.head(id, head).data(id, text).head(id, trailers(status), { end: true });
  const grpc = (change: Partial<GrpcQuestion> = {}) => check({ ...GRPC_QUESTION, ...change });
  const h2: Partial<Cluster> = { http2: HTTP2 };

  test("grpc.health.v1.Health/Check of a service", async () => {
    const origins = speaks(says(SERVING));
    const s = await asking(grpc({ service: "svc.A", authority: "a.example" }), origins.script, {
      cluster: h2,
    });
    expect(origins.heard).toEqual([
      "1 head :method=POST :scheme=http :path=/grpc.health.v1.Health/Check :authority=a.example content-type=application/grpc user-agent=Envoy/HC grpc-timeout=100m te=trailers",
      `1 data ${message(10, 5, 0x73, 0x76, 0x63, 0x2e, 0x41)}`,
      "1 data  end",
    ]);
    expect(flags(s)).toEqual(["healthy"]);
    await end(s);
  });

  test("… and of the server as a whole, with a name as long as it may be", async () => {
    const origins = speaks(says(SERVING));
    const s = await asking(grpc(), origins.script, { cluster: h2 });
    expect([...origins.peers[0].bodies.values()]).toEqual([message()]);
    await end(s);
    const long = speaks(says(SERVING));
    const name = "n".repeat(300);
    const t = await asking(grpc({ service: name }), long.script, { cluster: h2 });
    expect([...long.peers[0].bodies.values()]).toEqual([message(10, 0xac, 2, ...new Array(300).fill(0x6e))]);
    await end(t);
  });

  const alone = (head: readonly (readonly [string, string])[]) => (id: number, peer: Http2Peer) =>
    void peer.head(id, head, { end: true });
  test.each([
    ["SERVING", says(SERVING), "healthy"],
    ["SERVING and a field that nobody knows", says(message(18, 1, 65, 8, 1)), "healthy"],
    ["SERVING before an empty message", says(SERVING + message()), "healthy"],
    ["NOT_SERVING", says(message(8, 2)), "failed"],
    ["UNKNOWN", says(message(8, 0)), "failed"],
    ["SERVICE_UNKNOWN", says(message(8, 3)), "failed"],
    ["something new", says(message(8, 9)), "failed"],
    ["a message that says nothing", says(message()), "failed"],
    ["two messages", says(SERVING + SERVING), "failed"],
    ["a message without end", says(SERVING.slice(0, -1)), "failed"],
    ["a number without end", says(message(8, 0x81)), "failed"],
    ["a length beyond the message", says(message(8, 1, 18, 5)), "failed"],
    ["a field without end behind it", says(message(8, 1, 24, 0x81)), "failed"],
    ["a group, which nobody uses", says(message(8, 1, 11)), "failed"],
    ["a compressed message", says(`\x01${SERVING.slice(1)}`), "failed"],
    ["a message beyond the limit", says("\x00\x00\x10\x00\x01"), "failed"],
    ["SERVING, and grpc-status 14", says(SERVING, "14"), "failed"],
    ["status 503", alone([[":status", "503"]]), "failed"],
    ["status 503, and grpc-status 0", says(SERVING, "0", [[":status", "503"], HEAD[1]]), "failed"],
    [
      "what is no gRPC",
      says(SERVING, "0", [
        [":status", "200"],
        ["content-type", "text/html"],
      ]),
      "failed",
    ],
    ["UNIMPLEMENTED alone", alone([...HEAD, ["grpc-status", "12"]]), "failed"],
    ["grpc-status 0 alone", alone([...HEAD, ["grpc-status", "0"]]), "failed"],
    [
      "no trailers",
      (id: number, peer: Http2Peer) => void peer.head(id, HEAD).data(id, SERVING, true),
      "failed",
    ],
    [
      "less load, please, which means nothing here",
      says(SERVING, "0", [...HEAD, ["x-envoy-degraded", "1"]]),
      "healthy",
    ],
  ])("%s", async (_, answer, expected) => {
    const s = await asking(grpc(), speaks(says(SERVING), answer).script, { cluster: h2 });
    s.advance(1000);
    expect(flags(s)).toEqual([expected]);
    await end(s);
  });
});

describe("TCP", () => {
  const tcp = (change: Partial<TcpQuestion> = {}, more: Partial<HealthCheck> = {}) =>
    check({ ...TCP_QUESTION, ...change }, more);
  const ping = tcp({ send: "PING", receive: ["PO", "NG"] });
  const pong: Script = (peer) => {
    if (peer.take() !== "") peer.send("PONG");
  };

  test("that there is a connection is enough; nothing is sent", async () => {
    const s = await asking(tcp({ send: "PING" }), silent);
    s.advance(1000);
    expect([flags(s), s.upstream().map(({ receivedBytes, ended }) => [receivedBytes, ended])]).toEqual([
      ["healthy"],
      [
        [0, true],
        [0, true],
      ],
    ]);
    await end(s);
  });

  test("nobody listens", async () => {
    const s = await asking(tcp(), null);
    expect([flags(s), s.stat("cluster.app.health_check.network_failure")]).toEqual([["failed"], 1]);
    await end(s);
  });

  test("question and answer, by one connection", async () => {
    const s = await asking(ping, pong);
    s.advance(1000);
    s.advance(1000);
    expect([flags(s), s.upstream().length, s.upstream()[0].receivedBytes]).toEqual([["healthy"], 1, 12]);
    await end(s);
  });

  test("the answer may come in pieces, with anything between; if not all of it comes, time runs out", async () => {
    const s = await asking(ping, silent);
    const [peer] = s.upstream();
    s.send(peer, "xxP");
    s.send(peer, "Oyy");
    expect(flags(s)).toEqual(["failed"]);
    s.send(peer, "NG");
    expect(flags(s)).toEqual(["healthy"]);
    s.advance(1000);
    s.send(peer, "PO");
    s.advance(100);
    expect([flags(s), peer.ended]).toEqual([["failed,timeout"], true]);
    await end(s);
  });

  test("what comes unasked is no answer to the next question", async () => {
    const s = await asking(ping, pong);
    s.send(s.upstream()[0], "PONG");
    expect(s.stat("cluster.app.health_check.success")).toBe(1);
    s.upstream()[0].onChange = null;
    s.advance(1100);
    expect(flags(s)).toEqual(["failed,timeout"]);
    await end(s);
  });

  test("a connection that is kept and breaks is a failure, and the next question waits from then on", async () => {
    const s = await asking({ ...ping, unhealthyThreshold: 2 }, pong);
    s.advance(500);
    s.upstream()[0].close();
    s.settle();
    expect([flags(s), s.stat("cluster.app.health_check.network_failure")]).toEqual([["healthy"], 1]);
    s.advance(998);
    expect(s.upstream().length).toBe(1);
    s.advance(2);
    expect([s.upstream().length, s.stat("cluster.app.health_check.attempt")]).toEqual([2, 2]);
    await end(s);
  });

  test("… unless it is not to be kept", async () => {
    const s = await asking({ ...ping, reuseConnection: false }, pong);
    s.advance(1000);
    expect(s.upstream().map(({ ended }) => ended)).toEqual([true, true]);
    expect(s.stat("cluster.app.health_check.failure")).toBe(0);
    await end(s);
  });
});

describe("over TLS", () => {
  const listening = { alpn: ["h2", "http/1.1"] };

  test("with what the cluster has: the peer is who it must be", async () => {
    const s = await pair({ cluster: { healthCheck: http() } });
    s.settle();
    expect(s.stat("cluster.peer.health_check.success")).toBe(1);
    expect([s.stat("cluster.peer.ssl.handshake"), s.stat("cluster.peer.upstream_cx_total")]).toEqual([1, 0]);
    await end(s);
  });

  test("tls_options take the place of what the cluster offers", async () => {
    const question = { ...HTTP_QUESTION, http2: HTTP2 };
    const s = await pair({
      down: listening,
      up: { alpn: ["http/1.1"] },
      cluster: { healthCheck: check(question, { alpn: ["h2"] }) },
    });
    s.settle();
    expect(s.stat("cluster.peer.health_check.success")).toBe(1);
    await end(s);
  });

  test("a peer that is not is not healthy", async () => {
    const s = await pair({ up: { certificates: [] }, cluster: { healthCheck: http() } });
    s.advance(200);
    expect(s.stat("cluster.peer.health_check.failure")).toBe(1);
    await end(s);
  });

  test.each([
    [null, "http/1.1"],
    [["h2"], "h2"],
    [["x"], ""],
  ])("tls_options: %p is offered, %s is agreed", async (alpn, agreed) => {
    const question = { ...HTTP_QUESTION, http2: agreed === "h2" ? HTTP2 : null };
    const s = await pair({
      down: listening,
      cluster: { healthCheck: check(question, { alpn }) },
      log: "%REQUESTED_SERVER_NAME% %PROTOCOL%",
    });
    s.settle();
    expect(s.logs).toEqual([`server.example ${agreed === "h2" ? "HTTP/2" : "HTTP/1.1"}`]);
    expect(s.stat("cluster.peer.health_check.success")).toBe(1);
    await end(s);
  });
});

describe("where names lead", () => {
  test("LOGICAL_DNS: questions go where new connections go", async () => {
    const s = await story({ origins: [answers(ANSWER), answers(ANSWER)] });
    await s.apply(snapshot([], []));
    s.proxy.network.name("a.example", ["10.0.0.1"]);
    const named = { type: "LOGICAL_DNS", healthCheck: http() } as const;
    await s.apply(snapshot([], [cluster("app", [ip("a.example", 8080)], named)]));
    s.advance(1);
    s.proxy.network.name("a.example", ["10.0.0.2"]);
    s.advance(5999);
    s.settle();
    expect([flags(s), s.upstream(0).length, s.upstream(1).length]).toEqual([["healthy"], 1, 1]);
    expect(s.upstream(0)[0].ended || s.upstream(0)[0].closed).toBe(true);
    await end(s);
  });
});

test("LOGICAL_DNS: a kept connection of TCP questions does not outlive the address", async () => {
  const pong: Script = (peer) => {
    if (peer.take() !== "") peer.send("PONG");
  };
  const s = await story({ origins: [pong, silent] });
  await s.apply(snapshot([], []));
  s.proxy.network.name("a.example", ["10.0.0.1"]);
  const ping = check({ ...TCP_QUESTION, send: "PING", receive: ["PONG"] });
  const named = { type: "LOGICAL_DNS", healthCheck: ping } as const;
  await s.apply(snapshot([], [cluster("app", [ip("a.example", 8080)], named)]));
  s.advance(1);
  expect(flags(s)).toEqual(["healthy"]);
  s.proxy.network.name("a.example", ["10.0.0.2"]);
  s.advance(7000);
  expect([flags(s), s.upstream(0)[0].ended, s.upstream(1).length > 0]).toEqual([
    ["failed,timeout"],
    true,
    true,
  ]);
  await end(s);
});

test("who talks between two questions of TCP is left alone after a while", async () => {
  const s = await asking(check({ ...TCP_QUESTION, send: "PING", receive: ["PONG"] }), (peer) => {
    if (peer.take() !== "") peer.send("PONG");
  });
  const [peer] = s.upstream();
  for (let i = 0; i < 20 && !peer.ended; i++) s.send(peer, "x".repeat(8192));
  expect([peer.ended, flags(s), s.stat("cluster.app.health_check.failure")]).toEqual([true, ["healthy"], 0]);
  await end(s);
});

describe("what follows for requests", () => {
  /** Answers checks with the next of these, and requests with their host's name. */
  function origin(name: string, ...checks: string[]): Script {
    let n = 0;
    return (peer) => {
      if (!peer.received.endsWith("\r\n\r\n")) {
        if (peer.ended) peer.close();
        return;
      }
      const asked = peer.take();
      if (asked.startsWith("GET /health ")) peer.send(checks[Math.min(n++, checks.length - 1)]);
      else if (!asked.startsWith("GET /slow "))
        peer.send(`HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n${name}`);
    };
  }

  test("nothing is answered by the cluster before the first round, and nothing goes where it is not well", async () => {
    const s = await story({
      origins: [origin("one", SORRY, SORRY, ANSWER), origin("two", ANSWER)],
      cluster: { healthCheck: http() },
    });
    expect(s.proxy.worker.warmingClusters).toEqual(["app"]);
    s.advance(1);
    expect(s.proxy.worker.warmingClusters).toEqual([]);
    const client = s.client();
    const ask = (): string => {
      client.take();
      s.send(client, get());
      return gist(client.received);
    };
    expect([ask(), ask(), ask()]).toEqual(["200 two", "200 two", "200 two"]);
    s.advance(1000);
    s.advance(1000);
    expect([ask(), ask()].sort()).toEqual(["200 one", "200 two"]);
    await end(s);
  });

  test("an endpoint that fails: idle connections close, what runs goes on and closes then", async () => {
    const s = await asking(http(), origin("one", ANSWER, SORRY, SORRY, ANSWER), { cluster: {} });
    const idle = s.client();
    const busy = s.client();
    s.send(busy, get("/slow"));
    s.send(idle, get());
    const [, first, second] = s.upstream();
    s.advance(1000);
    expect(flags(s)).toEqual(["failed"]);
    expect([first.ended || first.closed, second.ended || second.closed]).toEqual([false, true]);
    s.send(first, OK);
    expect(gist(busy.take())).toBe("200 ok");
    expect(first.ended || first.closed).toBe(true);
    // In panic it is asked all the same, by a new connection.
    idle.take();
    s.send(idle, get());
    expect(gist(idle.received)).toBe("200 one");
    expect(s.upstream().length).toBe(4);
    await end(s);
  });

  test("an answer to a request that says that its endpoint fails", async () => {
    const s = await story({
      origins: [
        (peer) => {
          const asked = peer.take();
          if (asked.startsWith("GET /health ")) peer.send(ANSWER);
          else if (asked !== "")
            peer.send(
              "HTTP/1.1 200 OK\r\nx-envoy-immediate-health-check-fail: true\r\ncontent-length: 0\r\n\r\n",
            );
        },
        answers(OK),
      ],
      cluster: { healthCheck: http() },
    });
    s.settle();
    const client = s.client();
    for (let i = 0; i < 4; i++) s.send(client, get());
    expect(flags(s)).toEqual(["failed,excluded", "healthy"]);
    expect(s.stat("cluster.app.health_check.passive_failure")).toBe(1);
    await end(s);
  });

  test("… says nothing where endpoints are not asked", async () => {
    const s = await story({
      origins: [
        answers("HTTP/1.1 200 OK\r\nx-envoy-immediate-health-check-fail: true\r\ncontent-length: 0\r\n\r\n"),
      ],
    });
    s.client(get());
    expect(flags(s)).toEqual(["healthy"]);
    s.expectNothingLeft();
  });

  test.each([
    [true, "closes the TCP connections to what fails"],
    [undefined, "leaves them alone otherwise"],
  ])("close_connections_on_host_health_failure: %p %s", async (closeOnFailure) => {
    const s = await story({ origins: [origin("one", ANSWER, SORRY)] });
    const filter = tcpProxy("app", { requestHeaders: NO_HEADERS } as never);
    const app = cluster("app", [ONE], { healthCheck: http(), closeOnFailure } as Partial<Cluster>);
    await s.apply(snapshot([listener("tcp", ip("127.0.0.1", 99), filter)], [{ ...app, version: "2" }]));
    s.settle();
    const client = s.client("hello", "127.0.0.1:99");
    s.advance(1000);
    expect(flags(s)).toEqual(["failed"]);
    expect(client.ended || client.closed).toBe(closeOnFailure === true);
    expect(s.stat("cluster.app.upstream_cx_destroy_local")).toBe(closeOnFailure === true ? 1 : 0);
    client.close();
    await end(s);
  });

  test("a change of the cluster's TLS or protocol holds for the next question", async () => {
    const origins = script(ANSWER);
    const s = await asking(http(), origins.script);
    const [before] = s.upstream();
    const app = cluster("app", [ONE], { healthCheck: http({ path: "/new" }) });
    await s.apply(snapshot([], [app]));
    expect(before.ended || before.closed).toBe(false);
    s.advance(1000);
    expect(origins.requests.map((text) => text.split(" ")[1])).toEqual(["/health", "/new"]);
    expect(before.ended || before.closed).toBe(true);
    await end(s);
  });
});
