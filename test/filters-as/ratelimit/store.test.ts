/** What the filter does with shared data: how much of it, for whom, and without it. */
import { beforeAll, describe, expect, test } from "bun:test";
import { ask, bucket, build, counters, type Sender, second, send, start } from "./limited-host.ts";

beforeAll(build, 60_000);

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
      start(configuration, { properties: { plugin_name: name }, beside: first });
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
    const after = start(configuration, { beside: before });
    expect(ask(after, from)).toBe(429);
  });
});
