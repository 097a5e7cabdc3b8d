import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Pure, put, SCRATCH, startPure } from "./pure.ts";

const granted = 0;
const refused = 1;
const repaired = 2;
const second = 1_000_000_000n;
const start = 1_800_000_000n * second;

let pure: Pure;
beforeAll(() => {
  pure = startPure();
}, 60_000);

/** A bucket's limits: `max` tokens, one more every `cost` ns. */
interface Limit {
  max: bigint;
  cost: bigint;
}

/** What a worker did with the value it read: what to write, and whether there was a token. */
interface Step {
  outcome: number;
  value: Uint8Array;
}

/** One entry of the store, as a worker sees it. */
function spend(value: Uint8Array, key: bigint, now: bigint, { max, cost }: Limit): Step {
  const size = put(pure, SCRATCH, value);
  const outcome = pure.spend(SCRATCH, size, key, now, cost, max * cost, 1n);
  const at = pure.written.value as number;
  const bytes = new Uint8Array(pure.memory.buffer, at, pure.writtenSize.value as number);
  return { outcome, value: bytes.slice() };
}

/** The bucket as it is defined, with exact fractions: the oracle. */
class Oracle {
  private credit: bigint;
  private last: bigint;
  private readonly limit: Limit;

  constructor(limit: Limit, now: bigint) {
    this.limit = limit;
    this.credit = limit.max * limit.cost;
    this.last = now;
  }

  take(now: bigint): boolean {
    const full = this.limit.max * this.limit.cost;
    this.credit += now - this.last;
    if (this.credit > full) this.credit = full;
    this.last = now;
    if (this.credit < this.limit.cost) return false;
    this.credit -= this.limit.cost;
    return true;
  }
}

/** The most tokens that were given beyond max + elapsed ÷ cost, in the worst window; ≤ 0 if the law holds. */
function excess(times: bigint[], { max, cost }: Limit): bigint {
  const sorted = times.toSorted((a, b) => Number(a - b));
  let worst = -max;
  for (let i = 0; i < sorted.length; i++) {
    for (let j = i; j < sorted.length; j++) {
      const over = BigInt(j - i + 1) - max - (sorted[j] - sorted[i]) / cost;
      if (over > worst) worst = over;
    }
  }
  return worst;
}

const limits = fc.record({ max: fc.bigInt(1n, 6n), cost: fc.bigInt(1n, 1000n) });

describe("one bucket", () => {
  test("starts full, empties, and fills again", () => {
    const limit = { max: 2n, cost: second };
    let value: Uint8Array = new Uint8Array();
    const story: [bigint, number][] = [
      [0n, granted],
      [0n, granted],
      [0n, refused],
      [second - 1n, refused],
      [second, granted],
      [second, refused],
      [10n * second, granted],
      [10n * second, granted],
      [10n * second, refused],
    ];
    for (const [at, outcome] of story) {
      const step = spend(value, 7n, start + at, limit);
      expect([at, step.outcome]).toEqual([at, outcome]);
      if (outcome === granted) value = step.value;
    }
    expect(value.length).toBe(16);
  });

  test("says how many tokens are left, and how long until there is one", () => {
    expect(pure.tokensLeft(0n, 10n, 50n)).toBe(5n);
    expect(pure.tokensLeft(1n, 10n, 50n)).toBe(4n);
    expect(pure.tokensLeft(41n, 10n, 50n)).toBe(0n);
    expect(pure.tokensLeft(60n, 10n, 50n)).toBe(0n);
    expect(pure.untilToken(40n, 10n, 50n)).toBe(0n);
    expect(pure.untilToken(41n, 10n, 50n)).toBe(1n);
    expect(pure.untilToken(50n, 10n, 50n)).toBe(10n);
  });

  test("a token's price is rounded up: the rate is never higher than configured", () => {
    expect(pure.costOf(3n, second)).toBe(333_333_334n);
    expect(pure.costOf(1000n, second)).toBe(1_000_000n);
    expect(pure.costOf(4_294_967_295n, second)).toBe(1n);
  });

  test("is what the definition says, for any row of requests", () => {
    const gaps = fc.array(fc.bigInt(0n, 2500n), { maxLength: 60 });
    fc.assert(
      fc.property(limits, gaps, (limit, waits) => {
        const oracle = new Oracle(limit, start);
        let value: Uint8Array = new Uint8Array();
        let now = start;
        for (const wait of waits) {
          now += wait;
          const step = spend(value, 7n, now, limit);
          expect(step.outcome === granted).toBe(oracle.take(now));
          if (step.outcome === granted) value = step.value;
        }
      }),
    );
  });

  test("a value that is no row of slots counts as empty", () => {
    for (const size of [1, 15, 17, 272, 1024]) {
      const step = spend(new Uint8Array(size).fill(0xff), 7n, start, { max: 1n, cost: second });
      expect(step.outcome).toBe(granted);
      expect(step.value.length).toBe(16);
    }
  });
});

describe("when the clock is set back", () => {
  const limit = { max: 3n, cost: second };

  test("by little, the bucket is as empty as it was", () => {
    const first = spend(new Uint8Array(), 7n, start, limit);
    const later = spend(first.value, 7n, start - second / 2n, limit);
    expect(later.outcome).toBe(granted);
    expect(pure.debt.value).toBe(2n * second + second / 2n);
  });

  test("by an hour, the bucket is empty and fills from now on", () => {
    let { value } = spend(new Uint8Array(), 7n, start, limit);
    const now = start - 3600n * second;
    const step = spend(value, 7n, now, limit);
    expect(step.outcome).toBe(repaired);
    value = step.value;
    expect(spend(value, 7n, now, limit).outcome).toBe(refused);
    expect(spend(value, 7n, now + second, limit).outcome).toBe(granted);
  });

  test("all slots of a group are of use again", () => {
    let value: Uint8Array = new Uint8Array();
    for (let key = 0n; key < 16n; key++) value = spend(value, key, start, limit).value;
    const now = start - 3600n * second;
    const newcomer = spend(value, 99n, now, limit);
    expect(newcomer.outcome).toBe(repaired);
    expect(spend(newcomer.value, 99n, now + second, limit).outcome).toBe(granted);
  });
});

describe("many buckets in one group", () => {
  const limit = { max: 3n, cost: second };

  test("a full bucket's slot serves the next newcomer", () => {
    const first = spend(new Uint8Array(), 1n, start, limit);
    const second_ = spend(first.value, 2n, start + 10n * second, limit);
    expect(second_.value.length).toBe(16);
    expect(pure.displaced.value).toBe(0);
  });

  test("the seventeenth takes over the fullest one's slot with its debt", () => {
    let value: Uint8Array = new Uint8Array();
    // Bucket 5 gave one token, all others gave two.
    for (let key = 0n; key < 16n; key++) {
      value = spend(value, key, start, limit).value;
      if (key !== 5n) value = spend(value, key, start, limit).value;
    }
    expect(value.length).toBe(256);
    const step = spend(value, 100n, start, limit);
    expect(step.outcome).toBe(granted);
    expect(pure.displaced.value).toBe(1);
    expect(pure.debt.value).toBe(2n * second);
    // Whoever lost the slot comes back to no more than it had.
    const back = spend(step.value, 5n, start, limit);
    expect(back.outcome).toBe(granted);
    expect(spend(back.value, 5n, start, limit).outcome).toBe(refused);
  });

  test("up to sixteen at once, each is what the definition says", () => {
    const requests = fc.array(fc.tuple(fc.bigInt(0n, 15n), fc.bigInt(0n, 800n)), { maxLength: 200 });
    fc.assert(
      fc.property(limits, requests, (limit, row) => {
        const oracles = Array.from({ length: 16 }, () => new Oracle(limit, start));
        let value: Uint8Array = new Uint8Array();
        let now = start;
        for (const [key, wait] of row) {
          now += wait;
          const step = spend(value, key, now, limit);
          expect(step.outcome === granted).toBe(oracles[Number(key)].take(now));
          if (step.outcome === granted) value = step.value;
        }
      }),
    );
  });

  test("however many there are, and however workers interleave, none gives more than its limit", () => {
    const request = fc.record({
      key: fc.bigInt(0n, 40n),
      wait: fc.bigInt(0n, 30n),
      // How long ago the worker read the clock, and how many others write between its read and its write.
      late: fc.bigInt(0n, 200n),
      overtaken: fc.integer({ min: 0, max: 3 }),
    });
    let displacements = 0;
    let conflicts = 0;
    fc.assert(
      fc.property(limits, fc.array(request, { minLength: 100, maxLength: 300 }), (limit, row) => {
        const times = new Map<bigint, bigint[]>();
        let value: Uint8Array = new Uint8Array();
        let version = 0;
        let clock = start;
        const waiting: { key: bigint; now: bigint; after: number }[] = [];
        const attempt = (key: bigint, now: bigint) => {
          const step = spend(value, key, now, limit);
          if (step.outcome === refused) return;
          if (pure.displaced.value) displacements++;
          value = step.value;
          version++;
          if (step.outcome === granted) times.set(key, [...(times.get(key) ?? []), now]);
        };
        for (const { key, wait, late, overtaken } of row) {
          clock += wait;
          // A worker that lost a race tries again with the time that it read at first.
          while (waiting.length > 0 && waiting[0].after <= version) {
            const worker = waiting.shift()!;
            attempt(worker.key, worker.now);
            conflicts++;
          }
          if (overtaken === 0) attempt(key, clock - late);
          else waiting.push({ key, now: clock - late, after: version + overtaken });
        }
        for (const [key, all] of times) expect([key, excess(all, limit) <= 0n]).toEqual([key, true]);
      }),
      { numRuns: 200 },
    );
    expect(displacements).toBeGreaterThan(1000);
    expect(conflicts).toBeGreaterThan(1000);
  });
});
