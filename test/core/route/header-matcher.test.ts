import { describe, expect, test } from "bun:test";
import type { HeaderMatcher, StringMatch } from "../../../core/config/model.ts";
import type { ConfigFault } from "../../../core/errors.ts";
import { allHeadersMatch, compileHeaderMatcher } from "../../../core/route/header-matcher.ts";
import { compileQueryMatcher } from "../../../core/route/query-matcher.ts";
import { compileStringMatcher } from "../../../core/route/string-matcher.ts";
import { requestHead, responseHead } from "../../support/stream-info-fixture.ts";

function matcher(
  test: HeaderMatcher["test"],
  change: Partial<HeaderMatcher> = {},
  faults: ConfigFault[] = [],
) {
  return compileHeaderMatcher(
    { name: "x-a", test, invert: false, treatMissingAsEmpty: false, ...change },
    "headers[0]",
    faults,
  );
}

const text = (
  kind: "exact" | "prefix" | "suffix" | "contains",
  value: string,
  ignoreCase = false,
): StringMatch => ({
  kind,
  text: value,
  ignoreCase,
});
const is = (value: string): HeaderMatcher["test"] => ({ kind: "string", match: text("exact", value) });
const present = (yes: boolean): HeaderMatcher["test"] => ({ kind: "present", present: yes });
const between = (start: number, end: number): HeaderMatcher["test"] => ({ kind: "range", start, end });

/** One header with these values on lines of their own; null is no header. */
function given(values: readonly string[] | null) {
  return requestHead(
    "GET /",
    "h",
    (values ?? []).map((value) => `x-a: ${value}`),
  );
}

describe("a header matcher decides as Envoy 1.40 does", () => {
  const values = [null, "", "v", "vv", "5", "-3", "05", "+5", "5x", "1,2"];
  // matcher → what it says to each of the values above (observed)
  const table: [string, ReturnType<typeof matcher>, string][] = [
    ["exact", matcher(is("v")), "..v......."],
    ["not exact", matcher(is("v"), { invert: true }), ".1.1111111"],
    [
      "not exact, missing is empty",
      matcher(is("v"), { invert: true, treatMissingAsEmpty: true }),
      "11.1111111",
    ],
    ["exact empty, missing is empty", matcher(is(""), { treatMissingAsEmpty: true }), "11........"],
    ["present", matcher(present(true)), ".111111111"],
    ["absent", matcher(present(false)), "1........."],
    ["not present", matcher(present(true), { invert: true }), "1........."],
    ["present, missing is empty", matcher(present(true), { treatMissingAsEmpty: true }), "1111111111"],
    ["absent, missing is empty", matcher(present(false), { treatMissingAsEmpty: true }), ".........."],
    ["1 … 9", matcher(between(1, 10)), "....1.11.."],
    ["not 1 … 9", matcher(between(1, 10), { invert: true }), ".111.1..11"],
    ["-5 … -1", matcher(between(-5, 0)), ".....1...."],
    ["regex", matcher({ kind: "string", match: { kind: "regex", regex: "v+" } }), "..11......"],
  ];
  test.each(table)("%s", (_name, compiled, expected) => {
    const said = values.map((value) => compiled.matches(given(value === null ? null : [value])));
    expect(said.map((yes) => (yes ? "1" : ".")).join("")).toBe(expected.replace("v", "1"));
  });

  test("several lines: one that matches is enough, inverted none may (row L16)", () => {
    const exact = matcher(is("v"));
    const not = matcher(is("v"), { invert: true });
    for (const lines of [
      ["v", "w"],
      ["w", "v"],
      ["v", "v"],
    ]) {
      expect([lines, exact.matches(given(lines)), not.matches(given(lines))]).toEqual([lines, true, false]);
    }
    for (const lines of [["w", "x"], ["v,w"], ["v,v"]]) {
      expect([lines, exact.matches(given(lines)), not.matches(given(lines))]).toEqual([lines, false, true]);
    }
    expect(matcher(between(1, 10)).matches(given(["50", "5"]))).toBe(true);
    expect(matcher(between(1, 10), { invert: true }).matches(given(["50", "5"]))).toBe(false);
    expect(matcher(between(1, 10), { invert: true }).matches(given(["50", "60"]))).toBe(true);
  });

  test("numbers are decimal integers and nothing else", () => {
    for (const value of ["1e0", "0x1", "1 1", "", "+", "-", "1.0", "٣", "1".repeat(16)]) {
      expect([value, matcher(between(-1e15, 1e15)).matches(given([value]))]).toEqual([value, false]);
    }
  });

  test("pseudo headers and host", () => {
    const head = requestHead("POST /p?q", "shop:80");
    const yes = (name: string, value: string) => matcher(is(value), { name }).matches(head);
    expect([
      yes(":method", "POST"),
      yes(":path", "/p?q"),
      yes(":authority", "shop:80"),
      yes("host", "shop:80"),
    ]).toEqual([true, true, true, true]);
    expect(yes(":nope", "")).toBe(false);
    expect(matcher(present(true), { name: ":status" }).matches(responseHead(503))).toBe(true);
    expect(matcher(between(500, 600), { name: ":status" }).matches(responseHead(503))).toBe(true);
  });

  test("all of several", () => {
    const both = [matcher(present(true)), matcher(is("v"))];
    expect(allHeadersMatch(both, given(["v"]))).toBe(true);
    expect(allHeadersMatch(both, given(["w"]))).toBe(false);
    expect(allHeadersMatch([], given(null))).toBe(true);
  });
});

describe("a string matcher", () => {
  test.each([
    [text("prefix", "ab"), ["ab", "abc"], ["a", "xab", "AB"]],
    [text("suffix", "bc"), ["bc", "abc"], ["c", "bcx"]],
    [text("contains", "b"), ["b", "abc"], ["", "ac", "B"]],
    [text("exact", "aB", true), ["ab", "AB"], ["abc", "a"]],
    [text("prefix", "aB", true), ["ABc", "ab"], ["b"]],
    [text("suffix", "aB", true), ["xAB"], ["ABx"]],
    [text("contains", "aB", true), ["xABx"], ["a b"]],
    [text("exact", "k", true), ["K"], ["\xe2\x84\xaa"]], // U+212A folds to k in Unicode, not here
  ] as const)("%j", (match, yes, no) => {
    const compiled = compileStringMatcher(match, "", []);
    for (const value of yes) expect([value, compiled.matches(value)]).toEqual([value, true]);
    for (const value of no) expect([value, compiled.matches(value)]).toEqual([value, false]);
  });

  test("a bad regular expression is a fault with its path, and never matches", () => {
    const faults: ConfigFault[] = [];
    const broken = matcher({ kind: "string", match: { kind: "regex", regex: "(" } }, {}, faults);
    expect(faults.map((fault) => fault.path)).toEqual(["headers[0].string_match.safe_regex.regex"]);
    expect(broken.matches(given([""]))).toBe(false);
  });
});

describe("a query matcher decides as Envoy 1.40 does", () => {
  const query = (test: Parameters<typeof compileQueryMatcher>[0]["test"]) =>
    compileQueryMatcher({ name: "a", test }, "", []);
  const exact = query({ kind: "string", match: text("exact", "v") });
  const there = query({ kind: "present", present: true });
  const gone = query({ kind: "present", present: false });

  test.each([
    ["", false, false],
    ["?", false, false],
    ["?a", false, true],
    ["?a=", false, true],
    ["?a=v", true, true],
    ["?a=v&a=w", true, true],
    ["?a=w&a=v", false, true],
    ["?b=1&a=v", true, true],
    ["?&a=v", true, true],
    ["?a%3Dv", false, false],
    ["?%61=v", false, false],
    ["?a=%76", false, true],
    ["?aa=v", false, false],
    ["?a=v=x", false, true],
    ["?a=v;b=1", false, true],
    ["?b=2;a=v", false, false],
    ["?A=v", false, false],
    ["?x=?a=v", false, false],
  ])("%s", (text, matches, exists) => {
    const path = `/p/a=v${text}`;
    expect([exact.matches(path), there.matches(path), gone.matches(path)]).toEqual([
      matches,
      exists,
      !exists,
    ]);
  });
});
