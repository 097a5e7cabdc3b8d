/** Several requests on one client connection: nothing of one reaches the next, neither fields nor deadlines nor bytes. */
import { describe, expect, test } from "bun:test";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import { answers, get, gist, OK, type Script, story } from "../../support/engine-story.ts";
import { retryPolicy, route, routeTo } from "../../support/snapshot-fixture.ts";

/** What came, answer by answer; every answer must say its length. */
function answersOf(received: string): { head: string; body: string }[] {
  const out: { head: string; body: string }[] = [];
  let rest = received;
  while (rest !== "") {
    const end = rest.indexOf("\r\n\r\n") + 4;
    const length = Number(/content-length: (\d+)/.exec(rest.slice(0, end))?.[1] ?? 0);
    out.push({ head: rest.slice(0, end), body: rest.slice(end, end + length) });
    rest = rest.slice(end + length);
  }
  return out;
}

test("fields of an answer that we made are not in the next one", async () => {
  const json = { kind: "direct_response", status: 403, body: "{}", bodyFormat: null } as const;
  const typed = {
    headers: {
      requestAdd: [],
      requestRemove: [],
      responseAdd: [
        {
          name: "content-type",
          value: "application/json",
          action: "OVERWRITE_IF_EXISTS_OR_ADD",
          keepEmptyValue: false,
        },
        { name: "x-only-here", value: "1", action: "APPEND_IF_EXISTS_OR_ADD", keepEmptyValue: false },
      ],
      responseRemove: [],
    },
  } as const;
  const s = await story({
    limits: { maxRequests: 0 },
    routes: [
      route("/redirect", {
        kind: "redirect",
        status: 302,
        schemeRedirect: "",
        httpsRedirect: false,
        hostRedirect: "b.example",
        portRedirect: 0,
        pathRedirect: "",
        prefixRewrite: "",
        regexRewrite: null,
        stripQuery: false,
      }),
      route("/json", json, typed),
      route("/plain", { ...json, body: "no" }),
    ],
  });
  const client = s.client(get("/redirect") + get("/overloaded") + get("/json") + get("/plain"));
  const [redirect, overloaded, typedAnswer, plain] = answersOf(client.received).map(({ head }) => head);
  expect(redirect).toContain("location: http://b.example/redirect\r\n");
  expect(overloaded).not.toContain("location:");
  expect(overloaded).toContain("x-envoy-overloaded: true\r\n");
  expect(typedAnswer).not.toContain("x-envoy-overloaded");
  expect(typedAnswer).toContain("content-type: application/json\r\nx-only-here: 1\r\n");
  expect(plain).toContain("content-type: text/plain\r\n");
  expect(plain).not.toContain("x-only-here");
  s.expectNothingLeft();
});

describe("deadlines of a request end with it", () => {
  /** Answers "/quick…" at once and everything else after a second. */
  const quickOrSlow =
    (later: (peer: Peer) => void): Script =>
    (peer) => {
      if (!peer.received.endsWith("\r\n\r\n")) return;
      if (peer.take().startsWith("GET /quick")) peer.send(OK);
      else later(peer);
    };
  const slow = { timeout: 0 };

  test.each([
    ["a route's timeout", { timeout: 300 }],
    ["a try's timeout", { retryPolicy: retryPolicy({ retryOn: ["5xx"], perTryTimeout: 300 }) }],
    ["a try's idle timeout", { retryPolicy: retryPolicy({ retryOn: ["5xx"], perTryIdleTimeout: 300 }) }],
    ["a route's idle timeout", { idleTimeout: 300 }],
    ["a route's max_stream_duration", { maxStreamDuration: 300 }],
  ])("%s", async (_, action) => {
    const s = await story({
      action: slow,
      routes: [route("/quick", routeTo("app", action))],
      origins: [quickOrSlow((peer) => void s.proxy.network.schedule.after(1000, () => peer.send(OK)))],
    });
    const client = s.client(get("/quick"));
    expect(gist(client.take())).toBe("200 ok");
    s.send(client, get("/slow"));
    s.advance(900);
    expect(client.received).toBe("");
    s.advance(200);
    expect(gist(client.received)).toBe("200 ok");
    // The other way round: the quick one has its own time, and keeps it.
    s.send(client, get("/quick"));
    expect(client.ended).toBe(false);
    expect(s.logs.map((line) => line.split(" ")[2])).toEqual(["200", "200", "200"]);
    s.expectNothingLeft();
  });
});

describe("the rest of a request that was answered early", () => {
  const REFUSED = route("/", { kind: "direct_response", status: 403, body: "no", bodyFormat: null });
  const chunk = (size: number) => `${size.toString(16)}\r\n${"x".repeat(size)}\r\n`;
  const start = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";

  test("is thrown away, and the connection goes on", async () => {
    const s = await story({ routes: [REFUSED] });
    const client = s.client(start);
    expect(gist(client.take())).toBe("403 no");
    for (let sent = 0; sent < 65536; sent += 8192) s.send(client, chunk(8192));
    s.send(client, `0\r\n\r\n${get("/next")}`);
    expect(gist(client.received)).toBe("403 no");
    expect(client.ended).toBe(false);
    s.expectNothingLeft();
  });

  test("beyond 64 KiB the connection ends", async () => {
    const s = await story({ routes: [REFUSED] });
    const client = s.client(start);
    for (let sent = 0; sent < 65536; sent += 8192) s.send(client, chunk(8192));
    expect(client.ended).toBe(false);
    s.send(client, chunk(1));
    expect(client.ended).toBe(true);
    expect(gist(client.received)).toBe("403 no");
    s.expectNothingLeft();
  });

  test("has 5 s", async () => {
    const s = await story({ routes: [REFUSED] });
    const client = s.client(start + chunk(10));
    s.advance(4900);
    expect(client.ended).toBe(false);
    s.advance(200);
    expect(client.ended).toBe(true);
    s.expectNothingLeft();
  });
});

test("what the log says of a request it says of that request", async () => {
  const s = await story({
    log:
      "%DOWNSTREAM_HEADER_BYTES_RECEIVED% %DOWNSTREAM_HEADER_BYTES_SENT% #%CONNECTION_ID% %STREAM_ID% %FILTER_CHAIN_NAME% %ROUTE_NAME% " +
      "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_ADDRESS% %UPSTREAM_TRANSPORT_FAILURE_REASON% %REQUESTED_SERVER_NAME%",
    origins: [answers(OK)],
    routes: [route("/down", routeTo("app"), { name: "down" }), route("/up", routeTo("app"), { name: "up" })],
  });
  const asked = get("/up", "x-request-id: one\r\n");
  const client = s.client(asked);
  const sent = client.take();
  s.origins[0].stop();
  s.upstream()[0].close();
  s.settle();
  s.send(client, get("/down", "x-request-id: two\r\n"));
  s.send(client, "garbage\r\n\r\n");
  const [first, second, third] = s.logs;
  expect(first).toBe(`${asked.length} ${sent.length - 2} #1 one - up 127.0.0.1 127.0.0.1:80 - -`);
  expect(second).toMatch(/^\d+ \d+ #1 two - down 127\.0\.0\.1 127\.0\.0\.1:80 \S*Connection_refused\S* -$/);
  expect(third).toMatch(/^\d+ \d+ #1 - - - 127\.0\.0\.1 127\.0\.0\.1:80 - -$/);
  s.expectNothingLeft();
});
