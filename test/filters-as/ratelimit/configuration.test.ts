/** What the filter takes for a configuration, what it says of others, and that the published schema says the same. */
import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ScriptedHost } from "../../../runtime-adapters/filter-tool/scripted-host/scripted-host.ts";
import { shippedFilter } from "../../support/filter-build.ts";
import { schemaFaults } from "../../support/json-schema.ts";
import { ROOT } from "../../support/our-proxy.ts";

const schema = JSON.parse(readFileSync(join(ROOT, "filters-as/ratelimit/ratelimit.schema.json"), "utf8"));
let module: string;
beforeAll(() => {
  module = shippedFilter("ratelimit");
}, 60_000);

const token_bucket = { max_tokens: 10, tokens_per_fill: 5, fill_interval: "1.5s" };
const entry = (entry: unknown) => ({ descriptors: [{ entries: [entry], token_bucket }] });
const bucket = (more: object) => ({ token_bucket: { ...token_bucket, ...more } });
const without = (name: string) =>
  Object.fromEntries(Object.entries(token_bucket).filter(([other]) => other !== name));

const good: [string, unknown][] = [
  ["a bucket for everybody", { token_bucket }],
  ["the default of one token", { token_bucket: { max_tokens: 1, fill_interval: "0.05s" } }],
  ["a large bucket", bucket({ max_tokens: 4294967295, tokens_per_fill: 50000000 })],
  [
    "everything",
    {
      stat_prefix: "in",
      domain: "d",
      token_bucket,
      descriptors: [{ entries: [{ fixed: "x" }, { path: {} }], token_bucket, max_keys: 16777216 }],
      always_consume_default_token_bucket: false,
      local_rate_limit_per_downstream_connection: true,
      max_keys: 1,
      batch_size: 1000,
      enabled: 12.5,
      enforced: false,
      status: 503,
      rate_limited_as_resource_exhausted: true,
      enable_x_ratelimit_headers: "DRAFT_VERSION_03",
      response_headers_to_add: { "x-a": "b c", "x-empty": "" },
      request_headers_to_add_when_not_enforced: { "x-u": "ü" },
      failure_mode_deny: true,
    },
  ],
  ["a header, one bucket per value", entry({ header: { name: "x-user" } })],
  [
    "a header with values",
    entry({ header: { name: ":authority", exact: ["a", "b"], prefix: "c", distinct: true } }),
  ],
  ["a path", entry({ path: { exact: "/a", prefix: ["/b/", "/c/"] } })],
  ["a method", entry({ method: { exact: "GET" } })],
  ["an identity", entry({ source_identity: {} })],
  [
    "an address",
    entry({
      source_address: {
        blocks: ["10.0.0.0/8", "::1", "::/0", "::ffff:1.2.3.4/128"],
        distinct: true,
        v4_prefix: 24,
        v6_prefix: 56,
      },
    }),
  ],
];

const page = readFileSync(join(ROOT, "docs/filters/ratelimit.md"), "utf8");
for (const [, example] of page.matchAll(/^```json\n([\s\S]*?)^```/gm)) {
  good.push(["the example in the docs", JSON.parse(example)]);
}

/** Each with the fault; the schema refuses it too, unless it cannot know. */
const bad: [unknown, string, "schema cannot know"?][] = [
  ["", "configuration: "],
  [[], "configuration: must be an object"],
  [{}, "configuration: needs a token_bucket or descriptors"],
  [{ descriptors: [] }, "configuration: needs a token_bucket or descriptors"],
  [{ token_bucket, tokens: 5 }, "tokens: unknown field"],
  [{ token_bucket: 5 }, "token_bucket: must be an object"],
  [{ token_bucket: without("max_tokens") }, "token_bucket.max_tokens: is missing"],
  [{ token_bucket: without("fill_interval") }, "token_bucket.fill_interval: is missing"],
  [bucket({ max_tokens: 0 }), "token_bucket.max_tokens: must be between 1 and 4294967295"],
  [bucket({ max_tokens: 1.5 }), "token_bucket.max_tokens: must be a whole number"],
  [bucket({ tokens_per_fill: -1 }), "token_bucket.tokens_per_fill: must be between 1 and 4294967295"],
  [bucket({ fill_interval: 5 }), "token_bucket.fill_interval: must be a string"],
  [bucket({ fill_interval: "5" }), "token_bucket.fill_interval: must be a duration"],
  [bucket({ fill_interval: "5ms" }), "token_bucket.fill_interval: must be a duration"],
  [
    bucket({ fill_interval: "0.049s" }),
    "token_bucket.fill_interval: must be 0.05s or more",
    "schema cannot know",
  ],
  [
    bucket({ fill_interval: "400000000s" }),
    "token_bucket.fill_interval: must be ten years or less",
    "schema cannot know",
  ],
  [
    bucket({ max_tokens: 4294967295, tokens_per_fill: 1 }),
    "token_bucket: takes more than ten years",
    "schema cannot know",
  ],
  [
    bucket({ tokens_per_fill: 4294967295, fill_interval: "0.1s" }),
    "token_bucket: gives more than one token per nanosecond",
    "schema cannot know",
  ],
  [bucket({ burst: 1 }), "token_bucket.burst: unknown field"],
  [{ token_bucket, batch_size: 0 }, "batch_size: must be between 1 and 1000"],
  [{ token_bucket, max_keys: 0 }, "max_keys: must be between 1 and 16777216"],
  [{ token_bucket, enabled: 101 }, "enabled: must be between 0 and 100"],
  [{ token_bucket, enforced: "yes" }, "enforced: must be true, false or a percentage"],
  [{ token_bucket, status: 200 }, "status: must be between 400 and 599"],
  [{ token_bucket, enable_x_ratelimit_headers: true }, "enable_x_ratelimit_headers: must be a string"],
  [
    { token_bucket, enable_x_ratelimit_headers: "DRAFT_VERSION_04" },
    'enable_x_ratelimit_headers: must be one of "OFF", "DRAFT_VERSION_03"',
  ],
  [{ token_bucket, failure_mode_deny: 1 }, "failure_mode_deny: must be true or false"],
  [{ token_bucket, domain: 1 }, "domain: must be a string"],
  [{ token_bucket, response_headers_to_add: [] }, "response_headers_to_add: must be an object"],
  [
    { token_bucket, response_headers_to_add: { "x a": "b" } },
    'response_headers_to_add["x a"]: is no name of a header',
  ],
  [
    { token_bucket, response_headers_to_add: { ":status": "200" } },
    'response_headers_to_add[":status"]: is no name of a header',
  ],
  [
    { token_bucket, response_headers_to_add: { "": "200" } },
    'response_headers_to_add[""]: is no name of a header',
  ],
  [
    { token_bucket, response_headers_to_add: { a: "b\r\nc: d" } },
    "response_headers_to_add.a: is no value of a header",
  ],
  [
    { token_bucket, response_headers_to_add: { a: " b" } },
    "response_headers_to_add.a: is no value of a header",
  ],
  [
    {
      token_bucket,
      response_headers_to_add: Object.fromEntries("abcdefghijk".split("").map((name) => [name, ""])),
    },
    "response_headers_to_add: has more than 10 headers",
  ],
  [{ descriptors: {} }, "descriptors: must be an array"],
  [{ descriptors: [5] }, "descriptors[0]: must be an object"],
  [{ descriptors: [{ token_bucket }] }, "descriptors[0]: needs 1 to 10 entries"],
  [{ descriptors: [{ entries: [], token_bucket }] }, "descriptors[0]: needs 1 to 10 entries"],
  [{ descriptors: [{ entries: [{ path: {} }] }] }, "descriptors[0].token_bucket: is missing"],
  [
    { descriptors: [{ entries: [{ path: {} }], token_bucket, name: "a" }] },
    "descriptors[0].name: unknown field",
  ],
  [
    { descriptors: [{ entries: [{ path: { exact: "/" } }], token_bucket, max_keys: 5 }] },
    "descriptors[0].max_keys: is of no use",
    "schema cannot know",
  ],
  [
    {
      descriptors: [
        { entries: [{ path: {} }], token_bucket },
        { entries: [{ path: { distinct: true } }], token_bucket: { ...token_bucket, max_tokens: 1 } },
      ],
    },
    "descriptors[1]: has the same entries as descriptors[0]",
    "schema cannot know",
  ],
  [
    { descriptors: Array.from({ length: 1001 }, (_, i) => ({ entries: [{ fixed: `${i}` }], token_bucket })) },
    "configuration: has more than 1000 descriptors",
  ],
  [entry("path"), "descriptors[0].entries[0]: must be an object with one field"],
  [entry({}), "descriptors[0].entries[0]: must be an object with one field"],
  [entry({ path: {}, method: {} }), "descriptors[0].entries[0]: must be an object with one field"],
  [entry({ query: {} }), "descriptors[0].entries[0].query: unknown field"],
  [entry({ path: "/a" }), "descriptors[0].entries[0].path: must be an object"],
  [entry({ path: { regex: "a" } }), "descriptors[0].entries[0].path.regex: unknown field"],
  [entry({ path: { exact: "" } }), "descriptors[0].entries[0].path.exact: must not be empty"],
  [entry({ path: { exact: [] } }), "descriptors[0].entries[0].path.exact: must not be empty"],
  [entry({ path: { exact: ["/a", 5] } }), "descriptors[0].entries[0].path.exact[1]: must be a string"],
  [entry({ path: { prefix: ["/a", ""] } }), "descriptors[0].entries[0].path.prefix[1]: must not be empty"],
  [entry({ path: { distinct: 1 } }), "descriptors[0].entries[0].path.distinct: must be true or false"],
  [entry({ header: {} }), "descriptors[0].entries[0].header.name: is missing"],
  [entry({ header: { name: "x y" } }), "descriptors[0].entries[0].header.name: must be the name of a header"],
  [entry({ header: { name: "" } }), "descriptors[0].entries[0].header.name: must be the name of a header"],
  [entry({ fixed: "" }), "descriptors[0].entries[0].fixed: must not be empty"],
  [entry({ fixed: {} }), "descriptors[0].entries[0].fixed: must be a string"],
  [
    entry({ source_address: { blocks: [] } }),
    "descriptors[0].entries[0].source_address.blocks: must not be empty",
  ],
  [
    entry({ source_address: { blocks: ["10.0.0.0/33"] } }),
    "descriptors[0].entries[0].source_address.blocks[0]: must be an address or a block",
    "schema cannot know",
  ],
  [
    entry({ source_address: { blocks: ["::1", "localhost"] } }),
    "descriptors[0].entries[0].source_address.blocks[1]: must be an address or a block",
    "schema cannot know",
  ],
  [
    entry({ source_address: { blocks: ["10.0.0.0/"] } }),
    "descriptors[0].entries[0].source_address.blocks[0]: must be an address or a block",
    "schema cannot know",
  ],
  [
    entry({ source_address: { v4_prefix: 33 } }),
    "descriptors[0].entries[0].source_address.v4_prefix: must be between 1 and 32",
  ],
  [
    entry({ source_address: { v6_prefix: 0 } }),
    "descriptors[0].entries[0].source_address.v6_prefix: must be between 1 and 128",
  ],
  [
    entry({ source_address: { blocks: ["::1"], v4_prefix: 8 } }),
    "descriptors[0].entries[0].source_address.v4_prefix: is of no use without distinct",
    "schema cannot know",
  ],
  [
    entry({ source_address: { exact: "::1" } }),
    "descriptors[0].entries[0].source_address.exact: unknown field",
  ],
];

describe("taken", () => {
  for (const [what, configuration] of good) {
    test(what, () => {
      ScriptedHost.start(module, { configuration });
      expect(schemaFaults(schema, configuration)).toEqual([]);
    });
  }
});

describe("refused", () => {
  for (const [configuration, fault, blind] of bad) {
    test(fault, () => {
      const lines = ScriptedHost.refusal(module, { configuration });
      expect(lines.length).toBe(1);
      expect(lines[0]).toStartWith(`error: ratelimit: ${fault}`);
      expect(schemaFaults(schema, configuration).length === 0).toBe(blind !== undefined);
    });
  }

  test("not JSON: with its place", () => {
    expect(ScriptedHost.refusal(module, { configuration: '{"token_bucket": }' })).toHaveLength(1);
  });

  test("all faults at once", () => {
    const configuration = { token_bucket: { max_tokens: 0, fill_interval: "x" }, enabled: 200, typo: 1 };
    expect(ScriptedHost.refusal(module, { configuration })).toHaveLength(4);
  });

  test("a host without shared data", () => {
    expect(
      ScriptedHost.refusal(module, {
        configuration: { token_bucket },
        answers: { proxy_set_shared_data: 12 },
      }),
    ).toEqual(["error: ratelimit: configuration: the host keeps no shared data, or has no random numbers"]);
  });
});
