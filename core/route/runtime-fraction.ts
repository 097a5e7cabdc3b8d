/** Whether a request belongs to a share of the traffic: Envoy's `RuntimeFractionalPercent`. */
import type { RuntimeFraction } from "../config/model.ts";

/** The merged runtime of a snapshot. */
export type Runtime = { readonly [key: string]: string | number | boolean };

/**
 * True if `random` (a non-negative integer, one per request) falls into the share. A runtime key that is set to
 * a number overrides it, as a percentage.
 */
export function inFraction(fraction: RuntimeFraction, random: number, runtime: Runtime): boolean {
  if (fraction.runtimeKey !== "" && Object.hasOwn(runtime, fraction.runtimeKey)) {
    const value = runtime[fraction.runtimeKey];
    if (typeof value === "number") return random % 100 < value;
  }
  return random % fraction.denominator < fraction.numerator;
}
