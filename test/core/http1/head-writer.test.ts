/** Heads as they are written: our own framing, no hop-by-hop fields, any size, and slabs that nobody overwrites. */
import { describe, expect, test } from "bun:test";
import { latin1, toBytes } from "../../../core/bytes/ascii.ts";
import { ByChunks, ByLength, NoBody } from "../../../core/http/framing.ts";
import { type RequestHead, ResponseHead } from "../../../core/http/head.ts";
import {
  Close,
  HeadWriter,
  KeepAlive,
  LowerCase,
  Persistent,
  PreserveCase,
  ProperCase,
} from "../../../core/http1/head-writer.ts";
import { DEFAULT_LIMITS } from "../../../core/http1/limits.ts";
import { RequestParser } from "../../../core/http1/request-parser.ts";

const text = (writer: HeadWriter) => latin1(writer.bytes, writer.start, writer.end);

function head(fields: readonly (readonly [string, string])[]): ResponseHead {
  const out = new ResponseHead();
  out.status = 200;
  for (const [name, value] of fields) out.fields.add(name, value);
  return out;
}

function parsed(bytes: string): RequestHead {
  const sink = { onHead() {}, onBody() {}, onMessageEnd() {}, onFault() {} };
  const parser = new RequestParser(sink, DEFAULT_LIMITS, "ALLOW", { copiedBytes: 0 });
  parser.feed(toBytes(bytes));
  return parser.head;
}

describe("a request", () => {
  const wire =
    "GET /x HTTP/1.1\r\nHOST: a.b\r\nX-Own: 1\r\nconnection: close\r\nKeep-Alive: 5\r\nte: gzip\r\nupgrade: h2c\r\n" +
    "http2-settings: x\r\nproxy-connection: y\r\nx-foo-bar: 2\r\n\r\n";

  test.each([
    [LowerCase, "GET /x HTTP/1.1\r\nhost: a.b\r\nx-own: 1\r\nx-foo-bar: 2\r\n\r\n"],
    [ProperCase, "GET /x HTTP/1.1\r\nHost: a.b\r\nX-Own: 1\r\nX-Foo-Bar: 2\r\n\r\n"],
    [PreserveCase, "GET /x HTTP/1.1\r\nHOST: a.b\r\nX-Own: 1\r\nx-foo-bar: 2\r\n\r\n"],
  ] as const)("in case %i: only what belongs to the next hop", (nameCase, expected) => {
    const writer = new HeadWriter();
    writer.request(parsed(wire), NoBody, 0, "", false, false, nameCase);
    expect(text(writer)).toBe(expected);
  });

  test.each([
    [LowerCase, "x-forwarded-for: 1,2\r\nx-oTHER: 3\r\n".toLowerCase()],
    [ProperCase, "X-Forwarded-For: 1,2\r\nX-Other: 3\r\n"],
    [PreserveCase, "X-FORWARDED-for: 1,2\r\nx-oTHER: 3\r\n"],
  ] as const)(
    "in case %i: a name that came keeps its case when its value is replaced",
    (nameCase, expected) => {
      const request = parsed("GET / HTTP/1.1\r\nhost: a\r\nX-FORWARDED-for: 1\r\nx-oTHER: 2\r\n\r\n");
      request.fields.set("x-forwarded-for", "1,2");
      request.fields.set("x-other", "3");
      const writer = new HeadWriter();
      writer.request(request, NoBody, 0, "", false, false, nameCase);
      expect(text(writer)).toEndWith(`${expected}\r\n`);
    },
  );

  const OWN = [
    [LowerCase, "host", "content-length", "transfer-encoding", "connection", "te", "upgrade"],
    [ProperCase, "Host", "Content-Length", "Transfer-Encoding", "Connection", "Te", "Upgrade"],
    [PreserveCase, "hoST", "content-LENGTH", "transfer-encoding", "CONnection", "TE", "upgrade"],
  ] as const;
  test.each(OWN)(
    "in case %i: what we write ourselves too",
    (nameCase, host, length, coding, connection, te, upgrade) => {
      const writer = new HeadWriter();
      const request = parsed(
        "POST / HTTP/1.1\r\nhoST: a\r\ncontent-LENGTH: 2\r\nCONnection: x\r\nTE: y\r\n\r\n",
      );
      const start = `POST / HTTP/1.1\r\n${host}: a\r\n`;
      writer.request(request, ByLength, 2, "", false, true, nameCase);
      expect(text(writer)).toBe(`${start}${length}: 2\r\n${connection}: close\r\n\r\n`);
      writer.request(request, ByChunks, 0, "", true, false, nameCase);
      expect(text(writer)).toBe(`${start}${coding}: chunked\r\n${connection}: te\r\n${te}: trailers\r\n\r\n`);
      writer.request(request, NoBody, 0, "websocket", false, false, nameCase);
      expect(text(writer)).toBe(`${start}${connection}: Upgrade\r\n${upgrade}: websocket\r\n\r\n`);
    },
  );

  test("framing, close, te and upgrade are ours", () => {
    const writer = new HeadWriter();
    const request = parsed("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 00012\r\n\r\n");
    writer.request(request, ByLength, 12, "", false, true, LowerCase);
    expect(text(writer)).toBe(
      "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 12\r\nconnection: close\r\n\r\n",
    );
    writer.request(request, ByChunks, 0, "", true, false, LowerCase);
    expect(text(writer)).toEndWith("transfer-encoding: chunked\r\nconnection: te\r\nte: trailers\r\n\r\n");
    writer.request(request, NoBody, 0, "websocket", false, false, LowerCase);
    expect(text(writer)).toEndWith("connection: Upgrade\r\nupgrade: websocket\r\n\r\n");
  });

  test.each([
    ["WebSocket", "websocket", "WebSocket"],
    ["h2c", "websocket", "websocket"], // a header operation may have changed what was asked for
  ])("upgrade: %s, asked as %s, is written %s", (written, upgrade, expected) => {
    const writer = new HeadWriter();
    const request = parsed(`GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: ${written}\r\n\r\n`);
    writer.request(request, NoBody, 0, upgrade, false, false, LowerCase);
    expect(text(writer)).toEndWith(`host: a\r\nconnection: Upgrade\r\nupgrade: ${expected}\r\n\r\n`);
  });

  test.each([
    ["GET", ""],
    ["HEAD", ""],
    ["DELETE", ""],
    ["CONNECT", ""],
    ["POST", "content-length: 0\r\n"],
    ["PUT", "content-length: 0\r\n"],
    ["PATCH", "content-length: 0\r\n"],
    ["OPTIONS", "content-length: 0\r\n"],
    ["PROPFIND", "content-length: 0\r\n"],
  ])("%s without a body says %j", (method, fields) => {
    const writer = new HeadWriter();
    const request = parsed(`${method} ${method === "CONNECT" ? "a:1" : "/"} HTTP/1.1\r\nhost: a:1\r\n\r\n`);
    writer.request(request, NoBody, -1, "", false, false, LowerCase);
    expect(text(writer)).toEndWith(`host: a:1\r\n${fields}\r\n`);
  });
});

describe("a response", () => {
  test.each([
    [NoBody, -1, Persistent, ""],
    [NoBody, 7, Persistent, "content-length: 7\r\n"],
    [ByLength, 0, Persistent, "content-length: 0\r\n"],
    [ByLength, Number.MAX_SAFE_INTEGER, Close, "content-length: 9007199254740991\r\nconnection: close\r\n"],
    [ByChunks, -1, KeepAlive, "transfer-encoding: chunked\r\nconnection: keep-alive\r\n"],
  ] as const)("framing %i, length %i, connection %i", (framing, length, connection, fields) => {
    const writer = new HeadWriter();
    writer.response(head([["x", "y"]]), framing, length, "", connection, LowerCase);
    expect(text(writer)).toBe(`HTTP/1.1 200 OK\r\nx: y\r\n${fields}\r\n`);
  });

  test("an unknown status has a line too", () => {
    const writer = new HeadWriter();
    const strange = head([]);
    strange.status = 799;
    writer.response(strange, NoBody, -1, "", Persistent, LowerCase);
    expect(text(writer)).toMatch(/^HTTP\/1\.1 799 .*\r\n\r\n$/);
  });
});

test("chunk lines", () => {
  const writer = new HeadWriter();
  for (const [size, line] of [
    [1, "1"],
    [15, "f"],
    [16, "10"],
    [65536, "10000"],
    [0xffffffff, "ffffffff"],
  ] as const) {
    writer.chunkLine(size, true);
    expect(text(writer)).toBe(`${line}\r\n`);
    writer.chunkLine(size, false);
    expect(text(writer)).toBe(`\r\n${line}\r\n`);
  }
  writer.lastChunk(null, false, LowerCase);
  expect(text(writer)).toBe("\r\n0\r\n\r\n");
  writer.lastChunk(head([["a", "b"]]).fields, true, LowerCase);
  expect(text(writer)).toBe("0\r\na: b\r\n\r\n");
});

test("what was written stays: later heads, and heads larger than a slab, change nothing of it", () => {
  const writer = new HeadWriter();
  const written: { bytes: Uint8Array; start: number; end: number; text: string }[] = [];
  for (let i = 0; i < 300; i++) {
    const size = i % 50 === 49 ? 50_000 : 50 + ((i * 37) % 700);
    const value = String.fromCharCode(97 + (i % 26)).repeat(size);
    writer.response(
      head([
        ["x", value],
        ["y", String(i)],
      ]),
      ByLength,
      i,
      "",
      Persistent,
      LowerCase,
    );
    written.push({
      bytes: writer.bytes,
      start: writer.start,
      end: writer.end,
      text: `HTTP/1.1 200 OK\r\nx: ${value}\r\ny: ${i}\r\ncontent-length: ${i}\r\n\r\n`,
    });
  }
  for (const { bytes, start, end, text: expected } of written)
    expect(latin1(bytes, start, end) === expected).toBe(true);
});
