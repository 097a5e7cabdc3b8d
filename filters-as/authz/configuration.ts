/**
 * Reads the filter's configuration: policies in the shape of Istio's AuthorizationPolicy, see authz.schema.json.
 * Everything that is wrong is collected with its path; a configuration with a single fault is refused whole.
 *
 * Law: a list that is empty is a fault. To Istio it is as good as absent, so that an ALLOW rule whose callers were
 * all removed would let everybody in. (`rules: []` has a meaning: it never matches.)
 */
import { beginCallback } from "../sdk/arena";
import { JsonDocument } from "../sdk/json-document";
import { JsonKind, JsonNode } from "../sdk/json-node";
import { Conditions, isName } from "./conditions";
import { Policies } from "./decision";
import {
  ACCOUNT,
  HOST,
  ISSUER,
  METHOD,
  NAMESPACE,
  PATH,
  PEER,
  PORT,
  PRINCIPAL,
  REMOTE,
  TRUST_DOMAIN,
} from "./facts";
import { Region } from "./region";
import { ALLOW, AUDIT, Clause, clauseAt, DENY, Rule, SHADOW_ALLOW, SHADOW_DENY, Test, testAt } from "./rule";
import { RuleIndex } from "./rule-index";
import { Form, kindOf, ValueCompiler } from "./values";

const ACTIONS = ["ALLOW", "DENY", "AUDIT", "CUSTOM"];
/** Shared: most fields of most rules are not there. */
const NONE: JsonNode[] = [];
const JWT_FILTER = "envoy.filters.http.jwt_authn";

@final
export class Configuration {
  statPrefix: string = "";
  shadowPrefix: string = "";
  perRuleStats: bool = false;
  readonly ruleNames: string[] = [];
  readonly rules: usize[] = [];
  private readonly policyNames: string[] = [];
  private readonly values: ValueCompiler;
  private conditions: Conditions;
  private groups: u32 = 0;

  constructor(readonly region: Region) {
    this.values = new ValueCompiler(region);
    this.conditions = new Conditions("");
  }

  /** Reads the whole; null if there is a fault, which the document then tells. */
  read(document: JsonDocument): Policies | null {
    const root = document.root;
    if (root === null) return null;
    this.statPrefix = readPrefix(root, "statPrefix");
    this.shadowPrefix = readPrefix(root, "shadowStatPrefix");
    this.perRuleStats = root.getBool("trackPerRuleStats");
    this.conditions = new Conditions(readClaims(root));
    const peer = readProperty(root, "peerAddressProperty");
    const policies = root.require("policies");
    if (policies !== null) {
      const nodes = policies.asArray();
      for (let i = 0; i < nodes.length; i++) this.policy(nodes[i]);
    }
    if (!document.finish()) return null;
    return this.finish(peer);
  }

  private finish(peer: string): Policies {
    const region = this.region;
    const count = this.rules.length;
    const list = region.take(4 * <usize>count);
    for (let i = 0; i < count; i++) store<usize>(list + 4 * <usize>i, this.rules[i]);
    const policies = changetype<Policies>(region.take(offsetof<Policies>()));
    const facts = this.conditions.finish(region);
    if (peer.length > 0) {
      facts.peerProperty = region.text(peer);
      facts.peerPropertyLength = String.UTF8.byteLength(peer);
    }
    policies.facts = facts;
    policies.index = RuleIndex.create(region, list, count);
    policies.groups = this.groups;
    policies.anyWillDo = !this.perRuleStats;
    return policies;
  }

  private policy(node: JsonNode): void {
    const nameNode = node.require("name");
    const name = nameNode === null ? "" : readName(nameNode);
    const namespaceNode = node.get("namespace");
    const namespace = namespaceNode === null ? "" : readName(namespaceNode);
    const full = `ns[${namespace}]-policy[${name}]`;
    if (nameNode !== null && this.policyNames.includes(full)) nameNode.fault("another policy has this name");
    this.policyNames.push(full);
    const group = readGroup(node);
    this.groups |= 1 << group;
    this.values.namespace = namespace;
    const rules = node.getArray("rules");
    for (let i = 0; i < rules.length; i++) {
      // The document keeps nothing in the arena, nor do we: a thousand rules need the room of one.
      beginCallback();
      // As in Istio, a null is no rule.
      if (rules[i].kind !== JsonKind.Null) this.rule(rules[i], group, `${full}-rule[${i}]`);
    }
  }

  private rule(node: JsonNode, group: u32, name: string): void {
    const region = this.region;
    const rule = changetype<Rule>(region.take(offsetof<Rule>()));
    rule.number = this.rules.length;
    rule.group = group;
    rule.name = region.text(name);
    rule.nameLength = String.UTF8.byteLength(name);
    const from = readList(node, "from");
    rule.sourceCount = from.length;
    rule.sources = region.take(<usize>from.length * offsetof<Clause>());
    for (let i = 0; i < from.length; i++) {
      const source = from[i].require("source");
      if (source !== null) this.source(source, clauseAt(rule.sources, i));
    }
    const to = readList(node, "to");
    rule.operationCount = to.length;
    rule.operations = region.take(<usize>to.length * offsetof<Clause>());
    for (let i = 0; i < to.length; i++) {
      const operation = to[i].require("operation");
      if (operation !== null) this.operation(operation, clauseAt(rule.operations, i));
    }
    const when = readList(node, "when");
    const tests: Test[] = [];
    for (let i = 0; i < when.length; i++) this.condition(when[i], tests);
    rule.conditions = changetype<Clause>(region.take(offsetof<Clause>()));
    this.clause(tests, rule.conditions);
    this.rules.push(changetype<usize>(rule));
    this.ruleNames.push(name);
  }

  private source(node: JsonNode, into: Clause): void {
    const tests: Test[] = [];
    this.field(node, "principals", "notPrincipals", PRINCIPAL, Form.Identity, tests);
    this.field(node, "trustDomains", "notTrustDomains", TRUST_DOMAIN, Form.Text, tests);
    this.field(node, "namespaces", "notNamespaces", NAMESPACE, Form.Text, tests);
    this.field(node, "serviceAccounts", "notServiceAccounts", ACCOUNT, Form.ServiceAccount, tests);
    this.field(node, "ipBlocks", "notIpBlocks", PEER, Form.Block, tests);
    this.field(node, "remoteIpBlocks", "notRemoteIpBlocks", REMOTE, Form.Block, tests);
    const names = "notRequestPrincipals";
    this.field(node, "requestPrincipals", names, ISSUER, Form.RequestPrincipal, tests);
    if (tests.length === 0 && node.length === 0) node.fault("must have at least one field");
    this.clause(tests, into);
  }

  private operation(node: JsonNode, into: Clause): void {
    const tests: Test[] = [];
    this.field(node, "methods", "notMethods", METHOD, Form.Text, tests);
    this.field(node, "paths", "notPaths", PATH, Form.Path, tests);
    this.field(node, "hosts", "notHosts", HOST, Form.Host, tests);
    this.field(node, "ports", "notPorts", PORT, Form.Port, tests);
    if (tests.length === 0 && node.length === 0) node.fault("must have at least one field");
    this.clause(tests, into);
  }

  private condition(node: JsonNode, tests: Test[]): void {
    const key = node.require("key");
    if (key === null) return;
    const fault = this.conditions.read(key.asString());
    if (fault.length > 0 && key.isString) key.fault(fault);
    const before = tests.length;
    this.field(node, "values", "notValues", this.conditions.fact, this.conditions.form, tests);
    const isBare = node.get("values") === null && node.get("notValues") === null;
    if (tests.length === before && isBare) node.fault('must have "values" or "notValues"');
  }

  /** A list and its opposite make one test. */
  private field(node: JsonNode, name: string, not: string, fact: u32, form: Form, tests: Test[]): void {
    const values = readList(node, name);
    const notValues = readList(node, not);
    if (values.length === 0 && notValues.length === 0) return;
    const test = changetype<Test>(this.region.take(offsetof<Test>()));
    test.fact = fact;
    test.kind = kindOf(form);
    test.count = values.length;
    test.notCount = notValues.length;
    test.values = this.values.compile(values, form);
    test.notValues = this.values.compile(notValues, form);
    tests.push(test);
  }

  /** Puts the tests side by side, those whose facts cost most last. */
  private clause(tests: Test[], into: Clause): void {
    into.count = tests.length;
    into.tests = this.region.take(<usize>tests.length * offsetof<Test>());
    let to: u32 = 0;
    for (let cost: u32 = 0; cost < 4; cost++) {
      for (let i = 0; i < tests.length; i++) {
        if (costOf(tests[i].fact) !== cost) continue;
        memory.copy(changetype<usize>(testAt(into, to++)), changetype<usize>(tests[i]), offsetof<Test>());
      }
    }
  }
}

/** Facts that most requests are asked for anyway come first, then single properties, then metadata. */
function costOf(fact: u32): u32 {
  if (fact === PATH || fact === METHOD) return 0;
  if (fact === PRINCIPAL || fact === NAMESPACE || fact === ACCOUNT || fact === TRUST_DOMAIN) return 1;
  return fact === HOST || fact === PORT ? 2 : 3;
}

/** An array that, if it is there, is not empty. */
function readList(node: JsonNode, name: string): JsonNode[] {
  const child = node.get(name);
  if (child === null) return NONE;
  const nodes = child.asArray();
  if (child.isArray && nodes.length === 0)
    child.fault("must not be empty: leave it out, or say what is meant");
  return nodes;
}

function readGroup(node: JsonNode): u32 {
  const dryRun = node.getBool("dryRun");
  const action = node.get("action");
  const choice = action === null ? 0 : action.asChoice(ACTIONS);
  if (choice === 3)
    action!.fault("CUSTOM is not done by this filter: use envoy.filters.http.ext_authz before it");
  if (choice === 2 && dryRun) action!.fault("an AUDIT policy decides nothing that could be tried");
  if (choice === 2) return AUDIT;
  if (choice === 1) return dryRun ? SHADOW_DENY : DENY;
  return dryRun ? SHADOW_ALLOW : ALLOW;
}

/** A name that can stand in response code details: visible ASCII without brackets. */
function readName(node: JsonNode): string {
  const name = node.asString();
  if (!node.isString) return name;
  let isPlain = name.length > 0 && name.length <= 253;
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    if (unit <= 0x20 || unit > 0x7e || unit === 0x5b || unit === 0x5d) isPlain = false;
  }
  if (!isPlain) node.fault("must be 1 to 253 letters, digits and signs other than brackets");
  return name;
}

function readPrefix(root: JsonNode, name: string): string {
  const node = root.get(name);
  return node === null ? "" : readName(node);
}

/** Where the JWT filter leaves the claims: Istio's place unless it is said otherwise. */
function readClaims(root: JsonNode): string {
  const node = root.getObject("claims");
  let filter = JWT_FILTER;
  let key = "payload";
  if (node !== null) {
    filter = readSegment(node, "filter", filter);
    key = readSegment(node, "key", key);
  }
  return `metadata\0filter_metadata\0${filter}\0${key}`;
}

function readSegment(node: JsonNode, name: string, otherwise: string): string {
  const child = node.get(name);
  if (child === null) return otherwise;
  const text = child.asString();
  if (child.isString && !isName(text))
    child.fault("must not be empty, nor hold brackets or control characters");
  return text;
}

function readProperty(root: JsonNode, name: string): string {
  const nodes = readList(root, name);
  const segments: string[] = [];
  for (let i = 0; i < nodes.length; i++) {
    const segment = nodes[i].asString();
    if (nodes[i].isString && !isName(segment))
      nodes[i].fault("must not be empty, nor hold brackets or control characters");
    segments.push(segment);
  }
  return segments.join("\0");
}
