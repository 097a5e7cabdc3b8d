/** Expect, 1xx, upgrades, HEAD, HTTP/1.0, header case, trailers, connection counts. */
import { upstreamHttp1, type YamlMap } from "../../support/bootstrap.ts";
import type { OriginScript } from "../../support/exchange.ts";
import {
  ask,
  downCluster,
  type Group,
  oracleListener,
  originCluster,
  request,
  response,
} from "../scenario.ts";

const ALL: readonly YamlMap[] = [{ match: { prefix: "/" }, route: { cluster: "origin" } }];
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const WS = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n`;
const SWITCH = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`;
const tunnel: OriginScript = [
  { until: "head" },
  { tunnel: true },
  { send: SWITCH },
  { bytes: "ping" },
  { send: "pong" },
  { elapse: 20 },
  { close: true },
];
const continues: OriginScript = [
  { until: "head" },
  { send: "HTTP/1.1 100 Continue\r\n\r\n" },
  { until: "request" },
  { send: response(200) },
];
const EXPECT = "Expect: 100-continue\r\nContent-Length: 5\r\n";

const LISTENERS: { readonly [name: string]: YamlMap } = {
  plain: {},
  continues: { proxy_100_continue: true },
  websocket: { upgrade_configs: [{ upgrade_type: "websocket" }] },
  ten: { http_protocol_options: { accept_http_10: true } },
  "ten-default": { http_protocol_options: { accept_http_10: true, default_host_for_http_10: "ten.test" } },
  proper: { http_protocol_options: { header_key_format: { proper_case_words: {} } } },
  trailers: { http_protocol_options: { enable_trailers: true } },
  "two-requests": { common_http_protocol_options: { max_requests_per_connection: 2 } },
};

/** CONNECT ends at the proxy, and its payload goes on as TCP. */
const ENDED_HERE: YamlMap = { upgrade_configs: [{ upgrade_type: "CONNECT", connect_config: {} }] };
const connect = (host: string): string => `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

const get = request("GET /");

export const protocol: Group = {
  name: "protocol",
  listeners: [...Object.keys(LISTENERS), "upstream-case", "upstream-trailers", "per-route", "connect"],
  build: (places) => ({
    listeners: [
      ...Object.entries(LISTENERS).map(([name, manager]) => oracleListener(places, name, ALL, manager)),
      oracleListener(places, "upstream-case", [{ match: { prefix: "/" }, route: { cluster: "proper" } }]),
      oracleListener(
        places,
        "upstream-trailers",
        [{ match: { prefix: "/" }, route: { cluster: "trailers" } }],
        {
          http_protocol_options: { enable_trailers: true },
        },
      ),
      oracleListener(
        places,
        "per-route",
        [
          {
            match: { prefix: "/off" },
            route: { cluster: "origin", upgrade_configs: [{ upgrade_type: "websocket", enabled: false }] },
          },
          {
            match: { prefix: "/on" },
            route: { cluster: "origin", upgrade_configs: [{ upgrade_type: "foo", enabled: true }] },
          },
          ...ALL,
        ],
        { upgrade_configs: [{ upgrade_type: "websocket" }, { upgrade_type: "foo", enabled: false }] },
      ),
      oracleListener(places, "connect", {
        name: "connect",
        virtual_hosts: [
          {
            name: "down",
            domains: ["down.test:1"],
            routes: [{ match: { connect_matcher: {} }, route: { cluster: "down", ...ENDED_HERE } }],
          },
          {
            name: "origin",
            domains: ["*"],
            routes: [{ match: { connect_matcher: {} }, route: { cluster: "origin", ...ENDED_HERE } }],
          },
        ],
      }),
    ],
    clusters: [
      originCluster(places),
      originCluster(places, "proper", upstreamHttp1({ header_key_format: { proper_case_words: {} } })),
      originCluster(places, "trailers", upstreamHttp1({ enable_trailers: true })),
      downCluster(places),
    ],
  }),
  asks: [
    ask("get", "plain", get),
    ask("head", "plain", request("HEAD /"), ["HTTP/1.1 200 X\r\nContent-Length: 7\r\n\r\n"]),
    ask("head-chunked", "plain", request("HEAD /"), ["HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"]),
    ask("head-no-framing", "plain", request("HEAD /"), ["HTTP/1.1 200 X\r\n\r\n"]),
    ask("options", "plain", request("OPTIONS /")),
    ask("delete", "plain", request("DELETE /")),
    ask("post-no-body", "plain", request("POST /")),
    ask("post-length", "plain", request("POST /", "Content-Length: 5\r\n", "hello")),
    ask(
      "post-chunked",
      "plain",
      request("POST /", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
    ),
    ask("get-with-body", "plain", request("GET /", "Content-Length: 5\r\n", "hello")),
    ask("answer-chunked", "plain", get, [
      "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ]),
    ask("answer-close", "plain", get, ["HTTP/1.1 200 X\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"]),
    ask("answer-204", "plain", get, ["HTTP/1.1 204 X\r\n\r\n"]),
    ask("answer-304", "plain", get, ['HTTP/1.1 304 X\r\nETag: "x"\r\n\r\n']),
    ask("answer-304-length", "plain", get, ["HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n"]),
    ask("answer-205", "plain", get, ["HTTP/1.1 205 X\r\nContent-Length: 0\r\n\r\n"]),
    ask("answer-two-cookies", "plain", get, [response(200, "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n")]),
    ask("close", "plain", request("GET /", "Connection: close\r\n")),
    ask("keep-alive", "plain", request("GET /", "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n")),
    ask("te-trailers", "plain", request("GET /", "TE: trailers\r\n")),
    ask("te-gzip", "plain", request("GET /", "TE: gzip\r\n")),
    ask("cookie-two-lines", "plain", request("GET /", "Cookie: a=1\r\nCookie: b=2\r\n")),
    ask("absolute-form", "plain", "GET http://abs.test/x?y HTTP/1.1\r\nHost: abs.test\r\n\r\n"),
    ask("absolute-form-no-path", "plain", "GET http://abs.test HTTP/1.1\r\nHost: abs.test\r\n\r\n"),
    ask("mixed-case-names", "plain", request("GET /", "X-CamelCase: V\r\nx_under: u\r\n")),
    ask("expect", "plain", "", [response(200)], {
      client: [request("POST /", EXPECT), { interim: 100 }, "hello", { answers: 1 }],
    }),
    ask("expect-forwarded", "continues", "", [continues], {
      client: [request("POST /", EXPECT), { interim: 100 }, "hello", { answers: 1 }],
    }),
    ask("expect-refused", "continues", "", [[{ until: "head" }, { send: response(417, "", "no") }]], {
      client: [request("POST /", EXPECT), { answers: 1 }, { elapse: 50 }],
    }),
    ask("upgrade-refused", "plain", request("GET /", WS)),
    ask(
      "upgrade-h2c",
      "plain",
      request(
        "GET /",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
      ),
    ),
    ask("websocket", "websocket", "", [tunnel], {
      client: [request("GET /", WS), { answers: 1 }, "ping", { bytes: "pong" }, { closed: true }],
    }),
    ask("websocket-client-closes", "websocket", "", [tunnel], {
      client: [
        request("GET /", WS),
        { answers: 1 },
        "ping",
        { bytes: "pong" },
        { reset: true },
        { elapse: 20 },
      ],
    }),
    ask("websocket-refused-by-origin", "websocket", request("GET /", WS), [response(403, "", "no")]),
    ask("upgrade-other", "websocket", request("GET /", "Connection: Upgrade\r\nUpgrade: foo\r\n")),
    ask("upgrade-off-by-route", "per-route", request("GET /off", WS)),
    ask("upgrade-on-by-route", "per-route", request("GET /on", "Connection: Upgrade\r\nUpgrade: foo\r\n"), [
      response(200),
    ]),
    ask("connect-off", "plain", "", [], { client: [connect("o.test:1"), { closed: true }] }),
    ask("connect-refused", "connect", "", [], { client: [connect("down.test:1"), { closed: true }] }),
    ask("connect-client-ends", "connect", "", [], {
      client: [
        connect("o.test:1"),
        { answers: 1 },
        request("GET /"),
        { bytes: "ok" },
        { reset: true },
        { elapse: 20 },
      ],
    }),
    ask(
      "connect-origin-ends",
      "connect",
      "",
      [[{ until: "request" }, { send: response(200) }, { close: true }]],
      {
        client: [connect("o.test:1"), { answers: 1 }, request("GET /"), { bytes: "ok" }, { closed: true }],
      },
    ),
    ask("ten-refused", "plain", "", [], {
      client: ["GET / HTTP/1.0\r\nHost: o.test\r\n\r\n", { closed: true }],
    }),
    ask("ten", "ten", "", [], { client: ["GET / HTTP/1.0\r\nHost: o.test\r\n\r\n", { closed: true }] }),
    ask("ten-no-host", "ten", "", [], { client: ["GET / HTTP/1.0\r\n\r\n", { closed: true }] }),
    ask("ten-default-host", "ten-default", "", [], { client: ["GET / HTTP/1.0\r\n\r\n", { closed: true }] }),
    ask(
      "ten-chunked-answer",
      "ten",
      "",
      ["HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
      {
        client: ["GET / HTTP/1.0\r\nHost: o.test\r\n\r\n", { closed: true }],
      },
    ),
    ask("proper-case", "proper", get, [response(200, "x-lower: 1\r\n")]),
    ask("proper-case-upstream", "upstream-case", request("GET /", "x-lower-name: 1\r\n")),
    ask(
      "trailers-dropped",
      "plain",
      request("POST /", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n"),
      ["HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\ny-t: 1\r\n\r\n"],
    ),
    ask(
      "trailers-downstream-only",
      "trailers",
      request("POST /", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n"),
      ["HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\ny-t: 1\r\n\r\n"],
    ),
    ask(
      "trailers",
      "upstream-trailers",
      request("POST /", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n"),
      ["HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\ny-t: 1\r\n\r\n"],
    ),
    ask("two-requests", "two-requests", "", [], {
      client: [get, { answers: 1 }, get, { answers: 2 }, { elapse: 50 }],
    }),
    ask("pipelined", "plain", "", [response(200, "", "one"), response(200, "", "two")], {
      client: [request("GET /one") + request("GET /two"), { answers: 2 }],
    }),
    ask("answer-103", "plain", get, [`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${response(200)}`]),
  ],
};
