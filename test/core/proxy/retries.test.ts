/** When a request is sent once more, with what body, after how long, and when it must not be. */
import { describe, expect, test } from "bun:test";
import { at } from "../../../runtime-adapters/memory/network.ts";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import {
  answers,
  get,
  gist,
  inTurn,
  OK,
  post,
  type Story,
  silent,
  story,
  storySnapshot,
} from "../../support/engine-story.ts";
import { retryPolicy } from "../../support/snapshot-fixture.ts";

const BUSY = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";

/** Goes away without a word once a request is there. */
const hangUp = (peer: Peer) => peer.received !== "" && !peer.closed && peer.close();

/** Requests that origins saw. */
function asked(s: Story): number {
  return s.stat("cluster.app.upstream_rq_total");
}

describe("conditions", () => {
  test.each([
    ["connect-failure", "GET", "never connects", true],
    ["connect-failure", "POST", "never connects", true],
    ["connect-failure", "GET", "hangs up", false],
    ["reset-before-request", "POST", "never connects", true],
    ["reset-before-request", "POST", "hangs up", false],
    ["reset", "POST", "hangs up", true],
    ["5xx", "GET", "hangs up", true],
    ["5xx", "GET", "says 503", true],
    ["gateway-error", "GET", "says 503", true],
    ["reset", "GET", "says 503", false],
    ["retriable-status-codes", "GET", "says 503", true],
    ["retriable-4xx", "GET", "says 503", false],
  ])("%s: a %s to an origin that %s is tried again: %j", async (condition, method, what, again) => {
    const failing = what === "says 503" ? answers(BUSY) : hangUp;
    const s = await story({
      origins: what === "never connects" ? [answers(OK), null] : inTurn([failing, answers(OK)]),
      action: {
        retryPolicy: retryPolicy({
          retryOn: [condition],
          retriableStatusCodes: [503],
          previousHosts: true,
          hostSelectionAttempts: 5,
        }),
      },
    });
    const bytes = method === "GET" ? get() : post("", 0);
    // Round robin: one of two requests meets the one that is not there.
    const clients = what === "never connects" ? [s.client(bytes), s.client(bytes)] : [s.client(bytes)];
    s.advance(30);
    const answersGot = clients.map((client) => gist(client.received).slice(0, 3));
    expect(answersGot.every((status) => status === "200")).toBe(again);
    expect(s.stat("cluster.app.upstream_rq_retry")).toBe(again ? 1 : 0);
    expect(s.stat("cluster.app.upstream_rq_retry_success")).toBe(again ? 1 : 0);
    s.expectNothingLeft();
  });

  test("without a policy nothing is tried again", async () => {
    const s = await story({ origins: inTurn([answers(BUSY), answers(OK)]) });
    expect(gist(s.client(get()).received)).toBe("503 busy");
    expect(asked(s)).toBe(1);
    s.expectNothingLeft();
  });

  test("an answer that was tried again is never seen, and the client's connection goes on", async () => {
    const s = await story({
      origins: inTurn([answers(BUSY), answers(OK)]),
      action: { retryPolicy: retryPolicy({ retryOn: ["5xx"] }) },
      virtualHost: { includeRequestAttemptCount: true, includeAttemptCountInResponse: true },
    });
    const client = s.client(get());
    s.advance(30);
    expect(client.received).not.toContain("busy");
    expect(client.received).toContain("x-envoy-attempt-count: 2\r\n");
    s.send(client, get("/next"));
    expect(s.logs).toEqual(["GET / 200 - via_upstream", "GET /next 200 - via_upstream"]);
    s.expectNothingLeft();
  });
});

describe("limits", () => {
  test("tries used up: the last answer and URX", async () => {
    const s = await story({
      origins: [answers(BUSY)],
      action: { retryPolicy: retryPolicy({ retryOn: ["5xx"], numRetries: 2 }) },
    });
    const client = s.client(get());
    s.advance(1000);
    expect(gist(client.received)).toBe("503 busy");
    expect(asked(s)).toBe(3);
    expect(s.logs).toEqual(["GET / 503 URX via_upstream"]);
    expect(s.stat("cluster.app.upstream_rq_retry_limit_exceeded")).toBe(1);
    s.expectNothingLeft();
  });

  test("tries used up by resets: the body says so", async () => {
    const s = await story({
      origins: [hangUp],
      action: { retryPolicy: retryPolicy({ retryOn: ["reset"] }) },
    });
    const client = s.client(get());
    s.advance(1000);
    expect(gist(client.received)).toBe(
      "503 upstream connect error or disconnect/reset before headers. retried and the latest reset reason: connection termination",
    );
    expect(s.logs).toEqual([
      "GET / 503 URX,UC upstream_reset_before_response_started{connection_termination}",
    ]);
    s.expectNothingLeft();
  });

  test("back-off is random within [0, 25), [0, 50), [0, 100), … [0, 250)", async () => {
    const times: number[] = [];
    const s = await story({
      origins: [
        (peer) => {
          if (!peer.received.endsWith("\r\n\r\n")) return;
          times.push(s.proxy.network.now);
          peer.take();
          peer.send(BUSY);
        },
      ],
      action: { timeout: 0, retryPolicy: retryPolicy({ retryOn: ["5xx"], numRetries: 40 }) },
    });
    s.client(get());
    s.advance(20_000);
    expect(times).toHaveLength(41);
    const waits = times.slice(1).map((time, i) => time - times[i]);
    const bounds = waits.map((_, i) => Math.min(25 * 2 ** i, 250));
    waits.forEach((wait, i) => {
      expect(wait).toBeGreaterThanOrEqual(0);
      expect(wait).toBeLessThan(bounds[i]);
    });
    expect(new Set(waits).size).toBeGreaterThan(25);
    expect(Math.max(...waits)).toBeGreaterThan(200);
    s.expectNothingLeft();
  });

  test.each([
    ["max_retries", { maxRetries: 1 }],
    ["a budget", { maxRetries: 100, retryBudget: { percent: 0, minConcurrency: 1 } }],
  ])("%s: one at a time, the other is answered with UO", async (_, limits) => {
    const s = await story({
      origins: [hangUp],
      limits,
      action: {
        timeout: 0,
        retryPolicy: retryPolicy({ retryOn: ["reset"], backOffBase: 1000, backOffMax: 1000 }),
      },
    });
    const first = s.client(get("/1"));
    const second = s.client(get("/2"));
    expect([first.received, gist(second.received).slice(0, 3)]).toEqual(["", "503"]);
    expect(s.logs).toEqual([
      "GET /2 503 UO,UC upstream_reset_before_response_started{connection_termination}",
    ]);
    expect(s.stat("cluster.app.upstream_rq_retry_overflow")).toBe(1);
    expect(s.stat("cluster.app.circuit_breakers.default.rq_retry_open")).toBe(1);
    s.advance(1000);
    expect(s.stat("cluster.app.circuit_breakers.default.rq_retry_open")).toBe(0);
    s.expectNothingLeft();
  });

  test("a client that leaves during the back-off gives its retry back", async () => {
    const s = await story({
      origins: [hangUp],
      limits: { maxRetries: 1 },
      action: { retryPolicy: retryPolicy({ retryOn: ["reset"], backOffBase: 1000, backOffMax: 1000 }) },
    });
    const client = s.client(get());
    expect(s.stat("cluster.app.circuit_breakers.default.rq_retry_open")).toBe(1);
    client.reset();
    s.settle();
    expect(s.stat("cluster.app.circuit_breakers.default.rq_retry_open")).toBe(0);
    expect(s.logs).toEqual(["GET / 0 DC downstream_remote_disconnect"]);
    s.expectNothingLeft();
  });
});

describe("the body on a second try", () => {
  const reset = retryPolicy({ retryOn: ["reset"], numRetries: 3 });

  test("is replayed whole, the rest follows as it comes", async () => {
    const bodies: string[] = [];
    const s = await story({
      origins: inTurn([
        (peer) => peer.received.endsWith("abc") && peer.reset(),
        (peer) => {
          if (!peer.received.endsWith("abcdef")) return;
          bodies.push(peer.take());
          peer.send(OK);
        },
      ]),
      action: { retryPolicy: reset },
    });
    const client = s.client(post("abc", 6));
    s.advance(50);
    expect(client.received).toBe("");
    s.send(client, "def");
    expect(gist(client.received)).toBe("200 ok");
    expect(bodies[0]).toEndWith("\r\n\r\nabcdef");
    s.expectNothingLeft();
  });

  test("chunked bodies too, with one terminator", async () => {
    const seen: string[] = [];
    const s = await story({
      origins: inTurn([
        (peer) => peer.received.includes("xyz") && peer.reset(),
        (peer) => {
          if (!peer.received.endsWith("0\r\n\r\n")) return;
          seen.push(peer.take());
          peer.send(OK);
        },
      ]),
      action: { retryPolicy: reset },
    });
    const client = s.client("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nxyz\r\n");
    s.advance(50);
    s.send(client, "2\r\nuv\r\n0\r\n\r\n");
    s.advance(50);
    expect(seen.map((text) => text.slice(text.indexOf("\r\n\r\n") + 4))).toEqual([
      "3\r\nxyz\r\n2\r\nuv\r\n0\r\n\r\n",
    ]);
    s.expectNothingLeft();
  });

  test("a body beyond the buffer limit is sent once, and a failure is the answer", async () => {
    const s = await story({
      origins: [(peer) => peer.receivedBytes > 3000 && !peer.closed && peer.reset()],
      listener: { perConnectionBufferLimitBytes: 1000 },
      action: { retryPolicy: reset },
    });
    const client = s.client(post("", 3500));
    for (let i = 0; i < 7; i++) s.send(client, "x".repeat(500));
    s.advance(1000);
    expect(gist(client.received)).toStartWith("503 upstream connect error");
    expect(s.upstream()).toHaveLength(1);
    expect(s.stat("cluster.app.retry_or_shadow_abandoned")).toBe(1);
    s.expectNothingLeft();
  });

  test("a cluster's buffer limit bounds what waits, not what is kept for another try", async () => {
    const seen: string[] = [];
    const s = await story({
      origins: inTurn([
        (peer) => peer.received.endsWith("END") && !peer.closed && peer.reset(),
        (peer) => {
          if (!peer.received.endsWith("END")) return;
          seen.push(peer.take());
          peer.send(OK);
        },
      ]),
      cluster: { perConnectionBufferLimitBytes: 1000 },
      action: { retryPolicy: reset },
    });
    const client = s.client(post("", 3503));
    for (let i = 0; i < 7; i++) s.send(client, "x".repeat(500));
    s.send(client, "END");
    s.advance(1000);
    expect(gist(client.received)).toBe("200 ok");
    expect(seen[0]).toEndWith(`${"x".repeat(3500)}END`);
    s.expectNothingLeft();
  });

  test("an upload that the first origin blocked goes on at the second", async () => {
    let second = 0;
    const size = 400_000;
    const s = await story({
      network: { buffer: 64 * 1024 },
      origins: inTurn([
        (peer) => {
          if (peer.closed) return;
          peer.pause();
          s.proxy.network.line = { ...s.proxy.network.line, buffer: 1 << 20 }; // the next connection is roomier
          s.proxy.network.schedule.after(100, () => peer.reset());
        },
        (peer) => {
          second = peer.receivedBytes;
          if (peer.received.endsWith("END")) peer.send(OK);
        },
      ]),
      action: { retryPolicy: reset },
    });
    const client = s.client(post(`${"x".repeat(size - 3)}END`));
    s.advance(1000);
    expect(second).toBeGreaterThan(size);
    expect(gist(client.received)).toBe("200 ok");
    s.expectNothingLeft();
  });
});

describe("a pooled connection that died meanwhile", () => {
  /** One answer; the connection ends as soon as the second request is there. */
  const once = (peer: Peer) => {
    if (peer.closed || !peer.received.endsWith("\r\n\r\n")) return;
    peer.take();
    if (peer.receivedBytes < 200) peer.send(OK);
    else peer.close();
  };

  test.each([
    [get("/b"), "200", 2],
    ["PUT /b HTTP/1.1\r\nhost: a.example\r\ncontent-length: 0\r\n\r\n", "200", 2],
    ["POST /b HTTP/1.1\r\nhost: a.example\r\ncontent-length: 0\r\n\r\n", "503", 1],
  ])("%j: %s", async (request, status, connections) => {
    const s = await story({ origins: [once] });
    const client = s.client(get("/a"));
    client.take();
    s.send(client, request);
    s.advance(20);
    expect(gist(client.received).slice(0, 3)).toBe(status);
    expect(s.upstream()).toHaveLength(connections);
    expect(s.stat("cluster.app.upstream_rq_retry")).toBe(0);
    s.expectNothingLeft();
  });

  test("is not asked again once a byte of the answer came", async () => {
    const s = await story({
      origins: [
        (peer) => {
          if (peer.closed || !peer.received.endsWith("\r\n\r\n")) return;
          peer.take();
          if (peer.receivedBytes < 200) peer.send(OK);
          else {
            peer.send("HTTP/1.1 200 O");
            s.proxy.network.schedule.after(1, () => peer.reset());
          }
        },
      ],
    });
    const client = s.client(get("/a"));
    client.take();
    s.send(client, get("/b"));
    s.advance(20);
    expect(gist(client.received).slice(0, 3)).not.toBe("200");
    expect(s.upstream()).toHaveLength(1);
    s.expectNothingLeft();
  });

  test("is replaced once only", async () => {
    let n = 0;
    const s = await story({
      origins: [
        (peer) => {
          if (peer.closed || !peer.received.endsWith("\r\n\r\n")) return;
          peer.take();
          n++ < 2 ? peer.send(OK) : peer.close();
        },
      ],
    });
    // Two pooled connections, both dead.
    const a = s.client();
    const b = s.client();
    a.send(get("/1"));
    b.send(get("/2"));
    s.settle();
    a.take();
    s.send(a, get("/3"));
    expect(gist(a.received).slice(0, 3)).toBe("503");
    expect(n).toBe(4);
    s.expectNothingLeft();
  });
});

test("connect failure: the next host at once gets the request when the first does not answer a SYN", async () => {
  const s = await story({
    origins: [answers(OK), silent],
    cluster: { connectTimeout: 100 },
    action: {
      retryPolicy: retryPolicy({
        retryOn: ["connect-failure"],
        previousHosts: true,
        hostSelectionAttempts: 5,
      }),
    },
  });
  s.proxy.network.failConnects(at("10.0.0.2:8080"), "ETIMEDOUT");
  const clients = [s.client(get()), s.client(get())];
  s.advance(130);
  expect(clients.map((client) => gist(client.received))).toEqual(["200 ok", "200 ok"]);
  s.expectNothingLeft();
});

test("a cluster that is taken away while a request waits fails that request and nothing else", async () => {
  const s = await story({
    origins: [hangUp],
    action: { retryPolicy: retryPolicy({ retryOn: ["reset"], backOffBase: 1000, backOffMax: 1000 }) },
  });
  const client = s.client(get());
  const next = storySnapshot({});
  await s.apply({ ...next, listeners: next.listeners, clusters: [] });
  s.advance(1500);
  expect(gist(client.received).slice(0, 3)).toBe("503");
  expect(s.proxy.driver.faults).toBe(0);
  s.expectNothingLeft();
});

test("a cluster that is taken away while a connection is being made still serves that request", async () => {
  const s = await story({ network: { latency: 10 } });
  const client = s.client();
  client.send(get());
  s.advance(35); // the SYN to the origin is under way
  await s.apply({ ...storySnapshot({}), clusters: [] });
  s.advance(500);
  expect(gist(client.received).slice(0, 3)).toBe("200");
  expect(s.proxy.driver.faults).toBe(0);
  s.expectNothingLeft();
});
