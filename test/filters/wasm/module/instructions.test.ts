/**
 * Every instruction that this runtime knows, against the tables of ours: each opcode is tried with immediates of
 * many shapes in code that is never reached, where any operands will do. What the engine takes, we take, and it
 * means the same to both: what is behind it is found again.
 */
import { expect, test } from "bun:test";
import { FuelPlan } from "../../../../filters/wasm/module/fuel-plan.ts";
import { ModuleLayout } from "../../../../filters/wasm/module/module-layout.ts";
import { prepareModule } from "../../../../filters/wasm/module/prepare-module.ts";
import { body, guest, I32, leb, type, V128 } from "../../../support/wasm-bytes.ts";

// biome-ignore format: one shape a line
const SHAPES: readonly (readonly number[])[] = [
  [],
  [0],                     // an index, a lane, a memory
  [0x40, 0x0b],            // an empty block
  [0, 0],                  // alignment and offset, two indices
  [1, 0], [2, 0], [3, 0], [4, 0],
  [0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0],
  [0x70],                  // a reference type
  [1, 0x7f],               // the type of a select
  [0x80, 0x80, 0],         // a long number
  [0, 0, 0, 0],
  Array(8).fill(0),
  Array(16).fill(0),
  [1, 0, 0, 0x0b],         // br_table
  [0x40, 1, 2, 0, 0x0b],   // try_table with catch_all
  [0x40, 0, 0x0b],
  [0x40, 0x07, 0, 0x0b],   // try with catch
  [0x40, 0x19, 0x09, 0, 0x0b], // try with catch_all and rethrow
  [0x40, 0x18, 0],         // try with delegate
  [0x40, 0x05, 0x0b],      // if with else
];

function moduleWith(instruction: readonly number[]): Uint8Array<ArrayBuffer> {
  // The loop behind it shows that both know where the instruction ends: else the rewritten module is not valid.
  const code = [0x00, ...instruction, 0x00, 0x03, 0x40, 0x0c, 0, 0x0b, 0x41, ...leb(0x7f), 0x1a, 0x00];
  return guest({
    functions: [{ type: type([I32], [I32]), body: body(code) }],
    globals: [[I32, 1, 0x41, 0, 0x0b]],
    tables: [[0x70, 0, 1]],
    tags: [[0, 0]],
    elements: [[1, 0, 1, 0]],
    data: [[1, 0]],
  });
}

/** The highest numbers behind a prefix that anybody has given away, and some more. 0xFB, garbage collection, is left out. */
const PREFIXED = { 252: 32, 253: 0x120, 254: 0x60 };

function* opcodes(): Generator<readonly number[]> {
  for (let opcode = 0; opcode < 0xfb; opcode++) yield [opcode];
  for (const [prefix, count] of Object.entries(PREFIXED)) {
    for (let i = 0; i < count; i++) yield [Number(prefix), ...leb(i)];
  }
}

/** Where code is not reached JavaScriptCore forgets to look at labels, and at what `else` and `catch` belong to. */
const LENIENT_ENGINE = /no such label|else without if|catch without try/;

test("whatever the engine takes", () => {
  const wrong: string[] = [];
  let known = 0;
  for (const opcode of opcodes()) {
    for (const shape of SHAPES) {
      const bytes = moduleWith([...opcode, ...shape]);
      if (!WebAssembly.validate(bytes)) continue;
      const title = [...opcode, ...shape].map((b) => b.toString(16).padStart(2, "0")).join(" ");
      known++;
      const result = prepareModule(bytes, { providedImports: new Set<string>(), maxPages: 100, fuel: true });
      if ("faults" in result) {
        if (LENIENT_ENGINE.test(result.faults[0].message)) continue;
        wrong.push(`${title}: ${result.faults[0].message}`);
      } else if (!WebAssembly.validate(result.bytes)) wrong.push(`${title}: not valid afterwards`);
    }
  }
  expect(wrong).toEqual([]);
  // 172 of the first version, more than 200 on vectors, and the others.
  expect(known).toBeGreaterThan(500);
}, 20_000);

/** Taken for an instruction, a lane of 1 is a `nop` that nobody misses: so instructions are counted. */
test.each([
  ["load a lane", [0x20, 0, 0x20, 1, 0xfd, 0x54, 0, 0, 1, 0x1a], 4],
  ["store a lane", [0x20, 0, 0x20, 1, 0xfd, 0x58, 0, 0, 1], 3],
  ["take a lane out", [0x20, 1, 0xfd, 0x15, 1, 0x1a], 3],
  ["put a lane in", [0x20, 1, 0x20, 0, 0xfd, 0x17, 1, 0x1a], 4],
  ["a vector of 16 bytes", [0xfd, 0x0c, ...Array(16).fill(1), 0x1a], 2],
  ["16 lanes of two vectors", [0x20, 1, 0x20, 1, 0xfd, 0x0d, ...Array(16).fill(1), 0x1a], 4],
  ["8 bytes of a number", [0x44, ...Array(8).fill(1), 0x1a], 2],
  ["4 bytes of a number", [0x43, ...Array(4).fill(1), 0x1a], 2],
])("%s", (_, code, count) => {
  const bytes = guest({ functions: [{ type: type([I32, V128], []), body: body(code) }] });
  expect(WebAssembly.validate(bytes)).toBe(true);
  const module = new ModuleLayout(bytes);
  const plan = new FuelPlan(module, null);
  plan.read(2, module.bodies[4], module.bodies[5]);
  expect(plan.cost).toBe(count);
});
