/**
 * Fuel on the real runtimes: what does not end by itself is stopped in time, what ends computes the same as
 * without fuel, and whatever was done has been paid for. `fuel-story.ts` tells how on each of them.
 */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { REFUEL_EXPORT } from "../../../../filters/wasm/module/fuel-sections.ts";
import { prepareModule } from "../../../../filters/wasm/module/prepare-module.ts";
import { installedRuntimes } from "../../../support/runtimes.ts";
import { body, type GuestParts, guest, I32, leb, name, sleb, type } from "../../../support/wasm-bytes.ts";

describe("guests without end, and random ones", () => {
  for (const { name: runtime, command } of installedRuntimes) {
    test(runtime, async () => {
      const child = Bun.spawn([...command, join(import.meta.dir, "fuel-story.ts"), "200"], {
        stdout: "pipe",
        stderr: "pipe",
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
        // A fiftieth of a second of fuel; machines are slow and shared.
        expect([title, ms < 2000]).toEqual([title, true]);
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

/** A unit is about an instruction; a function with a loop pays 256 ahead, which its turns may use. */
describe("what it costs", () => {
  const nops = (count: number): number[] => Array(count).fill(0x01);
  const when = (yes: number[], no: number[]) => [0x20, 0, 0x04, 0x40, ...yes, 0x05, ...no, 0x0b];
  const count = (turn: number[]) => [0x03, 0x40, ...turn, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b];

  test.each([
    ["a small function is free: its callers have paid", price(run(nops(20))), 0],
    ["a larger one costs what it is long", price(run(nops(100))), 100],
    ["of two ways the longer", price(run(when(nops(300), nops(100)), [I32]), 0), 302],
    [
      "and a way that leads out of the function counts",
      price(run(when([...nops(300), 0x0f], nops(9)), [I32]), 0),
      303,
    ],
    ["what is never reached is free", price(run([...nops(50), 0x0f, ...nops(500)])), 51],
    [
      "a call",
      price({
        ...run([]),
        functions: [
          { name: "run", type: type([], []), body: body([0x10, 3, 0x10, 3]) },
          { type: type([], []), body: body([]) },
        ],
      }),
      64,
    ],
    [
      "a call of the host",
      price({ importedFunctions: 1, imports: [[...name("env"), ...name("own"), 0, 0]], ...run([0x10, 0]) }),
      200,
    ],
    ["a loop of one turn", price(run(count([]), [I32]), 1), 257],
    [
      "a loop of a thousand turns of 6, settled when more than 256 are due",
      price(run(count([]), [I32]), 1000),
      257 + 23 * 258,
    ],
    [
      "memory.fill of 8000 bytes",
      price(run([0x41, 0, 0x41, 0, 0x41, ...sleb(8000), 0xfc, 11, 0])),
      35 + 1000,
    ],
    [
      "table.fill of 10 elements",
      price({
        ...run([0x41, 0, 0xd0, 0x70, 0x41, 10, 0xfc, 17, 0]),
        tables: [[0x70, 0, 10]],
      }),
      35 + 160,
    ],
  ])("%s", (_, paid, expected) => {
    expect(paid).toBe(expected);
  });
});

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

test("a module of 200 KiB is prepared at once, and twice as much takes twice as long", () => {
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
    for (let i = 0; i < 5; i++) {
      const started = performance.now();
      prepareModule(bytes, options);
      ms = Math.min(ms, performance.now() - started);
    }
    return ms;
  };
  const [one, four] = [sized(110), sized(440)];
  expect(one.length).toBeGreaterThan(190_000);
  const [short, long] = [best(one), best(four)];
  expect(short).toBeLessThan(60);
  expect(long).toBeLessThan(short * 12);
});
