/** Patterns, templates, addresses and identities, by their functions. */
import { beforeAll, describe, expect, test } from "bun:test";
import { BlockList, isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { AssemblyModule } from "../../support/assembly-module.ts";

let parts: AssemblyModule;
beforeAll(() => {
  parts = AssemblyModule.load("authz-parts");
}, 120_000);

const truth = (is: boolean) => (is ? 1 : 0);

describe("patterns", () => {
  test.each([
    ["abc", ["abc"], ["", "ab", "abcd", "ABC"]],
    ["*", ["a", "\0", "*"], [""]],
    ["ab*", ["ab", "abc"], ["a", "xab", ""]],
    ["*ab", ["ab", "xab", "abab"], ["b", "abx", ""]],
    ["*a*", ["a", "xax"], ["", "xx"]],
    ["a*b", ["ab", "axb", "abab"], ["a", "b", "abc", "ba"]],
    ["a*b*c", ["abc", "axbxc", "abbcc", "abcbc"], ["acb", "abcx", "ac"]],
    ["*a*b", ["ab", "xaxb", "bab"], ["ba", "abx"]],
  ])("%s", (pattern, hits, misses) => {
    for (const value of hits) expect([value, parts.number("matches", pattern, value)]).toEqual([value, 1]);
    for (const value of misses) expect([value, parts.number("matches", pattern, value)]).toEqual([value, 0]);
  });

  test("are what regular expressions say", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 12 });
    const pattern = fc
      .string({ unit: fc.constantFrom("a", "b", "*"), minLength: 1, maxLength: 8 })
      .map((text) => text.replace(/\*+/g, "*"));
    fc.assert(
      fc.property(pattern, letters, (one, value) => {
        const said = one === "*" ? value !== "" : new RegExp(`^${one.replaceAll("*", ".*")}$`).test(value);
        expect(parts.number("matches", one, value)).toBe(truth(said));
      }),
      { numRuns: 1000 },
    );
  });

  test("two stars side by side are seen", () => {
    expect(["**", "a**", "*a*"].map((text) => parts.number("twinStars", text))).toEqual([1, 1, 0]);
  });
});

describe("path templates", () => {
  test.each([
    ["/a/{*}", ["/a/b", "/a/b=c*d"], ["/a", "/a/", "/a/b/", "/a/b/c", "/x/a/b"]],
    ["/{*}/b", ["/a/b"], ["//b", "/b", "/a/c"]],
    ["/{**}", ["/", "/a", "/a/b/"], [""]],
    ["/a/{**}", ["/a/", "/a/b", "/a//"], ["/a", "/b/"]],
    ["/a/{**}/z", ["/a/b/z", "/a//z", "/a/z/z"], ["/a/z", "/a/b/y", "/a/b/z/"]],
    ["/a/{**}.js", ["/a/.js", "/a/b/c.js"], ["/a.js", "/a/b.jsx"]],
    ["/{*}/{*}.jpg", ["/a/b.jpg", "/a/.jpg.jpg"], ["/a/.jpg", "/a/b.png", "/a/b.jpg/"]],
    ["/{*}/x/{**}", ["/a/x/", "/a/x/y/z"], ["/a/x", "/x/a/"]],
    ["/a/{*}/", ["/a/b/"], ["/a/b", "/a//"]],
  ])("%s", (template, hits, misses) => {
    expect(parts.text("faultOfTemplate", template)).toBe("");
    const answers = (paths: string[]) =>
      paths.map((path) => [path, parts.text("matchTemplate", template, path)]);
    expect(answers(hits)).toEqual(hits.map((path) => [path, "yes"]));
    expect(answers(misses)).toEqual(misses.map((path) => [path, "no"]));
  });

  test("a byte that Envoy's operators do not take makes the answer unsure, where it would be yes", () => {
    for (let code = 0x21; code < 0x100; code++) {
      const byte = String.fromCharCode(code);
      if (byte === "/") continue;
      const taken = /[A-Za-z0-9\-._~%!$&'()*+,;=:@]/.test(byte);
      expect([byte, parts.text("matchTemplate", "/a/{*}", `/a/x${byte}y`)]).toEqual([
        byte,
        taken ? "yes" : "unsure",
      ]);
      expect(parts.text("matchTemplate", "/a/{*}", `/b/x${byte}y`)).toBe("no");
    }
  });

  test.each([
    ["/a", "no template"],
    ["/a/*", "no template"],
    ["a/{*}", "a path template starts with /"],
    ["{*}", "a path template starts with /"],
    ["/a/{*}/*", "{*} and {**} cannot be mixed with *"],
    ["/a/{*}*", "{*} and {**} cannot be mixed with *"],
    ["/{*}/{id}", "only {*} and {**} may stand in braces"],
    ["/{id=*}/{*}", "only {*} and {**} may stand in braces"],
    ["/a{*}", "an operator begins a path segment"],
    ["/{*}{*}", "an operator begins a path segment"],
    ["/{**}/{*}", "no operator after {**}"],
    ["/{**}/{**}", "no operator after {**}"],
    ["/{*}x/y", "text after an operator ends the template"],
    ["/{*}//x", "an empty path segment"],
    ["/{*}?x", "a byte that Envoy takes in no path template"],
  ])("%s: %s", (template, fault) => {
    expect(parts.text("faultOfTemplate", template)).toBe(fault);
  });
});

describe("addresses", () => {
  test.each([
    ["10.1.2.3", "4 0 a010203 0"],
    ["::ffff:10.1.2.3", "4 0 a010203 0"],
    ["::FFFF:0a01:0203", "4 0 a010203 0"],
    ["::", "6 0 0 0"],
    ["::1", "6 0 1 0"],
    ["1::", "6 1000000000000 0 0"],
    ["2001:db8::8:800:200c:417a", "6 20010db800000000 8 0"],
    ["1:2:3:4:5:6:7:8", "6 1000200030004 5000600070008 0"],
    ["1:2:3:4:5:6:7::", "6 1000200030004 5000600070000 0"],
    ["::2:3:4:5:6:7:8", "6 200030004 5000600070008 0"],
    ["64:ff9b::192.0.2.1", "6 64ff9b00000000 c0000201 0"],
  ])("%s", (text, expected) => {
    const [family, high, low, port] = parts.text("readAddress", text, 0).split(" ");
    const [f, h, l, p] = expected.split(" ");
    const number = (hex: string) => BigInt(`0x${hex}`);
    if (text === "2001:db8::8:800:200c:417a") {
      expect([family, number(high), number(low), port]).toEqual([
        "6",
        0x20010db800000000n,
        0x00080800200c417an,
        "0",
      ]);
    } else expect([family, number(high), number(low), port]).toEqual([f, number(h), number(l), p]);
  });

  test.each([
    ...["", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.", ".1.2.3", "1.2.3.4 ", "a.b.c.d"],
    ...[":", ":1", "1:", ":::", "1:::2", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "g::"],
    ...["1:2:3:4:5:6:7:8::", "::1.2.3", "1.2.3.4::", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", "fe80::1%eth0"],
    ...["::ffff:10.1.2.300", "[::1]"],
  ])("%s is none", (text) => {
    expect(parts.text("readAddress", text, 0)).toBe("");
  });

  test("what Node takes for an address is one here, and nothing else", () => {
    const unit = fc.constantFrom("0", "1", "f", ":", "::", ".", "255", "10", "abcd");
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 16 }), (text) => {
        const said = isIPv4(text) || isIPv6(text);
        expect([text, parts.text("readAddress", text, 0) !== ""]).toEqual([text, said]);
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    ["10.1.2.3:80", "4 0 a010203 80"],
    ["[::1]:65535", "6 0 1 65535"],
    ["[::ffff:10.1.2.3]:0", "4 0 a010203 0"],
    ["[fe80::1%2]:7", "6 fe80000000000000 1 7"],
    ["10.1.2.3", ""],
    ["::1", ""],
    ["10.1.2.3:65536", ""],
    ["10.1.2.3:", ""],
    [":80", ""],
    ["[::1:80", ""],
    ["[]:80", ""],
    ["@abstract", ""],
    ["/run/a:80", ""],
    ["envoy://internal_client_address/", ""],
  ])("a peer: %s", (text, expected) => {
    expect(parts.text("readAddress", text, 1).replaceAll(/\b0+(?=\w)/g, "")).toBe(expected);
  });
});

describe("blocks", () => {
  test.each([
    [
      "10.0.0.0/8",
      ["10.0.0.0", "10.255.255.255", "::ffff:10.0.0.1"],
      ["11.0.0.0", "9.255.255.255", "::a00:1"],
    ],
    ["10.1.2.3/8", ["10.9.9.9"], ["11.1.2.3"]],
    ["10.1.2.3", ["10.1.2.3"], ["10.1.2.4"]],
    ["0.0.0.0/0", ["1.2.3.4"], ["::1", "2001:db8::1"]],
    ["::/0", ["::1", "2001:db8::1"], ["1.2.3.4", "::ffff:1.2.3.4"]],
    ["::ffff:10.0.0.0/104", ["10.1.1.1", "::ffff:10.1.1.1"], ["11.1.1.1"]],
    ["2001:db8::/33", ["2001:db8:7fff::"], ["2001:db8:8000::", "2001:db9::"]],
    ["2001:db8::8000:0:0:0/65", ["2001:db8::8000:0:0:1"], ["2001:db8::1"]],
    ["::1/128", ["::1"], ["::2"]],
  ])("%s", (block, inside, outside) => {
    for (const address of inside)
      expect([address, parts.number("holds", block, address)]).toEqual([address, 1]);
    for (const address of outside)
      expect([address, parts.number("holds", block, address)]).toEqual([address, 0]);
  });

  test.each([
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/08",
    "10.0.0.0/-1",
    "::/129",
    "/8",
    "10.0.0.0/8/8",
    "x/8",
    "",
  ])("%s is none", (block) => {
    expect(parts.number("holds", block, "10.0.0.0")).toBe(-1);
  });

  test("hold what Node says", () => {
    const octet = fc.constantFrom(0, 1, 10, 127, 128, 255);
    const address = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join("."));
    fc.assert(
      fc.property(address, fc.nat(32), address, (base, bits, one) => {
        const list = new BlockList();
        list.addSubnet(base, bits, "ipv4");
        expect(parts.number("holds", `${base}/${bits}`, one)).toBe(truth(list.check(one)));
      }),
      { numRuns: 500 },
    );
  });
});

test.each([
  ["spiffe://td/ns/web/sa/front", ["td", "web", "web/sa/front"]],
  ["spiffe://td.example/ns/web/sa/front/more", ["td.example", "web", "web/sa/front"]],
  ["spiffe://td/x/ns/web/sa/front", ["td", "web", "web/sa/front"]],
  ["spiffe://td/ns/web/x/sa/front", ["td", "web", ""]],
  ["spiffe://td/ns/web", ["td", "", ""]],
  ["spiffe://td/ns/web/", ["td", "web", ""]],
  ["spiffe://td/ns//sa/x", ["td", "", ""]],
  ["spiffe://td/ns/web/sa/", ["td", "web", ""]],
  ["spiffe://td", ["td", "", ""]],
  ["spiffe:///ns/web/sa/x", ["", "web", "web/sa/x"]],
  ["https://td/ns/web/sa/front", ["", "", ""]],
  ["", ["", "", ""]],
])("the identity %s", (id, expected) => {
  expect(parts.texts("splitId", id)).toEqual(expected);
});
