/**
 * Reading configuration text: what plain scalars mean to Envoy, the syntax of YAML that configuration is written
 * in, where errors and values are, and hostile input. The syntax itself is the `yaml` package's business.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Json } from "../../../core/config/model.ts";
import { formatFaults, readDocument } from "../../../runtime-adapters/sidecar/document.ts";
import { readJson } from "../../../runtime-adapters/sidecar/json-document.ts";
import { readYaml } from "../../../runtime-adapters/sidecar/yaml-document.ts";

function read(text: string): Json {
  const { value, errors } = readDocument(text);
  if (value === undefined) throw new Error(JSON.stringify(errors));
  return value;
}

function errorOf(text: string): string {
  const { value, errors } = readDocument(text);
  expect(value).toBeUndefined();
  const [{ position, message }] = errors;
  return `${position.line}:${position.column} ${message}`;
}

describe("plain scalars mean what they mean to Envoy", () => {
  const table: readonly [string, Json][] = [
    ["text", "text"],
    ["", null],
    ["~", null],
    ["null", null],
    ["nULL", "nULL"],
    ["y", true],
    ["Yes", true],
    ["on", true],
    ["TRUE", true],
    ["yEs", "yEs"],
    ["n", false],
    ["NO", false],
    ["Off", false],
    ["42", 42],
    ["-1", -1],
    ["+7", 7],
    ["010", 8],
    ["08", 8],
    ["0x1F", 31],
    ["-0x10", -16],
    ["1.5", 1.5],
    [".5", 0.5],
    ["1e3", 1000],
    ["1_000", "1_000"],
    ["9007199254740993", "9007199254740993"],
    ["-18446744073709551615", "-18446744073709551615"],
    ["1.2.3.4", "1.2.3.4"],
    ["0.25s", "0.25s"],
    ["::1", "::1"],
    ["a:b", "a:b"],
    ["http://x/y#z", "http://x/y#z"],
    ["'42'", "42"],
    ['"yes"', "yes"],
    ["!!str 42", "42"],
    ["! on", "on"],
  ];
  test.each(table)("%p", (text, value) => {
    expect(read(`a: ${text}`)).toEqual({ a: value });
    expect(read(`- ${text}`)).toEqual([value]);
    if (!/[:#]/.test(text)) expect(read(`{ a: ${text} }`)).toEqual({ a: value });
  });
});

describe("syntax", () => {
  const table: readonly [title: string, text: string, value: Json][] = [
    ["nothing", "", null],
    ["comments only", "# a\n  # b\n", null],
    ["a byte order mark and CR LF", "\uFEFFa: 1\r\nb: x\r\n", { a: 1, b: "x" }],
    ["markers", "%YAML 1.2\n---\na: 1\n...\n", { a: 1 }],
    ["a list at its key's column", "a:\n- 1\n- 2\nb: 3", { a: [1, 2], b: 3 }],
    ["a list below its key", "a:\n  - 1\n  -\n    2\nb:", { a: [1, 2], b: null }],
    [
      "compact collections",
      "- a: 1\n  b: 2\n- - 3\n  - 4\n-   c:\n      d: 5",
      [{ a: 1, b: 2 }, [3, 4], { c: { d: 5 } }],
    ],
    ["quoted keys", "\"@type\": x\n'a b': z", { "@type": "x", "a b": "z" }],
    [
      "flow",
      '{a: [1, {b: c}, ], \'d\': "e", f, g: , "h":1}',
      { a: [1, { b: "c" }], d: "e", f: null, g: null, h: 1 },
    ],
    [
      "flow over lines",
      "a: [ # why\n  1,\n  2 # two\n  ,\n  three\n  and four\n  ]\nb: 1",
      { a: [1, 2, "three and four"], b: 1 },
    ],
    ["a pair in a list", "[a: 1, b]", [{ a: 1 }, "b"]],
    ["a colon inside brackets", "{a:b, c: d:e}", { "a:b": null, c: "d:e" }],
    ["plain text over lines", "a: one\n  two\n\n  three # end\nb: 1", { a: "one two\nthree", b: 1 }],
    ["single quotes", "a: 'it''s\n  folded\n\n  text'", { a: "it's folded\ntext" }],
    [
      "double quotes",
      'a: "\\x41\\u00e9\\U0001F600\\n\\t\\"\\\\ \\\n   joined\n  folded"',
      { a: 'Aé😀\n\t"\\ joined folded' },
    ],
    ["literal", "a: |\n  one\n   two\n\n  three\n\nb: 1", { a: "one\n two\n\nthree\n", b: 1 }],
    ["literal, stripped and kept", "a: |-\n  x\n\nb: |+\n  y\n\nc: 1", { a: "x", b: "y\n\n", c: 1 }],
    ["literal with a given indentation", "a: |2-\n    x\n   y", { a: "  x\n y" }],
    ["folded", "a: >\n  one\n  two\n\n  three\n    four\n  five\n", { a: "one two\nthree\n  four\nfive\n" }],
    ["folded in a list", "- >-\n  a\n  b\n- |\n  c", ["a b", "c\n"]],
    ["an alias", "a: &x {b: 1}\nc: *x\nd: [*x]", { a: { b: 1 }, c: { b: 1 }, d: [{ b: 1 }] }],
    [
      "an anchor on a block",
      "a: &x\n  b: 1\nc: &y\n- 2\nd: [*x, *y]",
      { a: { b: 1 }, c: [2], d: [{ b: 1 }, [2]] },
    ],
    ["an anchor on a scalar", "a: &v 1\nb: *v", { a: 1, b: 1 }],
    [
      "merged keys",
      "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {c: 3, <<: [*x, *y]}\nw:\n  <<: *y\n  d: 4",
      {
        x: { a: 1, b: 1 },
        y: { b: 2, c: 2 },
        z: { c: 3, a: 1, b: 1 },
        w: { d: 4, b: 2, c: 2 },
      },
    ],
    ["a quoted << is a key", '{"<<": 1}', { "<<": 1 }],
    ["a hash inside text", "a: b#c\nd: 'e #f'", { a: "b#c", d: "e #f" }],
    [
      "JSON",
      '{"a": [1, -2.5e3, true, null, "\\ud83d\\ude00\\/"],\n\t"b": {}}',
      { a: [1, -2500, true, null, "😀/"], b: {} },
    ],
  ];
  test.each(table)("%s", (_, text, value) => {
    expect(read(text)).toEqual(value);
  });

  test("a key may be called __proto__", () => {
    const value = read("__proto__: {polluted: true}\na: 1") as { [key: string]: Json };
    expect(Object.keys(value)).toEqual(["__proto__", "a"]);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe("errors have a line and a column", () => {
  const table: readonly [text: string, error: string][] = [
    ["a: 1\na: 2", "2:1 Map keys must be unique"],
    ["a: [1, 2", "1:9 Flow sequence in block collection must be sufficiently indented and end with a ]"],
    ["a: {b: 1", "1:9 Flow map in block collection must be sufficiently indented and end with a }"],
    ["a: [1 2: 3 }", "1:12 Flow sequence in block collection must be sufficiently indented and end with a ]"],
    ["a: 'b\nc", "2:2 Missing closing 'quote"],
    ['a: "\\q"', "1:5 Invalid escape sequence \\q"],
    ['a: "\\u12"', '1:5 Invalid escape sequence \\u12"'],
    ["a: b: c", "1:4 Nested mappings are not allowed in compact mappings"],
    ["a: - b", "1:4 Unexpected block-seq-ind on same line with key"],
    ["a:\n  b: 1\n c: 2", "3:1 All mapping items must start at the same column"],
    ["a: 1\n  b: 2", "1:4 Nested mappings are not allowed in compact mappings"],
    ["a: 1\n- b", "2:1 Implicit keys need to be on a single line"],
    ["a:\n\tb: 1", "2:1 Tabs are not allowed as indentation"],
    ["a: @b", "1:4 Plain value cannot start with reserved character @"],
    ["a: %x", "1:4 Plain value cannot start with directive indicator character %"],
    ["a: *x", "1:4 unknown anchor: x"],
    ["a: &x [*x]", "1:7 is nested too deeply"],
    ["{[a]: b}", "1:2 a key must be a text"],
    ["a: 1\n---\nb: 2", "2:1 has more than one document"],
    ["a: 1\nb", "2:1 Implicit map keys need to be followed by map values"],
    ["'a' b", "1:5 Unexpected scalar at node end"],
    ["a: |x\n  b", "1:5 Block scalar header includes extra characters: |x"],
    ["<<: 1", "1:1 only an object can be merged"],
  ];
  test.each(table)("%p", (text, error) => {
    expect(errorOf(text)).toBe(error);
  });
});

describe("positions", () => {
  const document = readDocument(`
static_resources:
  listeners:
    - name: one
      address: {socket_address: {portValue: 1}}
    -
      name: two
      options: &o
        "a.b": {c: 1}
  clusters: [{name: x}, {<<: *o}]
`);
  const table: readonly [path: string, place: string][] = [
    ["", "2:1"],
    ["static_resources", "2:1"],
    ["static_resources.listeners[0]", "4:7"],
    ["static_resources.listeners[0].name", "4:7"],
    ["static_resources.listeners[0].address.socket_address.port_value", "5:34"],
    ["static_resources.listeners[1].name", "7:7"],
    ['static_resources.listeners[1].options["a.b"].c', "9:17"],
    ["static_resources.clusters[0].name", "10:15"],
    ['static_resources.clusters[1]["a.b"].c', "9:17"],
    ["static_resources.clusters[7].name", "10:3"],
    ["static_resources.listeners[0].nothing.at[3].all", "4:7"],
    ["admin", "2:1"],
  ];
  test.each(table)("%s is at %s", (path, place) => {
    const { line, column } = document.locate(path);
    expect(`${line}:${column}`).toBe(place);
  });

  test("faults come in the order of the file", () => {
    const faults = [
      { path: "static_resources.clusters", message: "is late" },
      { path: "", message: "is everywhere" },
      { path: "static_resources.listeners[0].name", message: "is early" },
    ];
    expect(formatFaults("x.yaml", document, faults)).toEqual([
      "x.yaml:2:1: is everywhere",
      "x.yaml:4:7: static_resources.listeners[0].name: is early",
      "x.yaml:10:3: static_resources.clusters: is late",
    ]);
  });
});

describe("hostile input", () => {
  test("aliases that multiply", () => {
    let text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (let i = 1; i < 10; i++)
      text += `a${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(", ")}]\n`;
    expect(errorOf(text)).toContain("expands aliases too often");
  });

  test.each([
    ["brackets", "[".repeat(100_000)],
    ["braces", "{a: ".repeat(100_000)],
    ["dashes", "- ".repeat(100_000)],
    ["indentation", Array.from({ length: 1000 }, (_, i) => `${" ".repeat(i)}a:`).join("\n")],
  ])("nesting: %s", (_, text) => {
    expect(errorOf(text)).toMatch(/nested too deeply|call stack/);
  });

  test("long lines, many keys: linear time", () => {
    const keys = Array.from({ length: 20_000 }, (_, i) => `key${i}: ${"v".repeat(20)}`).join("\n");
    expect(Object.keys(read(keys) as object).length).toBe(20_000);
    expect(read(`a: "${"x\\n".repeat(200_000)}"`)).toBeDefined();
  }, 30_000);
});

describe("JSON is read by the runtime's own parser", () => {
  const same: readonly string[] = [
    '{"a": [1, -2.5e3, true, null, "\\ud83d\\ude00\\/"],\n\t"b": {}}',
    '{"yes": "on", "<<": {"a": "*b"}, "c": "0x10", "__proto__": 1, "quote\\"d: ": "\\\\"}',
    '[{"a": 1}, {"a": 2}, [], [[]], 999999999999999, 0.125, "1: {\\"a\\": 2"]',
    " \n[]\n",
  ];
  test.each(same)("%p: as the YAML reader reads it", (text) => {
    expect(readJson(text)).toEqual(JSON.parse(text));
    expect(readYaml(text).value).toEqual(readJson(text) as Json);
  });

  test("any JSON: as the YAML reader reads it, or left to that", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), fc.nat(4), (text, indent) => {
        const written = JSON.stringify(JSON.parse(text), null, indent);
        const value = readJson(written);
        if (value !== undefined) expect(readYaml(written).value).toEqual(withoutNegativeZero(value));
        else expect(written).toMatch(/\d{16}|^[^[{]/);
      }),
      { numRuns: 300 },
    );
  });

  const left: readonly [why: string, text: string][] = [
    ["it is YAML", "a: 1"],
    ["it is text", '"a"'],
    ["a key comes twice", '{"a": 1, "b": {"c": 1, "c": 1}}'],
    ["a key comes twice, in another spelling", '{"a": 1, "\\u0061": 1}'],
    ["a number needs more than a double", '{"a": 9007199254740993}'],
    ["a comma too many", '{"a": [1,],}'],
    ["nested too deeply", `${"[".repeat(202)}${"]".repeat(202)}`],
    ["nested absurdly", `${"[".repeat(1e6)}`],
  ];
  test.each(left)("not if %s", (_, text) => {
    expect(readJson(text)).toBeUndefined();
  });

  test("a long string exhausts nothing", () => {
    const long = "x\\n".repeat(1e6);
    expect(readJson(`{"a": "${long}"}`)).toEqual({ a: "x\n".repeat(1e6) });
  });

  test("faults have their places all the same", () => {
    const document = readDocument('{\n  "admin": {\n    "address": []\n  }\n}');
    expect(document.locate("admin.address")).toEqual({ line: 3, column: 5 });
  });
});

/** YAML has no -0 of its own. */
function withoutNegativeZero(value: Json): Json {
  return JSON.parse(JSON.stringify(value));
}
