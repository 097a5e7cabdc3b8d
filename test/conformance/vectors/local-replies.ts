/** Rows T1–T9 (the local reply table) and M1–M7 (limits). */
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

const local = (
  word: string,
  title: string,
  target: string,
  status: number | readonly number[],
  more: Partial<Vector> = {},
): Vector => ({
  id: `T-${word}`,
  row: "T",
  title,
  side: "request",
  profile: "local",
  client: [get("", target), { answers: 1 }],
  expect: { answers: [{ status }], client: "keep", origin: 0 },
  ...more,
});

const many = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: y\r\n`).join("");

export const localReplies: readonly Vector[] = [
  local("no-route", "no route: 404, the connection lives", "/none", 404),
  local("no-cluster", "a cluster that does not exist: 503", "/missing", 503),
  local("no-endpoint", "a cluster without endpoints: 503", "/nobody", 503),
  local("connect-refused", "an upstream that refuses: 503", "/down", 503),
  local("overflow", "a full pool: 503", "/full", 503),
  local("direct", "a direct response", "/direct", 403),
  local("redirect", "a redirect", "/redirect", 301),
  {
    ...local("timeout", "an upstream that is too slow: 504", "/slow", 504),
    client: [get("", "/slow"), { elapse: 250 }, { answers: 1 }],
    origin: [[{ until: "request" }, { elapse: 3000 }]],
    expect: { answers: [504], client: "keep", origin: 1, reuse: false },
  },
  {
    ...local("no-route-post", "404 to a POST whose body was read: never parsed as a request", "/none", 404),
    client: [post("Content-Length: 5\r\n", "hello", "/none"), { answers: 1 }],
    expect: { answers: [404], client: "any", origin: 0 },
  },
  {
    ...local("no-route-head", "404 to HEAD has no body", "/none", 404),
    methods: ["HEAD"],
    client: ["HEAD /none HTTP/1.1\r\nHost: v.test\r\n\r\n", { answers: 1 }],
  },
  {
    ...local("pipelined", "local replies keep their place in a pipeline", "/none", 404),
    client: [get("", "/none") + get("", "/direct") + get("", "/down"), { answers: 3 }],
    expect: { answers: [404, 403, 503], client: "keep", origin: 0 },
  },

  // ── M: limits ────────────────────────────────────────────────────────────────────────────────────────────
  forwarded(
    "M",
    "uri-8000",
    "a request target of 8000 bytes is supported",
    get("", `/${"a".repeat(7980)}`),
    {},
  ),
  ...refused("M", "limits of a request", [414, 431], {
    "uri-64k": get("", `/${"a".repeat(64 * 1024)}`),
  }),
  ...refused("M", "limits of a request", 431, {
    "headers-over-60k": get(Array.from({ length: 9 }, (_, i) => `X-${i}: ${"a".repeat(8000)}\r\n`).join("")),
    "one-field-over-60k": get(`X: ${"a".repeat(62_000)}\r\n`),
    "hundred-and-one-fields": get(many(101)),
    "name-of-65k": get(`X${"a".repeat(65_000)}: y\r\n`),
  }),
  forwarded("M", "ninety-fields", "90 fields are supported", get(many(90)), {}),
  forwarded(
    "M",
    "headers-50k",
    "50 KiB of fields are supported",
    get(Array.from({ length: 50 }, (_, i) => `X-${i}: ${"a".repeat(1000)}\r\n`).join("")),
    {},
  ),
  ...badResponse(
    "M",
    "limits of a response",
    {
      "headers-over-100k": `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${Array.from({ length: 13 }, (_, i) => `X-${i}: ${"a".repeat(8000)}\r\n`).join("")}\r\nok`,
      "too-many-fields": `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${many(101)}\r\nok`,
      "endless-status-line": `HTTP/1.1 200 ${"a".repeat(100_000)}`,
      "endless-name": `HTTP/1.1 200 OK\r\n${"a".repeat(100_000)}`,
    },
    [502, 503],
  ),
  ...brokenResponse("M", "limits of a response's trailers", {
    "trailers-too-large": `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: ${"a".repeat(100_000)}\r\n\r\n`,
  }),
  ...refused("M", "an endless chunk-size line", [400, 413], {
    "endless-size": chunked("0".repeat(20_000)),
    "endless-extension": chunked(`5;${"a".repeat(20_000)}`),
  }),
  forwarded("M", "body-200k", "a body of 200 KiB", post("Content-Length: 204800\r\n", "x".repeat(204800)), {
    body: "x".repeat(204800),
  }),
  relayed(
    "M",
    "body-200k",
    "a response body of 200 KiB",
    `HTTP/1.1 200 OK\r\nContent-Length: 204800\r\n\r\n${"x".repeat(204800)}`,
    { status: 200, body: "x".repeat(204800) },
  ),
];
