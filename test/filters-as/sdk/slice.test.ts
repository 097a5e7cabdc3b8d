/** Slices, writers and serialised maps, by their functions: compared with what JavaScript says of the same bytes. */
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  deserialise,
  numberBytes,
  serialise,
} from "../../../runtime-adapters/filter-tool/scripted-host/guest-bytes.ts";
import { AssemblyModule } from "../../support/assembly-module.ts";

let pure: AssemblyModule;
beforeAll(() => {
  pure = AssemblyModule.load("pure-functions");
}, 120_000);

/** Byte strings, often of few different letters, so that parts of one are found in another. */
const byte = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
const bytes = fc.oneof(
  fc.string({ unit: byte, maxLength: 40 }),
  fc.string({ unit: fc.constantFrom("a", "A", "b", "\xe9"), maxLength: 12 }),
);
const lower = (text: string) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
const truth = (is: boolean) => (is ? 1 : 0);

test("every sequence of bytes comes through unchanged", () => {
  const all = String.fromCharCode(...Array.from({ length: 256 }, (_, code) => code));
  expect(pure.text("roundTrip", all)).toBe(all);
  fc.assert(fc.property(bytes, (a) => expect(pure.text("roundTrip", a)).toBe(a)));
});

test("comparisons", () => {
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      expect(pure.number("equals", a, a)).toBe(1);
      expect(pure.number("equals", a, b)).toBe(truth(a === b));
      expect(pure.number("equalsIgnoreCase", a, b)).toBe(truth(lower(a) === lower(b)));
      expect(pure.number("equalsIgnoreCase", a, lower(a))).toBe(1);
      expect(pure.number("startsWith", a + b, a)).toBe(1);
      expect(pure.number("startsWith", a, b)).toBe(truth(a.startsWith(b)));
      expect(pure.number("startsWithIgnoreCase", a, b)).toBe(truth(lower(a).startsWith(lower(b))));
      expect(pure.number("endsWith", a + b, b)).toBe(1);
      expect(pure.number("endsWith", a, b)).toBe(truth(a.endsWith(b)));
      expect(pure.number("endsWithIgnoreCase", a, b)).toBe(truth(lower(a).endsWith(lower(b))));
    }),
    { numRuns: 500 },
  );
});

test.each([1, 3, 4, 7, 8, 9, 12, 16, 23])("a difference in any of %i bytes is seen", (length) => {
  const text = "x".repeat(length);
  for (let i = 0; i < length; i++) {
    const other = `${text.slice(0, i)}y${text.slice(i + 1)}`;
    expect(pure.number("equals", text, other)).toBe(0);
  }
});

test("only ASCII letters have a case", () => {
  for (let code = 0; code < 256; code++) {
    const a = String.fromCharCode(code);
    expect(pure.text("toLowerCase", a)).toBe(lower(a));
  }
});

test("searches", () => {
  fc.assert(
    fc.property(bytes, bytes, fc.nat(12), (a, b, from) => {
      expect(pure.number("indexOf", a + b, b, 0)).toBe((a + b).indexOf(b));
      if (b !== "" || from <= a.length) {
        expect(pure.number("indexOf", a, b, from)).toBe(a.indexOf(b, from));
        expect(pure.number("indexOfIgnoreCase", a, b, from)).toBe(lower(a).indexOf(lower(b), from));
      }
      expect(pure.number("indexOfByte", a, 0x61, from)).toBe(a.indexOf("a", from));
      expect(pure.number("lastIndexOfByte", a, 0x61)).toBe(a.lastIndexOf("a"));
    }),
    { numRuns: 500 },
  );
});

test.each([
  ["abcdef", 1, 3, "bc"],
  ["abcdef", 4, 99, "ef"],
  ["abcdef", -5, 2, "ab"],
  ["abcdef", 4, 2, ""],
  ["abcdef", 9, 12, ""],
  ["abcdef", 2, -1, ""],
  ["", 0, 1, ""],
])("slice(%j, %i, %i) is %j", (text, start, end, expected) => {
  expect(pure.text("slice", text, start, end)).toBe(expected);
});

test.each([
  ["", ""],
  ["  \t ", ""],
  [" a b\t", "a b"],
  ["\n a", "\n a"],
  ["\u00a0a", "\u00a0a"],
])("trim(%j) is %j", (text, expected) => {
  expect(pure.text("trim", text)).toBe(expected);
});

test.each([
  ["0", 0n],
  ["007", 7n],
  ["9223372036854775807", 2n ** 63n - 1n],
  ["9223372036854775808", -1n],
  ["99999999999999999999", -1n],
  ["", -1n],
  ["-1", -1n],
  ["+1", -1n],
  ["1 ", -1n],
  ["1e3", -1n],
  ["/", -1n],
  [":", -1n],
])("toDecimal(%j) is %p", (text, expected) => {
  expect(pure.long("toDecimal", text)).toBe(expected);
});

test("a hash depends on every byte, on the length and on the seed", () => {
  const hash = (text: string, seed = 0) => pure.number("hash", text, seed) >>> 0;
  expect(hash("abc")).toBe(hash("abc"));
  const seen = new Set<number>();
  const texts = [
    "",
    "\0",
    "\0\0",
    ...Array.from({ length: 24 }, (_, i) => `${"x".repeat(i)}y${"x".repeat(23 - i)}`),
  ];
  for (const text of texts) seen.add(hash(text)).add(hash(text, 1));
  expect(seen.size).toBe(texts.length * 2);
});

describe("text", () => {
  const texts = ["", "plain", "grüezi", "日本語", "🦊", "a\0b"];
  test.each(texts)("%j is UTF-8, whichever way it is made", (text) => {
    const utf8 = Buffer.from(text).toString("latin1");
    expect(pure.text("encode", text)).toBe(utf8);
    expect(pure.text("encodeConstant", text)).toBe(utf8);
    expect(pure.text("encodeKept", text)).toBe(utf8);
    expect(pure.text("decode", utf8)).toBe(text);
  });

  test("what is well-formed UTF-8 is what a strict decoder takes", () => {
    const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const check = (text: string) => {
      let isFine = true;
      try {
        strict.decode(Buffer.from(text, "latin1"));
      } catch {
        isFine = false;
      }
      expect(pure.number("isWellFormed", text)).toBe(truth(isFine));
    };
    const telling = [
      "\x7f",
      "\x80",
      "\xbf",
      "\xc0",
      "\xc1",
      "\xc2",
      "\xdf",
      "\xe0",
      "\x9f",
      "\xa0",
      "\xed",
      "\xef",
    ];
    const lead = fc.constantFrom(...telling, "\xf0", "\x8f", "\x90", "\xf4", "\xf5", "\xff", "a");
    fc.assert(fc.property(fc.string({ unit: lead, maxLength: 6 }), check), { numRuns: 3000 });
  });
});

describe("a writer", () => {
  test.each([0n, 9n, 10n, -1n, 123456789n, 2n ** 63n - 1n, -(2n ** 63n)])("writes %p", (number) => {
    expect(pure.text("compose", 1, "", 0, number)).toBe(String(number));
  });

  test("grows", () => {
    const part = "0123456789é".repeat(9);
    const expected = `${`${part},`.repeat(700)}7${Buffer.from(part).toString("latin1")}`;
    expect(pure.text("compose", 1, part, 700, 7n)).toBe(expected);
  });
});

describe("serialised maps", () => {
  const pair = fc.tuple(
    bytes.filter((name) => !name.includes("\0")),
    bytes.filter((value) => !value.includes("\0")),
  );

  test("are written as the ABI says, and read back", () => {
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 30 }), (list) => {
        const written = pure.text("writePairs", list.flat());
        expect(written).toBe(serialise(list));
        expect(deserialise(written)).toEqual(list);
        expect(pure.texts("readPairs", written)).toEqual(list.flat());
      }),
    );
  });

  test("values of one name", () => {
    const map = serialise([
      ["a", "1"],
      ["b", "2"],
      ["a", "3"],
      ["aa", "4"],
    ]);
    expect(pure.texts("readPairsOf", map, "a")).toEqual(["1", "3"]);
    expect(pure.texts("readPairsOf", map, "c")).toEqual([]);
  });

  test("ill-formed ones end the walk and are never read beyond their end", () => {
    const map = serialise([
      ["name", "value"],
      ["other", "one"],
    ]);
    for (let length = 0; length < map.length; length++) {
      const read = pure.texts("readPairs", map.slice(0, length));
      expect(["name", "value", "other", "one"].slice(0, read.length)).toEqual(read);
    }
    const count = (number: number) => numberBytes(number) + map.slice(4);
    expect(pure.texts("readPairs", count(0xffffffff))).toEqual([]);
    expect(pure.texts("readPairs", count(0x20000001))).toEqual([]);
    const size = (number: number) => map.slice(0, 4) + numberBytes(number) + map.slice(8);
    for (const number of [0xffffffff, 0x7fffffff, 0x80000000, 200]) {
      expect(pure.texts("readPairs", size(number))).toEqual([]);
    }
    const second = (number: number) => map.slice(0, 8) + numberBytes(number) + map.slice(12);
    for (const number of [0xffffffff, 0xfffffffe, 0xfffffff0]) {
      expect(pure.texts("readPairs", second(number))).toEqual([]);
    }
  });
});
