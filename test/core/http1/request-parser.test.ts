/** Requests, whole, byte by byte and at every split: what is accepted, what is refused, and as what. */
import { describe, expect, test } from "bun:test";
import { always, type CodecOptions, transcript } from "../../support/codec-transcript.ts";

const HOST = "host: a\r\n";
const request = (line: string, fields = HOST, rest = "") => `${line}\r\n${fields}\r\n${rest}`;

describe("accepted", () => {
  test.each<[string, string[], CodecOptions?]>([
    [request("GET / HTTP/1.1"), ["GET / a 11 [host: a] none", "end"]],
    [request("GET /p?q=%20;x HTTP/1.1"), ["GET /p?q=%20;x a 11 [host: a] none", "end"]],
    [`\r\n\r\n${request("GET / HTTP/1.1")}`, ["GET / a 11 [host: a] none", "end"]],
    [request("GET / HTTP/1.0", ""), ["GET /  10 [] none", "end"]],
    [request("we!rd~ /x HTTP/1.1"), ["we!rd~ /x a 11 [host: a] none", "end"]],
    [request("OPTIONS * HTTP/1.1"), ["OPTIONS * a 11 [host: a] none", "end"]],
    [request("GET http://A:80/x HTTP/1.1"), ["GET /x A:80 11 [host: a] none", "end"]],
    [request("GET http://a?q HTTP/1.1"), ["GET /?q a 11 [host: a] none", "end"]],
    [request("OPTIONS http://a HTTP/1.1"), ["OPTIONS * a 11 [host: a] none", "end"]],
    [request("CONNECT b:443 HTTP/1.1", "host: b:443\r\n"), ["CONNECT  b:443 11 [host: b:443] none", "end"]],
    [
      request("POST / HTTP/1.1", `${HOST}Content-Length: 3\r\n`, "abc"),
      ["POST / a 11 [host: a, content-length: 3] length 3", "body abc", "end"],
    ],
    [
      request("POST / HTTP/1.1", `${HOST}content-length: 0\r\n`),
      ["POST / a 11 [host: a, content-length: 0] length 0", "end"],
    ],
    [
      request("PUT / HTTP/1.1", `${HOST}Transfer-Encoding: CHUNKED\r\n`, "3\r\nabc\r\n0\r\nx: y\r\n\r\n"),
      ["PUT / a 11 [host: a, transfer-encoding: CHUNKED] chunks", "body abc", "trailer x: y", "end"],
    ],
    [
      request("GET / HTTP/1.1", "Host: a\r\nX-B:\t v 1 \t\r\nx-b:\r\nx-c:\xff\r\n"),
      ["GET / a 11 [host: a, x-b: v 1, x-b: , x-c: \xff] none", "end"],
    ],
    [
      request("GET /1 HTTP/1.1") + request("GET /2 HTTP/1.1"),
      ["GET /1 a 11 [host: a] none", "end", "GET /2 a 11 [host: a] none", "end"],
    ],
    [
      request("GET / HTTP/1.1", `${HOST}__proto__: x\r\nconstructor: y\r\n`),
      ["GET / a 11 [host: a, __proto__: x, constructor: y] none", "end"],
    ],
  ])("%j", (bytes, lines, options = {}) => {
    expect(always("request", bytes, options)).toEqual(lines);
  });
});

describe("refused", () => {
  test.each<[string, string, CodecOptions?]>([
    // L1, L2: the start line
    [request("GET  / HTTP/1.1"), "start_line 400"],
    [request("GET / HTTP/1.1 "), "start_line 400"],
    [request(" GET / HTTP/1.1"), "start_line 400"],
    [request("GET /\tHTTP/1.1"), "start_line 400"],
    [request("GET /"), "start_line 400"],
    [request("GET / http/1.1"), "start_line 400"],
    [request("GET / HTTP/1.01"), "start_line 400"],
    [request("GET / HTTP/0.9"), "start_line 400"],
    [request("GET / HTTP/x.1"), "start_line 400"],
    [request("GET / HTTP//.1"), "start_line 400"],
    [request("GET / HTTP/1.x"), "start_line 400"],
    [request("GET / HTTP/1./"), "start_line 400"],
    [request("GET / HTTP/1.2"), "version_not_supported 505"],
    [request("GET / HTTP/2.0"), "version_not_supported 505"],
    [request("G(T / HTTP/1.1"), "start_line 400"],
    [request(`${"M".repeat(33)} / HTTP/1.1`), "method_too_long 501"],
    [`${"\r\n".repeat(5)}${request("GET / HTTP/1.1")}`, "start_line 400"],
    [`\n${request("GET / HTTP/1.1")}`, "start_line 400"],
    // R1–R4: target and Host
    [request("GET * HTTP/1.1"), "target 400"],
    [request("GET ftp://a/ HTTP/1.1"), "target 400"],
    [request("GET a/b HTTP/1.1"), "target 400"],
    [request("GET /é HTTP/1.1".replace("é", "\xe9")), "start_line 400"],
    [request("CONNECT b HTTP/1.1", "host: b\r\n"), "target 400"],
    [request("CONNECT b:1 HTTP/1.1", "host: b:1\r\ncontent-length: 0\r\n"), "connect_body 400"],
    [request("GET / HTTP/1.1", ""), "missing_host 400"],
    [request("GET / HTTP/1.1", "host: a\r\nhost: a\r\n"), "duplicate_host 400"],
    [request("GET http://b/ HTTP/1.1"), "bad_host 400"],
    // L6–L14: fields
    [request("GET / HTTP/1.1", " x: y\r\nhost: a\r\n"), "leading_whitespace 400"],
    [request("GET / HTTP/1.1", `${HOST} folded\r\n`), "obs_fold 400"],
    [request("GET / HTTP/1.1", `${HOST}x : y\r\n`), "space_before_colon 400"],
    [request("GET / HTTP/1.1", `${HOST}: y\r\n`), "field_name 400"],
    [request("GET / HTTP/1.1", `${HOST}no colon here\r\n`), "space_before_colon 400"],
    [request("GET / HTTP/1.1", `${HOST}nocolon\r\n`), "missing_colon 400"],
    [request("GET / HTTP/1.1", `${HOST}x\xe9: y\r\n`), "field_name 400"],
    [request("GET / HTTP/1.1", `${HOST}x: a\0b\r\n`), "field_value 400"],
    [request("GET / HTTP/1.1", `${HOST}x: a\x0bb\r\n`), "field_value 400"],
    [request("GET / HTTP/1.1", `${HOST}x: a\x7fb\r\n`), "field_value 400"],
    [request("GET / HTTP/1.1", `${HOST}x: a\ny: b\r\n`), "bare_lf 400"],
    [request("GET / HTTP/1.1", `${HOST}x: a\rb\r\n`), "bare_cr 400"],
    ["GET / HTTP/1.1\nhost: a\n\n", "bare_lf 400"],
    // F1–F7: framing
    ...["+5", "-0", "0x5", "5_0", "5.0", "5e0", "5 0", "", "9007199254740992", "5,5", "\xa05"].map(
      (length): [string, string] => [
        request("POST / HTTP/1.1", `${HOST}content-length: ${length}\r\n`, "12345"),
        "content_length 400",
      ],
    ),
    [
      request("POST / HTTP/1.1", `${HOST}content-length: 5\r\ncontent-length: 5\r\n`, "12345"),
      "duplicate_content_length 400",
    ],
    [
      request("POST / HTTP/1.1", `${HOST}content-length: 5\r\ntransfer-encoding: chunked\r\n`, "0\r\n\r\n"),
      "content_length_and_transfer_encoding 400",
    ],
    [
      request("POST / HTTP/1.0", "transfer-encoding: chunked\r\n", "0\r\n\r\n"),
      "transfer_encoding_in_1_0 400",
    ],
    ...[
      ",chunked",
      "chunked,",
      "chunked,chunked",
      '"chunked"',
      "chunked;p=1",
      "",
      "\xa0chunked",
      "x chunked",
      "identity",
    ].map((coding): [string, string] => [
      request("POST / HTTP/1.1", `${HOST}transfer-encoding: ${coding}\r\n`, "0\r\n\r\n"),
      "transfer_encoding 400",
    ]),
    [
      request("POST / HTTP/1.1", `${HOST}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n`),
      "transfer_encoding 400",
    ],
    // L15
    [request("GET / HTTP/1.1", `${HOST}content_length: 5\r\n`), "underscore 400"],
    [request("GET / HTTP/1.1", `${HOST}a_b: 5\r\n`), "underscore 400", { underscores: "REJECT_REQUEST" }],
    // limits
    [request(`GET /${"x".repeat(60)} HTTP/1.1`), "uri_too_long 414", { limits: { maxStartLineBytes: 50 } }],
    [
      request("GET / HTTP/1.1", `${HOST}x: ${"y".repeat(90)}\r\n`),
      "head_too_large 431",
      { limits: { maxHeadBytes: 80 } },
    ],
    [
      request("GET / HTTP/1.1", `${HOST}a: 1\r\nb: 2\r\n`),
      "too_many_fields 431",
      { limits: { maxFields: 2 } },
    ],
    [
      request("GET / HTTP/1.1", `${HOST}${"n".repeat(40)}: 1\r\n`),
      "head_too_large 431",
      { limits: { maxNameBytes: 30 } },
    ],
    [
      request("GET / HTTP/1.1", `${HOST}x: ${"v".repeat(40)}\r\n`),
      "head_too_large 431",
      { limits: { maxValueBytes: 30 } },
    ],
  ])("%j: %s", (bytes, fault, options = {}) => {
    expect(always("request", bytes, options)).toEqual([`fault ${fault}`]);
  });

  test("an unknown coding is 501", () => {
    const bytes = request("POST / HTTP/1.1", `${HOST}transfer-encoding: gzip\r\n`);
    expect(always("request", bytes)[0]).toMatch(/^fault (unknown_coding|transfer_encoding) 501$/);
  });

  test("underscores can be dropped", () => {
    expect(
      always("request", request("GET / HTTP/1.1", `${HOST}a_b: 5\r\nc: d\r\n`), {
        underscores: "DROP_HEADER",
      }),
    ).toEqual(["GET / a 11 [host: a, c: d] none", "end"]);
  });

  test("FIN inside a head or a body is a fault, between messages it is not", () => {
    const fin = { fin: true };
    expect(always("request", "GET / HT", fin)).toEqual(["fault incomplete 400"]);
    expect(
      always("request", request("POST / HTTP/1.1", `${HOST}content-length: 3\r\n`, "ab"), fin).at(-1),
    ).toBe("fault incomplete 400");
    expect(
      always("request", request("POST / HTTP/1.1", `${HOST}transfer-encoding: chunked\r\n`, "0\r\n"), fin).at(
        -1,
      ),
    ).toBe("fault incomplete 400");
    expect(always("request", request("GET / HTTP/1.1"), fin).at(-1)).toBe("end");
    expect(always("request", "\r\n", fin)).toEqual([]);
  });
});

describe("what is copied", () => {
  test("nothing while heads come whole, and of bodies nothing ever", () => {
    const bytes = request("POST / HTTP/1.1", `${HOST}content-length: 3000\r\n`, "x".repeat(3000));
    expect(transcript("request", [bytes, bytes]).copied).toBe(0);
    expect(transcript("request", [bytes.slice(0, 1000), bytes.slice(1000)]).copied).toBe(0);
  });

  test("only the head when it is split, once", () => {
    const head = request("GET / HTTP/1.1");
    expect(transcript("request", [...head]).copied).toBeLessThanOrEqual(head.length);
  });
});

test("a head byte by byte is linear work", () => {
  const long = request("GET / HTTP/1.1", `${HOST}x: ${"y".repeat(16_000)}\r\n`);
  const start = performance.now();
  transcript("request", [...long]);
  expect(performance.now() - start).toBeLessThan(2000);
});
