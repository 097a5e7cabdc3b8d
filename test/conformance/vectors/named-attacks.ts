/** CVEs of HTTP/1 proxies and servers by name (catalogue 2.8): each must stay impossible here. */

import type { ClientStep, OriginScript } from "../../support/exchange.ts";
import { type Expectation, get, post, type Vector } from "../vector.ts";

const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: v.test\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const WS = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n`;

function cve(
  name: string,
  row: string,
  title: string,
  client: readonly ClientStep[],
  expect: Expectation,
  origin: readonly OriginScript[] = [],
  more: Partial<Vector> = {},
): Vector {
  return {
    id: `CVE-${name}`,
    row,
    title,
    side: origin.length > 0 ? "response" : "request",
    client,
    origin,
    expect,
    ...more,
  };
}

const reject = (status: number | readonly number[] = 400): Expectation => ({
  answers: [{ status }],
  client: "close",
  origin: 0,
  originLacks: ["/smuggled"],
});

export const namedAttacks: readonly Vector[] = [
  cve("2019-9900", "L11", "Envoy: NUL in a header value", [get("X: a\0b\r\n"), { closed: true }], reject()),
  cve(
    "2019-9901",
    "R5",
    "Envoy: a path that was not normalised",
    [get("", "/public/../admin"), { answers: 1 }],
    {
      answers: [200],
      origin: [{ line: "GET /admin HTTP/1.1" }],
    },
  ),
  cve(
    "2020-12605",
    "M",
    "Envoy: the URI counts to the header limit",
    [get("", `/${"a".repeat(70_000)}`), { closed: true }],
    reject([414, 431]),
  ),
  cve(
    "2021-29492",
    "R5",
    "Envoy: escaped slashes",
    [get("", "/public%2f..%2fadmin"), { answers: 1 }],
    {
      answers: [200],
      origin: [{ line: "GET /admin HTTP/1.1" }],
    },
    [],
    { profile: "unescape" },
  ),
  cve(
    "2021-32777",
    "L16",
    "Envoy: several values of one header",
    [get("X-Role: a\r\nX-Role: b\r\n"), { answers: 1 }],
    {
      answers: [200],
      origin: 1,
      client: "keep",
    },
  ),
  cve(
    "2021-32779",
    "R4",
    "Envoy, Istio: a fragment in the target",
    [get("", "/admin#/public"), { closed: true }],
    reject(),
  ),
  cve(
    "2021-31920",
    "R5",
    "Istio: slashes that multiply",
    [get("", "//admin"), { answers: 1 }],
    {
      answers: [200],
      origin: [{ line: "GET /admin HTTP/1.1" }],
    },
    [],
    { profile: "merge-slashes" },
  ),
  cve(
    "2023-35944",
    "R6",
    "Envoy: a scheme in mixed case",
    ["GET HttP://v.test/x HTTP/1.1\r\nHost: v.test\r\n\r\n", { answers: 1 }],
    {
      answers: [200],
      origin: [{ fields: { "x-forwarded-proto": "http" } }],
    },
  ),
  cve(
    "2024-23326",
    "E3",
    "Envoy: a 200 to an upgrade is no tunnel",
    [get(WS), { answers: 1 }, { elapse: 20 }],
    { answers: [{ status: 200 }], client: "any", origin: 1, reuse: false },
    ["HTTP/1.1 200 OK\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n"],
  ),
  cve(
    "2025-64763",
    "E3",
    "Envoy: bytes before the 101",
    [`${get(WS)}early`, { answers: 1 }, { elapse: 20 }],
    {
      answers: [{ status: 403 }],
      noEarlyBytes: true,
      originLacks: ["early"],
      reuse: false,
    },
    [[{ until: "head" }, { elapse: 20 }, { send: "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n" }]],
  ),
  cve(
    "2026-73511",
    "R5",
    "Envoy: a dot segment with parameters",
    [get("", "/public/..;x/admin"), { answers: 1 }],
    {
      answers: [[200, 400]],
      originLacks: ["/..;"],
    },
  ),
  cve(
    "2026-73548",
    "E4",
    "Envoy: early bytes behind CONNECT",
    [`CONNECT v.test:80 HTTP/1.1\r\nHost: v.test:80\r\n\r\n${SMUGGLED}`, { answers: 1 }, { closed: true }],
    {
      answers: [{ status: 503 }],
      client: "close",
      originLacks: ["/smuggled"],
    },
    [[{ until: "head" }, { send: "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n" }]],
    { profile: "connect", methods: ["CONNECT"] },
  ),
  cve(
    "2026-47221",
    "F14",
    "Envoy: a redirect while a body is coming",
    [post("Content-Length: 1000\r\n", "hello", "/redirect"), { answers: 1 }],
    {
      answers: [301],
      origin: 0,
    },
    [],
    { profile: "local" },
  ),
  cve(
    "2026-48743",
    "F13",
    "Envoy: a body that was declared but never came",
    [post("Content-Length: 5\r\n", ""), { elapse: 20 }, { fin: true }, { closed: true }],
    {
      answers: "gone",
      client: "close",
      origin: 0,
    },
  ),

  cve(
    "2021-40346",
    "M",
    "HAProxy: a name length that overflows eight bits",
    [
      post(`Content-Length0${"a".repeat(255)}:\r\nContent-Length: ${SMUGGLED.length}\r\n`, SMUGGLED),
      { answers: 1 },
    ],
    { answers: [[200, 400, 431]], originLacks: [], client: "any" },
  ),
  cve(
    "2023-25725",
    "L9",
    "HAProxy: an empty name cut the header list",
    [post(`:empty\r\nContent-Length: ${SMUGGLED.length}\r\n`, SMUGGLED), { closed: true }],
    reject(),
  ),
  cve(
    "2023-40225",
    "F1",
    "HAProxy: an empty Content-Length",
    [post("Content-Length:\r\n", SMUGGLED), { closed: true }],
    reject(),
  ),
  cve(
    "2023-45539",
    "R4",
    "HAProxy: `#` in the path",
    [get("", "/index.html#.png"), { closed: true }],
    reject(),
  ),
  cve(
    "2019-18277",
    "F6",
    "HAProxy: VT before chunked",
    [
      post("Content-Length: 6\r\nTransfer-Encoding:\x0bchunked\r\n", `0\r\n\r\n${SMUGGLED}`),
      { closed: true },
    ],
    reject([400, 501]),
  ),
  cve(
    "2021-39241",
    "L1",
    "HAProxy: spaces in the method",
    ["GET /admin? HTTP/1.1 /v HTTP/1.1\r\nHost: v.test\r\n\r\n", { closed: true }],
    reject(),
  ),
  cve(
    "2026-33555",
    "F12",
    "HAProxy: an upload that ends short must not desynchronise the pool",
    [post("Content-Length: 100\r\n", "hello"), { answers: 1 }, { fin: true }, { closed: true }],
    { answers: [200], client: "close", origin: 0, reuse: false },
    [[{ until: "head" }, { send: OK }]],
  ),

  cve(
    "2013-4547",
    "L1",
    "nginx: an unescaped space in the target",
    [get("", "/a \0.php"), { closed: true }],
    reject(),
  ),
  cve(
    "2019-20372",
    "F14",
    "nginx: an error page while a body is unread",
    [
      `GET /none HTTP/1.1\r\nHost: v.test\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
      { answers: 1 },
    ],
    { answers: [404], origin: 0, originLacks: ["/smuggled"] },
    [],
    { profile: "local" },
  ),

  cve(
    "2022-32213",
    "F6",
    "Node: a transfer coding that is not chunked",
    [post("Transfer-Encoding: chunkedchunked\r\nContent-Length: 4\r\n", "a\r\n0\r\n\r\n"), { closed: true }],
    reject([400, 501]),
  ),
  cve(
    "2022-32214",
    "L7",
    "Node: LF as a line end",
    [
      `GET / HTTP/1.1\r\nHost: v.test\r\nDummy: x\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
      { closed: true },
    ],
    reject(),
  ),
  cve(
    "2022-32215",
    "F6",
    "Node: Transfer-Encoding on two lines",
    [post("Transfer-Encoding: chunked\r\n , identity\r\n", `0\r\n\r\n`), { closed: true }],
    reject([400, 501]),
  ),
  cve(
    "2022-35256",
    "L14",
    "Node: a field line without CR behind a fold",
    [post("Transfer-Encoding: chunked\r\nX:\n\tY\r\n", "0\r\n\r\n"), { closed: true }],
    reject(),
  ),
  cve(
    "2023-30589",
    "L8",
    "Node: CR as a line end",
    [
      `GET / HTTP/1.1\r\nHost: v.test\r\nX:\rContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
      { closed: true },
    ],
    reject(),
  ),
  cve(
    "2025-23167",
    "L8",
    "llhttp: CRLF CR x ends no head",
    [`POST / HTTP/1.1\r\nHost: v.test\r\nTransfer-Encoding: chunked\r\n\r\rX0\r\n\r\n`, { closed: true }],
    reject(),
  ),
  cve(
    "2021-22959",
    "L10",
    "Node: a space before the colon",
    [post("Content-Length : 5\r\n", "hello"), { closed: true }],
    reject(),
  ),
  cve(
    "2021-22960",
    "C5",
    "Node: anything in a chunk extension",
    [post("Transfer-Encoding: chunked\r\n", `5;\x00\r\nhello\r\n0\r\n\r\n`), { closed: true }],
    reject(),
  ),
  cve(
    "2024-22019",
    "C5",
    "Node: chunk extensions without end",
    [post("Transfer-Encoding: chunked\r\n", `1;${"a".repeat(9000)}\r\nx\r\n0\r\n\r\n`), { closed: true }],
    reject([400, 413]),
  ),
  cve(
    "2024-27982",
    "L14",
    "Node: a space before Content-Length",
    [post(` Content-Length: ${SMUGGLED.length}\r\n`, SMUGGLED), { closed: true }],
    reject(),
  ),
  cve(
    "2018-12116",
    "R4",
    "Node: bytes above 7F in the path",
    [get("", "/\xc4\x8d\xc4\x8aHost:%20x"), { closed: true }],
    reject(),
  ),

  cve(
    "2025-22871",
    "C3",
    "Go: LF behind a chunk size",
    [post("Transfer-Encoding: chunked\r\n", `5;\nhello\r\n0\r\n\r\n`), { closed: true }],
    reject(),
  ),
  cve(
    "2023-39326",
    "C5",
    "Go: chunk overhead without end",
    [
      post("Transfer-Encoding: chunked\r\n", `${`1;${"a".repeat(250)}\r\nx\r\n`.repeat(100)}0\r\n\r\n`),
      { closed: true },
    ],
    reject([400, 413]),
  ),
  cve(
    "2024-24791",
    "E2",
    "Go: Expect answered with a final status",
    [post("Expect: 100-continue\r\nContent-Length: 5\r\n", ""), { answers: 1 }, { closed: true }],
    {
      answers: [{ status: 200 }],
      client: "close",
      reuse: false,
    },
    [[{ until: "head" }, { send: OK }]],
  ),
  cve(
    "2021-33197",
    "H2",
    "Go: Connection names X-Forwarded-For",
    [get("Connection: X-Forwarded-For\r\nX-Forwarded-For: 1.2.3.4\r\n"), { closed: true }],
    reject(),
  ),

  cve(
    "2026-42580",
    "C2",
    "Netty: a chunk size that wraps",
    [post("Transfer-Encoding: chunked\r\n", `100000004\r\nhell\r\n0\r\n\r\n${SMUGGLED}`), { closed: true }],
    reject([400, 413]),
  ),
  cve(
    "2026-33870",
    "C5",
    "Netty: a quoted extension with CRLF",
    [
      post("Transfer-Encoding: chunked\r\n", `1;a="\r\nX\r\n0\r\n\r\n${SMUGGLED}"\r\nY\r\n0\r\n\r\n`),
      { closed: true },
    ],
    reject(),
  ),
  cve(
    "2025-58056",
    "C3",
    "Netty: LF as a chunk line end",
    [post("Transfer-Encoding: chunked\r\n", `2\nxx\r\n0\r\n\r\n`), { closed: true }],
    reject(),
  ),
  cve(
    "2026-89044",
    "F6",
    "Netty: a malformed Transfer-Encoding",
    [post("Transfer-Encoding: , chunked\r\n", "0\r\n\r\n"), { closed: true }],
    reject([400, 501]),
  ),

  cve(
    "2025-4366",
    "F14",
    "Pingora: the body of an answered request parsed as a request",
    [
      `GET /direct HTTP/1.1\r\nHost: v.test\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
      { answers: 1 },
    ],
    { answers: [403], origin: 0, originLacks: ["/smuggled"] },
    [],
    { profile: "local" },
  ),
  cve(
    "2026-2833",
    "E3",
    "Pingora: bytes behind an upgrade request",
    [get(WS) + SMUGGLED, { answers: 1 }, { elapse: 20 }],
    {
      answers: [{ status: 200 }],
      originLacks: ["/smuggled"],
      noEarlyBytes: true,
      reuse: false,
    },
    [[{ until: "head" }, { elapse: 20 }, { send: OK }]],
  ),
  cve(
    "2026-2835",
    "F7",
    "Pingora: HTTP/1.0 with Transfer-Encoding",
    [
      `POST /v HTTP/1.0\r\nHost: v.test\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      { closed: true },
    ],
    reject([400, 501]),
  ),
  cve(
    "2026-58055",
    "E3",
    "nghttpx: Upgrade with a body on a connection that is used again",
    [`${get(`${WS}Content-Length: ${SMUGGLED.length}\r\n`)}${SMUGGLED}`, { answers: 1 }],
    {
      answers: [[400, 200]],
      reuse: undefined,
    },
  ),
  cve(
    "2025-32094",
    "L14",
    "Akamai: Expect and a folded line",
    [
      `OPTIONS /v HTTP/1.1\r\nHost: v.test\r\nExpect:\r\n 100-continue\r\nContent-Length: 5\r\n\r\nhello`,
      { closed: true },
    ],
    reject([400, 417]),
  ),
  cve(
    "hyper-plus-length",
    "F1",
    "hyper: `+` before a Content-Length",
    [post("Content-Length: +5\r\n", "hello"), { closed: true }],
    reject(),
  ),
  cve(
    "puma-2023-40175",
    "C6",
    "puma: a Content-Length in trailers",
    [
      post("Transfer-Encoding: chunked\r\n", `5\r\nhello\r\n0\r\nContent-Length: 100\r\n\r\n`),
      { answers: 1 },
    ],
    { answers: [[200, 400]], originLacks: ["ength: 100"] },
  ),
];
