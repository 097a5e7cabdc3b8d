/**
 * A rule and whether it matches: one of its sources AND one of its operations AND all of its conditions; inside of one
 * of these all fields, inside of a field any value and no not-value.
 *
 * Laws: nothing is allocated; facts are asked for in the order in which the compiler put the tests, cheap ones first.
 */

import { Pairs } from "../sdk/pairs";
import { Slice, same } from "../sdk/slice";
import { ask } from "./fact-source";
import {
  ABSENT,
  Fact,
  Facts,
  FOUND,
  HEADERS_LENGTH,
  ISSUER,
  OTHER_IDENTITY,
  SUBJECT,
  UNKNOWN,
} from "./facts";
import { Address, Block, blockHolds } from "./ip-block";
import { NO, templateMatches, UNSURE, YES } from "./path-template";
import { Pattern, PRESENT, patternAt, patternMatches, TEMPLATE } from "./pattern";

/** What the values of a test are. */
export const TEXTS: u32 = 0;
/** Text, or a list of which one element matches. */
export const CLAIMS: u32 = 1;
/** A peer's identity; `*` takes a certificate without a URI too. */
export const IDENTITIES: u32 = 2;
/** Pairs of patterns: issuer and subject. */
export const REQUEST_PRINCIPALS: u32 = 3;
export const BLOCKS: u32 = 4;
export const PORTS: u32 = 5;
/** Text of which any line matches; `*` takes an empty one too. */
export const HEADERS: u32 = 6;

@unmanaged
export class Test {
  fact: u32;
  kind: u32;
  values: usize;
  notValues: usize;
  count: u32;
  notCount: u32;
}

/** Tests that must all hold. */
@unmanaged
export class Clause {
  tests: usize;
  count: u32;
}

export const DENY: u32 = 0;
export const ALLOW: u32 = 1;
export const AUDIT: u32 = 2;
export const SHADOW_DENY: u32 = 3;
export const SHADOW_ALLOW: u32 = 4;
export const GROUPS: u32 = 5;

@unmanaged
export class Rule {
  /** Its place in the configuration: the lowest that matches is the one that is named. */
  number: u32;
  group: u32;
  sources: usize;
  sourceCount: u32;
  operations: usize;
  operationCount: u32;
  conditions: Clause;
  /** `ns[x]-policy[y]-rule[0]` */
  name: usize;
  nameLength: u32;
  /** The counter of its own (a `Counter`), or 0. */
  hits: usize;
}

export function testAt(clause: Clause, index: u32): Test {
  return changetype<Test>(clause.tests + <usize>index * offsetof<Test>());
}

export function clauseAt(list: usize, index: u32): Clause {
  return changetype<Clause>(list + <usize>index * offsetof<Clause>());
}

export function ruleMatches(rule: Rule, facts: Facts): bool {
  const lenient = rule.group !== ALLOW && rule.group !== SHADOW_ALLOW;
  return (
    anyClause(rule.operations, rule.operationCount, facts, lenient) &&
    anyClause(rule.sources, rule.sourceCount, facts, lenient) &&
    clauseHolds(rule.conditions, facts, lenient)
  );
}

function anyClause(list: usize, count: u32, facts: Facts, lenient: bool): bool {
  if (count === 0) return true;
  for (let i: u32 = 0; i < count; i++) if (clauseHolds(clauseAt(list, i), facts, lenient)) return true;
  return false;
}

function clauseHolds(clause: Clause, facts: Facts, lenient: bool): bool {
  const count = clause.count;
  for (let i: u32 = 0; i < count; i++) if (!testHolds(testAt(clause, i), facts, lenient)) return false;
  return true;
}

function testHolds(test: Test, facts: Facts, lenient: bool): bool {
  const fact = ask(facts, test.fact);
  if (fact.state === UNKNOWN) return lenient;
  if (test.count > 0) {
    const found = anyValue(test, test.values, test.count, fact, facts);
    if (found === NO || (found === UNSURE && !lenient)) return false;
  }
  if (test.notCount > 0) {
    const found = anyValue(test, test.notValues, test.notCount, fact, facts);
    if (found === YES || (found === UNSURE && !lenient)) return false;
  }
  return true;
}

function anyValue(test: Test, list: usize, count: u32, fact: Fact, facts: Facts): u32 {
  switch (test.kind) {
    case TEXTS:
      return fact.state === ABSENT ? NO : anyPattern(list, count, fact.data, fact.length);
    case CLAIMS:
      return fact.state === ABSENT ? NO : anyClaim(list, count, fact.data, fact.length);
    case IDENTITIES:
      return anyIdentity(list, count, fact, facts);
    case REQUEST_PRINCIPALS:
      return anyRequestPrincipal(list, count, facts);
    case HEADERS:
      return fact.state === ABSENT ? NO : anyHeader(list, count, fact);
    case BLOCKS:
      if (fact.state === ABSENT) return NO;
      for (let i: u32 = 0; i < count; i++) {
        const block = changetype<Block>(list + <usize>i * offsetof<Block>());
        if (blockHolds(block, changetype<Address>(fact.data))) return YES;
      }
      return NO;
    default:
      if (fact.state === ABSENT) return NO;
      for (let i: u32 = 0; i < count; i++) if (load<u32>(list + 4 * <usize>i) === fact.length) return YES;
      return NO;
  }
}

function anyPattern(list: usize, count: u32, data: usize, length: u32): u32 {
  let best = NO;
  for (let i: u32 = 0; i < count; i++) {
    const pattern = patternAt(list, i);
    if (pattern.kind === TEMPLATE) {
      const found = templateMatches(pattern.text, data, length);
      if (found === YES) return YES;
      if (found === UNSURE) best = UNSURE;
    } else if (patternMatches(pattern, data, length)) return YES;
  }
  return best;
}

function anyHeader(list: usize, count: u32, fact: Fact): u32 {
  for (let i: u32 = 0; i < count; i++) if (patternAt(list, i).kind === PRESENT) return YES;
  if (fact.lines === 0) return anyPattern(list, count, fact.data, fact.length);
  const lines = Pairs.over(Slice.at(fact.lines, fact.linesLength));
  const name = fact.property + HEADERS_LENGTH;
  const size = fact.propertyLength - HEADERS_LENGTH;
  while (lines.next()) {
    if (<u32>lines.nameLength !== size || !same(lines.namePtr, name, size)) continue;
    if (anyPattern(list, count, lines.valuePtr, lines.valueLength) === YES) return YES;
  }
  return NO;
}

/** A list comes as pairs whose values are empty: count, then the sizes, then each element, NUL, NUL. */
function anyClaim(list: usize, count: u32, data: usize, length: u32): u32 {
  if (anyPattern(list, count, data, length) === YES) return YES;
  if (length < 4) return NO;
  const elements = load<u32>(data);
  if (elements === 0 || elements > (length - 4) / 10) return NO;
  let total: u64 = 4 + <u64>elements * 10;
  for (let i: u32 = 0; i < elements; i++) {
    const sizes = data + 4 + 8 * <usize>i;
    if (load<u32>(sizes + 4) !== 0) return NO;
    total += load<u32>(sizes);
  }
  if (total !== <u64>length) return NO;
  let at = data + 4 + 8 * <usize>elements;
  for (let i: u32 = 0; i < elements; i++) {
    const size = load<u32>(data + 4 + 8 * <usize>i);
    if (anyPattern(list, count, at, size) === YES) return YES;
    at += size + 2;
  }
  return NO;
}

function anyIdentity(list: usize, count: u32, fact: Fact, facts: Facts): u32 {
  if (fact.state === FOUND) return anyPattern(list, count, fact.data, fact.length);
  for (let i: u32 = 0; i < count; i++) {
    if (patternAt(list, i).kind !== PRESENT) continue;
    const other = ask(facts, OTHER_IDENTITY).state;
    return other === FOUND ? YES : other === UNKNOWN ? UNSURE : NO;
  }
  return NO;
}

/** The second fact is asked for only where the first one fits. */
function anyRequestPrincipal(list: usize, count: u32, facts: Facts): u32 {
  const issuer = ask(facts, ISSUER);
  if (issuer.state === ABSENT) return NO;
  for (let i: u32 = 0; i < count; i++) {
    const pair = list + 2 * <usize>i * offsetof<Pattern>();
    if (!patternMatches(patternAt(pair, 0), issuer.data, issuer.length)) continue;
    const subject = ask(facts, SUBJECT);
    if (subject.state === ABSENT) return NO;
    if (subject.state === UNKNOWN) return UNSURE;
    if (patternMatches(patternAt(pair, 1), subject.data, subject.length)) return YES;
  }
  return NO;
}
