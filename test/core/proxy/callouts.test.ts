/** Requests that filters make themselves: every way in which they end, and what is left of them (nothing). */
import { describe, expect, test } from "bun:test";
import { toBytes } from "../../../core/bytes/ascii.ts";
import { type Callout, type CalloutRefusal, NoSuchCluster, NotSent } from "../../../core/filter/callout.ts";
import { Pause } from "../../../core/filter/verdict.ts";
import { RequestHead } from "../../../core/http/head.ts";
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
import { filtered } from "../../support/filtered-story.ts";
import { recorded, reply } from "../../support/scripted-filter.ts";

/** What a sink heard: status, body, and trailers if there were any. */
type Heard = string[];

function headOf(path: string, method = "GET"): RequestHead {
  const head = new RequestHead();
  head.method = method;
  head.path = path;
  head.authority = "callout.example";
  head.fields.add("x-from", "filter");
  return head;
}

interface Sent {
  readonly heard: Heard;
  readonly callout: Callout | CalloutRefusal;
}

/** Sends one, and fails if the sink hears of it at once. */
function send(s: Story, path = "/c", timeout = 1000, body = "", cluster = "app"): Sent {
  const heard: Heard = [];
  let callout: Callout | CalloutRefusal = NotSent;
  s.proxy.run(() => {
    const method = body === "" ? "GET" : "POST";
    callout = s.context.callouts.send(cluster, headOf(path, method), toBytes(body), timeout, {
      onAnswer(head, bytes, trailers) {
        const end = trailers === null ? "" : ` +${trailers.count}`;
        heard.push(`${head.status} ${String.fromCharCode(...bytes)}${end}`);
      },
    });
    expect(heard).toEqual([]);
  });
  s.settle();
  return { heard, callout };
}

const RESET = "upstream connect error or disconnect/reset before headers. reset reason: ";

describe("an answer", () => {
  test("comes whole, by the cluster's connections, and is counted there", async () => {
    const s = await story();
    const { heard } = send(s, "/one");
    s.advance(5);
    expect(heard).toEqual(["200 ok"]);
    const again = send(s, "/two");
    s.advance(5);
    expect(again.heard).toEqual(["200 ok"]);
    expect(s.upstream().length).toBe(1);
    expect(s.stat("cluster.app.upstream_rq_total")).toBe(2);
    expect(s.stat("cluster.app.upstream_rq_200")).toBe(2);
    s.expectNothingLeft();
  });

  test("is asked for as the filter said", async () => {
    const s = await story({ origins: [silent] });
    send(s, "/ask?a=1", 1000, "body");
    expect(s.upstream()[0].received).toBe(
      "POST /ask?a=1 HTTP/1.1\r\nhost: callout.example\r\nx-from: filter\r\ncontent-length: 4\r\n\r\nbody",
    );
    s.expectNothingLeft();
  });

  test("in pieces, with trailers, without a body, and until the end of its connection", async () => {
    const chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n";
    for (const [bytes, expected] of [
      [`${chunked}\r\n`, "200 abc"],
      [`${chunked}x-t: 1\r\n\r\n`, "200 abc +1"],
      ["HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", "204 "],
      ["HTTP/1.0 200 OK\r\n\r\nall of it", "200 all of it"],
    ]) {
      const s = await story({
        origins: [
          (peer) => {
            if (!peer.received.endsWith("\r\n\r\n")) return;
            peer.take();
            peer.send(bytes);
            if (bytes.startsWith("HTTP/1.0")) peer.end();
          },
        ],
      });
      const { heard } = send(s);
      s.advance(5);
      expect(heard).toEqual([expected]);
      s.expectNothingLeft();
    }
  });
});

describe("a kept connection that turns out to be closed", () => {
  const seen = new Set<unknown>();
  /** Answers the first request of each connection, and ends it as the next one comes. */
  const once: Script = (peer) => {
    if (!peer.received.includes("\r\n\r\n")) return;
    if (peer.received.includes("/first")) {
      peer.take();
      peer.send(OK);
    } else if (seen.has(peer)) peer.reset();
    else peer.send(OK);
    seen.add(peer);
  };

  test("costs one further try, on another connection", async () => {
    const s = await story({ origins: [once] });
    expect(send(s, "/first").heard).toEqual(["200 ok"]);
    const { heard } = send(s, "/second");
    s.advance(5);
    expect(heard).toEqual(["200 ok"]);
    expect(s.upstream()).toHaveLength(2);
    s.expectNothingLeft();
  });

  test("but not what must not be done twice", async () => {
    const s = await story({ origins: [once] });
    send(s, "/first");
    const { heard } = send(s, "/second", 1000, "body");
    s.advance(5);
    expect(heard).toEqual([`503 ${RESET}connection termination`]);
    expect(s.upstream()).toHaveLength(1);
    s.expectNothingLeft();
  });

  test("nor again when the fresh connection ends, too, nor when an answer has begun", async () => {
    const kept: Script = (peer) => {
      if (!peer.received.includes("\r\n\r\n")) return;
      const first = peer.take().includes("/first");
      if (first) peer.send(OK);
      else peer.reset();
    };
    const s = await story({ origins: [kept] });
    expect(send(s, "/first").heard).toEqual(["200 ok"]);
    const { heard } = send(s, "/second");
    s.advance(5);
    expect(heard).toEqual([`503 ${RESET}connection termination`]);
    expect(s.stat("cluster.app.upstream_rq_total")).toBe(3);
    s.expectNothingLeft();

    const halves: Script = (peer) => {
      if (!peer.received.includes("\r\n\r\n")) return;
      if (peer.take().includes("/first")) peer.send(OK);
      else {
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf");
        peer.end();
      }
    };
    const half = await story({ origins: [halves] });
    send(half, "/first");
    const begun = send(half, "/second");
    half.advance(5);
    expect(begun.heard).toEqual([`502 ${RESET}protocol error`]);
    expect(half.upstream()).toHaveLength(1);
    half.expectNothingLeft();
  });
});

describe("what goes wrong becomes an answer", () => {
  const cases: [string, StorySetup, string][] = [
    ["nobody listens", { origins: [null] }, `503 ${RESET}remote connection failure`],
    [
      "the upstream leaves",
      { origins: [(peer) => peer.received !== "" && peer.close()] },
      `503 ${RESET}connection termination`,
    ],
    [
      "the upstream resets",
      { origins: [(peer) => peer.received !== "" && peer.reset()] },
      `503 ${RESET}connection termination`,
    ],
    [
      "the upstream resets within its answer",
      {
        origins: [
          (peer) => {
            if (peer.received === "") return;
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf");
            peer.end();
          },
        ],
      },
      "502 ",
    ],
    ["the upstream talks nonsense", { origins: [answers("nonsense\r\n\r\n")] }, "502 "],
    ["the upstream is silent", { origins: [silent] }, "504 upstream request timeout"],
    [
      "the answer never ends",
      { origins: [answers("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")] },
      "504 upstream request timeout",
    ],
    [
      "the answer is too large",
      { origins: [answers(`HTTP/1.1 200 OK\r\n\r\n${"x".repeat(1024 * 1024 + 1)}`)] },
      `502 ${RESET}protocol error`,
    ],
    ["the breaker is open", { limits: { maxRequests: 0 }, origins: [silent] }, `503 ${RESET}overflow`],
    ["the queue is full", { limits: { maxPendingRequests: 0 }, origins: [silent] }, `503 ${RESET}overflow`],
  ];

  test.each(cases)("%s", async (_name, setup, expected) => {
    const s = await story(setup);
    const { heard } = send(s, "/c", 3000);
    s.advance(3500);
    expect(heard.length).toBe(1);
    expect(heard[0]).toStartWith(expected);
    s.expectNothingLeft();
  });

  test("a connection that cannot be made in time: the cluster's time-out, or the callout's", async () => {
    for (const [timeout, expected] of [
      [10_000, `503 ${RESET}connection timeout`],
      [100, "504 upstream request timeout"],
    ] as const) {
      const s = await story({ cluster: { connectTimeout: 500 } });
      s.proxy.network.failConnects(s.origins[0].address, "ETIMEDOUT");
      const { heard } = send(s, "/c", timeout);
      s.advance(1000);
      expect(heard).toEqual([expected]);
      s.expectNothingLeft();
    }
  });

  test("no such cluster, and nobody in it, is said at once", async () => {
    const s = await story({ origins: [] });
    expect(send(s, "/c", 0, "", "nobody").callout).toBe(NoSuchCluster);
    expect(send(s).callout).toBe(NotSent);
    expect(s.context.callouts.has("app")).toBe(true);
    expect(s.context.callouts.has("nobody")).toBe(false);
    s.expectNothingLeft();
  });
});

describe("the end of it", () => {
  test("one that was cancelled says nothing, wherever it was", async () => {
    for (const after of [0, 0.5, 5]) {
      const s = await story({ origins: [silent] });
      const { heard, callout } = send(s, "/c", 500);
      s.advance(after);
      s.proxy.run(() => (callout as Callout).cancel());
      s.proxy.run(() => (callout as Callout).cancel());
      s.upstream()[0].send(OK);
      s.advance(1000);
      expect(heard).toEqual([]);
      s.expectNothingLeft();
    }
  });

  test("one that was cancelled when its answer was there already, too", async () => {
    const heard: Heard = [];
    const s = await story({ limits: { maxRequests: 0 } });
    s.proxy.run(() => {
      const { callouts } = s.context;
      const sink = { onAnswer: () => heard.push("?") };
      (callouts.send("app", headOf("/"), toBytes(""), 1000, sink) as Callout).cancel();
    });
    s.advance(2000);
    expect(heard).toEqual([]);
    s.expectNothingLeft();
  });

  test("a cluster that is removed lets it finish, and takes no other", async () => {
    const s = await story({ origins: [silent] });
    const { heard } = send(s, "/c", 5000);
    await s.apply({ ...storySnapshot(), clusters: [] });
    expect(send(s).callout).toBe(NoSuchCluster);
    s.send(s.upstream()[0], OK);
    s.advance(5);
    expect(heard).toEqual(["200 ok"]);
    s.expectNothingLeft();
  });

  test("a cluster that is removed while it waits for a connection", async () => {
    const s = await story({ network: { latency: 50 }, cluster: { connectTimeout: 300 } });
    s.proxy.network.failConnects(s.origins[0].address, "ETIMEDOUT");
    const { heard } = send(s, "/c", 5000);
    await s.apply({ ...storySnapshot(), clusters: [] });
    s.advance(2000);
    expect(heard.length).toBe(1);
    expect(heard[0]).toStartWith("503 ");
    s.expectNothingLeft();
  });

  test("one that was asked at the end of a stream is answered after it", async () => {
    const heard: Heard = [];
    const { s } = await filtered([
      recorded("a", [], (_callbacks, context) => ({
        onLog() {
          context.callouts.send("app", headOf("/log"), toBytes(""), 1000, {
            onAnswer: (head) => heard.push(String(head.status)),
          });
        },
      })),
    ]);
    const client = s.client(get());
    client.close();
    s.advance(20);
    expect(heard).toEqual(["200"]);
    s.expectNothingLeft();
  });

  test("a stream waits for its answer, and is decided by it", async () => {
    for (const status of [200, 403]) {
      const { s } = await filtered(
        [
          recorded("a", [], (callbacks, context) => ({
            onRequestHeaders() {
              context.callouts.send("app", headOf("/authorize"), toBytes(""), 1000, {
                onAnswer(head) {
                  if (head.status === 200) callbacks.continueRequest();
                  else callbacks.respond(reply(head.status, "no"));
                },
              });
              return Pause;
            },
          })),
        ],
        {
          origins: [
            (peer) => {
              if (!peer.received.endsWith("\r\n\r\n")) return;
              const asked = peer.take().startsWith("GET /authorize");
              peer.send(asked ? `HTTP/1.1 ${status} X\r\ncontent-length: 0\r\n\r\n` : OK);
            },
          ],
        },
      );
      const client = s.client(get());
      s.advance(10);
      expect(gist(client.received)).toBe(status === 200 ? "200 ok" : "403 no");
      s.expectNothingLeft();
    }
  });

  test("a sink may ask again, and throw, without harm to anything else", async () => {
    const heard: Heard = [];
    const s = await story();
    s.proxy.run(() => {
      const { callouts } = s.context;
      const ask = (left: number): unknown =>
        callouts.send("app", headOf("/"), toBytes(""), 1000, {
          onAnswer(head) {
            heard.push(String(head.status));
            if (left > 0) ask(left - 1);
            else throw new Error("boom");
          },
        });
      ask(2);
    });
    s.advance(50);
    expect(heard).toEqual(["200", "200", "200"]);
    expect(gist(s.client(get()).received)).toBe("200 ok");
    s.expectNothingLeft(1);
  });
});
