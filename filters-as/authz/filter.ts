/**
 * The authz filter: Istio's AuthorizationPolicy, judged as Envoy's RBAC filter judges it, as a proxy-wasm module. A
 * request that is denied is answered with Envoy's 403 and never reaches the upstream; what dry-run policies would
 * have done is counted and left in properties for the access log. docs/filters/authz.md tells how it is used.
 *
 * Laws: nothing is allocated per request beyond the arena; a request costs a few host calls and, by the index, the
 * same for a thousand rules as for ten.
 */
import { Action } from "../sdk/abi";
import { HttpContext, RootContext } from "../sdk/context";
import { JsonDocument } from "../sdk/json-document";
import { error } from "../sdk/log";
import { Counter } from "../sdk/metric";
import { setProperty } from "../sdk/property";
import { register } from "../sdk/registry";
import { Slice } from "../sdk/slice";
import { sendResponse } from "../sdk/stream";
import { Writer } from "../sdk/writer";
import { Configuration } from "./configuration";
import { matched, Policies } from "./decision";
import { Region } from "./region";
import { ALLOW, AUDIT, DENY, Rule, SHADOW_ALLOW, SHADOW_DENY } from "./rule";

export { proxy_on_request_headers } from "../sdk/exports/http";
export * from "../sdk/exports/plugin";

const BODY = Slice.of("RBAC: access denied");
const DETAILS = Slice.of("rbac_access_denied_matched_policy[");
const CLOSING_BRACKET: u8 = 0x5d;
const NONE = Slice.of("none");
const ALLOWED = Slice.of("allowed");
const DENIED = Slice.of("denied");

/** One configuration in force: its policies and its counters. */
class AuthzRoot extends RootContext {
  private region: Region | null = null;
  private policies: Policies | null = null;
  private allowed: Counter | null = null;
  private denied: Counter | null = null;
  private shadowAllowed: Counter | null = null;
  private shadowDenied: Counter | null = null;
  private logged: Counter | null = null;
  private notLogged: Counter | null = null;
  private shadowResult: Slice = Slice.empty;
  private shadowPolicy: Slice = Slice.empty;

  onConfigure(text: Slice): bool {
    const document = JsonDocument.parse(text);
    const region = Region.create();
    const configuration = new Configuration(region);
    const policies = configuration.read(document);
    if (policies === null) {
      for (let i = 0; i < document.faults.length; i++) error(`authz: ${document.faults[i]}`);
      region.release();
      return false;
    }
    this.release();
    this.region = region;
    this.policies = policies;
    this.defineCounters(configuration, policies);
    return true;
  }

  createHttpContext(): HttpContext {
    return new AuthzStream(this);
  }

  onDelete(): void {
    this.release();
  }

  /** Judges the request under way. */
  decide(): Action {
    const policies = this.policies;
    // Streams of a plugin that was not configured: no host has them, and nobody has allowed them.
    if (policies === null) return deny(0);
    policies.facts.clear();
    policies.judge();
    if (this.shadowDenied !== null) this.reportShadow(policies);
    if (this.logged !== null) {
      const counter = matched(AUDIT) !== 0 ? this.logged : this.notLogged;
      counter!.increment();
    }
    if (policies.denies(false)) {
      this.denied!.increment();
      countRule(matched(DENY));
      return deny(matched(DENY));
    }
    this.allowed!.increment();
    countRule(matched(ALLOW));
    return Action.Continue;
  }

  private reportShadow(policies: Policies): void {
    const denies = policies.denies(true);
    const rule = denies ? matched(SHADOW_DENY) : matched(SHADOW_ALLOW);
    const counter = denies ? this.shadowDenied : this.shadowAllowed;
    counter!.increment();
    countRule(rule);
    setProperty(this.shadowResult, denies ? DENIED : ALLOWED);
    if (rule === 0) return;
    const name = Writer.create();
    writeName(name, rule);
    setProperty(this.shadowPolicy, name.bytes);
  }

  private defineCounters(configuration: Configuration, policies: Policies): void {
    const prefix = `rbac.${configuration.statPrefix}`;
    const shadowPrefix = `rbac.${configuration.shadowPrefix}`;
    this.allowed = Counter.define(`${prefix}allowed`);
    this.denied = Counter.define(`${prefix}denied`);
    const hasShadow = policies.has(SHADOW_ALLOW) || policies.has(SHADOW_DENY);
    this.shadowAllowed = hasShadow ? Counter.define(`${shadowPrefix}shadow_allowed`) : null;
    this.shadowDenied = hasShadow ? Counter.define(`${shadowPrefix}shadow_denied`) : null;
    const region = configuration.region;
    this.shadowResult = region.slice(`${configuration.shadowPrefix}shadow_engine_result`);
    this.shadowPolicy = region.slice(`${configuration.shadowPrefix}shadow_effective_policy_id`);
    const hasAudit = policies.has(AUDIT);
    this.logged = hasAudit ? Counter.define(`${prefix}logged`) : null;
    this.notLogged = hasAudit ? Counter.define(`${prefix}not_logged`) : null;
    if (!configuration.perRuleStats) return;
    for (let i = 0; i < configuration.rules.length; i++) {
      const rule = changetype<Rule>(configuration.rules[i]);
      if (rule.group === AUDIT) continue;
      const isShadow = rule.group === SHADOW_ALLOW || rule.group === SHADOW_DENY;
      const verdict = rule.group === DENY || rule.group === SHADOW_DENY ? "denied" : "allowed";
      const head = isShadow ? `${shadowPrefix}policy` : `${prefix}policy`;
      const tail = isShadow ? `shadow_${verdict}` : verdict;
      rule.hits = changetype<usize>(Counter.define(`${head}.${configuration.ruleNames[i]}.${tail}`));
    }
  }

  private release(): void {
    const region = this.region;
    this.region = null;
    this.policies = null;
    if (region !== null) region.release();
  }
}

/** Answers the request as Envoy does; `rule` is the place of the one that denies it, or 0. */
function deny(rule: usize): Action {
  const details = Writer.create();
  details.write(DETAILS);
  writeName(details, rule);
  details.writeByte(CLOSING_BRACKET);
  sendResponse(403, BODY, details.bytes);
  return Action.Pause;
}

/** Counts a rule that decided, if rules are counted. */
function countRule(place: usize): void {
  if (place === 0) return;
  const hits = changetype<Rule>(place).hits;
  if (hits !== 0) changetype<Counter>(hits).increment();
}

function writeName(writer: Writer, place: usize): void {
  const rule = changetype<Rule>(place);
  if (place === 0) writer.write(NONE);
  else writer.writeRange(rule.name, rule.nameLength);
}

/** A stream: it has nothing to remember. */
class AuthzStream extends HttpContext {
  constructor(private readonly root: AuthzRoot) {
    super();
  }

  onRequestHeaders(_count: u32, _endOfStream: bool): Action {
    return this.root.decide();
  }

  recycle(): bool {
    return true;
  }
}

register(() => new AuthzRoot());
