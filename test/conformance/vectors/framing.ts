/** Rows F1–F14: which bytes belong to a message. RFC 9112 6, RFC 9110 8.6. */
import {
  badResponse,
  brokenResponse,
  chunked,
  forwarded,
  get,
  post,
  refused,
  relayed,
  type Vector,
} from "../vector.ts";

const cl = (value: string, body = "hello") => post(`Content-Length: ${value}\r\n`, body);
const te = (value: string, fields = "") =>
  post(`Transfer-Encoding: ${value}\r\n${fields}`, "5\r\nhello\r\n0\r\n\r\n");
const rcl = (value: string, body = "ok") => `HTTP/1.1 200 OK\r\nContent-Length: ${value}\r\n\r\n${body}`;
const rte = (value: string, fields = "") =>
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: ${value}\r\n${fields}\r\n2\r\nok\r\n0\r\n\r\n`;
const head = (target = "/v") => `HEAD ${target} HTTP/1.1\r\nHost: v.test\r\n\r\n`;
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: v.test\r\n\r\n";

const BAD_LENGTHS: { readonly [word: string]: string } = {
  plus: "+5",
  "minus-zero": "-0",
  minus: "-5",
  hex: "0x5",
  "hex-letters": "A",
  underscore: "5_0",
  fraction: "5.0",
  exponent: "5e0",
  "two-numbers": "5 0",
  empty: "",
  "comma-behind": "5,",
  "comma-before": ",5",
  semicolon: "5;",
  quoted: '"5"',
  "arabic-digit": "\xd9\xa5",
  nbsp: "\xa05",
  words: "five",
  nul: "5\0",
  "vertical-tab": "\x0b5",
};

const HUGE_LENGTHS: { readonly [word: string]: string } = {
  "two-to-53": "9007199254740992",
  "two-to-63": "9223372036854775808",
  "two-to-64-plus-5": "18446744073709551621",
  "two-to-32-plus-5-padded": "000000000000000000000000000018446744073709551621",
  googol: `1${"0".repeat(100)}`,
};

function each(table: { readonly [word: string]: string }, build: (value: string) => string) {
  return Object.fromEntries(Object.entries(table).map(([word, value]) => [word, build(value)]));
}

export const framing: readonly Vector[] = [
  ...refused("F1", "Content-Length is 1*DIGIT", 400, each(BAD_LENGTHS, cl)),
  ...badResponse("F1", "Content-Length is 1*DIGIT", each(BAD_LENGTHS, rcl)),
  forwarded("F1", "plain", "a plain Content-Length", cl("5"), {
    body: "hello",
    fields: { "content-length": "5" },
  }),
  forwarded("F1", "zero", "an empty body by Content-Length", cl("0", ""), { body: "" }),
  forwarded("F1", "ows", "SP and HTAB around the number", cl(" \t5 \t"), {
    body: "hello",
    fields: { "content-length": "5" },
  }),

  {
    id: "F2-leading-zeros",
    row: "F2",
    title: "leading zeros: canonical upstream, or refused; never octal",
    side: "request",
    client: [cl("0005"), { answers: 1 }],
    expect: { answers: [[200, 400]], client: "any", originLacks: ["0005"] },
  },
  {
    id: "F2-octal",
    row: "F2",
    title: "010 is ten or refused, never eight",
    side: "request",
    client: [cl("010", "helloworld"), { answers: 1 }],
    expect: { answers: [[200, 400]], client: "any", originLacks: ["length: 010", "Length: 010"] },
  },

  ...refused("F3", "Content-Length beyond 2^53-1", [400, 413], each(HUGE_LENGTHS, cl)),
  ...badResponse("F3", "Content-Length beyond 2^53-1", each(HUGE_LENGTHS, rcl)),

  ...refused("F4", "several Content-Length", 400, {
    different: post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"),
    equal: post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
    "list-different": cl("5, 6"),
    "list-equal": cl("5, 5"),
    "zero-and-five": post("Content-Length: 0\r\nContent-Length: 5\r\n", "hello"),
    apart: post("Content-Length: 5\r\nX: y\r\ncontent-length: 6\r\n", "hello!"),
  }),
  ...badResponse("F4", "several different Content-Length", {
    different: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    "list-different": rcl("2, 3"),
  }),
  ...badResponse(
    "F4",
    "several equal Content-Length: refused, or collapsed to one",
    {
      equal: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    },
    [502, 200],
  ).map((vector) => ({ ...vector, expect: { ...vector.expect, reuse: undefined } })),

  ...refused("F5", "Content-Length with Transfer-Encoding", 400, {
    "cl-first": post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
    "te-first": post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "5\r\nhello\r\n0\r\n\r\n"),
    "cl-te-smuggle": post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${SMUGGLED}`),
    "te-cl-smuggle": post(
      "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
      `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
    ),
    "cl-zero": post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
  }),
  ...badResponse("F5", "Content-Length with Transfer-Encoding", {
    "cl-first": rte("chunked").replace("Transfer", "Content-Length: 2\r\nTransfer"),
    "te-first": rte("chunked", "Content-Length: 2\r\n"),
  }),

  ...refused("F6", "the final transfer coding is exactly one `chunked`", 400, {
    "chunked-then-gzip": te("chunked, gzip"),
    "chunked-twice": te("chunked, chunked"),
    "leading-comma": te(",chunked"),
    "trailing-comma": te("chunked,"),
    quoted: te('"chunked"'),
    parameter: te("chunked;p=1"),
    empty: te(""),
    "vertical-tab-before": te("\x0bchunked"),
    "vertical-tab-behind": te("chunked\x0b"),
    "form-feed": te("chunked\x0c"),
    nul: te("chunked\0"),
    "nbsp-before": te("\xa0chunked"),
    "two-lines": te("chunked", "Transfer-Encoding: chunked\r\n"),
    "two-lines-identity": te("identity", "Transfer-Encoding: chunked\r\n"),
    "two-lines-identity-last": te("chunked", "Transfer-Encoding: identity\r\n"),
    "two-lines-case": te("chunked", "transfer-encoding: x\r\n"),
    "space-separated": te("chunked chunked"),
    "semicolon-alone": te("chunked;"),
  }).map((vector) => ({
    ...vector,
    expect: { ...vector.expect, answers: [{ status: [400, 501] }] },
  })),
  ...refused("F6", "a transfer coding that we do not know", [501, 400], {
    gzip: te("gzip"),
    "gzip-chunked": te("gzip, chunked"),
    xchunked: te("xchunked"),
    chunke: te("chunke"),
    identity: te("identity"),
    "kelvin-sign": te("chun\xe2\x84\xaaed"),
  }),
  forwarded("F6", "case", "`ChUnKeD` is chunked", te("ChUnKeD"), { body: "hello" }),
  forwarded("F6", "ows", "SP and HTAB around `chunked`", te(" \tchunked \t"), { body: "hello" }),

  ...refused("F7", "Transfer-Encoding in an HTTP/1.0 request", 400, {
    chunked: "POST /v HTTP/1.0\r\nHost: v.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunked-keep-alive":
      "POST /v HTTP/1.0\r\nHost: v.test\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  }),
  ...badResponse("F7", "Transfer-Encoding in an HTTP/1.0 response", {
    chunked: rte("chunked").replace("HTTP/1.1", "HTTP/1.0"),
  }),

  {
    id: "F8-post-without-framing",
    row: "F8",
    title:
      "a request without Content-Length and Transfer-Encoding has no body: what follows is the next request",
    side: "request",
    client: [`${post("", "")}bad line\r\n\r\n`, { closed: true }],
    expect: { answers: [200, 400], client: "close", origin: [{ body: "" }] },
  },
  {
    id: "F8-http10-post-without-framing",
    row: "F8",
    title: "an HTTP/1.0 request is never delimited by close",
    side: "request",
    client: ["POST /v HTTP/1.0\r\nHost: v.test\r\n\r\nhello", { answers: 1 }, { closed: true }],
    expect: { answers: [200], client: "close", origin: [{ body: "" }], originLacks: ["hello"] },
  },

  forwarded(
    "F9",
    "get-with-length",
    "a body's framing does not depend on the method: GET",
    `${get("Content-Length: 5\r\n")}hello`,
    {
      line: "GET /v HTTP/1.1",
      body: "hello",
    },
  ),
  forwarded(
    "F9",
    "get-chunked",
    "GET with a chunked body",
    `${get("Transfer-Encoding: chunked\r\n")}5\r\nhello\r\n0\r\n\r\n`,
    { body: "hello" },
  ),
  forwarded(
    "F9",
    "delete-with-length",
    "DELETE with a body",
    "DELETE /v HTTP/1.1\r\nHost: v.test\r\nContent-Length: 5\r\n\r\nhello",
    { body: "hello" },
  ),
  forwarded(
    "F9",
    "options-with-length",
    "OPTIONS with a body",
    "OPTIONS /v HTTP/1.1\r\nHost: v.test\r\nContent-Length: 5\r\n\r\nhello",
    { body: "hello" },
  ),
  {
    id: "F9-head-with-length",
    row: "F9",
    title: "HEAD with a body: the body goes upstream, the answer has none",
    side: "request",
    methods: ["HEAD"],
    client: ["HEAD /v HTTP/1.1\r\nHost: v.test\r\nContent-Length: 5\r\n\r\nhello", { answers: 1 }],
    origin: ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"],
    expect: { answers: [200], client: "keep", origin: [{ body: "hello" }] },
  },
  {
    id: "F9-get-body-is-a-request",
    row: "F9",
    title: "a GET's body that looks like a request stays a body",
    side: "request",
    client: [`${get(`Content-Length: ${SMUGGLED.length}\r\n`)}${SMUGGLED}`, { answers: 1 }],
    expect: { answers: [200], client: "keep", origin: [{ body: SMUGGLED }] },
  },

  ...badResponse("F10", "a response whose final transfer coding is not chunked", {
    gzip: rte("gzip"),
    "chunked-gzip": rte("chunked, gzip"),
    identity: rte("identity"),
    "chunked-twice": rte("chunked, chunked"),
    empty: rte(""),
    "two-lines": rte("chunked", "Transfer-Encoding: chunked\r\n"),
    "vertical-tab": rte("\x0bchunked"),
    "gzip-chunked": rte("gzip, chunked"),
  }),

  relayed(
    "F11",
    "head-length",
    "an answer to HEAD ends at the empty line, whatever Content-Length says",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    { status: 200, body: "", fields: { "content-length": "5" } },
    {},
    head(),
  ),
  relayed(
    "F11",
    "head-chunked",
    "an answer to HEAD ends at the empty line, whatever Transfer-Encoding says",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    { status: 200, body: "" },
    {},
    head(),
  ),
  relayed("F11", "204", "204 has no body", "HTTP/1.1 204 No Content\r\n\r\n", { status: 204, body: "" }),
  relayed(
    "F11",
    "204-length-zero",
    "204 loses its Content-Length",
    "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    { status: 204, body: "", fields: { "content-length": null } },
  ),
  relayed(
    "F11",
    "204-length",
    "204 that announces a body has none, and its connection is not trusted again",
    "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
    { status: [204, 502] },
    { reuse: false },
  ),
  relayed(
    "F11",
    "204-chunked",
    "204 loses its Transfer-Encoding",
    "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    { status: [204, 502] },
    { reuse: undefined },
  ),
  relayed(
    "F11",
    "304-length",
    "304 ends at the empty line; its Content-Length is about another message",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n",
    { status: 304, body: "" },
  ),
  {
    id: "F11-response-304-with-body",
    row: "F11",
    title: "a 304 that sends its body all the same poisons nobody",
    side: "response",
    client: [get(), { answers: 1 }],
    origin: ["HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello"],
    expect: { answers: [304], origin: 1, reuse: false, clientLacks: ["hello"] },
  },
  {
    id: "F11-response-head-with-body",
    row: "F11",
    title: "a HEAD answer that sends its body all the same poisons nobody",
    side: "response",
    methods: ["HEAD"],
    client: [head(), { answers: 1 }],
    origin: ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
    expect: { answers: [200], origin: 1, reuse: false, clientLacks: ["hello"] },
  },
  {
    id: "F11-response-1xx-length",
    row: "F11",
    title: "a 1xx ends at the empty line, whatever its Content-Length says",
    side: "response",
    client: [get(), { answers: 1 }],
    origin: [
      "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
    expect: { answers: [{ status: [200, 502] }], origin: 1 },
  },

  {
    id: "F12-response-second-response",
    row: "F12",
    title: "bytes behind a complete response are nobody's response",
    side: "response",
    client: [get(), { answers: 1 }],
    origin: [
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    ],
    expect: {
      answers: [{ status: 200, body: "ok" }],
      client: "keep",
      origin: 1,
      reuse: false,
      clientLacks: ["poison"],
    },
  },
  {
    id: "F12-response-byte-too-many",
    row: "F12",
    title: "one byte behind a complete response",
    side: "response",
    client: [get(), { answers: 1 }],
    origin: ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!"],
    expect: { answers: [{ status: 200, body: "ok" }], client: "keep", origin: 1, reuse: false },
  },
  {
    id: "F12-response-idle-poison",
    row: "F12",
    title: "a response that comes on an idle pooled connection",
    side: "response",
    client: [get(), { answers: 1 }, { elapse: 40 }],
    origin: [
      [
        { until: "request" },
        { send: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" },
        { elapse: 20 },
        { send: "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison" },
      ],
    ],
    expect: {
      answers: [{ status: 200, body: "ok" }],
      client: "keep",
      origin: 1,
      reuse: false,
      clientLacks: ["poison"],
    },
  },
  {
    id: "F12-response-idle-408",
    row: "F12",
    title: "a 408 that comes on an idle pooled connection",
    side: "response",
    client: [get(), { answers: 1 }, { elapse: 40 }],
    origin: [
      [
        { until: "request" },
        { send: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" },
        { elapse: 20 },
        { send: "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" },
        { close: true },
      ],
    ],
    expect: { answers: [{ status: 200, body: "ok" }], client: "keep", origin: 1, reuse: false },
  },
  ...Object.entries({
    "another-protocol": "220 mail.test ESMTP ready\r\n",
    "whole-answer": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly",
    "half-an-answer": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "bodyless-answer": "HTTP/1.1 204 No Content\r\n\r\n",
  }).map(
    // HTTP/1 cannot tell such bytes from an answer: they may spoil the answer to their own request, and nobody else's.
    ([word, greeting]): Vector => ({
      id: `F12-response-unasked-${word}`,
      row: "F12",
      title: "an upstream that speaks before it is asked",
      side: "response",
      client: [get(), { answers: 1 }, { elapse: 40 }],
      greeting,
      origin: ["HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"],
      expect: { answers: [{ status: [200, 204, 502] }], client: "keep", reuse: false },
    }),
  ),
  {
    id: "F12-response-chunked-and-more",
    row: "F12",
    title: "bytes behind the last chunk",
    side: "response",
    client: [get(), { answers: 1 }],
    origin: ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\npoison"],
    expect: {
      answers: [{ status: 200, body: "ok" }],
      client: "keep",
      origin: 1,
      reuse: false,
      clientLacks: ["poison"],
    },
  },

  {
    id: "F13-response-short-length",
    row: "F13",
    title: "a response cut short of its Content-Length never looks complete",
    side: "response",
    client: [get(), { closed: true }],
    origin: [
      [
        { until: "request" },
        { send: "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello" },
        { elapse: 10 },
        { close: true },
      ],
    ],
    expect: { answers: [{ status: 200, complete: false }], client: "close", origin: 1, reuse: false },
  },
  {
    id: "F13-response-no-last-chunk",
    row: "F13",
    title: "a response cut before its last chunk never gets one from us",
    side: "response",
    client: [get(), { closed: true }],
    origin: [
      [
        { until: "request" },
        { send: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" },
        { elapse: 10 },
        { close: true },
      ],
    ],
    expect: { answers: [{ status: 200, complete: false }], client: "close", origin: 1, reuse: false },
  },
  {
    id: "F13-response-cut-in-chunk",
    row: "F13",
    title: "a response cut inside a chunk",
    side: "response",
    client: [get(), { closed: true }],
    origin: [
      [
        { until: "request" },
        { send: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello" },
        { elapse: 10 },
        { reset: true },
      ],
    ],
    expect: { answers: "broken", client: "close", origin: 1, reuse: false },
  },
  {
    id: "F13-response-until-close",
    row: "F13",
    title: "a response without framing ends with the connection",
    side: "response",
    client: [get(), { answers: 1 }],
    origin: [[{ until: "request" }, { send: "HTTP/1.1 200 OK\r\n\r\nhello" }, { close: true }]],
    expect: { answers: [{ status: 200, body: "hello" }], origin: 1, reuse: false },
  },
  {
    id: "F13-response-until-close-then-reset",
    row: "F13",
    title: "a response without framing that is reset never looks complete",
    side: "response",
    client: [get(), { closed: true }],
    origin: [
      [{ until: "request" }, { send: "HTTP/1.1 200 OK\r\n\r\nhello" }, { elapse: 10 }, { reset: true }],
    ],
    expect: { answers: "broken", client: "close", origin: 1, reuse: false },
  },
  {
    id: "F13-response-cut-head",
    row: "F13",
    title: "a response cut inside its head",
    side: "response",
    client: [get(), { answers: 1 }],
    origin: [[{ until: "request" }, { send: "HTTP/1.1 200 OK\r\nContent-Le" }, { close: true }]],
    expect: { answers: [{ status: [502, 503] }], origin: 1, reuse: false, client: "keep" },
  },
  {
    id: "F13-upload-short-length",
    row: "F13",
    title: "an upload cut short of its Content-Length is never complete upstream",
    side: "request",
    client: [cl("10"), { elapse: 20 }, { fin: true }, { closed: true }],
    expect: { answers: "gone", client: "close", origin: 0 },
  },
  {
    id: "F13-upload-no-last-chunk",
    row: "F13",
    title: "an upload cut before its last chunk is never complete upstream",
    side: "request",
    client: [
      post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"),
      { elapse: 20 },
      { fin: true },
      { closed: true },
    ],
    expect: { answers: "gone", client: "close", origin: 0 },
  },
  {
    id: "F13-upload-reset",
    row: "F13",
    title: "an upload that is reset is never complete upstream",
    side: "request",
    client: [chunked("5\r\nhello\r\n"), { elapse: 20 }, { reset: true }, { elapse: 20 }],
    expect: { answers: [], origin: 0 },
  },

  {
    id: "F14-direct-response-unread-body",
    row: "F14",
    title: "our own answer while the body is unread: the body is never parsed as a request",
    side: "request",
    profile: "local",
    client: [post(`Content-Length: ${SMUGGLED.length}\r\n`, SMUGGLED, "/direct"), { answers: 1 }],
    expect: { answers: [403], client: "any", origin: 0 },
  },
  {
    id: "F14-direct-response-unread-chunks",
    row: "F14",
    title: "our own answer while chunks are unread",
    side: "request",
    profile: "local",
    client: [
      post(
        "Transfer-Encoding: chunked\r\n",
        `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
        "/direct",
      ),
      { answers: 1 },
    ],
    expect: { answers: [403], client: "any", origin: 0 },
  },
  {
    id: "F14-redirect-unread-body",
    row: "F14",
    title: "a redirect while the body is unread",
    side: "request",
    profile: "local",
    client: [post("Content-Length: 5\r\n", "hello", "/redirect"), { answers: 1 }],
    expect: { answers: [301], client: "any", origin: 0 },
  },
  {
    id: "F14-direct-response-body-never-comes",
    row: "F14",
    title: "our own answer does not wait for a body that is still to come",
    side: "request",
    profile: "local",
    client: [post("Content-Length: 500\r\n", "hello", "/direct"), { answers: 1 }],
    expect: { answers: [403], client: "any", origin: 0 },
  },
  ...brokenResponse("F13", "a chunk size that promises more than comes", {
    "chunk-too-long": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n",
  }),
];
