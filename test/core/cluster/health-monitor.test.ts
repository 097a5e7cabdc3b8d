/** What the answers of one endpoint come to, and how long it is left alone. Rules seen in Envoy 1.40. */
import { describe, expect, test } from "bun:test";
import { EndpointState, healthFlags } from "../../../core/cluster/endpoint.ts";
import { type HealthFailure, HealthMonitor } from "../../../core/cluster/health-monitor.ts";
import type { HealthCheck } from "../../../core/config/health-check.ts";
import { endpoint, NOWHERE } from "../../support/cluster-fixture.ts";
import { failed, healthCheck } from "../../support/health-fixture.ts";

const TRANSITIONS = ["unchanged", "pending", "changed"];

function monitor(isNew = true): HealthMonitor {
  const state = new EndpointState(endpoint("10.0.0.1:80"), NOWHERE, 0);
  const made = new HealthMonitor(isNew ? failed(state) : state);
  made.first = isNew;
  return made;
}

/**
 * Letters in turn: `+` passes, `d` passes degraded, `-` an answer that says no, `r` one that is retriable, `n` no
 * connection, `t` no answer in time, `p` told a request so.
 */
function after(events: string, check: HealthCheck, on = monitor()): string {
  let last = "";
  for (const event of events) {
    const kinds: { readonly [event: string]: HealthFailure } = {
      "-": "ACTIVE",
      r: "ACTIVE",
      n: "NETWORK",
      t: "NETWORK_TIMEOUT",
      p: "PASSIVE",
    };
    const transition =
      event === "+" || event === "d"
        ? on.succeed(check, event === "d")
        : on.fail(check, kinds[event], event === "r");
    last = TRANSITIONS[transition];
  }
  return `${healthFlags("HEALTHY", on.endpoint.marks)} ${last}`;
}

describe("what is thought of it", () => {
  const three = healthCheck({ unhealthyThreshold: 3, healthyThreshold: 2 });
  test.each([
    // The first answer decides, whatever the thresholds.
    ["+", "healthy changed"],
    ["-", "/failed_active_hc unchanged"],
    ["r", "/failed_active_hc unchanged"],
    ["t", "/failed_active_hc/active_hc_timeout unchanged"],
    // A no is a no.
    ["+-", "/failed_active_hc changed"],
    ["++p", "/failed_active_hc changed"],
    // What is retriable, and what is the network's fault, counts.
    ["+r", "healthy pending"],
    ["+rr", "healthy pending"],
    ["+rrr", "/failed_active_hc changed"],
    ["+nn", "healthy pending"],
    ["+nnn", "/failed_active_hc changed"],
    ["+ntr", "/failed_active_hc changed"],
    ["+ttt", "/failed_active_hc/active_hc_timeout changed"],
    ["+nnt", "/failed_active_hc/active_hc_timeout changed"],
    ["+tttn", "/failed_active_hc unchanged"],
    // In a row.
    ["+nn+nn", "healthy pending"],
    ["+nn+", "healthy unchanged"],
    // And back.
    ["-+", "/failed_active_hc pending"],
    ["-++", "healthy changed"],
    ["-+-+", "/failed_active_hc pending"],
    ["ttt++", "healthy changed"],
    ["+-++nn", "healthy pending"],
    ["+-++nnn", "/failed_active_hc changed"],
    // Less load.
    ["d", "/degraded_active_hc changed"],
    ["+d", "/degraded_active_hc changed"],
    ["+d+", "healthy changed"],
    ["+d-", "/failed_active_hc/degraded_active_hc changed"],
  ])("%s: %s", (events, expected) => {
    expect(after(events, three)).toBe(expected);
  });

  test("thresholds of 1", () => {
    const one = healthCheck({ unhealthyThreshold: 1, healthyThreshold: 1 });
    expect(after("+n", one)).toBe("/failed_active_hc changed");
    expect(after("+n+", one)).toBe("healthy changed");
  });

  test("one that was there before checks were is trusted until it was asked, then by the thresholds", () => {
    expect(after("n", three, monitor(false))).toBe("healthy pending");
    expect(after("-", three, monitor(false))).toBe("/failed_active_hc changed");
  });
});

describe("how long it is left alone", () => {
  const check = healthCheck({
    interval: 1,
    unhealthyInterval: 2,
    unhealthyEdgeInterval: 3,
    healthyEdgeInterval: 4,
    noTrafficInterval: 5,
    noTrafficHealthyInterval: 6,
  });
  test.each([
    [true, "unchanged", 1, 6],
    [true, "changed", 1, 6],
    [true, "pending", 4, 5],
    [false, "unchanged", 2, 5],
    [false, "changed", 2, 5],
    [false, "pending", 3, 5],
  ] as const)(
    "passed %p, %s: %d ms, and %d ms while nobody asks for the cluster",
    (healthy, what, busy, quiet) => {
      const transition = TRANSITIONS.indexOf(what) as 0 | 1 | 2;
      const wait = (traffic: boolean) => monitor().wait(check, healthy, transition, traffic, () => 0);
      expect([wait(true), wait(false)]).toEqual([busy, quiet]);
    },
  );

  test("jitter is added: up to the percentage, and up to the time", () => {
    const jittery = healthCheck({ interval: 1000, intervalJitterPercent: 50, intervalJitter: 100 });
    const wait = (random: number) => monitor().wait(jittery, true, 0, true, () => random);
    expect([wait(0), wait(0.5), wait(0.999)]).toEqual([1000, 1300, 1598]);
  });

  test("never less than 1 ms: an interval that small must not starve the rest", () => {
    expect(monitor().wait(healthCheck({ interval: 0.25 }), true, 0, true, () => 0)).toBe(1);
  });
});
