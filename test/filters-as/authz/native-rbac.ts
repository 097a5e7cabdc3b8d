/**
 * Policies as Envoy's own RBAC filter takes them, translated as Istio does: one filter for all DENY policies, then
 * one for all ALLOW policies; lists become OR, not-lists NOT of OR, fields AND.
 */
import type { YamlMap } from "../../support/bootstrap.ts";
import {
  type AuthzConfiguration,
  type Operation,
  type Policy,
  type PolicyRule,
  ruleName,
  type Source,
} from "./authz-policy.ts";

const ANY: YamlMap = { any: true };
const JWT = "envoy.filters.http.jwt_authn";

/** The HTTP filters that stand for a configuration. AUDIT and dry-run policies are left out. */
export function nativeFilters(configuration: AuthzConfiguration): YamlMap[] {
  const of = (action: string) =>
    configuration.policies.filter(
      (policy) => (policy.action ?? "ALLOW") === action && policy.dryRun !== true,
    );
  const filters: YamlMap[] = [];
  if (of("DENY").length > 0) filters.push(filter("DENY", of("DENY")));
  if (of("ALLOW").length > 0) filters.push(filter("ALLOW", of("ALLOW")));
  return filters;
}

function filter(action: string, policies: readonly Policy[]): YamlMap {
  const entries = policies.flatMap((policy) =>
    (policy.rules ?? []).flatMap((rule, i): [string, YamlMap][] =>
      rule === null ? [] : [[ruleName(policy, i), policyOf(policy, rule)]],
    ),
  );
  return {
    name: `rbac-${action}`,
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
      rules: { action, policies: Object.fromEntries(entries) },
    },
  };
}

function policyOf(policy: Policy, rule: PolicyRule): YamlMap {
  const { from = [{ source: {} }], to = [{ operation: {} }], when = [] } = rule;
  const conditions = when.flatMap(({ key, values = [], notValues = [] }) =>
    both(values, notValues, "ids", (value) => principalOf(policy, key, value)),
  );
  return {
    principals: from.map(({ source }) => all("ids", [...fieldsOf(policy, source), ...conditions])),
    permissions: to.map(({ operation }) => all("rules", permissionsOf(operation))),
  };
}

function all(kind: "ids" | "rules", parts: YamlMap[]): YamlMap {
  return parts.length === 0 ? ANY : { [`and_${kind}`]: { [kind]: parts } };
}

/** A list and a not-list. */
function both<T>(
  values: readonly T[],
  notValues: readonly T[],
  kind: "ids" | "rules",
  make: (value: T) => YamlMap,
): YamlMap[] {
  const or = (list: readonly T[]): YamlMap => ({ [`or_${kind}`]: { [kind]: list.map(make) } });
  const not = kind === "ids" ? "not_id" : "not_rule";
  return [
    ...(values.length > 0 ? [or(values)] : []),
    ...(notValues.length > 0 ? [{ [not]: or(notValues) }] : []),
  ];
}

function namesOf(fields: Source | Operation): string[] {
  const plain = (name: string) => (/^not[A-Z]/.test(name) ? name[3].toLowerCase() + name.slice(4) : name);
  return [...new Set(Object.keys(fields).map(plain))];
}

const negated = (name: string) => `not${name[0].toUpperCase()}${name.slice(1)}`;

function fieldsOf(policy: Policy, source: Source): YamlMap[] {
  return namesOf(source).flatMap((name) =>
    both(source[name] ?? [], source[negated(name)] ?? [], "ids", (value) => principalOf(policy, name, value)),
  );
}

function permissionsOf(operation: Operation): YamlMap[] {
  return namesOf(operation).flatMap((name) =>
    both(operation[name] ?? [], operation[negated(name)] ?? [], "rules", (value) =>
      permissionOf(name, String(value)),
    ),
  );
}

function principalOf(policy: Policy, key: string, value: string): YamlMap {
  switch (key) {
    case "principals":
    case "source.principal":
      return authenticated(stringMatch(value, "spiffe://"));
    case "namespaces":
    case "source.namespace":
      return authenticated(regex(`.*/ns/${value.replaceAll("*", ".*")}/.*`));
    case "serviceAccounts": {
      const [namespace, account] = value.includes("/") ? value.split("/") : [policy.namespace ?? "", value];
      return authenticated(regex(`spiffe://.+/ns/${namespace}/(.+/|)sa/${account}(/.+)?`));
    }
    case "ipBlocks":
      return { direct_remote_ip: block(value) };
    case "remoteIpBlocks":
      return { remote_ip: block(value) };
    case "requestPrincipals":
      return requestPrincipal(value);
    case "request.auth.audiences":
      return claim(["aud"], value);
    default:
  }
  const header = /^request\.headers\[(.*)\]$/.exec(key);
  if (header !== null) return { header: headerMatch(header[1], value) };
  return claim(/^request\.auth\.claims\[(.*)\]$/.exec(key)?.[1].split("][") ?? [key], value);
}

function permissionOf(name: string, value: string): YamlMap {
  switch (name) {
    case "methods":
      return { header: headerMatch(":method", value) };
    case "hosts":
      return { header: headerMatch(":authority", value, true) };
    case "ports":
      return { destination_port: Number(value) };
    default:
  }
  if (!/\{\*\*?\}/.test(value)) return { url_path: { path: stringMatch(value) } };
  const template = value.replace(/\{(\*\*?)\}/g, "$1");
  return {
    uri_template: {
      name: "envoy.path.match.uri_template.uri_template_matcher",
      typed_config: {
        "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
        path_template: template,
      },
    },
  };
}

function authenticated(match: YamlMap): YamlMap {
  return { authenticated: { principal_name: match } };
}

function block(value: string): YamlMap {
  const [address, bits] = value.split("/");
  return { address_prefix: address, prefix_len: Number(bits ?? (address.includes(":") ? 128 : 32)) };
}

function headerMatch(name: string, value: string, ignoreCase = false): YamlMap {
  if (value === "*") return { name, present_match: true };
  return { name, string_match: { ...stringMatch(value), ...(ignoreCase ? { ignore_case: true } : {}) } };
}

function requestPrincipal(value: string): YamlMap {
  const slash = value.lastIndexOf("/");
  const [issuer, subject] = slash < 0 ? [value, value] : [value.slice(0, slash), value.slice(slash + 1)];
  const string = (name: string, text: string) => ({
    metadata: { filter: JWT, path: segments([name]), value: { string_match: stringMatch(text) } },
  });
  return { and_ids: { ids: [string("iss", issuer), string("sub", subject)] } };
}

/** Text, or a list of which one element matches. */
function claim(names: readonly string[], value: string): YamlMap {
  const match = { string_match: stringMatch(value) };
  const test = (what: YamlMap) => ({ metadata: { filter: JWT, path: segments(names), value: what } });
  return { or_ids: { ids: [test(match), test({ list_match: { one_of: match } })] } };
}

function segments(names: readonly string[]): YamlMap[] {
  return ["payload", ...names].map((key) => ({ key }));
}

function stringMatch(value: string, prefix = ""): YamlMap {
  if (value === "*") return regex(".+");
  const pieces = value.split("*");
  if (pieces.length === 1) return { exact: prefix + value };
  if (pieces.length === 2 && pieces[1] === "") return { prefix: prefix + pieces[0] };
  if (pieces.length === 2 && pieces[0] === "" && prefix === "") return { suffix: pieces[1] };
  return regex(prefix + pieces.map((piece) => piece.replaceAll(".", "\\.")).join(".*"));
}

function regex(text: string): YamlMap {
  return { safe_regex: { regex: text } };
}
