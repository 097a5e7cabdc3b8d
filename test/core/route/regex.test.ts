import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { utf8ByteString } from "../../../core/bytes/ascii.ts";
import { compileRegex, compileSubstitution, type Regex } from "../../../core/route/regex.ts";
import { RegexProgram } from "../../../core/route/regex-program.ts";
import { parseRegex } from "../../../core/route/regex-syntax.ts";

function regex(pattern: string): Regex {
  const { regex, error } = compileRegex(utf8ByteString(pattern));
  if (regex === null) throw new Error(`${pattern}: ${error}`);
  return regex;
}

function replace(pattern: string, substitution: string, text: string): string {
  const compiled = regex(pattern);
  const { substitution: parsed, error } = compileSubstitution(substitution, compiled);
  if (parsed === null) throw new Error(error);
  return compiled.replaceAll(text, parsed);
}

describe("a full match", () => {
  // [pattern, texts that match, texts that do not]
  const table: [string, string[], string[]][] = [
    ["", [""], ["a"]],
    ["abc", ["abc"], ["ab", "abcd", "xabc", "ABC"]],
    ["a.c", ["abc", "a/c", "a\rc"], ["a\nc", "ac"]],
    ["(?s)a.c", ["a\nc"], []],
    ["(?i)aBc", ["abc", "ABC", "AbC"], ["ab"]],
    ["(?i:a)b", ["ab", "Ab"], ["aB"]],
    ["a(?i)b(?-i)c", ["abc", "aBc"], ["Abc", "abC"]],
    ["(a(?i)b)c", ["aBc"], ["aBC"]],
    ["a|ab", ["a", "ab"], ["b", "abb"]],
    ["(a|ab)(c|bcd)", ["ac", "abc", "abcd"], ["a"]],
    ["a*", ["", "a", "aaaa"], ["b", "aab"]],
    ["a+?b", ["ab", "aab"], ["b"]],
    ["a{2,3}", ["aa", "aaa"], ["a", "aaaa"]],
    ["a{2}", ["aa"], ["a", "aaa"]],
    ["a{2,}", ["aa", "aaaaa"], ["a"]],
    ["a{0}", [""], ["a"]],
    ["a{,2}", ["a{,2}"], ["aa"]],
    ["a{x", ["a{x"], []],
    ["(?:)*", [""], ["a"]],
    ["(a*)*b", ["b", "aab"], ["a"]],
    ["(|a)+", ["", "a", "aa"], ["b"]],
    ["[abc]", ["a", "b", "c"], ["d", ""]],
    ["[^abc]", ["d", "\n", "\x80"], ["a"]],
    ["[]a]", ["]", "a"], ["b"]],
    ["[^]a]", ["b"], ["]", "a"]],
    ["[a-c-]", ["b", "-"], ["d"]],
    ["[-a]", ["-", "a"], []],
    ["[a\\-z]", ["a", "-", "z"], ["b"]],
    ["[\\d_]+", ["12_3"], ["a"]],
    ["[^\\d]", ["a"], ["1"]],
    ["[[:alpha:]]+", ["abZ"], ["a1"]],
    ["[[:^alpha:]]", ["1"], ["a"]],
    ["[[:word:]-]", ["-", "_"], [" "]],
    ["(?i)[a-c]", ["A", "b"], ["d", "D"]],
    ["(?i)[^a-c]", ["d"], ["A", "a"]],
    ["\\d\\D\\w\\W\\s\\S", ["1a_- x"], ["a"]],
    ["\\s", [" ", "\t", "\n", "\f", "\r"], ["\v", "\xa0", "\x85"]],
    ["\\x41\\x{42}\\103\\0", ["ABC\0"], []],
    ["\\.\\/\\-\\_", ["./-_"], []],
    ["\\Qa.b*\\E+", ["a.b*", "a.b**"], ["aXb"]],
    ["\\Qab", ["ab"], []],
    ["^abc$", ["abc"], ["xabc"]],
    ["\\Aabc\\z", ["abc"], ["abcx"]],
    ["a^b", [], ["ab", "a^b"]],
    ["(?m)a$\n^b", ["a\nb"], ["ab"]],
    ["a$\nb", [], ["a\nb"]],
    ["\\bfoo\\b.*", ["foo", "foo bar"], ["foobar"]],
    ["foo\\Bbar", ["foobar"], ["foo bar"]],
    [".*\\b", ["a", "a b"], ["", "a "]],
    ["(?P<year>\\d+)-(?<month>\\d+)", ["2026-08"], ["2026"]],
    ["(?)a(?i-s:B)", ["ab", "aB"], ["A"]],
    ["(?U)a+(?U:b)+", ["aab"], []],
    ["^*", [""], ["a"]],
    ["/api/v[0-9]+/.*", ["/api/v1/", "/api/v12/x/y"], ["/api/v/x", "/API/v1/"]],
  ];
  test.each(table)("%j", (pattern, yes, no) => {
    const compiled = regex(pattern);
    for (const text of yes) expect([text, compiled.fullMatch(text)]).toEqual([text, true]);
    for (const text of no) expect([text, compiled.fullMatch(text)]).toEqual([text, false]);
    // Again, now from the cached states.
    for (const text of yes) expect(compiled.fullMatch(text)).toBe(true);
    for (const text of no) expect(compiled.fullMatch(text)).toBe(false);
  });
});

describe("what RE2 refuses is refused", () => {
  // biome-ignore format: one list
  const bad = [
    "a**", "a*+", "a++", "a??+", "a{2}{3}", "*a", "+", "(?:*)", "|*", "(", ")", "a)", "(a", "[", "[a", "[]", "[^]", "[b-a]", "[[:nope:]]",
    "\\", "\\1", "(a)\\1", "\\8", "\\y", "\\Z", "\\G", "\\x", "\\xg", "\\x{110000}", "\\x{}", "(?=a)", "(?!a)", "(?<=a)", "(?<!a)",
    "(?P<a>x)(?P<a>y)", "(?P<a", "(?P<>x)", "(?P=a)", "(?z)", "(?i-)", "(?", "(?i", "(?--i)", "a{1001}", "a{2,1}", "(a{100}){100}", "\\pL", "\\P{Greek}", "[\\pN]", "\\C",
    "(?>a)", "(?#x)", "(?i)*", "{2}", "a|{2,3}", "({2})",
  ];
  test.each(bad)("%j", (pattern) => {
    const { regex, error } = compileRegex(pattern);
    expect(regex).toBeNull();
    expect(error).not.toBe("");
  });

  test("the size that is checked is that of the program", () => {
    for (const source of ["", "a|b|c", "(a)*", "a{3,7}", "a{2,}", "(?:a+|b??){2}^$", "[a-c]+?(x|y)?"]) {
      const { tree } = parseRegex(source);
      if (tree === null) throw new Error(source);
      expect([source, new RegexProgram(tree).size]).toEqual([source, regex(source).size]);
    }
  });

  test("a pattern that is too large", () => {
    expect(compileRegex("(a|b|c|d){900}").error).toContain("too large");
    expect(compileRegex("((((a{10}){10}){10}){10})").error).toContain("repetition");
    expect(compileRegex("(?:b|(?:ca{200}|d){10})").error).toContain("repetition");
    expect(compileRegex("(?:x(?:a{100}){5}|y){3}").error).toContain("repetition");
    expect(compileRegex("(".repeat(500) + ")".repeat(500)).error).toContain("nested too deeply");
  });
});

describe("bytes that are not ASCII", () => {
  const e = utf8ByteString("é");

  test("a character of UTF-8 counts as one", () => {
    expect(regex("...").fullMatch(`${e}aa`)).toBe(true);
    expect(regex("....").fullMatch(`${e}aa`)).toBe(false);
    expect(regex("[é-ü]").fullMatch(utf8ByteString("ö"))).toBe(true);
    expect(regex("é+").fullMatch(e + e)).toBe(true);
    expect(regex("[^é]").fullMatch(e)).toBe(false);
    expect(regex("\\x{1F600}").fullMatch(utf8ByteString("😀"))).toBe(true);
  });

  test.each([
    ["é", "\\x{e9}"],
    ["߿", "\\x{7ff}"],
    ["ࠀ", "\\x{800}"],
    ["茶", "\\x{8336}"],
    ["퟿", "\\x{d7ff}"],
    ["\ue000", "\\x{e000}"],
    ["\uffff", "\\x{ffff}"],
    ["\u{10000}", "\\x{10000}"],
    ["\u{1f375}", "\\x{1f375}"],
    ["\u{10ffff}", "\\x{10ffff}"],
  ])("%s is %s and nothing beside it", (character, pattern) => {
    const text = utf8ByteString(character);
    const code = character.codePointAt(0) as number;
    expect(regex(pattern).fullMatch(text)).toBe(true);
    expect(regex(`[^${pattern}]`).fullMatch(text)).toBe(false);
    expect(regex(`[${pattern}-\\x{10ffff}]`).fullMatch(text)).toBe(true);
    expect(regex(`[^\\x{0}-\\x{${(code - 1).toString(16)}}]`).fullMatch(text)).toBe(true);
    expect(regex(`[\\x{0}-\\x{${(code - 1).toString(16)}}]`).fullMatch(text)).toBe(false);
  });

  test("a byte that is not UTF-8 does not let a text slip past a pattern (CVE-2026-73552)", () => {
    for (const junk of ["\xff", "\xc3", "\xe2\x82", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"]) {
      expect(regex("/admin.*").fullMatch(`/admin/${junk}`)).toBe(true);
      expect(regex("/admin[^/]*").fullMatch(`/admin${junk}`)).toBe(true);
      expect(regex("(?s).*secret.*").fullMatch(`${junk}secret${junk}`)).toBe(true);
      expect(regex("\\w*").fullMatch(`a${junk}`)).toBe(false);
    }
  });
});

describe("replacing", () => {
  const table: [string, string, string, string][] = [
    ["a", "b", "banana", "bbnbnb"],
    ["b+", "x", "abbbcbb", "axcx"],
    ["", "-", "abc", "-a-b-c-"],
    ["b*", "-", "abc", "-a-c-"],
    ["^/service/([^/]+)(/.*)$", "\\2/instance/\\1", "/service/foo/v1/api", "/v1/api/instance/foo"],
    ["one", "two", "/xxx/one/yyy/one/zzz", "/xxx/two/yyy/two/zzz"],
    ["^(.*?)one(.*)$", "\\1two\\2", "/xxx/one/yyy/one/zzz", "/xxx/two/yyy/one/zzz"],
    ["(?i)/xxx/", "/yyy/", "/aaa/XxX/bbb", "/aaa/yyy/bbb"],
    ["(a)|(b)", "[\\1\\2]", "ab", "[a][b]"],
    ["a|ab", "x", "ab", "xb"],
    ["ab|a", "x", "ab", "x"],
    ["a+?", "x", "aaa", "xxx"],
    ["(\\w+) (\\w+)", "\\2 \\1 \\\\ \\0", "hello big world", "big hello \\ hello big world"],
    ["\\bo", "0", "of foo o", "0f foo 0"],
    ["(?m)^", "> ", "a\nb", "> a\n> b"],
    ["x", "y", "", ""],
    ["$", "!", "a", "a!"],
  ];
  test.each(table)("%j by %j in %j", (pattern, substitution, text, expected) => {
    expect(replace(pattern, substitution, text)).toBe(expected);
  });

  test("an empty match does not split a character", () => {
    expect(replace("", "-", utf8ByteString("é"))).toBe(`-${utf8ByteString("é")}-`);
  });

  test("a substitution names only groups that exist", () => {
    expect(compileSubstitution("\\1", regex("a")).error).toContain("0 groups");
    expect(compileSubstitution("\\x", regex("a")).error).not.toBe("");
    expect(compileSubstitution("a\\", regex("a")).error).not.toBe("");
  });
});

describe("what every match begins with", () => {
  test.each([
    ["/api/v1/users/[0-9]+", "/api/v1/users/"],
    ["^/api(/.*)?", "/api"],
    ["/api/(v1|v2)/x", "/api/v"],
    ["(?:/a/b|/a/c).*", "/a/"],
    ["(?i)/a", "/"],
    ["a*b", ""],
    ["a+b", "a"],
    ["(ab){2}c", "ab"],
    ["ab?", "a"],
    ["a|b", ""],
    [".*", ""],
    ["\\bab", "ab"],
  ])("%j → %j", (pattern, prefix) => {
    expect(regex(pattern).literalPrefix).toBe(prefix);
  });
});

// ── Properties: JavaScript's RegExp is the oracle where the languages agree. ────────────────────────────────

const letter = fc.constantFrom("a", "b", "c", "/", "1", "-", "\n");
const atom = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("a", "b", "c", "\\/", "1", "\\-") },
  fc.constantFrom("[ab]", "[^a]", "[a-c1]", "[^/]", "\\d", "\\w", "[\\w-]", "\\n", "[\\s\\S]"),
  fc.constantFrom("\\b", "\\B", "^", "$"),
);
const pattern = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    atom,
    fc.tuple(tie("node"), tie("node")).map(([a, b]) => a + b),
    fc.tuple(tie("node"), tie("node")).map(([a, b]) => `(?:${a}|${b})`),
    fc.tuple(tie("node"), tie("node")).map(([a, b]) => `(${a}|${b})`),
    fc
      .tuple(tie("node"), fc.constantFrom("*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,}", "{1,3}?"))
      .map(([a, op]) => `(?:${a})${op}`),
  ),
})).node;
// Short: the oracle backtracks.
const subject = fc.array(letter, { maxLength: 8 }).map((letters) => letters.join(""));

describe("properties", () => {
  test("a full match is what RegExp says", () => {
    fc.assert(
      fc.property(pattern, fc.array(subject, { minLength: 1, maxLength: 5 }), (source, texts) => {
        const ours = regex(source);
        const oracle = new RegExp(`^(?:${source})$`);
        for (const text of texts)
          expect([source, text, ours.fullMatch(text)]).toEqual([source, text, oracle.test(text)]);
      }),
      { numRuns: 1000 },
    );
  }, 60_000);

  test("replacing is what RegExp does, for patterns without a loop over something that may be empty", () => {
    const simple = fc.letrec<{ node: string }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        atom,
        fc.tuple(tie("node"), tie("node")).map(([a, b]) => a + b),
        fc.tuple(tie("node"), tie("node")).map(([a, b]) => `(${a}|${b})`),
        fc
          .tuple(
            fc.constantFrom("a", "[ab]", "(?:ab|c)", "[^/]", "\\d", "(?:a|ab)"),
            fc.constantFrom("*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,}", "{1,3}?"),
          )
          .map(([a, op]) => a + op),
      ),
    })).node;
    fc.assert(
      fc.property(simple, subject, (source, text) => {
        const groups = regex(source).groups;
        const last = Math.min(groups, 9);
        const substitution = `<\\0,\\${last}>`;
        const matches = [...text.matchAll(new RegExp(source, "g"))];
        let expected = "";
        let at = 0;
        let lastEnd = -1;
        for (const match of matches) {
          // RE2 skips an empty match right after a match; RegExp reports it.
          if (match[0] === "" && match.index === lastEnd) continue;
          expected += `${text.slice(at, match.index)}<${match[0]},${match[last] ?? ""}>`;
          at = match.index + match[0].length;
          lastEnd = at;
        }
        expect([source, text, replace(source, substitution, text)]).toEqual([
          source,
          text,
          expected + text.slice(at),
        ]);
      }),
      { numRuns: 1000 },
    );
  }, 60_000);

  test("no text makes it throw, and every byte is read", () => {
    const bytes = fc
      .array(fc.integer({ min: 0, max: 255 }), { maxLength: 40 })
      .map((b) => String.fromCharCode(...b));
    const any = regex("(?s).*");
    const copy = regex("(?s)(.)");
    const identity = compileSubstitution("\\1", copy).substitution;
    if (identity === null) throw new Error("bad substitution");
    fc.assert(
      fc.property(bytes, (text) => {
        expect(any.fullMatch(text)).toBe(true);
        expect(copy.replaceAll(text, identity)).toBe(text);
      }),
    );
  });

  test("no pattern makes the compiler throw", () => {
    const bits = fc.constantFrom(..."ab()[]{}*+?|^$.\\-,1:=!<>PiQEdx", "(?", "[[:", "\\Q", "{2,3}", "[^");
    fc.assert(
      fc.property(fc.array(bits, { maxLength: 14 }), (parts) => {
        const { regex, error } = compileRegex(parts.join(""));
        expect(regex === null).toBe(error !== "");
        regex?.fullMatch("ab1");
      }),
      { numRuns: 5000 },
    );
  });
});

describe("time is linear in the text", () => {
  // Patterns that make a backtracking engine explode, and one whose automaton has 2^20 states.
  const evil = [
    "(a*)*b",
    "(a|a)*b",
    "(a|aa)+$x",
    "(.*)(.*)(.*)(.*)x",
    "(?:a?){30}a{30}b",
    "(a|b)*a(a|b){20}c",
  ];
  test.each(evil)("%j", (source) => {
    const steps = (length: number): number => {
      const compiled = regex(source);
      let text = "";
      let seed = 1;
      for (let i = 0; i < length; i++) {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        text += seed >>> 31 === 1 ? "b" : "a";
      }
      compiled.fullMatch("a".repeat(length));
      compiled.fullMatch(text);
      return compiled.work;
    };
    const small = steps(1000);
    const large = steps(8000);
    expect(large).toBeLessThanOrEqual(small * 8.5 + 1000);
    expect(large).toBeLessThanOrEqual(2 * 8000 * regex(source).size);
  });

  test("finding groups too", () => {
    const compiled = regex("(x+x+)+y");
    const parsed = compileSubstitution("\\1", compiled).substitution;
    if (parsed === null) throw new Error("bad substitution");
    const text = `${"x".repeat(5000)}y`;
    expect(compiled.replaceAll(text, parsed)).toBe("x".repeat(5000));
    expect(compiled.work).toBeLessThanOrEqual(5002 * compiled.size);
  });
});
