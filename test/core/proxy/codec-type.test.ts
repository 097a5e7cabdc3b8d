/** `codec_type`: which versions of HTTP a listener speaks, whatever clients would like, in plain text and over TLS. */
import { describe, expect, test } from "bun:test";
import { PREFACE } from "../../../core/http2/frame-reader.ts";
import { get, gist, story } from "../../support/engine-story.ts";
import { GET } from "../../support/http2-peer.ts";
import { clientStory, http2Client } from "../../support/http2-story.ts";
import { HTTP2 } from "../../support/snapshot-fixture.ts";
import { pair } from "../../support/tls-pair.ts";

const STAT = "http.test.downstream_cx_";

describe("in plain text", () => {
  test("AUTO serves both, as each client begins", async () => {
    const { s, client } = await clientStory({ manager: { codecType: "AUTO" } });
    client.head(1, GET, { end: true });
    s.settle();
    expect(client.heard()).toHaveLength(2);
    expect(gist(s.client(get()).received)).toBe("200 ok");
    expect([s.stat(`${STAT}http1_total`), s.stat(`${STAT}http2_total`)]).toEqual([1, 1]);
    s.expectNothingLeft();
  });

  test("HTTP1: the preface of HTTP/2 is a bad request, and no stream is opened", async () => {
    const s = await story({ manager: { codecType: "HTTP1" } });
    const client = s.client(PREFACE);
    expect(client.received).toStartWith("HTTP/1.1 505");
    expect(client.ended || client.closed).toBe(true);
    expect([s.stat(`${STAT}http2_total`), s.stat(`${STAT}protocol_error`)]).toEqual([0, 1]);
    expect(gist(s.client(get()).received)).toBe("200 ok");
    s.expectNothingLeft();
  });

  test("HTTP2: a request of HTTP/1 is no preface: the connection ends, and nothing goes on", async () => {
    const s = await story({ manager: { codecType: "HTTP2" } });
    const client = s.client(get());
    expect(client.received).not.toContain("HTTP/1.1");
    expect(client.ended || client.closed).toBe(true);
    expect([s.upstream().length, s.stat(`${STAT}protocol_error`)]).toEqual([0, 1]);
    const other = http2Client(s);
    other.head(1, GET, { end: true });
    s.settle();
    expect(other.heard()).toHaveLength(2);
    s.expectNothingLeft();
  });
});

describe("over TLS", () => {
  test.each([
    ["HTTP1", "HTTP/2", false],
    ["HTTP1", "HTTP/1.1", true],
    ["HTTP2", "HTTP/2", true],
    ["HTTP2", "HTTP/1.1", false],
    ["AUTO", "HTTP/2", true],
    ["AUTO", "HTTP/1.1", true],
  ] as const)("%s: a client of %s is served: %p", async (codecType, version, served) => {
    const http2 = version === "HTTP/2" ? HTTP2 : null;
    const s = await pair({ manager: { codecType }, cluster: { http2 }, log: "%PROTOCOL%" });
    const client = s.client(get());
    s.settle();
    expect(client.received.startsWith("HTTP/1.1 200")).toBe(served);
    if (served) expect(s.logs).toEqual([version]);
    else expect(client.received).toMatch(/^HTTP\/1\.1 50[23]/);
    s.expectNothingLeft();
  });

  test.each([
    ["HTTP1", "HTTP/1.1"],
    ["HTTP2", "HTTP/2"],
    ["AUTO", "HTTP/2"],
  ] as const)("%s is offered by ALPN: who speaks both speaks %s", async (codecType, version) => {
    const both = { http2: HTTP2, protocolBy: "ALPN" } as const;
    const s = await pair({ manager: { codecType }, cluster: both, log: "%PROTOCOL%" });
    const client = s.client(get());
    s.settle();
    expect([gist(client.received), s.logs]).toEqual(["200 ok", [version]]);
    s.expectNothingLeft();
  });
});
