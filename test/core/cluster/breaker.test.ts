import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Breaker } from "../../../core/cluster/breaker.ts";
import type { Thresholds } from "../../../core/config/model.ts";
import { BreakerStats, RemainingStats } from "../../../core/telemetry/cluster-stats.ts";
import { THRESHOLDS } from "../../support/cluster-fixture.ts";

function makeBreaker(differs: Partial<Thresholds> = {}, share = 1) {
  const stats = new BreakerStats();
  const remaining = new RemainingStats();
  const breaker = new Breaker(stats);
  const thresholds = { ...THRESHOLDS, ...differs };
  breaker.configure(thresholds, thresholds.trackRemaining ? remaining : null, share);
  return { breaker, stats, remaining };
}

describe("limits", () => {
  test("up to the limit and no further; the gauge opens with the last one and closes with the first given back", () => {
    const { breaker, stats } = makeBreaker({ maxRequests: 2 });
    expect(breaker.requests.tryAcquire()).toBe(true);
    expect(stats.rqOpen).toBe(0);
    expect(breaker.requests.tryAcquire()).toBe(true);
    expect(stats.rqOpen).toBe(1);
    expect(breaker.requests.tryAcquire()).toBe(false);
    expect(breaker.requests.active).toBe(2);
    breaker.requests.release();
    expect(stats.rqOpen).toBe(0);
    expect(breaker.requests.available).toBe(true);
  });

  test("0 refuses everything and is open from the start", () => {
    const { breaker, stats } = makeBreaker({ maxPendingRequests: 0 });
    expect(stats.rqPendingOpen).toBe(1);
    expect(breaker.pendingRequests.tryAcquire()).toBe(false);
  });

  test("the first connection of an endpoint may exceed the limit", () => {
    const { breaker, stats } = makeBreaker({ maxConnections: 1 });
    expect(breaker.connections.tryAcquire()).toBe(true);
    expect(breaker.connections.tryAcquire()).toBe(false);
    breaker.connections.acquire();
    expect(breaker.connections.active).toBe(2);
    breaker.connections.release();
    expect(stats.cxOpen).toBe(1);
    breaker.connections.release();
    expect(stats.cxOpen).toBe(0);
  });

  test("every limit has its own gauges", () => {
    const { breaker, stats, remaining } = makeBreaker({
      maxConnections: 1,
      maxConnectionPools: 1,
      maxPendingRequests: 1,
      maxRequests: 1,
      maxRetries: 1,
      trackRemaining: true,
    });
    expect({ ...remaining }).toEqual({
      remainingCx: 1,
      remainingCxPools: 1,
      remainingPending: 1,
      remainingRetries: 1,
      remainingRq: 1,
    });
    breaker.connections.tryAcquire();
    expect({ ...stats }).toEqual({ cxOpen: 1, cxPoolOpen: 0, rqOpen: 0, rqPendingOpen: 0, rqRetryOpen: 0 });
    breaker.connectionPools.tryAcquire();
    breaker.pendingRequests.tryAcquire();
    breaker.requests.tryAcquire();
    breaker.tryAcquireRetry();
    expect({ ...stats }).toEqual({ cxOpen: 1, cxPoolOpen: 1, rqOpen: 1, rqPendingOpen: 1, rqRetryOpen: 1 });
    expect(Object.values(remaining)).toEqual([0, 0, 0, 0, 0]);
  });

  test("what remains is not reported unless asked for, and withdrawn when no longer asked for", () => {
    const { breaker, remaining } = makeBreaker({ trackRemaining: true, maxRequests: 5 });
    breaker.requests.tryAcquire();
    expect(remaining.remainingRq).toBe(4);
    breaker.configure(THRESHOLDS, null);
    breaker.requests.tryAcquire();
    expect(remaining.remainingRq).toBe(0);
  });

  test("lower limits keep what is acquired and let nothing new in until it fell", () => {
    const { breaker, stats } = makeBreaker({ maxRequests: 3 });
    for (let i = 0; i < 3; i++) breaker.requests.tryAcquire();
    breaker.configure({ ...THRESHOLDS, maxRequests: 1 }, null);
    expect([breaker.requests.active, stats.rqOpen]).toEqual([3, 1]);
    breaker.requests.release();
    breaker.requests.release();
    expect(breaker.requests.tryAcquire()).toBe(false);
    breaker.requests.release();
    expect(breaker.requests.tryAcquire()).toBe(true);
  });

  test("workers divide the limits, rounded up", () => {
    const { breaker } = makeBreaker({ maxRequests: 10, maxRetries: 1, maxPendingRequests: 0 }, 4);
    expect([breaker.requests.max, breaker.retries.max, breaker.pendingRequests.max]).toEqual([3, 1, 0]);
  });
});

describe("retry budget", () => {
  const budget = { percent: 20, minConcurrency: 3 };

  test("never fewer than the minimum, then a percentage of active and queued requests", () => {
    const { breaker } = makeBreaker({ retryBudget: budget, maxRetries: 1 });
    const granted = (): number => {
      let count = 0;
      while (breaker.tryAcquireRetry()) count++;
      for (let i = 0; i < count; i++) breaker.retries.release();
      return count;
    };
    expect(granted()).toBe(3);
    for (let i = 0; i < 30; i++) breaker.requests.tryAcquire();
    expect(granted()).toBe(6);
    for (let i = 0; i < 15; i++) breaker.pendingRequests.tryAcquire();
    expect(granted()).toBe(9);
    for (let i = 0; i < 30; i++) breaker.requests.release();
    expect(granted()).toBe(3);
  });

  test("it replaces max_retries, and gives way to it again", () => {
    const { breaker, remaining } = makeBreaker({ maxRetries: 1, trackRemaining: true });
    expect(remaining.remainingRetries).toBe(1);
    breaker.configure({ ...THRESHOLDS, retryBudget: budget }, remaining);
    expect(remaining.remainingRetries).toBe(0);
    expect([1, 2, 3, 4].map(() => breaker.tryAcquireRetry())).toEqual([true, true, true, false]);
    breaker.configure({ ...THRESHOLDS, maxRetries: 4 }, remaining);
    expect(breaker.tryAcquireRetry()).toBe(true);
    expect(breaker.tryAcquireRetry()).toBe(false);
  });
});

test("property: never negative, never above the limit by tryAcquire, gauges always true", () => {
  const limits = ["connections", "connectionPools", "pendingRequests", "requests", "retries"] as const;
  const action = fc.record({
    limit: fc.constantFrom(...limits),
    what: fc.constantFrom("try", "force", "release"),
  });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), fc.nat(4), (actions, max) => {
      const { breaker, stats, remaining } = makeBreaker({
        maxConnections: max,
        maxConnectionPools: max,
        maxPendingRequests: max,
        maxRequests: max,
        maxRetries: max,
        trackRemaining: true,
      });
      let misused = 0;
      for (const { limit: name, what } of actions) {
        const limit = breaker[name];
        const before = limit.active;
        if (what === "try") {
          const got = limit.tryAcquire();
          expect(got).toBe(before < max);
          expect(limit.active).toBe(got ? before + 1 : before);
        } else if (what === "force") {
          limit.acquire();
        } else {
          limit.release();
          if (before === 0) misused++;
        }
        expect(limit.active).toBeGreaterThanOrEqual(0);
        expect(stats.rqOpen).toBe(breaker.requests.active >= max ? 1 : 0);
        expect(stats.cxOpen).toBe(breaker.connections.active >= max ? 1 : 0);
        expect(remaining.remainingRq).toBe(Math.max(0, max - breaker.requests.active));
        expect(remaining.remainingCxPools).toBe(Math.max(0, max - breaker.connectionPools.active));
      }
      expect(limits.reduce((sum, name) => sum + breaker[name].misuse, 0)).toBe(misused);
    }),
    { seed: 7, numRuns: 200 },
  );
});
