/** The life of a client's connection: persistence, order of answers, half-close, closing, and its own time-outs. */
import { describe, expect, test } from "bun:test";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import { answers, get, gist, OK, post, silent, story } from "../../support/engine-story.ts";
import { route } from "../../support/snapshot-fixture.ts";

/** A route that the proxy answers itself. */
function direct(prefix: string, body: string) {
  return route(prefix, { kind: "direct_response", status: 200, body, bodyFormat: null });
}

/** Bodies of the answers received, for bodies with a length. */
function bodies(received: string): string[] {
  const out: string[] = [];
  let rest = received;
  while (rest !== "") {
    const end = rest.indexOf("\r\n\r\n") + 4;
    const length = Number(/content-length: (\d+)/.exec(rest.slice(0, end))?.[1] ?? 0);
    out.push(rest.slice(end, end + length));
    rest = rest.slice(end + length);
  }
  return out;
}

/** Answers with the request's path, after as many ms as the path says. */
function echoLater(schedule: () => { after(ms: number, job: () => void): unknown }) {
  return (peer: Peer) => {
    const path = /^GET (\S+) /.exec(peer.received)?.[1];
    if (path === undefined || !peer.received.endsWith("\r\n\r\n")) return;
    peer.take();
    const send = () => peer.send(`HTTP/1.1 200 OK\r\ncontent-length: ${path.length}\r\n\r\n${path}`);
    schedule().after(Number(path.slice(1)), send);
  };
}

describe("persistence", () => {
  test("an HTTP/1.1 client keeps its connection, one upstream connection serves both requests", async () => {
    const s = await story();
    const client = s.client(get("/1"));
    s.send(client, get("/2"));
    expect(bodies(client.received)).toEqual(["ok", "ok"]);
    expect(client.received).not.toContain("connection:");
    expect(s.upstream()).toHaveLength(1);
    s.expectNothingLeft();
  });

  test.each(["close", "Close", "keep-alive, close", "x, close"])(
    "connection: %s is the end",
    async (option) => {
      const s = await story();
      const client = s.client(get("/1", `connection: ${option}\r\n`) + get("/2"));
      expect(bodies(client.received)).toEqual(["ok"]);
      expect(client.received).toContain("connection: close\r\n");
      expect(client.ended).toBe(true);
      expect(s.logs).toHaveLength(1);
      s.expectNothingLeft();
    },
  );

  test("an HTTP/1.0 client is told that it ends, keep-alive or not", async () => {
    const s = await story();
    const client = s.client("GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n");
    expect(client.received).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(client.received).toContain("connection: close\r\n");
    expect(client.ended).toBe(true);
    s.expectNothingLeft();
  });

  test("max_requests_per_connection: the last answer says so", async () => {
    const s = await story({ manager: { common: { ...COMMON, maxRequestsPerConnection: 2 } } });
    const client = s.client(get("/1") + get("/2") + get("/3"));
    expect(bodies(client.received)).toEqual(["ok", "ok"]);
    expect(client.received.match(/connection: close/g)).toHaveLength(1);
    expect(client.ended).toBe(true);
    expect(s.stat("http.test.downstream_cx_max_requests_reached")).toBe(1);
    s.expectNothingLeft();
  });
});

describe("pipelining", () => {
  test("answers come in the order of the requests, however long each takes", async () => {
    const s = await story({ origins: [echoLater(() => s.proxy.network.schedule)] });
    const client = s.client(get("/30") + get("/1") + get("/20") + get("/2"));
    s.advance(100);
    expect(bodies(client.received)).toEqual(["/30", "/1", "/20", "/2"]);
    s.expectNothingLeft();
  });

  test("a bad second request does not spoil the first answer", async () => {
    const s = await story({ origins: [echoLater(() => s.proxy.network.schedule)] });
    const client = s.client(`${get("/30")}GET  / HTTP/1.1\r\nhost: a\r\n\r\n${get("/1")}`);
    s.advance(100);
    expect(bodies(client.received)).toEqual(["/30", "Bad Request"]);
    expect(client.ended).toBe(true);
    expect(s.logs.map((line) => line.split(" ").slice(2, 4).join(" "))).toEqual(["200 -", "400 DPE"]);
    s.expectNothingLeft();
  });

  test("reading stops behind a request that is being answered", async () => {
    const s = await story({
      origins: [silent],
      network: { buffer: 4096 },
    });
    const client = s.client(get("/1"));
    const flood = Math.ceil(200_000 / get("/2").length);
    client.send(get("/2").repeat(flood));
    s.advance(100);
    expect(client.unsentBytes).toBeGreaterThan(150_000);
    s.expectNothingLeft();
  });

  test("a client that sends requests and reads no answer cannot fill our memory", async () => {
    const body = "x".repeat(4000);
    const s = await story({ routes: [direct("/direct", body)], network: { buffer: 16 * 1024 } });
    const client = s.client();
    client.pause();
    const count = 3000;
    client.send(get("/direct").repeat(count));
    s.advance(1000);
    const answered = s.stat("http.test.downstream_rq_2xx");
    expect(answered).toBeLessThan(600); // the limit of 1 MiB and a little, not 12 MB
    client.keep = false;
    client.resume();
    s.advance(1000);
    expect(s.stat("http.test.downstream_rq_2xx")).toBe(count);
    expect(client.receivedBytes).toBeGreaterThan(count * 4000);
    s.expectNothingLeft();
  });
});

describe("half-close", () => {
  test("FIN after a request is no abort: the answer comes, then the connection ends", async () => {
    const s = await story({ origins: [echoLater(() => s.proxy.network.schedule)] });
    const client = s.client();
    client.send(get("/50")).end();
    s.advance(100);
    expect(bodies(client.received)).toEqual(["/50"]);
    expect(client.received).toContain("connection: close");
    expect(client.closed).toBe(true);
    s.expectNothingLeft();
  });

  test("FIN after two pipelined requests: both answers come", async () => {
    const s = await story({ origins: [echoLater(() => s.proxy.network.schedule)] });
    const client = s.client();
    client.send(get("/20") + get("/10")).end();
    s.advance(100);
    expect(bodies(client.received)).toEqual(["/20", "/10"]);
    expect(client.closed).toBe(true);
    s.expectNothingLeft();
  });

  test("FIN inside a body: 400, and the upstream never sees a whole request", async () => {
    const s = await story({ origins: [silent] });
    const client = s.client(post("abc", 10));
    client.end();
    s.advance(10);
    expect(gist(client.received)).toBe("400 Bad Request");
    expect(s.upstream()[0].received).toEndWith("abc");
    expect(s.upstream()[0].ended || s.upstream()[0].closed).toBe(true);
    expect(s.logs).toEqual(["POST / 400 DPE http1.incomplete"]);
    s.expectNothingLeft();
  });

  test("FIN inside a head: 400", async () => {
    const s = await story();
    const client = s.client();
    client.send("GET / HTTP/1.1\r\nhost:").end();
    s.advance(10);
    expect(gist(client.received)).toBe("400 Bad Request");
    s.expectNothingLeft();
  });

  test("FIN on an idle connection closes it, without a log line", async () => {
    const s = await story();
    const client = s.client();
    client.end();
    s.settle();
    expect(client.closed).toBe(true);
    expect(s.logs).toEqual([]);
    s.expectNothingLeft();
  });
});

describe("a half-closed client, all time-outs off", () => {
  const off = { manager: { streamIdleTimeout: 0 }, action: { timeout: 0 } };

  test("a minute of silence after its FIN: taken for gone, and the upstream connection goes too", async () => {
    const s = await story({ ...off, origins: [silent] });
    const client = s.client(get());
    s.advance(3_600_000);
    client.end();
    s.advance(59_000);
    expect(client.closed).toBe(false);
    expect(s.upstream()[0].closed).toBe(false);
    s.advance(1001);
    expect(client.closed).toBe(true);
    expect(s.upstream()[0].ended).toBe(true);
    expect(s.logs).toEqual(["GET / 0 DC downstream_remote_disconnect"]);
    expect(s.stat("http.test.downstream_rq_rx_reset")).toBe(1);
    expect(s.stat("http.test.downstream_rq_idle_timeout")).toBe(0);
    expect(s.stat("http.test.downstream_cx_destroy_remote_active_rq")).toBe(1);
    expect(s.stat("cluster.app.upstream_cx_destroy_local_with_active_rq")).toBe(1);
    s.expectNothingLeft();
  });

  test("pipelined requests: each has its minute", async () => {
    const s = await story({ ...off, origins: [echoLater(() => s.proxy.network.schedule)] });
    const client = s.client();
    client.send(get("/50000") + get("/55000") + get("/65000")).end();
    s.advance(105_100);
    expect(bodies(client.received)).toEqual(["/50000", "/55000"]);
    s.advance(60_000);
    expect(bodies(client.received)).toEqual(["/50000", "/55000"]);
    expect(s.logs[2]).toBe("GET /65000 0 DC downstream_remote_disconnect");
    s.expectNothingLeft();
  });

  test("a FIN behind a request that was sent ahead is found, and the first request does not stay for ever", async () => {
    const s = await story({ ...off, origins: [silent] });
    const client = s.client();
    client.send(get("/1") + get("/2")).end();
    s.advance(59_000);
    expect(client.closed).toBe(false);
    s.advance(61_100);
    expect(client.closed).toBe(true);
    expect(s.logs).toEqual(["GET /1 0 DC downstream_remote_disconnect"]);
    s.expectNothingLeft();
  });

  test("a client that sent requests ahead and is there waits as long as it likes", async () => {
    const s = await story({ ...off, network: { buffer: 10_000 }, origins: [silent] });
    const client = s.client(get("/1") + get("/2"));
    s.advance(3_600_000);
    expect(client.closed).toBe(false);
    client.send("x".repeat(300_000));
    s.advance(3_600_000);
    expect(client.unsentBytes).toBeGreaterThan(0); // what is read in search of a FIN is bounded
    const [origin] = s.upstream();
    origin.take();
    origin.send(OK);
    s.settle();
    expect(gist(client.received)).toBe("200 ok");
    expect(origin.received).toStartWith("GET /2 ");
    client.reset();
    s.expectNothingLeft();
  });

  test("an answer that keeps moving has all the time in the world, one that stops is cut", async () => {
    const s = await story({
      ...off,
      origins: [answers("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")],
    });
    const client = s.client(get());
    client.end();
    for (let i = 0; i < 5; i++) {
      s.advance(59_000);
      s.upstream()[0].send("1\r\nx\r\n");
    }
    s.settle();
    expect(client.received).toEndWith(`${"1\r\nx\r\n".repeat(4)}1\r\nx`);
    expect(client.closed).toBe(false);
    s.advance(60_001);
    expect(client.closed).toBe(true);
    expect(client.received).not.toContain("0\r\n\r\n");
    expect(s.logs).toEqual(["GET / 200 DC downstream_remote_disconnect"]);
    s.expectNothingLeft();
  });

  test("one that does not read at the moment is there", async () => {
    const body = "b".repeat(9000);
    const s = await story({
      ...off,
      network: { buffer: 1000 },
      origins: [answers(`HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n${body}`)],
    });
    const client = s.client();
    client.pause();
    s.send(client, get());
    client.end();
    s.advance(200_000);
    client.resume();
    s.advance(100);
    expect(client.received).toEndWith(body);
    s.expectNothingLeft();
  });

  test.each([
    ["a route's timeout", { ...off, action: { timeout: 120_000 } }, 120_000, "504 UT response_timeout"],
    [
      "a stream idle timeout",
      { manager: { streamIdleTimeout: 90_000 }, action: { timeout: 0 } },
      90_000,
      "504 SI",
    ],
  ])("where %s is configured, it holds", async (_, setup, bound, end) => {
    const s = await story({ ...setup, origins: [silent] });
    const client = s.client(get());
    client.end();
    s.advance(bound - 1000);
    expect(s.logs).toEqual([]);
    s.advance(1001);
    expect(s.logs[0]).toStartWith(`GET / ${end}`);
    expect(client.received).toStartWith("HTTP/1.1 504 ");
    s.expectNothingLeft();
  });
});

describe("a client that goes away", () => {
  test("while it waits: DC, code 0, and the upstream connection goes too", async () => {
    const s = await story({ origins: [silent] });
    const client = s.client(get());
    client.reset();
    s.settle();
    expect(s.logs).toEqual(["GET / 0 DC downstream_remote_disconnect"]);
    expect(s.upstream()[0].closed || s.upstream()[0].ended).toBe(true);
    expect(s.stat("http.test.downstream_cx_destroy_remote_active_rq")).toBe(1);
    expect(s.stat("http.test.downstream_rq_rx_reset")).toBe(1);
    s.expectNothingLeft();
  });

  test("during its answer: its code and DC", async () => {
    const s = await story({ origins: [answers("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc")] });
    const client = s.client(get());
    client.reset();
    s.settle();
    expect(s.logs).toEqual(["GET / 200 DC downstream_remote_disconnect"]);
    s.expectNothingLeft();
  });
});

describe("who ended a connection", () => {
  const ended = (s: Awaited<ReturnType<typeof story>>) => [
    s.stat("http.test.downstream_cx_destroy_local"),
    s.stat("http.test.downstream_cx_destroy_remote"),
  ];

  test("the client, which is done", async () => {
    const s = await story();
    s.client(get()).end();
    s.settle();
    expect(ended(s)).toEqual([0, 1]);
    s.expectNothingLeft();
  });

  test.each([
    ["an announced close", get("/", "connection: close\r\n")],
    ["a request that is none", "hello\r\n\r\n"],
  ])("we, after %s, although the client sends its FIN in time", async (_, bytes) => {
    const s = await story();
    const client = s.client(bytes);
    expect(client.ended).toBe(true);
    client.end();
    s.settle();
    expect(ended(s)).toEqual([1, 0]);
    s.expectNothingLeft();
  });

  test("we, when a client reads its last answer and does not leave", async () => {
    const s = await story();
    s.client(get("/", "connection: close\r\n"));
    s.advance(2000);
    expect(ended(s)).toEqual([1, 0]);
    s.expectNothingLeft();
  });

  test("we, when an answer is cut", async () => {
    const s = await story({
      origins: [
        (peer) => peer.take() !== "" && peer.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab").end(),
      ],
    });
    s.client(get());
    expect(ended(s)).toEqual([1, 0]);
    s.expectNothingLeft();
  });
});

describe("a head that does not come whole", () => {
  test.each([
    ["bad", "GET / HTTP/1.1\r\nbad name: x\r\n\r\n", 0],
    ["late", "GET / HTTP/1.1\r\nhost: a", 300],
  ])("%s: it was answered before it was complete, and is counted once", async (_, bytes, wait) => {
    const s = await story({ manager: { requestHeadersTimeout: 200 } });
    const client = s.client(bytes);
    s.advance(wait);
    expect(gist(client.received).slice(0, 2)).toBe("40");
    expect(s.stat("http.test.downstream_rq_response_before_rq_complete")).toBe(1);
    s.expectNothingLeft();
  });
});

describe("an answer before the request is whole", () => {
  test("is passed on with connection: close; the upstream connection is not used again", async () => {
    const s = await story({
      origins: [
        (peer) =>
          peer.received.endsWith("ab") && peer.send("HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno"),
      ],
    });
    const client = s.client(post("ab", 1000));
    expect(gist(client.received)).toBe("413 no");
    expect(client.received).toContain("connection: close");
    expect(client.ended).toBe(true);
    expect(s.upstream()[0].ended || s.upstream()[0].closed).toBe(true);
    // A little more of the body is read and thrown away, so that no reset eats the answer.
    s.send(client, "c".repeat(500));
    expect(client.closeReason).toBe("");
    s.advance(1100);
    expect(client.closed || client.ended).toBe(true);
    expect(s.logs).toEqual(["POST / 413 - via_upstream"]);
    s.expectNothingLeft();
  });

  test("the upload goes on while the answer is sent", async () => {
    let seen = "";
    const s = await story({
      origins: [
        (peer) => {
          if (seen === "" && peer.received !== "")
            peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n");
          seen = peer.received;
          if (seen.endsWith("END")) peer.send("0\r\n\r\n");
        },
      ],
    });
    const client = s.client(post("ab", 5));
    expect(client.received).toContain("hi");
    s.send(client, "END");
    expect(client.received).toEndWith("2\r\nhi\r\n0\r\n\r\n");
    expect(seen).toEndWith("abEND");
    expect(client.ended).toBe(true); // it was told so in the head
    s.expectNothingLeft();
  });

  test("our own, and the rest is small: it is read and thrown away, the connection goes on", async () => {
    const s = await story({ virtualHost: { domains: ["b"] } });
    const body = get("/smuggled");
    const client = s.client(post(body, body.length + 3));
    expect(gist(client.received)).toBe("404 ");
    expect(s.logs).toHaveLength(0);
    s.send(client, `xyz${get("/next")}`);
    expect(s.logs).toEqual(["POST / 404 NR route_not_found", "GET /next 404 NR route_not_found"]);
    s.expectNothingLeft();
  });

  test("our own, and the client leaves instead of sending the rest: that is no fault of the protocol", async () => {
    const s = await story({ virtualHost: { domains: ["b"] } });
    const client = s.client(post("", 1000));
    client.end();
    s.settle();
    expect(client.ended).toBe(true);
    expect(s.logs).toEqual(["POST / 404 NR route_not_found"]);
    expect(s.stat("http.test.downstream_cx_protocol_error")).toBe(0);
    s.expectNothingLeft();
  });

  test("our own, and the rest does not come: the connection ends", async () => {
    const s = await story({ virtualHost: { domains: ["b"] } });
    const client = s.client(post("", 1000));
    s.advance(4900);
    expect(client.ended).toBe(false);
    s.advance(200);
    expect(client.ended).toBe(true);
    s.expectNothingLeft();
  });

  test("our own, the client is slow to take it, and the rest does not come: the connection ends all the same", async () => {
    const s = await story({
      network: { buffer: 500 },
      manager: { streamIdleTimeout: 0 },
      routes: [direct("/", "x".repeat(5000))],
    });
    const client = s.client();
    client.pause();
    s.send(client, post("", 10));
    client.resume();
    s.advance(4900);
    expect(client.received).toEndWith("x");
    expect(client.ended).toBe(false);
    s.advance(200);
    expect(client.ended).toBe(true);
    s.expectNothingLeft();
  });

  test("our own, and the rest is large: connection: close, and nothing of it is a request", async () => {
    const s = await story({ virtualHost: { domains: ["b"] } });
    const client = s.client(post(get("/smuggled"), 70_000));
    expect(client.received).toContain("connection: close");
    expect(s.logs).toHaveLength(1);
    s.expectNothingLeft();
  });

  test("64 KiB of unwanted body are enough", async () => {
    const s = await story({ virtualHost: { domains: ["b"] } });
    const client = s.client(post("", 1_000_000));
    client.send("x".repeat(200_000));
    s.advance(10);
    expect(client.closed).toBe(true);
    s.expectNothingLeft();
  });
});

describe("interim answers", () => {
  const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";
  const head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n";

  test("Expect: 100-continue waits for the upstream's word", async () => {
    const s = await story({
      origins: [
        (peer) => {
          if (peer.received.endsWith("\r\n\r\n")) peer.send(CONTINUE);
          if (peer.received.endsWith("abc")) peer.send(OK);
        },
      ],
    });
    const client = s.client(head);
    expect(client.take()).toBe(CONTINUE);
    expect(s.upstream()[0].received).toContain("expect: 100-continue\r\n");
    s.send(client, "abc");
    expect(gist(client.received)).toBe("200 ok");
    expect(client.ended).toBe(false);
    s.expectNothingLeft();
  });

  test("a final answer instead: both connections end", async () => {
    const s = await story({ origins: [answers("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")] });
    const client = s.client(head);
    expect(client.received).toStartWith("HTTP/1.1 401 ");
    expect(client.received).toContain("connection: close");
    expect(client.ended).toBe(true);
    expect(s.upstream()[0].ended || s.upstream()[0].closed).toBe(true);
    s.expectNothingLeft();
  });

  test("a 100 that nobody asked for stays here; 103 goes through; 1.0 clients get neither", async () => {
    const early = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    const s = await story({ origins: [answers(CONTINUE + early + OK)] });
    const client = s.client(get());
    expect(client.received).toStartWith("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n");
    const old = s.client("GET / HTTP/1.0\r\nhost: a\r\nexpect: 100-continue\r\n\r\n");
    expect(old.received).toStartWith("HTTP/1.1 200 OK\r\n");
    s.expectNothingLeft();
  });

  test("another expectation: 417", async () => {
    const s = await story();
    expect(gist(s.client(get("/", "expect: 200-ok\r\n")).received)).toBe("417 ");
    s.expectNothingLeft();
  });
});

describe("answers without body", () => {
  test.each([
    ["HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "content-length: 5\r\n"],
    ["HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", ""],
    ["GET", "HTTP/1.1 204 No Content\r\n\r\n", ""],
    ["GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n", "content-length: 7\r\n"],
    ["GET", "HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n", "content-length: 0\r\n"],
  ])("%s, %j: the next request follows at once", async (method, answer, framing) => {
    const s = await story({ origins: [answers(answer)] });
    const client = s.client(`${method} / HTTP/1.1\r\nhost: a\r\n\r\n`);
    const first = client.take();
    expect(first).toEndWith("\r\n\r\n");
    expect(/(content-length: \d+\r\n)/.exec(first)?.[1] ?? "").toBe(framing);
    expect(first).not.toContain("transfer-encoding");
    s.send(client, `${method} / HTTP/1.1\r\nhost: a\r\n\r\n`);
    expect(client.received).toStartWith(answer.slice(0, 12));
    expect(s.upstream()).toHaveLength(1);
    s.expectNothingLeft();
  });

  test("a local reply to HEAD declares a body and sends none", async () => {
    const s = await story({ routes: [direct("/d", "hello")] });
    const client = s.client("HEAD /d HTTP/1.1\r\nhost: a\r\n\r\n");
    expect(client.received).toContain("content-length: 5\r\n");
    expect(client.received).toEndWith("\r\n\r\n");
    s.send(client, get("/d"));
    expect(client.received).toEndWith("hello");
    s.expectNothingLeft();
  });
});

const COMMON = {
  idleTimeout: 3_600_000,
  maxConnectionDuration: 0,
  maxHeadersCount: 100,
  maxStreamDuration: 0,
  headersWithUnderscoresAction: "ALLOW",
  maxRequestsPerConnection: 0,
} as const;

describe("time-outs of a connection", () => {
  test("idle: closed without a word or a log line", async () => {
    const s = await story({ manager: { common: { ...COMMON, idleTimeout: 1000 } } });
    const client = s.client(get());
    s.advance(900);
    s.send(client, get());
    s.advance(900);
    expect(client.ended).toBe(false);
    s.advance(101);
    expect(client.ended).toBe(true);
    expect(s.stat("http.test.downstream_cx_idle_timeout")).toBe(1);
    expect(s.logs).toHaveLength(2);
    s.expectNothingLeft();
  });

  test("a head that takes too long: 408", async () => {
    const s = await story({ manager: { requestHeadersTimeout: 500 } });
    const client = s.client("GET / HT");
    for (let i = 0; i < 4; i++) {
      s.advance(100);
      client.send("T");
    }
    s.advance(101);
    expect(gist(client.received)).toBe("408 request header timeout");
    expect(client.ended).toBe(true);
    expect(s.stat("http.test.downstream_rq_header_timeout")).toBe(1);
    expect(s.logs[0]).toEndWith("408 - request_header_timeout");
    s.expectNothingLeft();
  });

  test.each([
    ["without request_headers_timeout", 0, "408 stream timeout", "408 SI stream_idle_timeout"],
    ["with a longer one", 900, "408 stream timeout", "408 SI stream_idle_timeout"],
    ["with a shorter one", 400, "408 request header timeout", "408 - request_header_timeout"],
  ])("a slow head %s: the stream idle timeout bounds it, too", async (_, limit, answer, line) => {
    const s = await story({ manager: { requestHeadersTimeout: limit, streamIdleTimeout: 500 } });
    const client = s.client(get());
    s.advance(10_000);
    client.take();
    client.send("GET / HT");
    s.advance(300);
    s.send(client, "TP/1.1\r\nhost:"); // bytes of a head buy no time
    s.advance(99);
    expect(client.received).toBe("");
    s.advance(101);
    expect(gist(client.received)).toBe(answer);
    expect(client.ended).toBe(true);
    expect(s.stat("http.test.downstream_rq_idle_timeout")).toBe(limit === 400 ? 0 : 1);
    expect(s.logs[1]).toEndWith(line);
    s.expectNothingLeft();
  });

  test("max_connection_duration: idle closes, busy closes after its answer", async () => {
    const s = await story({
      manager: { common: { ...COMMON, maxConnectionDuration: 1000 } },
      origins: [echoLater(() => s.proxy.network.schedule)],
    });
    const idle = s.client();
    const busy = s.client(get("/2000"));
    s.advance(1001);
    expect(idle.ended).toBe(true);
    expect(busy.ended).toBe(false);
    s.advance(1001);
    expect(bodies(busy.received)).toEqual(["/2000"]);
    expect(busy.received).toContain("connection: close");
    expect(busy.ended).toBe(true);
    expect(s.stat("http.test.downstream_cx_max_duration_reached")).toBe(2);
    s.expectNothingLeft();
  });

  test("max_connection_duration in the middle of a head: that request is still answered", async () => {
    const s = await story({ manager: { common: { ...COMMON, maxConnectionDuration: 1000 } } });
    const client = s.client();
    s.advance(990);
    s.send(client, "GET / HTTP/1.1\r\nho");
    s.advance(20);
    s.send(client, "st: a\r\n\r\n");
    expect(bodies(client.received)).toEqual(["ok"]);
    expect(client.received).toContain("connection: close");
    s.expectNothingLeft();
  });

  test("a client that said close is not waited for", async () => {
    const s = await story();
    const client = s.client(get("/", "connection: close\r\n"));
    expect(bodies(client.received)).toEqual(["ok"]);
    expect(client.ended).toBe(true);
    expect(s.stat("http.test.downstream_cx_active")).toBe(0);
    expect(s.stat("http.test.downstream_cx_destroy_local")).toBe(1);
    s.expectNothingLeft();
  });

  test("a client that said close and sends on all the same is read from for a while", async () => {
    const s = await story();
    const client = s.client(get("/", "connection: close\r\n") + get("/more"));
    expect(bodies(client.received)).toEqual(["ok"]);
    expect(client.ended).toBe(true);
    expect(s.stat("http.test.downstream_cx_active")).toBe(1);
    client.end();
    s.settle();
    s.expectNothingLeft();
  });

  test("a client that said close and is answered early is read from while it still sends its body", async () => {
    const refusal = "HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno";
    const s = await story({ origins: [(peer) => peer.received.endsWith("ab") && peer.send(refusal)] });
    const client = s.client(post("ab", 1000).replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"));
    expect(gist(client.received)).toBe("413 no");
    expect(client.ended).toBe(true);
    s.send(client, "c".repeat(500)); // would reset a closed connection, and the answer with it
    expect(s.stat("http.test.downstream_cx_active")).toBe(1);
    expect(client.closeReason).toBe("");
    client.end();
    s.settle();
    s.expectNothingLeft();
  });

  test("a client that does not finish closing is let go after delayed_close_timeout", async () => {
    const s = await story({ manager: { common: { ...COMMON, maxRequestsPerConnection: 1 } } });
    const client = s.client(get("/"));
    expect(client.ended).toBe(true);
    expect(s.stat("http.test.downstream_cx_active")).toBe(1);
    s.advance(1001);
    expect(s.stat("http.test.downstream_cx_active")).toBe(0);
    expect(s.stat("http.test.downstream_cx_delayed_close_timeout")).toBe(1);
    s.expectNothingLeft();
  });

  test("a client that reads its last answer slowly gets all of it", async () => {
    const size = 300_000;
    const s = await story({
      origins: [answers(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n${"x".repeat(size)}`)],
      network: { buffer: 8 * 1024, maxRead: 1024 },
    });
    const client = s.client();
    client.onChange = () => client.pause();
    s.proxy.network.line = { ...s.proxy.network.line, buffer: 2 * size, maxRead: 2 * size }; // a fast origin
    client.send(get("/", "connection: close\r\n"));
    s.settle();
    expect(s.logs).toEqual(["GET / 200 - via_upstream"]); // we are done, and hold what the client has not taken
    for (let i = 0; i < 310; i++) {
      s.advance(250);
      client.resume();
    }
    s.advance(10);
    expect(client.received.length - client.received.indexOf("\r\n\r\n") - 4).toBe(size);
    s.expectNothingLeft();
  });

  test("one that reads nothing of it is cut after a minute", async () => {
    const size = 300_000;
    const s = await story({
      origins: [answers(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n${"x".repeat(size)}`)],
      network: { buffer: 8 * 1024 },
    });
    const client = s.client();
    client.pause();
    s.proxy.network.line = { ...s.proxy.network.line, buffer: 2 * size, maxRead: 2 * size };
    client.send(get("/", "connection: close\r\n"));
    s.advance(59_000);
    expect(s.stat("http.test.downstream_cx_active")).toBe(1);
    s.advance(3_000);
    expect(s.stat("http.test.downstream_cx_active")).toBe(0);
    s.expectNothingLeft();
  });

  test("one that keeps its connection and reads nothing is cut after the stream idle time", async () => {
    const size = 300_000;
    const s = await story({
      manager: { streamIdleTimeout: 10_000 },
      origins: [answers(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n${"x".repeat(size)}`)],
      network: { buffer: 8 * 1024 },
    });
    const client = s.client();
    client.pause();
    s.proxy.network.line = { ...s.proxy.network.line, buffer: 2 * size, maxRead: 2 * size };
    client.send(get("/1") + get("/2"));
    s.advance(9_900);
    expect(s.logs).toHaveLength(1);
    s.advance(200);
    expect(s.logs[1]).toBe("GET /2 504 SI stream_idle_timeout");
    s.advance(10_000);
    expect(s.stat("http.test.downstream_cx_active")).toBe(0);
    s.expectNothingLeft();
  });

  test("a pipelined request's time begins when it is its turn", async () => {
    const s = await story({
      origins: [echoLater(() => s.proxy.network.schedule)],
      manager: { common: { ...COMMON, maxStreamDuration: 1000 } },
    });
    const client = s.client(get("/900") + get("/800"));
    s.advance(2000);
    expect(bodies(client.received)).toEqual(["/900", "/800"]);
    s.expectNothingLeft();
  });
});
