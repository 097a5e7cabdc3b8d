import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type AuthorityOptions,
  equalHosts,
  hostEnd,
  portAt,
  stripAuthority,
  withoutPort,
} from "../../../core/http/authority.ts";

describe("an authority", () => {
  test.each([
    ["example.com", "example.com", -1],
    ["EXAMPLE.com:8080", "EXAMPLE.com", 8080],
    ["h:0", "h", 0],
    ["h:080", "h", 80],
    ["h:65535", "h", 65535],
    ["10.0.0.1:80", "10.0.0.1", 80],
    ["[::1]", "[::1]", -1],
    ["[::1]:80", "[::1]", 80],
    ["[2001:db8::8:800:200c:417a]", "[2001:db8::8:800:200c:417a]", -1],
    ["[1:2:3:4:5:6:7:8]:1", "[1:2:3:4:5:6:7:8]", 1],
    ["[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]", -1],
    ["[::]", "[::]", -1],
    ["[1::]", "[1::]", -1],
    ["a_b-c~d.e!$&'()*+;=", "a_b-c~d.e!$&'()*+;=", -1],
    ["h.", "h.", -1],
  ])("%j is accepted", (text, host, port) => {
    const end = hostEnd(text);
    expect(text.slice(0, end)).toBe(host);
    expect(end === text.length ? -1 : portAt(text, end)).toBe(port);
    expect(withoutPort(text)).toBe(host);
  });

  // biome-ignore format: one list
  const refused = [
    "", ":80", "user@h", "u:p@h", "h/p", "h?q", "h#f", "a,b", "a b", " h", "h ", "h\t", "h\\x", "h%41", "h|", "h<", "h\"", "h^", "{h}", "h\x00", "h\xe9",
    "h:", "h:x", "h:65536", "h:123456", "h:-1", "h:+1", "h: 1", "h:80:80", "h:8O", "h:٣",
    "[::1", "::1", "[]", "[zz]", "[::1]x", "[::1]:", "[::1]:x", "[1:2]", "[1:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:8:9]", "[1::2::3]", "[::1%25eth0]", "[v1.a]",
    "[12345::]", "[:1]", "[1:]", "[::1.2.3]", "[::1.2.3.256]", "[1.2.3.4]", "[::01.2.3.4]", "[1:2:3:4:5:6:7::8]", "h]", "[",
  ];
  test.each(refused)("%j is refused (row R3)", (text) => {
    expect(hostEnd(text)).toBe(-1);
  });

  test("hosts compare without ASCII case, and only that", () => {
    expect(equalHosts("Example.COM", "eXAMPLE.com")).toBe(true);
    expect(equalHosts("a", "ab")).toBe(false);
    expect(equalHosts("[", "{")).toBe(false);
    expect(equalHosts("@", "`")).toBe(false);
  });
});

describe("stripping", () => {
  const OFF: AuthorityOptions = {
    stripMatchingHostPort: false,
    stripAnyHostPort: false,
    stripTrailingHostDot: false,
  };
  const any = { ...OFF, stripAnyHostPort: true, stripTrailingHostDot: true };
  const matching = { ...OFF, stripMatchingHostPort: true };

  test.each([
    [any, "h:80", "h"],
    [any, "h.", "h"],
    [any, "h.:80", "h"],
    [any, "h..", "h."],
    [any, "[::1]:80", "[::1]"],
    [any, ".", "."],
    [{ ...OFF, stripTrailingHostDot: true }, "h.:80", "h:80"],
    [matching, "h:8080", "h"],
    [matching, "h:80", "h:80"],
    [matching, "[::1]:8080", "[::1]"],
    [OFF, "h.:80", "h.:80"],
  ])("%j %s → %s", (options, text, expected) => {
    expect(stripAuthority(text, options, 8080, false)).toBe(expected);
  });

  test("the port of a CONNECT target stays", () => {
    expect(stripAuthority("h.:8080", { ...any, stripMatchingHostPort: true }, 8080, true)).toBe("h:8080");
  });
});

test("what is accepted is accepted again after its port is gone", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."ab.:[]12%@/,"), maxLength: 10 }), (text) => {
      if (hostEnd(text) < 0) return;
      expect(hostEnd(withoutPort(text))).toBe(withoutPort(text).length);
    }),
    { numRuns: 5000 },
  );
});
