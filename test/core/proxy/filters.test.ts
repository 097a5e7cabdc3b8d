/** Filters on real streams: what they are shown, what they may change, hold, answer and cut. */
import { describe, expect, test } from "bun:test";
import type { HeaderMatcher, RouteMatch } from "../../../core/config/model.ts";
import type { Filter, FilterCallbacks } from "../../../core/filter/filter.ts";
import {
  Consume,
  Continue,
  Pause,
  PauseAndPress,
  PauseHeaders,
  Respond,
} from "../../../core/filter/verdict.ts";
import type { RequestHead } from "../../../core/http/head.ts";
import { answers, get, gist, post, type StorySetup, silent } from "../../support/engine-story.ts";
import { bodyOf, filtered, WITH_TRAILERS } from "../../support/filtered-story.ts";
import { bytesOf, recorded, reply, type ScriptedFilter, textOf } from "../../support/scripted-filter.ts";
import { route } from "../../support/snapshot-fixture.ts";

describe("order", () => {
  test("a request meets the filters first to last, its answer last to first, and each is told of the end", async () => {
    const calls: string[] = [];
    const { s } = await filtered([recorded("a", calls), recorded("b", calls)]);
    expect(gist(s.client(post("xyz")).received)).toBe("200 ok");
    expect(calls).toEqual([
      "a.requestHeaders(POST /)",
      "b.requestHeaders(POST /)",
      "a.requestBody(xyz)",
      "b.requestBody(xyz)",
      "a.requestBody( end)",
      "b.requestBody( end)",
      "b.responseHeaders(200)",
      "a.responseHeaders(200)",
      "b.responseBody(ok)",
      "a.responseBody(ok)",
      "b.responseBody( end)",
      "a.responseBody( end)",
      "a.log()",
      "b.log()",
    ]);
    s.expectNothingLeft();
  });

  test("without a body the head is the end", async () => {
    const calls: string[] = [];
    const { s } = await filtered([recorded("a", calls)], {
      origins: [answers("HTTP/1.1 204 No Content\r\n\r\n")],
    });
    s.client(get());
    expect(calls).toEqual(["a.requestHeaders(GET / end)", "a.responseHeaders(204 end)", "a.log()"]);
    s.expectNothingLeft();
  });

  test("two requests on one connection have filters of their own", async () => {
    const calls: string[] = [];
    const { s } = await filtered([recorded("a", calls)]);
    s.client(get("/1") + get("/2"));
    expect(calls.filter((call) => call.includes("request") || call.includes("log"))).toEqual([
      "a.requestHeaders(GET /1 end)",
      "a.log()",
      "a.requestHeaders(GET /2 end)",
      "a.log()",
    ]);
    s.expectNothingLeft();
  });

  test("a filter that does not want a stream is not in its chain", async () => {
    const calls: string[] = [];
    const none: ScriptedFilter = { name: "none", create: () => null };
    const { s } = await filtered([none, recorded("b", calls), none]);
    s.client(get());
    expect(calls[0]).toBe("b.requestHeaders(GET / end)");
    s.expectNothingLeft();
  });
});

describe("heads", () => {
  test("what a filter writes goes upstream and to the client", async () => {
    const { s, seen } = await filtered([
      recorded("a", [], () => ({
        onRequestHeaders(head) {
          head.fields.set("x-seen", "1");
          head.fields.remove("x-secret");
          return Continue;
        },
        onResponseHeaders(head) {
          head.fields.set("x-answered", "2");
          head.status = 203;
          return Continue;
        },
      })),
    ]);
    const { received } = s.client(get("/", "x-secret: s\r\n"));
    expect(seen[0]).toContain("x-seen: 1\r\n");
    expect(seen[0]).not.toContain("x-secret");
    expect(received).toStartWith("HTTP/1.1 203");
    expect(received).toContain("x-answered: 2\r\n");
    s.expectNothingLeft();
  });

  test.each<[what: string, match: Partial<RouteMatch>, edit: (head: RequestHead) => void]>([
    ["path", { path: { kind: "prefix", text: "/other" } }, (head) => (head.path = "/other")],
    ["method", { headers: [present(":method", "PUT")] }, (head) => (head.method = "PUT")],
    ["scheme", { headers: [present(":scheme", "https")] }, (head) => (head.scheme = "https")],
    ["field", { headers: [present("x-tier", "gold")] }, (head) => head.fields.set("x-tier", "gold")],
    ["content type", { grpc: true }, (head) => head.fields.set("content-type", "application/grpc")],
  ])("a changed %s chooses another route once the filter says so", async (_what, match, edit) => {
    for (const clears of [false, true]) {
      const direct = {
        kind: "direct_response" as const,
        status: 299,
        body: "other",
        bodyFormat: null,
      };
      const { s } = await filtered(
        [
          recorded("a", [], (callbacks) => ({
            onRequestHeaders(head) {
              edit(head);
              if (clears) callbacks.clearRouteCache();
              return Continue;
            },
          })),
        ],
        { routes: [route("/", direct, { match: { ...route("/", direct).match, ...match } })] },
      );
      const { received } = s.client(get("/first"));
      expect(received.includes("other")).toBe(clears);
      s.expectNothingLeft();
    }
  });
});

/** Matches requests whose header has that value. */
function present(name: string, text: string): HeaderMatcher {
  return {
    name,
    test: { kind: "string", match: { kind: "exact", text, ignoreCase: false } },
    invert: false,
    treatMissingAsEmpty: false,
  };
}

describe("bodies", () => {
  const upper = (): ScriptedFilter =>
    recorded("upper", [], () => ({
      onRequestBody(body) {
        body.replace(0, body.size, bytesOf(textOf(body).toUpperCase()));
        return Continue;
      },
      onResponseBody(body) {
        body.replace(0, body.size, bytesOf(textOf(body).toUpperCase()));
        return Continue;
      },
    }));

  test("pieces are changed as they pass", async () => {
    const { s, seen } = await filtered([upper()]);
    const client = s.client("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc");
    s.send(client, "def");
    expect(bodyOf(seen[0])).toBe("ABCDEF");
    expect(gist(client.received)).toBe("200 OK");
    s.expectNothingLeft();
  });

  test("a filter that removed content-length may make a body longer; it goes in chunks", async () => {
    const { s, seen } = await filtered([
      recorded("longer", [], () => ({
        onRequestHeaders(head) {
          head.fields.remove("content-length");
          return Continue;
        },
        onRequestBody(body, ends) {
          if (ends) body.replace(body.size, 0, bytesOf("+more"));
          return Continue;
        },
        onResponseHeaders(head) {
          head.fields.remove("content-length");
          return Continue;
        },
        onResponseBody(body, ends) {
          if (!ends) body.replace(0, 0, bytesOf("before:"));
          return Continue;
        },
      })),
    ]);
    const { received } = s.client(post("abc"));
    expect(seen[0]).toContain("transfer-encoding: chunked\r\n");
    expect(bodyOf(seen[0])).toBe("3\r\nabc\r\n5\r\n+more\r\n0\r\n\r\n");
    expect(received).toContain("transfer-encoding: chunked\r\n");
    expect(bodyOf(received)).toBe("7\r\nbefore:\r\n2\r\nok\r\n0\r\n\r\n");
    s.expectNothingLeft();
  });

  test("one that did not is cut off, upstream and downstream, before anything is ambiguous", async () => {
    for (const put of ["", "longer than said"]) {
      const { s, seen } = await filtered(
        [
          recorded("liar", [], () => ({
            onRequestBody(body, ends) {
              if (!ends) body.replace(0, body.size, bytesOf(put));
              return Continue;
            },
          })),
        ],
        { log: "%RESPONSE_CODE_DETAILS%" },
      );
      const client = s.client(post("abc"));
      expect(client.closed || client.ended).toBe(true);
      expect(seen).toEqual([]);
      expect(s.logs).toEqual(["filter_changed_declared_length"]);
      s.expectNothingLeft();
    }
  });

  test("a body that was held whole and changed is framed anew by itself", async () => {
    const { s, seen } = await filtered([
      recorded("a", [], () => ({
        onRequestHeaders: () => PauseHeaders,
        onRequestBody(body, ends) {
          if (!ends) return Pause;
          body.replace(0, 1, bytesOf("ZZZ"));
          return Continue;
        },
      })),
    ]);
    const client = s.client(post("ab", 4));
    expect(s.upstream().length).toBe(0);
    s.send(client, "cd");
    expect(seen[0]).toContain("transfer-encoding: chunked\r\n");
    expect(bodyOf(seen[0])).toBe(
      "3\r\nZZZ\r\n2\r\nbcd\r\n0\r\n\r\n".replace("2\r\nbcd", "1\r\nb\r\n2\r\ncd"),
    );
    s.expectNothingLeft();
  });

  test("what is held is shown again with what comes, and goes on in one", async () => {
    const calls: string[] = [];
    const { s, seen } = await filtered([
      recorded("a", calls, () => ({ onRequestBody: (_body, ends) => (ends ? Continue : Pause) })),
      recorded("b", calls),
    ]);
    const client = s.client(post("ab", 6));
    s.send(client, "cd");
    s.send(client, "ef");
    expect(calls.filter((call) => call.includes("requestBody"))).toEqual([
      "a.requestBody(ab)",
      "a.requestBody(abcd)",
      "a.requestBody(abcdef)",
      "a.requestBody(abcdef end)",
      "b.requestBody(abcdef end)",
    ]);
    expect(bodyOf(seen[0])).toBe("abcdef");
    s.expectNothingLeft();
  });

  test("what a filter consumes is gone", async () => {
    const { s, seen } = await filtered([
      recorded("eater", [], () => ({
        onRequestHeaders(head) {
          head.fields.remove("content-length");
          return Continue;
        },
        onRequestBody(body, ends) {
          if (ends) body.replace(0, 0, bytesOf("instead"));
          return ends ? Continue : Consume;
        },
      })),
    ]);
    s.client(post("abc"));
    expect(bodyOf(seen[0])).toBe("7\r\ninstead\r\n0\r\n\r\n");
    s.expectNothingLeft();
  });

  test("too much to hold: 413 for a request, 500 for an answer", async () => {
    const limit: StorySetup["listener"] = { perConnectionBufferLimitBytes: 4 };
    const request = await filtered([recorded("a", [], () => ({ onRequestHeaders: () => Pause }))], {
      listener: limit,
    });
    expect(gist(request.s.client(post("abcde", 5)).received)).toBe("413 Payload Too Large");
    expect(request.s.logs[0]).toEndWith("413 - request_payload_too_large");
    request.s.expectNothingLeft();
    const answer = await filtered([recorded("a", [], () => ({ onResponseHeaders: () => Pause }))], {
      listener: limit,
      origins: [answers("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabcde")],
    });
    expect(gist(answer.s.client(get()).received)).toBe("500 Internal Server Error");
    answer.s.expectNothingLeft();
  });

  test("a filter that would rather wait stops the sender instead, and lets it go on", async () => {
    let resume = (): void => undefined;
    const { s, seen } = await filtered(
      [
        recorded("a", [], (callbacks) => {
          resume = () => callbacks.continueRequest();
          return { onRequestHeaders: () => PauseAndPress };
        }),
      ],
      { listener: { perConnectionBufferLimitBytes: 4 } },
    );
    const client = s.client(post("abcde", 10));
    expect(s.stat("http.test.downstream_flow_control_paused_reading_total")).toBe(1);
    s.send(client, "fghij");
    s.proxy.run(resume);
    s.settle();
    expect(bodyOf(seen[0])).toBe("abcdefghij");
    expect(gist(client.received)).toBe("200 ok");
    s.expectNothingLeft();
  });

  test("a client that waits for a 100 is not left waiting by a filter that waits for the body", async () => {
    const { s, seen } = await filtered([
      recorded("a", [], () => ({
        onRequestHeaders: () => PauseHeaders,
        onRequestBody: (_body, ends) => (ends ? Continue : Pause),
      })),
    ]);
    const client = s.client(
      "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n",
    );
    expect(client.take()).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    s.send(client, "abc");
    expect(seen[0]).not.toContain("expect:");
    expect(gist(client.received)).toBe("200 ok");
    s.expectNothingLeft();
  });
});

describe("trailers", () => {
  const chunked = (trailers: string) =>
    `POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n${trailers}\r\n`;
  const both: StorySetup = {
    manager: { http1: WITH_TRAILERS },
    cluster: { http1: WITH_TRAILERS },
    origins: [
      (peer) => {
        if (peer.received.includes("\r\n0\r\n") || peer.received.endsWith("\r\n\r\n")) {
          peer.take();
          peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n");
        }
      },
    ],
  };

  test("they are shown and may be changed; no body call says end before them", async () => {
    const calls: string[] = [];
    const { s } = await filtered(
      [
        recorded("a", calls, () => ({
          onResponseTrailers(trailers) {
            trailers.set("x-more", "2");
            return Continue;
          },
        })),
      ],
      both,
    );
    const { received } = s.client(chunked("x-q: 1\r\n"));
    expect(calls).toEqual([
      "a.requestHeaders(POST /)",
      "a.requestBody(abc)",
      "a.requestTrailers(1)",
      "a.responseHeaders(200)",
      "a.responseBody(ok)",
      "a.responseTrailers(1)",
      "a.log()",
    ]);
    expect(received).toEndWith("0\r\nx-t: 1\r\nx-more: 2\r\n\r\n");
    s.expectNothingLeft();
  });

  test("a filter may add some at the end of a body, and the filters behind it see them", async () => {
    const calls: string[] = [];
    const { s } = await filtered(
      [
        recorded("a", calls, (callbacks) => ({
          onRequestBody(_body, ends) {
            if (ends) callbacks.addRequestTrailers().set("x-added", "1");
            return Continue;
          },
        })),
        recorded("b", calls),
      ],
      both,
    );
    s.client(chunked(""));
    expect(calls.filter((call) => call.includes("request"))).toEqual([
      "a.requestHeaders(POST /)",
      "b.requestHeaders(POST /)",
      "a.requestBody(abc)",
      "b.requestBody(abc)",
      "a.requestBody( end)",
      "b.requestTrailers(1)",
    ]);
    s.expectNothingLeft();
  });
});

describe("holding", () => {
  test("a held request goes on when its filter says so, and nothing is lost", async () => {
    const calls: string[] = [];
    let held: FilterCallbacks | null = null;
    const { s, seen } = await filtered([
      recorded("a", calls, (callbacks) => {
        held = callbacks;
        return { onRequestHeaders: () => Pause };
      }),
      recorded("b", calls),
    ]);
    const client = s.client(post("abc"));
    expect(calls).toEqual(["a.requestHeaders(POST /)"]);
    s.proxy.run(() => held?.continueRequest());
    s.settle();
    expect(bodyOf(seen[0])).toBe("abc");
    expect(calls.slice(0, 4)).toEqual([
      "a.requestHeaders(POST /)",
      "b.requestHeaders(POST /)",
      "a.requestBody(abc end)",
      "b.requestBody(abc end)",
    ]);
    expect(gist(client.received)).toBe("200 ok");
    s.expectNothingLeft();
  });

  test("to say so before the hook has returned counts, too", async () => {
    const { s } = await filtered([
      recorded("a", [], (callbacks) => ({
        onRequestHeaders() {
          callbacks.continueRequest();
          return Pause;
        },
        onResponseHeaders() {
          callbacks.continueResponse();
          return Pause;
        },
      })),
    ]);
    expect(gist(s.client(get()).received)).toBe("200 ok");
    s.expectNothingLeft();
  });

  test("an answer that is held outlives the upstream's part in it", async () => {
    let held: FilterCallbacks | null = null;
    const { s } = await filtered([
      recorded("a", [], (callbacks) => {
        held = callbacks;
        return { onResponseHeaders: () => Pause };
      }),
    ]);
    const first = s.client(get("/1"));
    const before = held as FilterCallbacks | null;
    expect(first.received).toBe("");
    // The upstream's connection is free, and carries the next request meanwhile.
    const second = s.client(get("/2"));
    expect(s.upstream().length).toBe(1);
    for (const callbacks of [before, held as FilterCallbacks | null])
      s.proxy.run(() => callbacks?.continueResponse());
    s.settle();
    expect(gist(first.received)).toBe("200 ok");
    expect(first.received).toContain("content-length: 2\r\n");
    expect(gist(second.received)).toBe("200 ok");
    s.expectNothingLeft();
  });

  test("time-outs hold for what a filter holds", async () => {
    const { s } = await filtered([recorded("a", [], () => ({ onRequestHeaders: () => Pause }))], {
      manager: { streamIdleTimeout: 1000 },
    });
    const client = s.client(get());
    s.advance(1001);
    expect(gist(client.received)).toBe("504 stream timeout");
    s.expectNothingLeft();
  });

  test("a client that leaves takes a held request with it", async () => {
    const calls: string[] = [];
    const { s } = await filtered([recorded("a", calls, () => ({ onRequestHeaders: () => Pause }))]);
    s.client(get()).reset();
    s.settle();
    expect(calls).toEqual(["a.requestHeaders(GET / end)", "a.log()"]);
    s.expectNothingLeft();
  });
});

describe("answers of filters", () => {
  const denies = (callbacks: FilterCallbacks): Filter => ({
    onRequestHeaders() {
      callbacks.respond(reply(403, "denied", { details: "no", headers: [["x-why", "because"]] }));
      return Respond;
    },
  });

  test("pass the filters that saw the request, the one that answered included", async () => {
    const calls: string[] = [];
    const { s } = await filtered([recorded("a", calls), recorded("b", calls, denies), recorded("c", calls)]);
    const { received } = s.client(get());
    expect(gist(received)).toBe("403 denied");
    expect(received).toContain("x-why: because\r\n");
    expect(s.upstream().length).toBe(0);
    expect(calls).toEqual([
      "a.requestHeaders(GET / end)",
      "b.requestHeaders(GET / end)",
      "b.responseHeaders(403)",
      "a.responseHeaders(403)",
      "b.responseBody(denied)",
      "a.responseBody(denied)",
      "b.responseBody( end)",
      "a.responseBody( end)",
      "a.log()",
      "b.log()",
      "c.log()",
    ]);
    expect(s.logs).toEqual(["GET / 403 - no"]);
    s.expectNothingLeft();
  });

  test("at the time of the body the upstream sees a cut request; the client gets the answer", async () => {
    const { s } = await filtered(
      [
        recorded("a", [], (callbacks) => ({
          onRequestBody() {
            callbacks.respond(reply(400, "bad body"));
            return Respond;
          },
        })),
      ],
      { origins: [silent] },
    );
    const client = s.client(post("", 10));
    expect(s.upstream()[0].received).toStartWith("POST / HTTP/1.1\r\n");
    s.send(client, "ab");
    expect(gist(client.received)).toBe("400 bad body");
    expect(s.upstream()[0].closed || s.upstream()[0].ended).toBe(true);
    s.expectNothingLeft();
  });

  test("take the place of an answer that has not begun, and cut one that has", async () => {
    const early = await filtered([
      recorded("a", [], (callbacks) => ({
        onResponseHeaders() {
          callbacks.respond(reply(502, "not that one"));
          return Respond;
        },
      })),
    ]);
    expect(gist(early.s.client(get()).received)).toBe("502 not that one");
    early.s.expectNothingLeft();
    const late = await filtered([
      recorded("a", [], (callbacks) => ({
        onResponseBody() {
          callbacks.respond(reply(502, "too late"));
          return Respond;
        },
      })),
    ]);
    const client = late.s.client(get());
    expect(client.received).not.toContain("too late");
    expect(client.received).not.toEndWith("ok");
    expect(client.closed || client.ended).toBe(true);
    late.s.expectNothingLeft();
  });

  test("gRPC clients hear it in their own terms", async () => {
    const { s } = await filtered([
      recorded("a", [], (callbacks) => ({
        onRequestHeaders() {
          callbacks.respond(reply(403, "no way", { grpcStatus: 16 }));
          return Respond;
        },
      })),
    ]);
    const { received } = s.client(get("/", "content-type: application/grpc\r\n"));
    expect(received).toStartWith("HTTP/1.1 200");
    expect(received).toContain("grpc-status: 16\r\ngrpc-message: no way\r\n");
    s.expectNothingLeft();
  });

  test("a reset leaves nothing that looks like an answer", async () => {
    const { s } = await filtered([
      recorded("a", [], (callbacks) => ({
        onRequestHeaders() {
          callbacks.reset("enough");
          return Respond;
        },
      })),
    ]);
    const client = s.client(get());
    expect(client.received).toBe("");
    expect(client.closed || client.ended).toBe(true);
    expect(s.logs).toEqual(["GET / 0 - enough"]);
    s.expectNothingLeft();
  });
});

describe("tunnels", () => {
  test("what they carry is body to filters, and FIN its end", async () => {
    const calls: string[] = [];
    const { s } = await filtered([recorded("a", calls)], {
      manager: { upgrades: [{ upgradeType: "x-proto", enabled: true, terminateConnect: false }] },
      origins: [
        (peer) => {
          if (peer.received.endsWith("\r\n\r\n")) {
            peer.take();
            peer.send(
              "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x-proto\r\n\r\nhello",
            );
          } else if (peer.ended) peer.end();
        },
      ],
    });
    const client = s.client(get("/", "connection: upgrade\r\nupgrade: x-proto\r\n"));
    s.send(client, "ping");
    client.end();
    s.settle();
    expect(calls).toEqual([
      "a.requestHeaders(GET /)",
      "a.responseHeaders(101)",
      "a.responseBody(hello)",
      "a.requestBody(ping)",
      "a.requestBody( end)",
      "a.responseBody( end)",
      "a.log()",
    ]);
    s.expectNothingLeft();
  });
});
