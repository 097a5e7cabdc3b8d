/** Rows L1–L16: start lines, line ends, field names and values. RFC 9112 2–5, RFC 9110 5. */
import { badResponse, forwarded, get, refused, relayed, type Vector } from "../vector.ts";

const H = "Host: v.test\r\n";
const line = (text: string) => `${text}\r\n${H}\r\n`;
const ok = (fields: string) => `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${fields}\r\nok`;
const long = (count: number, byte = "A") => byte.repeat(count);

export const startLines: readonly Vector[] = [
  ...refused("L1", "a request line is `method SP target SP version CRLF` and nothing else", 400, {
    "two-spaces-before-target": line("GET  /v HTTP/1.1"),
    "two-spaces-before-version": line("GET /v  HTTP/1.1"),
    "tab-before-target": line("GET\t/v HTTP/1.1"),
    "tab-before-version": line("GET /v\tHTTP/1.1"),
    "vertical-tab": line("GET\v/v HTTP/1.1"),
    "form-feed": line("GET /v\fHTTP/1.1"),
    "leading-space": line(" GET /v HTTP/1.1"),
    "leading-tab": line("\tGET /v HTTP/1.1"),
    "trailing-space": line("GET /v HTTP/1.1 "),
    "trailing-tab": line("GET /v HTTP/1.1\t"),
    "trailing-word": line("GET /v HTTP/1.1 x"),
    "no-target": line("GET HTTP/1.1"),
    "empty-target": line("GET  HTTP/1.1"),
    "space-in-target": line("GET /a b HTTP/1.1"),
    "method-alone": line("GET"),
    "nul-for-space": line("GET\0/v HTTP/1.1"),
    "nbsp-for-space": line("GET\xa0/v HTTP/1.1"),
  }),

  ...refused("L2", "the version is exactly HTTP/1.0 or HTTP/1.1", 400, {
    "http09-line": "GET /v\r\n\r\n",
    "http09-with-fields": line("GET /v"),
    "lower-case": line("GET /v http/1.1"),
    "mixed-case": line("GET /v Http/1.1"),
    "leading-zero-minor": line("GET /v HTTP/1.01"),
    "leading-zero-major": line("GET /v HTTP/01.1"),
    "no-minor": line("GET /v HTTP/1."),
    "no-dot": line("GET /v HTTP/1"),
    comma: line("GET /v HTTP/1,1"),
    "space-inside": line("GET /v HTTP/ 1.1"),
    "two-digit-minor": line("GET /v HTTP/1.10"),
    "minor-overflow": line("GET /v HTTP/1.257"),
    letters: line("GET /v HTTP/a.b"),
    "other-protocol": line("GET /v ICY/1.1"),
    "https-token": line("GET /v HTTPS/1.1"),
  }),
  ...refused("L2", "a major version that wraps in eight bits", [400, 505], {
    "eight-bit-overflow": line("GET /v HTTP/257.1"),
  }),
  ...refused("L2", "a version that we do not speak", 505, {
    "http2-version": line("GET /v HTTP/2.0"),
    "http3-version": line("GET /v HTTP/3.0"),
    "http9-version": line("GET /v HTTP/9.9"),
    "http12-version": line("GET /v HTTP/1.2"),
  }),
  forwarded(
    "L2",
    "own-version-upstream",
    "a 1.0 request is forwarded with our own version",
    `GET /v HTTP/1.0\r\n${H}\r\n`,
    { line: "GET /v HTTP/1.1" },
    {
      client: [`GET /v HTTP/1.0\r\n${H}\r\n`, { answers: 1 }, { closed: true }],
      expect: { answers: [200], client: "close", origin: [{ line: "GET /v HTTP/1.1" }], reuse: true },
    },
  ),

  ...refused("L3", "the HTTP/2 preface on an HTTP/1 listener", [400, 505], {
    preface: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  }),

  ...refused("L4", "the method is a token", 400, {
    empty: line(" /v HTTP/1.1"),
    at: line("G@T /v HTTP/1.1"),
    paren: line("GE(T) /v HTTP/1.1"),
    colon: line("GET: /v HTTP/1.1"),
    slash: line("GE/T /v HTTP/1.1"),
    "high-byte": line("G\xc9T /v HTTP/1.1"),
    nul: line("G\0T /v HTTP/1.1"),
    quoted: line('"GET" /v HTTP/1.1'),
    brace: line("{GET} /v HTTP/1.1"),
  }),
  ...refused("L4", "a method of more than 32 bytes is not implemented", [501, 400], {
    "too-long": line(`${long(33)} /v HTTP/1.1`),
  }),
  forwarded("L4", "unknown", "an unknown method is forwarded as it is", line("BREW /v HTTP/1.1"), {
    line: "BREW /v HTTP/1.1",
  }),
  forwarded("L4", "longest", "a method of 32 bytes is forwarded", line(`${long(32)} /v HTTP/1.1`), {
    line: `${long(32)} /v HTTP/1.1`,
  }),
  forwarded("L4", "case", "methods are case-sensitive: `get` is not GET", line("get /v HTTP/1.1"), {
    line: "get /v HTTP/1.1",
  }),
  forwarded(
    "L4",
    "all-tchars",
    "every token character may be in a method",
    line("A!#$%&'*+-.^_`|~9 /v HTTP/1.1"),
    {
      line: "A!#$%&'*+-.^_`|~9 /v HTTP/1.1",
    },
  ),

  forwarded("L5", "one-empty-line", "an empty line before the request line is skipped", `\r\n${get()}`),
  forwarded(
    "L5",
    "two-empty-lines",
    "two empty lines before the request line are skipped",
    `\r\n\r\n${get()}`,
  ),
  forwarded(
    "L5",
    "empty-line-between",
    "an empty line behind a body is skipped before the next request",
    `POST /v HTTP/1.1\r\n${H}Content-Length: 5\r\n\r\nhello\r\n${get("", "/w")}`,
    {},
    {
      client: [`POST /v HTTP/1.1\r\n${H}Content-Length: 5\r\n\r\nhello\r\n${get("", "/w")}`, { answers: 2 }],
      expect: {
        answers: [200, 200],
        client: "keep",
        origin: [{ line: "POST /v HTTP/1.1", body: "hello" }, { line: "GET /w HTTP/1.1" }],
        reuse: true,
      },
    },
  ),
  ...refused("L5", "only CRLF, and only a few", 400, {
    "ten-empty-lines": `${"\r\n".repeat(10)}${get()}`,
    "bare-lf": `\n${get()}`,
    "bare-cr": `\r${get()}`,
    "space-line": ` \r\n${get()}`,
  }),

  ...refused("L6", "whitespace between the start line and the first field", 400, {
    space: `GET /v HTTP/1.1\r\n X: y\r\n${H}\r\n`,
    tab: `GET /v HTTP/1.1\r\n\tX: y\r\n${H}\r\n`,
    "before-host": `GET /v HTTP/1.1\r\n ${H}\r\n`,
    "whitespace-line": `GET /v HTTP/1.1\r\n \r\n${H}\r\n`,
  }),

  ...refused("L7", "a bare LF is no line end", 400, {
    "request-line": `GET /v HTTP/1.1\n${H}\r\n`,
    field: `GET /v HTTP/1.1\r\nHost: v.test\nX: y\r\n\r\n`,
    "last-field": `GET /v HTTP/1.1\r\nHost: v.test\n\r\n`,
    "empty-line": `GET /v HTTP/1.1\r\n${H}\n`,
    "all-lines": "GET /v HTTP/1.1\nHost: v.test\n\n",
  }),
  ...badResponse("L7", "a bare LF is no line end", {
    "status-line": "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok",
    field: "HTTP/1.1 200 OK\r\nContent-Length: 2\nX: y\r\n\r\nok",
    "empty-line": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok",
  }),

  ...refused("L8", "a bare CR is never a line end nor data", 400, {
    "request-line": `GET /v HTTP/1.1\r${H}\r\n`,
    "in-target": line("GET /v\rw HTTP/1.1"),
    "in-value": get("X: a\rb\r\n"),
    "in-name": get("X\rY: b\r\n"),
    "before-crlf": get("X: a\r\r\n"),
    "cr-x-as-end": `GET /v HTTP/1.1\r\n${H}\rX\r\n\r\n`,
    "crlf-cr-x-as-end": `GET /v HTTP/1.1\r\n${H}X: y\r\n\rZ: w\r\n\r\n`,
    "cr-cr-lf-as-end": `GET /v HTTP/1.1\r\n${H}\r\r\n`,
    "cr-only-lines": `GET /v HTTP/1.1\rHost: v.test\r\r`.concat("GET /v HTTP/1.1\r\n\r\n"),
  }),
  ...badResponse("L8", "a bare CR is never a line end nor data", {
    "in-value": ok("X: a\rb\r\n"),
    "status-line": "HTTP/1.1 200 OK\rX\r\nContent-Length: 2\r\n\r\nok",
    "cr-x-as-end": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\rX: y\r\n\r\nok",
    "in-name": ok("X\rY: b\r\n"),
  }),

  ...refused("L9", "a field line is `token ':' value`", 400, {
    "empty-name": get(": v\r\n"),
    "empty-name-no-space": get(":v\r\n"),
    "no-colon": get("abc\r\n"),
    "space-inside": get("a b: v\r\n"),
    "nul-inside": get("a\0b: v\r\n"),
    "nul-alone": get("\0: v\r\n"),
    "high-byte": get("X-\xe9: v\r\n"),
    utf8: get("X-\xc3\xa9: v\r\n"),
    paren: get("(a): v\r\n"),
    quoted: get('"a": v\r\n'),
    at: get("a@b: v\r\n"),
    comma: get("a,b: v\r\n"),
    semicolon: get("a;b: v\r\n"),
    slash: get("a/b: v\r\n"),
    bracket: get("a[0]: v\r\n"),
    brace: get("{a}: v\r\n"),
    backslash: get("a\\b: v\r\n"),
    del: get("a\x7fb: v\r\n"),
    "pseudo-header": get(":authority: evil.test\r\n"),
    "pseudo-path": get(":path: /evil\r\n"),
  }),
  ...badResponse("L9", "a field line is `token ':' value`", {
    "empty-name": ok(": v\r\n"),
    "no-colon": ok("abc\r\n"),
    "nul-inside": ok("a\0b: v\r\n"),
    "high-byte": ok("X-\xe9: v\r\n"),
    "space-inside": ok("a b: v\r\n"),
    "pseudo-status": ok(":status: 500\r\n"),
  }),
  ...badResponse("L9", "the status line", {
    "two-digit-status": "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
    "four-digit-status": "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
    "status-below-100": "HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok",
    "status-letters": "HTTP/1.1 2x0 OK\r\nContent-Length: 2\r\n\r\nok",
    "signed-status": "HTTP/1.1 +20 OK\r\nContent-Length: 2\r\n\r\nok",
    "no-version": "200 OK\r\nContent-Length: 2\r\n\r\nok",
    "http2-version": "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "lower-case-version": "http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "two-spaces": "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok",
    "nul-in-reason": "HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\nok",
    garbage: "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "leading-space-line": "HTTP/1.1 200 OK\r\n Content-Length: 2\r\n\r\nok",
  }),
  relayed(
    "L9",
    "no-reason",
    "a status line may have an empty reason",
    "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok",
    {
      status: 200,
      body: "ok",
    },
  ),
  relayed(
    "L9",
    "obs-text-reason",
    "a reason may hold obs-text",
    "HTTP/1.1 200 \xe9t\xe9\r\nContent-Length: 2\r\n\r\nok",
    {
      status: 200,
      body: "ok",
    },
  ),
  relayed(
    "L9",
    "unknown-status",
    "an unknown status is relayed",
    "HTTP/1.1 299 Fine\r\nContent-Length: 2\r\n\r\nok",
    {
      status: 299,
      body: "ok",
    },
  ),

  ...refused("L10", "no space between name and colon", 400, {
    "host-space": "GET /v HTTP/1.1\r\nHost : v.test\r\n\r\n",
    space: get("X : v\r\n"),
    tab: get("X\t: v\r\n"),
    "content-length-space": `POST /v HTTP/1.1\r\n${H}Content-Length : 5\r\n\r\nhello`,
    "transfer-encoding-space": `POST /v HTTP/1.1\r\n${H}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
    "transfer-encoding-tab": `POST /v HTTP/1.1\r\n${H}Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n`,
  }),
  relayed("L10", "space", "a response's space before the colon is stripped", ok("X-A : v\r\n"), {
    status: 200,
    body: "ok",
    fields: { "x-a": "v" },
  }),
  relayed(
    "L10",
    "content-length-space",
    "a stripped space still leaves a Content-Length",
    "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    { status: 200, body: "ok" },
  ),

  ...refused("L11", "CR, LF or NUL in a value", 400, {
    nul: get("X: a\0b\r\n"),
    "nul-alone": get("X: \0\r\n"),
    "nul-in-host": "GET /v HTTP/1.1\r\nHost: v.test\0.evil\r\n\r\n",
    cr: get("X: a\rb: c\r\n"),
  }),
  ...badResponse("L11", "CR, LF or NUL in a value", {
    nul: ok("X: a\0b\r\n"),
    cr: ok("X: a\rSet-Cookie: b\r\n"),
  }),

  ...refused("L12", "other control bytes in a value", 400, {
    "01": get("X: a\x01b\r\n"),
    "08": get("X: a\x08b\r\n"),
    "0b": get("X: a\x0bb\r\n"),
    "0c": get("X: a\x0cb\r\n"),
    "0e": get("X: a\x0eb\r\n"),
    "1b": get("X: \x1b[31m\r\n"),
    "1f": get("X: a\x1fb\r\n"),
    "7f": get("X: a\x7fb\r\n"),
  }),
  ...badResponse("L12", "other control bytes in a value", {
    "01": ok("X: a\x01b\r\n"),
    "0b": ok("X: a\x0bb\r\n"),
    "7f": ok("X: a\x7fb\r\n"),
  }),
  forwarded("L12", "obs-text", "bytes 80–FF pass untouched", get("X: \x80\xc3\xa9\xff\r\n"), {
    fields: { x: "\x80\xc3\xa9\xff" },
  }),
  relayed("L12", "obs-text", "bytes 80–FF pass untouched", ok("X: \x80\xc3\xa9\xff\r\n"), {
    status: 200,
    fields: { x: "\x80\xc3\xa9\xff" },
  }),
  forwarded("L12", "tab-inside", "HTAB inside a value passes", get("X: a\tb\r\n"), { fields: { x: "a\tb" } }),

  forwarded("L13", "ows", "SP and HTAB are trimmed at both ends", get("X: \t a b\t \r\n"), {
    fields: { x: "a b" },
  }),
  forwarded("L13", "no-ows", "no space behind the colon is needed", get("X:a\r\n"), { fields: { x: "a" } }),
  forwarded("L13", "nbsp-stays", "A0 and 85 are not whitespace", get("X: \xa0a\x85\r\n"), {
    fields: { x: "\xa0a\x85" },
  }),
  forwarded("L13", "empty-value", "an empty value is a value", get("X:\r\nY: \t \r\n"), {
    fields: { x: "", y: "" },
  }),

  ...refused("L14", "a folded line", 400, {
    space: get("X: a\r\n b\r\n"),
    tab: get("X: a\r\n\tb\r\n"),
    "spaces-only": get("X: a\r\n  \r\n"),
    host: "GET /v HTTP/1.1\r\nHost: v.test\r\n .evil\r\n\r\n",
    "transfer-encoding": `POST /v HTTP/1.1\r\n${H}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`,
    "content-length": `POST /v HTTP/1.1\r\n${H}Content-Length:\r\n 5\r\n\r\nhello`,
  }),
  ...badResponse("L14", "a folded line", {
    space: ok("X: a\r\n b\r\n"),
    tab: ok("X: a\r\n\tb\r\n"),
    "content-length": "HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nok",
  }),

  forwarded(
    "L15",
    "content_length",
    "Content_Length frames nothing",
    get("Content_Length: 99\r\n"),
    { body: "" },
    { expect: { answers: [[200, 400]], origin: undefined, client: "any" } },
  ),
  forwarded(
    "L15",
    "transfer_encoding",
    "Transfer_Encoding frames nothing",
    get("Transfer_Encoding: chunked\r\n"),
    { body: "" },
    { expect: { answers: [[200, 400]], client: "any" } },
  ),
  ...refused(
    "L15",
    "underscores refused by option",
    400,
    { "reject-option": get("X_Forwarded_For: 1.2.3.4\r\n") },
    "underscores-reject",
  ),
  forwarded(
    "L15",
    "drop-option",
    "underscores dropped by option",
    get("X_Forwarded_For: 1.2.3.4\r\nX-Stays: 1\r\n"),
    { fields: { x_forwarded_for: null, "x-stays": "1" } },
    { profile: "underscores-drop" },
  ),

  ...refused("L16", "a singleton that came twice", 400, {
    "host-equal": `GET /v HTTP/1.1\r\n${H}${H}\r\n`,
    "host-different": `GET /v HTTP/1.1\r\n${H}Host: w.test\r\n\r\n`,
    "host-apart": `GET /v HTTP/1.1\r\n${H}X: y\r\nhost: w.test\r\n\r\n`,
    "host-empty-second": `GET /v HTTP/1.1\r\n${H}Host:\r\n\r\n`,
  }),
  forwarded(
    "L16",
    "other-values-kept",
    "every value of a repeated field is forwarded, in order",
    get("X-Role: user\r\nX-Other: 1\r\nX-Role: admin\r\n"),
    {},
    { expect: { answers: [200], client: "keep", origin: 1, reuse: true } },
  ),
];
