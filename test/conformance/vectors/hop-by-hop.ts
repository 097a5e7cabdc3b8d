/** Rows H1–H9: fields that belong to one hop, identity and tracing. RFC 9110 7.6. */
import { badResponse, forwarded, get, refused, relayed, type Vector } from "../vector.ts";

const ok = (fields: string) => `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${fields}\r\nok`;

export const hopByHop: readonly Vector[] = [
  forwarded(
    "H1",
    "nominated",
    "a field that Connection names is not forwarded",
    get("Connection: x-private, X-Other\r\nX-Private: 1\r\nX-Other: 2\r\nX-Stays: 3\r\n"),
    { fields: { "x-private": null, "x-other": null, "x-stays": "3" } },
  ),
  forwarded(
    "H1",
    "nominated-on-two-lines",
    "all Connection lines count",
    get("Connection: X-A\r\nX-A: 1\r\nX-B: 2\r\nConnection: X-B\r\n"),
    { fields: { "x-a": null, "x-b": null } },
  ),
  forwarded(
    "H1",
    "always-removed",
    "Proxy-Connection and Keep-Alive are removed even if nobody names them",
    get("Proxy-Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n"),
    { fields: { "proxy-connection": null, "keep-alive": null } },
  ),
  forwarded(
    "H1",
    "keep-alive-token",
    "Connection: keep-alive is not forwarded",
    get("Connection: keep-alive\r\n"),
    {
      fields: { connection: null },
    },
  ),
  relayed(
    "H1",
    "nominated",
    "a response field that Connection names is not forwarded",
    ok("Connection: X-Private\r\nX-Private: 1\r\nX-Stays: 2\r\n"),
    { status: 200, fields: { "x-private": null, "x-stays": "2" } },
  ),
  relayed(
    "H1",
    "keep-alive",
    "a response's Keep-Alive and Proxy-Connection are removed",
    ok("Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n"),
    { status: 200, fields: { "keep-alive": null, "proxy-connection": null } },
  ),
  relayed(
    "H1",
    "upgrade-advertised",
    "a response's Upgrade advertisement is removed",
    ok("Connection: Upgrade\r\nUpgrade: h2c\r\n"),
    { status: 200, fields: { upgrade: null } },
  ),

  ...refused("H2", "Connection may not name a protected field", 400, {
    host: get("Connection: Host\r\n"),
    "content-length": `POST /v HTTP/1.1\r\nHost: v.test\r\nConnection: Content-Length\r\nContent-Length: 5\r\n\r\nhello`,
    "transfer-encoding":
      "POST /v HTTP/1.1\r\nHost: v.test\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    cookie: get("Connection: Cookie\r\nCookie: a=b\r\n"),
    authorization: get("Connection: close, Authorization\r\nAuthorization: x\r\n"),
    "x-forwarded-for": get("Connection: X-Forwarded-For\r\n"),
    "x-forwarded-proto": get("Connection: x-forwarded-proto\r\n"),
    "x-forwarded-host": get("Connection: x-forwarded-host\r\n"),
    "x-request-id": get("Connection: x-request-id\r\n"),
    "pseudo-header": get("Connection: :authority\r\n"),
  }),
  ...badResponse("H2", "a response's Connection may not name a protected field", {
    "content-length": ok("Connection: Content-Length\r\n"),
    "forwarded-for": ok("Connection: X-Forwarded-For, close\r\n"),
    "too-many": ok(`Connection: ${Array.from({ length: 11 }, (_, i) => `x-${i}`).join(", ")}\r\n`),
    interim: `HTTP/1.1 103 Early Hints\r\nConnection: Transfer-Encoding\r\n\r\n${ok("")}`,
  }),
  ...refused("H2", "Connection may name only so many fields", 400, {
    "eleven-names": get(`Connection: ${Array.from({ length: 11 }, (_, i) => `x-${i}`).join(", ")}\r\n`),
  }),

  forwarded(
    "H3",
    "trailers",
    "TE: trailers goes on, announced by our own Connection",
    get("Connection: TE\r\nTE: trailers\r\n"),
    {
      fields: { te: "trailers" },
    },
  ),
  forwarded(
    "H3",
    "trailers-among-others",
    "of TE only `trailers` goes on",
    get("Connection: TE\r\nTE: gzip, trailers;q=0.5\r\n"),
    {
      fields: { te: "trailers" },
    },
    { expect: { answers: [200], client: "keep", originLacks: ["gzip"] } },
  ),
  forwarded("H3", "gzip", "TE without `trailers` is dropped", get("Connection: TE\r\nTE: gzip\r\n"), {
    fields: { te: null },
  }),

  forwarded(
    "H4",
    "proxy-authorization",
    "a sidecar is not the addressed proxy: Proxy-Authorization passes",
    get("Proxy-Authorization: Basic eDp5\r\n"),
    { fields: { "proxy-authorization": "Basic eDp5" } },
  ),
  relayed(
    "H4",
    "proxy-authenticate",
    "Proxy-Authenticate passes",
    "HTTP/1.1 407 Auth\r\nContent-Length: 0\r\nProxy-Authenticate: Basic\r\n\r\n",
    { status: 407, fields: { "proxy-authenticate": "Basic" } },
  ),

  forwarded(
    "H5",
    "h2c",
    "Upgrade: h2c is stripped and the request goes on as HTTP/1.1",
    get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
    { fields: { upgrade: null, "http2-settings": null, connection: null } },
  ),
  forwarded(
    "H5",
    "h2c-unnominated",
    "HTTP2-Settings is stripped even if Connection does not name it",
    get("Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
    { fields: { upgrade: null, "http2-settings": null } },
  ),

  forwarded(
    "H7",
    "xff-appended",
    "an edge listener appends its peer to X-Forwarded-For",
    get("X-Forwarded-For: 1.2.3.4\r\n"),
    { fields: { "x-forwarded-for": true, "x-forwarded-proto": "http" } },
    { profile: "edge" },
  ),
  forwarded(
    "H7",
    "edge-strips-control",
    "an edge listener strips control headers from outside",
    get(
      "X-Forwarded-For: 1.2.3.4\r\nx-envoy-upstream-rq-timeout-ms: 1\r\nx-envoy-retry-on: 5xx\r\nx-envoy-internal: true\r\n",
    ),
    {
      fields: {
        "x-envoy-upstream-rq-timeout-ms": null,
        "x-envoy-retry-on": null,
        "x-envoy-internal": null,
      },
    },
    { profile: "edge" },
  ),

  forwarded("H8", "request-id", "a request without an id gets one", get(), {
    fields: { "x-request-id": true },
  }),
  forwarded(
    "H8",
    "traceparent",
    "tracing context passes unchanged",
    get("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nb3: 1-2-3\r\n"),
    { fields: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", b3: "1-2-3" } },
  ),
  {
    id: "H8-request-id-from-outside",
    row: "H8",
    title: "an edge listener replaces a request id from outside",
    side: "request",
    profile: "edge",
    client: [get("X-Forwarded-For: 1.2.3.4\r\nx-request-id: attacker\r\n"), { answers: 1 }],
    expect: { answers: [200], client: "keep", origin: 1, originLacks: ["attacker"] },
  },

  relayed("H9", "date-added", "a response without Date gets one", ok(""), {
    status: 200,
    fields: { date: true },
  }),
  relayed("H9", "date-kept", "a response's own Date is kept", ok("Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n"), {
    status: 200,
    fields: { date: "Tue, 15 Nov 1994 08:12:31 GMT" },
  }),
  {
    id: "H9-trace",
    row: "H9",
    title: "TRACE is refused and echoes nothing",
    side: "request",
    client: ["TRACE /v HTTP/1.1\r\nHost: v.test\r\nCookie: secret\r\n\r\n", { answers: 1 }],
    expect: { answers: [[405, 501, 403]], origin: 0, clientLacks: ["secret"] },
  },
  {
    id: "H9-max-forwards-zero",
    row: "H9",
    title: "OPTIONS with Max-Forwards: 0 is answered here",
    side: "request",
    client: ["OPTIONS /v HTTP/1.1\r\nHost: v.test\r\nMax-Forwards: 0\r\n\r\n", { answers: 1 }],
    expect: { answers: [[200, 204]], origin: 0, client: "keep" },
  },
  forwarded(
    "H9",
    "max-forwards",
    "Max-Forwards of OPTIONS counts down",
    "OPTIONS /v HTTP/1.1\r\nHost: v.test\r\nMax-Forwards: 5\r\n\r\n",
    { fields: { "max-forwards": "4" } },
  ),
  forwarded("H9", "max-forwards-get", "Max-Forwards of GET means nothing", get("Max-Forwards: 0\r\n"), {
    fields: { "max-forwards": "0" },
  }),

  ...refused("H9", "Max-Forwards of OPTIONS is a number", 400, {
    word: "OPTIONS /v HTTP/1.1\r\nHost: v.test\r\nMax-Forwards: x\r\n\r\n",
    negative: "OPTIONS * HTTP/1.1\r\nHost: v.test\r\nMax-Forwards: -1\r\n\r\n",
    huge: "OPTIONS /v HTTP/1.1\r\nHost: v.test\r\nMax-Forwards: 99999999999999999999\r\n\r\n",
    two: "OPTIONS /v HTTP/1.1\r\nHost: v.test\r\nMax-Forwards: 1\r\nMax-Forwards: 2\r\n\r\n",
  }),
];
