/**
 * What authz must answer, said a second time and differently: no index, no bytes, regular expressions as Istio makes
 * them for Envoy. Every rule is tried for every request.
 *
 * It knows what is absent but not what is unknown: requests whose peer the host cannot tell are for other tests.
 */
import { BlockList, isIPv4 } from "node:net";
import {
  type AuthzConfiguration,
  type Operation,
  type Policy,
  type PolicyRule,
  ruleName,
  type Source,
} from "./authz-policy.ts";
import type { AuthzRequest, Claim } from "./authz-request.ts";

export interface Verdict {
  readonly denied: boolean;
  /** The rule that decided, or "none". */
  readonly rule: string;
}

/** The verdict of the policies in force, or of the dry-run ones. */
export function judge(configuration: AuthzConfiguration, request: AuthzRequest, dryRun = false): Verdict {
  const policies = configuration.policies.filter((policy) => (policy.dryRun ?? false) === dryRun);
  const matching = (action: string): string | undefined =>
    policies
      .filter((policy) => (policy.action ?? "ALLOW") === action)
      .flatMap((policy) => matchingRules(policy, request))
      .at(0);
  const deny = matching("DENY");
  if (deny !== undefined) return { denied: true, rule: deny };
  if (!policies.some(({ action = "ALLOW" }) => action === "ALLOW")) return { denied: false, rule: "none" };
  const allow = matching("ALLOW");
  return { denied: allow === undefined, rule: allow ?? "none" };
}

/** True if some AUDIT rule matches. */
export function isAudited(configuration: AuthzConfiguration, request: AuthzRequest): boolean {
  const audits = configuration.policies.filter(({ action }) => action === "AUDIT");
  return audits.some((policy) => matchingRules(policy, request).length > 0);
}

function matchingRules(policy: Policy, request: AuthzRequest): string[] {
  return (policy.rules ?? []).flatMap((rule, i) =>
    rule !== null && matches(policy, rule, request) ? [ruleName(policy, i)] : [],
  );
}

function matches(policy: Policy, rule: PolicyRule, request: AuthzRequest): boolean {
  const { from, to, when = [] } = rule;
  return (
    (from === undefined || from.some(({ source }) => allFields(source, policy, request))) &&
    (to === undefined || to.some(({ operation }) => allFields(operation, policy, request))) &&
    when.every(
      ({ key, values, notValues }) =>
        (values === undefined || values.some((value) => one(key, value, policy, request))) &&
        !(notValues ?? []).some((value) => one(key, value, policy, request)),
    )
  );
}

function allFields(fields: Source | Operation, policy: Policy, request: AuthzRequest): boolean {
  return Object.entries(fields).every(([field, values]) => {
    const negated = /^not[A-Z]/.test(field);
    const name = negated ? field[3].toLowerCase() + field.slice(4) : field;
    return negated !== values.some((value) => one(name, String(value), policy, request));
  });
}

/** One value of a field or condition against the request. */
function one(key: string, value: string, policy: Policy, request: AuthzRequest): boolean {
  const {
    peer = "",
    method = "GET",
    path = "/",
    host = "shop",
    source = "10.1.2.3:4567",
    port = 8080,
  } = request;
  switch (key) {
    case "principals":
    case "source.principal":
      if (value === "*") return peer !== "" || (request.subject ?? "") !== "";
      return pattern(`spiffe://${value}`).test(peer);
    case "trustDomains":
      return pattern(value).test(/^spiffe:\/\/([^/]*)/.exec(peer)?.[1] ?? "");
    case "namespaces":
    case "source.namespace":
      return pattern(value).test(/^spiffe:\/\/[^/]+\/(?:.*?\/)??ns\/([^/]+)\//.exec(peer)?.[1] ?? "");
    case "serviceAccounts":
    case "source.serviceAccount": {
      const full = value.includes("/") ? value : `${policy.namespace}/${value}`;
      return new RegExp(`^spiffe://[^/]+/ns/${full.replace("/", "/sa/")}(/.*)?$`).test(peer);
    }
    case "ipBlocks":
    case "source.ip":
    case "remoteIpBlocks":
    case "remote.ip":
      return inBlock(value, source.slice(0, source.lastIndexOf(":")).replace(/[[\]]/g, ""));
    case "destination.ip":
      return inBlock(value, "10.9.9.9");
    case "ports":
    case "destination.port":
      return Number(value) === port;
    case "methods":
      return pattern(value).test(method);
    case "hosts":
      return pattern(value, "i").test(host);
    case "paths":
      return templateOrPattern(value, path.replace(/[?#].*$/s, ""));
    case "requestPrincipals":
    case "request.auth.principal":
      return requestPrincipal(value, request.claims ?? {});
    default:
  }
  const header = /^request\.headers\[(.*)\]$/.exec(key);
  if (header !== null) {
    const all = (request.headers ?? []).filter(([name]) => name === header[1].toLowerCase());
    return value === "*" ? all.length > 0 : all.some(([, text]) => pattern(value).test(text));
  }
  let claim: Claim | undefined = request.claims;
  const names = key === "request.auth.audiences" ? ["aud"] : key.slice(20, -1).split("][");
  for (const name of names) claim = (claim as { readonly [name: string]: Claim } | undefined)?.[name];
  const elements = Array.isArray(claim) ? claim : [claim];
  return elements.some((element) => typeof element === "string" && pattern(value).test(element));
}

/** `*` alone is something; else it is anything. */
function pattern(value: string, flags = ""): RegExp {
  if (value === "*") return /^.+$/s;
  const pieces = value.split("*").map((piece) => piece.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${pieces.join(".*")}$`, `${flags}s`);
}

function templateOrPattern(value: string, path: string): boolean {
  if (!/\{\*\*?\}/.test(value)) return pattern(value).test(path);
  const pchar = "[a-zA-Z0-9\\-._~%!$&'()*+,;=:@";
  const pieces = value.split(/(\{\*\*?\})/).map((piece) => {
    if (piece === "{*}") return `${pchar}]+`;
    return piece === "{**}" ? `${pchar}/]*` : piece.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  });
  return new RegExp(`^${pieces.join("")}$`).test(path);
}

function requestPrincipal(value: string, claims: { readonly [name: string]: Claim }): boolean {
  const { iss, sub } = claims;
  if (typeof iss !== "string" || typeof sub !== "string") return false;
  const slash = value.lastIndexOf("/");
  const [issuer, subject] =
    slash >= 0
      ? [value.slice(0, slash), value.slice(slash + 1)]
      : value.startsWith("*")
        ? ["*", value]
        : [value, "*"];
  return pattern(issuer).test(iss) && pattern(subject).test(sub);
}

function inBlock(value: string, address: string): boolean {
  const plain = (text: string) => text.replace(/^::ffff:(?=\d+\.)/i, "");
  const list = new BlockList();
  const [base, bits] = value.split("/");
  const family = isIPv4(plain(base)) ? "ipv4" : "ipv6";
  if (bits === undefined) list.addAddress(plain(base), family);
  else list.addSubnet(plain(base), base === plain(base) ? Number(bits) : Number(bits) - 96, family);
  const own = isIPv4(plain(address)) ? "ipv4" : "ipv6";
  return own === family && list.check(plain(address), own);
}
