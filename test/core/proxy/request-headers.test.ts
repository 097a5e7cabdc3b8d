/** Who the client is, what it may say, and the request's id, as the origin sees it (Envoy's rules). */
import { describe, expect, test } from "bun:test";
import type { HttpConnectionManager, RouteConfiguration } from "../../../core/config/model.ts";
import { get, OK, story } from "../../support/engine-story.ts";

/** The fields of a request as the origin got them. */
async function arrived(
  manager: Partial<HttpConnectionManager>,
  fields: string,
  table: Partial<RouteConfiguration> = {},
): Promise<Map<string, string>> {
  let seen = "";
  const s = await story({
    manager,
    table,
    log: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    origins: [
      (peer) => {
        if (!peer.received.endsWith("\r\n\r\n")) return;
        seen = peer.take();
        peer.send(OK);
      },
    ],
  });
  s.client(get("/", fields));
  s.expectNothingLeft();
  const out = new Map<string, string>();
  for (const line of seen.split("\r\n").slice(1)) {
    const colon = line.indexOf(": ");
    if (colon > 0) out.set(line.slice(0, colon), line.slice(colon + 2));
  }
  return out.set("client", s.logs[0]);
}

const LOOPBACK = [{ ip: "127.0.0.0", prefixLength: 8 }];
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("x-forwarded-for", () => {
  test.each<[string, Partial<HttpConnectionManager>, string, string | undefined, string]>([
    ["a sidecar passes it on", {}, "x-forwarded-for: 1.1.1.1\r\n", "1.1.1.1", "1.1.1.1"],
    ["a sidecar adds none", {}, "", undefined, "127.0.0.1"],
    [
      "an edge appends the peer",
      { useRemoteAddress: true },
      "x-forwarded-for: 1.1.1.1\r\n",
      "1.1.1.1,127.0.0.1",
      "127.0.0.1",
    ],
    ["an edge begins one", { useRemoteAddress: true }, "", "127.0.0.1", "127.0.0.1"],
    [
      "an edge that does not append",
      { useRemoteAddress: true, skipXffAppend: true },
      "x-forwarded-for: 1.1.1.1\r\n",
      "1.1.1.1",
      "127.0.0.1",
    ],
    [
      "an edge behind one trusted proxy",
      { useRemoteAddress: true, xffNumTrustedHops: 1 },
      "x-forwarded-for: 9.9.9.9, 1.1.1.1\r\n",
      "9.9.9.9, 1.1.1.1,127.0.0.1",
      "1.1.1.1",
    ],
    [
      "a sidecar behind one trusted proxy",
      { xffNumTrustedHops: 1 },
      "x-forwarded-for: 9.9.9.9, 1.1.1.1\r\n",
      "9.9.9.9, 1.1.1.1",
      "9.9.9.9",
    ],
    ["nonsense is nobody", {}, "x-forwarded-for: 1.1.1.1, evil\r\n", "1.1.1.1, evil", "127.0.0.1"],
    [
      "nobody is looked for in one of more than 8 KiB",
      { xffNumTrustedHops: 0 },
      `x-forwarded-for: ${"9".repeat(8192)}, 1.1.1.1\r\n`,
      `${"9".repeat(8192)}, 1.1.1.1`,
      "127.0.0.1",
    ],
  ])("%s", async (_, manager, fields, xff, client) => {
    const seen = await arrived(manager, fields);
    expect(seen.get("x-forwarded-for")).toBe(xff as string);
    expect(seen.get("client")).toBe(client);
  });
});

describe("control headers", () => {
  const CONTROL = "x-envoy-retry-on: 5xx\r\nx-envoy-upstream-rq-timeout-ms: 5\r\nx-envoy-internal: true\r\n";

  test("of a stranger go nowhere", async () => {
    const seen = await arrived({}, CONTROL);
    expect([...seen.keys()].filter((name) => name.startsWith("x-envoy-"))).toEqual([
      "x-envoy-expected-rq-timeout-ms",
    ]);
    expect(seen.get("x-envoy-expected-rq-timeout-ms")).toBe("15000");
  });

  test("of an internal client are obeyed, and it is marked as one", async () => {
    const seen = await arrived({ useRemoteAddress: true, internalCidrRanges: LOOPBACK }, CONTROL);
    expect(seen.get("x-envoy-internal")).toBe("true");
    expect(seen.get("x-envoy-expected-rq-timeout-ms")).toBe("5");
    expect(seen.has("x-envoy-retry-on")).toBe(false);
  });

  test.each<[string, boolean, string, boolean]>([
    ["a sidecar, one address inside", false, "127.0.0.5", true],
    ["a sidecar, one address outside", false, "9.9.9.9", false],
    ["a sidecar, a list: whoever wrote its left part may lie", false, "127.0.0.5, 127.0.0.6", false],
    ["a sidecar, no list: the peer may be a proxy itself", false, "", false],
    ["an edge, the peer inside", true, "", true],
    ["an edge, a peer that forwards", true, "127.0.0.5", false],
  ])("who is internal: %s", async (_, useRemoteAddress, xff, internal) => {
    const fields = xff === "" ? "" : `x-forwarded-for: ${xff}\r\n`;
    const seen = await arrived({ useRemoteAddress, internalCidrRanges: LOOPBACK }, CONTROL + fields);
    expect(seen.get("x-envoy-internal")).toBe(internal ? "true" : undefined);
    expect(seen.get("x-envoy-expected-rq-timeout-ms")).toBe(internal ? "5" : "15000");
  });

  test("nobody is internal unless ranges say so", async () => {
    const seen = await arrived({ useRemoteAddress: true }, CONTROL);
    expect(seen.has("x-envoy-internal")).toBe(false);
  });

  test("internal_only_headers of the route configuration are taken from internal clients alone", async () => {
    const table = { internalOnlyHeaders: ["x-tenant", "authorization"] };
    const fields = "x-tenant: root\r\nX-Tenant: admin\r\nauthorization: me\r\nx-tenant-2: kept\r\n";
    const stranger = await arrived({}, fields, table);
    expect([stranger.has("x-tenant"), stranger.has("authorization")]).toEqual([false, false]);
    expect(stranger.get("x-tenant-2")).toBe("kept");
    const friend = await arrived({ useRemoteAddress: true, internalCidrRanges: LOOPBACK }, fields, table);
    expect([friend.get("x-tenant"), friend.get("authorization")]).toEqual(["admin", "me"]);
  });

  test("an edge says who is outside", async () => {
    const seen = await arrived({ useRemoteAddress: true }, "x-envoy-external-address: 6.6.6.6\r\n");
    expect(seen.get("x-envoy-external-address")).toBe("127.0.0.1");
  });
});

describe("x-request-id", () => {
  const MINE = "x-request-id: mine\r\n";
  test.each<[string, Partial<HttpConnectionManager>, string, string | RegExp | undefined]>([
    ["is made", {}, "", UUID],
    ["is kept by a sidecar", {}, MINE, "mine"],
    ["is replaced by an edge", { useRemoteAddress: true }, MINE, UUID],
    [
      "is kept by an edge that is told so",
      { useRemoteAddress: true, preserveExternalRequestId: true },
      MINE,
      "mine",
    ],
    [
      "is kept for an internal client",
      { useRemoteAddress: true, internalCidrRanges: LOOPBACK },
      MINE,
      "mine",
    ],
    ["is not made if not wanted", { generateRequestId: false }, "", undefined],
  ])("%s", async (_, manager, fields, expected) => {
    const id = (await arrived(manager, fields)).get("x-request-id");
    if (expected instanceof RegExp) expect(id).toMatch(expected);
    else expect(id).toBe(expected as string);
  });

  test("is told to the client if configured", async () => {
    const s = await story({ manager: { alwaysSetRequestIdInResponse: true } });
    expect(s.client(get("/", MINE)).received).toContain("x-request-id: mine\r\n");
    s.expectNothingLeft();
  });
});

test("scheme, certificate header and via", async () => {
  expect((await arrived({}, "")).get("x-forwarded-proto")).toBe("http");
  expect(
    (await arrived({ useRemoteAddress: true }, "x-forwarded-proto: https\r\n")).get("x-forwarded-proto"),
  ).toBe("http");
  expect(
    (await arrived({ schemeToOverwrite: "https" }, "x-forwarded-proto: http\r\n")).get("x-forwarded-proto"),
  ).toBe("https");
  expect((await arrived({}, "x-forwarded-client-cert: Hash=1\r\n")).has("x-forwarded-client-cert")).toBe(
    false,
  );
  expect((await arrived({ via: "mesh" }, "via: 1.0 fred\r\n")).get("via")).toBe("1.0 fred, 1.1 mesh");
});
