/** The authz module in a host: each request of the table, and what is seen of it besides the verdict. */
import { beforeAll, describe, expect, test } from "bun:test";
import { CONTINUE, PAUSE } from "../../../runtime-adapters/filter-tool/scripted-host/fake-stream.ts";
import { ScriptedHost } from "../../../runtime-adapters/filter-tool/scripted-host/scripted-host.ts";
import { shippedFilter } from "../../support/filter-build.ts";
import { judge } from "./authz-model.ts";
import type { AuthzConfiguration } from "./authz-policy.ts";
import { type AuthzRequest, headersOf, propertiesOf } from "./authz-request.ts";
import { CASES } from "./policy-table.ts";

let authz: string;
beforeAll(() => {
  authz = shippedFilter("authz");
}, 120_000);

/** Puts a request before the filter; returns its stream, still open. */
function ask(host: ScriptedHost, request: AuthzRequest) {
  const stream = host.open();
  for (const [path, value] of propertiesOf(request)) stream.properties.set(path, value);
  const action = stream.onRequestHeaders(headersOf(request));
  return { stream, action, reply: stream.reply };
}

/** The rule that denies, "none", or null if the request passes. */
function verdict(host: ScriptedHost, request: AuthzRequest): string | null {
  const { stream, action, reply } = ask(host, request);
  stream.end();
  expect(action).toBe(reply === null ? CONTINUE : PAUSE);
  if (reply === null) return null;
  expect(reply).toMatchObject({ status: 403, body: "RBAC: access denied", headers: [], grpcStatus: -1 });
  return (
    /^rbac_access_denied_matched_policy\[(.*)\]$/.exec(reply.details)?.[1] ?? `details: ${reply.details}`
  );
}

describe("the table", () => {
  test.each(CASES.map((one) => [one.name, one] as const))("%s", (_, { configuration, asks }) => {
    const host = ScriptedHost.start(authz, { configuration });
    const answers = asks.map(({ request }) => ({ request, denied: verdict(host, request) }));
    expect(answers).toEqual(asks.map(({ request, denied }) => ({ request, denied })));
  });

  test.each(CASES.map((one) => [one.name, one] as const))(
    "the model agrees: %s",
    (_, { configuration, asks }) => {
      for (const { request, denied, native } of asks) {
        const answer = judge(configuration, request);
        // The model lets pass what Envoy lets pass, where we are stricter.
        const isStricter = native === false && !answer.denied && denied !== null;
        if (!isStricter) {
          expect({ request, denied: answer.denied ? answer.rule : null }).toEqual({ request, denied });
        }
      }
    },
  );
});

const PATHS = (action: "ALLOW" | "DENY" | "AUDIT", path: string, more: object = {}) => ({
  name: path.slice(1),
  action,
  rules: [{ to: [{ operation: { paths: [path] } }] }],
  ...more,
});

function counters(host: ScriptedHost): { [name: string]: number } {
  return Object.fromEntries(host.metrics.map(({ name, value }) => [name, Number(value)]));
}

describe("what is counted", () => {
  test("allowed and denied", () => {
    const host = ScriptedHost.start(authz, { configuration: { policies: [PATHS("DENY", "/no")] } });
    for (const path of ["/no", "/a", "/b"]) verdict(host, { path });
    expect(counters(host)).toEqual({ "rbac.allowed": 2, "rbac.denied": 1 });
  });

  test("an AUDIT policy counts, and decides nothing", () => {
    const host = ScriptedHost.start(authz, { configuration: { policies: [PATHS("AUDIT", "/a")] } });
    for (const path of ["/a", "/a", "/b"]) expect(verdict(host, { path })).toBeNull();
    expect(counters(host)).toEqual({
      "rbac.allowed": 3,
      "rbac.denied": 0,
      "rbac.logged": 2,
      "rbac.not_logged": 1,
    });
  });

  test("dry-run policies are judged by themselves, counted, and told in properties", () => {
    const configuration: AuthzConfiguration = {
      shadowStatPrefix: "trial_",
      policies: [
        PATHS("DENY", "/no"),
        PATHS("DENY", "/a", { dryRun: true }),
        PATHS("ALLOW", "/b", { dryRun: true }),
      ],
    };
    const host = ScriptedHost.start(authz, { configuration });
    const seen = ["/a", "/b", "/c", "/no"].map((path) => {
      const { stream, reply } = ask(host, { path });
      const { properties } = stream;
      return [
        reply === null,
        properties.get("trial_shadow_engine_result"),
        properties.get("trial_shadow_effective_policy_id"),
      ];
    });
    expect(seen).toEqual([
      [true, "denied", "ns[]-policy[a]-rule[0]"],
      [true, "allowed", "ns[]-policy[b]-rule[0]"],
      [true, "denied", undefined],
      [false, "denied", undefined],
    ]);
    expect(counters(host)).toEqual({
      "rbac.allowed": 3,
      "rbac.denied": 1,
      "rbac.trial_shadow_allowed": 1,
      "rbac.trial_shadow_denied": 3,
    });
  });

  test("each rule by itself, if that is wanted", () => {
    const configuration: AuthzConfiguration = {
      trackPerRuleStats: true,
      statPrefix: "in_",
      policies: [PATHS("DENY", "/no"), PATHS("ALLOW", "/a*"), PATHS("ALLOW", "/ab")],
    };
    const host = ScriptedHost.start(authz, { configuration });
    for (const path of ["/ab", "/a", "/no", "/x"]) verdict(host, { path });
    expect(counters(host)).toEqual({
      "rbac.in_allowed": 2,
      "rbac.in_denied": 2,
      "rbac.in_policy.ns[]-policy[no]-rule[0].denied": 1,
      "rbac.in_policy.ns[]-policy[a*]-rule[0].allowed": 2,
      "rbac.in_policy.ns[]-policy[ab]-rule[0].allowed": 0,
    });
  });
});

describe("what is asked of the host", () => {
  test("only what a rule that comes into question needs, each thing once", () => {
    const rule = (path: string, value: string) => ({
      from: [{ source: { principals: [`cluster.local/ns/${value}/sa/a`], namespaces: [value] } }],
      to: [{ operation: { methods: ["GET"], paths: [path] } }],
      when: [{ key: "request.headers[x-a]", values: [value] }],
    });
    const policies = [{ name: "p", rules: [rule("/a", "x"), rule("/a", "y"), rule("/b", "x")] }];
    const host = ScriptedHost.start(authz, { configuration: { policies } });
    const peer = "spiffe://cluster.local/ns/y/sa/a";
    ask(host, { path: "/a", peer, headers: [["x-a", "y"]] });
    expect(host.calls).toEqual([
      'get request ":path"',
      'get request ":method"',
      "property connection.uri_san_peer_certificate",
      "property request.headers.x-a",
      "rbac.allowed += 1",
    ]);
    ask(host, { path: "/c", peer });
    expect(host.calls).toEqual(['get request ":path"', "rbac.denied += 1", "reply 403"]);
  });
});

describe("what the host cannot tell", () => {
  const blocks = (action: "ALLOW" | "DENY", field: string) => ({
    policies: [{ name: "p", action, rules: [{ from: [{ source: { [field]: ["10.0.0.0/8"] } }] }] }],
  });
  // The address comes from X-Forwarded-For: it is not that of the TCP peer.
  const forwarded: AuthzRequest = { source: "10.1.1.1:0" };

  test.each([
    ["ALLOW", "ipBlocks"],
    ["ALLOW", "notIpBlocks"],
    ["DENY", "ipBlocks"],
    ["DENY", "notIpBlocks"],
  ] as const)("%s by %s: an unknown peer is refused", (action, field) => {
    const host = ScriptedHost.start(authz, { configuration: blocks(action, field) });
    expect(verdict(host, forwarded)).not.toBeNull();
  });

  test("another property for the peer", () => {
    const configuration = { ...blocks("ALLOW", "ipBlocks"), peerAddressProperty: ["filter_state", "peer"] };
    const host = ScriptedHost.start(authz, { configuration });
    const withPeer = (peer: string | null) => {
      host.properties.delete("filter_state.peer");
      if (peer !== null) host.properties.set("filter_state.peer", peer);
      return verdict(host, forwarded);
    };
    expect(withPeer("10.2.2.2:80")).toBeNull();
    expect(withPeer("10.2.2.2")).toBeNull();
    expect(withPeer("11.2.2.2")).toBe("none");
    expect(withPeer(null)).toBe("none");
  });

  test("a peer without an address (a pipe) is in no block", () => {
    const source = "/run/app.sock";
    for (const [configuration, expected] of [
      [blocks("ALLOW", "ipBlocks"), "none"],
      [blocks("ALLOW", "notIpBlocks"), null],
      [blocks("DENY", "ipBlocks"), null],
    ] as const) {
      expect(verdict(ScriptedHost.start(authz, { configuration }), { source })).toBe(expected);
    }
  });
});

test("memory stays as it is over many requests", () => {
  const { configuration, asks } = CASES.find(({ name }) => name.startsWith("from AND to"))!;
  const host = ScriptedHost.start(authz, { configuration });
  const round = () => {
    for (const { request } of asks) verdict(host, request);
  };
  for (let i = 0; i < 50; i++) round();
  const before = host.memorySize;
  for (let i = 0; i < 500; i++) round();
  expect(host.memorySize).toBe(before);
});
