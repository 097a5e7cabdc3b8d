/**
 * Picks one endpoint of a list. A balancer knows nothing of priorities, localities, health or retries: those
 * decide *which* list is asked (`endpoint-set.ts`), a balancer only spreads picks over one.
 *
 * Laws: `pick` is O(1) or O(log n) and allocates nothing; all randomness comes from the function given at
 * construction.
 */
import type { EndpointState } from "./endpoint.ts";

/** Uniform in [0, 1). */
export type Random = () => number;

export interface Balancer {
  /** Takes a new list (kept, not copied), or the same one with changed weights. O(n). */
  update(endpoints: readonly EndpointState[]): void;
  /** The next endpoint, or null if the list is empty. */
  pick(): EndpointState | null;
}

/** True if not all weights are equal: only then does a weighted schedule earn its cost. */
export function weightsDiffer(endpoints: readonly EndpointState[]): boolean {
  for (let i = 1; i < endpoints.length; i++) if (endpoints[i].weight !== endpoints[0].weight) return true;
  return false;
}
