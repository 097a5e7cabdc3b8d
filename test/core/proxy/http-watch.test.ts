/** Whether the first bytes of a connection are HTTP: each row whole, byte by byte and at every cut. */
import { expect, test } from "bun:test";
import {
  HTTP_PROTOCOLS,
  HttpUndecided,
  type HttpVerdict,
  HttpWatch,
  IsHttp2,
  IsHttp10,
  IsHttp11,
  NotHttp,
} from "../../../core/proxy/http-watch.ts";

function feed(pieces: readonly Uint8Array[]): HttpVerdict {
  const watch = new HttpWatch();
  let fed = 0;
  for (const piece of pieces) {
    const verdict = watch.feed(piece);
    fed += piece.length;
    // What was fed is there to be given on.
    expect(watch.bytes.length).toBe(fed);
    if (verdict !== HttpUndecided) return verdict;
  }
  return HttpUndecided;
}

test.each([
  ["GET / HTTP/1.1\r\nHost: a\r\n", IsHttp11],
  ["GET /a?b HTTP/1.0\n", IsHttp10],
  ["M-SEARCH * HTTP/1.1\r", IsHttp11],
  ["CONNECT a:443 HTTP/1.1\r\n", IsHttp11],
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", IsHttp2],
  ["GET * HTTP/2.0\r\n", NotHttp],
  ["PRI / HTTP/2.0\r\n", NotHttp],
  ["GET / HTTP/1.1", HttpUndecided],
  ["GET", HttpUndecided],
  ["GET /\xff HTTP/1.1\r\n", IsHttp11],
  ["GET /\x7f HTTP/1.1\r\n", NotHttp],
  ["GET  HTTP/1.1\r\n", NotHttp],
  [" GET / HTTP/1.1\r\n", NotHttp],
  ["GET / HTTP/1.2\r\n", NotHttp],
  ["GET / HTTP/1.1x", NotHttp],
  ["GET / http/1.1\r\n", NotHttp],
  ["EHLO mail.example\r\n", NotHttp],
  ["*1\r\n$4\r\nPING\r\n", NotHttp],
  ["SSH-2.0-OpenSSH\r\n", NotHttp],
  ["\x16\x03\x01", NotHttp],
  ["\0", NotHttp],
  [`${"A".repeat(33)}`, NotHttp],
  [`GET /${"a".repeat(9000)} HTTP/1.1\r\n`, NotHttp],
] as [string, HttpVerdict][])("%j", (text, expected) => {
  const all = Buffer.from(text, "latin1");
  expect(feed([all])).toBe(expected);
  expect(feed(Array.from(all, (_, i) => all.subarray(i, i + 1)))).toBe(expected);
  for (let at = 1; at < Math.min(all.length, 60); at++)
    expect(feed([all.subarray(0, at), all.subarray(at)])).toBe(expected);
});

test("the names are Envoy's", () => {
  expect([IsHttp10, IsHttp11, IsHttp2].map((verdict) => HTTP_PROTOCOLS[verdict])).toEqual([
    "http/1.0",
    "http/1.1",
    "h2c",
  ]);
});
