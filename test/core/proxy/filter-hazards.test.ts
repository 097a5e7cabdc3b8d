/** What filters, clients and origins do at the worst of moments, and what must hold all the same. */
import { describe, expect, test } from "bun:test";
import type { Body } from "../../../core/filter/body.ts";
import type { Filter, FilterCallbacks } from "../../../core/filter/filter.ts";
import {
  Consume,
  Continue,
  Pause,
  PauseAndPress,
  PauseHeaders,
  Respond,
} from "../../../core/filter/verdict.ts";
import type { RequestHead, ResponseHead } from "../../../core/http/head.ts";
import {
  answers,
  get,
  gist,
  OK,
  post,
  type StorySetup,
  silent,
  storySnapshot,
} from "../../support/engine-story.ts";
import { bodyOf, filtered, WITH_TRAILERS } from "../../support/filtered-story.ts";
import { bytesOf, recorded, reply, type ScriptedFilter, textOf } from "../../support/scripted-filter.ts";
import { retryPolicy, route, routeTo } from "../../support/snapshot-fixture.ts";
import { readResponses } from "../../support/wire-reader.ts";

/** A filter of these hooks alone. */
const only = (hooks: (callbacks: FilterCallbacks) => Filter): ScriptedFilter => recorded("a", [], hooks);

/** A filter whose callbacks are kept, one per stream. */
function keeping(name: string, hooks: (callbacks: FilterCallbacks) => Filter, calls: string[] = []) {
  const kept: FilterCallbacks[] = [];
  const filter = recorded(name, calls, (callbacks) => {
    kept.push(callbacks);
    return hooks(callbacks);
  });
  return { filter, kept, calls };
}

const direct = (path: string, status: number, body: string) =>
  route(path, { kind: "direct_response" as const, status, body, bodyFormat: null });

const UPGRADES = { upgrades: [{ upgradeType: "x-proto", enabled: true, terminateConnect: false }] };
const ASK = "connection: upgrade\r\nupgrade: x-proto\r\n";
const SWITCHED = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x-proto\r\n\r\n";

/** Statuses and bodies of all answers; what no reader would accept is named. */
function answersIn(received: string, methods: readonly string[] = [], ended = true): string[] {
  const { responses, rest } = readResponses(received, methods, ended);
  const out = responses.map(
    ({ status, body, complete, defects }) =>
      `${status} ${body}${complete ? "" : " (cut)"}${defects.length > 0 ? ` ${defects.join()}` : ""}`,
  );
  return rest === "" ? out : [...out, `rest: ${rest}`];
}

describe("one answer per request", () => {
  test("a local reply that a filter answers otherwise leaves nothing of itself on the wire", async () => {
    const { s } = await filtered(
      [
        only((callbacks) => ({
          onResponseHeaders(head) {
            if (head.status !== 404) return Continue;
            callbacks.respond(reply(403, "not for you"));
            return Respond;
          },
        })),
      ],
      { routes: [direct("/gone", 404, "nothing here")] },
    );
    const client = s.client(get("/gone") + get("/there"));
    expect(answersIn(client.received)).toEqual(["403 not for you", "200 ok"]);
    s.expectNothingLeft();
  });

  test("the last word of a filter that says several things is the first", async () => {
    const { s } = await filtered([
      only((callbacks) => ({
        onRequestHeaders() {
          callbacks.respond(reply(401, "one"));
          callbacks.respond(reply(402, "two"));
          callbacks.reset("three");
          callbacks.continueRequest();
          return Continue;
        },
      })),
    ]);
    const client = s.client(get() + get());
    expect(answersIn(client.received)).toEqual(["401 one", "401 one"]);
    expect(s.upstream().length).toBe(0);
    s.expectNothingLeft();
  });

  test("a reply that another filter holds gives way to a time-out", async () => {
    const { s } = await filtered(
      [
        recorded("holds", [], () => ({ onResponseHeaders: () => Pause })),
        only((callbacks) => ({
          onRequestHeaders() {
            callbacks.respond(reply(403, "denied"));
            return Respond;
          },
        })),
      ],
      { manager: { streamIdleTimeout: 1000 } },
    );
    const client = s.client(get());
    expect(client.received).toBe("");
    s.advance(1001);
    expect(answersIn(client.received)).toEqual(["504 stream timeout"]);
    s.expectNothingLeft();
  });

  test("what a filter does to a body after it has answered is not the next request's", async () => {
    const { s, seen } = await filtered([
      only((callbacks) => ({
        onRequestBody(body, ends) {
          if (callbacks.request.path !== "/" || ends) return Continue;
          callbacks.respond(reply(403, "no"));
          body.replace(0, 0, bytesOf("left over"));
          return Respond;
        },
      })),
    ]);
    const client = s.client(post("abc"));
    s.send(client, post("xyz").replace("POST / ", "POST /next "));
    expect(answersIn(client.received)).toEqual(["403 no", "200 ok"]);
    expect(bodyOf(seen.at(-1) ?? "")).toBe("xyz");
    s.expectNothingLeft();
  });
});

describe("one stream after another", () => {
  test("a request that begins inside the end of the one before is held by itself", async () => {
    const { filter, kept, calls } = keeping("a", ({ request }) => ({
      onRequestHeaders: () => (request.path === "/first" ? PauseHeaders : Pause),
    }));
    const { s, seen } = await filtered([filter], { routes: [direct("/first", 299, "first")] });
    const client = s.client(get("/first") + post("secret"));
    expect(calls).toEqual(["a.requestHeaders(GET /first end)"]);
    s.proxy.run(() => kept[0].continueRequest());
    s.settle();
    expect(answersIn(client.received)).toEqual(["299 first"]);
    expect(kept.length).toBe(2);
    expect(calls.at(-1)).toBe("a.requestHeaders(POST /)");
    expect(seen).toEqual([]);
    s.proxy.run(() => kept[1].continueRequest());
    s.settle();
    expect(bodyOf(seen[0])).toBe("secret");
    expect(answersIn(client.received)).toEqual(["299 first", "200 ok"]);
    s.expectNothingLeft();
  });

  test("an answer that is let go begins the next request, whose answer is not let go with it", async () => {
    const { filter, kept } = keeping("a", ({ request }) => ({
      onResponseHeaders: () => (request.path === "/1" ? PauseHeaders : Pause),
    }));
    const { s } = await filtered([filter], {
      routes: [direct("/1", 299, ""), direct("/2", 299, "two")],
    });
    const client = s.client(get("/1") + get("/2"));
    s.proxy.run(() => kept[0].continueResponse());
    s.settle();
    expect(answersIn(client.received)).toEqual(["299 "]);
    s.proxy.run(() => kept[1].continueResponse());
    s.settle();
    expect(answersIn(client.received)).toEqual(["299 ", "299 two"]);
    s.expectNothingLeft();
  });

  test("callbacks of a stream that is over reach no other", async () => {
    const { filter, kept, calls } = keeping("a", ({ request }) => ({
      onRequestHeaders: () => (request.path === "/held" ? Pause : Continue),
    }));
    const { s, seen } = await filtered([filter]);
    const client = s.client(get("/1"));
    s.send(client, get("/held"));
    expect(calls.at(-1)).toBe("a.requestHeaders(GET /held end)");
    const [stale] = kept;
    s.proxy.run(() => {
      stale.continueRequest();
      stale.continueResponse();
      stale.respond(reply(500, "stale"));
      stale.reset("stale");
      stale.clearRouteCache();
      stale.addRequestTrailers().set("x", "1");
      stale.addResponseTrailers().set("x", "1");
    });
    s.settle();
    expect(stale.response).toBe(null);
    expect(seen.length).toBe(1);
    expect(answersIn(client.received)).toEqual(["200 ok"]);
    s.expectNothingLeft();
  });

  test("trailers of one answer are not those of the next, whatever is held", async () => {
    const { filter, kept } = keeping("a", () => ({ onResponseHeaders: () => Pause }));
    const trailing = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n";
    const { s } = await filtered([filter], {
      manager: { http1: WITH_TRAILERS },
      cluster: { http1: WITH_TRAILERS },
      routes: [direct("/2", 299, "two")],
      origins: [answers(trailing)],
    });
    const client = s.client(get("/1") + get("/2"));
    for (const at of [0, 1]) {
      s.proxy.run(() => kept[at].continueResponse());
      s.settle();
    }
    expect(client.received.split("x-t: 1").length).toBe(2);
    expect(answersIn(client.received)).toEqual(["200 ok", "299 two"]);
    s.expectNothingLeft();
  });

  test("a held request keeps the ones behind it waiting, and their bytes bounded", async () => {
    const { filter, kept, calls } = keeping("a", () => ({ onRequestHeaders: () => Pause }));
    const { s } = await filtered([filter], { network: { buffer: 16_384, maxRead: 4096 } });
    const client = s.client(get("/1"));
    s.send(client, get("/next").repeat(5000));
    expect(calls).toEqual(["a.requestHeaders(GET /1 end)"]);
    expect(s.stat("http.test.downstream_cx_rx_bytes_total")).toBeLessThan(16_384);
    s.proxy.run(() => kept[0].continueRequest());
    s.settle();
    expect(calls.at(-1)).toBe("a.requestHeaders(GET /next end)");
    client.reset();
    s.settle();
    s.expectNothingLeft();
  });
});

describe("framing, whatever filters make of heads", () => {
  const editing = (request: (head: RequestHead) => void, response: (head: ResponseHead) => void) =>
    only(() => ({
      onRequestHeaders(head) {
        request(head);
        return Continue;
      },
      onResponseHeaders(head) {
        response(head);
        return Continue;
      },
    }));
  const nothing = () => undefined;

  test("the client's method decides whether its answer has a body", async () => {
    const toGet = await filtered([
      editing((head) => {
        head.method = "GET";
      }, nothing),
    ]);
    const asked = toGet.s.client("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n");
    expect(toGet.seen[0]).toStartWith("GET / ");
    expect(answersIn(asked.received, ["HEAD"])).toEqual(["200 "]);
    toGet.s.expectNothingLeft();
    const toHead = await filtered(
      [
        editing((head) => {
          head.method = "HEAD";
        }, nothing),
      ],
      { origins: [answers("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")] },
    );
    const client = toHead.s.client(get() + get());
    expect(answersIn(client.received)).toEqual(["200 ", "200 "]);
    toHead.s.expectNothingLeft();
  });

  test.each([
    ["a length that the empty body has not", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, "5"],
    ["a 304 that becomes a 200", "HTTP/1.1 304 Not Modified\r\ncontent-length: 500\r\n\r\n", 200, "500"],
    ["a 204 that becomes a 200", "HTTP/1.1 204 No Content\r\n\r\n", 200, "7"],
    ["a 205 with a length", "HTTP/1.1 205 Reset Content\r\n\r\n", 205, "7"],
    ["a 200 that becomes a 204", OK, 204, "2"],
    ["a 200 that becomes a 304", OK, 304, "2"],
  ])("%s", async (_name, answer, status, length) => {
    const { s } = await filtered(
      [
        editing(nothing, (head) => {
          head.status = status;
          head.fields.set("content-length", length);
        }),
      ],
      { origins: [answers(answer)] },
    );
    const client = s.client(get() + get());
    expect(answersIn(client.received)).toEqual([`${status} `, `${status} `]);
    s.expectNothingLeft();
  });

  test("a status that is none is a 502 in its place", async () => {
    for (const status of [0, 100, 101, 199, 1000, Number.NaN, 200.5]) {
      const { s } = await filtered([
        editing(nothing, (head) => {
          head.status = status;
        }),
      ]);
      const client = s.client(get() + get());
      expect(answersIn(client.received)).toEqual(["502 ", "502 "]);
      expect(s.logs[0]).toBe("GET / 502 - filter_removed_required_response_headers");
      s.expectNothingLeft();
    }
  });

  test("a tunnel is not made into an answer", async () => {
    const { s } = await filtered(
      [
        editing(nothing, (head) => {
          if (head.status === 101) head.status = 200;
        }),
      ],
      { manager: UPGRADES, origins: [answers(`${SWITCHED}raw`)] },
    );
    const client = s.client(get("/", ASK));
    expect(answersIn(client.received)).toEqual(["502 "]);
    s.expectNothingLeft();
  });

  test("a start line that is none goes nowhere", async () => {
    const edits: [string, (head: RequestHead) => void][] = [
      [
        "missing_required_header:_:path",
        (head) => {
          head.path = "";
        },
      ],
      [
        "invalid_header_value_for:_:path",
        (head) => {
          head.path = "/ HTTP/1.1\r\nx: y";
        },
      ],
      [
        "invalid_header_value_for:_:path",
        (head) => {
          head.path = "http://other/";
        },
      ],
      [
        "missing_required_header:_:method",
        (head) => {
          head.method = "";
        },
      ],
      [
        "invalid_header_value_for:_:method",
        (head) => {
          head.method = "GET /x";
        },
      ],
      [
        "invalid_header_value_for:_:method",
        (head) => {
          head.method = "CONNECT";
        },
      ],
      [
        "missing_required_header:_:authority",
        (head) => {
          head.authority = "";
        },
      ],
      [
        "invalid_header_value_for:_:authority",
        (head) => {
          head.authority = "a\r\nx: y";
        },
      ],
    ];
    for (const [details, edit] of edits) {
      const { s } = await filtered([editing(edit, nothing)], { log: "%RESPONSE_CODE_DETAILS%" });
      const client = s.client(get());
      expect(gist(client.received)).toStartWith("503");
      expect(s.upstream().length).toBe(0);
      expect(s.logs).toEqual([`filter_removed_required_request_headers{${details}}`]);
      s.expectNothingLeft();
    }
  });

  test("a body that was consumed before its head went on is declared anew", async () => {
    const { s, seen } = await filtered([
      only(() => ({
        onRequestHeaders: () => PauseHeaders,
        onRequestBody: (_body, ends) => (ends ? Continue : Consume),
      })),
    ]);
    const client = s.client(post("abc"));
    expect(bodyOf(seen[0])).toBe("0\r\n\r\n");
    expect(answersIn(client.received)).toEqual(["200 ok"]);
    s.expectNothingLeft();
  });

  test("an answer until the end of its connection may be declared, and is held to it", async () => {
    for (const [length, expected] of [
      ["5", "200 hello"],
      ["6", "200 hello (cut)"],
    ]) {
      const { s } = await filtered([editing(nothing, (head) => head.fields.set("content-length", length))], {
        origins: [
          (peer) => {
            if (!peer.received.endsWith("\r\n\r\n")) return;
            peer.take();
            peer.send("HTTP/1.1 200 OK\r\n\r\nhello");
            peer.end();
          },
        ],
      });
      const client = s.client(get());
      expect(answersIn(client.received, [], false)).toEqual([expected]);
      expect(client.ended || client.closed).toBe(expected.endsWith("(cut)"));
      s.expectNothingLeft();
    }
  });

  test("an HTTP/1.0 client gets a body of unknown length until the end of its connection", async () => {
    const { s } = await filtered([editing(nothing, (head) => head.fields.remove("content-length"))], {
      manager: { http1: { ...WITH_TRAILERS, acceptHttp10: true } },
    });
    const client = s.client("GET / HTTP/1.0\r\nhost: a\r\n\r\n");
    expect(client.received).not.toContain("chunked");
    expect(answersIn(client.received)).toEqual(["200 ok"]);
    expect(client.ended).toBe(true);
    s.expectNothingLeft();
  });

  test("where trailers may come and none do, the end is the body's", async () => {
    const calls: string[] = [];
    const { s } = await filtered([recorded("a", calls)], {
      manager: { http1: WITH_TRAILERS },
      cluster: { http1: WITH_TRAILERS },
    });
    s.client(get());
    expect(calls).toContain("a.responseBody( end)");
    expect(calls).not.toContain("a.responseTrailers(0)");
    s.expectNothingLeft();
  });

  test("trailers that are added before the end is there go nowhere", async () => {
    const { s } = await filtered(
      [
        only((callbacks) => ({
          onRequestHeaders() {
            callbacks.addRequestTrailers().set("x-early", "1");
            return Continue;
          },
          onResponseBody(_body, ends) {
            callbacks.addResponseTrailers().set(ends ? "x-late" : "x-early", "1");
            return Continue;
          },
        })),
      ],
      {
        manager: { http1: WITH_TRAILERS },
        cluster: { http1: WITH_TRAILERS },
        origins: [answers("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")],
      },
    );
    const { received } = s.client(get());
    expect(received).toEndWith("0\r\nx-late: 1\r\n\r\n");
    expect(received).not.toContain("x-early");
    s.expectNothingLeft();
  });
});

describe("answers and requests at the same time", () => {
  test("an early answer that is held gives up its upstream, not somebody else's", async () => {
    const { filter, kept } = keeping("a", () => ({ onResponseHeaders: () => Pause }));
    const { s } = await filtered([filter], {
      origins: [
        (peer) => {
          if (peer.received.startsWith("POST")) {
            peer.take();
            peer.send(OK);
          } else if (peer.received.startsWith("GET")) peer.take(); // answers later
        },
      ],
    });
    const first = s.client(post("abc", 6));
    s.send(first, "def");
    const second = s.client(get("/second"));
    s.proxy.run(() => kept[0].continueResponse());
    s.settle();
    expect(answersIn(first.received)).toEqual(["200 ok"]);
    const [used] = s.upstream().filter((peer) => !peer.closed && !peer.ended);
    used.send(OK);
    s.settle();
    s.proxy.run(() => kept[1].continueResponse());
    s.settle();
    expect(answersIn(second.received)).toEqual(["200 ok"]);
    s.expectNothingLeft();
  });

  test("an answer that takes long to collect is not idle", async () => {
    const { s } = await filtered(
      [only(() => ({ onResponseBody: (_body, ends) => (ends ? Continue : Pause) }))],
      { manager: { streamIdleTimeout: 1000 }, origins: [silent] },
    );
    const client = s.client(get());
    const [upstream] = s.upstream();
    upstream.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n");
    for (const byte of "abcd") {
      s.advance(800);
      upstream.send(byte);
    }
    s.settle();
    expect(answersIn(client.received)).toEqual(["200 abcd"]);
    s.expectNothingLeft();
  });

  test("an upstream that dies within a held answer cuts it", async () => {
    const { s } = await filtered([only(() => ({ onResponseHeaders: () => Pause }))], { origins: [silent] });
    const client = s.client(get());
    s.upstream()[0].send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab");
    s.settle();
    s.upstream()[0].reset();
    s.settle();
    expect(client.received).toBe("");
    expect(client.ended || client.closed).toBe(true);
    expect(s.stat("http.test.downstream_rq_2xx")).toBe(0);
    s.expectNothingLeft();
  });

  test("a filter's pressure and a client that does not read are two things", async () => {
    const { filter, kept } = keeping("a", () => ({
      onResponseBody: (body) => (body.size < 60_000 ? PauseAndPress : Continue),
    }));
    const big = "x".repeat(200_000);
    const { s } = await filtered([filter], {
      listener: { perConnectionBufferLimitBytes: 10_000 },
      network: { buffer: 8000, maxRead: 4000 },
      origins: [answers(`HTTP/1.1 200 OK\r\ncontent-length: ${big.length}\r\n\r\n${big}`)],
    });
    const client = s.client();
    client.pause();
    s.send(client, get());
    // The filter holds as much as it may; what it lets go, the client does not take.
    s.proxy.run(() => kept[0].continueResponse());
    s.settle();
    client.resume();
    for (let i = 0; i < 200 && bodyOf(client.received).length < big.length; i++) {
      s.settle();
      s.proxy.run(() => kept[0].continueResponse());
    }
    s.settle();
    expect(bodyOf(client.received)).toBe(big);
    s.expectNothingLeft();
  });

  test("what a filter says of the status is what is logged and counted", async () => {
    const { s } = await filtered([
      only(() => ({
        onResponseHeaders(head) {
          head.status = 418;
          return Continue;
        },
      })),
    ]);
    s.client(get());
    expect(s.logs).toEqual(["GET / 418 - via_upstream"]);
    expect(s.stat("http.test.downstream_rq_4xx")).toBe(1);
    s.expectNothingLeft();
  });

  test("a request that is tried again has passed its filters once, and its body as they made it", async () => {
    const calls: string[] = [];
    const bodies: string[] = [];
    let tries = 0;
    const { s } = await filtered(
      [
        recorded("a", calls, () => ({
          onRequestHeaders(head) {
            head.fields.remove("content-length");
            return Continue;
          },
          onRequestBody(body) {
            if (body.size > 0) body.replace(0, body.size, bytesOf(textOf(body).toUpperCase()));
            return Continue;
          },
        })),
      ],
      {
        action: {
          retryPolicy: retryPolicy({
            retryOn: ["5xx"],
            numRetries: 2,
          }),
        },
        origins: [
          (peer) => {
            if (!peer.received.endsWith("0\r\n\r\n")) return;
            bodies.push(bodyOf(peer.take()));
            peer.send(++tries < 3 ? "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n" : OK);
          },
        ],
      },
    );
    const client = s.client(post("abc"));
    s.advance(1000);
    expect(bodies).toEqual(["3\r\nABC\r\n0\r\n\r\n", "3\r\nABC\r\n0\r\n\r\n", "3\r\nABC\r\n0\r\n\r\n"]);
    expect(calls.filter((call) => call.includes("Headers"))).toEqual([
      "a.requestHeaders(POST /)",
      "a.responseHeaders(200)",
    ]);
    expect(answersIn(client.received)).toEqual(["200 ok"]);
    s.expectNothingLeft();
  });
});

describe("routes that are chosen again", () => {
  const clearing = (path: string) =>
    only((callbacks) => ({
      onRequestHeaders(head) {
        head.path = path;
        callbacks.clearRouteCache();
        return Continue;
      },
    }));

  test("to none, to one without its cluster, to one with another time-out", async () => {
    const none = await filtered([clearing("/x")], {
      virtualHost: { routes: [route("/only", routeTo("app"))] },
    });
    expect(gist(none.s.client(get("/only")).received)).toStartWith("404");
    expect(none.s.logs[0]).toEndWith("404 NR route_not_found");
    none.s.expectNothingLeft();
    const missing = await filtered([clearing("/x")], { routes: [route("/x", routeTo("nobody"))] });
    expect(gist(missing.s.client(get()).received)).toStartWith("503");
    expect(missing.s.logs[0]).toEndWith("503 NC cluster_not_found");
    missing.s.expectNothingLeft();
    const quick = await filtered([clearing("/quick")], {
      routes: [route("/quick", routeTo("app", { timeout: 50 }))],
      action: { timeout: 5000 },
      origins: [silent],
    });
    const client = quick.s.client(get());
    quick.s.advance(60);
    expect(gist(client.received)).toBe("504 upstream request timeout");
    quick.s.expectNothingLeft();
  });

  test("to one that does not know the protocol that was asked for: an ordinary request that ends", async () => {
    for (const holds of [false, true]) {
      const { filter, kept } = keeping("a", (callbacks) => ({
        onRequestHeaders(head) {
          head.path = "/plain";
          callbacks.clearRouteCache();
          return holds ? Pause : Continue;
        },
      }));
      const up = routeTo("app", {
        upgrades: [{ upgradeType: "x-proto", enabled: true, terminateConnect: false }],
      });
      const { s, seen } = await filtered([filter], { routes: [route("/up", up)] });
      const client = s.client(get("/up", ASK));
      if (holds) s.proxy.run(() => kept[0].continueRequest());
      s.settle();
      expect(seen[0]).toStartWith("GET /plain HTTP/1.1\r\n");
      expect(seen[0]).not.toContain("chunked");
      expect(answersIn(client.received)).toEqual(["200 ok"]);
      s.expectNothingLeft();
    }
  });
});

describe("tunnels", () => {
  const echo: StorySetup["origins"] = [
    (peer) => {
      if (peer.received.startsWith("GET") && peer.received.endsWith("\r\n\r\n")) {
        peer.take();
        peer.send(SWITCHED);
      }
    },
  ];

  test("a filter may cut one whose upstream has said its last", async () => {
    const { filter, kept } = keeping("a", () => ({}));
    const { s } = await filtered([filter], { manager: UPGRADES, origins: echo });
    const client = s.client(get("/", ASK));
    s.upstream()[0].end();
    s.settle();
    expect(client.ended).toBe(true);
    s.proxy.run(() => kept[0].reset("enough"));
    s.settle();
    expect(s.upstream()[0].closed || s.upstream()[0].ended).toBe(true);
    expect(s.logs[0]).toEndWith("enough");
    s.expectNothingLeft();
  });

  test("what a filter holds in one is bounded to the end", async () => {
    const { s } = await filtered([only(() => ({ onRequestBody: () => Pause }))], {
      manager: UPGRADES,
      origins: echo,
      listener: { perConnectionBufferLimitBytes: 1000 },
    });
    const client = s.client(get("/", ASK));
    s.upstream()[0].end();
    s.settle();
    for (let i = 0; i < 5; i++) s.send(client, "x".repeat(400));
    expect(client.closed).toBe(true);
    s.expectNothingLeft();
  });

  test("a 101 that is held becomes a tunnel when it is let go, with what came meanwhile", async () => {
    const { filter, kept } = keeping("a", () => ({ onResponseHeaders: () => Pause }));
    const { s } = await filtered([filter], { manager: UPGRADES, origins: echo });
    const client = s.client(get("/", ASK));
    s.upstream()[0].send("early");
    s.send(client, "ahead");
    expect(client.received).toBe("");
    s.proxy.run(() => kept[0].continueResponse());
    s.settle();
    expect(client.received).toStartWith("HTTP/1.1 101");
    expect(client.received).toEndWith("\r\n\r\nearly");
    expect(s.upstream()[0].received).toBe("ahead");
    s.expectNothingLeft();
  });
});

describe("who goes on when", () => {
  test("a filter that lets another go on from inside of its own hook changes no order", async () => {
    const calls: string[] = [];
    const held: FilterCallbacks[] = [];
    const { s, seen } = await filtered([
      recorded("a", calls, () => ({
        onRequestBody(_body, ends) {
          if (ends) held[0].continueRequest();
          return Continue;
        },
      })),
      recorded("b", calls, (callbacks) => {
        held.push(callbacks);
        return { onRequestBody: () => Pause };
      }),
      recorded("c", calls),
    ]);
    s.client(post("abc"));
    expect(bodyOf(seen[0])).toBe("abc");
    expect(calls.filter((call) => call.includes("Body") && !call.includes("response"))).toEqual([
      "a.requestBody(abc)",
      "b.requestBody(abc)",
      "a.requestBody( end)",
      "b.requestBody(abc end)",
      "c.requestBody(abc end)",
    ]);
    s.expectNothingLeft();
  });

  test("a listener that is replaced or removed keeps its held streams and ends after them", async () => {
    const { filter, kept } = keeping("a", () => ({ onRequestHeaders: () => Pause }));
    const { s } = await filtered([filter]);
    const client = s.client(get());
    const whole = storySnapshot({ filters: [filter] });
    await s.apply({ ...whole, listeners: [] });
    s.settle();
    s.proxy.run(() => kept[0].continueRequest());
    s.settle();
    expect(answersIn(client.received)).toEqual(["200 ok"]);
    expect(client.received).toContain("connection: close");
    expect(s.proxy.worker.drainingListeners).toBe(1);
    client.close();
    s.settle();
    expect(s.proxy.worker.drainingListeners).toBe(0);
    s.expectNothingLeft();
  });

  test("a client that ends its side still gets the answer to a held request", async () => {
    const { filter, kept } = keeping("a", () => ({ onRequestHeaders: () => Pause }));
    const { s } = await filtered([filter]);
    const client = s.client(get());
    client.end();
    s.settle();
    s.proxy.run(() => kept[0].continueRequest());
    s.settle();
    expect(answersIn(client.received)).toEqual(["200 ok"]);
    s.expectNothingLeft();
  });

  test("a request that breaks off while it is held is answered, and let go", async () => {
    const { s } = await filtered([only(() => ({ onRequestHeaders: () => PauseAndPress }))]);
    const client = s.client(post("ab", 10));
    client.end();
    s.settle();
    expect(gist(client.received)).toStartWith("400");
    s.expectNothingLeft();
  });
});

describe("filters that throw", () => {
  const boom = (): never => {
    throw new Error("boom");
  };
  const hooks: [string, Filter, string][] = [
    ["onRequestHeaders", { onRequestHeaders: boom }, post("abc")],
    ["onRequestBody", { onRequestBody: boom }, post("abc")],
    [
      "onRequestTrailers",
      { onRequestTrailers: boom },
      "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: 1\r\n\r\n",
    ],
    ["onResponseHeaders", { onResponseHeaders: boom }, get()],
    ["onResponseBody", { onResponseBody: boom }, get()],
    ["onResponseTrailers", { onResponseTrailers: boom }, get()],
  ];
  const trailing: StorySetup = {
    manager: { http1: WITH_TRAILERS },
    cluster: { http1: WITH_TRAILERS },
    origins: [
      (peer) => {
        if (!peer.received.endsWith("\r\n\r\n") && !peer.received.endsWith("abc")) return;
        peer.take();
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n");
      },
    ],
  };

  test.each(hooks)(
    "in %s: the stream is cut, the others are told, nobody else is hurt",
    async (_n, hook, ask) => {
      const calls: string[] = [];
      let first = true;
      const { s } = await filtered(
        [
          recorded("a", calls),
          recorded("b", [], () => {
            const mine = first ? hook : {};
            first = false;
            return mine;
          }),
        ],
        { ...trailing, log: "%RESPONSE_CODE_DETAILS%" },
      );
      const other = s.client();
      const client = s.client(ask);
      s.advance(5);
      expect(client.closed || client.ended).toBe(true);
      expect(client.received.endsWith("0\r\n\r\n") || client.received.endsWith("x-t: 1\r\n\r\n")).toBe(false);
      expect(calls.filter((call) => call === "a.log()").length).toBe(1);
      expect(s.logs).toEqual(["filter_exception"]);
      s.send(other, get());
      expect(answersIn(other.received)).toEqual(["200 ok"]);
      s.expectNothingLeft(1);
    },
  );

  test("when they are told of the end: all are told, and the next request is served", async () => {
    const calls: string[] = [];
    const { s } = await filtered([recorded("a", [], () => ({ onLog: boom })), recorded("b", calls)]);
    const client = s.client(get() + get());
    s.advance(5);
    expect(answersIn(client.received)).toEqual(["200 ok", "200 ok"]);
    expect(calls.filter((call) => call === "b.log()").length).toBe(2);
    s.expectNothingLeft(2);
  });

  test("when they are made: those made before are told, and the client is cut", async () => {
    const calls: string[] = [];
    const { s } = await filtered([recorded("a", calls), { name: "b", create: boom }]);
    const client = s.client(get());
    s.advance(5);
    expect(client.closed || client.ended).toBe(true);
    expect(calls).toEqual(["a.log()"]);
    s.expectNothingLeft(1);
  });

  test("behind one that lets go from a timer", async () => {
    const { filter, kept } = keeping("a", () => ({ onRequestHeaders: () => Pause }));
    const { s } = await filtered([filter, recorded("b", [], () => ({ onRequestHeaders: boom }))]);
    const client = s.client(get());
    s.proxy.run(() => kept[0].continueRequest());
    s.advance(5);
    expect(client.closed || client.ended).toBe(true);
    s.expectNothingLeft(1);
  });

  test("when many wait for one connection that fails: each has its own answer or cut", async () => {
    let count = 0;
    const { s } = await filtered(
      [
        recorded("a", [], () => {
          const mine = count++;
          return { onResponseHeaders: () => (mine === 0 ? boom() : Continue) };
        }),
      ],
      { limits: { maxConnections: 1 }, origins: [null] },
    );
    const clients = [s.client(get("/1")), s.client(get("/2")), s.client(get("/3"))];
    s.advance(2000);
    expect(clients.map((client) => client.received.slice(9, 12))).toEqual(["", "503", "503"]);
    s.expectNothingLeft(1);
  });
});

describe("bodies in crumbs", () => {
  test("a held body of single bytes costs about what it weighs", async () => {
    let held: Body | null = null;
    const { s, seen } = await filtered([
      only(() => ({
        onRequestBody(body, ends) {
          held = body;
          return ends ? Continue : Pause;
        },
      })),
    ]);
    const text = Array.from({ length: 3000 }, (_, i) => String.fromCharCode(97 + (i % 26))).join("");
    const chunks = [...text].map((byte) => `1\r\n${byte}\r\n`).join("");
    const client = s.client(`POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n${chunks}`);
    expect((held as Body | null)?.pieces).toBeLessThan(600);
    s.send(client, "0\r\n\r\n");
    const sent = bodyOf(seen[0])
      .split("\r\n")
      .filter((_, i) => i % 2 === 1)
      .join("");
    expect(sent).toBe(text);
    s.expectNothingLeft();
  });
});
