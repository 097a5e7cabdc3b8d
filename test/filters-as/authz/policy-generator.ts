/**
 * Policies by dice, and requests made of the policies' own words so that they often match. The same seed gives the
 * same ones.
 */
import type { AuthzConfiguration, Policy, PolicyRule } from "./authz-policy.ts";
import type { AuthzRequest } from "./authz-request.ts";

/** Small numbers in a fixed order (mulberry32). */
export class Dice {
  private state: number;
  /** No addresses and ports: what can be asked of any proxy, wherever it runs. */
  readonly anywhere: boolean;

  constructor(seed: number, anywhere = false) {
    this.state = seed;
    this.anywhere = anywhere;
  }

  below(limit: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  some<T>(make: () => T, most = 3): T[] {
    return Array.from({ length: 1 + this.below(most) }, make);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}

const WORDS = ["a", "b", "ab", "abc", "api", "x"];

function pathPattern(dice: Dice): string {
  const path = `/${dice.some(() => dice.of(WORDS)).join("/")}`;
  switch (dice.below(8)) {
    case 0:
      return `${path}/*`;
    case 1:
      return `${path}*`;
    case 2:
      return `*/${dice.of(WORDS)}`;
    case 3:
      return `${path}/{*}`;
    case 4:
      return `/${dice.of(WORDS)}/{*}/${dice.of(WORDS)}/{**}`;
    case 5:
      return dice.chance(30) ? "*" : `/${dice.of(WORDS)}*${dice.of(WORDS)}*`;
    default:
      return path;
  }
}

function principalPattern(dice: Dice): string {
  const id = `td/ns/${dice.of(WORDS)}/sa/${dice.of(WORDS)}`;
  return dice.of([id, id, id, `td/ns/${dice.of(WORDS)}/*`, `*/sa/${dice.of(WORDS)}`, "*"]);
}

function hostPattern(dice: Dice): string {
  const host = `${dice.of(WORDS)}.example`;
  return dice.of([host, host, `*.${host}`, `${host}:*`, "*.Example"]);
}

const NAMESPACE_PATTERNS = [...WORDS, "a*", "*b"];

function source(dice: Dice) {
  const out: { [field: string]: string[] } = {};
  const put = (field: string, percent: number, make: () => string) => {
    if (dice.chance(percent)) out[field] = dice.some(make);
    if (dice.chance(percent / 5)) out[`not${field[0].toUpperCase()}${field.slice(1)}`] = dice.some(make);
  };
  put("principals", 50, () => principalPattern(dice));
  put("namespaces", 25, () => dice.of(NAMESPACE_PATTERNS));
  put("serviceAccounts", 10, () => dice.of([dice.of(WORDS), `${dice.of(WORDS)}/${dice.of(WORDS)}`]));
  if (!dice.anywhere) put("ipBlocks", 10, () => dice.of(["10.0.0.0/8", "10.1.0.0/16", "11.0.0.1"]));
  put("requestPrincipals", 10, () => `${dice.of(["i", "*", "i*"])}/${dice.of(["s", "*", "*t"])}`);
  if (Object.keys(out).length === 0) out.notPrincipals = [principalPattern(dice)];
  return { source: out };
}

function operation(dice: Dice) {
  const out: { [field: string]: string[] } = {};
  if (dice.chance(75)) out.paths = dice.some(() => pathPattern(dice));
  if (dice.chance(10)) out.notPaths = dice.some(() => pathPattern(dice));
  if (dice.chance(30)) out.methods = dice.some(() => dice.of(["GET", "POST", "P*"]));
  if (dice.chance(25)) out.hosts = dice.some(() => hostPattern(dice));
  if (dice.chance(5)) out.notHosts = dice.some(() => hostPattern(dice));
  if (!dice.anywhere && dice.chance(10)) out.ports = ["8080"];
  if (Object.keys(out).length === 0) out.notMethods = ["DELETE"];
  return { operation: out };
}

function condition(dice: Dice) {
  const keys = ["request.headers[x-a]", "request.auth.claims[g]", "source.namespace", "source.ip"];
  const key = dice.of(dice.anywhere ? keys.slice(0, 3) : keys);
  const values = dice.some(() => (key === "source.ip" ? "10.1.0.0/16" : dice.of(NAMESPACE_PATTERNS)));
  return dice.chance(70) ? { key, values } : { key, notValues: values };
}

function rule(dice: Dice): PolicyRule {
  return {
    ...(dice.chance(70) ? { from: dice.some(() => source(dice), 2) } : {}),
    ...(dice.chance(85) ? { to: dice.some(() => operation(dice), 2) } : {}),
    ...(dice.chance(20) ? { when: dice.some(() => condition(dice), 2) } : {}),
  };
}

export function generatePolicies(dice: Dice): AuthzConfiguration {
  const count = dice.chance(20) ? 60 : 1 + dice.below(6);
  return {
    policies: Array.from({ length: count }, (_, i): Policy => {
      const action = dice.of(["ALLOW", "ALLOW", "DENY", "DENY", "AUDIT"] as const);
      const dryRun = action !== "AUDIT" && dice.chance(25);
      return {
        name: `p${i}`,
        namespace: dice.of(WORDS),
        action,
        dryRun,
        rules: dice.some(() => rule(dice), 4),
      };
    }),
  };
}

export function generateRequest(dice: Dice): AuthzRequest {
  const path = `/${dice.some(() => dice.of(WORDS), 5).join("/")}`;
  return {
    method: dice.of(["GET", "GET", "POST", "PUT", "DELETE"]),
    path: `${path}${dice.of(["", "", "/", "?q=/a"])}`,
    host: `${dice.of(["", "", "a."])}${dice.of(WORDS)}.example${dice.of(["", "", ":80"])}`,
    source: `${dice.of(["10.1.2.3", "10.2.2.3", "11.0.0.1"])}:99`,
    port: dice.of([8080, 9090]),
    ...(dice.chance(75) ? { peer: `spiffe://td/ns/${dice.of(WORDS)}/sa/${dice.of(WORDS)}` } : {}),
    ...(dice.chance(40) ? { headers: dice.some((): [string, string] => ["x-a", dice.of(WORDS)], 2) } : {}),
    ...(dice.chance(40)
      ? { claims: { iss: "i", sub: dice.of(["s", "t"]), g: dice.of([dice.of(WORDS), ["b", "x"]]) } }
      : {}),
  };
}
