/** What a request must pass before it is routed, where a listener may choose. */
import { expect, test } from "bun:test";
import { get, gist, story } from "../../support/engine-story.ts";

const HTTP1 = {
  allowAbsoluteUrl: true,
  acceptHttp10: true,
  defaultHostForHttp10: "",
  headerKeyFormat: "DEFAULT",
  enableTrailers: false,
} as const;

const COMMON = {
  idleTimeout: 3_600_000,
  maxConnectionDuration: 0,
  maxHeadersCount: 100,
  maxStreamDuration: 0,
  headersWithUnderscoresAction: "ALLOW",
  maxRequestsPerConnection: 0,
} as const;

const ABSOLUTE = "GET http://a.example/x HTTP/1.1\r\nhost: a.example\r\n\r\n";

test("an absolute URL is taken, or refused where the listener says so", async () => {
  const s = await story();
  expect(gist(s.client(ABSOLUTE).received)).toBe("200 ok");
  expect(s.upstream()[0].receivedBytes).toBeGreaterThan(0);
  s.expectNothingLeft();
  const t = await story({ manager: { http1: { ...HTTP1, allowAbsoluteUrl: false } } });
  expect(gist(t.client(ABSOLUTE).received)).toBe("404 ");
  expect(t.logs).toEqual(["GET /x 404 - absolute_path_rejected"]);
  expect(t.stat("http.test.downstream_rq_non_relative_path")).toBe(1);
  t.expectNothingLeft();
});

test("headers with underscores are counted when they are dropped or refused", async () => {
  const dropping = await story({
    manager: { common: { ...COMMON, headersWithUnderscoresAction: "DROP_HEADER" } },
  });
  dropping.client(get("/", "a_b: 1\r\nc_d: 2\r\n"));
  expect(dropping.stat("http1.dropped_headers_with_underscores")).toBe(2);
  dropping.expectNothingLeft();
  const refusing = await story({
    manager: { common: { ...COMMON, headersWithUnderscoresAction: "REJECT_REQUEST" } },
  });
  expect(gist(refusing.client(get("/", "a_b: 1\r\n")).received)).toBe("400 Bad Request");
  expect(refusing.stat("http1.requests_rejected_with_underscores_in_headers")).toBe(1);
  refusing.expectNothingLeft();
});

test("HTTP/1.0 is refused unless accepted, and needs a host or a default one", async () => {
  const old = "GET / HTTP/1.0\r\n\r\n";
  const strict = await story({ manager: { http1: { ...HTTP1, acceptHttp10: false } } });
  expect(gist(strict.client(old).received).slice(0, 3)).toBe("426");
  strict.expectNothingLeft();
  const hostless = await story();
  expect(gist(hostless.client(old).received).slice(0, 3)).toBe("400");
  hostless.expectNothingLeft();
  const kind = await story({ manager: { http1: { ...HTTP1, defaultHostForHttp10: "a.example" } } });
  expect(gist(kind.client(old).received)).toBe("200 ok");
  kind.expectNothingLeft();
});
