/** The small parts that the real runtimes share. */
import { describe, expect, test } from "bun:test";
import { ipAddress, NOWHERE, nativePath } from "../../runtime-adapters/address.ts";
import { Descriptors } from "../../runtime-adapters/descriptors.ts";
import { Entropy } from "../../runtime-adapters/entropy.ts";
import { ofFamily } from "../../runtime-adapters/lookup-family.ts";

test("addresses as Envoy spells them", () => {
  expect(ipAddress("::ffff:10.0.0.1", 80)).toEqual({ ip: "10.0.0.1", port: 80, path: "" });
  expect(ipAddress("::ffff:0:1", 80).ip).toBe("::ffff:0:1");
  expect(ipAddress("fe80::1%eth0", 80).ip).toBe("fe80::1");
  expect(ipAddress(undefined, undefined)).toBe(NOWHERE);
  expect([nativePath("@name"), nativePath("/run/x")]).toEqual(["\0name", "/run/x"]);
});

describe("descriptors", () => {
  const table: [limit: number, accept: number, dial: number][] = [
    [64, 48, 56],
    [1024, 960, 1016],
    [1_000_000, 999_744, 999_992],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  ];
  test.each(table)("of %d, accepts use those below %d and dials those below %d", (limit, accept, dial) => {
    const { acceptBelow, dialBelow } = new Descriptors(limit);
    expect([acceptBelow, dialBelow]).toEqual([accept, dial]);
  });
  test("the limit of this process is known on Linux", () => {
    if (process.platform !== "linux") return;
    expect(Descriptors.ofProcess().dialBelow).toBeGreaterThan(8);
    expect(Number.isFinite(Descriptors.ofProcess().dialBelow)).toBe(true);
  });
});

test("random bytes leave the pool once", () => {
  const entropy = new Entropy();
  const seen = new Set<string>();
  for (let i = 0; i < 1000; i++) {
    const id = new Uint8Array(12);
    entropy.fill(id);
    seen.add(id.join());
  }
  expect(seen.size).toBe(1000);
  const long = new Uint8Array(9000);
  entropy.fill(long);
  expect(new Set(long.subarray(8192)).size).toBeGreaterThan(200);
});

test("lookup families", () => {
  const v4 = ["10.0.0.1"];
  const v6 = ["fd00::1"];
  expect(ofFamily(v4, v6, "auto")).toEqual(v6);
  expect(ofFamily(v4, [], "auto")).toEqual(v4);
  expect(ofFamily(v4, v6, "v4_preferred")).toEqual(v4);
  expect(ofFamily([], v6, "v4_preferred")).toEqual(v6);
  expect(ofFamily(v4, v6, "v4_only")).toEqual(v4);
  expect(ofFamily(v4, v6, "v6_only")).toEqual(v6);
  expect(ofFamily(v4, v6, "all")).toEqual(["fd00::1", "10.0.0.1"]);
});
