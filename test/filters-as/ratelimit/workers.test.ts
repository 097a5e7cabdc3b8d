/** Several workers with one store, each in the middle of the others' work: what they give together has one limit. */
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ScriptedHost } from "../../../runtime-adapters/filter-tool/scripted-host/scripted-host.ts";
import { shippedFilter } from "../../support/filter-build.ts";

let module: string;
beforeAll(() => {
  module = shippedFilter("ratelimit");
}, 60_000);

const second = 1_000_000_000n;

function startWorkers(count: number, configuration: unknown): ScriptedHost[] {
  const options = { configuration, properties: { plugin_name: "limits" } };
  const first = ScriptedHost.start(module, options);
  const others = Array.from({ length: count - 1 }, () =>
    ScriptedHost.start(module, { ...options, beside: first }),
  );
  return [first, ...others];
}

/** True if a worker let a request with that key through. */
function ask(host: ScriptedHost, key: string): boolean {
  const stream = host.open();
  stream.onRequestHeaders([
    [":path", "/"],
    ["k", key],
  ]);
  stream.end();
  return stream.reply === null;
}

/** A counter of all workers together. */
function count(hosts: ScriptedHost[], counter: string): number {
  let sum = 0;
  for (const host of hosts) {
    host.tick(0);
    sum += Number(host.metrics.find(({ name }) => name.endsWith(counter))?.value ?? 0);
  }
  return sum;
}

/** Windows in which more was given than max + elapsed ÷ cost. */
function excesses(times: bigint[], max: bigint, cost: bigint): number {
  const sorted = times.toSorted((a, b) => Number(a - b));
  let count = 0;
  for (let i = 0; i < sorted.length; i++) {
    for (let j = i; j < sorted.length; j++) {
      if (BigInt(j - i + 1) > max + (sorted[j] - sorted[i]) / cost) count++;
    }
  }
  return count;
}

describe("workers with one store", () => {
  test("the first of them makes the secret that all hash with", () => {
    const [first, second] = startWorkers(2, {
      descriptors: [
        { entries: [{ header: { name: "k" } }], token_bucket: { max_tokens: 1, fill_interval: "1s" } },
      ],
    });
    expect([ask(first, "a"), ask(second, "a"), ask(second, "b"), ask(first, "b")]).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  test("a bucket that both make at the same time is one bucket", () => {
    const [one, other] = startWorkers(2, { token_bucket: { max_tokens: 1, fill_interval: "1s" } });
    let otherWasLet = false;
    one.afterRead = () => {
      one.afterRead = null;
      otherWasLet = ask(other, "");
    };
    expect([ask(one, ""), otherWasLet]).toEqual([false, true]);
    expect(count([one], "conflicts")).toBe(1);
  });

  test("what one learns of an empty bucket, another may have made emptier, never fuller", () => {
    const [one, other] = startWorkers(2, { token_bucket: { max_tokens: 2, fill_interval: "1s" } });
    expect([ask(one, ""), ask(other, ""), ask(one, "")]).toEqual([true, true, false]);
    for (const host of [one, other]) host.time += second;
    expect([ask(other, ""), ask(one, "")]).toEqual([true, false]);
    for (const host of [one, other]) host.time += second;
    expect([ask(one, ""), ask(other, "")]).toEqual([true, false]);
  });

  test("however they interleave, with clocks that differ, no key gets more than its limit", () => {
    const step = fc.record({
      worker: fc.integer({ min: 0, max: 3 }),
      key: fc.integer({ min: 0, max: 30 }),
      wait: fc.bigInt(0n, 20_000_000n),
      // Who works in the middle of this one's work, and by how much its clock differs.
      intruders: fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 30 })), {
        maxLength: 3,
      }),
      late: fc.bigInt(0n, 5_000_000n),
    });
    const limits = fc.record({
      max_tokens: fc.integer({ min: 1, max: 4 }),
      tokens_per_fill: fc.integer({ min: 1, max: 3 }),
      max_keys: fc.constantFrom(16, 64),
      batch_size: fc.constantFrom(1, 1, 5),
    });
    let lost = 0;
    let displaced = 0;
    let given = 0;
    fc.assert(
      fc.property(limits, fc.array(step, { minLength: 50, maxLength: 150 }), (limit, steps) => {
        const { max_tokens, tokens_per_fill, max_keys, batch_size } = limit;
        const fill = { max_tokens, tokens_per_fill, fill_interval: "1s" };
        const hosts = startWorkers(4, {
          token_bucket: { max_tokens: 20, tokens_per_fill: 50, fill_interval: "1s" },
          descriptors: [{ entries: [{ header: { name: "k" } }], token_bucket: fill, max_keys }],
          batch_size,
        });
        const perKey = new Map<number, bigint[]>();
        const all: bigint[] = [];
        let clock = hosts[0].time;
        const busy = new Set<ScriptedHost>();
        const letIn = (worker: number, key: number, late: bigint) => {
          const host = hosts[worker];
          // A worker does one thing at a time.
          if (busy.has(host)) return;
          busy.add(host);
          host.time = clock - late;
          if (ask(host, `${key}`)) {
            perKey.set(key, [...(perKey.get(key) ?? []), host.time]);
            all.push(host.time);
          }
          busy.delete(host);
        };
        for (const { worker, key, wait, intruders, late } of steps) {
          clock += wait;
          const queue = [...intruders];
          for (const host of hosts) {
            host.afterRead = () => {
              const next = queue.shift();
              if (next !== undefined) letIn(next[0], next[1], late / 2n);
            };
          }
          letIn(worker, key, late);
        }
        lost += count(hosts, "conflicts");
        displaced += count(hosts, "displaced_buckets");
        given += all.length;
        const cost = (second + BigInt(tokens_per_fill) - 1n) / BigInt(tokens_per_fill);
        for (const times of perKey.values()) expect(excesses(times, BigInt(max_tokens), cost)).toBe(0);
        // Each of four workers may have held back all but one of a batch.
        expect(excesses(all, 20n + 4n * BigInt(batch_size - 1), second / 50n)).toBe(0);
      }),
      { numRuns: 40 },
    );
    expect(lost).toBeGreaterThan(100);
    expect(displaced).toBeGreaterThan(100);
    expect(given).toBeGreaterThan(500);
  }, 60_000);
});
