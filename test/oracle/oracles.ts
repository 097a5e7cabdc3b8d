/** All that is recorded from Envoy and compared with us: the groups of asks, and the health checks. */
import type { YamlMap } from "../support/bootstrap.ts";
import { groups } from "./groups.ts";
import { cases } from "./health-checks/cases.ts";
import { runHealthCases } from "./health-checks/run.ts";
import { type Record, runGroup } from "./run-group.ts";

/** Starts a proxy and resolves when the port accepts; null if there is nothing to start. */
export type StartProxy = (file: YamlMap, port: number) => Promise<{ stop(): Promise<void> } | null>;

export interface Oracle {
  readonly name: string;
  /** Of what is observed, each by itself. */
  readonly ids: readonly string[];
  /** `expected`: what is recorded already. */
  run(start: StartProxy, expected: Record | null): Promise<Record | null>;
}

const healthChecks: Oracle = {
  name: "health-checks",
  ids: cases.map((one) => one.id),
  async run(start) {
    // Those that wait for a timeout by themselves: a machine that has much to do must not make others late.
    const late = cases.filter((one) => one.check.timeout !== undefined);
    const soon = await runHealthCases(
      cases.filter((one) => one.check.timeout === undefined),
      start,
    );
    const rest = await runHealthCases(late, start);
    const asks = { ...soon?.asks, ...rest?.asks };
    // What is observed is of another shape, and compared leaf by leaf as well.
    return soon === null ? null : ({ asks, stats: {} } as unknown as Record);
  },
};

export const oracles: readonly Oracle[] = [
  ...groups.map((group) => ({
    name: group.name,
    ids: group.asks.map((ask) => ask.id),
    run: (start: StartProxy, expected: Record | null) => runGroup(group, start, expected),
  })),
  healthChecks,
];
