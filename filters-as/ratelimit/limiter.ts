/**
 * All rules of a configuration, asked about one request. As in Envoy, every descriptor that applies gives a token, the
 * slowest bucket first, and then the bucket for everybody; the first empty one decides, and tokens that were given
 * before it are spent.
 */
import { beginRequest } from "./request-value";
import { EMPTY, FAILED, Rule } from "./rule";

export const ALLOWED: i32 = 0;
export const LIMITED: i32 = 1;
/** The store does not work, and nothing is let through without it. */
export const BROKEN: i32 = 2;

@final
export class Limiter {
  /** Ordered by rate. */
  readonly descriptors: Rule[] = [];
  everybody: Rule | null = null;
  /** The bucket for everybody counts requests, too, to which a descriptor applies. */
  countsEverybody: bool = true;
  /** What does not get its answer from the store is refused. */
  failsClosed: bool = false;
  /** How often the store did not answer. */
  failures: u32 = 0;
  /** What the answer's headers speak of: the rule that refused, or else the first that gave; null if none applied. */
  decisive: Rule | null = null;

  /** Adds a descriptor's rule behind those that are as slow. */
  add(rule: Rule): void {
    const descriptors = this.descriptors;
    let at = descriptors.length;
    descriptors.push(rule);
    while (at > 0 && descriptors[at - 1].cost < rule.cost) {
      descriptors[at] = descriptors[at - 1];
      at--;
    }
    descriptors[at] = rule;
  }

  /** Takes the tokens for the request under way. */
  check(now: i64): i32 {
    beginRequest();
    this.decisive = null;
    const descriptors = this.descriptors;
    for (let i = 0; i < descriptors.length; i++) {
      const rule = unchecked(descriptors[i]);
      if (!rule.applies()) continue;
      const verdict = this.take(rule, now);
      if (verdict !== ALLOWED) return verdict;
    }
    const everybody = this.everybody;
    if (everybody === null || (this.decisive !== null && !this.countsEverybody)) return ALLOWED;
    return this.take(everybody, now);
  }

  private take(rule: Rule, now: i64): i32 {
    const outcome = rule.take(now);
    if (outcome === FAILED) {
      this.failures++;
      return this.failsClosed ? BROKEN : ALLOWED;
    }
    if (this.decisive === null || outcome === EMPTY) this.decisive = rule;
    return outcome === EMPTY ? LIMITED : ALLOWED;
  }
}
