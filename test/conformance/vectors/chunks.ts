/** Rows C1–C8: the chunked coding and trailers. RFC 9112 7.1. */
import { brokenResponse, chunked, forwarded, post, refused, relayed, type Vector } from "../vector.ts";

const END = "0\r\n\r\n";
const size = (line: string) => chunked(`${line}\r\nhello\r\n${END}`);
const trailer = (fields: string) => chunked(`5\r\nhello\r\n0\r\n${fields}\r\n`);
const rsize = (line: string) =>
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${line}\r\nhello\r\n${END}`;
const rtrailer = (fields: string) =>
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n${fields}\r\n`;

const BAD_SIZES: { readonly [word: string]: string } = {
  empty: "",
  prefix: "0x5",
  "big-prefix": "0X5",
  plus: "+5",
  minus: "-5",
  underscore: "0_5",
  "leading-space": " 5",
  "leading-tab": "\t5",
  "trailing-space": "5 ",
  "trailing-tab": "5\t",
  "letter-behind": "5x",
  "not-hex": "g",
  comma: "5,",
  fraction: "5.0",
  "two-sizes": "5 5",
  nul: "5\0",
  "arabic-digit": "\xd9\xa5",
  quoted: '"5"',
  "nine-digits-wrap": "100000005",
  "sixteen-f": "FFFFFFFFFFFFFFFF",
  "seventeen-digits-wrap": "10000000000000005",
  "seventy-zeros": `${"0".repeat(70)}5`,
};

const BAD_EXTENSIONS: { readonly [word: string]: string } = {
  "bare-semicolon": "5;",
  "semicolon-space": "5; ",
  "name-missing": "5;=x",
  "not-a-token": "5;a{b}=c",
  "nul-inside": "5;a=\0b",
  "control-inside": "5;a=\x01b",
  "quoted-control": '5;a="\x01"',
  "quoted-crlf": '5;a="\r\n"',
  "unfinished-quote": '5;a="b',
  "behind-the-quote": '5;a="b"c',
  "bare-cr-inside": "5;a\rb",
  "bare-lf-inside": "5;a\nb",
  "longer-than-256": `5;a=${"b".repeat(300)}`,
};

function each(table: { readonly [word: string]: string }, build: (value: string) => string) {
  return Object.fromEntries(Object.entries(table).map(([word, value]) => [word, build(value)]));
}

export const chunks: readonly Vector[] = [
  ...refused(
    "C1",
    "a chunk size is 1*HEXDIG, of at most eight digits (C2)",
    [400, 413],
    each(BAD_SIZES, size),
  ),
  ...brokenResponse("C1", "a chunk size is 1*HEXDIG", each(BAD_SIZES, rsize)),
  forwarded(
    "C1",
    "upper-and-lower",
    "hexadecimal digits of both cases",
    chunked(`a\r\n0123456789\r\nA\r\n0123456789\r\n${END}`),
    {
      body: "01234567890123456789",
    },
  ),
  forwarded("C1", "empty-body", "a body of no chunks", chunked(END), { body: "" }),
  forwarded("C1", "last-chunk-of-zeros", "the last chunk may be 000", chunked("5\r\nhello\r\n000\r\n\r\n"), {
    body: "hello",
  }),
  forwarded("C2", "leading-zeros", "a few leading zeros", size("0005"), { body: "hello" }),
  {
    id: "C2-smuggled-by-wrap",
    row: "C2",
    title: "a size that wraps at 32 bits must not end the chunk early",
    side: "request",
    client: [chunked(`100000000\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: v.test\r\n\r\n`), { closed: true }],
    expect: { answers: [[400, 413]], client: "close", origin: 0 },
  },

  ...refused("C3", "a size line ends with CRLF", 400, {
    lf: chunked(`5\nhello\r\n${END}`),
    cr: chunked(`5\rhello\r\n${END}`),
    "cr-x": chunked(`5\rX\nhello\r\n${END}`),
    "cr-cr-lf": chunked(`5\r\r\nhello\r\n${END}`),
    "extension-lf": chunked(`5;a\nhello\r\n${END}`),
    "last-chunk-lf": chunked("5\r\nhello\r\n0\n\r\n"),
    "last-chunk-lf-lf": chunked("5\r\nhello\r\n0\n\n"),
    "end-lf": chunked("5\r\nhello\r\n0\r\n\n"),
  }),
  ...brokenResponse("C3", "a size line ends with CRLF", {
    lf: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n${END}`,
    "cr-x": `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\rX\nhello\r\n${END}`,
  }),

  ...refused("C4", "chunk data is followed by CRLF", 400, {
    lf: chunked(`5\r\nhello\n${END}`),
    "two-bytes": chunked(`5\r\nhelloXX${END}`),
    "more-data": chunked(`5\r\nhello world\r\n${END}`),
    nothing: chunked(`5\r\nhello${END}`),
    "cr-x": chunked(`5\r\nhello\rX${END}`),
    "lf-cr": chunked(`5\r\nhello\n\r${END}`),
  }),
  ...brokenResponse("C4", "chunk data is followed by CRLF", {
    lf: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n${END}`,
    "two-bytes": `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX${END}`,
  }),

  forwarded(
    "C5",
    "name",
    "an extension is ignored and not forwarded",
    size("5;secret"),
    { body: "hello" },
    {
      expect: {
        answers: [200],
        client: "keep",
        origin: [{ body: "hello" }],
        originLacks: ["secret"],
        reuse: true,
      },
    },
  ),
  forwarded("C5", "token-value", "an extension with a token value", size("5;a=b;c=d"), { body: "hello" }),
  forwarded("C5", "quoted-value", "an extension with a quoted value", size('5;a="b; \\"c\\" d"'), {
    body: "hello",
  }),
  forwarded("C5", "last-chunk", "an extension of the last chunk", chunked("5\r\nhello\r\n0;a=b\r\n\r\n"), {
    body: "hello",
  }),
  ...refused("C5", "an extension follows its grammar", 400, each(BAD_EXTENSIONS, size)),
  ...refused("C5", "extensions have a budget per message", [400, 413], {
    "four-kilobytes-in-all": chunked(`1;a=${"b".repeat(200)}\r\nx\r\n`.repeat(30) + END),
  }),
  {
    id: "C5-extension-smuggle",
    row: "C5",
    title: "a quoted CRLF in an extension hides no request",
    side: "request",
    client: [
      chunked(`1;a="\r\nX\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: v.test\r\n\r\n"\r\nY\r\n${END}`),
      { closed: true },
    ],
    expect: { answers: [400], client: "close", origin: 0, originLacks: ["/smuggled"] },
  },

  forwarded("C6", "dropped", "trailers are not forwarded unless enabled", trailer("X-T: 1\r\n"), {
    body: "hello",
    fields: { "x-t": null },
    trailers: { "x-t": null },
  }),
  forwarded(
    "C6",
    "enabled",
    "trailers are forwarded where enabled, and stay trailers",
    trailer("X-T: 1\r\n"),
    { body: "hello", fields: { "x-t": null }, trailers: { "x-t": "1" } },
    { profile: "trailers" },
  ),
  forwarded(
    "C6",
    "forbidden-dropped",
    "framing, routing and authority fields never pass in trailers",
    trailer(
      "Content-Length: 9\r\nTransfer-Encoding: chunked\r\nHost: evil.test\r\nAuthorization: x\r\nConnection: close\r\nContent-Type: a/b\r\nX-T: 1\r\n",
    ),
    {
      body: "hello",
      fields: { host: "v.test", "content-length": null, authorization: null },
      trailers: {
        "content-length": null,
        "transfer-encoding": null,
        host: null,
        authorization: null,
        connection: null,
        "content-type": null,
      },
    },
    {
      profile: "trailers",
      expect: {
        answers: [[200, 400]],
        originLacks: ["evil.test"],
      },
    },
  ),
  ...refused("C6", "trailers are fields like all others", 400, {
    "no-colon": trailer("abc\r\n"),
    "empty-name": trailer(": v\r\n"),
    "space-before-colon": trailer("X : v\r\n"),
    folded: trailer("X: v\r\n w\r\n"),
    "bare-lf": trailer("X: v\nY: w\r\n"),
    nul: trailer("X: \0\r\n"),
    "bare-cr": trailer("X: a\rb\r\n"),
    "leading-space": trailer(" X: v\r\n"),
    "pseudo-header": trailer(":path: /evil\r\n"),
  }),
  ...refused("C6", "trailers have limits", [400, 431], {
    "too-many": trailer("X-T: 1\r\n".repeat(120)),
    "too-large": trailer(`X-T: ${"a".repeat(70_000)}\r\n`),
  }),
  relayed(
    "C6",
    "dropped",
    "a response's trailers are not forwarded unless enabled",
    rtrailer("X-T: 1\r\n"),
    { status: 200, body: "hello", fields: { "x-t": null } },
    { clientLacks: ["x-t", "X-T"] },
  ),
  ...brokenResponse("C6", "bad trailers of a response", {
    "no-colon": rtrailer("abc\r\n"),
    nul: rtrailer("X: \0\r\n"),
    "bare-lf": rtrailer("X: v\nY: w\r\n"),
  }),

  {
    id: "C7-no-final-crlf",
    row: "C7",
    title: "without the CRLF behind the last chunk the message is incomplete",
    side: "request",
    client: [chunked("5\r\nhello\r\n0\r\n"), { elapse: 20 }, { fin: true }, { closed: true }],
    expect: { answers: "gone", client: "close", origin: 0 },
  },
  {
    id: "C7-response-no-final-crlf",
    row: "C7",
    title: "a response without the CRLF behind the last chunk is incomplete",
    side: "response",
    client: [post("Content-Length: 0\r\n", ""), { closed: true }],
    origin: [
      [
        { until: "request" },
        { send: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n" },
        { elapse: 10 },
        { close: true },
      ],
    ],
    expect: { answers: "broken", client: "close", origin: 1, reuse: false },
  },

  forwarded(
    "C8",
    "rewritten",
    "chunk headers upstream are canonical, whatever the client's looked like",
    chunked(`05;a=b\r\nhello\r\n0006;c\r\n world\r\n00\r\n\r\n`),
    { body: "hello world" },
  ),
  forwarded("C8", "many-small", "two hundred chunks of one byte", chunked(`1\r\nx\r\n`.repeat(200) + END), {
    body: "x".repeat(200),
  }),
  relayed(
    "C8",
    "rewritten",
    "chunk headers downstream are canonical",
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n05;a=b\r\nhello\r\n0006\r\n world\r\n${END}`,
    { status: 200, body: "hello world" },
    { clientLacks: ["a=b"] },
  ),
];
