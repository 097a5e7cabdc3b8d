/** What the filter does to requests, seen from a host. */
import { beforeAll, describe, expect, test } from "bun:test";
import {
  CONTINUE,
  type FakeStream,
  type HeaderList,
  PAUSE,
} from "../../../runtime-adapters/filter-tool/scripted-host/fake-stream.ts";
import { longBytes } from "../../../runtime-adapters/filter-tool/scripted-host/guest-bytes.ts";
import { ScriptedHost } from "../../../runtime-adapters/filter-tool/scripted-host/scripted-host.ts";
import { shippedFilter } from "../../support/filter-build.ts";

let module: string;
beforeAll(() => {
  module = shippedFilter("ratelimit");
}, 60_000);

const second = 1_000_000_000n;
const bucket = (max_tokens: number, fill_interval = "1s") => ({ max_tokens, fill_interval });

function start(configuration: unknown): ScriptedHost {
  return ScriptedHost.start(module, { configuration, properties: { plugin_name: "limits" } });
}

interface Sender {
  path?: string;
  method?: string;
  headers?: HeaderList;
  identity?: string;
  address?: string;
  connection?: number;
}

/** A request; the stream that it made. */
function send(host: ScriptedHost, from: Sender = {}): FakeStream {
  const stream = host.open();
  const { path = "/", method = "GET", headers = [] } = from;
  if (from.identity) stream.properties.set("connection.uri_san_peer_certificate", from.identity);
  if (from.address) stream.properties.set("source.address", from.address);
  if (from.connection) stream.properties.set("connection.id", longBytes(from.connection));
  const action = stream.onRequestHeaders([
    [":method", method],
    [":path", path],
    [":authority", "shop"],
    ...headers,
  ]);
  expect(action).toBe(stream.reply === null ? CONTINUE : PAUSE);
  return stream;
}

/** 200 if the request was let through, or what it was answered. */
function ask(host: ScriptedHost, from: Sender = {}): number {
  const stream = send(host, from);
  stream.end();
  return stream.reply?.status ?? 200;
}

/** What the host has been told, as soon as it is told. */
function counters(host: ScriptedHost): { [name: string]: number } {
  host.tick(0);
  return Object.fromEntries(
    host.metrics
      .filter(({ value }) => value > 0n)
      .map(({ name, value }) => [name.replace(/^.*http_local_rate_limit\./, ""), Number(value)]),
  );
}

describe("the bucket for everybody", () => {
  test("lets through what it has tokens for, and refuses the rest as Envoy does", () => {
    const host = start({ token_bucket: bucket(2) });
    expect([ask(host), ask(host)]).toEqual([200, 200]);
    expect(send(host).reply).toEqual({
      status: 429,
      details: "local_rate_limited",
      body: "local_rate_limited",
      headers: [],
      grpcStatus: -1,
    });
    host.time += second;
    expect([ask(host), ask(host)]).toEqual([200, 429]);
    expect(counters(host)).toEqual({ enabled: 5, ok: 3, rate_limited: 2, enforced: 2 });
  });

  test("fills evenly, not by leaps", () => {
    const host = start({ token_bucket: { max_tokens: 10, tokens_per_fill: 10, fill_interval: "1s" } });
    for (let i = 0; i < 10; i++) expect(ask(host)).toBe(200);
    expect(ask(host)).toBe(429);
    host.time += second / 10n;
    expect([ask(host), ask(host)]).toEqual([200, 429]);
  });

  test("status, gRPC status and headers can be chosen", () => {
    const host = start({
      token_bucket: bucket(1),
      status: 503,
      rate_limited_as_resource_exhausted: true,
      response_headers_to_add: { "x-why": "too many", "Retry-After": "1" },
    });
    ask(host);
    expect(send(host).reply).toMatchObject({
      status: 503,
      headers: [
        ["x-why", "too many"],
        ["Retry-After", "1"],
      ],
      grpcStatus: 8,
    });
  });

  test("the clock is set back by an hour: empty, and it fills from there", () => {
    const host = start({ token_bucket: bucket(3) });
    expect([ask(host), ask(host)]).toEqual([200, 200]);
    host.time -= 3600n * second;
    expect([ask(host), ask(host)]).toEqual([429, 429]);
    host.time += second;
    expect([ask(host), ask(host)]).toEqual([200, 429]);
    host.time += 10n * second;
    expect([ask(host), ask(host), ask(host), ask(host)]).toEqual([200, 200, 200, 429]);
  });

  test("an empty bucket is refused without asking the store, until it can have a token", () => {
    const host = start({ token_bucket: bucket(1) });
    ask(host);
    send(host);
    const stream = host.open();
    stream.onRequestHeaders([[":path", "/"]]);
    expect(host.calls.filter((call) => call.includes("shared"))).toEqual([]);
    host.time += second;
    expect(ask(host)).toBe(200);
  });

  test("the store is read and written once per request", () => {
    const host = start({ token_bucket: bucket(5) });
    ask(host);
    host.open().onRequestHeaders([[":path", "/"]]);
    expect(host.calls.map((call) => call.replace(/ ".*/, ""))).toEqual(["time", "get shared", "set shared"]);
  });
});

describe("batches", () => {
  test("a worker asks the store once for so many requests, and gives no more than there were", () => {
    const host = start({ token_bucket: bucket(5, "10s"), batch_size: 3 });
    const asked: number[] = [];
    const statuses: number[] = [];
    for (let i = 0; i < 6; i++) {
      const stream = host.open();
      stream.onRequestHeaders([[":path", "/"]]);
      asked.push(host.calls.filter((call) => call.startsWith("get shared")).length);
      statuses.push(stream.reply?.status ?? 200);
      stream.end();
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429]);
    expect(asked).toEqual([1, 0, 0, 1, 0, 0]);
    host.time += 10n * second;
    expect([ask(host), ask(host)]).toEqual([200, 429]);
  });

  test("what is held back counts as left", () => {
    const host = start({
      token_bucket: bucket(4, "10s"),
      batch_size: 3,
      enable_x_ratelimit_headers: "DRAFT_VERSION_03",
    });
    const left = () => {
      const stream = send(host);
      stream.onResponseHeaders([[":status", "200"]]);
      return stream.responseHeaders.slice(2).map(([, value]) => value);
    };
    expect([left(), left(), left(), left(), left()]).toEqual([
      ["3", "0"],
      ["2", "0"],
      ["1", "0"],
      ["0", "10"],
      ["0", "10"],
    ]);
  });

  test("buckets per value are exact all the same", () => {
    const host = start({
      descriptors: [{ entries: [{ header: { name: "k" } }], token_bucket: bucket(3) }],
      batch_size: 3,
    });
    const from = (k: string) => ask(host, { headers: [["k", k]] });
    expect([from("a"), from("b"), from("a"), from("a"), from("a"), from("b")]).toEqual([
      200, 200, 200, 200, 429, 200,
    ]);
  });
});

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

describe("answers tell of the limit", () => {
  const tell = { enable_x_ratelimit_headers: "DRAFT_VERSION_03" };

  test("on refusals and on what was let through", () => {
    const host = start({ token_bucket: bucket(2, "90s"), ...tell });
    const headers = () => {
      const stream = send(host);
      stream.onResponseHeaders([[":status", stream.reply === null ? "200" : "429"]]);
      return stream.responseHeaders.slice(1).map(([name, value]) => `${name}: ${value}`);
    };
    expect(headers()).toEqual(["x-ratelimit-limit: 2", "x-ratelimit-remaining: 1", "x-ratelimit-reset: 0"]);
    expect(headers()).toEqual(["x-ratelimit-limit: 2", "x-ratelimit-remaining: 0", "x-ratelimit-reset: 90"]);
    expect(headers()).toEqual(["x-ratelimit-limit: 2", "x-ratelimit-remaining: 0", "x-ratelimit-reset: 90"]);
    host.time += 30n * second;
    expect(headers()).toEqual(["x-ratelimit-limit: 2", "x-ratelimit-remaining: 0", "x-ratelimit-reset: 60"]);
  });

  test("not where no rule applied", () => {
    const host = start({
      descriptors: [{ entries: [{ path: { exact: "/a" } }], token_bucket: bucket(2) }],
      ...tell,
    });
    const stream = send(host);
    stream.onResponseHeaders([[":status", "200"]]);
    expect(stream.responseHeaders).toEqual([[":status", "200"]]);
  });

  test("a context that is used again tells nothing of its former stream", () => {
    const host = start({
      descriptors: [{ entries: [{ path: { exact: "/a" } }], token_bucket: bucket(2) }],
      ...tell,
    });
    send(host, { path: "/a" }).end();
    const stream = send(host);
    stream.onResponseHeaders([[":status", "200"]]);
    expect(stream.responseHeaders).toEqual([[":status", "200"]]);
  });
});

describe("enabled and enforced", () => {
  test("not enforced: counted, marked and let through", () => {
    const host = start({
      token_bucket: bucket(1),
      enforced: false,
      request_headers_to_add_when_not_enforced: { "x-over": "1" },
    });
    expect(send(host).requestHeaders).toHaveLength(3);
    const over = send(host);
    expect([over.reply, over.requestHeaders.at(-1)]).toEqual([null, ["x-over", "1"]]);
    expect(counters(host)).toEqual({ enabled: 2, ok: 1, rate_limited: 1 });
  });

  test("not enabled: not counted at all", () => {
    const host = start({ token_bucket: bucket(1), enabled: false });
    expect([ask(host), ask(host)]).toEqual([200, 200]);
    expect(counters(host)).toEqual({});
  });

  test("by percentages", () => {
    const host = start({ token_bucket: bucket(1, "1000s"), enabled: 50, enforced: 20 });
    for (let i = 0; i < 4000; i++) ask(host);
    const { enabled, rate_limited, enforced } = counters(host);
    expect(Math.abs(enabled - 2000)).toBeLessThan(200);
    expect(Math.abs(enforced - rate_limited / 5)).toBeLessThan(100);
  });
});

test("counters are told once a second, and when the plugin goes", () => {
  const host = start({ token_bucket: bucket(1) });
  expect(host.tickPeriod).toBe(1000);
  const told = () => host.metrics.map(({ value }) => Number(value)).slice(0, 4);
  ask(host);
  ask(host);
  expect(told()).toEqual([0, 0, 0, 0]);
  host.tick();
  expect(told()).toEqual([2, 1, 1, 1]);
  host.tick();
  expect(host.calls).toEqual([]);
  ask(host);
  host.shutdown();
  expect(told()).toEqual([3, 2, 1, 1]);
});

describe("the store", () => {
  const broken = { proxy_get_shared_data: 10 };

  test.each([
    [{}, 200],
    [{ failure_mode_deny: true }, 500],
  ])("that does not answer: %o", (option, status) => {
    const host = start({ token_bucket: bucket(1), ...option });
    host.answers = broken;
    expect([ask(host), ask(host)]).toEqual([status, status]);
    expect(counters(host).store_failures).toBe(2);
    host.answers = {};
    expect([ask(host), ask(host)]).toEqual([200, 429]);
  });

  test("whose entries always change under us: after so many attempts it counts as broken", () => {
    const host = start({ token_bucket: bucket(1), failure_mode_deny: true });
    ask(host);
    host.time += second;
    host.answers = { proxy_set_shared_data: 8 };
    const stream = send(host);
    expect(stream.reply).toMatchObject({ status: 500, details: "rate_limiter_error", body: "" });
    expect(counters(host)).toMatchObject({ store_failures: 1, store_conflicts: 64 });
  });

  test("keeps no more than its entries, however many keys come", () => {
    const host = start({
      descriptors: [{ entries: [{ header: { name: "k" } }], token_bucket: bucket(5, "10s"), max_keys: 160 }],
    });
    for (let i = 0; i < 5000; i++) ask(host, { headers: [["k", `key-${i}`]] });
    // Ten groups of sixteen, and the seed.
    expect(host.shared.size).toBe(11);
    for (const { value } of host.shared.values()) expect(value.length).toBeLessThanOrEqual(256);
    expect(counters(host).displaced_buckets).toBeGreaterThan(4000);
  });

  test("whose bucket is empty gains nothing by a flood of invented keys", () => {
    const host = start({
      descriptors: [{ entries: [{ header: { name: "k" } }], token_bucket: bucket(5, "10s"), max_keys: 160 }],
    });
    const from = (k: string) => ask(host, { headers: [["k", k]] });
    for (let i = 0; i < 5; i++) expect(from("greedy")).toBe(200);
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 2000; i++) from(`key-${round}-${i}`);
      expect(from("greedy")).toBe(429);
    }
    expect(counters(host).displaced_buckets).toBeGreaterThan(100);
    host.time += 10n * second;
    expect([from("greedy"), from("greedy")]).toEqual([200, 429]);
  });

  test("a filter of another name has buckets of its own; one of the same domain shares them", () => {
    const configuration = { token_bucket: bucket(1), domain: "shop" };
    const first = start(configuration);
    const beside = (configuration: unknown, name: string) =>
      ScriptedHost.start(module, { configuration, properties: { plugin_name: name }, beside: first });
    expect(ask(first)).toBe(200);
    expect(ask(beside(configuration, "other"))).toBe(429);
    expect(ask(beside({ token_bucket: bucket(1) }, "other"))).toBe(200);
    // Another limit is another bucket.
    expect(ask(beside({ token_bucket: bucket(2), domain: "shop" }, "other"))).toBe(200);
  });

  test("a configuration that is loaded again goes on with the same buckets", () => {
    const configuration = {
      descriptors: [{ entries: [{ header: { name: "k" } }], token_bucket: bucket(1) }],
    };
    const from: Sender = { headers: [["k", "a"]] };
    const before = start(configuration);
    expect(ask(before, from)).toBe(200);
    const after = ScriptedHost.start(module, {
      configuration,
      properties: { plugin_name: "limits" },
      beside: before,
    });
    expect(ask(after, from)).toBe(429);
  });
});

test("memory stays flat over many requests, refused ones too", () => {
  const host = start({
    token_bucket: bucket(1000),
    descriptors: [
      { entries: [{ header: { name: "k" } }], token_bucket: bucket(1), max_keys: 64 },
      { entries: [{ path: { prefix: "/" } }, { source_address: {} }], token_bucket: bucket(1000) },
    ],
    enable_x_ratelimit_headers: "DRAFT_VERSION_03",
    response_headers_to_add: { "x-a": "b" },
  });
  let memory = 0;
  for (let i = 0; i < 10_000; i++) {
    const stream = send(host, { headers: [["k", `${i % 100}`]], address: `10.0.0.${i % 200}:80` });
    stream.onResponseHeaders([[":status", "200"]]);
    stream.end();
    if (i === 1000) memory = host.memorySize;
  }
  expect(host.memorySize).toBe(memory);
});
