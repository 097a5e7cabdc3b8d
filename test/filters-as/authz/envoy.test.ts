/**
 * The table before real Envoy, twice: with our module as a filter, and with Envoy's own RBAC filter configured to say
 * the same. All three must answer alike. Skipped, with the reason, where Envoy or openssl is missing.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { shippedFilter } from "../../support/filter-build.ts";
import type { AuthzRequest } from "./authz-request.ts";
import { type Answer, EnvoyLab, wasmFilter, whyNoLab } from "./envoy-lab.ts";
import { nativeFilters } from "./native-rbac.ts";
import { Dice, generatePolicies, generateRequest } from "./policy-generator.ts";
import { type Ask, CASES } from "./policy-table.ts";

const reason = whyNoLab();
if (reason !== "") console.log(`skipped: authz in Envoy: ${reason}`);

/** Cases with at least one request that Envoy can be asked. */
const playable = CASES.filter(({ asks }) => asks.some(({ hostOnly }) => hostOnly !== true));

function expectedOf({ denied }: Ask): Answer {
  return denied === null
    ? { status: 200, body: "passed", details: "", grpcStatus: undefined }
    : {
        status: 403,
        body: "RBAC: access denied",
        details: `rbac_access_denied_matched_policy[${denied}]`,
        grpcStatus: undefined,
      };
}

/** Policies and requests by dice. */
const generated = Array.from({ length: 8 }, (_, seed) => {
  const dice = new Dice(seed + 1000, true);
  const configuration = generatePolicies(dice);
  return { configuration, requests: Array.from({ length: 30 }, () => generateRequest(dice)) };
});

const dryRun = {
  statPrefix: "trial.",
  policies: [
    { name: "p", action: "DENY", dryRun: true, rules: [{ to: [{ operation: { paths: ["/a"] } }] }] },
    { name: "q", action: "AUDIT", rules: [{ to: [{ operation: { paths: ["/a"] } }] }] },
  ],
};

describe.skipIf(reason !== "")("authz in Envoy", () => {
  let lab: EnvoyLab;
  const extra = playable.length * 2;

  beforeAll(async () => {
    const module = shippedFilter("authz");
    const ports = (port: number, action: string) => ({
      policies: [{ name: "p", action, rules: [{ to: [{ operation: { ports: [String(port)] } }] }] }],
    });
    const blocks = (more: object = {}) => ({
      policies: [{ name: "p", rules: [{ from: [{ source: { ipBlocks: ["127.0.0.0/8"] } }] }] }],
      ...more,
    });
    lab = await EnvoyLab.start([
      ...playable.flatMap(({ configuration }) => [
        () => [wasmFilter(module, configuration)],
        () => nativeFilters(configuration),
      ]),
      (port) => [wasmFilter(module, ports(port, "ALLOW"))],
      (port) => [wasmFilter(module, ports(port, "DENY"))],
      () => [wasmFilter(module, blocks())],
      () => [
        PEER_TO_FILTER_STATE,
        wasmFilter(module, blocks({ peerAddressProperty: ["filter_state", "tulle.peer"] })),
      ],
      () => [wasmFilter(module, dryRun)],
      ...generated.flatMap(({ configuration }) => [
        () => [wasmFilter(module, configuration)],
        () => nativeFilters(configuration),
      ]),
    ]);
  }, 120_000);

  afterAll(() => lab?.stop());

  async function answers(index: number, asks: readonly Ask[]) {
    const all: { request: AuthzRequest; answer: Answer }[] = [];
    for (const { request } of asks) all.push({ request, answer: await lab.ask(index, request) });
    return all;
  }

  const wanted = (asks: readonly Ask[]) =>
    asks.map((ask) => ({ request: ask.request, answer: expectedOf(ask) }));

  describe.each(playable.map((one, i) => [one.name, i, one.asks] as const))("%s", (_, i, all) => {
    const asks = all.filter(({ hostOnly }) => hostOnly !== true);

    test("our module", async () => {
      expect(await answers(2 * i, asks)).toEqual(wanted(asks));
    });

    test("Envoy's own filter", async () => {
      const common = asks.filter(({ native }) => native !== false);
      expect(await answers(2 * i + 1, common)).toEqual(wanted(common));
    });
  });

  test("the port is the one that was connected to", async () => {
    expect((await lab.ask(extra, {})).status).toBe(200);
    expect((await lab.ask(extra + 1, {})).status).toBe(403);
  });

  test("an address from X-Forwarded-For is not taken for the peer's, unless the peer is named", async () => {
    const forwarded: AuthzRequest = { headers: [["x-forwarded-for", "127.0.0.9"]] };
    expect((await lab.ask(extra + 2, {})).status).toBe(200);
    expect((await lab.ask(extra + 2, forwarded)).status).toBe(403);
    expect((await lab.ask(extra + 3, forwarded)).status).toBe(200);
  });

  test("a dry run is told in a property and counted", async () => {
    const shadowOf = async (path: string) => (await lab.ask(extra + 4, { path })).shadow;
    expect([await shadowOf("/a"), await shadowOf("/b"), await shadowOf("/b")]).toEqual([
      "denied",
      "allowed",
      "allowed",
    ]);
    expect(await lab.counters("shadow_denied")).toMatchObject({ "wasmcustom.rbac.shadow_denied": 1 });
    expect(await lab.counters("shadow_allowed")).toMatchObject({ "wasmcustom.rbac.shadow_allowed": 2 });
    expect(await lab.counters("rbac.trial.allowed")).toEqual({ "wasmcustom.rbac.trial.allowed": 3 });
    expect(await lab.counters("rbac.trial.logged")).toEqual({ "wasmcustom.rbac.trial.logged": 1 });
  });

  test("generated policies: our module and Envoy's own filter answer alike", async () => {
    let refused = 0;
    for (const [i, { requests }] of generated.entries()) {
      for (const request of requests) {
        const { shadow: _, ...ours } = await lab.ask(extra + 5 + 2 * i, request);
        // Of several DENY rules that match, Envoy names the first by the alphabet.
        const { details, ...native } = await lab.ask(extra + 6 + 2 * i, request);
        expect({ i, request, ...ours }).toEqual({ i, request, ...native, details: expect.any(String) });
        expect({ i, request, isNone: ours.details.endsWith("[none]") }).toEqual({
          i,
          request,
          isNone: details.endsWith("[none]"),
        });
        refused += ours.status === 403 ? 1 : 0;
      }
    }
    expect(refused).toBeGreaterThan(40);
    expect(refused).toBeLessThan(generated.length * 30 - 40);
  }, 120_000);

  test("a gRPC request is refused in gRPC's way", async () => {
    const index = playable.findIndex(({ name }) => name.startsWith("an ALLOW policy without rules"));
    const request: AuthzRequest = { method: "POST", headers: [["content-type", "application/grpc"]] };
    const ours = await lab.ask(2 * index, request);
    expect(ours).toMatchObject({ status: 200, grpcStatus: "7" });
    expect(ours).toEqual(await lab.ask(2 * index + 1, request));
  });

  test("paths are judged as Envoy normalised them", async () => {
    const index = playable.findIndex(({ name }) => name.startsWith("the path is compared as the host"));
    for (const path of ["/pub/x/../admin", "/pub/./admin", "/pub/%2e%2e/pub/admin", "/pub/%61dmin"]) {
      const request: AuthzRequest = { path };
      const ours = await lab.ask(2 * index, request);
      expect({ path, ...ours }).toEqual({ path, ...(await lab.ask(2 * index + 1, request)) });
    }
    expect((await lab.ask(2 * index, { path: "/pub/x/../admin" })).status).toBe(403);
  });
});

/** Leaves the address of the TCP peer where the module is told to find it. */
const PEER_TO_FILTER_STATE = {
  name: "envoy.filters.http.set_filter_state",
  typed_config: {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
    on_request_headers: [
      {
        object_key: "tulle.peer",
        factory_key: "envoy.string",
        format_string: { text_format_source: { inline_string: "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%" } },
      },
    ],
  },
};
