/** How a request fares that cannot be answered at once: nobody there, too late, not whole, not HTTP. */
import { describe, expect, test } from "bun:test";
import { at } from "../../../runtime-adapters/memory/network.ts";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import { answers, get, gist, inTurn, OK, post, silent, story } from "../../support/engine-story.ts";
import { retryPolicy } from "../../support/snapshot-fixture.ts";

describe("an upstream that fails before its answer", () => {
  test("connect refused: 503 UF", async () => {
    const s = await story({ origins: [null] });
    const client = s.client(get());
    expect(gist(client.received)).toBe(
      "503 upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
    );
    expect(s.logs).toEqual([
      "GET / 503 UF upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
    ]);
    expect(s.stat("cluster.app.upstream_cx_connect_fail")).toBe(1);
    expect(s.stat("cluster.app.upstream_rq_pending_failure_eject")).toBe(1);
    s.expectNothingLeft();
  });

  test("connect timeout: 503 UF after connect_timeout", async () => {
    const s = await story({ cluster: { connectTimeout: 250 } });
    s.proxy.network.failConnects(at("10.0.0.1:8080"), "ETIMEDOUT");
    const client = s.client(get());
    s.advance(240);
    expect(client.received).toBe("");
    s.advance(10);
    expect(gist(client.received)).toBe(
      "503 upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
    );
    expect(s.logs).toEqual(["GET / 503 UF upstream_reset_before_response_started{connection_timeout}"]);
    expect(s.stat("cluster.app.upstream_cx_connect_timeout")).toBe(1);
    s.expectNothingLeft();
  });

  test.each([
    ["FIN", (peer: Peer) => peer.close(), ""],
    ["RST", (peer: Peer) => peer.reset(), "|ECONNRESET"],
  ])("%s instead of a head: 503 UC", async (_, leave, detail) => {
    const s = await story({ origins: [(peer) => peer.received !== "" && leave(peer)] });
    const client = s.client(get());
    expect(gist(client.received)).toBe(
      "503 upstream connect error or disconnect/reset before headers. reset reason: connection termination",
    );
    expect(s.logs).toEqual([
      `GET / 503 UC upstream_reset_before_response_started{connection_termination${detail}}`,
    ]);
    expect(s.upstream()).toHaveLength(1); // a fresh connection is no reason to ask again
    s.expectNothingLeft();
  });

  test.each([
    ["HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n", "field_name"],
    [
      "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
      "content_length_and_transfer_encoding",
    ],
    ["HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", "unasked_upgrade"],
    ["SSH-2.0-OpenSSH_9\r\n", "start_line"],
  ])("%j is not an answer: 502 UPE", async (bytes, code) => {
    const s = await story({ origins: [answers(bytes)] });
    const client = s.client(get());
    expect(gist(client.received)).toStartWith("502 ");
    expect(s.logs[0]).toStartWith("GET / 502 UPE upstream_reset_before_response_started{protocol_error");
    expect(s.logs[0]).toContain(code);
    expect(s.upstream()[0].closed || s.upstream()[0].ended).toBe(true);
    // The client's own request was whole: its connection goes on.
    s.send(client, get("/again"));
    expect(s.logs).toHaveLength(2);
    s.expectNothingLeft();
  });

  test("no endpoint: 503 UH; no cluster: 503 NC; no route: 404 NR", async () => {
    const none = await story({ origins: [] });
    expect(gist(none.client(get()).received)).toBe("503 no healthy upstream");
    expect(none.logs).toEqual(["GET / 503 UH no_healthy_upstream"]);
    none.expectNothingLeft();

    const lost = await story({ action: { cluster: "elsewhere" } });
    expect(gist(lost.client(get()).received)).toBe("503 ");
    expect(lost.logs).toEqual(["GET / 503 NC cluster_not_found"]);
    lost.expectNothingLeft();

    const strange = await story({ virtualHost: { domains: ["b.example"] } });
    expect(gist(strange.client(get()).received)).toBe("404 ");
    expect(strange.logs).toEqual(["GET / 404 NR route_not_found"]);
    strange.expectNothingLeft();
  });
});

describe("an answer that is cut is visibly cut", () => {
  const head = "HTTP/1.1 200 OK\r\n";
  test.each([
    ["length", `${head}content-length: 10\r\n\r\n12345`, "UPE"],
    ["chunks", `${head}transfer-encoding: chunked\r\n\r\n5\r\n12345\r\n`, "UPE"],
  ])("by %s and FIN", async (_, bytes, flag) => {
    const s = await story({
      origins: [
        (peer) => {
          if (peer.take() !== "") peer.send(bytes).end();
        },
      ],
    });
    const client = s.client(get());
    expect(client.received).toEndWith(bytes.includes("chunked") ? "5\r\n12345" : "12345");
    expect(client.received).not.toContain("\r\n0\r\n\r\n");
    expect(client.ended || client.closed).toBe(true);
    expect(s.logs[0]).toStartWith(`GET / 200 ${flag} upstream_reset_after_response_started{`);
    s.expectNothingLeft();
  });

  test.each([
    ["content-length: 10\r\n\r\n12345"],
    ["transfer-encoding: chunked\r\n\r\n5\r\n12345\r\n"],
    ["\r\n12345"], // until close
  ])("by RST after %j: UC, and an HTTP/1.1 client gets no terminator", async (rest) => {
    const s = await story({
      origins: [
        (peer) => {
          if (peer.take() === "") return;
          peer.send(head + rest);
          s.proxy.network.schedule.after(5, () => peer.reset());
        },
      ],
    });
    const client = s.client(get());
    s.advance(10);
    expect(client.received).toContain("12345");
    expect(client.received).not.toContain("\r\n0\r\n\r\n");
    expect(client.ended || client.closed).toBe(true);
    expect(s.logs).toEqual(["GET / 200 UC upstream_reset_after_response_started{connection_termination}"]);
    s.expectNothingLeft();
  });

  test("an HTTP/1.0 client, whose body ends with the connection, sees a reset", async () => {
    const s = await story({
      origins: [
        (peer) => {
          if (peer.take() === "") return;
          peer.send(`${head}\r\n12345`);
          s.proxy.network.schedule.after(5, () => peer.reset());
        },
      ],
    });
    const client = s.client("GET / HTTP/1.0\r\nhost: a\r\n\r\n");
    s.advance(10);
    expect(client.received).toEndWith("12345");
    expect(client.closeReason).toBe("ECONNRESET");
    s.expectNothingLeft();
  });

  test("until close and FIN is whole: chunked with a terminator for 1.1, FIN for 1.0", async () => {
    const origin = (peer: Peer) => {
      if (peer.take() !== "") peer.send(`${head}\r\n12345`).end();
    };
    const s = await story({ origins: [origin] });
    const modern = s.client(get());
    expect(modern.received).toEndWith("5\r\n12345\r\n0\r\n\r\n");
    expect(modern.ended).toBe(false);
    const old = s.client("GET / HTTP/1.0\r\nhost: a\r\n\r\n");
    expect(old.received).toEndWith("\r\n\r\n12345");
    expect(old.ended).toBe(true);
    expect(old.closeReason).toBe("");
    s.expectNothingLeft();
  });
});

describe("time-outs of a route", () => {
  test("no head within the route's time: 504 UT, counted from the end of the request", async () => {
    const s = await story({ origins: [silent], action: { timeout: 1000 } });
    const client = s.client(post("12", 4));
    s.advance(5000);
    expect(client.received).toBe("");
    s.send(client, "34");
    s.advance(998);
    expect(client.received).toBe("");
    s.advance(5);
    expect(gist(client.received)).toBe("504 upstream request timeout");
    expect(s.logs).toEqual(["POST / 504 UT response_timeout"]);
    expect(s.stat("cluster.app.upstream_rq_timeout")).toBe(1);
    expect(s.upstream()[0].ended || s.upstream()[0].closed).toBe(true);
    expect(client.ended).toBe(false); // the request was whole
    s.expectNothingLeft();
  });

  test("the time holds for the whole answer: a body that is late is cut, UT", async () => {
    const s = await story({
      origins: [answers("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123")],
      action: { timeout: 1000 },
    });
    const client = s.client(get());
    s.advance(1001);
    expect(client.received).toEndWith("123");
    expect(client.ended || client.closed).toBe(true);
    expect(s.logs).toEqual(["GET / 200 UT response_timeout"]);
    s.expectNothingLeft();
  });

  test("a per-try timeout tries elsewhere", async () => {
    const s = await story({
      origins: inTurn([silent, answers(OK)]),
      action: { retryPolicy: retryPolicy({ retryOn: ["5xx"], perTryTimeout: 200 }) },
    });
    const client = s.client(get());
    s.advance(199);
    expect(client.received).toBe("");
    s.advance(60);
    expect(gist(client.received)).toBe("200 ok");
    expect(s.stat("cluster.app.upstream_rq_per_try_timeout")).toBe(1);
    expect(s.stat("cluster.app.upstream_rq_retry")).toBe(1);
    expect(s.stat("cluster.app.upstream_rq_retry_success")).toBe(1);
    expect(s.logs).toEqual(["GET / 200 - via_upstream"]);
    s.expectNothingLeft();
  });

  test("the last try's timeout is the answer: 504 URX,UT", async () => {
    const s = await story({
      origins: [silent],
      action: { retryPolicy: retryPolicy({ retryOn: ["5xx"], numRetries: 1, perTryTimeout: 200 }) },
    });
    const client = s.client(get());
    s.advance(450);
    expect(gist(client.received)).toBe("504 upstream request timeout");
    expect(s.logs).toEqual(["GET / 504 URX,UT upstream_per_try_timeout"]);
    s.expectNothingLeft();
  });

  test("an internal client may say how long a try and the whole may take; a time that is no number counts for nothing", async () => {
    const retry = retryPolicy({ retryOn: ["5xx"], numRetries: 1, perTryTimeout: 5000 });
    const heads: string[] = [];
    const s = await story({
      manager: { useRemoteAddress: true, internalCidrRanges: [{ ip: "127.0.0.0", prefixLength: 8 }] },
      origins: [(peer) => peer.received.endsWith("\r\n\r\n") && heads.push(peer.take())],
      action: { retryPolicy: retry },
    });
    const asking = (fields: string) => s.client(get("/", fields));
    const PER_TRY = "x-envoy-upstream-rq-per-try-timeout-ms";
    const TOTAL = "x-envoy-upstream-rq-timeout-ms";

    const quick = asking(`${PER_TRY}: 100\r\n`);
    expect(heads[0]).toContain("x-envoy-expected-rq-timeout-ms: 100\r\n");
    expect(heads[0]).not.toContain(PER_TRY);
    s.advance(250);
    expect(gist(quick.received)).toBe("504 upstream request timeout");
    expect(s.stat("cluster.app.upstream_rq_per_try_timeout")).toBe(2);

    const whole = asking(`${TOTAL}: 300\r\n${PER_TRY}: 300\r\n`);
    expect(heads.at(-1)).toContain("x-envoy-expected-rq-timeout-ms: 300\r\n");
    expect(heads.at(-1)).not.toContain(TOTAL);
    s.advance(299);
    expect(whole.received).toBe("");
    s.advance(2);
    expect(gist(whole.received)).toBe("504 upstream request timeout");
    expect(s.stat("cluster.app.upstream_rq_per_try_timeout")).toBe(2); // not below the whole: it is off

    asking(`${TOTAL}: soon\r\n${PER_TRY}: -1\r\n`);
    expect(heads.at(-1)).toContain("x-envoy-expected-rq-timeout-ms: 5000\r\n");
    asking(`${TOTAL}: 0\r\n`);
    expect(heads.at(-1)).toContain("x-envoy-expected-rq-timeout-ms: 5000\r\n");
    const patient = asking(`${TOTAL}: 0\r\n${PER_TRY}: 0\r\n`);
    expect(heads.at(-1)).not.toContain("x-envoy-expected-rq-timeout-ms");
    s.advance(100_000);
    expect(patient.received).toBe("");
    s.expectNothingLeft();
  });

  test("x-envoy-upstream-rq-timeout-alt-response: 204 instead of 504", async () => {
    const s = await story({
      manager: { useRemoteAddress: true, internalCidrRanges: [{ ip: "127.0.0.0", prefixLength: 8 }] },
      origins: [silent],
      action: { timeout: 100 },
    });
    const client = s.client(get("/", "x-envoy-upstream-rq-timeout-alt-response: 1\r\n"));
    s.advance(101);
    expect(client.received).toStartWith("HTTP/1.1 204 No Content\r\n");
    expect(s.logs).toEqual(["GET / 204 UT response_timeout"]);
    s.expectNothingLeft();
  });

  test("the route's time ends the tries and the waiting between them", async () => {
    const s = await story({
      origins: [silent],
      action: {
        timeout: 500,
        retryPolicy: retryPolicy({ retryOn: ["5xx"], numRetries: 10, perTryTimeout: 200 }),
      },
    });
    const client = s.client(get());
    s.advance(501);
    expect(gist(client.received)).toBe("504 upstream request timeout");
    expect(s.logs).toEqual(["GET / 504 UT response_timeout"]);
    s.expectNothingLeft();
  });

  test("per_try_idle_timeout: silence before the answer is tried elsewhere, silence in it is a cut", async () => {
    const retry = retryPolicy({ retryOn: ["5xx"], perTryTimeout: 900, perTryIdleTimeout: 200 });
    const before = await story({ origins: inTurn([silent, answers(OK)]), action: { retryPolicy: retry } });
    const waiting = before.client(get());
    before.advance(199);
    expect(waiting.received).toBe("");
    before.advance(40);
    expect(gist(waiting.received)).toBe("200 ok");
    expect(before.stat("cluster.app.upstream_rq_per_try_idle_timeout")).toBe(1);
    expect(before.stat("cluster.app.upstream_rq_per_try_timeout")).toBe(0);
    before.expectNothingLeft();

    const during = await story({
      origins: [
        (peer) => {
          if (peer.take() === "") return;
          peer.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc");
          during.proxy.network.schedule.after(150, () => peer.send("def"));
        },
      ],
      action: { retryPolicy: retry },
    });
    const reading = during.client(get());
    during.advance(340);
    expect(reading.ended).toBe(false);
    during.advance(20);
    expect(reading.received).toEndWith("abcdef");
    expect(reading.ended || reading.closed).toBe(true);
    expect(during.logs).toEqual(["GET / 200 UT upstream_per_try_idle_timeout"]);
    during.expectNothingLeft();
  });
});
