/** Rows R1–R6: target forms, Host, and paths. RFC 9112 3.2, RFC 9110 4 and 7.2, RFC 3986. */
import { forwarded, get, refused, type Table, type Vector } from "../vector.ts";

const host = (value: string) => `GET /v HTTP/1.1\r\nHost: ${value}\r\n\r\n`;
const target = (text: string, method = "GET") => `${method} ${text} HTTP/1.1\r\nHost: v.test\r\n\r\n`;

function each(table: Table, build: (value: string) => string): Table {
  return Object.fromEntries(Object.entries(table).map(([word, value]) => [word, build(value)]));
}

/** `path` must arrive as `seen`. */
function arrives(word: string, path: string, seen: string, profile = "main"): Vector {
  return forwarded(
    "R5",
    word,
    `${path} arrives as ${seen}`,
    target(path),
    { line: `GET ${seen} HTTP/1.1` },
    { profile },
  );
}

export const targets: readonly Vector[] = [
  ...refused("R1", "exactly one valid Host", 400, {
    missing: "GET /v HTTP/1.1\r\n\r\n",
    "missing-with-fields": "GET /v HTTP/1.1\r\nX: y\r\n\r\n",
    empty: host(""),
    blank: host(" \t "),
    twice: "GET /v HTTP/1.1\r\nHost: v.test\r\nHost: v.test\r\n\r\n",
  }),
  forwarded(
    "R1",
    "http10-without-host",
    "HTTP/1.0 without Host gets the default",
    "",
    {},
    {
      client: ["GET /v HTTP/1.0\r\n\r\n", { answers: 1 }, { closed: true }],
      expect: { answers: [200], client: "close", origin: [{ fields: { host: "ten.test" } }], reuse: true },
    },
  ),
  {
    id: "R1-http10-refused",
    row: "R1",
    title: "HTTP/1.0 where it is not accepted: 426",
    side: "request",
    profile: "no-http10",
    client: ["GET /v HTTP/1.0\r\nHost: v.test\r\n\r\n", { closed: true }],
    expect: { answers: [426], client: "close", origin: 0 },
  },

  forwarded(
    "R2",
    "absolute",
    "absolute-form becomes origin-form",
    "GET http://v.test/x?y HTTP/1.1\r\nHost: v.test\r\n\r\n",
    {
      line: "GET /x?y HTTP/1.1",
      fields: { host: "v.test" },
    },
  ),
  forwarded(
    "R2",
    "no-path",
    "absolute-form without path",
    "GET http://v.test HTTP/1.1\r\nHost: v.test\r\n\r\n",
    {
      line: "GET / HTTP/1.1",
    },
  ),
  forwarded(
    "R2",
    "no-path-query",
    "absolute-form with only a query",
    "GET http://v.test?a=b HTTP/1.1\r\nHost: v.test\r\n\r\n",
    {
      line: "GET /?a=b HTTP/1.1",
    },
  ),
  forwarded(
    "R2",
    "upper-case-scheme",
    "schemes have no case",
    "GET HTTP://v.test/x HTTP/1.1\r\nHost: v.test\r\n\r\n",
    {
      line: "GET /x HTTP/1.1",
    },
  ),
  forwarded(
    "R2",
    "port",
    "absolute-form with port",
    "GET http://v.test:8080/x HTTP/1.1\r\nHost: v.test:8080\r\n\r\n",
    {
      line: "GET /x HTTP/1.1",
      fields: { host: "v.test:8080" },
    },
  ),
  {
    id: "R2-mismatch",
    row: "R2",
    title: "absolute-form and Host that differ: refused, or the target's authority wins",
    side: "request",
    client: ["GET http://v.test/x HTTP/1.1\r\nHost: evil.test\r\n\r\n", { answers: 1 }],
    expect: { answers: [[400]], client: "any", origin: 0, originLacks: ["evil.test"] },
  },
  ...refused("R2", "an absolute-form that is none", 400, {
    "other-scheme": target("ftp://v.test/x"),
    "no-authority": target("http:///x"),
    userinfo: "GET http://u@v.test/x HTTP/1.1\r\nHost: v.test\r\n\r\n",
    "no-slashes": target("http:v.test/x"),
    "bad-port": target("http://v.test:99999/x"),
    "relative-path": target("x/y"),
    "query-alone": target("?x"),
    "protocol-relative-host": target("http://"),
  }),

  ...refused(
    "R3",
    "a Host is uri-host [ ':' port ]",
    400,
    each(
      {
        userinfo: "u@v.test",
        "userinfo-password": "u:p@v.test",
        path: "v.test/x",
        query: "v.test?x",
        fragment: "v.test#x",
        comma: "v.test,w.test",
        space: "v.test w.test",
        tab: "v.test\tw.test",
        "port-too-big": "v.test:65536",
        "port-huge": "v.test:18446744073709551697",
        "port-letters": "v.test:http",
        "port-signed": "v.test:+80",
        "port-negative": "v.test:-1",
        "two-ports": "v.test:80:80",
        "port-space": "v.test:80 80",
        "open-bracket": "[::1",
        "close-bracket": "::1]",
        "bracket-name": "[v.test]",
        "bracket-behind": "[::1]x",
        "naked-ipv6": "::1",
        backslash: "v.test\\x",
        quote: 'v"test',
        angle: "<v.test>",
        "high-byte": "v\xe9.test",
        "percent-nul": "v%00.test",
        "port-alone": ":80",
        scheme: "http://v.test",
        caret: "v^test",
        del: "v\x7ftest",
      },
      host,
    ),
  ),
  forwarded("R3", "port", "a Host with port is forwarded", host("v.test:8080"), {
    fields: { host: "v.test:8080" },
  }),
  forwarded("R3", "ipv6", "a Host with an IPv6 literal", host("[::1]:8080"), {
    fields: { host: "[::1]:8080" },
  }),
  forwarded("R3", "ipv4", "a Host with an IPv4 address", host("127.0.0.1:80"), {
    fields: { host: "127.0.0.1:80" },
  }),
  forwarded("R3", "underscore", "a Host with an underscore, as containers have", host("my_service:80"), {
    fields: { host: "my_service:80" },
  }),

  ...refused("R4", "a target form in the wrong place", 400, {
    "authority-form-get": target("v.test:80"),
    "asterisk-get": target("*"),
    "asterisk-post": "POST * HTTP/1.1\r\nHost: v.test\r\nContent-Length: 0\r\n\r\n",
    "asterisk-more": target("*/x", "OPTIONS"),
    fragment: target("/v#top"),
    "fragment-encoded-later": target("/v?a#b"),
    "non-ascii": target("/\xe9"),
    utf8: target("/\xc3\xa9"),
    backslash: target("/a\\b"),
    "backslash-dots": target("/a\\..\\b"),
    del: target("/a\x7f"),
    nul: target("/a\0b"),
    "control-01": target("/a\x01b"),
    tab: target("/a\tb"),
  }),
  {
    id: "R4-asterisk",
    row: "R4",
    title: "OPTIONS * is no error: forwarded as it is, or without a route",
    side: "request",
    client: [target("*", "OPTIONS"), { answers: 1 }],
    expect: { answers: [[200, 404]], client: "keep", originLacks: ["OPTIONS / "] },
  },
  forwarded("R4", "reserved", "sub-delims, `:` and `@` belong to a path", target("/a:b@c!$&'()*+,;=d"), {
    line: "GET /a:b@c!$&'()*+,;=d HTTP/1.1",
  }),

  arrives("dot-dot", "/a/../b", "/b"),
  arrives("dot", "/a/./b", "/a/b"),
  arrives("dot-dot-end", "/a/b/..", "/a/"),
  arrives("dot-end", "/a/.", "/a/"),
  arrives("encoded-dots", "/a/%2e%2E/b", "/b"),
  arrives("half-encoded-dots", "/a/.%2e/b", "/b"),
  arrives("query-untouched", "/a?x=/../y&z=%2e%2e", "/a?x=/../y&z=%2e%2e"),
  arrives("path-and-query", "/a/../b?c=/d/../e", "/b?c=/d/../e"),
  arrives("double-slash-kept", "//a//b", "//a//b"),
  arrives("encoded-slash-kept", "/a%2Fb", "/a%2Fb"),
  arrives("encoded-percent-not-decoded-twice", "/a/%252e%252e/b", "/a/%252e%252e/b"),
  arrives("three-dots", "/a/.../b", "/a/.../b"),
  arrives("dots-in-name", "/a/..b/c..", "/a/..b/c.."),
  arrives("as-is", "/a/../b//c/%2e%2e/%2F", "/a/../b//c/%2e%2e/%2F", "as-is"),
  arrives("merge-slashes", "//a///b/", "/a/b/", "merge-slashes"),
  arrives("dots-before-merge-slashes", "//a//..//b", "/a/b", "merge-slashes"),
  arrives("unescape-slashes", "/a%2Fb%5Cc", "/a/b/c", "unescape"),
  arrives("unescape-then-dots", "/a%2F..%2Fb", "/b", "unescape"),
  ...refused(
    "R5",
    "escaped slashes refused by option",
    400,
    {
      "reject-escaped-slash": target("/a%2Fb"),
      "reject-escaped-backslash": target("/a%5cb"),
    },
    "reject-escaped",
  ),
  ...refused("R5", "a path that cannot be read in one way only", 400, {
    "percent-nul": target("/a%00b"),
    "percent-not-hex": target("/a%zz"),
    "percent-cut": target("/a%2"),
    "percent-alone": target("/a%"),
    "overlong-dot": target("/a/%c0%ae%c0%ae/b"),
    "overlong-slash": target("/a%c0%af..%c0%afb"),
    "percent-crlf": target("/a%0d%0aX:%20y"),
  }),
  {
    id: "R5-above-root",
    row: "R5",
    title: "dot segments above the root: refused or clamped",
    side: "request",
    client: [target("/../../etc/passwd"), { answers: 1 }],
    expect: { answers: [[400, 200]], originLacks: ["/../", "/.."] },
  },
  {
    id: "R5-dot-dot-parameter",
    row: "R5",
    title: "a dot segment with a path parameter never passes a policy that the backend reads otherwise",
    side: "request",
    client: [target("/public/..;a=b/admin"), { answers: 1 }],
    expect: { answers: [[400, 200]], originLacks: ["/..;"] },
  },
  {
    id: "R5-encoded-dot-dot-parameter",
    row: "R5",
    title: "an encoded dot segment with a path parameter",
    side: "request",
    client: [target("/public/%2e%2e;/admin"), { answers: 1 }],
    expect: { answers: [[400, 200]], originLacks: ["/..;", "%2e%2e;"] },
  },

  forwarded(
    "R6",
    "scheme-from-connection",
    "the client's scheme does not decide ours",
    "GET https://v.test/x HTTP/1.1\r\nHost: v.test\r\n\r\n",
    {},
    { expect: { answers: [[200, 400]], client: "any", originLacks: ["x-forwarded-proto: https"] } },
  ),
  forwarded(
    "R6",
    "mixed-case-scheme",
    "a mixed-case scheme is no other scheme",
    "GET hTTp://v.test/x HTTP/1.1\r\nHost: v.test\r\n\r\n",
    {
      line: "GET /x HTTP/1.1",
      fields: { "x-forwarded-proto": "http" },
    },
  ),
  forwarded("R6", "plain", "a plain connection is http", get(), { fields: { "x-forwarded-proto": "http" } }),
];
