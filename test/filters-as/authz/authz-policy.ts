/** The configuration of the authz filter, as the tests write it. */
export interface Source {
  readonly [field: string]: readonly string[];
}

export interface Operation {
  readonly [field: string]: readonly (string | number)[];
}

export interface Condition {
  readonly key: string;
  readonly values?: readonly string[];
  readonly notValues?: readonly string[];
}

export interface PolicyRule {
  readonly from?: readonly { readonly source: Source }[];
  readonly to?: readonly { readonly operation: Operation }[];
  readonly when?: readonly Condition[];
}

export interface Policy {
  readonly name: string;
  readonly namespace?: string;
  readonly action?: "ALLOW" | "DENY" | "AUDIT";
  readonly dryRun?: boolean;
  readonly rules?: readonly (PolicyRule | null)[];
}

export interface AuthzConfiguration {
  readonly policies: readonly Policy[];
  readonly [option: string]: unknown;
}

/** `ns[shop]-policy[orders]-rule[0]`: how a rule is named in details and counters. */
export function ruleName(policy: Policy, index: number): string {
  return `ns[${policy.namespace ?? ""}]-policy[${policy.name}]-rule[${index}]`;
}
