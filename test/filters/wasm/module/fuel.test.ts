/**
 * Fuel on the real runtimes: what does not end by itself is stopped in time, what ends computes the same as
 * without fuel, and whatever was done has been paid for. `fuel-story.ts` tells how on each of them.
 */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { BUDGET_EXPORT, REFUEL_EXPORT } from "../../../../filters/wasm/module/fuel-sections.ts";
import { prepareModule } from "../../../../filters/wasm/module/prepare-module.ts";
import { installedRuntimes } from "../../../support/runtimes.ts";
import { body, type GuestParts, guest, I32, leb, name, sleb, type } from "../../../support/wasm-bytes.ts";

describe("guests without end, and random ones", () => {
  for (const { name: runtime, command } of installedRuntimes) {
    test(runtime, async () => {
      const child = Bun.spawn([...command, join(import.meta.dir, "fuel-story.ts"), "200"], {
        stdout: "pipe",
        stderr: "pipe",
        // Where fuel does not stop a guest, nothing else does.
        timeout: 50_000,
        killSignal: "SIGKILL",
      });
      const [out, err] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      expect(err).toBe("");
      const { endings, different, unpaid, work } = JSON.parse(out);
      expect(different).toEqual([]);
      expect(unpaid).toEqual([]);
      expect(work).toBeGreaterThan(100_000);
      expect(endings.length).toBeGreaterThan(20);
      for (const { title, how, ms, left } of endings) {
        const byItself = [
          "a function that calls itself",
          "an atomic wait, which unshared memory does not have",
        ];
        if (byItself.includes(title))
          expect([title, how]).toEqual([title, expect.stringMatching(/stack|trap/)]);
        else expect([title, how, left < 0]).toEqual([title, "trap", true]);
        // Some milliseconds of fuel; but the machine may be busy, and then the engine takes long to compile.
        expect([title, ms < 5000]).toEqual([title, true]);
      }
    }, 60_000);
  }
});

type Exports = { readonly [name: string]: (...values: number[]) => number };

function instance(parts: GuestParts, imports: WebAssembly.Imports = {}): Exports {
  const options = { providedImports: new Set(["env.own"]), maxPages: 16, fuel: true };
  const result = prepareModule(guest(parts), options);
  if ("faults" in result) throw new Error(result.faults[0].message);
  return new WebAssembly.Instance(new WebAssembly.Module(result.bytes), imports).exports as Exports;
}

/** What one call takes of the fuel. */
function price(parts: GuestParts, ...values: number[]): number {
  const exports = instance(parts, { env: { own: () => 0 } });
  exports[REFUEL_EXPORT](1_000_000);
  exports.run(...values);
  return 1_000_000 - exports[REFUEL_EXPORT](0);
}

const run = (code: number[], parameters: number[] = []): GuestParts => ({
  functions: [{ name: "run", type: type(parameters, []), body: body(code) }],
});

/** A unit is about an instruction. What does not branch, loop or call costs one for each. */
describe("what it costs", () => {
  const nops = (count: number): number[] => Array(count).fill(0x01);
  const when = (yes: number[], no: number[]) => [0x20, 0, 0x04, 0x40, ...yes, 0x05, ...no, 0x0b];
  const turns = [0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b];
  /** `run` of 200 and what it calls, by number: 3 is the first of `callees`. */
  const calling = (code: number[], ...callees: number[][]): GuestParts => ({
    functions: [
      { name: "run", type: type([], []), body: body([...nops(200), ...code]) },
      ...callees.map((callee) => ({ type: type([], []), body: body(callee) })),
    ],
  });
  const host = { importedFunctions: 1, imports: [[...name("env"), ...name("own"), 0, 0]] };
  const one = [I32];

  // biome-ignore format: one case a line
  const CASES: readonly (readonly [what: string, expected: number, paid: number])[] = [
    ["a small function is free: who calls it pays, and the host calls it once", 0, price(run(nops(128)))],
    ["a larger one costs what it is long", 129, price(run(nops(129)))],
    ["what is never reached is free", 201, price(run([...nops(200), 0x0f, ...nops(500)]))],

    ["of two ways the longer", 302, price(run(when(nops(300), nops(100)), one), 0)],
    ["a way that ends the function counts", 303, price(run(when([...nops(300), 0x0f], nops(9)), one), 0)],
    ["and so does the one past it", 202 + 10, price(run([...nops(200), 0x20, 0, 0x04, 0x40, 0x0f, 0x0b, ...nops(10)], one), 0)],
    ["a way that leaves two blocks", 303 + 5, price(run([
      0x02, 0x40, 0x02, 0x40, 0x20, 0, 0x0d, 0, ...nops(300), 0x0c, 1, 0x0b, ...nops(10), 0x0b, ...nops(5),
    ], one), 1)],
    ["ways of a table", 3 + 400, price(run([
      0x02, 0x40, 0x02, 0x40, 0x20, 0, 0x0e, 1, 0, 1, 0x0b, ...nops(400), 0x0b,
    ], one), 1)],
    ["a way out of a loop goes on where the loop began", 150 + 20 + 6, price(run([
      ...nops(150), 0x02, 0x40, 0x03, 0x40, 0x20, 0, 0x0d, 1, 0x0b, 0x0f, 0x0b, ...nops(20),
    ], one), 1)],
    ["where an exception is caught all before may have been done", 700 + 10, price({ tags: [[0, 0]], ...run([
      0x02, 0x40, 0x1f, 0x40, 1, 2, 0, ...nops(200), 0x08, 0, 0x0b, 0x0b, ...nops(10),
    ]) })],
    ["and with the older kind", 700 + 10, price({ tags: [[0, 0]], ...run([
      0x06, 0x40, ...nops(200), 0x08, 0, 0x19, ...nops(10), 0x0b,
    ]) })],

    ["a loop of one turn", 1 + 9, price(run(turns, one), 1)],
    ["a loop of a thousand", 1 + 9000, price(run(turns, one), 1000)],
    ["a loop in a loop", 1 + 2 * 11 + 2 * 3 * 9, price(run([
      0x03, 0x40, 0x41, 3, 0x21, 1, ...[0x03, 0x40, 0x20, 1, 0x41, 1, 0x6b, 0x22, 1, 0x0d, 0, 0x0b], ...turns.slice(2, -1), 0x0b,
    ], [I32, I32]), 2, 0)],

    ["a call of a small one: its price and the call", 200 + 8 + 100, price(calling([0x10, 3], nops(100)))],
    ["a call of a large one, which pays itself", 200 + 8 + 300, price(calling([0x10, 3], nops(300)))],
    ["a call of a small one that calls small ones", 200 + 8 + (16 + 60), price(calling([0x10, 3], [0x10, 4, 0x10, 4], nops(30)))],
    ["small ones that call each other twice soon are not small", 208 + 168,
      price(calling([0x10, 3], [0x10, 4, 0x10, 4], [0x10, 5, 0x10, 5], nops(30)))],
    ["one that calls itself is not", 6 * 13, price({ functions: [
      { name: "run", type: type(one, []), body: body([0x20, 0, 0x04, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x10, 2, 0x0b]) },
    ] }, 5)],
    ["nor are two in a circle, but one of them", 3 * (2 * 13), price({ functions: [
      { name: "run", type: type(one, []), body: body([0x20, 0, 0x04, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x10, 3, 0x0b]) },
      { type: type(one, []), body: body([0x20, 0, 0x04, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x10, 2, 0x0b]) },
    ] }, 5)],
    ["a call through a table: as if of the dearest small one", 200 + 1 + 8 + 128, price({
      ...calling([0x41, 0, 0x11, 0, 0], nops(5)), tables: [[0x70, 0, 1]], elements: [[0, 0x41, 0, 0x0b, 1, 3]],
    })],
    ["a call of the host", 200, price({ ...host, ...run([0x10, 0]) })],

    ["memory.fill of 8000 bytes", 1000, price(run([0x41, 0, 0x41, 0, 0x41, ...sleb(8000), 0xfc, 11, 0]))],
    ["table.fill of 10 elements", 160, price({ ...run([0x41, 0, 0xd0, 0x70, 0x41, 10, 0xfc, 17, 0]), tables: [[0x70, 0, 10]] })],
  ];

  test.each(CASES)("%s", (_, expected, paid) => {
    expect(paid).toBe(expected);
  });
});

test("a loop without a local is compiled while it turns: a whole budget is a second, not a minute", () => {
  const exports = instance(run([0x03, 0x40, 0x0c, 0x00, 0x0b]));
  exports[REFUEL_EXPORT](1_000_000_000);
  const start = performance.now();
  expect(() => exports.run()).toThrow(/unreachable/i);
  expect(performance.now() - start).toBeLessThan(8000);
}, 120_000);

test("refuelling answers what was left, also to a guest that is called by the host it called", () => {
  let seen = -1;
  const exports: Exports = instance(
    {
      importedFunctions: 1,
      imports: [[...name("env"), ...name("own"), 0, 0]],
      functions: [{ name: "run", type: type([], []), body: body([0x10, 0]) }],
    },
    {
      env: {
        own: () => {
          seen = exports[REFUEL_EXPORT](500);
        },
      },
    },
  );
  exports[REFUEL_EXPORT](1000);
  exports.run();
  expect(seen).toBe(800);
  expect(exports[REFUEL_EXPORT](7)).toBe(500);
  expect(exports[REFUEL_EXPORT](0)).toBe(7);
});

test("a callback begins with its budget whatever was left, but not when the guest calls it itself", () => {
  // Calls itself as often as it is told.
  const again = [0x20, 0, 0x04, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x10, 2, 0x0b];
  const exports = instance({
    functions: [{ name: "proxy_on_tick", type: type([I32], []), body: body(again) }],
  });
  const left = (callback: string, times: number) => {
    exports[callback](times);
    return exports[REFUEL_EXPORT](1);
  };
  exports[BUDGET_EXPORT](1000);
  exports[REFUEL_EXPORT](1);
  const rest = left("proxy_on_tick", 10);
  expect(rest).toBeLessThan(1000);
  expect(left("proxy_on_tick", 10)).toBe(rest);
  expect(() => left("proxy_on_tick", 1000)).toThrow(WebAssembly.RuntimeError);
  expect(exports[BUDGET_EXPORT](2000)).toBe(1000);
  expect(left("proxy_on_tick", 10)).toBe(rest + 1000);
});

test("a guest that is called on and on without fuel never gets any", () => {
  const exports = instance({
    ...run([0x41, 0, 0xd0, 0x70, 0x41, ...sleb(-1), 0xfc, 17, 0]),
    tables: [[0x70, 0, 10]],
  });
  exports[REFUEL_EXPORT](0);
  for (let i = 0; i < 10; i++) expect(() => exports.run()).toThrow(WebAssembly.RuntimeError);
  expect(exports[REFUEL_EXPORT](0)).toBe(-1);
});

test("a module of 200 KiB is prepared at once, and four times as much takes four times as long", () => {
  const code = Array.from({ length: 60 }, (_, i) => [
    ...[0x02, 0x40, 0x03, 0x40, 0x20, 0, 0x41, ...sleb(i), 0x6a, 0x22, 0, 0x0d, 1, 0x0c, 0, 0x0b, 0x0b],
    ...[0x20, 0, 0x04, 0x40, 0x20, 0, 0x10, 1, 0x1a, 0x05, 0x01, 0x0b],
  ]).flat();
  const each = { type: type([I32], []), body: body(code) };
  const sized = (count: number) =>
    guest({ functions: Array(count).fill(each), memories: [[1, ...leb(1), ...leb(2)]] });
  const options = { providedImports: new Set<string>(), maxPages: 16, fuel: true };
  const best = (bytes: Uint8Array) => {
    let ms = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 10; i++) {
      const started = performance.now();
      prepareModule(bytes, options);
      ms = Math.min(ms, performance.now() - started);
    }
    return ms;
  };
  const [one, four] = [sized(110), sized(440)];
  expect(one.length).toBeGreaterThan(190_000);
  const [short, long] = [best(one), best(four)];
  // 10 ms, on a machine that has nothing else to do.
  expect(short).toBeLessThan(200);
  expect(long).toBeLessThan(short * 12);
});
