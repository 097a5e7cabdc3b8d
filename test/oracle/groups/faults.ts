/** What goes wrong on either side: status, body, flag, details. */
import type { YamlMap } from "../../support/bootstrap.ts";
import type { ClientStep, OriginScript } from "../../support/exchange.ts";
import { ask, type Group, oracleListener, originCluster, request } from "../scenario.ts";

const to = (prefix: string, action: YamlMap = {}): YamlMap => ({
  match: { prefix },
  route: { cluster: "origin", ...action },
});
const hang: OriginScript = [{ until: "head" }, { elapse: 2500 }];
const send = (...bytes: string[]): OriginScript => [
  { until: "request" },
  ...bytes.flatMap((send) => [{ send }, { elapse: 20 }]),
];
const then = (script: OriginScript, end: "close" | "reset" | "fin"): OriginScript => [
  ...(script as readonly never[]),
  { [end]: true } as never,
];

const f = (id: string, origin: readonly OriginScript[], line = "GET /", client?: readonly ClientStep[]) =>
  ask(id, "faults", request(line), origin, client ? { client } : {});
const bad = (id: string, bytes: string, listener = "faults") =>
  ask(id, listener, bytes, [], { client: [bytes, { closed: true }] });

const H = "Host: o.test\r\n";

export const faults: Group = {
  name: "faults",
  listeners: ["faults", "slow", "stream", "limits"],
  build: (places) => ({
    listeners: [
      oracleListener(places, "faults", [
        to("/timeout", { timeout: "0.2s" }),
        to("/idle", { idle_timeout: "0.2s", timeout: "0s" }),
        to("/"),
      ]),
      oracleListener(places, "slow", [to("/", { timeout: "0s" })], {
        request_headers_timeout: "0.2s",
        request_timeout: "0.3s",
      }),
      oracleListener(
        places,
        "stream",
        [
          to("/limited", { timeout: "0s", max_stream_duration: { max_stream_duration: "0.2s" } }),
          to("/", { timeout: "0s" }),
        ],
        {
          stream_idle_timeout: "0.25s",
        },
      ),
      oracleListener(places, "limits", [to("/")], {
        max_request_headers_kb: 4,
        common_http_protocol_options: { max_headers_count: 10 },
      }),
    ],
    clusters: [originCluster(places)],
  }),
  asks: [
    f("close-before-answer", [then(send(), "close")]),
    f("reset-before-answer", [then(send(), "reset")]),
    f("close-in-head", [then(send("HTTP/1.1 200 OK\r\nContent-"), "close")]),
    f("garbage", [send("not http at all\r\n\r\n")]),
    f("bad-field", [send("HTTP/1.1 200 OK\r\nbad field\r\n\r\n")]),
    f("bad-length", [send("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n")]),
    f("short-length", [then(send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), "close")], "GET /", [
      request("GET /"),
      { closed: true },
    ]),
    f(
      "short-chunks",
      [then(send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), "close")],
      "GET /",
      [request("GET /"), { closed: true }],
    ),
    f("bad-chunk", [send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "x\r\n")], "GET /", [
      request("GET /"),
      { closed: true },
    ]),
    f("reset-in-body", [then(send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), "reset")], "GET /", [
      request("GET /"),
      { closed: true },
    ]),
    f("until-close", [then(send("HTTP/1.1 200 OK\r\n\r\nhello"), "close")]),
    f("timeout", [hang], "GET /timeout"),
    f("timeout-in-body", [send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")], "GET /timeout", [
      request("GET /timeout"),
      { closed: true },
    ]),
    f("idle", [hang], "GET /idle"),
    f("client-goes", [hang], "GET /", [
      request("GET /"),
      { reached: 1 },
      { elapse: 20 },
      { reset: true },
      { elapse: 30 },
    ]),
    f("client-goes-in-upload", [hang], "POST /", [
      request("POST /", "Content-Length: 100\r\n", "hello"),
      { reached: 1 },
      { elapse: 20 },
      { reset: true },
      { elapse: 30 },
    ]),
    f(
      "early-413",
      [[{ until: "head" }, { send: "HTTP/1.1 413 X\r\nContent-Length: 2\r\n\r\nno" }]],
      "POST /",
      [request("POST /", "Content-Length: 100\r\n", "hello"), { answers: 1 }, { elapse: 20 }],
    ),
    bad("garbage-request", "hello\r\n\r\n"),
    bad("no-host", "GET / HTTP/1.1\r\n\r\n"),
    bad("bad-field-name", `GET / HTTP/1.1\r\n${H}a b: c\r\n\r\n`),
    bad("bad-length-request", `POST / HTTP/1.1\r\n${H}Content-Length: x\r\n\r\n`),
    bad(
      "length-and-chunked",
      `POST / HTTP/1.1\r\n${H}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ),
    bad("two-lengths", `POST / HTTP/1.1\r\n${H}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`),
    bad("transfer-gzip", `POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip\r\n\r\n`),
    bad("http10", "GET / HTTP/1.0\r\nHost: o.test\r\n\r\n"),
    bad("http2-version", `GET / HTTP/2.0\r\n${H}\r\n`),
    bad("bad-chunk-request", `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\nx\r\n`),
    bad("fragment", `GET /a#b HTTP/1.1\r\n${H}\r\n`),
    bad("relative-target", `GET abc HTTP/1.1\r\n${H}\r\n`),
    bad("bad-host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    bad("connect-refused", "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n"),
    bad("slow-head", "GET / HTTP/1.1\r\nHost: o.te", "slow"),
    bad("slow-body", request("POST /", "Content-Length: 10\r\n", "hello"), "slow"),
    ask("idle-before-answer", "stream", request("GET /"), [hang]),
    ask("idle-in-upload", "stream", request("POST /", "Content-Length: 10\r\n", "hello"), [hang]),
    ask(
      "idle-in-answer",
      "stream",
      request("GET /"),
      [send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")],
      {
        client: [request("GET /"), { closed: true }],
      },
    ),
    ask("max-duration", "stream", request("GET /limited"), [hang]),
    bad("headers-too-large", request("GET /", `x: ${"a".repeat(5000)}\r\n`), "limits"),
    bad(
      "too-many-headers",
      request("GET /", Array.from({ length: 12 }, (_, i) => `x-${i}: 1\r\n`).join("")),
      "limits",
    ),
    bad("target-too-large", request(`GET /${"a".repeat(5000)}`), "limits"),
  ],
};
