/** What the filter does to requests and answers, seen from a host. */
import { beforeAll, describe, expect, test } from "bun:test";
import { ask, bucket, build, counters, second, send, start } from "./limited-host.ts";

beforeAll(build, 60_000);

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
