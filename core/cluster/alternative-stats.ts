/**
 * Answers of a cluster that are counted a second time, below a name that internal clients choose
 * (`x-envoy-upstream-alt-stat-name`): `cluster.<cluster>.<name>.upstream_rq_<code>`.
 *
 * Law: what clients choose is bounded. A name beyond the limits is not counted, and nobody is refused for it.
 */
import { isToken } from "../bytes/ascii.ts";
import { alternativeScope, clusterResponseStats } from "../telemetry/cluster-stats.ts";
import type { ResponseCodeStats } from "../telemetry/response-stats.ts";
import type { Scope, StatsStore } from "../telemetry/stats.ts";

const MAX_NAMES = 100;
const MAX_NAME_BYTES = 64;
/** What is counted below them is there already, of the cluster or of another name. */
const TAKEN = /(^|\.)(external|internal|retry)$/;

export class AlternativeStats {
  private readonly store: StatsStore;
  private readonly statName: string;
  private readonly scopes = new Map<string, Scope>();

  /** `statName` is the cluster's name in statistics. */
  constructor(store: StatsStore, statName: string) {
    this.store = store;
    this.statName = statName;
  }

  /** Where to count under that name; null if it is no token, taken, too long, or one too many. */
  responses(name: string): ResponseCodeStats | null {
    let scope = this.scopes.get(name);
    if (scope === undefined) {
      if (this.scopes.size >= MAX_NAMES || !isName(name)) return null;
      scope = alternativeScope(this.store, this.statName, name);
      this.scopes.set(name, scope);
    }
    return clusterResponseStats(scope);
  }

  /** The cluster is gone. */
  release(): void {
    for (const scope of this.scopes.values()) scope.release();
    this.scopes.clear();
  }
}

function isName(text: string): boolean {
  return text.length <= MAX_NAME_BYTES && isToken(text) && !TAKEN.test(text);
}
