/** Configurations for Envoy's own local rate limit filter and for ours that mean the same, and requests that tell. */

export interface Ask {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: { readonly [name: string]: string };
  /** Comes on a connection of its own. */
  readonly fresh?: true;
}

export interface Case {
  readonly name: string;
  /** Of `envoy.filters.http.local_ratelimit`, without what all cases have. */
  readonly envoy: object;
  readonly ours: object;
  readonly asks: readonly Ask[];
}

/** Slow enough that no token comes while a case runs. */
const bucket = (max_tokens: number, seconds = 3000, tokens_per_fill = 1) => ({
  max_tokens,
  tokens_per_fill,
  fill_interval: `${seconds}s`,
});
const always = (name: string) => ({
  runtime_key: name,
  default_value: { numerator: 100, denominator: "HUNDRED" },
});
const never = (name: string) => ({
  runtime_key: name,
  default_value: { numerator: 0, denominator: "HUNDRED" },
});
const token_bucket = bucket(2);
const times = (count: number, ask: Ask = {}): Ask[] => Array.from({ length: count }, () => ask);
const byHeader = (header_name: string) => ({ request_headers: { header_name, descriptor_key: header_name } });
const tell = { enable_x_ratelimit_headers: "DRAFT_VERSION_03" };

export const commonToEnvoy = {
  "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
  stat_prefix: "limits",
  filter_enabled: always("on"),
  filter_enforced: always("enforced"),
};

export const cases: readonly Case[] = [
  { name: "everybody", envoy: { token_bucket }, ours: { token_bucket }, asks: times(4) },
  {
    name: "answers tell of the limit",
    envoy: { token_bucket, ...tell },
    ours: { token_bucket, ...tell },
    asks: times(4),
  },
  {
    name: "reset, when tokens come often",
    envoy: { token_bucket: bucket(3, 100, 7), ...tell },
    ours: { token_bucket: bucket(3, 100, 7), ...tell },
    asks: times(5),
  },
  {
    name: "status and headers of the refusal",
    envoy: {
      token_bucket,
      status: { code: 503 },
      response_headers_to_add: [
        { append_action: "APPEND_IF_EXISTS_OR_ADD", header: { key: "x-why", value: "too many" } },
      ],
    },
    ours: { token_bucket, status: 503, response_headers_to_add: { "x-why": "too many" } },
    asks: times(3),
  },
  {
    name: "gRPC",
    envoy: { token_bucket },
    ours: { token_bucket },
    asks: times(3, { method: "POST", headers: { "content-type": "application/grpc", te: "trailers" } }),
  },
  {
    name: "gRPC as resource exhausted",
    envoy: { token_bucket, rate_limited_as_resource_exhausted: true },
    ours: { token_bucket, rate_limited_as_resource_exhausted: true },
    asks: times(3, { method: "POST", headers: { "content-type": "application/grpc", te: "trailers" } }),
  },
  {
    name: "HEAD",
    envoy: { token_bucket },
    ours: { token_bucket },
    asks: times(3, { method: "HEAD" }),
  },
  {
    name: "not enabled",
    envoy: { token_bucket, filter_enabled: never("off"), ...tell },
    ours: { token_bucket, enabled: false, ...tell },
    asks: times(3),
  },
  {
    name: "not enforced",
    envoy: { token_bucket, filter_enforced: never("off"), ...tell },
    ours: { token_bucket, enforced: false, ...tell },
    asks: times(4),
  },
  {
    name: "per connection",
    envoy: { token_bucket, local_rate_limit_per_downstream_connection: true },
    ours: { token_bucket, local_rate_limit_per_downstream_connection: true },
    asks: [...times(3), ...times(2, { fresh: true }), {}],
  },
  {
    name: "a header's value, beside everybody",
    envoy: {
      token_bucket: bucket(5),
      descriptors: [
        { entries: [{ key: "plan", value: "free" }], token_bucket: bucket(1) },
        { entries: [{ key: "plan", value: "trial" }], token_bucket: bucket(2) },
      ],
      rate_limits: [{ actions: [byHeader("plan")] }],
      ...tell,
    },
    ours: {
      token_bucket: bucket(5),
      descriptors: [
        { entries: [{ header: { name: "plan", exact: "free" } }], token_bucket: bucket(1) },
        { entries: [{ header: { name: "plan", exact: "trial" } }], token_bucket: bucket(2) },
      ],
      ...tell,
    },
    asks: ["free", "free", "trial", "paid", "trial", "trial", "other", "free", "paid"].map((plan) => ({
      headers: { plan },
    })),
  },
  {
    name: "one bucket per value",
    envoy: {
      token_bucket: bucket(100),
      descriptors: [{ entries: [{ key: "user" }], token_bucket: bucket(1) }],
      rate_limits: [{ actions: [byHeader("user")] }],
      ...tell,
    },
    ours: {
      token_bucket: bucket(100),
      descriptors: [{ entries: [{ header: { name: "user" } }], token_bucket: bucket(1) }],
      ...tell,
    },
    asks: ["ann", "bob", "ann", "bob", "cid"].map((user) => ({ headers: { user } })),
  },
  {
    name: "a request without the header takes from everybody's bucket only",
    envoy: {
      token_bucket: bucket(3),
      descriptors: [{ entries: [{ key: "user" }], token_bucket: bucket(1) }],
      rate_limits: [{ actions: [byHeader("user")] }],
      always_consume_default_token_bucket: false,
      ...tell,
    },
    ours: {
      token_bucket: bucket(3),
      descriptors: [{ entries: [{ header: { name: "user" } }], token_bucket: bucket(1) }],
      always_consume_default_token_bucket: false,
      ...tell,
    },
    asks: [{ headers: { user: "ann" } }, { headers: { user: "ann" } }, {}, {}, {}, {}],
  },
  {
    name: "two entries",
    envoy: {
      token_bucket: bucket(100),
      descriptors: [
        {
          entries: [
            { key: "a", value: "1" },
            { key: "b", value: "2" },
          ],
          token_bucket: bucket(1),
        },
      ],
      rate_limits: [{ actions: [byHeader("a"), byHeader("b")] }],
    },
    ours: {
      token_bucket: bucket(100),
      descriptors: [
        {
          entries: [{ header: { name: "a", exact: "1" } }, { header: { name: "b", exact: "2" } }],
          token_bucket: bucket(1),
        },
      ],
    },
    asks: [
      { headers: { a: "1", b: "2" } },
      { headers: { a: "1", b: "2" } },
      { headers: { a: "1" } },
      { headers: { a: "1", b: "3" } },
    ],
  },
  {
    name: "several descriptors: the slowest first, and what was given before a refusal is spent",
    envoy: {
      token_bucket: bucket(3, 9000),
      descriptors: [
        { entries: [{ key: "all", value: "all" }], token_bucket: bucket(10, 1000) },
        { entries: [{ key: "plan", value: "free" }], token_bucket: bucket(2, 5000) },
      ],
      rate_limits: [
        { actions: [{ generic_key: { descriptor_key: "all", descriptor_value: "all" } }] },
        { actions: [byHeader("plan")] },
      ],
      ...tell,
    },
    ours: {
      token_bucket: bucket(3, 9000),
      descriptors: [
        { entries: [{ fixed: "all" }], token_bucket: bucket(10, 1000) },
        { entries: [{ header: { name: "plan", exact: "free" } }], token_bucket: bucket(2, 5000) },
      ],
      ...tell,
    },
    asks: [...times(3, { headers: { plan: "free" } }), ...times(4)],
  },
  {
    name: "paths and methods",
    envoy: {
      token_bucket: bucket(100),
      descriptors: [
        { entries: [{ key: "match", value: "login" }], token_bucket: bucket(1) },
        { entries: [{ key: "match", value: "api" }], token_bucket: bucket(2) },
      ],
      rate_limits: [
        {
          actions: [
            {
              header_value_match: {
                descriptor_key: "match",
                descriptor_value: "login",
                headers: [
                  { name: ":path", string_match: { exact: "/login" } },
                  { name: ":method", string_match: { exact: "POST" } },
                ],
              },
            },
          ],
        },
        {
          actions: [
            {
              header_value_match: {
                descriptor_key: "match",
                descriptor_value: "api",
                headers: [{ name: ":path", string_match: { prefix: "/api/" } }],
              },
            },
          ],
        },
      ],
    },
    ours: {
      token_bucket: bucket(100),
      descriptors: [
        {
          entries: [{ path: { exact: "/login" } }, { method: { exact: "POST" } }],
          token_bucket: bucket(1),
        },
        { entries: [{ path: { prefix: "/api/" } }], token_bucket: bucket(2) },
      ],
    },
    asks: [
      ...times(2, { path: "/login" }),
      ...times(2, { path: "/login", method: "POST" }),
      { path: "/api/a?x=1" },
      { path: "/api/b" },
      { path: "/api/c" },
      { path: "/api" },
    ],
  },
  {
    name: "the sender's address",
    envoy: {
      token_bucket: bucket(100),
      descriptors: [{ entries: [{ key: "remote_address" }], token_bucket: bucket(2) }],
      rate_limits: [{ actions: [{ remote_address: {} }] }],
    },
    ours: {
      token_bucket: bucket(100),
      descriptors: [{ entries: [{ source_address: {} }], token_bucket: bucket(2) }],
    },
    asks: times(4),
  },
];
