/** Tables and conversions against what JavaScript's own, forgiving ones would have done. */
import { describe, expect, test } from "bun:test";
import {
  HEX,
  IS_FIELD_VALUE,
  IS_TCHAR,
  isToken,
  LOWER,
  latin1,
  latin1Again,
  lowerCase,
  parseDecimal,
  parseDecimalText,
  toBytes,
  utf8ByteString,
} from "../../../core/bytes/ascii.ts";

const ALL = Uint8Array.from({ length: 256 }, (_, i) => i);
const members = (table: Uint8Array, value: number) =>
  latin1(
    ALL.filter((b) => table[b] === value),
    0,
    ALL.filter((b) => table[b] === value).length,
  );

describe("tables", () => {
  test("token characters are those of RFC 9110 5.6.2 and no others", () => {
    expect(members(IS_TCHAR, 1)).toBe(
      "!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~",
    );
  });

  test("field values have no control but HTAB, and every byte above ASCII", () => {
    const refused = [...ALL].filter((b) => IS_FIELD_VALUE[b] === 0);
    expect(refused).toEqual([...Array.from({ length: 32 }, (_, i) => i).filter((b) => b !== 9), 127]);
  });

  test("lower case moves A to Z and nothing else", () => {
    const moved = [...ALL].filter((b) => LOWER[b] !== b);
    expect(moved.map((b) => String.fromCharCode(b)).join("")).toBe("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    expect(moved.map((b) => String.fromCharCode(LOWER[b])).join("")).toBe("abcdefghijklmnopqrstuvwxyz");
  });

  test("hexadecimal digits in either case, 255 for all else", () => {
    const digits = [...ALL].filter((b) => HEX[b] !== 255);
    expect(digits.map((b) => String.fromCharCode(b)).join("")).toBe("0123456789ABCDEFabcdef");
    for (const b of digits) expect(HEX[b]).toBe(Number.parseInt(String.fromCharCode(b), 16));
  });
});

describe("bytes to text and back", () => {
  test("every byte becomes the character of its number (not windows-1252), in ranges of any length", () => {
    for (const [start, end] of [
      [0, 256],
      [0, 0],
      [7, 8],
      [120, 135],
      [1, 9],
      [128, 160],
    ]) {
      const text = latin1(ALL, start, end);
      expect([...text].map((c) => c.charCodeAt(0))).toEqual([...ALL.subarray(start, end)]);
      expect([...toBytes(text)]).toEqual([...ALL.subarray(start, end)]);
    }
  });

  test("text that is not bytes is a bug, not a truncation", () => {
    expect(() => toBytes("a\u0100")).toThrow("code 256 at 1");
    expect(() => toBytes("\u{1f375}")).toThrow(RangeError);
  });

  test.each([
    ["same", "same"],
    ["samE", "same"],
    ["Same", "same"],
    ["longer", "long"],
    ["", "x"],
    ["", ""],
  ])("%j after %j is itself", (text, before) => {
    const bytes = toBytes(`<${text}>`);
    expect(latin1Again(bytes, 1, bytes.length - 1, before)).toBe(text);
  });

  test("configuration text becomes UTF-8", () => {
    const text = "a\x7f\x80\u07ff\u0800\uffff\u{10000}\u{10ffff}é茶🍵";
    expect(utf8ByteString(text)).toBe(Buffer.from(text).toString("latin1"));
  });

  test.each([
    ["", ""],
    ["already-lower_1", "already-lower_1"],
    ["AZ@[`az{", "az@[`az{"],
    ["x-Request-ID", "x-request-id"],
    ["\u212aeep", "\u212aeep"],
    ["\xc0\xd6X", "\xc0\xd6x"],
    ["İ", "İ"],
  ])("%j in lower case", (text, lower) => {
    expect(lowerCase(text)).toBe(lower);
  });
});

describe("decimal numbers", () => {
  const MAX = Number.MAX_SAFE_INTEGER;
  // biome-ignore format: one list
  test.each<[string, number, number]>([
    ["0", MAX, 0], ["9", 9, 9], ["10", 9, -1], ["007", MAX, 7], ["65535", 65535, 65535], ["65536", 65535, -1],
    ["9007199254740991", MAX, MAX], ["9007199254740992", MAX, -1], ["9007199254740993", MAX, -1],
    [`${"0".repeat(40)}1`, MAX, 1], ["1".repeat(400), MAX, -1],
    ["", MAX, -1], [" 5", MAX, -1], ["5 ", MAX, -1], ["+5", MAX, -1], ["-5", MAX, -1], ["-0", MAX, -1],
    ["0x5", MAX, -1], ["5_0", MAX, -1], ["5.0", MAX, -1], ["1e3", MAX, -1], ["5;x", MAX, -1],
    ["/", MAX, -1], [":", MAX, -1], ["\xb2", MAX, -1],
  ])("%j up to %d: %d", (text, max, value) => {
    const bytes = toBytes(`7${text}7`);
    expect(parseDecimal(bytes, 1, 1 + text.length, max)).toBe(value);
    expect(parseDecimalText(text, max)).toBe(value);
  });

  test("digits of other scripts are none", () => {
    expect(parseDecimalText("٣", MAX)).toBe(-1);
  });
});

test.each([
  ["GET", true],
  ["x-a_b.c~1!#$%&'*+^`|", true],
  ["", false],
  ["a b", false],
  ["a:", false],
  ["a\r", false],
  ["a\x7f", false],
  ["caf\xe9", false],
  // No byte string, and 0x47 in its low byte.
  ["\u0147ET", false],
])("%j is a token: %p", (text, expected) => {
  expect(isToken(text)).toBe(expected);
});
