import { describe, expect, test } from "bun:test";
import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { Cidr, isLoopback, isPrivate, parseIp } from "../../../core/bytes/cidr.ts";

function ip(text: string): Uint8Array {
  const bytes = parseIp(text);
  if (bytes === null) throw new Error(`not an IP: ${text}`);
  return bytes;
}

describe("IP addresses", () => {
  test.each([
    ["10.0.0.1", "0a000001"],
    ["0.0.0.0", "00000000"],
    ["255.255.255.255", "ffffffff"],
    ["::", "00000000000000000000000000000000"],
    ["::1", "00000000000000000000000000000001"],
    ["1::", "00010000000000000000000000000000"],
    ["2001:DB8::8:800:200c:417a", "20010db80000000000080800200c417a"],
    ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
    ["1:2:3:4:5:6:1.2.3.4", "00010002000300040005000601020304"],
    ["::ffff:10.0.0.1", "0a000001"],
    ["::FFFF:a00:1", "0a000001"],
  ])("%s", (text, hex) => {
    expect(Buffer.from(ip(text)).toString("hex")).toBe(hex);
  });

  // biome-ignore format: one list
  test.each([
    "", "1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "1.2.3.", ".1.2.3", "1..2.3", " 1.2.3.4", "0x1.2.3.4", ":", ":::", "1:2", "::1::", "12345::", "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8", "g::", "::1%eth0", "[::1]", "::1.2.3", "1.2.3.4::", "::٣",
  ])("%j is none", (text) => {
    expect(parseIp(text)).toBeNull();
  });

  test("we agree with node:net", () => {
    const unit = fc.constantFrom("0", "1", "9", "25", "255", "a", "f", ":", "::", ".", ":ffff");
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 16 }), (parts) => {
        const text = parts.join("");
        expect([text, parseIp(text) !== null]).toEqual([text, isIPv4(text) || isIPv6(text)]);
      }),
      { numRuns: 5000 },
    );
  });
});

describe("ranges", () => {
  test.each([
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["10.1.2.3/8", "10.9.9.9", true],
    ["10.0.0.0/31", "10.0.0.1", true],
    ["10.0.0.0/31", "10.0.0.2", false],
    ["0.0.0.0/0", "1.2.3.4", true],
    ["0.0.0.0/0", "::1", false],
    ["::/0", "::1", true],
    ["2001:db8::/33", "2001:db8:7fff::1", true],
    ["2001:db8::/33", "2001:db8:8000::1", false],
    ["10.0.0.1", "10.0.0.1", true],
    ["10.0.0.1", "::ffff:10.0.0.1", true],
    ["::ffff:10.0.0.0/104", "10.1.1.1", true],
  ])("%s contains %s: %p", (range, address, expected) => {
    expect(Cidr.parse(range)?.contains(ip(address))).toBe(expected);
  });

  test.each([
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/",
    "10.0.0.0/08",
    "10.0.0.0/-1",
    "10.0.0.0/1e1",
    "x/8",
    "::ffff:1.2.3.4/95",
  ])("%s is none", (text) => {
    expect(Cidr.parse(text)).toBeNull();
  });

  test("loopback and private addresses", () => {
    for (const text of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
      expect(isLoopback(ip(text))).toBe(true);
    for (const text of ["128.0.0.1", "::2", "10.0.0.1"]) expect(isLoopback(ip(text))).toBe(false);
    for (const text of ["10.1.1.1", "172.16.0.1", "172.31.255.1", "192.168.1.1", "fd00::1", "fe80::1"])
      expect(isPrivate(ip(text))).toBe(true);
    for (const text of ["172.32.0.1", "192.169.0.1", "11.0.0.1", "2001::1", "127.0.0.1"])
      expect(isPrivate(ip(text))).toBe(false);
  });
});
