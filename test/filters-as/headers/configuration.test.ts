/**
 * Configurations of the headers filter: faults are refused, each with its path, all at once; and the schema beside
 * the filter agrees with the filter.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ScriptedHost } from "../../../runtime-adapters/filter-tool/scripted-host/scripted-host.ts";
import { shippedFilter } from "../../support/filter-build.ts";
import { type JsonSchema, schemaFaults } from "../../support/json-schema.ts";
import { ROOT } from "../../support/our-proxy.ts";

let headers: string;
beforeAll(() => {
  headers = shippedFilter("headers");
}, 120_000);

const schema = JSON.parse(
  readFileSync(join(ROOT, "filters-as/headers/headers.schema.json"), "utf8"),
) as JsonSchema & { readonly examples: unknown[] };

function refusal(configuration: unknown): string[] {
  return ScriptedHost.refusal(headers, { configuration }).map((line) =>
    line.replace(/^error: headers: /, ""),
  );
}

const one = (operation: unknown) => ({ request: [operation] });
const when = (condition: unknown) => one({ set: "a", value: "1", when: condition });

/** Faults that the schema sees, too. */
const SHAPES: [unknown, string[]][] = [
  [{ requests: [] }, ["requests: unknown field"]],
  [[], ["configuration: must be an object"]],
  [{ request: {} }, ["request: must be an array"]],
  [one("x"), ["request[0]: must be an object"]],
  [one({}), ['request[0]: must have one of "add", "set", "append", "remove", "rename", "copy"']],
  [
    one({ value: "1" }),
    [
      'request[0]: must have one of "add", "set", "append", "remove", "rename", "copy"',
      "request[0].value: unknown field",
    ],
  ],
  [one({ set: "a" }), ["request[0].value: is missing"]],
  [one({ set: "a", value: 5 }), ["request[0].value: must be a string"]],
  [one({ set: "a", value: "1", valu: "2" }), ["request[0].valu: unknown field"]],
  [one({ set: "a", value: "1", separator: ";" }), ["request[0].separator: unknown field"]],
  [one({ set: "a b", value: "1" }), ["request[0].set: must be the name of a header"]],
  [one({ set: "", value: "1" }), ["request[0].set: must be the name of a header"]],
  [one({ set: ":path", value: "/" }), ["request[0].set: pseudo-headers cannot be changed"]],
  [one({ copy: "a", to: ":path" }), ["request[0].to: pseudo-headers cannot be changed"]],
  [one({ rename: "a" }), ["request[0].to: is missing"]],
  [one({ remove: "a", to: "b" }), ["request[0].to: unknown field"]],
  [
    one({ remove: "a", set: "b", value: "c" }),
    ['request[0].remove: stands beside "set": one operation at a time', "request[0].value: unknown field"],
  ],
  [one({ set: "a", value: "a\r\nb: c" }), ["request[0].value: holds a control character"]],
  [when({}), ["request[0].when: must say a condition"]],
  [when({ header: {} }), ["request[0].when.header.name: is missing"]],
  [
    when({ header: { name: "a", equals: "1", prefix: "2" } }),
    ['request[0].when.header: must have at most one of "equals", "prefix", "suffix", "contains"'],
  ],
  [when({ header: { name: "a", regex: "1" } }), ["request[0].when.header.regex: unknown field"]],
  [when({ path: {} }), ['request[0].when.path: must have one of "equals", "prefix", "suffix", "contains"']],
  [when({ method: [] }), ["request[0].when.method: must not be empty"]],
  [when({ any: [] }), ["request[0].when.any: must not be empty"]],
  [
    when({ all: [{ not: { any: [{ path: { prefix: 1 } }] } }] }),
    ["request[0].when.all[0].not.any[0].path.prefix: must be a string"],
  ],
  [
    { response: [{ remove: "a", when: { status: 99 } }] },
    ["response[0].when.status: must be between 100 and 599"],
  ],
  [
    { response: [{ remove: "a", when: { status: "6xx" } }] },
    ['response[0].when.status: must be a status, or a class of them such as "5xx"'],
  ],
];

/** Faults that only the filter sees. */
const MEANINGS: [unknown, string[]][] = [
  ["{", ["configuration: a field must begin with its name in quotes (line 1, column 2)"]],
  ["", ["configuration: ends too early (line 1, column 1)"]],
  [
    '{"request": [{"set": "a", "value": "\ud800"}]}'.replace("\ud800", "\\ud800"),
    ["request[0].value: half a surrogate pair (line 1, column 37)"],
  ],
  [
    one({ set: "Content-Length", value: "1" }),
    ["request[0].set: headers that frame the message cannot be changed"],
  ],
  [
    one({ rename: "a", to: "transfer-encoding" }),
    ["request[0].to: headers that frame the message cannot be changed"],
  ],
  [
    one({ append: "set-cookie", value: "1" }),
    ['request[0].append: values of set-cookie cannot be joined: use "add"'],
  ],
  [one({ set: "a", value: "50%" }), ['request[0].value: a "%" has no partner ("%%" is a percent sign)']],
  [one({ set: "a", value: "%START_TIME%" }), ["request[0].value: unknown formatter %START_TIME%"]],
  [one({ set: "a", value: "%REQ%" }), ["request[0].value: %REQ% must name a header: %REQ(x)%"]],
  [
    one({ set: "a", value: "%REQ(a b)%" }),
    ["request[0].value: a formatter must look like %REQ(x)%, %REQ(x?y)% or %REQ(x):20%"],
  ],
  [
    one({ set: "a", value: "%REQ(a):0%" }),
    ["request[0].value: a formatter must look like %REQ(x)%, %REQ(x?y)% or %REQ(x):20%"],
  ],
  [one({ set: "a", value: "%RESP(a)%" }), ["request[0].value: a request has no %RESP(…)%"]],
  [
    one({ set: "a", value: "%UPSTREAM_HOST%" }),
    ["request[0].value: %UPSTREAM_HOST% is known in a response only"],
  ],
  [when({ status: 200 }), ["request[0].when.status: a request has no status"]],
  [
    when({ requestHeader: { name: "a" } }),
    ['request[0].when.requestHeader: use "header" in an operation on the request'],
  ],
  [
    { request: [{ set: "a b", value: "%X%" }], response: [{ add: "c" }], more: 1 },
    [
      "request[0].set: must be the name of a header",
      "request[0].value: unknown formatter %X%",
      "response[0].value: is missing",
      "more: unknown field",
    ],
  ],
];

describe("refused", () => {
  test.each([...SHAPES, ...MEANINGS])("%j", (configuration, faults) => {
    // The scripted host speaks bytes.
    const lines = faults.map((line) => Buffer.from(line).toString("latin1"));
    expect(refusal(configuration)).toEqual(lines);
  });

  test("tests of the request beyond what can be noted", () => {
    const response = Array.from({ length: 65 }, () => ({ remove: "a", when: { method: "GET" } }));
    expect(refusal({ response })).toEqual([
      "response[64].when.method: more than 64 tests of the request in the response's operations",
    ]);
    expect(() =>
      ScriptedHost.start(headers, { configuration: { response: response.slice(1) } }),
    ).not.toThrow();
  });
});

describe("the schema", () => {
  test.each(SHAPES)("refuses %j", (configuration) => {
    expect(schemaFaults(schema, configuration)).not.toEqual([]);
  });

  test("takes its examples, and so does the filter", () => {
    expect(schema.examples.length).toBeGreaterThan(1);
    for (const configuration of schema.examples) {
      expect(schemaFaults(schema, configuration)).toEqual([]);
      ScriptedHost.start(headers, { configuration });
    }
  });

  test("takes an empty configuration, as the filter does", () => {
    expect(schemaFaults(schema, {})).toEqual([]);
    ScriptedHost.start(headers, { configuration: {} });
  });
});
