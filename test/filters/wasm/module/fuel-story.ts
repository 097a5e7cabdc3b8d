/**
 * Guests that never end by themselves, on the runtime that runs this file: each is called with some fuel, and one
 * line of JSON says how every call ended and how long it took. Then random guests, with and without fuel, must do
 * the same and have paid for what they did. Run by `fuel.test.ts` on Bun, Node and Deno.
 */
import { REFUEL_EXPORT } from "../../../../filters/wasm/module/fuel-sections.ts";
import { prepareModule } from "../../../../filters/wasm/module/prepare-module.ts";
import { body, type GuestParts, guest, I32, leb, sleb, type } from "../../../support/wasm-bytes.ts";
import { randomProgram } from "./random-program.ts";

const FUEL = 5_000_000;
const PAGES = 256;

const nothing = type([], []);
/** `guest` begins with marker and allocator. */
const SELF = 2;
const SECOND = 3;
const WHOLE_MEMORY = sleb(PAGES * 65_536);

/** `code` without end, in a loop. */
function forever(...code: number[]): number[] {
  return [0x03, 0x40, ...code, 0x0c, 0, 0x0b];
}

function run(...code: number[]): GuestParts {
  return { functions: [{ name: "run", type: nothing, body: body(code) }] };
}

const memory = { memories: [[1, ...leb(PAGES), ...leb(PAGES)]] };
const ten_thousand = { tables: [[0x70, 0, ...leb(10_000)]] };
const tag = { tags: [[0, 0]] };

/** Guests whose export `run` does not come back by itself. */
const ENDLESS: { readonly [title: string]: GuestParts } = {
  "a loop": run(...forever()),
  "a loop within a loop that ends": run(...forever(0x03, 0x40, 0x41, 0, 0x0d, 0, 0x0b)),
  "a loop by br_table": run(0x03, 0x40, 0x41, 0, 0x0e, 1, 0, 0, 0x0b),
  "a loop in code that has much of everything": run(...forever(...Array(5000).fill(0x01))),
  "a loop that works on memory": run(...forever(0x41, 0, 0x41, 0, 0x28, 2, 0, 0x41, 1, 0x6a, 0x36, 2, 0)),
  "a function that calls itself": run(0x10, SELF),
  "a function that calls itself last": run(0x12, SELF),
  "two that call each other last": {
    functions: [
      { name: "run", type: nothing, body: body([0x12, SECOND]) },
      { type: nothing, body: body([0x41, 0, 0x13, 0, 0]) },
    ],
    tables: [[0x70, 0, 1]],
    elements: [[0, 0x41, 0, 0x0b, 1, SELF]],
  },
  "one that calls itself twice, sixty deep": {
    functions: [
      { name: "run", type: nothing, body: body([0x41, 60, 0x10, SECOND]) },
      {
        type: type([I32], []),
        // if (n > 0) { self(n - 1); self(n - 1); }
        body: body([
          ...[0x20, 0, 0x04, 0x40],
          ...[0x20, 0, 0x41, 1, 0x6b, 0x10, SECOND],
          ...[0x20, 0, 0x41, 1, 0x6b, 0x10, SECOND],
          0x0b,
        ]),
      },
    ],
  },
  "calls of a function too small to pay": {
    functions: [
      { name: "run", type: nothing, body: body(forever(0x10, SECOND)) },
      { type: nothing, body: body([]) },
    ],
  },
  "calls through a table": {
    functions: [
      { name: "run", type: nothing, body: body(forever(0x41, 0, 0x11, 0, 0)) },
      { type: nothing, body: body([]) },
    ],
    tables: [[0x70, 0, 1]],
    elements: [[0, 0x41, 0, 0x0b, 1, SECOND]],
  },
  "memory.fill of 16 MiB": {
    ...memory,
    ...run(...forever(0x41, 0, 0x41, 1, 0x41, ...WHOLE_MEMORY, 0xfc, 11, 0)),
  },
  "memory.copy of 8 MiB": {
    ...memory,
    ...run(...forever(0x41, ...sleb(8 << 20), 0x41, 0, 0x41, ...sleb(8 << 20), 0xfc, 10, 0, 0)),
  },
  "memory.init": {
    ...memory,
    ...run(...forever(0x41, 0, 0x41, 0, 0x41, ...sleb(50_000), 0xfc, 8, 0, 0)),
    data: [[1, ...leb(50_000), ...Array(50_000).fill(1)]],
  },
  "memory.fill by a function of its own, which has no loop": {
    ...memory,
    functions: [
      { name: "run", type: nothing, body: body(forever(0x10, SECOND)) },
      { type: nothing, body: body([0x41, 0, 0x41, 1, 0x41, ...WHOLE_MEMORY, 0xfc, 11, 0]) },
    ],
  },
  "table.fill": {
    ...ten_thousand,
    ...run(...forever(0x41, 0, 0xd0, 0x70, 0x41, ...sleb(10_000), 0xfc, 17, 0)),
  },
  "table.copy": {
    ...ten_thousand,
    ...run(...forever(0x41, 0, 0x41, ...sleb(5000), 0x41, ...sleb(5000), 0xfc, 14, 0, 0)),
  },
  "memory.grow": run(...forever(0x41, 0, 0x40, 0, 0x1a)),
  "table.grow": { ...ten_thousand, ...run(...forever(0xd0, 0x70, 0x41, 0, 0xfc, 15, 0, 0x1a)) },
  "table.grow by so much that its cost could turn negative": {
    ...ten_thousand,
    ...run(...forever(0xd0, 0x70, 0x41, ...sleb(0x0800_0001), 0xfc, 15, 0, 0x1a)),
  },
  "an exception thrown and caught": {
    ...tag,
    ...run(...forever(0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x08, 0, 0x0b, 0x0b)),
  },
  "one that catches whatever stops it": {
    ...tag,
    ...run(...forever(0x02, 0x40, 0x1f, 0x40, 1, 2, 0, ...forever(), 0x0b, 0x0b)),
  },
  "the older exceptions": {
    ...tag,
    ...run(...forever(0x06, 0x40, ...forever(), 0x19, 0x0b)),
  },
  "an atomic wait, which unshared memory does not have": run(
    ...forever(0x41, 0, 0x41, 0, 0x42, 0x7f, 0xfe, 1, 2, 0, 0x1a),
  ),
};

const OPTIONS = { providedImports: new Set<string>(), maxPages: PAGES, fuel: true };

function instance(bytes: Uint8Array, options = {}) {
  const result = prepareModule(bytes, { ...OPTIONS, ...options });
  if ("faults" in result) throw new Error(result.faults[0].message);
  return new WebAssembly.Instance(new WebAssembly.Module(result.bytes), {});
}

type Exports = { readonly [name: string]: (...values: number[]) => number };

interface Ending {
  readonly title: string;
  /** The engine's error, by name and beginning. */
  readonly how: string;
  readonly ms: number;
  /** What was left of the fuel. */
  readonly left: number;
}

function ending(title: string, call: () => void, left: () => number): Ending {
  const started = performance.now();
  let how = "came back";
  try {
    call();
  } catch (error) {
    how =
      error instanceof WebAssembly.RuntimeError
        ? "trap"
        : error instanceof RangeError
          ? "stack"
          : String(error);
  }
  return { title, how, ms: performance.now() - started, left: left() };
}

const endings = Object.entries(ENDLESS).map(([title, parts]) => {
  const exports = instance(guest(parts)).exports as Exports;
  exports[REFUEL_EXPORT](FUEL);
  return ending(title, exports.run, () => exports[REFUEL_EXPORT](0));
});
endings.push(
  ending(
    "a start function",
    () => instance(guest({ start: SELF, ...run(...forever()) }), { initialFuel: FUEL }),
    () => -1,
  ),
);

/** All that a guest leaves behind. */
function outcome(exports: Exports, seed: number): string {
  const results: (number | string)[] = [];
  for (let i = 0; i < 4; i++) {
    try {
      results.push(exports[`f${i}`](seed, i));
    } catch (error) {
      results.push(error instanceof WebAssembly.RuntimeError ? "trap" : "exception");
    }
  }
  const memory = new Uint8Array((exports.memory as unknown as WebAssembly.Memory).buffer, 0, 8192);
  return `${results} ${memory.reduce((sum, byte, i) => (Math.imul(sum, 31) + byte + i) | 0, 0)}`;
}

const PROGRAMS = Number(((globalThis as { process?: NodeJS.Process }).process?.argv ?? [])[2] ?? 300);
const different: number[] = [];
const unpaid: number[] = [];
let work = 0;
for (let seed = 0; seed < PROGRAMS; seed++) {
  const bytes = randomProgram(seed, { exceptions: true });
  const plain = new WebAssembly.Instance(new WebAssembly.Module(bytes), {}).exports as Exports;
  const expected = outcome(plain, seed);
  const fuelled = instance(bytes).exports as Exports;
  const full = 2 ** 31 - 1;
  fuelled[REFUEL_EXPORT](full);
  if (outcome(fuelled, seed) !== expected) different.push(seed);
  const done = (fuelled.work as unknown as WebAssembly.Global).value as number;
  work += done;
  if (full - fuelled[REFUEL_EXPORT](0) < done) unpaid.push(seed);
}

console.log(JSON.stringify({ endings, different, unpaid, work }));
