/**
 * Configurations of the authz filter: faults are refused, each with its path, all at once; and the schema beside the
 * filter agrees with the filter.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ScriptedHost } from "../../../runtime-adapters/filter-tool/scripted-host/scripted-host.ts";
import { shippedFilter } from "../../support/filter-build.ts";
import { type JsonSchema, schemaFaults } from "../../support/json-schema.ts";
import { ROOT } from "../../support/our-proxy.ts";
import { CASES } from "./policy-table.ts";

let authz: string;
beforeAll(() => {
  authz = shippedFilter("authz");
}, 120_000);

const schema = JSON.parse(
  readFileSync(join(ROOT, "filters-as/authz/authz.schema.json"), "utf8"),
) as JsonSchema & {
  readonly examples: unknown[];
};

function refusal(configuration: unknown): string[] {
  return ScriptedHost.refusal(authz, { configuration }).map((line) => line.replace(/^error: authz: /, ""));
}

const policy = (fields: object) => ({ policies: [{ name: "p", ...fields }] });
const rule = (fields: unknown) => policy({ rules: [fields] });
const source = (fields: unknown) => rule({ from: [{ source: fields }] });
const operation = (fields: unknown) => rule({ to: [{ operation: fields }] });
const when = (condition: unknown) => rule({ when: [condition] });

const RULE = "policies[0].rules[0]";
const SOURCE = `${RULE}.from[0].source`;
const OPERATION = `${RULE}.to[0].operation`;
const WHEN = `${RULE}.when[0]`;
const EMPTY = "must not be empty: leave it out, or say what is meant";

/** Faults that the schema sees, too. */
const SHAPES: [unknown, string[]][] = [
  [{}, ["policies: is missing"]],
  [[], ["configuration: must be an object"]],
  [{ policies: {} }, ["policies: must be an array"]],
  [{ policies: [], mode: 1 }, ["mode: unknown field"]],
  [{ policies: [{}] }, ["policies[0].name: is missing"]],
  [
    policy({ name: "" }),
    ["policies[0].name: must be 1 to 253 letters, digits and signs other than brackets"],
  ],
  [
    policy({ name: "a[b" }),
    ["policies[0].name: must be 1 to 253 letters, digits and signs other than brackets"],
  ],
  [
    policy({ namespace: "a b" }),
    ["policies[0].namespace: must be 1 to 253 letters, digits and signs other than brackets"],
  ],
  [policy({ action: "allow" }), ['policies[0].action: must be one of "ALLOW", "DENY", "AUDIT", "CUSTOM"']],
  [
    policy({ action: "CUSTOM" }),
    ["policies[0].action: CUSTOM is not done by this filter: use envoy.filters.http.ext_authz before it"],
  ],
  [policy({ dryRun: "yes" }), ["policies[0].dryRun: must be true or false"]],
  [policy({ selector: {} }), ["policies[0].selector: unknown field"]],
  [policy({ rules: {} }), ["policies[0].rules: must be an array"]],
  [rule([]), [`${RULE}: must be an object`]],
  [rule({ form: [] }), [`${RULE}.form: unknown field`]],
  [rule({ from: [] }), [`${RULE}.from: ${EMPTY}`]],
  [rule({ to: [] }), [`${RULE}.to: ${EMPTY}`]],
  [rule({ when: [] }), [`${RULE}.when: ${EMPTY}`]],
  [rule({ from: [{}] }), [`${RULE}.from[0].source: is missing`]],
  [
    rule({ to: [{ operations: {} }] }),
    [`${RULE}.to[0].operation: is missing`, `${RULE}.to[0].operations: unknown field`],
  ],
  [source({}), [`${SOURCE}: must have at least one field`]],
  [operation({}), [`${OPERATION}: must have at least one field`]],
  [source({ principals: [] }), [`${SOURCE}.principals: ${EMPTY}`]],
  [source({ principals: "a" }), [`${SOURCE}.principals: must be an array`]],
  [source({ principals: [1] }), [`${SOURCE}.principals[0]: must be a string`]],
  [source({ principals: ["a", ""] }), [`${SOURCE}.principals[1]: must not be empty`]],
  [
    source({ principals: ["spiffe://td/ns/a/sa/b"] }),
    [`${SOURCE}.principals[0]: must be written without "spiffe://"`],
  ],
  [source({ namespaces: ["a**"] }), [`${SOURCE}.namespaces[0]: two stars side by side`]],
  [
    source({ serviceAccounts: ["a/b*"] }),
    [`${SOURCE}.serviceAccounts[0]: must be "name" or "namespace/name"`],
  ],
  [
    source({ serviceAccounts: ["a/b/c"] }),
    [`${SOURCE}.serviceAccounts[0]: must be "name" or "namespace/name"`],
  ],
  [
    source({ ipBlocks: ["10.0.0.0 /8"] }),
    [`${SOURCE}.ipBlocks[0]: must be an IP address or a block of them such as "10.0.0.0/8"`],
  ],
  [source({ remoteIpBlocks: [""] }), [`${SOURCE}.remoteIpBlocks[0]: must not be empty`]],
  [source({ IpBlocks: ["10.0.0.0/8"] }), [`${SOURCE}.IpBlocks: unknown field`]],
  [operation({ methods: [null] }), [`${OPERATION}.methods[0]: must be a string`]],
  [operation({ paths: ["/a/{id}"] }), [`${OPERATION}.paths[0]: only {*} and {**} may stand in braces`]],
  [operation({ paths: ["/a/{*}/*"] }), [`${OPERATION}.paths[0]: {*} and {**} cannot be mixed with *`]],
  [operation({ paths: ["/{**}/{*}"] }), [`${OPERATION}.paths[0]: no operator after {**}`]],
  [operation({ ports: [65536] }), [`${OPERATION}.ports[0]: must be between 0 and 65535`]],
  [operation({ ports: ["http"] }), [`${OPERATION}.ports[0]: must be a port, from 0 to 65535`]],
  [operation({ ports: ["080"] }), [`${OPERATION}.ports[0]: must be a port, from 0 to 65535`]],
  [operation({ ports: [80.5] }), [`${OPERATION}.ports[0]: must be a whole number`]],
  [when({ values: ["a"] }), [`${WHEN}.key: is missing`, `${WHEN}.values: unknown field`]],
  [when({ key: "source.ip" }), [`${WHEN}: must have "values" or "notValues"`]],
  [when({ key: "source.ip", values: [] }), [`${WHEN}.values: ${EMPTY}`]],
  [when({ key: "source.labels", values: ["a"] }), [`${WHEN}.key: is no key that is known here`]],
  [when({ key: "request.headers", values: ["a"] }), [`${WHEN}.key: must be written "request.headers[name]"`]],
  [
    when({ key: "request.headers[]", values: ["a"] }),
    [`${WHEN}.key: must be written "request.headers[name]"`],
  ],
  [
    when({ key: "request.auth.claims[a][]", values: ["a"] }),
    [`${WHEN}.key: must be written "request.auth.claims[name]"`],
  ],
  [
    when({ key: "experimental.envoy.filters.x", values: ["a"] }),
    [`${WHEN}.key: must be written "experimental.envoy.filters.x.y[name]"`],
  ],
  [{ policies: [], claims: { path: "a" } }, ["claims.path: unknown field"]],
  [
    { policies: [], claims: { key: "" } },
    ["claims.key: must not be empty, nor hold brackets or control characters"],
  ],
  [{ policies: [], peerAddressProperty: [] }, [`peerAddressProperty: ${EMPTY}`]],
  [{ policies: [], trackPerRuleStats: 1 }, ["trackPerRuleStats: must be true or false"]],
];

/** Faults of meaning, which are beyond a schema. */
const MEANINGS: [unknown, string[]][] = [
  [
    { policies: [{ name: "a" }, { name: "b" }, { name: "a" }] },
    ["policies[2].name: another policy has this name"],
  ],
  [
    policy({ action: "AUDIT", dryRun: true }),
    ["policies[0].action: an AUDIT policy decides nothing that could be tried"],
  ],
  [
    source({ serviceAccounts: ["a"] }),
    [`${SOURCE}.serviceAccounts[0]: needs a namespace ("namespace/name"): its policy has none`],
  ],
  [
    source({ ipBlocks: ["10.0.0.0/33"] }),
    [`${SOURCE}.ipBlocks[0]: must be an IP address or a block of them such as "10.0.0.0/8"`],
  ],
  [source({ requestPrincipals: ["ada"] }), [`${SOURCE}.requestPrincipals[0]: must be "issuer/subject"`]],
  [source({ requestPrincipals: ["issuer/"] }), [`${SOURCE}.requestPrincipals[0]: must be "issuer/subject"`]],
  [operation({ paths: ["/{*}x/y"] }), [`${OPERATION}.paths[0]: text after an operator ends the template`]],
  [operation({ paths: ["/a{*}"] }), [`${OPERATION}.paths[0]: an operator begins a path segment`]],
  [operation({ ports: ["65536"] }), [`${OPERATION}.ports[0]: must be a port, from 0 to 65535`]],
  [
    when({ key: "request.headers[a b]", values: ["a"] }),
    [`${WHEN}.key: must be written "request.headers[name]"`],
  ],
  [when({ key: "destination.port", values: ["x"] }), [`${WHEN}.values[0]: must be a port, from 0 to 65535`]],
  [
    {
      policies: [
        { name: "p", action: "DROP", rules: [{ from: [{ source: { ipBlocks: ["x"], extra: 1 } }] }] },
      ],
      more: 1,
    },
    [
      'policies[0].action: must be one of "ALLOW", "DENY", "AUDIT", "CUSTOM"',
      `${SOURCE}.ipBlocks[0]: must be an IP address or a block of them such as "10.0.0.0/8"`,
      `${SOURCE}.extra: unknown field`,
      "more: unknown field",
    ],
  ],
];

describe("refused", () => {
  test.each([...SHAPES, ...MEANINGS])("%j", (configuration, faults) => {
    expect(refusal(configuration)).toEqual(faults);
  });

  test("what is no JSON", () => {
    expect(refusal("")).toEqual(["configuration: ends too early (line 1, column 1)"]);
    expect(refusal('{"policies": [}')).toEqual(["policies[0]: not a JSON value (line 1, column 15)"]);
  });
});

describe("the schema", () => {
  test.each(SHAPES)("refuses %j", (configuration) => {
    expect(schemaFaults(schema, configuration)).not.toEqual([]);
  });

  test("takes its examples, and so does the filter", () => {
    expect(schema.examples.length).toBeGreaterThan(0);
    for (const configuration of schema.examples) {
      expect(schemaFaults(schema, configuration)).toEqual([]);
      ScriptedHost.start(authz, { configuration });
    }
  });

  test("takes every configuration of the table", () => {
    for (const { name, configuration } of CASES) {
      expect({ name, faults: schemaFaults(schema, configuration) }).toEqual({ name, faults: [] });
    }
  });
});

describe("a configuration after another", () => {
  test("is in force for its own streams; a refused one changes nothing", () => {
    const denies = (path: string) => ({
      policies: [{ name: "p", action: "DENY", rules: [{ to: [{ operation: { paths: [path] } }] }] }],
    });
    const host = ScriptedHost.start(authz, { configuration: denies("/a") });
    const ask = (path: string) => {
      const stream = host.open();
      stream.onRequestHeaders([[":path", path]]);
      stream.end();
      return stream.reply?.status ?? 200;
    };
    expect([ask("/a"), ask("/b")]).toEqual([403, 200]);
    host.reconfigure(denies("/b"));
    expect([ask("/a"), ask("/b")]).toEqual([200, 403]);
    expect(() => host.reconfigure({ policies: 1 })).toThrow("policies: must be an array");
  });

  test("thousands of them, one after the other, do not make memory grow", () => {
    const { configuration } = CASES.find(({ name }) => name.startsWith("from AND to"))!;
    const host = ScriptedHost.start(authz, { configuration });
    const renew = () => {
      host.shutdown();
      host.reconfigure(configuration);
    };
    for (let i = 0; i < 200; i++) renew();
    const before = host.memorySize;
    for (let i = 0; i < 2000; i++) renew();
    expect(host.memorySize).toBe(before);
  }, 30_000);
});
