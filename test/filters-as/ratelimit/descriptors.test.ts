/** To which requests a descriptor applies, and which of them share a bucket. */
import { beforeAll, describe, expect, test } from "bun:test";
import type { ScriptedHost } from "../../../runtime-adapters/filter-tool/scripted-host/scripted-host.ts";
import { ask, bucket, build, type Sender, send, start } from "./limited-host.ts";

beforeAll(build, 60_000);

describe("descriptors", () => {
  test("one bucket per value of a header; requests without it are not counted", () => {
    const host = start({
      descriptors: [{ entries: [{ header: { name: "X-User" } }], token_bucket: bucket(1) }],
    });
    const from = (user: string) => ask(host, { headers: [["x-user", user]] });
    expect([from("ann"), from("bob"), from("ann"), from("bob"), from("")]).toEqual([200, 200, 429, 429, 200]);
    expect([ask(host), ask(host)]).toEqual([200, 200]);
  });

  const table: [string, unknown, Sender[], Sender[]][] = [
    [
      "exact header",
      { header: { name: "plan", exact: "free" } },
      [{ headers: [["plan", "free"]] }],
      [{ headers: [["plan", "freer"]] }, {}],
    ],
    [
      "several values share a bucket",
      { header: { name: "plan", exact: ["free", "trial"] } },
      [{ headers: [["plan", "free"]] }, { headers: [["plan", "trial"]] }],
      [{ headers: [["plan", "paid"]] }],
    ],
    [
      "header prefix",
      { header: { name: "plan", prefix: "fr" } },
      [{ headers: [["plan", "free"]] }, { headers: [["plan", "frozen"]] }],
      [{ headers: [["plan", "f"]] }],
    ],
    [
      "path",
      { path: { exact: "/login" } },
      [{ path: "/login" }, { path: "/login?a=b" }, { path: "/login#x" }],
      [{ path: "/login/" }, { path: "/Login" }],
    ],
    [
      "path prefix",
      { path: { prefix: ["/api/", "/v2/"] } },
      [{ path: "/api/a?b" }, { path: "/v2/" }],
      [{ path: "/api" }, { path: "/?/api/" }],
    ],
    [
      "method",
      { method: { exact: ["POST", "PUT"] } },
      [{ method: "POST" }, { method: "PUT" }],
      [{ method: "GET" }],
    ],
    [
      "identity",
      { source_identity: { prefix: "spiffe://a/ns/web/" } },
      [{ identity: "spiffe://a/ns/web/sa/x" }],
      [{ identity: "spiffe://a/ns/other/sa/x" }, {}],
    ],
    [
      "address block",
      { source_address: { blocks: ["10.0.0.0/8", "2001:db8::/32"] } },
      [{ address: "10.9.9.9:1234" }, { address: "[2001:db8::7]:80" }, { address: "[::ffff:10.1.1.1]:1" }],
      [{ address: "11.0.0.1:80" }, { address: "@/tmp/socket" }, {}],
    ],
    ["pseudo-header", { header: { name: ":authority", exact: "shop" } }, [{}], []],
    ["everything", { fixed: "all" }, [{}, { path: "/x" }], []],
  ];
  for (const [what, entry, counted, free] of table) {
    test(`${what}: the same bucket for what matches, none for the rest`, () => {
      const host = start({ descriptors: [{ entries: [entry], token_bucket: bucket(1) }] });
      expect(ask(host, counted[0])).toBe(200);
      for (const sender of counted) expect([sender, ask(host, sender)]).toEqual([sender, 429]);
      for (const sender of free)
        expect([sender, ask(host, sender), ask(host, sender)]).toEqual([sender, 200, 200]);
    });
  }

  test("a matched value can have a bucket of its own, too", () => {
    const entry = { path: { prefix: "/api/", distinct: true } };
    const host = start({ descriptors: [{ entries: [entry], token_bucket: bucket(1) }] });
    const at = (path: string) => ask(host, { path });
    expect([at("/api/a"), at("/api/b"), at("/api/a?c"), at("/other"), at("/other")]).toEqual([
      200, 200, 429, 200, 200,
    ]);
  });

  test("senders of one network share a bucket: /32 and /64, or as configured", () => {
    const limited = (entry: object) =>
      start({ descriptors: [{ entries: [{ source_address: entry }], token_bucket: bucket(1) }] });
    const plain = limited({});
    const at = (host: ScriptedHost, address: string) => ask(host, { address });
    expect([at(plain, "10.0.0.1:1"), at(plain, "10.0.0.2:1"), at(plain, "10.0.0.1:2")]).toEqual([
      200, 200, 429,
    ]);
    expect([
      at(plain, "[2001:db8::1]:1"),
      at(plain, "[2001:db8::2]:1"),
      at(plain, "[2001:db8:0:1::1]:1"),
    ]).toEqual([200, 429, 200]);
    const coarse = limited({ v4_prefix: 24, v6_prefix: 48 });
    expect([at(coarse, "10.0.0.1:1"), at(coarse, "10.0.0.2:1"), at(coarse, "10.0.1.1:1")]).toEqual([
      200, 429, 200,
    ]);
    expect([
      at(coarse, "[2001:db8::1]:1"),
      at(coarse, "[2001:db8:0:1::1]:1"),
      at(coarse, "[2001:db8:1::1]:1"),
    ]).toEqual([200, 429, 200]);
  });

  test("all entries have to apply, and all distinct ones tell buckets apart", () => {
    const host = start({
      descriptors: [
        {
          entries: [{ method: { exact: "POST" } }, { header: { name: "a" } }, { header: { name: "b" } }],
          token_bucket: bucket(1),
        },
      ],
    });
    const post = (a: string, b: string) =>
      ask(host, {
        method: "POST",
        headers: [
          ["a", a],
          ["b", b],
        ],
      });
    expect([post("x", "yz"), post("xy", "z"), post("x", "yz")]).toEqual([200, 200, 429]);
    expect(
      ask(host, {
        headers: [
          ["a", "x"],
          ["b", "yz"],
        ],
      }),
    ).toBe(200);
    expect(ask(host, { method: "POST", headers: [["a", "x"]] })).toBe(200);
  });

  test("the slowest bucket is asked first, and the one for everybody last; tokens given before are spent", () => {
    const host = start({
      token_bucket: bucket(3, "100s"),
      descriptors: [
        { entries: [{ path: { prefix: "/" } }], token_bucket: bucket(10, "1s") },
        { entries: [{ path: { prefix: "/a" } }], token_bucket: bucket(2, "10s") },
      ],
      enable_x_ratelimit_headers: "DRAFT_VERSION_03",
    });
    const limit = (path: string) => {
      const stream = send(host, { path });
      stream.onResponseHeaders([[":status", "200"]]);
      const [limit, remaining] = stream.responseHeaders.slice(1).map(([, value]) => value);
      return [stream.reply?.status ?? 200, limit, remaining];
    };
    expect(limit("/a")).toEqual([200, "2", "1"]);
    expect(limit("/a")).toEqual([200, "2", "0"]);
    expect(limit("/a")).toEqual([429, "2", "0"]);
    expect(limit("/b")).toEqual([200, "10", "7"]);
    expect(limit("/b")).toEqual([429, "3", "0"]);
    // Refused by everybody's bucket, and yet its own has one less.
    expect(limit("/b")).toEqual([429, "3", "0"]);
  });

  test("always_consume_default_token_bucket: false spares everybody's bucket", () => {
    const host = start({
      token_bucket: bucket(1),
      descriptors: [{ entries: [{ path: { exact: "/a" } }], token_bucket: bucket(2) }],
      always_consume_default_token_bucket: false,
    });
    expect(["/a", "/a", "/b", "/b", "/a"].map((path) => ask(host, { path }))).toEqual([
      200, 200, 200, 429, 429,
    ]);
  });

  test("per connection", () => {
    const host = start({
      token_bucket: bucket(1),
      descriptors: [{ entries: [{ path: { exact: "/a" } }], token_bucket: bucket(5) }],
      local_rate_limit_per_downstream_connection: true,
    });
    const on = (connection: number) => ask(host, { connection });
    expect([on(1), on(1), on(2), on(2)]).toEqual([200, 429, 200, 429]);
  });
});
