/**
 * The chains of filters that the bench puts before the router: a minimal one, the three that ship, and for Envoy its own
 * three that do the same. One configuration each, kept such that nobody is refused; what is equal in both is written
 * once.
 *
 * All twenty rules allow, so that Envoy needs one RBAC filter where a DENY rule would make it two, and rate limits
 * have no bucket for everybody: the rival is given less to do rather than more.
 */
import { nativeFilters } from "../../test/filters-as/authz/native-rbac.ts";
import { minimalModule, shippedModule } from "./filter-modules.ts";

/** Filters before the router, as a bootstrap has them, and how to see that they do something. */
export interface FilterChain {
  readonly filters: readonly object[];
  /** Whether WASM filters can be stopped (`tulle.wasm.fuel`); Envoy cannot. */
  readonly fuel: boolean;
  /** A header that they put on every answer, or "". */
  readonly adds: string;
  /** Whether `/forbidden` is refused. */
  readonly refuses: boolean;
  /** Whether they count requests in a statistic `….http_local_rate_limit.ok`. */
  readonly counts: boolean;
}

export const NO_FILTERS: FilterChain = {
  filters: [],
  fuel: true,
  adds: "",
  refuses: false,
  counts: false,
};

/** What every request carries beside its path, so that filters find what they look for. */
export const REQUEST_HEADERS: Readonly<Record<string, string>> = {
  Host: "bench.test",
  "User-Agent": "bench/1.0 (open; closed)",
  Accept: "*/*",
  "x-tenant": "blue",
  "x-debug": "1",
};

/** The header whose value tells senders apart. */
export const KEY_HEADER = "x-api-key";

/** Distinct paths over `rules` rules, all allowed; `distinct` of them however many rules there are. */
export function pathsOfRules(rules: number, distinct: number): string[] {
  return Array.from({ length: distinct }, (_, i) => {
    return `/api/v1/resource-${1 + (i % (rules - 1))}/items/${4711 + i}?page=2`;
  });
}

/** A chain of WASM filters made of the links below. */
export function chainOf(links: readonly FilterChain[], fuel = true): FilterChain {
  return {
    filters: links.flatMap(({ filters }) => filters),
    fuel,
    adds: links.find(({ adds }) => adds !== "")?.adds ?? "",
    refuses: links.some(({ refuses }) => refuses),
    counts: links.some(({ counts }) => counts),
  };
}

export function minimal(): FilterChain {
  return { ...NO_FILTERS, filters: [wasmFilter("minimal", minimalModule(), null)], adds: "x-filter" };
}

export function authz(rules: number): FilterChain {
  return {
    ...NO_FILTERS,
    filters: [wasmFilter("authz", shippedModule("authz"), policies(rules))],
    refuses: true,
  };
}

export function nativeAuthz(rules: number): FilterChain {
  return { ...NO_FILTERS, filters: nativeFilters(policies(rules)), refuses: true };
}

/** Limits that are far off: this many tokens a second, and three times as many at once. */
const LIMIT = { max_tokens: 300_000, tokens_per_fill: 100_000, fill_interval: "1s" };

/** A bucket for each key, and one for all GETs below /api/. */
export function ratelimit(): FilterChain {
  return limiter([
    { entries: [{ header: { name: KEY_HEADER } }], token_bucket: LIMIT },
    { entries: [{ path: { prefix: "/api/" } }, { method: { exact: "GET" } }], token_bucket: LIMIT },
  ]);
}

/** Two tokens an hour: a bucket that was used once stays live for longer than a run takes. */
const SLOW = { max_tokens: 1000, tokens_per_fill: 2, fill_interval: "3600s" };

/** One descriptor: a bucket for each of `keys` values, or for 1 a single one for all. */
export function ratelimitByKey(keys: number): FilterChain {
  const distinct = keys > 1;
  const entries = [{ header: { name: KEY_HEADER, distinct } }];
  // Twice as many slots as live values are expected: docs/filters/ratelimit.md.
  return limiter([
    distinct ? { entries, token_bucket: SLOW, max_keys: 2 * keys } : { entries, token_bucket: LIMIT },
  ]);
}

function limiter(descriptors: readonly object[]): FilterChain {
  return {
    ...NO_FILTERS,
    filters: [wasmFilter("ratelimit", shippedModule("ratelimit"), { descriptors })],
    counts: true,
  };
}

export function nativeRatelimit(): FilterChain {
  const always = (name: string) => ({
    runtime_key: `bench.${name}`,
    default_value: { numerator: 100, denominator: "HUNDRED" },
  });
  const matches = [
    { name: ":path", string_match: { prefix: "/api/" } },
    { name: ":method", string_match: { exact: "GET" } },
  ];
  const filter = {
    name: "limits",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
      stat_prefix: "limits",
      filter_enabled: always("enabled"),
      filter_enforced: always("enforced"),
      token_bucket: LIMIT,
      always_consume_default_token_bucket: false,
      descriptors: [
        { entries: [{ key: "api-key" }], token_bucket: LIMIT },
        { entries: [{ key: "header_match", value: "api" }], token_bucket: LIMIT },
      ],
      rate_limits: [
        { actions: [{ request_headers: { header_name: KEY_HEADER, descriptor_key: "api-key" } }] },
        { actions: [{ header_value_match: { descriptor_value: "api", headers: matches } }] },
      ],
    },
  };
  return { ...NO_FILTERS, filters: [filter], counts: true };
}

const MARK = "x-served-by";

export function headers(): FilterChain {
  const operations = {
    request: [
      { set: "x-team", value: "blue" },
      { add: "x-client", value: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%" },
      { remove: "x-debug" },
    ],
    response: [{ set: MARK, value: "bench" }, { remove: "x-powered-by" }],
  };
  return {
    ...NO_FILTERS,
    filters: [wasmFilter("headers", shippedModule("headers"), operations)],
    adds: MARK,
  };
}

export function nativeHeaders(): FilterChain {
  const put = (key: string, value: string, append_action: string) => ({
    append: { header: { key, value }, append_action },
  });
  const mutations = {
    request_mutations: [
      put("x-team", "blue", "OVERWRITE_IF_EXISTS_OR_ADD"),
      put("x-client", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "APPEND_IF_EXISTS_OR_ADD"),
      { remove: "x-debug" },
    ],
    response_mutations: [put(MARK, "bench", "OVERWRITE_IF_EXISTS_OR_ADD"), { remove: "x-powered-by" }],
  };
  const filter = {
    name: "mutations",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
      mutations,
    },
  };
  return { ...NO_FILTERS, filters: [filter], adds: MARK };
}

/** One policy of `count` rules; the first lets the bench itself in, the others have a path of their own. */
function policies(count: number) {
  const rules = Array.from({ length: count }, (_, i) => {
    if (i === 0) return { to: [{ operation: { methods: ["GET"], paths: ["/", "/echo"] } }] };
    const path = `/api/v1/resource-${i}`;
    const to = [{ operation: { methods: ["GET", "POST"], paths: [path, `${path}/*`] } }];
    if (i % 3 === 0) return { from: [{ source: { remoteIpBlocks: ["10.0.0.0/8", "127.0.0.0/8"] } }], to };
    if (i % 3 === 1) return { to, when: [{ key: "request.headers[x-tenant]", values: ["green", "blue"] }] };
    return { to: [{ operation: { ...to[0].operation, hosts: ["bench.test", "bench.test:*"] } }] };
  });
  return { policies: [{ name: "services", namespace: "bench", action: "ALLOW" as const, rules }] };
}

/** One WASM filter; `configuration` is handed to it as JSON. */
export function wasmFilter(name: string, filename: string, configuration: object | null): object {
  const config = {
    name,
    vm_config: { runtime: "envoy.wasm.runtime.v8", code: { local: { filename } } },
    ...(configuration === null
      ? {}
      : {
          configuration: {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            value: JSON.stringify(configuration),
          },
        }),
  };
  return {
    name,
    typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", config },
  };
}
