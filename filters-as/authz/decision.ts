/**
 * What the policies say of a request, in Istio's order: a DENY rule that matches denies; else, if there is an ALLOW
 * policy at all, one of its rules must match; else the request passes. AUDIT rules only count. Dry-run policies are
 * judged by themselves, in the same order, and only reported.
 *
 * Law: of the rules that match, the first in the configuration is the one that is named.
 */
import { Facts } from "./facts";
import { ALLOW, AUDIT, DENY, GROUPS, Rule, ruleMatches, SHADOW_ALLOW, SHADOW_DENY } from "./rule";
import { RuleIndex } from "./rule-index";
import { foundLink, Link } from "./string-index";

/** Places of the rules that matched, one for each group, 0 for none. */
const MATCHED: usize = memory.data(4 * 8);

@unmanaged
export class Policies {
  index: RuleIndex;
  facts: Facts;
  /** Whether there are policies of a group, one bit each; a policy without rules counts. */
  groups: u32;
  /** Any rule that matches is as good as the first one: nobody asks for the names of ALLOW and AUDIT rules. */
  anyWillDo: bool;

  has(group: u32): bool {
    return ((this.groups >> group) & 1) !== 0;
  }

  /** Judges the request that `facts` describes; `matched` and `denies` answer afterwards. */
  judge(): void {
    memory.fill(MATCHED, 0, 4 * GROUPS);
    const index = this.index;
    for (let d: u32 = 0; d < index.dimensions; d++) {
      const found = index.find(d, this.facts);
      if (found < 0) {
        this.judgeAll();
        return;
      }
      // The list of buckets is used up before the next look-up overwrites it.
      for (let i: i32 = 0; i < found; i++) {
        for (let link = foundLink(i); link !== 0; link = changetype<Link>(link).next) {
          this.tryRule(changetype<Rule>(changetype<Link>(link).rule));
        }
      }
    }
    for (let i: u32 = 0; i < index.otherCount; i++) this.tryRule(index.otherAt(i));
  }

  /** The same without the index. */
  judgeAll(): void {
    memory.fill(MATCHED, 0, 4 * GROUPS);
    for (let i: u32 = 0; i < this.index.count; i++) this.tryRule(this.index.ruleAt(i));
  }

  private tryRule(rule: Rule): void {
    const place = MATCHED + 4 * <usize>rule.group;
    const known = load<usize>(place);
    if (known !== 0) {
      if (this.anyWillDo && (rule.group === ALLOW || rule.group === AUDIT)) return;
      if (changetype<Rule>(known).number <= rule.number) return;
    }
    if (ruleMatches(rule, this.facts)) store<usize>(place, changetype<usize>(rule));
  }

  /** The verdict of the policies in force, or of the dry-run ones. */
  denies(shadow: bool): bool {
    if (matched(shadow ? SHADOW_DENY : DENY) !== 0) return true;
    const allow = shadow ? SHADOW_ALLOW : ALLOW;
    return this.has(allow) && matched(allow) === 0;
  }
}

/** The place of the rule of a group that matched the request judged last, or 0. */
export function matched(group: u32): usize {
  return load<usize>(MATCHED + 4 * <usize>group);
}
