/**
 * Circuit breaker of one cluster and priority: how many connections, queued requests, requests, retries and
 * pools may exist at once. Whoever makes one acquires it, whoever ends it releases it, exactly once.
 *
 * Limits hold per worker: workers share nothing. `share` divides the configured limits between them.
 * Knows no pool and no request: only numbers.
 */
import type { Thresholds } from "../config/model.ts";
import type { BreakerStats, RemainingStats } from "../telemetry/cluster-stats.ts";

/** One limited resource. */
export class Limit {
  /** How many exist now. Never negative; above `max` only by `acquire` or after `max` was lowered. */
  active = 0;
  max = 0;
  /** Releases without an acquire: an accounting bug of a caller, 0 in a correct program. */
  misuse = 0;
  private readonly stats: BreakerStats;
  private readonly openField: keyof BreakerStats;
  private readonly remainingField: keyof RemainingStats;
  private remaining: RemainingStats | null = null;
  private open = false;

  constructor(stats: BreakerStats, openField: keyof BreakerStats, remainingField: keyof RemainingStats) {
    this.stats = stats;
    this.openField = openField;
    this.remainingField = remainingField;
  }

  /** A new limit; what is acquired stays acquired. `remaining`: where to report what remains, or null. */
  configure(max: number, remaining: RemainingStats | null): void {
    if (this.remaining !== null) this.remaining[this.remainingField] = 0;
    this.max = max;
    this.remaining = remaining;
    this.report();
  }

  /** True if `tryAcquire` would succeed. Acquires nothing. */
  get available(): boolean {
    return this.active < this.max;
  }

  /** Takes one if the limit allows it. */
  tryAcquire(): boolean {
    if (this.active >= this.max) return false;
    this.acquire();
    return true;
  }

  /** Takes one even beyond the limit: the first connection of an endpoint is always allowed (as Envoy). */
  acquire(): void {
    this.active++;
    this.report();
  }

  /** Gives one back. */
  release(): void {
    if (this.active === 0) {
      this.misuse++;
      return;
    }
    this.active--;
    this.report();
  }

  private report(): void {
    const open = this.active >= this.max;
    if (open !== this.open) {
      this.open = open;
      this.stats[this.openField] = open ? 1 : 0;
    }
    if (this.remaining !== null) this.remaining[this.remainingField] = open ? 0 : this.max - this.active;
  }
}

/** The limits of one cluster and priority. */
export class Breaker {
  readonly connections: Limit;
  readonly connectionPools: Limit;
  readonly pendingRequests: Limit;
  readonly requests: Limit;
  /** Acquire with `tryAcquireRetry`, release here. */
  readonly retries: Limit;
  /** -1 = no budget. */
  private budgetPercent = -1;
  private budgetMin = 0;

  /** Call `configure` before use. */
  constructor(stats: BreakerStats) {
    this.connections = new Limit(stats, "cxOpen", "remainingCx");
    this.connectionPools = new Limit(stats, "cxPoolOpen", "remainingCxPools");
    this.pendingRequests = new Limit(stats, "rqPendingOpen", "remainingPending");
    this.requests = new Limit(stats, "rqOpen", "remainingRq");
    this.retries = new Limit(stats, "rqRetryOpen", "remainingRetries");
  }

  /**
   * Sets the limits; what is acquired stays acquired. `remaining`: where to report what remains, or null.
   * `share`: how many workers divide the limits between them (rounded up: a limit of at least 1 stays so).
   */
  configure(thresholds: Thresholds, remaining: RemainingStats | null, share = 1): void {
    const part = (limit: number): number => Math.ceil(limit / share);
    this.connections.configure(part(thresholds.maxConnections), remaining);
    this.connectionPools.configure(part(thresholds.maxConnectionPools), remaining);
    this.pendingRequests.configure(part(thresholds.maxPendingRequests), remaining);
    this.requests.configure(part(thresholds.maxRequests), remaining);
    const budget = thresholds.retryBudget;
    this.budgetPercent = budget === null ? -1 : budget.percent;
    this.budgetMin = budget === null ? 0 : part(budget.minConcurrency);
    if (budget === null) this.retries.configure(part(thresholds.maxRetries), remaining);
    else this.retries.configure(this.budget(), null); // moves with the load, so what remains means nothing
  }

  /**
   * Takes a retry if there is one to be had: of `max_retries`, or, if a budget is configured, of that percentage
   * of the requests active and queued now, but never fewer than its minimum. Undo with `retries.release()`.
   */
  tryAcquireRetry(): boolean {
    if (this.budgetPercent >= 0) this.retries.max = this.budget();
    return this.retries.tryAcquire();
  }

  private budget(): number {
    const load = this.requests.active + this.pendingRequests.active;
    return Math.max(Math.floor((this.budgetPercent / 100) * load), this.budgetMin);
  }
}
