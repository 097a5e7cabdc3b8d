import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Balancer } from "../../../core/cluster/balancer.ts";
import { Edf } from "../../../core/cluster/edf.ts";
import { EndpointState } from "../../../core/cluster/endpoint.ts";
import { balancerOf } from "../../../core/cluster/lb-policy.ts";
import type { Cluster } from "../../../core/config/model.ts";
import { cluster, NOWHERE, seeded, weighted } from "../../support/cluster-fixture.ts";

type Policy = Cluster["lbPolicy"];

function states(...weights: number[]): EndpointState[] {
  return weighted(...weights).map((one) => new EndpointState(one, NOWHERE, 0));
}

function balancer(lbPolicy: Policy, endpoints: EndpointState[], seed = 1): Balancer {
  const made = balancerOf(cluster({ lbPolicy }), seeded(seed));
  made.update(endpoints);
  return made;
}

/** How often each endpoint is picked. */
function counts(from: Balancer, endpoints: EndpointState[], picks: number): number[] {
  const count = new Map<EndpointState | null, number>();
  for (let i = 0; i < picks; i++) {
    const picked = from.pick();
    count.set(picked, (count.get(picked) ?? 0) + 1);
  }
  return endpoints.map((one) => count.get(one) ?? 0);
}

/** Pearson's statistic against the shares of `weights`. */
function chiSquare(observed: number[], weights: number[]): number {
  const total = observed.reduce((sum, n) => sum + n, 0);
  const all = weights.reduce((sum, w) => sum + w, 0);
  return observed.reduce((sum, n, i) => {
    const expected = (total * weights[i]) / all;
    return sum + (n - expected) ** 2 / expected;
  }, 0);
}

const POLICIES: Policy[] = ["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM"];

describe("every balancer", () => {
  test.each(POLICIES)("%s: an empty list gives null, one endpoint gives that one", (policy) => {
    expect(balancer(policy, []).pick()).toBeNull();
    const [only] = states(5);
    const one = balancer(policy, [only]);
    for (let i = 0; i < 5; i++) expect(one.pick()).toBe(only);
  });

  test.each(POLICIES)("%s: picks from the new list after an update", (policy) => {
    const all = states(1, 1, 1, 4);
    const made = balancer(policy, all);
    for (let i = 0; i < 7; i++) made.pick();
    const fewer = all.slice(0, 2);
    made.update(fewer);
    const seen = counts(made, all, 1000);
    expect(seen[0]).toBeGreaterThan(0);
    expect(seen[1]).toBeGreaterThan(0);
    expect(seen.slice(2)).toEqual([0, 0]);
    made.update([]);
    expect(made.pick()).toBeNull();
  });

  // With k endpoints the statistic has k - 1 degrees of freedom; 24.3 is exceeded once in 10^4 runs for 5.
  test.each(POLICIES)("%s: shares follow the weights (chi-square)", (policy) => {
    const weights = [1, 2, 3, 5, 9, 1];
    const endpoints = states(...weights);
    expect(chiSquare(counts(balancer(policy, endpoints), endpoints, 21_000), weights)).toBeLessThan(24.3);
  });

  test.each(POLICIES)("%s: equal weights share equally (chi-square)", (policy) => {
    const endpoints = states(7, 7, 7, 7, 7, 7);
    const seen = counts(balancer(policy, endpoints), endpoints, 12_000);
    expect(chiSquare(seen, [1, 1, 1, 1, 1, 1])).toBeLessThan(24.3);
  });

  test.each(POLICIES)("%s: workers with other seeds start elsewhere", (policy) => {
    for (const weights of [
      [1, 1, 1, 1],
      [1, 2, 3, 4],
    ]) {
      const endpoints = states(...weights);
      const first = new Set<unknown>();
      for (let seed = 0; seed < 40; seed++) first.add(balancer(policy, endpoints, seed).pick());
      expect(first.size).toBeGreaterThan(1);
    }
  });
});

describe("ROUND_ROBIN", () => {
  test("with equal weights every endpoint comes once per round, and an update does not restart the round", () => {
    const endpoints = states(1, 1, 1);
    const made = balancer("ROUND_ROBIN", endpoints);
    const round = [made.pick(), made.pick(), made.pick()];
    expect(new Set(round)).toEqual(new Set(endpoints));
    expect(made.pick()).toBe(round[0]);
    made.update([...endpoints]);
    expect(made.pick()).toBe(round[1]);
  });

  test("with weights 1 and 3 the heavy one never waits long for its turn", () => {
    const [light, heavy] = states(1, 3);
    const made = balancer("ROUND_ROBIN", [light, heavy]);
    const turns = Array.from({ length: 40 }, () => (made.pick() === heavy ? "b" : "a")).join("");
    expect(turns).not.toContain("aa");
    expect(turns).not.toContain("bbbbb"); // b b b and, where deadlines tie, one more
  });

  test("property: after any number of turns each entry is within one turn of its exact share", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 128 }), { minLength: 1, maxLength: 12 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (weights, phase) => {
          const total = weights.reduce((sum, w) => sum + w, 0);
          const edf = new Edf();
          edf.build(weights, phase);
          const turns = weights.map(() => 0);
          // A whole period: from wherever it starts, everyone gets exactly its weight.
          for (let i = 0; i < total; i++) {
            const entry = edf.next();
            turns[entry]++;
            edf.advance(weights[entry]);
          }
          for (let i = 0; i < weights.length; i++)
            expect(Math.abs(turns[i] - weights[i])).toBeLessThanOrEqual(1);
        },
      ),
      { seed: 7 },
    );
  });

  test("property: starting at any phase is the schedule of phase 0, some turns later", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 6 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (weights, phase) => {
          const run = (start: number, turns: number): number[] => {
            const edf = new Edf();
            edf.build(weights, start);
            return Array.from({ length: turns }, () => {
              const entry = edf.next();
              edf.advance(weights[entry]);
              return entry;
            });
          };
          const total = weights.reduce((sum, w) => sum + w, 0);
          const skipped = weights.reduce((sum, w) => sum + Math.floor(phase * w), 0);
          const late = run(phase, total);
          const full = run(0, total + skipped).slice(skipped);
          // Ties may resolve differently; how often each comes may not.
          const tally = (list: number[]) => weights.map((_, i) => list.filter((entry) => entry === i).length);
          const [a, b] = [tally(late), tally(full)];
          for (let i = 0; i < weights.length; i++) expect(Math.abs(a[i] - b[i])).toBeLessThanOrEqual(1);
        },
      ),
      { seed: 7 },
    );
  });

  test("equal weights: first in, first out, round after round", () => {
    const edf = new Edf();
    edf.build([2, 2, 2, 2], 0);
    const turns = Array.from({ length: 12 }, () => {
      const entry = edf.next();
      edf.advance(2);
      return entry;
    });
    expect(turns).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]);
  });

  test("entries without weight never come up; none at all gives -1", () => {
    const edf = new Edf();
    edf.build([0, 2, 0], 0.5);
    for (let i = 0; i < 9; i++) {
      expect(edf.next()).toBe(1);
      edf.advance(2);
    }
    edf.build([0, 0], 0);
    expect(edf.next()).toBe(-1);
    expect(edf.length).toBe(0);
  });
});

describe("LEAST_REQUEST", () => {
  test("two choices: the idle one of two is picked 3 times in 4 (drawn with replacement, as Envoy)", () => {
    const [idle, busy] = states(1, 1);
    busy.rqActive = 10;
    const seen = counts(balancer("LEAST_REQUEST", [idle, busy]), [idle, busy], 20_000);
    expect(chiSquare(seen, [3, 1])).toBeLessThan(15.1); // 1 degree of freedom, one in 10^4
  });

  test("more choices find the least loaded more often", () => {
    const endpoints = states(1, 1, 1, 1, 1);
    for (const [i, one] of endpoints.entries()) one.rqActive = i;
    const made = balancerOf(cluster({ lbPolicy: "LEAST_REQUEST", leastRequestChoiceCount: 10 }), seeded(3));
    made.update(endpoints);
    const seen = counts(made, endpoints, 10_000);
    expect(seen[0] / 10_000).toBeCloseTo(1 - 0.8 ** 10, 1);
    expect(seen[4]).toBeLessThan(5); // 0.2^10
  });

  test("kept busy by what it picks, it balances better than RANDOM", () => {
    const imbalance = (policy: Policy): number => {
      const endpoints = states(...new Array(10).fill(1));
      const made = balancer(policy, endpoints, 5);
      for (let i = 0; i < 1000; i++) (made.pick() as EndpointState).rqActive++;
      return (
        Math.max(...endpoints.map((one) => one.rqActive)) - Math.min(...endpoints.map((one) => one.rqActive))
      );
    };
    expect(imbalance("LEAST_REQUEST")).toBeLessThan(imbalance("RANDOM"));
    expect(imbalance("LEAST_REQUEST")).toBeLessThanOrEqual(6);
  });

  test("weighted: at equal load the weights decide, a loaded one gets weight / (active + 1)", () => {
    const endpoints = states(2, 1);
    const made = balancer("LEAST_REQUEST", endpoints);
    expect(chiSquare(counts(made, endpoints, 9000), [2, 1])).toBeLessThan(1);
    endpoints[0].rqActive = 3; // 2 / 4 against 1
    made.update(endpoints);
    expect(chiSquare(counts(made, endpoints, 9000), [1, 2])).toBeLessThan(1);
  });

  test("bias 0 looks at weights only, bias 2 at load squared", () => {
    for (const [bias, shares] of [
      [0, [2, 1]],
      [2, [2 / 16, 1]],
    ] as const) {
      const endpoints = states(2, 1);
      endpoints[0].rqActive = 3;
      const made = balancerOf(
        cluster({ lbPolicy: "LEAST_REQUEST", leastRequestActiveRequestBias: bias }),
        seeded(1),
      );
      made.update(endpoints);
      expect(chiSquare(counts(made, endpoints, 9000), [...shares])).toBeLessThan(1);
    }
  });
});

describe("RANDOM", () => {
  test("property: the alias table gives every weight its share exactly", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 20 }), (weights) => {
        const endpoints = states(...weights);
        // An even sweep of [0, 1) instead of random numbers: the shares must come out as the areas do.
        const steps = 20_000;
        let step = 0;
        const made = balancerOf(cluster({ lbPolicy: "RANDOM" }), () => (step++ % steps) / steps);
        made.update(endpoints);
        step = 0;
        const seen = counts(made, endpoints, steps);
        const total = weights.reduce((sum, w) => sum + w, 0);
        for (let i = 0; i < weights.length; i++) {
          // Each of at most 2n boundaries may be off by one step.
          expect(Math.abs(seen[i] - (steps * weights[i]) / total)).toBeLessThanOrEqual(2 * weights.length);
        }
      }),
      { seed: 7, numRuns: 60 },
    );
  });
});
