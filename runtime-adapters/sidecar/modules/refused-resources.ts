/** What plugins that cannot be used mean for the resources that were read without a fault: none of them is in force. */
import type { NotInForce, Outcome } from "../subscriptions.ts";
import type { PluginOwner } from "./plugins-in-use.ts";
import { type Refusal, refusalLine } from "./refusal.ts";

/** The kinds of subscriptions that deliver what can have plugins. */
const KINDS = { listener: "LDS", "route configuration": "RDS", extension: "ECDS" } as const;

/** A reading as it is to be counted: what it brought may have been refused for its plugins. */
export function judged(reading: Outcome, refusals: readonly Refusal[]): Outcome {
  const { kind, name } = reading;
  const faults = refusals.flatMap((refusal) => {
    const { owner } = refusal;
    // A listener file is read as a whole; a filter's configuration is filed under its file and its name.
    const isIt = kind === "LDS" || (kind === "ECDS" ? owner.name.endsWith(name) : owner.name === name);
    return KINDS[owner.kind] === kind && isIt ? [refusalLine(refusal)] : [];
  });
  return faults.length === 0 ? reading : { ...reading, result: "rejected", changed: false, faults };
}

/** Refusals, and what waits, by resource, for whoever delivered it. */
export function notInForce(refusals: readonly Refusal[], waiting: readonly PluginOwner[]): NotInForce[] {
  const all = new Map<string, NotInForce>();
  for (const { kind, name } of waiting)
    all.set(`${kind} ${name}`, { kind: KINDS[kind], key: name, faults: [] });
  for (const refusal of refusals) {
    const { kind, name } = refusal.owner;
    const faults = [...(all.get(`${kind} ${name}`)?.faults ?? []), refusalLine(refusal)];
    all.set(`${kind} ${name}`, { kind: KINDS[kind], key: name, faults });
  }
  return [...all.values()];
}
