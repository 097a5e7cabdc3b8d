import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  PathAccepted,
  type PathOptions,
  PathPolicy,
  PathRedirected,
  PathRejected,
} from "../../../core/http/path.ts";

const MODES = {
  none: mode({ normalizePath: false }),
  base: mode({}),
  merge: mode({ mergeSlashes: true }),
  mergeOnly: mode({ normalizePath: false, mergeSlashes: true }),
  reject: mode({ pathWithEscapedSlashesAction: "REJECT_REQUEST" }),
  redirect: mode({ pathWithEscapedSlashesAction: "UNESCAPE_AND_REDIRECT" }),
  forward: mode({ mergeSlashes: true, pathWithEscapedSlashesAction: "UNESCAPE_AND_FORWARD" }),
};

function mode(change: Partial<PathOptions>): PathPolicy {
  return new PathPolicy({
    normalizePath: true,
    mergeSlashes: false,
    pathWithEscapedSlashesAction: "KEEP_UNCHANGED",
    ...change,
  });
}

/** The new path, "400", or "307 " and the location. */
function outcome(policy: PathPolicy, path: string): string {
  switch (policy.apply(path)) {
    case PathRejected:
      return "400";
    case PathRedirected:
      return `307 ${policy.path}`;
    default:
      return policy.path;
  }
}

describe("triplets that no encoder of UTF-8 writes", () => {
  const refused = [
    ...[
      "/%c0%ae",
      "/%C1%BF",
      "/%e0%80%af",
      "/%E0%9f%bf",
      "/%f0%80%80%af",
      "/%F0%8F%bf%bf",
      "/%f5%80%80%80",
      "/%ff",
      "/a/%c0%af/b",
    ],
  ];
  const accepted = [
    "/%c2%80",
    "/%e0%a0%80",
    "/%E1%80%80",
    "/%f0%90%80%80",
    "/%f4%8f%bf%bf",
    "/%e0",
    "/%e0x",
    "/%f0/%80",
    "/%80",
  ];

  test.each(refused)("%s", (path) => {
    const { none, mergeOnly, ...normalizing } = MODES;
    for (const policy of Object.values(normalizing)) expect(outcome(policy, path)).toBe("400");
    expect([outcome(none, path), outcome(mergeOnly, path)]).toEqual([path, "400"]);
  });
  test.each(accepted)("%s may pass", (path) => {
    for (const policy of Object.values(MODES)) expect(outcome(policy, path)).toBe(path);
  });
});

describe("what Envoy 1.40 does too", () => {
  // path, then what each mode makes of it where that is not the path itself (observed, 2026-11)
  const table: [string, Partial<{ [mode in keyof typeof MODES]: string }>][] = [
    ["/", {}],
    ["/a/b", {}],
    ["//", { merge: "/", mergeOnly: "/", forward: "/" }],
    ["/a//b", { merge: "/a/b", mergeOnly: "/a/b", forward: "/a/b" }],
    ["/a///b/", { merge: "/a/b/", mergeOnly: "/a/b/", forward: "/a/b/" }],
    ["/.", normalized("/")],
    ["/../", normalized("/")],
    ["/a/.", normalized("/a/")],
    ["/a/..", normalized("/")],
    ["/a/./b", normalized("/a/b")],
    ["/a/../b", normalized("/b")],
    ["/a/../../b", normalized("/b")],
    ["/a/b/../..", normalized("/")],
    ["/a//../b", { ...normalized("/a/b"), mergeOnly: "/a/../b" }],
    ["/.a", {}],
    ["/..a", {}],
    ["/...", {}],
    ["/a..", {}],
    ["/%2e", normalized("/")],
    ["/%2E%2e/a", normalized("/a")],
    ["/a/.%2e/b", normalized("/b")],
    ["/%41%2d%7e%5f", normalized("/A-~_")],
    ["/a%2fb", { reject: "400", redirect: "307 /a/b", forward: "/a/b" }],
    ["/a%5Cb", { reject: "400", redirect: "307 /a/b", forward: "/a/b" }],
    ["/a/..%2fb", { reject: "400", redirect: "307 /b", forward: "/b" }],
    ["/a%2f..%2fb?q=%2f", { reject: "400", redirect: "307 /b?q=%2f", forward: "/b?q=%2f" }],
    ["/a%2f%2fb", { reject: "400", redirect: "307 /a//b", forward: "/a/b" }],
    ["/%252e%252e/a", {}],
    ["/%252f", {}],
    ["/a?b=/../c", {}],
    ["/a?//%2f%2e", {}],
    ["/a/../b?x=%zz", normalized("/b?x=%zz")],
    ["/a%20b%C3%A9%c3%af", {}],
    ["/a;b", {}],
    ["/a;b/../c", normalized("/c")],
    ["/a#b", everywhere("400")],
    ["/a?b#c", everywhere("400")],
    ["a", everywhere("400")],
    ["", everywhere("400")],
    ["*", everywhere("400")],
    ["/caf\xc3\xa9", everywhere("400")],
    ["/a?\xff", everywhere("400")],
    ["/a b", everywhere("400")],
    ["/a\x00", everywhere("400")],
    ["/a\x7f", everywhere("400")],
    ["/a?\t", everywhere("400")],
    ['/a"<>^`{|}', normalized("/a%22%3C%3E%5E%60%7B%7C%7D")],
    ["/a!$&'()*+,-.:;=@[]_~", {}],
    ['/a?"<>\\|{}', {}],
    ["/a%3Fb%23%25", {}],
    ["/a/b/..?q", normalized("/a/?q")],
    ["/a/..%3b/b", {}],
  ];
  test.each(table)("%j", (path, changed) => {
    for (const [name, policy] of Object.entries(MODES)) {
      const expected = changed[name as keyof typeof MODES] ?? path;
      expect([name, outcome(policy, path)]).toEqual([name, expected]);
    }
  });
});

describe("where we are stricter than Envoy", () => {
  test("a raw backslash in the path is refused, not read as a slash", () => {
    for (const policy of Object.values(MODES)) {
      expect(outcome(policy, "/a\\..\\b")).toBe("400");
    }
  });

  test("a percent sign without two digits, NUL, CR and LF are refused once any mode is on", () => {
    for (const path of ["/a%zz", "/a%", "/a%2", "/%%32e", "/a%00b", "/a%0d", "/a%0A"]) {
      expect(outcome(MODES.none, path)).toBe(path);
      for (const policy of [MODES.base, MODES.mergeOnly, MODES.forward])
        expect(outcome(policy, path)).toBe("400");
    }
  });

  test("a dot segment with path parameters is refused (CVE-2026-73511)", () => {
    // Envoy resolves the first four, and lets the last two through as "/a/..;/b".
    for (const path of ["/..;a=b/c", "/a/..;/b", "/a/.;/b", "/a/..;x", "/a/%2e%2e;/b", "/a/.%2E;x=1/b"]) {
      expect(outcome(MODES.base, path)).toBe("400");
      expect(outcome(MODES.forward, path)).toBe("400");
    }
  });

  test("a redirect never leads to another host", () => {
    expect(outcome(MODES.redirect, "/%2fevil.example/")).toBe("307 /evil.example/");
    expect(outcome(MODES.redirect, "//evil.example/a%2fb")).toBe("307 /evil.example/a/b");
    expect(outcome(MODES.redirect, "/a/..%2f%5cevil.example")).toBe("307 /evil.example");
  });
});

// ── Properties ──────────────────────────────────────────────────────────────────────────────────────────────

const piece = fc.constantFrom(
  ..."/.ab;?%",
  "//",
  "..",
  "/../",
  "/./",
  "%2e",
  "%2E%2e",
  "%2f",
  "%5c",
  "%41",
  "%7e",
  "%25",
  "%252e",
  "%20",
  "|",
  "\\",
  "#",
  "\xe9",
);
const anyPath = fc.array(piece, { maxLength: 12 }).map((parts) => `/${parts.join("")}`);
const anyMode = fc.constantFrom(...Object.values(MODES));

describe("properties", () => {
  test("a normalised path is final: normalising it again changes nothing", () => {
    fc.assert(
      fc.property(anyPath, anyMode, (path, policy) => {
        if (policy.apply(path) === PathRejected) return;
        const once = policy.path;
        expect([policy.apply(once), policy.path]).toEqual([PathAccepted, once]);
      }),
      { numRuns: 3000 },
    );
  });

  test("what comes out has no dot segment, in any spelling, and never loses its slash or its query", () => {
    fc.assert(
      fc.property(anyPath, fc.constantFrom(MODES.base, MODES.merge, MODES.forward), (path, policy) => {
        if (policy.apply(path) === PathRejected) return;
        const [before, ...query] = policy.path.split("?");
        expect(before).toStartWith("/");
        expect(before).not.toMatch(/\/(\.|%2e){1,2}([;/]|$)/i);
        expect(query).toEqual(path.split("?").slice(1));
      }),
      { numRuns: 3000 },
    );
  });

  test("the path is that of a WHATWG URL parser where that does not decode less", () => {
    const plain = fc.constantFrom("/", ".", "..", "a", "b", ";", "%2e", "%2E", "//", "%20");
    fc.assert(
      fc.property(fc.array(plain, { maxLength: 10 }), (parts) => {
        const path = `/${parts.join("")}`;
        if (MODES.base.apply(path) === PathRejected) return;
        const oracle = new URL(`http://h${path}`).pathname;
        expect(MODES.base.path).toBe(oracle.replace(/%2e/gi, "."));
      }),
      { numRuns: 2000 },
    );
  });

  test("a path with nothing special is returned as the same string", () => {
    const text = "/api/v1/users/1234-abcd/.well-known/x?y=z&w=/../";
    const policy = MODES.forward;
    expect(policy.apply(text)).toBe(PathAccepted);
    expect(policy.path).toBe(text);
  });
});

function normalized(path: string) {
  return { base: path, merge: path, reject: path, redirect: path, forward: path };
}

function everywhere(result: string) {
  return { ...normalized(result), none: result, mergeOnly: result };
}
