/** The filter's counters: Envoy's four, and three that say how its store fares. */
import { Counter } from "../sdk/sdk";
import { ALLOWED, BROKEN, Limiter } from "./limiter";
import { Rule } from "./rule";

@final
export class Statistics {
  /** Requests that were counted, that were let through, that found no token, and that were refused for it. */
  readonly enabled: Counter;
  readonly ok: Counter;
  readonly rateLimited: Counter;
  readonly enforced: Counter;
  /** The store did not answer; another worker was faster; a bucket that was not full lost its slot. */
  readonly failures: Counter;
  readonly conflicts: Counter;
  readonly displacements: Counter;

  constructor(prefix: string) {
    const scope = `${prefix}.http_local_rate_limit.`;
    this.enabled = Counter.define(`${scope}enabled`);
    this.ok = Counter.define(`${scope}ok`);
    this.rateLimited = Counter.define(`${scope}rate_limited`);
    this.enforced = Counter.define(`${scope}enforced`);
    this.failures = Counter.define(`${scope}store_failures`);
    this.conflicts = Counter.define(`${scope}store_conflicts`);
    this.displacements = Counter.define(`${scope}displaced_buckets`);
  }

  /** Counts what became of a request. */
  note(verdict: i32, limiter: Limiter): void {
    this.enabled.increment();
    if (verdict === ALLOWED) this.ok.increment();
    else if (verdict !== BROKEN) this.rateLimited.increment();
    if (limiter.failures > 0) {
      this.failures.increment(limiter.failures);
      limiter.failures = 0;
    }
    if (Rule.conflicts > 0) {
      this.conflicts.increment(Rule.conflicts);
      Rule.conflicts = 0;
    }
    if (Rule.displacements > 0) {
      this.displacements.increment(Rule.displacements);
      Rule.displacements = 0;
    }
  }
}
