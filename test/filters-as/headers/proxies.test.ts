/**
 * The headers filter in real Envoy and in our proxy on each runtime: the same module and table of requests, the same
 * that the origin and the client see.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { shippedFilter } from "../../support/filter-build.ts";
import { FILTER_PROXIES } from "../../support/filter-proxies.ts";
import { type Answer, type Ask, FilteredProxy, type WasmFilter } from "../../support/filtered-proxy.ts";

const CHAINS = {
  operations: {
    request: [
      { add: "x-list", value: "added" },
      { set: "x-set", value: "blue" },
      { append: "x-joined", value: "last" },
      { remove: "x-gone" },
      { rename: "x-old", to: "x-new" },
      { copy: ":path", to: "x-path" },
    ],
    response: [
      { remove: "x-powered-by" },
      { rename: "x-origin", to: "x-behind" },
      { set: "x-status", value: "%RESPONSE_CODE%" },
    ],
  },
  values: {
    request: [
      { set: "a", value: "%REQ(user-agent?x-agent):6% %%" },
      { set: "b", value: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%|%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%" },
      { set: "c", value: "%PROTOCOL%|%ROUTE_NAME%|%DOWNSTREAM_TLS_VERSION%" },
      { set: "e", value: "%UPSTREAM_CLUSTER%" },
      { set: "d", value: "%DOWNSTREAM_REMOTE_PORT%|%CONNECTION_ID%|%DOWNSTREAM_REMOTE_ADDRESS%" },
    ],
    response: [
      { set: "a", value: "%REQ(x-team)% %REQ(:method)% %REQ(:path)% %RESP(x-origin)%" },
      { set: "b", value: "%UPSTREAM_HOST%|%UPSTREAM_CLUSTER%" },
      { set: "c", value: "%REQ(x-none)%" },
    ],
  },
  conditions: {
    request: [
      { set: "hit-many", value: "1", when: { header: { name: "x-many", equals: "two" } } },
      { set: "hit-path", value: "1", when: { path: { prefix: "/api/" }, method: ["GET", "PUT"] } },
      {
        set: "hit-not",
        value: "1",
        when: { not: { any: [{ method: "PUT" }, { header: { name: "x-no" } }] } },
      },
    ],
    response: [
      { set: "hit-status", value: "1", when: { status: "5xx" } },
      {
        set: "hit-request",
        value: "1",
        when: { requestHeader: { name: "x-many", suffix: "wo" }, path: { equals: "/api/a" } },
      },
    ],
  },
} as const;

describe.each(FILTER_PROXIES)("in %s", (_name, start) => {
  let proxy: FilteredProxy;
  beforeAll(async () => {
    const module = shippedFilter("headers");
    const chains: WasmFilter[][] = Object.values(CHAINS).map((configuration) => [{ module, configuration }]);
    chains.push(
      [
        { set: "x-first", value: "1" },
        { set: "x-second", value: "after %REQ(x-first)%" },
      ].map((operation) => ({
        module,
        configuration: { request: [operation] },
      })),
    );
    proxy = (await FilteredProxy.start(chains, start))!;
  }, 120_000);
  afterAll(() => proxy?.stop());

  const ask = (chain: keyof typeof CHAINS, what: Ask = {}) =>
    proxy.ask(Object.keys(CHAINS).indexOf(chain), what);
  const values = (headers: [string, string][], field: string) =>
    headers.filter(([other]) => other === field).map(([, value]) => value);
  const atOrigin = (answer: Answer, field: string) => values(answer.seen?.headers ?? [], field);

  test("operations on a request", async () => {
    const answer = await ask("operations", {
      path: "/some/where?x=1",
      headers: [
        ["x-list", "own"],
        ["x-set", "red"],
        ["x-set", "green"],
        ["x-joined", "first"],
        ["x-joined", "second"],
        ["x-gone", "1"],
        ["X-Old", "a"],
        ["x-old", "b\xff"],
      ],
    });
    expect(answer.status).toBe(200);
    const seen = ["x-list", "x-set", "x-joined", "x-gone", "x-old", "x-new", "x-path"];
    expect(seen.map((name) => atOrigin(answer, name))).toEqual([
      ["own", "added"],
      ["blue"],
      ["first, second, last"],
      [],
      [],
      ["a", "b\xff"],
      ["/some/where?x=1"],
    ]);
  });

  test("operations on a response", async () => {
    const { headers, status } = await ask("operations", {
      answer: {
        status: 418,
        headers: [
          ["x-origin", "1"],
          ["x-powered-by", "x"],
        ],
      },
    });
    expect(status).toBe(418);
    expect(values(headers, "x-powered-by")).toEqual([]);
    expect(values(headers, "x-origin")).toEqual([]);
    expect(values(headers, "x-behind")).toEqual(["1"]);
    expect(values(headers, "x-status")).toEqual(["418"]);
  });

  test("values of a request", async () => {
    const answer = await ask("values", { headers: [["x-agent", "curl/8.0"]] });
    expect(atOrigin(answer, "a")).toEqual(["curl/8 %"]);
    expect(atOrigin(answer, "b")).toEqual(["127.0.0.1|127.0.0.1"]);
    expect(atOrigin(answer, "c")).toEqual(["HTTP/1.1||"]);
    expect(atOrigin(answer, "e")).toEqual(["origin"]);
    expect(atOrigin(answer, "d")[0]).toMatch(/^\d+\|\d+\|127\.0\.0\.1:\d+$/);
  });

  test("values of a response, the request's too", async () => {
    const answer = await ask("values", {
      method: "PUT",
      path: "/p",
      headers: [["x-team", "blue"]],
      answer: { status: 200, headers: [["x-origin", "o"]] },
    });
    expect(values(answer.headers, "a")).toEqual(["blue PUT /p o"]);
    expect(values(answer.headers, "b")[0]).toMatch(/^127\.0\.0\.1:\d+\|origin$/);
    expect(values(answer.headers, "c")).toEqual([]);
  });

  const conditions: [Ask, string[], string[]][] = [
    [{}, ["hit-not"], []],
    [
      {
        headers: [
          ["x-many", "one"],
          ["x-many", "two"],
        ],
      },
      ["hit-many", "hit-not"],
      [],
    ],
    [{ headers: [["x-many", "one, two"]] }, ["hit-not"], []],
    [{ method: "PUT", path: "/api/a?b" }, ["hit-path"], []],
    [{ path: "/api/a", headers: [["x-no", ""]] }, ["hit-path"], []],
    [
      { path: "/api/a?x", headers: [["x-many", "two"]], answer: { status: 503 } },
      ["hit-many", "hit-path", "hit-not"],
      ["hit-status", "hit-request"],
    ],
  ];
  test.each(conditions)("conditions: %j", async (what, onRequest, onResponse) => {
    const answer = await ask("conditions", what);
    const hits = (headers: [string, string][]) =>
      headers.map(([name]) => name).filter((name) => name.startsWith("hit-"));
    expect(hits(answer.seen?.headers ?? [])).toEqual(onRequest);
    expect(hits(answer.headers)).toEqual(onResponse);
  });

  test("two of them in one chain, which one VM may serve", async () => {
    const answer = await proxy.ask(Object.keys(CHAINS).length, {});
    expect(atOrigin(answer, "x-first")).toEqual(["1"]);
    expect(atOrigin(answer, "x-second")).toEqual(["after 1"]);
  });

  test("a configuration with a fault is refused, and the log names its path", async () => {
    const module = shippedFilter("headers");
    const configuration = { request: [{ set: "a", value: "%NOPE%" }] };
    const refused = FilteredProxy.start([[{ module, configuration }]], start);
    expect(refused).rejects.toThrow("headers: request[0].value: unknown formatter %NOPE%");
    await refused.catch(() => {});
  }, 30_000);
});
