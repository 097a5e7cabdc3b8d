/**
 * Which rules a request could match. Each rule is filed under one fact that it insists on (its paths, or its callers,
 * or its hosts): the first whose buckets hold few rules, or else the one with the fewest. Rules that insist on none
 * of them are always tried.
 *
 * Law: the rules that are tried are a superset of those that match; the answer is that of trying all of them.
 */
import { ask } from "./fact-source";
import { ABSENT, ACCOUNT, Facts, HOST, NAMESPACE, PATH, PRINCIPAL, UNKNOWN } from "./facts";
import { patternAt } from "./pattern";
import { Region } from "./region";
import { Clause, clauseAt, IDENTITIES, Rule, TEXTS, Test, testAt } from "./rule";
import { Key, keyOf, StringIndex } from "./string-index";

const DIMENSIONS: u32 = 5;

/** To try so many rules costs less than to ask the host for one more fact. */
const FEW: u32 = 8;

/** The facts by which rules are filed, cheap ones first. */
function factOf(dimension: u32): u32 {
  switch (dimension) {
    case 0:
      return PATH;
    case 1:
      return PRINCIPAL;
    case 2:
      return HOST;
    case 3:
      return NAMESPACE;
    default:
      return ACCOUNT;
  }
}

const KEY: usize = memory.data(16);

@unmanaged
export class RuleIndex {
  /** Places of the StringIndex of each dimension. */
  private indexes: usize;
  /** Places of the rules that are always tried. */
  private others: usize;
  otherCount: u32;
  /** Places of all rules, in order. */
  private rules: usize;
  count: u32;

  /** Files `count` rules, whose places are at `rules`. */
  static create(region: Region, rules: usize, count: u32): RuleIndex {
    const index = changetype<RuleIndex>(region.take(offsetof<RuleIndex>()));
    index.rules = rules;
    index.count = count;
    index.others = region.take(4 * <usize>count);
    const scratch = Region.create();
    const trial = makeIndexes(scratch, index);
    for (let i: u32 = 0; i < count; i++) {
      for (let d: u32 = 0; d < DIMENSIONS; d++) file(scratch, trial, index.ruleAt(i), d);
    }
    index.indexes = makeIndexes(region, index);
    for (let i: u32 = 0; i < count; i++) {
      const rule = index.ruleAt(i);
      let best: u32 = DIMENSIONS;
      let fewest: u32 = u32.MAX_VALUE;
      for (let d: u32 = 0; d < DIMENSIONS && fewest > FEW; d++) {
        const most = crowd(trial, rule, d);
        if (most !== 0 && most < fewest) {
          best = d;
          fewest = most;
        }
      }
      if (best < DIMENSIONS) file(region, index.indexes, rule, best);
      else {
        store<usize>(index.others + 4 * <usize>index.otherCount, changetype<usize>(rule));
        index.otherCount++;
      }
    }
    scratch.release();
    return index;
  }

  ruleAt(i: u32): Rule {
    return changetype<Rule>(load<usize>(this.rules + 4 * <usize>i));
  }

  otherAt(i: u32): Rule {
    return changetype<Rule>(load<usize>(this.others + 4 * <usize>i));
  }

  /** Looks a dimension up: how many buckets there are (see `foundLink`), or -1 if all rules must be tried. */
  find(dimension: u32, facts: Facts): i32 {
    const index = changetype<StringIndex>(load<usize>(this.indexes + 4 * <usize>dimension));
    if (index.isEmpty) return 0;
    const fact = ask(facts, factOf(dimension));
    if (fact.state === UNKNOWN) return -1;
    return fact.state === ABSENT ? 0 : <i32>index.find(fact.data, fact.length);
  }

  get dimensions(): u32 {
    return DIMENSIONS;
  }
}

function makeIndexes(region: Region, owner: RuleIndex): usize {
  const indexes = region.take(4 * DIMENSIONS);
  for (let d: u32 = 0; d < DIMENSIONS; d++) {
    let keys: u32 = 0;
    for (let i: u32 = 0; i < owner.count; i++) keys += keyCount(owner.ruleAt(i), factOf(d));
    store<usize>(indexes + 4 * d, changetype<usize>(StringIndex.create(region, keys)));
  }
  return indexes;
}

/** The test of this fact that every match must pass, with a key for each of its values; null if there is none. */
function keyedTest(clause: Clause, fact: u32): Test | null {
  const key = changetype<Key>(KEY);
  for (let i: u32 = 0; i < clause.count; i++) {
    const test = testAt(clause, i);
    if (test.fact !== fact || test.count === 0 || (test.kind !== TEXTS && test.kind !== IDENTITIES)) continue;
    let keyed = true;
    for (let k: u32 = 0; k < test.count; k++) if (!keyOf(patternAt(test.values, k), key)) keyed = false;
    if (keyed) return test;
  }
  return null;
}

/** True if each clause of the list has such a test. */
function allKeyed(list: usize, count: u32, fact: u32): bool {
  for (let i: u32 = 0; i < count; i++) if (keyedTest(clauseAt(list, i), fact) === null) return false;
  return count > 0;
}

/** The clauses under which a rule can be filed by this fact: place and count, 0 if it cannot. */
let clauses: usize = 0;
function clausesFor(rule: Rule, fact: u32): u32 {
  clauses = changetype<usize>(rule.conditions);
  if (keyedTest(rule.conditions, fact) !== null) return 1;
  clauses = rule.operations;
  if (allKeyed(rule.operations, rule.operationCount, fact)) return rule.operationCount;
  clauses = rule.sources;
  return allKeyed(rule.sources, rule.sourceCount, fact) ? rule.sourceCount : 0;
}

function keyCount(rule: Rule, fact: u32): u32 {
  const count = clausesFor(rule, fact);
  let keys: u32 = 0;
  for (let i: u32 = 0; i < count; i++) keys += keyedTest(clauseAt(clauses, i), fact)!.count;
  return keys;
}

function file(region: Region, indexes: usize, rule: Rule, dimension: u32): void {
  const index = changetype<StringIndex>(load<usize>(indexes + 4 * <usize>dimension));
  const fact = factOf(dimension);
  const count = clausesFor(rule, fact);
  const key = changetype<Key>(KEY);
  for (let i: u32 = 0; i < count; i++) {
    const test = keyedTest(clauseAt(clauses, i), fact)!;
    for (let k: u32 = 0; k < test.count; k++) {
      keyOf(patternAt(test.values, k), key);
      index.add(region, key, changetype<usize>(rule));
    }
  }
}

/** The most rules that share a bucket with this one; 0 if it cannot be filed here. */
function crowd(indexes: usize, rule: Rule, dimension: u32): u32 {
  const index = changetype<StringIndex>(load<usize>(indexes + 4 * <usize>dimension));
  const fact = factOf(dimension);
  const count = clausesFor(rule, fact);
  const key = changetype<Key>(KEY);
  let most: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const test = keyedTest(clauseAt(clauses, i), fact)!;
    for (let k: u32 = 0; k < test.count; k++) {
      keyOf(patternAt(test.values, k), key);
      most = max(most, index.countOf(key));
    }
  }
  return most;
}
