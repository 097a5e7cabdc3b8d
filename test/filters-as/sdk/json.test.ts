/** The JSON reader: what it takes and refuses, compared with JSON.parse, and where it says that a fault is. */
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { AssemblyModule } from "../../support/assembly-module.ts";

let pure: AssemblyModule;
beforeAll(() => {
  pure = AssemblyModule.load("pure-functions");
}, 120_000);

const latin1 = (text: string) => Buffer.from(text).toString("latin1");
const utf8 = (text: string) => Buffer.from(text, "latin1").toString();

/** Numbers have a test of their own: AssemblyScript does not always write their last digit as JavaScript does. */
function inWholeNumbers(_: string, value: unknown): unknown {
  return typeof value === "number" ? Math.trunc(value % 1e15) + 0 : value;
}

function echo(text: string): unknown {
  const written = pure.text("echoJson", latin1(text));
  return written.startsWith("!") ? written : JSON.parse(utf8(written));
}

describe("takes what JSON.parse takes", () => {
  test("any value, however it is written", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(0, 1, "\t"), (value, indent) => {
        const text = JSON.stringify(value, inWholeNumbers, indent);
        expect(echo(text)).toEqual(JSON.parse(text));
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    "null",
    " \t\r\n[ ] ",
    "{ }",
    '""',
    "-0.5",
    "1e3",
    "1E+3",
    "1.5e-3",
    "123456789012345678",
    "-123456789012345678",
    "12345678901234567890",
    "0.1",
    "1e-400",
    '"\\"\\\\\\/\\b\\f\\n\\r\\t"',
    '"\\u0041\\u00e9\\u20ac\\ud83e\\udd8a\\u0000\\uFFFF"',
    '"é€🦊\u007f"',
    '{"":1,"a b":2}',
  ])("%s", (text) => {
    expect(echo(text)).toEqual(JSON.parse(text));
  });

  test("numbers: exactly up to 15 digits and 10^±22, nearly beyond", () => {
    const digits = fc.integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 });
    fc.assert(
      fc.property(digits, fc.integer({ min: -22, max: 22 }), (mantissa, power) => {
        const text = `${mantissa}e${power}`;
        expect([text, pure.number("readNumber", text)]).toEqual([text, Number(text) + 0]);
      }),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(fc.integer({ min: -999_999, max: 999_999 }), fc.nat(999_999_999), (whole, fraction) => {
        const text = `${whole}.${fraction}`;
        expect([text, pure.number("readNumber", text)]).toEqual([text, Number(text) + 0]);
      }),
    );
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        const read = pure.number("readNumber", JSON.stringify(number));
        expect(Math.abs(read - number)).toBeLessThanOrEqual(Math.abs(number) * 1e-14 + 1e-322);
      }),
    );
    for (const text of ["1e-400", "0e9999", "1e-99999999999", "0e99999999999"])
      expect(pure.number("readNumber", text)).toBe(0);
  });

  test("integers are exact up to 18 digits", () => {
    expect(pure.text("echoJson", "[999999999999999999,-999999999999999999]")).toBe(
      "[999999999999999999,-999999999999999999]",
    );
  });
});

describe("refuses the rest, with the place", () => {
  const cases: [string, string][] = [
    ["", "configuration: ends too early (line 1, column 1)"],
    ["  \n ", "configuration: ends too early (line 2, column 2)"],
    ["\ufeff{}", "configuration: not a JSON value (line 1, column 1)"],
    ["tru", "configuration: not a JSON value (line 1, column 4)"],
    ["True", "configuration: not a JSON value (line 1, column 1)"],
    ["nulll", "configuration: nothing may follow the value (line 1, column 5)"],
    ["[] []", "configuration: nothing may follow the value (line 1, column 4)"],
    ["[1,]", "[1]: not a JSON value (line 1, column 4)"],
    ["[,1]", "[0]: not a JSON value (line 1, column 2)"],
    ["[1 2]", 'configuration: expected "," or "]" (line 1, column 4)'],
    ["[1", 'configuration: expected "," or "]" (line 1, column 3)'],
    ["[1}", 'configuration: expected "," or "]" (line 1, column 3)'],
    ['{"a":1,}', "configuration: a field must begin with its name in quotes (line 1, column 8)"],
    ["{a:1}", "configuration: a field must begin with its name in quotes (line 1, column 2)"],
    ["{'a':1}", "configuration: a field must begin with its name in quotes (line 1, column 2)"],
    ['{"a" 1}', 'configuration: a field\'s name must be followed by ":" (line 1, column 6)'],
    ['{"a":}', "a: not a JSON value (line 1, column 6)"],
    ['{"a":1 "b":2}', 'configuration: expected "," or "}" (line 1, column 8)'],
    ['{"a":1,"b":{"a":1,"a":2}}', "b.a: this field is there twice (line 1, column 24)"],
    ['{"a":1,"\\u0061":2}', "a: this field is there twice (line 1, column 18)"],
    [
      '{"rules":[\n {},\n {"when":{"path":tru}}]}',
      "rules[1].when.path: not a JSON value (line 3, column 21)",
    ],
    ['{"a b":[{"ü":x}]}', '["a b"][0]["ü"]: not a JSON value (line 1, column 15)'],
    ["01", "configuration: not a number (line 1, column 3)"],
    ["-", "configuration: not a number (line 1, column 2)"],
    ["-01", "configuration: not a number (line 1, column 4)"],
    ["1.", "configuration: not a number (line 1, column 3)"],
    [".5", "configuration: not a JSON value (line 1, column 1)"],
    ["+1", "configuration: not a JSON value (line 1, column 1)"],
    ["1e", "configuration: not a number (line 1, column 3)"],
    ["1e+", "configuration: not a number (line 1, column 4)"],
    ["0x10", "configuration: nothing may follow the value (line 1, column 2)"],
    ["NaN", "configuration: not a JSON value (line 1, column 1)"],
    ["1e999", "configuration: a number beyond what can be represented (line 1, column 6)"],
    ['"a', "configuration: a string does not end (line 1, column 3)"],
    ['"a\\', "configuration: a string does not end (line 1, column 4)"],
    ['"a\\"', "configuration: a string does not end (line 1, column 5)"],
    ['"a\nb"', "configuration: a control character in a string (line 1, column 3)"],
    ['"a\0b"', "configuration: a control character in a string (line 1, column 3)"],
    ['"\\x41"', "configuration: an unknown escape in a string (line 1, column 2)"],
    ['"\\u00g0"', "configuration: four hexadecimal digits must follow \\u (line 1, column 2)"],
    ['"\\u00"', "configuration: four hexadecimal digits must follow \\u (line 1, column 2)"],
    ['"\\ud83e"', "configuration: half a surrogate pair (line 1, column 2)"],
    ['"\\ud83e\\u0041"', "configuration: half a surrogate pair (line 1, column 2)"],
    ['"\\udd8a"', "configuration: half a surrogate pair (line 1, column 2)"],
    ["// no\n1", "configuration: not a JSON value (line 1, column 1)"],
  ];
  test.each(cases)("%j: %s", (text, fault) => {
    expect(echo(text)).toBe(`!${fault}`);
  });

  test("what is not UTF-8", () => {
    for (const text of ['"\xff"', '"\xc3"', '"\xc0\x80"', '"\xed\xa0\x80"', '"\xf5\x80\x80\x80"']) {
      expect(pure.text("echoJson", text)).toBe("!configuration: a string is not UTF-8 (line 1, column 2)");
    }
  });

  test("anything cut off or changed in a byte: the same verdict as JSON.parse, and never a trap", () => {
    const text = '{"a":[1,-2.5e3,true,null,"\\u00e9\\n"],"b":{"c":"d","e":[{}]}}';
    const verdict = (changed: string) => {
      let isJson = true;
      let isTwice = false;
      try {
        JSON.parse(changed);
        isTwice = /this field is there twice/.test(String(echo(changed)));
      } catch {
        isJson = false;
      }
      if (!isTwice) expect([changed, !String(echo(changed)).startsWith("!")]).toEqual([changed, isJson]);
    };
    for (let i = 0; i < text.length; i++) {
      verdict(text.slice(0, i));
      for (const byte of '"{}[],:\\ 0e-.tnu') verdict(text.slice(0, i) + byte + text.slice(i + 1));
    }
  });

  test("beyond its limits", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(pure.text("parseLimited", nested(4), 100, 4)).toBe("");
    expect(pure.text("parseLimited", nested(5), 100, 4)).toBe(
      "[0][0][0][0]: nested deeper than 4 (line 1, column 6)",
    );
    expect(pure.text("parseLimited", "[1,2,3]", 6, 4)).toBe("configuration: longer than 6 bytes");
    expect(pure.text("parseLimited", nested(100_000), 1_000_000, 32)).toStartWith("[0][0]");
    // Depth is what is open at a time, not what was.
    expect(pure.text("parseLimited", "[[1],[2],[3],{},{}]", 100, 2)).toBe("");
  });
});

describe("getters", () => {
  const read = (value: unknown) => pure.text("readFields", latin1(JSON.stringify(value)));

  test("answer what is there, or what they were told", () => {
    expect(read({})).toBe("- true -1 -1.0 -1 -1 0");
    expect(
      read({
        string: "ü",
        bool: false,
        integer: 7,
        number: 2.5,
        choice: "blue",
        duration: "1.25s",
        strings: ["a", "b"],
        object: { id: 5 },
        free: { "any.name": "1", other: "2" },
      }),
    ).toBe("ü false 7 2.5 1 1250 2 5 any.name=1 other=2");
  });

  test.each([
    ["1s", 1000],
    ["0s", 0],
    ["0.001s", 1],
    ["0.0009s", 0],
    ["315576000000s", 315_576_000_000_000],
  ])("the duration %s is %i ms", (duration, ms) => {
    expect(read({ duration }).split(" ")[5]).toBe(String(ms));
  });

  test("whole numbers may be written as a protobuf Struct writes them", () => {
    const integer = (text: string) => pure.text("readFields", `{"integer":${text}}`).split(" ")[2];
    expect([integer("5.0"), integer("1e2"), integer("1E+02")]).toEqual(["5", "100", "100"]);
  });

  const faults: [unknown, string][] = [
    [{ string: 1 }, "string: must be a string"],
    [{ string: null }, "string: must be a string"],
    [{ bool: "true" }, "bool: must be true or false"],
    [{ integer: "7" }, "integer: must be a whole number"],
    [{ integer: 7.5 }, "integer: must be a whole number"],
    [{ integer: 1e300 }, "integer: must be a whole number"],
    [{ integer: -1 }, "integer: must be between 0 and 1000"],
    [{ integer: 1001 }, "integer: must be between 0 and 1000"],
    [{ number: "1" }, "number: must be a number"],
    [{ choice: "green" }, 'choice: must be one of "red", "blue"'],
    [{ duration: "1" }, 'duration: must be a duration such as "1.5s"'],
    [{ duration: "s" }, 'duration: must be a duration such as "1.5s"'],
    [{ duration: ".5s" }, 'duration: must be a duration such as "1.5s"'],
    [{ duration: "1.s" }, 'duration: must be a duration such as "1.5s"'],
    [{ duration: "-1s" }, 'duration: must be a duration such as "1.5s"'],
    [{ duration: "1.0000000001s" }, 'duration: must be a duration such as "1.5s"'],
    [{ duration: "315576000001s" }, 'duration: must be a duration such as "1.5s"'],
    [{ strings: "a" }, "strings: must be an array"],
    [{ strings: ["a", 1, {}] }, "strings[1]: must be a string\nstrings[2]: must be a string"],
    [{ object: [] }, "object: must be an object"],
    [{ object: {} }, "object.id: is missing"],
    [{ object: { id: 1, name: 2 } }, "object.name: unknown field"],
    [{ strin: 1, object: { id: 1 }, "x y": 2 }, 'strin: unknown field\n["x y"]: unknown field'],
    [[], "configuration: must be an object"],
    [5, "configuration: must be an object"],
  ];
  test.each(faults)("%j: %s", (value, fault) => {
    expect(read(value)).toBe(fault);
  });

  test("of many faults twenty are told and the others counted", () => {
    const lines = read({ strings: Array.from({ length: 50 }, () => 1) }).split("\n");
    expect(lines).toHaveLength(21);
    expect(lines[20]).toBe("configuration: 30 more faults");
  });
});
