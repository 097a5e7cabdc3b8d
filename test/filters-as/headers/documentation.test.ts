/** What docs/filters/headers.md shows is so: its configuration is taken, its bootstrap runs, its faults are told. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { ScriptedHost } from "../../../runtime-adapters/filter-tool/scripted-host/scripted-host.ts";
import { freePorts } from "../../support/child-process.ts";
import { shippedFilter } from "../../support/filter-build.ts";
import { FILTER_PROXIES } from "../../support/filter-proxies.ts";
import { type JsonSchema, schemaFaults } from "../../support/json-schema.ts";
import { ROOT } from "../../support/our-proxy.ts";

let headers: string;
beforeAll(() => {
  headers = shippedFilter("headers");
}, 120_000);

const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const page = read("docs/filters/headers.md");
const schema = JSON.parse(read("filters-as/headers/headers.schema.json")) as JsonSchema;

function block(language: string): string {
  return new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "m").exec(page)?.[1] ?? "";
}

test("its configuration is taken, by filter and schema, and does what it says", () => {
  const configuration = block("json");
  expect(schemaFaults(schema, JSON.parse(configuration))).toEqual([]);
  const stream = ScriptedHost.start(headers, { configuration }).open();
  stream.properties.set("source.address", "192.0.2.7:5000");
  stream.onRequestHeaders([
    [":method", "GET"],
    [":path", "/api/teams?all=1"],
    [":authority", "example"],
    ["x-old-tenant", "blue"],
    ["x-debug", "1"],
  ]);
  expect(stream.requestHeaders.slice(3)).toEqual([
    ["x-client", "192.0.2.7"],
    ["via", "1.1 tulle"],
    ["x-tenant", "blue"],
    ["x-original-path", "/api/teams?all=1"],
  ]);
  stream.onResponseHeaders([
    [":status", "200"],
    ["x-powered-by", "some"],
  ]);
  expect(stream.responseHeaders.slice(1)).toEqual([
    ["x-tenant", "blue"],
    ["cache-control", "no-store"],
  ]);
});

test("its faults are told in these words", () => {
  const configuration = {
    request: [{ set: "host", value: "x" }],
    response: [{ remove: "a" }, { remove: "b" }, { remove: "c", when: { status: "6xx" } }],
  };
  const lines = ScriptedHost.refusal(headers, { configuration });
  expect(lines.map((line) => `${line.replace("error: ", "")}\n`).join("")).toBe(block("text"));
});

test("it tells every operation, formatter and test", () => {
  const words = new Set<string>();
  for (const [, word] of read("filters-as/headers/headers.schema.json").matchAll(/%([A-Z_0-9]+)/g))
    words.add(word);
  const { $defs } = schema as unknown as {
    readonly $defs: {
      readonly operation: { readonly oneOf: readonly { readonly properties: object }[] };
      readonly condition: { readonly properties: object };
      readonly headerTest: { readonly properties: object };
    };
  };
  const forms = [...$defs.operation.oneOf, $defs.condition, $defs.headerTest];
  for (const { properties } of forms) for (const field of Object.keys(properties)) words.add(field);
  expect(words.size).toBeGreaterThan(35);
  expect([...words].filter((word) => !page.includes(word))).toEqual([]);
});

describe.each(FILTER_PROXIES)("its bootstrap in %s", (_name, start) => {
  let proxy: Awaited<ReturnType<typeof start>>;
  let url: string;
  beforeAll(async () => {
    const [port] = await freePorts(1);
    url = `http://127.0.0.1:${port}`;
    proxy = await start(parse(block("yaml").replace("10080", `${port}`)), port);
  }, 60_000);
  afterAll(() => proxy?.stop());

  test("answers as the page says", async () => {
    const ask = async (path: string, fields: { [name: string]: string } = {}) => {
      const answer = await fetch(url + path, { headers: fields });
      return ["x-asked", "vary", "x-team"].map((name) => answer.headers.get(name));
    };
    expect(await ask("/api/teams")).toEqual(["GET /api/teams", "accept", null]);
    expect(await ask("/?a=/api/", { "x-team": "blue" })).toEqual(["GET /?a=/api/", null, "team blue"]);
  });
});
