/** One request and its answer: the time-outs of a stream, what every answer carries, and what the log says. */
import { describe, expect, test } from "bun:test";
import { answers, get, gist, OK, post, silent, story } from "../../support/engine-story.ts";
import { HTTP1, route } from "../../support/snapshot-fixture.ts";

const COMMON = {
  idleTimeout: 3_600_000,
  maxConnectionDuration: 0,
  maxHeadersCount: 100,
  maxStreamDuration: 0,
  headersWithUnderscoresAction: "ALLOW",
  maxRequestsPerConnection: 0,
} as const;

const PART = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";

describe("stream idle timeout", () => {
  test("before the request is whole: 408 SI, and the connection ends", async () => {
    const s = await story({ manager: { streamIdleTimeout: 1000 }, origins: [silent] });
    const client = s.client(post("ab", 10));
    s.advance(900);
    s.send(client, "c");
    s.advance(900);
    expect(client.received).toBe("");
    s.advance(101);
    expect(gist(client.received)).toBe("408 stream timeout");
    expect(client.ended).toBe(true);
    expect(s.upstream()[0].ended || s.upstream()[0].closed).toBe(true);
    expect(s.logs).toEqual(["POST / 408 SI stream_idle_timeout"]);
    expect(s.stat("http.test.downstream_rq_idle_timeout")).toBe(1);
    s.expectNothingLeft();
  });

  test("after it: 504 SI, and the connection goes on", async () => {
    const s = await story({
      manager: { streamIdleTimeout: 1000 },
      action: { timeout: 0 },
      origins: [silent],
    });
    const client = s.client(get());
    s.advance(1001);
    expect(gist(client.received)).toBe("504 stream timeout");
    expect(client.ended).toBe(false);
    expect(s.logs).toEqual(["GET / 504 SI stream_idle_timeout"]);
    s.expectNothingLeft();
  });

  test("during the answer: cut, visibly", async () => {
    const s = await story({
      manager: { streamIdleTimeout: 1000 },
      action: { timeout: 0 },
      origins: [answers(PART)],
    });
    const client = s.client(get());
    s.advance(1001);
    expect(client.received).toEndWith("abc");
    expect(client.ended || client.closed).toBe(true);
    expect(s.logs).toEqual(["GET / 200 SI stream_idle_timeout"]);
    s.expectNothingLeft();
  });

  test("during the answer, for a client that does not read", async () => {
    const s = await story({
      manager: { streamIdleTimeout: 1000 },
      action: { timeout: 0 },
      network: { buffer: 16 * 1024 },
      origins: [answers(`HTTP/1.1 200 OK\r\ncontent-length: 500000\r\n\r\n${"x".repeat(500_000)}`)],
    });
    const client = s.client();
    client.pause();
    client.send(get());
    s.advance(1100);
    expect(s.logs).toEqual(["GET / 200 SI stream_idle_timeout"]);
    expect(s.stat("http.test.downstream_rq_active")).toBe(0);
    expect(s.stat("cluster.app.upstream_cx_active")).toBe(0);
    s.expectNothingLeft();
  });

  test.each([
    ["another", 300, 2000, [299, 2]],
    ["another, longer", 3000, 1000, [2999, 2]],
  ])("a route may have %s", async (_, own, general, [before, after]) => {
    const s = await story({
      manager: { streamIdleTimeout: general },
      action: { timeout: 0, idleTimeout: own },
      origins: [silent],
    });
    const client = s.client(get());
    s.advance(before - 0.5);
    expect(client.received).toBe("");
    s.advance(after);
    expect(gist(client.received)).toBe("504 stream timeout");
    s.expectNothingLeft();
  });

  test("a route may have none", async () => {
    const s = await story({
      manager: { streamIdleTimeout: 1000 },
      action: { timeout: 0, idleTimeout: 0 },
      origins: [silent],
    });
    const client = s.client(get());
    s.advance(60_000);
    expect(client.received).toBe("");
    client.reset(); // FIN alone would be no abort
    s.expectNothingLeft();
  });

  test("the head of an answer counts as a sign of life", async () => {
    const s = await story({
      manager: { streamIdleTimeout: 1000 },
      action: { timeout: 0 },
      origins: [
        (peer) => {
          if (peer.take() === "") return;
          s.proxy.network.schedule.after(900, () =>
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"),
          );
          s.proxy.network.schedule.after(1800, () => peer.send("ok"));
        },
      ],
    });
    const client = s.client(get());
    s.advance(2000);
    expect(gist(client.received)).toBe("200 ok");
    s.expectNothingLeft();
  });
});

describe("the other time-outs of a stream", () => {
  test("request_timeout: 408 unless the whole request is here in time", async () => {
    const s = await story({ manager: { requestTimeout: 1000 }, origins: [silent], action: { timeout: 0 } });
    const client = s.client(post("a", 5));
    for (let i = 0; i < 3; i++) {
      s.advance(300);
      client.send("b");
    }
    s.advance(101);
    expect(gist(client.received)).toBe("408 request timeout");
    expect(s.logs).toEqual(["POST / 408 - request_overall_timeout"]);
    expect(s.stat("http.test.downstream_rq_timeout")).toBe(1);
    const whole = s.client(post("abc"));
    s.advance(5000);
    expect(whole.received).toBe(""); // its request was here
    s.expectNothingLeft();
  });

  test.each([
    ["request_timeout", "", "request_overall_timeout", "-"],
    ["garbage in the rest of the request", "not a chunk size", "http1.chunk_size", "DPE"],
  ])("an answer that has begun is cut, visibly, by %s", async (_, rest, details, flag) => {
    const s = await story({
      manager: { requestTimeout: 1000 },
      origins: [(peer) => peer.take() !== "" && peer.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc")],
    });
    const client = s.client("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n");
    expect(client.received).toEndWith("abc");
    s.send(client, rest);
    s.advance(1001);
    expect(client.received).toEndWith("abc");
    expect(client.ended || client.closed).toBe(true);
    expect(s.upstream()[0].ended || s.upstream()[0].closed).toBe(true);
    expect(s.logs).toEqual([`POST / 200 ${flag} ${details}`]);
    s.expectNothingLeft();
  });

  test.each([
    ["request_timeout", { requestTimeout: 1000 }],
    ["max_stream_duration", { common: { ...COMMON, maxStreamDuration: 1000 } }],
  ])("%s is over with the answer: the rest of the body may take longer", async (_, manager) => {
    const direct = { kind: "direct_response", status: 200, body: "here", bodyFormat: null } as const;
    const s = await story({ manager, routes: [route("/here", direct)] });
    const client = s.client(post("abc", 10).replace("POST /", "POST /here"));
    expect(gist(client.take())).toBe("200 here");
    s.advance(2000);
    s.send(client, "defghij");
    s.send(client, get("/next"));
    expect(gist(client.received)).toBe("200 ok");
    expect(s.stat("http.test.downstream_rq_timeout")).toBe(0);
    expect(s.stat("http.test.downstream_rq_max_duration_reached")).toBe(0);
    expect(s.stat("http.test.downstream_rq_tx_reset")).toBe(0);
    s.expectNothingLeft();
  });

  test("max_stream_duration: 504 before the answer, a cut during it", async () => {
    const before = await story({
      manager: { common: { ...COMMON, maxStreamDuration: 1000 } },
      origins: [silent],
    });
    const waiting = before.client(get());
    before.advance(1001);
    expect(gist(waiting.received)).toBe("504 downstream duration timeout");
    expect(before.logs).toEqual(["GET / 504 - max_duration_timeout"]);
    expect(before.stat("http.test.downstream_rq_max_duration_reached")).toBe(1);
    before.expectNothingLeft();

    const during = await story({
      manager: { common: { ...COMMON, maxStreamDuration: 1000 } },
      origins: [answers(PART)],
    });
    const reading = during.client(get());
    during.advance(1001);
    expect(reading.received).toEndWith("abc");
    expect(reading.ended || reading.closed).toBe(true);
    expect(during.logs).toEqual(["GET / 200 - max_duration_timeout"]);
    during.expectNothingLeft();
  });

  test.each([
    [500, 2000, "504"],
    [2000, 500, ""],
    [0, 500, ""],
  ])(
    "a route's max_stream_duration of %i counts more than the listener's %i",
    async (own, general, status) => {
      const s = await story({
        manager: { common: { ...COMMON, maxStreamDuration: general } },
        action: { timeout: 0, maxStreamDuration: own },
        origins: [silent],
      });
      const client = s.client(get());
      s.advance(600);
      expect(client.received.slice(9, 12)).toBe(status);
      s.expectNothingLeft();
    },
  );
});

describe("what every answer carries", () => {
  test.each([
    ["OVERWRITE", "server: theirs\r\n", "mesh"],
    ["OVERWRITE", "", "mesh"],
    ["APPEND_IF_ABSENT", "server: theirs\r\n", "theirs"],
    ["APPEND_IF_ABSENT", "", "mesh"],
    ["PASS_THROUGH", "server: theirs\r\n", "theirs"],
    ["PASS_THROUGH", "", undefined],
  ] as const)("server: %s, upstream says %j", async (serverHeaderTransformation, field, expected) => {
    const s = await story({
      manager: { serverName: "mesh", serverHeaderTransformation },
      origins: [answers(`HTTP/1.1 200 OK\r\n${field}content-length: 0\r\n\r\n`)],
    });
    const { received } = s.client(get());
    expect(/^server: (.*)\r$/m.exec(received)?.[1]).toBe(expected);
    s.expectNothingLeft();
  });

  test("date is added once, x-envoy-upstream-service-time is ours, hop-by-hop fields are not passed on", async () => {
    const s = await story({
      origins: [
        answers(
          "HTTP/1.1 200 OK\r\ndate: Mon, 01 Jan 2001 00:00:00 GMT\r\nx-envoy-upstream-service-time: 999\r\n" +
            "connection: keep-alive, x-own\r\nx-own: 1\r\nkeep-alive: timeout=5\r\nproxy-connection: x\r\ncontent-length: 0\r\n\r\n",
        ),
      ],
    });
    const { received } = s.client(get());
    expect(received.match(/date:/g)).toHaveLength(1);
    expect(received).toContain("2001");
    expect(received).toContain("x-envoy-upstream-service-time: 0\r\n");
    for (const name of ["connection:", "x-own", "keep-alive", "proxy-connection"])
      expect(received).not.toContain(name);
    s.expectNothingLeft();
  });

  test("via both ways, and a loop is noticed", async () => {
    const s = await story({ manager: { via: "mesh" } });
    let asked = "";
    s.proxy.network.serve({ ip: "10.9.9.9", port: 1, path: "" });
    const client = s.client(get("/", "via: 1.0 fred\r\n"));
    expect(client.take()).toContain("via: 1.1 mesh\r\n");
    asked = s.logs.join();
    expect(asked).toContain("200");
    s.send(client, get("/", `via: ${"1.1 mesh, ".repeat(5)}1.1 x\r\n`));
    expect(gist(client.received).slice(0, 3)).toBe("508");
    s.expectNothingLeft();
  });
});

test("trailers go through where both sides enable them, without what must not be there", async () => {
  const http1 = {
    allowAbsoluteUrl: true,
    acceptHttp10: true,
    defaultHostForHttp10: "",
    headerKeyFormat: "DEFAULT",
    enableTrailers: true,
  } as const;
  const seen: string[] = [];
  const s = await story({
    manager: { http1 },
    cluster: { http1 },
    origins: [
      (peer) => {
        if (!peer.received.endsWith("\r\n\r\n") || !peer.received.includes("\r\n0\r\n")) return;
        seen.push(peer.take());
        peer.send(
          "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-b: 2\r\nset-cookie: a\r\n\r\n",
        );
      },
    ],
  });
  const client = s.client(
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-a: 1\r\ncontent-length: 5\r\n\r\n",
  );
  expect(seen[0]).toEndWith("1\r\nx\r\n0\r\nx-a: 1\r\n\r\n");
  expect(client.received).toEndWith("2\r\nok\r\n0\r\nx-b: 2\r\n\r\n");
  s.expectNothingLeft();
});

test("header_key_format of the listener is how answers spell names, ours and the upstream's", async () => {
  const http1 = { ...HTTP1, headerKeyFormat: "PROPER_CASE" } as const;
  const s = await story({
    manager: { http1 },
    origins: [answers("HTTP/1.1 200 OK\r\nx-own: 1\r\ncontent-length: 2\r\n\r\nok")],
    routes: [route("/local", { kind: "direct_response", status: 403, body: "no", bodyFormat: null })],
  });
  const answered = s.client(get()).received;
  for (const name of ["X-Own: 1", "Content-Length: 2", "Server: envoy", "Date: "])
    expect(answered).toContain(`\r\n${name}`);
  expect(s.client(get("/local")).received).toContain("\r\nContent-Length: 2\r\n");
  s.expectNothingLeft();
});

test("the log has the whole story", async () => {
  const s = await story({
    network: { latency: 5 },
    log:
      "%PROTOCOL% %RESPONSE_CODE% %BYTES_RECEIVED%/%BYTES_SENT% %DURATION% %UPSTREAM_CLUSTER% %UPSTREAM_HOST% " +
      "%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %RESP(X-A)%",
    origins: [
      (peer) => peer.received.endsWith("hello") && peer.send(OK.replace("\r\n\r\n", "\r\nx-a: b\r\n\r\n")),
    ],
  });
  s.client();
  const client = s.client();
  client.send(post("hello"));
  s.advance(100);
  expect(s.logs).toEqual(["HTTP/1.1 200 5/2 20 app 10.0.0.1:8080 127.0.0.1 1 127.0.0.1 b"]);
  s.expectNothingLeft();
});
