/**
 * Modules that are broken, or that reach for what rewriting adds. The reader never throws, and never takes a
 * module that the engine then understands in another way: what it accepts, the engine accepts or refuses as a
 * whole, with fuel exactly as without.
 */
import { describe, expect, test } from "bun:test";
import { prepareModule } from "../../../../filters/wasm/module/prepare-module.ts";
import { body, guest, I32, leb, name, section, type, V128 } from "../../../support/wasm-bytes.ts";

const OPTIONS = { providedImports: new Set(["env.own"]), maxPages: 100, fuel: true };

/** One of everything: imports, tables, a start function, loops, blocks, br_table, bulk, vectors, exceptions. */
const RICH = guest({
  importedFunctions: 1,
  imports: [[...name("env"), ...name("own"), 0, 0]],
  tables: [
    [0x70, 1, 3, 9],
    [0x6f, 0, 1],
  ],
  memories: [[1, 1, 4]],
  tags: [[0, 0]],
  globals: [
    [I32, 1, 0x41, 5, 0x0b],
    [0x70, 0, 0xd2, 1, 0x0b],
    [V128, 0, 0xfd, 0x0c, ...Array(16).fill(7), 0x0b],
  ],
  start: 1,
  elements: [
    [0, 0x41, 0, 0x0b, 2, 1, 2],
    [5, 0x70, 2, 0xd2, 1, 0x0b, 0xd0, 0x70, 0x0b],
    [6, 0, 0x41, 1, 0x0b, 0x70, 1, 0xd2, 1, 0x0b],
  ],
  data: [
    [0, 0x41, 0, 0x0b, 3, 1, 2, 3],
    [1, 2, 4, 5],
  ],
  functions: [
    {
      name: "run",
      type: type([I32], [I32]),
      body: body(
        [
          ...[0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b],
          ...[0x02, 0x40, 0x02, 0x40, 0x20, 0, 0x0e, 2, 0, 1, 0, 0x0b, 0x0b],
          ...[0x41, 0, 0x41, 0, 0x41, 2, 0xfc, 8, 1, 0],
          ...[0x20, 0, 0x04, 0x7f, 0x41, 1, 0x05, 0x41, 0x7f, 0x0b],
          ...[0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x10, 0, 0x0b, 0x0b],
          ...[0x41, 0, 0xfd, 0, 4, 16, 0xfd, 21, 3, 0x6a],
        ],
        [[2, I32]],
      ),
    },
  ],
  custom: [["name", [1, 1, 0]]],
});

/** What happened to the bytes: prepared and good, prepared and refused by the engine, or refused at once. */
function outcome(bytes: Uint8Array<ArrayBuffer>): "runs" | "not compiled" | "refused" {
  const result = prepareModule(bytes, OPTIONS);
  if ("faults" in result) {
    expect(result.faults.length).toBeGreaterThan(0);
    for (const { message } of result.faults) expect(message).toMatch(/^[\x20-\x7e]+$/);
    return "refused";
  }
  const good = WebAssembly.validate(result.bytes);
  // Rewriting neither breaks nor mends.
  expect(good).toBe(WebAssembly.validate(bytes));
  return good ? "runs" : "not compiled";
}

function randoms(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test("the module with one of everything is a good one", () => {
  expect(WebAssembly.validate(RICH)).toBe(true);
  expect(outcome(RICH)).toBe("runs");
});

test("cut off at any byte", () => {
  const whole = [...Array(RICH.length).keys()].filter((at) => outcome(RICH.slice(0, at)) === "runs");
  // Only the last section, the names, may be missing.
  expect(whole).toEqual([RICH.length - section(0, [...name("name"), 1, 1, 0]).length]);
});

test("any byte, changed in any of a few ways", () => {
  const seen = { runs: 0, "not compiled": 0, refused: 0 };
  for (let at = 0; at < RICH.length; at++) {
    for (const change of [0x01, 0x02, 0x40, 0x80, 0xff]) {
      const bytes = RICH.slice();
      bytes[at] ^= change;
      seen[outcome(bytes)]++;
    }
  }
  // The test is worth something only if it meets all three.
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(50);
});

test("bytes changed, removed, doubled and inserted at random", () => {
  const random = randoms(4);
  for (let round = 0; round < 3000; round++) {
    const bytes = [...RICH];
    for (let changes = 1 + random(4); changes > 0; changes--) {
      const at = random(bytes.length);
      const how = random(4);
      if (how === 0) bytes[at] = random(256);
      else if (how === 1) bytes.splice(at, 1 + random(3));
      else if (how === 2) bytes.splice(at, 0, ...bytes.slice(at, at + 1 + random(8)));
      else bytes.splice(at, 0, random(256));
    }
    outcome(Uint8Array.from(bytes));
  }
});

test("random code in a sound function", () => {
  const random = randoms(5);
  const common = [
    0x00, 0x02, 0x03, 0x04, 0x05, 0x0b, 0x0b, 0x0c, 0x0d, 0x0e, 0x40, 0x20, 0x41, 0xfc, 0xfd, 0xfe,
  ];
  for (let round = 0; round < 3000; round++) {
    const code = Array.from({ length: 1 + random(30) }, () =>
      random(2) === 0 ? random(256) : common[random(common.length)],
    );
    outcome(guest({ functions: [{ type: type([I32], []), body: body(code) }] }));
  }
});

const HUGE = leb(0xffff_ffff);
const FORTY = (content: number[]) => [...content, ...Array(40).fill(0)];

test.each([
  ["types", section(1, FORTY(HUGE))],
  ["imports", section(2, FORTY(HUGE))],
  ["functions", section(3, FORTY(HUGE))],
  ["tables", section(4, FORTY(HUGE))],
  ["memories", section(5, FORTY(HUGE))],
  ["globals", section(6, FORTY(HUGE))],
  ["exports", section(7, FORTY(HUGE))],
  ["elements", section(9, FORTY(HUGE))],
  ["bodies", section(10, FORTY(HUGE))],
  ["parameters", section(1, FORTY([1, 0x60, ...HUGE]))],
  ["letters of a name", section(0, FORTY(HUGE))],
])("four thousand million %s are announced and not there", (_, bytes) => {
  const module = Uint8Array.from([...guest().slice(0, 8), ...bytes]);
  const started = performance.now();
  expect(outcome(module)).toBe("refused");
  expect(performance.now() - started).toBeLessThan(50);
});

test("locals without end", () => {
  const many = guest({ functions: [{ type: type([], []), body: body([], [[...HUGE, I32]]) }] });
  expect(outcome(many)).toBe("refused");
});

test.each([60_000, 70_000])("blocks in blocks, %d deep, cost no more than others, or are refused", (deep) => {
  for (const opening of [0x02, 0x03]) {
    const code = [...Array(deep).fill([opening, 0x40])].flat();
    for (let i = 0; i < deep; i++) code.push(0x0c, ...leb(deep - 1 - i), 0x0b);
    const module = guest({ functions: [{ type: type([], []), body: body(code) }] });
    const started = performance.now();
    const result = prepareModule(module, OPTIONS);
    expect("bytes" in result).toBe(deep === 60_000);
    expect(performance.now() - started).toBeLessThan(1500);
  }
});

/** `guest` has 2 functions and what `functions` brings; what rewriting adds would be the next indices. */
describe("a guest does not reach what is added for the host", () => {
  const only = (code: number[]) => ({ functions: [{ type: type([I32], [I32]), body: body(code) }] });
  const next = { function: 3, global: 1, local: 1, type: 4 };
  const global = [[I32, 1, 0x41, 0, 0x0b]];

  test.each([
    ["call", { ...only([0x20, 0, 0x10, next.function + 1]) }],
    ["return_call", { ...only([0x20, 0, 0x12, next.function + 1]) }],
    ["ref.func", { ...only([0xd2, next.function + 1, 0x1a, 0x20, 0]) }],
    ["global.get", { ...only([0x23, next.global]), globals: global }],
    ["global.set", { ...only([0x41, 0, 0x24, next.global, 0x41, 0]), globals: global }],
    ["local.get of the count", only([0x03, 0x40, 0x0b, 0x20, next.local])],
    ["local.set of the count", only([0x03, 0x40, 0x41, 0, 0x21, next.local, 0x0b, 0x20, 0])],
    ["local.tee of the count", only([0x03, 0x40, 0x0b, 0x41, 0, 0x22, next.local])],
    ["a block of an added type", only([0x20, 0, 0x02, next.type + 1, 0x0b])],
    ["the start function", { ...only([0x20, 0]), start: next.function }],
    ["an export of a function", { ...only([0x20, 0]), exports: [[...name("x"), 0, next.function + 1]] }],
    [
      "an export of the global",
      { ...only([0x20, 0]), globals: global, exports: [[...name("x"), 3, next.global]] },
    ],
    [
      "an element",
      { ...only([0x20, 0]), tables: [[0x70, 0, 1]], elements: [[0, 0x41, 0, 0x0b, 1, next.function + 1]] },
    ],
    [
      "an element as an expression",
      {
        ...only([0x20, 0]),
        tables: [[0x70, 0, 1]],
        elements: [[4, 0x41, 0, 0x0b, 1, 0xd2, next.function + 1, 0x0b]],
      },
    ],
    ["a global's first value", { ...only([0x20, 0]), globals: [[0x70, 0, 0xd2, next.function + 1, 0x0b]] }],
    [
      "a table's first value",
      { ...only([0x20, 0]), tables: [[0x40, 0, 0x70, 0, 1, 0xd2, next.function + 1, 0x0b]] },
    ],
  ])("%s", (_, parts) => {
    expect(outcome(guest(parts))).toBe("refused");
  });
});
