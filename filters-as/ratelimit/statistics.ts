/**
 * The filter's counters: Envoy's four, and three that say how its store fares. They are kept here and told to the host
 * once a second: a call per counter and request would be felt.
 */
import { Counter } from "../sdk/sdk";
import { ALLOWED, BROKEN, Limiter } from "./limiter";
import { Rule } from "./rule";

/** One of them. */
@final
class Tally {
  private readonly counter: Counter;
  count: i64 = 0;

  constructor(name: string) {
    this.counter = Counter.define(name);
  }

  tell(): void {
    if (this.count > 0) this.counter.increment(this.count);
    this.count = 0;
  }
}

@final
export class Statistics {
  /** Requests that were counted, that were let through, that found no token, and that were refused for it. */
  private readonly enabled: Tally;
  private readonly ok: Tally;
  private readonly rateLimited: Tally;
  readonly enforced: Tally;
  /** The store did not answer; another worker was faster; a bucket that was not full lost its slot. */
  private readonly failures: Tally;
  private readonly conflicts: Tally;
  private readonly displacements: Tally;

  constructor(prefix: string) {
    const scope = `${prefix}.http_local_rate_limit.`;
    this.enabled = new Tally(`${scope}enabled`);
    this.ok = new Tally(`${scope}ok`);
    this.rateLimited = new Tally(`${scope}rate_limited`);
    this.enforced = new Tally(`${scope}enforced`);
    this.failures = new Tally(`${scope}store_failures`);
    this.conflicts = new Tally(`${scope}store_conflicts`);
    this.displacements = new Tally(`${scope}displaced_buckets`);
  }

  /** Counts what became of a request. */
  note(verdict: i32): void {
    this.enabled.count++;
    if (verdict === ALLOWED) this.ok.count++;
    else if (verdict !== BROKEN) this.rateLimited.count++;
  }

  /** Tells the host what has happened since it was told last. */
  tell(limiter: Limiter): void {
    this.failures.count += limiter.failures;
    this.conflicts.count += Rule.conflicts;
    this.displacements.count += Rule.displacements;
    limiter.failures = 0;
    Rule.conflicts = 0;
    Rule.displacements = 0;
    this.enabled.tell();
    this.ok.tell();
    this.rateLimited.tell();
    this.enforced.tell();
    this.failures.tell();
    this.conflicts.tell();
    this.displacements.tell();
  }
}
