/**
 * Policies, requests, answers: one table, put before our module in the scripted host, before our module in Envoy and
 * before Envoy's own RBAC filter. Expected is "allow", or "deny" with the rule that the details name.
 *
 * `native: false` marks what Envoy's filter answers otherwise, or cannot be asked; `hostOnly` what only the scripted
 * host can play (a certificate with this or that, an address of the peer).
 */
import type { AuthzConfiguration, Policy, PolicyRule } from "./authz-policy.ts";
import type { AuthzRequest } from "./authz-request.ts";

export interface Ask {
  readonly request: AuthzRequest;
  /** The rule that denies, "none" if no ALLOW rule matches, null if the request passes. */
  readonly denied: string | null;
  readonly native?: boolean;
  readonly hostOnly?: boolean;
}

export interface Case {
  readonly name: string;
  readonly configuration: AuthzConfiguration;
  readonly asks: readonly Ask[];
}

const FRONT = "spiffe://cluster.local/ns/web/sa/front";
const BATCH = "spiffe://cluster.local/ns/jobs/sa/batch";
const PARTNER = "spiffe://partner.example/ns/web/sa/front";

function policy(name: string, action: Policy["action"], ...rules: (PolicyRule | null)[]): Policy {
  return { name, namespace: "shop", action: action ?? "ALLOW", rules };
}

function allow(...rules: PolicyRule[]): AuthzConfiguration {
  return { policies: [policy("p", "ALLOW", ...rules)] };
}

function deny(...rules: PolicyRule[]): AuthzConfiguration {
  return { policies: [policy("p", "DENY", ...rules)] };
}

/** One header in two lines. */
const twice = (name: string, first: string, second: string): [string, string][] => [
  [name, first],
  [name, second],
];

const passes = (request: AuthzRequest, more: Partial<Ask> = {}): Ask => ({ request, denied: null, ...more });
const isDenied = (request: AuthzRequest, more: Partial<Ask> = {}): Ask => ({
  request,
  denied: "none",
  ...more,
});
const isDeniedBy = (rule: string, request: AuthzRequest, more: Partial<Ask> = {}): Ask => ({
  request,
  denied: rule,
  ...more,
});
const P0 = "ns[shop]-policy[p]-rule[0]";
const P1 = "ns[shop]-policy[p]-rule[1]";

const ONLY_HOST = { hostOnly: true };
const NOT_NATIVE = { native: false };

export const CASES: readonly Case[] = [
  {
    name: "no policies: everything passes",
    configuration: { policies: [] },
    asks: [passes({}), passes({ method: "DELETE", path: "/admin" })],
  },
  {
    name: "an ALLOW policy without rules denies everything",
    configuration: { policies: [policy("p", "ALLOW")] },
    asks: [isDenied({}), isDenied({ peer: FRONT })],
  },
  {
    name: "a DENY policy without rules does nothing",
    configuration: { policies: [policy("p", "DENY")] },
    asks: [passes({})],
  },
  {
    name: "an empty rule matches everything, a null is no rule",
    configuration: { policies: [policy("p", "DENY", null, {})] },
    asks: [isDeniedBy(P1, {})],
  },
  {
    name: "an empty rule in an ALLOW policy allows everything",
    configuration: { policies: [policy("p", "ALLOW", {})] },
    asks: [passes({}), passes({ path: "/x", method: "PUT" })],
  },
  {
    name: "DENY comes before ALLOW, wherever it stands; policies of one kind add up",
    configuration: {
      policies: [
        policy("a", "ALLOW", { to: [{ operation: { paths: ["/a", "/c"] } }] }),
        policy("b", "ALLOW", { to: [{ operation: { paths: ["/b"] } }] }),
        policy("d", "DENY", { to: [{ operation: { paths: ["/c"] } }] }),
        policy("l", "AUDIT", { to: [{ operation: { paths: ["/z"] } }] }),
      ],
    },
    asks: [
      passes({ path: "/a" }),
      passes({ path: "/b" }),
      isDeniedBy("ns[shop]-policy[d]-rule[0]", { path: "/c" }),
      isDenied({ path: "/z" }),
    ],
  },
  {
    name: "only DENY policies: what they do not match passes; the first rule is named",
    configuration: deny(
      { to: [{ operation: { methods: ["DELETE"] } }] },
      { to: [{ operation: { paths: ["/admin*"] } }] },
    ),
    asks: [
      passes({ path: "/" }),
      isDeniedBy(P0, { method: "DELETE", path: "/admin" }),
      isDeniedBy(P1, { path: "/admin/x" }),
      isDeniedBy(P1, { path: "/administration" }),
    ],
  },
  {
    name: "from AND to AND when; lists are OR",
    configuration: allow({
      from: [
        { source: { principals: ["cluster.local/ns/web/sa/front"] } },
        { source: { namespaces: ["jobs"] } },
      ],
      to: [
        { operation: { methods: ["GET", "HEAD"], paths: ["/read/*"] } },
        { operation: { methods: ["POST"], paths: ["/write"] } },
      ],
      when: [
        { key: "request.headers[x-a]", values: ["1", "2"] },
        { key: "request.headers[x-b]", notValues: ["no"] },
      ],
    }),
    asks: [
      passes({ peer: FRONT, path: "/read/1", headers: [["x-a", "1"]] }),
      passes({ peer: BATCH, path: "/write", method: "POST", headers: [["x-a", "2"]] }),
      isDenied({ peer: PARTNER, path: "/read/1", headers: [["x-a", "1"]] }),
      isDenied({ path: "/read/1", headers: [["x-a", "1"]] }),
      isDenied({ peer: FRONT, path: "/read/1", method: "POST", headers: [["x-a", "1"]] }),
      isDenied({ peer: FRONT, path: "/write", headers: [["x-a", "1"]] }),
      isDenied({ peer: FRONT, path: "/read/1", headers: [["x-a", "3"]] }),
      isDenied({ peer: FRONT, path: "/read/1" }),
      isDenied({
        peer: FRONT,
        path: "/read/1",
        headers: [
          ["x-a", "1"],
          ["x-b", "no"],
        ],
      }),
    ],
  },
  {
    name: "values AND NOT notValues inside of one field's pair",
    configuration: allow({ to: [{ operation: { paths: ["/a/*"], notPaths: ["/a/secret", "/a/x/*"] } }] }),
    asks: [
      passes({ path: "/a/1" }),
      isDenied({ path: "/a/secret" }),
      isDenied({ path: "/a/x/1" }),
      passes({ path: "/a/x" }),
      isDenied({ path: "/b" }),
    ],
  },
  {
    name: "principals: exact, prefix, suffix, any; not-principals match plain text",
    configuration: allow(
      {
        from: [{ source: { principals: ["cluster.local/ns/web/*"] } }],
        to: [{ operation: { paths: ["/prefix"] } }],
      },
      { from: [{ source: { principals: ["*/sa/front"] } }], to: [{ operation: { paths: ["/suffix"] } }] },
      { from: [{ source: { principals: ["*"] } }], to: [{ operation: { paths: ["/any"] } }] },
      {
        from: [{ source: { notPrincipals: ["cluster.local/ns/web/sa/front"] } }],
        to: [{ operation: { paths: ["/not"] } }],
      },
      { from: [{ source: { notPrincipals: ["*"] } }], to: [{ operation: { paths: ["/plain"] } }] },
    ),
    asks: [
      passes({ peer: FRONT, path: "/prefix" }),
      isDenied({ peer: PARTNER, path: "/prefix" }),
      isDenied({ path: "/prefix" }),
      passes({ peer: FRONT, path: "/suffix" }),
      passes({ peer: PARTNER, path: "/suffix" }),
      isDenied({ peer: BATCH, path: "/suffix" }),
      passes({ peer: BATCH, path: "/any" }),
      passes({ subject: "CN=printer", path: "/any" }, ONLY_HOST),
      isDenied({ path: "/any" }),
      isDenied({ peer: FRONT, path: "/not" }),
      passes({ peer: BATCH, path: "/not" }),
      passes({ path: "/not" }),
      passes({ path: "/plain" }),
      isDenied({ peer: BATCH, path: "/plain" }),
    ],
  },
  {
    name: "namespaces, service accounts, trust domains; they need mutual TLS",
    configuration: allow(
      { from: [{ source: { namespaces: ["web"] } }], to: [{ operation: { paths: ["/ns"] } }] },
      { from: [{ source: { namespaces: ["we*"] } }], to: [{ operation: { paths: ["/ns-prefix"] } }] },
      { from: [{ source: { notNamespaces: ["web"] } }], to: [{ operation: { paths: ["/not-ns"] } }] },
      { from: [{ source: { serviceAccounts: ["web/front"] } }], to: [{ operation: { paths: ["/sa"] } }] },
      { from: [{ source: { serviceAccounts: ["front"] } }], to: [{ operation: { paths: ["/own-sa"] } }] },
    ),
    asks: [
      passes({ peer: FRONT, path: "/ns" }),
      passes({ peer: PARTNER, path: "/ns" }),
      isDenied({ peer: BATCH, path: "/ns" }),
      isDenied({ path: "/ns" }),
      passes({ peer: FRONT, path: "/ns-prefix" }),
      isDenied({ peer: FRONT, path: "/not-ns" }),
      passes({ peer: BATCH, path: "/not-ns" }),
      passes({ path: "/not-ns" }),
      passes({ peer: FRONT, path: "/sa" }),
      isDenied({ peer: BATCH, path: "/sa" }),
      isDenied({ peer: FRONT, path: "/own-sa" }),
    ],
  },
  {
    name: "trust domains",
    configuration: allow({ from: [{ source: { trustDomains: ["cluster.local"] } }] }),
    asks: [
      passes({ peer: FRONT }, NOT_NATIVE),
      isDenied({ peer: PARTNER }, NOT_NATIVE),
      isDenied({}, NOT_NATIVE),
    ],
  },
  {
    name: "methods are exact, and case counts",
    configuration: allow({ to: [{ operation: { methods: ["GET", "P*", "*TIONS"] } }] }),
    asks: [
      passes({}),
      passes({ method: "PUT" }),
      passes({ method: "POST" }),
      passes({ method: "OPTIONS" }),
      isDenied({ method: "DELETE" }),
    ],
  },
  {
    name: "hosts: case does not count, the port does",
    configuration: allow({
      to: [{ operation: { hosts: ["Shop.Example", "*.shop.example", "api.example:*"] } }],
    }),
    asks: [
      passes({ host: "shop.example" }),
      passes({ host: "SHOP.example" }),
      isDenied({ host: "shop.example:8080" }),
      passes({ host: "a.shop.example" }),
      passes({ host: "A.SHOP.EXAMPLE" }),
      isDenied({ host: "a.shop.example:80" }),
      passes({ host: "api.example:443" }),
      isDenied({ host: "api.example" }),
      isDenied({ host: "xshop.example" }),
    ],
  },
  {
    name: "paths: without the query, and case counts",
    configuration: allow({ to: [{ operation: { paths: ["/a", "/b/*", "*.jpg", "/m*n/*z"] } }] }),
    asks: [
      passes({ path: "/a" }),
      passes({ path: "/a?x=/secret" }),
      isDenied({ path: "/A" }),
      isDenied({ path: "/a/" }),
      isDenied({ path: "/ab" }),
      passes({ path: "/b/" }),
      passes({ path: "/b/c/d" }),
      isDenied({ path: "/b" }),
      passes({ path: "/pictures/x.jpg" }),
      passes({ path: "/pictures/x.jpg?size=1" }),
      isDenied({ path: "/pictures/x.png?x.jpg" }),
      passes({ path: "/mn/z" }, NOT_NATIVE),
      passes({ path: "/man/xyz" }, NOT_NATIVE),
      isDenied({ path: "/man/xy" }, NOT_NATIVE),
    ],
  },
  {
    name: "any path; a path prefix denies itself with a query",
    configuration: {
      policies: [
        policy("any", "ALLOW", { to: [{ operation: { paths: ["*"] } }] }),
        policy("no", "DENY", { to: [{ operation: { paths: ["/admin", "/admin/*"] } }] }),
      ],
    },
    asks: [
      passes({ path: "/" }),
      passes({ path: "/?a" }),
      isDeniedBy("ns[shop]-policy[no]-rule[0]", { path: "/admin?x" }),
      isDeniedBy("ns[shop]-policy[no]-rule[0]", { path: "/admin/?x" }),
      passes({ path: "/Admin" }),
    ],
  },
  {
    name: "path templates",
    configuration: allow({
      to: [{ operation: { paths: ["/a/{*}/b", "/c/{**}", "/d/{*}/{*}.json", "/e/{**}/tail", "/{*}"] } }],
    }),
    asks: [
      passes({ path: "/a/x/b" }),
      passes({ path: "/a/x/b?q=1" }),
      isDenied({ path: "/a//b" }),
      isDenied({ path: "/a/x/y/b" }),
      isDenied({ path: "/a/x/b/" }),
      passes({ path: "/c/" }),
      passes({ path: "/c/x/y/z" }),
      passes({ path: "/c" }),
      passes({ path: "/d/x/y.json" }),
      isDenied({ path: "/d/x/.json" }),
      isDenied({ path: "/d/x/y.xml" }),
      passes({ path: "/e/x/y/tail" }),
      passes({ path: "/e//tail" }),
      isDenied({ path: "/e/tail" }),
      isDenied({ path: "/" }),
      passes({ path: "/a/x=1/b" }),
      passes({ path: "/a/x%3D1/b" }),
      passes({ path: "/a/x;y@z,!$&'()*+~/b" }),
      isDenied({ path: "/a/x[1]/b" }),
    ],
  },
  {
    name: "a template that denies is not slipped past with bytes that Envoy's operators do not take",
    configuration: deny({ to: [{ operation: { paths: ["/admin/{**}", "/x/{*}"] } }] }),
    asks: [
      isDeniedBy(P0, { path: "/admin/a" }),
      isDeniedBy(P0, { path: "/admin/a[b]" }, NOT_NATIVE),
      isDeniedBy(P0, { path: "/x/a[b" }, NOT_NATIVE),
      passes({ path: "/x/a[b/c" }),
      passes({ path: "/y/a" }),
    ],
  },
  {
    name: "the path is compared as the host normalised it; gRPC paths too",
    configuration: {
      policies: [
        policy("a", "ALLOW", { to: [{ operation: { paths: ["/pub/*", "/pkg.Svc/Read"] } }] }),
        policy("d", "DENY", { to: [{ operation: { paths: ["/pub/admin"] } }] }),
      ],
    },
    asks: [
      passes({ path: "/pkg.Svc/Read", method: "POST" }),
      isDenied({ path: "/pkg.Svc/Write", method: "POST" }),
      passes({ path: "/pub/x" }),
      isDeniedBy("ns[shop]-policy[d]-rule[0]", { path: "/pub/admin" }),
    ],
  },
  {
    name: "ports are those that were connected to",
    configuration: allow({ to: [{ operation: { ports: ["8080", 9090] } }] }),
    asks: [
      passes({ port: 8080 }, ONLY_HOST),
      passes({ port: 9090 }, ONLY_HOST),
      isDenied({ port: 80 }, ONLY_HOST),
    ],
  },
  {
    name: "a DENY of all ports but one",
    configuration: deny({ to: [{ operation: { notPorts: ["8080"] } }] }),
    asks: [passes({ port: 8080 }, ONLY_HOST), isDeniedBy(P0, { port: 8081 }, ONLY_HOST)],
  },
  {
    name: "ip blocks: the TCP peer, IPv4 written as IPv6 too",
    configuration: allow(
      { from: [{ source: { ipBlocks: ["10.0.0.0/8", "2001:db8::/32", "192.168.1.7"] } }] },
      { from: [{ source: { notIpBlocks: ["0.0.0.0/0", "::/0"] } }] },
    ),
    asks: [
      passes({ source: "10.255.0.1:1" }, ONLY_HOST),
      isDenied({ source: "11.0.0.1:1" }, ONLY_HOST),
      passes({ source: "[::ffff:10.1.2.3]:99" }, ONLY_HOST),
      passes({ source: "[2001:db8:1::1]:99" }, ONLY_HOST),
      isDenied({ source: "[2001:db9::1]:99" }, ONLY_HOST),
      passes({ source: "192.168.1.7:5" }, ONLY_HOST),
      isDenied({ source: "192.168.1.8:5" }, ONLY_HOST),
    ],
  },
  {
    name: "remote ip blocks: the client as the host makes it out",
    configuration: allow({ from: [{ source: { remoteIpBlocks: ["203.0.113.0/24", "2001:db8::7"] } }] }),
    asks: [
      passes({ source: "203.0.113.9:0", headers: [["x-forwarded-for", "203.0.113.9"]] }),
      isDenied({ source: "198.51.100.1:0", headers: [["x-forwarded-for", "198.51.100.1"]] }),
      passes({ source: "203.0.113.9:0", headers: [["x-forwarded-for", "198.51.100.1, 203.0.113.9"]] }),
      passes({ source: "[2001:db8::7]:0", headers: [["x-forwarded-for", "2001:db8::7"]] }),
    ],
  },
  {
    name: "headers: each line of a repeated one by itself, present, missing",
    configuration: allow(
      {
        when: [{ key: "request.headers[X-One]", values: ["a", "b*"] }],
        to: [{ operation: { paths: ["/one"] } }],
      },
      {
        when: [{ key: "request.headers[x-two]", values: ["b,c"] }],
        to: [{ operation: { paths: ["/two"] } }],
      },
      { when: [{ key: "request.headers[x-any]", values: ["*"] }], to: [{ operation: { paths: ["/any"] } }] },
      {
        when: [{ key: "request.headers[x-not]", notValues: ["a"] }],
        to: [{ operation: { paths: ["/not"] } }],
      },
      {
        when: [{ key: "request.headers[x-gone]", notValues: ["*"] }],
        to: [{ operation: { paths: ["/gone"] } }],
      },
    ),
    asks: [
      passes({ path: "/one", headers: [["x-one", "a"]] }),
      isDenied({ path: "/one", headers: [["x-one", "A"]] }),
      passes({ path: "/one", headers: [["x-one", "b,c"]] }),
      isDenied({ path: "/one", headers: [["x-one", "a,c"]] }),
      passes({ path: "/one", headers: twice("x-one", "a", "a") }),
      passes({ path: "/one", headers: twice("x-one", "z", "a") }),
      passes({ path: "/one", headers: twice("x-one", "a", "z") }),
      isDenied({ path: "/one", headers: twice("x-one", "y", "z") }),
      isDenied({ path: "/one" }),
      passes({ path: "/two", headers: [["x-two", "b,c"]] }),
      isDenied({ path: "/two", headers: twice("x-two", "b", "c") }),
      passes({ path: "/any", headers: [["x-any", "v"]] }),
      passes({ path: "/any", headers: [["x-any", ""]] }),
      isDenied({ path: "/any" }),
      passes({ path: "/not" }),
      passes({ path: "/not", headers: [["x-not", "b"]] }),
      isDenied({ path: "/not", headers: [["x-not", "a"]] }),
      isDenied({ path: "/not", headers: twice("x-not", "a", "b") }),
      isDenied({ path: "/not", headers: twice("x-not", "b", "a") }),
      passes({ path: "/gone" }),
      isDenied({ path: "/gone", headers: [["x-gone", "a"]] }),
    ],
  },
  {
    name: "request principals: issuer and subject, parted at the last slash; not-matchers match without a token",
    configuration: allow(
      {
        from: [{ source: { requestPrincipals: ["https://issuer.example/ada"] } }],
        to: [{ operation: { paths: ["/exact"] } }],
      },
      {
        from: [{ source: { requestPrincipals: ["https://issuer.example/*"] } }],
        to: [{ operation: { paths: ["/issuer"] } }],
      },
      { from: [{ source: { requestPrincipals: ["*/ada"] } }], to: [{ operation: { paths: ["/subject"] } }] },
      { from: [{ source: { requestPrincipals: ["*"] } }], to: [{ operation: { paths: ["/any"] } }] },
      { from: [{ source: { notRequestPrincipals: ["*"] } }], to: [{ operation: { paths: ["/none"] } }] },
    ),
    asks: [
      passes({ path: "/exact", claims: { iss: "https://issuer.example", sub: "ada" } }),
      isDenied({ path: "/exact", claims: { iss: "https://issuer.example", sub: "bob" } }),
      isDenied({ path: "/exact", claims: { iss: "https://other.example", sub: "ada" } }),
      passes({ path: "/issuer", claims: { iss: "https://issuer.example", sub: "bob" } }),
      isDenied({ path: "/issuer", claims: { iss: "https://issuer.example" } }),
      passes({ path: "/subject", claims: { iss: "x", sub: "ada" } }),
      passes({ path: "/any", claims: { iss: "x", sub: "y" } }),
      isDenied({ path: "/any", claims: { iss: "", sub: "y" } }),
      isDenied({ path: "/any" }),
      passes({ path: "/none" }),
      isDenied({ path: "/none", claims: { iss: "x", sub: "y" } }),
    ],
  },
  {
    name: "claims: text, one of a list, nested; a list matches if any element does",
    configuration: allow(
      {
        when: [{ key: "request.auth.claims[groups]", values: ["admin", "dev-*"] }],
        to: [{ operation: { paths: ["/groups"] } }],
      },
      {
        when: [{ key: "request.auth.claims[realm][role]", values: ["*"] }],
        to: [{ operation: { paths: ["/nested"] } }],
      },
      {
        when: [{ key: "request.auth.audiences", values: ["shop"] }],
        to: [{ operation: { paths: ["/aud"] } }],
      },
      {
        when: [{ key: "request.auth.claims[groups]", notValues: ["guest"] }],
        to: [{ operation: { paths: ["/not"] } }],
      },
    ),
    asks: [
      passes({ path: "/groups", claims: { groups: "admin" } }),
      passes({ path: "/groups", claims: { groups: ["guest", "dev-x"] } }),
      isDenied({ path: "/groups", claims: { groups: ["guest"] } }),
      isDenied({ path: "/groups", claims: { groups: [] } }),
      isDenied({ path: "/groups", claims: { groups: "adminx" } }),
      isDenied({ path: "/groups" }),
      passes({ path: "/nested", claims: { realm: { role: "x" } } }),
      passes({ path: "/nested", claims: { realm: { role: ["x", "y"] } } }),
      isDenied({ path: "/nested", claims: { realm: { other: "x" } } }),
      passes({ path: "/aud", claims: { aud: ["web", "shop"] } }),
      passes({ path: "/aud", claims: { aud: "shop" } }),
      isDenied({ path: "/aud", claims: { aud: "shops" } }),
      passes({ path: "/not" }),
      passes({ path: "/not", claims: { groups: ["dev"] } }),
      isDenied({ path: "/not", claims: { groups: ["dev", "guest"] } }),
    ],
  },
  {
    name: "conditions on the source stand beside its fields",
    configuration: deny(
      { when: [{ key: "source.namespace", notValues: ["web"] }] },
      {
        when: [{ key: "source.principal", values: ["*/sa/front"] }],
        to: [{ operation: { methods: ["DELETE"] } }],
      },
    ),
    asks: [
      passes({ peer: FRONT }),
      isDeniedBy(P0, { peer: BATCH }),
      isDeniedBy(P0, {}),
      isDeniedBy(P1, { peer: FRONT, method: "DELETE" }),
    ],
  },
];
