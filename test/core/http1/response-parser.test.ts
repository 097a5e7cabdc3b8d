/** Responses: framing by status and by what was asked, interim ones, and everything that makes one a 502. */
import { describe, expect, test } from "bun:test";
import { always, type CodecOptions } from "../../support/codec-transcript.ts";

const ok = (fields: string, rest = "") => `HTTP/1.1 200 OK\r\n${fields}\r\n${rest}`;

describe("accepted", () => {
  test.each<[string, string[], CodecOptions?]>([
    [ok("content-length: 2\r\n", "hi"), ["200 11 [content-length: 2] length 2", "body hi", "end"]],
    ["HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", ["200 11 [content-length: 0] length 0", "end"]],
    ["HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n", ["200 11 [content-length: 0] length 0", "end"]],
    [ok("x  : y\r\ncontent-length: 0\r\n"), ["200 11 [x: y, content-length: 0] length 0", "end"]],
    [
      ok("transfer-encoding: chunked\r\n", "2;a=b\r\nhi\r\n0\r\nt: 1\r\n\r\n"),
      ["200 11 [transfer-encoding: chunked] chunks", "body hi", "trailer t: 1", "end"],
    ],
    [ok("", "until the end"), ["200 11 [] close", "body until the end", "end"], { fin: true }],
    ["HTTP/1.0 200 OK\r\n\r\nx", ["200 10 [] close", "body x", "end"], { fin: true }],
    [ok("content-length: 5\r\n"), ["200 11 [content-length: 5] none", "end"], { method: "HEAD" }],
    ["HTTP/1.1 304 x\r\ncontent-length: 5\r\n\r\n", ["304 11 [content-length: 5] none", "end"]],
    ["HTTP/1.1 204 x\r\n\r\n", ["204 11 [] none", "end"]],
    [
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\na: b\r\n\r\n${ok("content-length: 0\r\n")}`,
      ["100 11 [] none", "103 11 [a: b] none", "200 11 [content-length: 0] length 0", "end"],
    ],
    [
      "HTTP/1.1 101 x\r\nupgrade: foo\r\n\r\nraw\r\n\r\n",
      ["101 11 [upgrade: foo] tunnel", "body raw\r\n\r\n"],
      { upgrade: true },
    ],
    [
      ok("content-length: 5\r\n", "raw"),
      ["200 11 [content-length: 5] tunnel", "body raw"],
      { method: "CONNECT" },
    ],
    [
      "HTTP/1.1 403 x\r\ncontent-length: 2\r\n\r\nno",
      ["403 11 [content-length: 2] length 2", "body no", "end"],
      { method: "CONNECT" },
    ],
  ])("%j", (bytes, lines, options = {}) => {
    expect(always("response", bytes, options)).toEqual(lines);
  });
});

describe("refused", () => {
  test.each<[string, string, CodecOptions?]>([
    ["HTTP/2.0 200 OK\r\n\r\n", "start_line"],
    ["HTTP/1.2 200 OK\r\n\r\n", "version"],
    ["HTTP/1.1 20 OK\r\n\r\n", "start_line"],
    ["HTTP/1.1 2000 OK\r\n\r\n", "start_line"],
    ["HTTP/1.1 099 OK\r\n\r\n", "start_line"],
    ["HTTP/1.1  200 OK\r\n\r\n", "start_line"],
    ["HTTP/1.1 200 O\0K\r\n\r\n", "start_line"],
    ["HTTP/1.1 200 OK\ncontent-length: 0\n\n", "bare_lf"],
    [ok(" x: y\r\n"), "leading_whitespace"],
    [ok("a: b\r\n c\r\n"), "obs_fold"],
    [ok("a: b\rc\r\n"), "bare_cr"],
    [ok("a: b\0\r\n"), "field_value"],
    [ok("content-length: 2\r\ncontent-length: 2\r\n", "hi"), "duplicate_content_length"],
    [ok("content-length: +2\r\n", "hi"), "content_length"],
    [ok("content-length: \r\n", ""), "content_length"],
    [
      ok("content-length: 2\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
      "content_length_and_transfer_encoding",
    ],
    [ok("transfer-encoding: gzip\r\n", "x"), "transfer_encoding"],
    [ok("transfer-encoding: gzip, chunked\r\n", "x"), "transfer_encoding"],
    ["HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "transfer_encoding_in_1_0"],
    ["HTTP/1.1 101 x\r\nupgrade: foo\r\n\r\n", "unasked_upgrade"],
    ["HTTP/1.1 101 x\r\nupgrade: foo\r\ncontent-length: 3\r\n\r\n", "unasked_upgrade", { upgrade: true }],
    [ok("a: b\r\nc: d\r\n"), "too_many_fields", { limits: { maxFields: 1 } }],
    [ok(`a: ${"b".repeat(200)}\r\n`), "head_too_large", { limits: { maxHeadBytes: 100 } }],
  ])("%j: %s", (bytes, code, options = {}) => {
    expect(always("response", bytes, options)).toEqual([`fault ${code} 502`]);
  });

  test("more interim answers than the limit", () => {
    const lines = always("response", "HTTP/1.1 103 x\r\n\r\n".repeat(4), { limits: { maxInformational: 3 } });
    expect(lines.at(-1)).toBe("fault too_many_informational 502");
    expect(lines).toHaveLength(4);
  });

  test("FIN in the middle", () => {
    for (const bytes of [
      "HTTP/1.1 2",
      ok("content-length: 5\r\n", "abc"),
      ok("transfer-encoding: chunked\r\n", "3\r\nabc\r\n"),
    ]) {
      expect(always("response", bytes, { fin: true }).at(-1)).toBe("fault incomplete 502");
    }
  });
});
