/** Judging a module: what is told about a good one, and every reason to refuse one, each in its own words. */
import { describe, expect, test } from "bun:test";
import type { ModuleFaultCode } from "../../../../filters/wasm/module/module-fault.ts";
import {
  type PreparedModule,
  type PrepareOptions,
  prepareModule,
} from "../../../../filters/wasm/module/prepare-module.ts";
import {
  ascii,
  body,
  F64,
  guest,
  I32,
  I64,
  leb,
  NOTHING_TYPE,
  name,
  section,
  type,
  vector,
} from "../../../support/wasm-bytes.ts";

const OPTIONS: PrepareOptions = {
  providedImports: new Set(["env.proxy_done", "env.proxy_log", "env.own"]),
  maxPages: 100,
  fuel: true,
};

function imported(from: string, what: string, kind: number, ...rest: number[]): number[] {
  return [...name(from), ...name(what), kind, ...rest];
}

function exported(what: string, from: readonly number[], to: readonly number[]) {
  return {
    name: what,
    type: type(from, to),
    body: body(
      to.flatMap((each) =>
        each === I32 ? [0x41, 0] : each === I64 ? [0x42, 0] : [0x44, ...Array(8).fill(0)],
      ),
    ),
  };
}

function prepared(bytes: Uint8Array, options: Partial<PrepareOptions> = {}): PreparedModule {
  const result = prepareModule(bytes, { ...OPTIONS, ...options });
  if ("faults" in result) throw new Error(result.faults.map(({ message }) => message).join("; "));
  return result;
}

test("a good module: what it is, in plain data", () => {
  const bytes = guest({
    marker: "proxy_abi_version_0_1_0",
    importedFunctions: 1,
    imports: [imported("env", "own", 0, NOTHING_TYPE)],
    memories: [[1, 2, ...leb(300)]],
    functions: [exported("proxy_on_request_headers", [I32, I32], [I32]), exported("extra", [F64, I64], [])],
    start: 1,
    custom: [
      ["producers", [0]],
      ["name", []],
    ],
  });
  const { inspection, fuel } = prepared(bytes);
  expect(fuel).toBe(true);
  expect(inspection).toEqual({
    abiVersion: "0.1.0",
    imports: [{ module: "env", name: "own", kind: "function", signature: "->" }],
    exports: [
      { name: "memory", kind: "memory", signature: "" },
      { name: "proxy_abi_version_0_1_0", kind: "function", signature: "->" },
      { name: "malloc", kind: "function", signature: "i32 -> i32" },
      { name: "proxy_on_request_headers", kind: "function", signature: "i32 i32 -> i32" },
      { name: "extra", kind: "function", signature: "f64 i64 ->" },
    ],
    memory: { minPages: 2, maxPages: 300 },
    hasStart: true,
    allocator: "malloc",
    customSections: ["producers", "name"],
  });
  expect(structuredClone(inspection)).toEqual(inspection);
});

test.each(["0_1_0", "0_2_0", "0_2_1"])(
  "callbacks for headers may know the end of the stream or not (%s)",
  (v) => {
    for (const parameters of [
      [I32, I32],
      [I32, I32, I32],
    ]) {
      const functions = [exported("proxy_on_request_headers", parameters, [I32])];
      prepared(guest({ marker: `proxy_abi_version_${v}`, functions }));
    }
  },
);

const TOO_BIG_A_TABLE = [0x70, 0, ...leb(200_000)];

// biome-ignore format: one table
const REFUSED: readonly (readonly [what: string, bytes: Uint8Array, code: ModuleFaultCode, message: string | RegExp])[] = [
  ["nothing", new Uint8Array(), "not-wasm", "empty"],
  ["text", Uint8Array.from(ascii("#!/bin/sh\n")), "not-wasm", "not WebAssembly: it does not begin with \\0asm"],
  ["three bytes", Uint8Array.from(ascii("\0as")), "not-wasm", /does not begin/],
  ["no version", Uint8Array.from(ascii("\0asm\x01")), "not-wasm", /cut off in its version/],
  ["version 2", Uint8Array.from(ascii("\0asm\x02\0\0\0")), "not-wasm", "WebAssembly of an unknown version"],
  ["a component", Uint8Array.from(ascii("\0asm\x0d\0\x01\0")), "component", "a WebAssembly component, not a core module"],
  ["a cut section", guest().slice(0, -3), "malformed", /^not valid WebAssembly: a section is cut off \(at byte \d+\)$/],
  ["an unknown section", Uint8Array.from([...guest(), ...section(77, [])]), "unsupported", /a section of the unknown kind 77/],
  ...["\xff", "a\x80", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"].map((bad) =>
    ["a name that is not UTF-8", guest({ functions: [exported(bad, [], [])] }), "malformed", /a name is not UTF-8/] as const),
  ["sections in disorder", Uint8Array.from([...guest(), ...section(5, [0])]), "malformed", /a section is out of order/],
  ["no marker", guest({ marker: "" }), "abi-version", "Missing or unknown Proxy-Wasm ABI version"],
  ["a later marker", guest({ marker: "proxy_abi_version_0_3_0" }), "abi-version", /^Missing or unknown/],
  ["a marker that is no function", guest({ marker: "", exports: [[...name("proxy_abi_version_0_2_1"), 2, 0]] }), "abi-version", /^Missing/],
  ["missing imports, all of them", guest({
    importedFunctions: 3,
    imports: [imported("env", "redis", 0, 0), imported("env", "own", 0, 0), imported("mongo", "d\xc3\xbcb\n", 0, 0)],
  }), "missing-import", "imports what the host does not have: env.redis, mongo.d\\xc3\\xbcb\\x0a"],
  ["an imported memory", guest({ memories: [], imports: [imported("env", "memory", 2, 0, 1)] }),
    "import-kind", "imports what is not a function: env.memory (a memory)"],
  ["an imported table", guest({ imports: [imported("env", "t", 1, 0x70, 0, 1)] }), "import-kind", /env.t \(a table\)/],
  ["an imported global", guest({ imports: [imported("env", "g", 3, I32, 0)] }), "import-kind", /env.g \(a global\)/],
  ["an imported tag", guest({ imports: [imported("env", "e", 4, 0, 0)] }), "import-kind", /env.e \(a tag\)/],
  ["an import of another type", guest({ importedFunctions: 1, imports: [imported("env", "proxy_log", 0, 1)] }),
    "import-signature", "imports with another type: env.proxy_log is (i32 i32 i32 -> i32), not (i32 -> i32)"],
  ["a callback of another type", guest({ functions: [exported("proxy_on_log", [I64], [])] }),
    "callback-signature", "exports with another type: proxy_on_log is (i32 ->), not (i64 ->)"],
  ["a callback that is a memory", guest({ exports: [[...name("proxy_on_tick"), 2, 0]] }),
    "callback-signature", "exports with another type: proxy_on_tick is a memory"],
  ["an allocator of another type", guest({ allocator: ["malloc", type([I32, I32], [I32])] }),
    "callback-signature", /malloc is \(i32 -> i32\), not \(i32 i32 -> i32\)/],
  ["no allocator", guest({ allocator: ["", type([], [])] }), "allocator", "exports no allocator (proxy_on_memory_allocate or malloc)"],
  ["no memory", guest({ memories: [] }), "memory", "has no memory"],
  ["a memory by another name", guest({ memoryName: "mem" }), "memory", 'does not export its memory as "memory"'],
  ["shared memory", guest({ memories: [[3, 1, 2]] }), "memory", "its memory is shared between threads"],
  ["64-bit memory", guest({ memories: [[4, 1]] }), "unsupported", /^not supported: a memory of 64-bit addresses/],
  ["pages of another size", guest({ memories: [[8, 1, 0]] }), "unsupported", /a page size of its own/],
  ["two memories", guest({ memories: [[0, 1], [0, 1]] }), "unsupported", /more than one memory/],
  ["too much memory", guest({ memories: [[0, ...leb(101)]] }), "limit", "needs 6464 KiB of memory at its start, 6400 KiB are allowed"],
  ["too large a table", guest({ tables: [TOO_BIG_A_TABLE] }), "limit", /^needs 200000 table elements at its start, 131072/],
  ["the host's own name", guest({ functions: [exported("tulle_refuel", [], [])] }),
    "reserved-export", 'exports "tulle_refuel", a name that belongs to the host'],
  ["the host's other own name", guest({ functions: [exported("tulle_budget", [], [])] }),
    "reserved-export", 'exports "tulle_budget", a name that belongs to the host'],
  ["an object of the garbage collector", guest({ functions: [{ type: [0x5f, 0], body: body([]) }] }),
    "unsupported", /a garbage-collected type/],
  ["an unknown instruction", guest({ functions: [{ type: type([], []), body: body([0xfb, 0x1c, 0x1a]) }] }),
    "unsupported", /^not supported: function 2: the unknown instruction 0xfb \(at byte \d+\)$/],
  ["an unknown bulk instruction", guest({ functions: [{ type: type([], []), body: body([0xfc, 99]) }] }),
    "unsupported", /function 2: the unknown instruction 0xfc 99/],
];

describe("refused", () => {
  test.each(REFUSED)("%s", (_, bytes, code, message) => {
    const result = prepareModule(bytes, OPTIONS);
    if (!("faults" in result)) throw new Error("it was taken");
    expect(result.faults).toEqual([
      { code, message: typeof message === "string" ? message : expect.stringMatching(message) },
    ]);
  });

  test("too long a file, before a byte of it is read", () => {
    const result = prepareModule(new Uint8Array(101), { ...OPTIONS, maxBytes: 100 });
    expect(result).toEqual({ faults: [{ code: "too-large", message: "101 bytes long, 100 are allowed" }] });
  });

  test("everything at once is told at once", () => {
    const bytes = guest({
      marker: "",
      allocator: ["", type([], [])],
      memories: [],
      importedFunctions: 1,
      imports: [imported("env", "missing", 0, 0)],
    });
    const result = prepareModule(bytes, OPTIONS);
    const codes = "faults" in result ? result.faults.map(({ code }) => code) : [];
    expect(codes).toEqual(["abi-version", "missing-import", "memory", "allocator"]);
  });
});

describe("what is written", () => {
  test("without fuel nothing changes but the limits", () => {
    const bytes = guest({ memories: [[1, 1, 100]], custom: [["producers", [0]]] });
    const [a, b] = [prepared(bytes, { fuel: false }).bytes, bytes];
    // The section's length takes five bytes instead of one.
    expect(a.length).toBe(b.length + 4);
    expect(WebAssembly.validate(a)).toBe(true);
  });

  test("the same module gives the same bytes, and the input stays as it is", () => {
    const bytes = guest();
    const copy = bytes.slice();
    expect(prepared(bytes).bytes).toEqual(prepared(copy).bytes);
    expect(bytes).toEqual(copy);
  });

  test("only names are kept of custom sections, because others speak of places in the code", () => {
    const functionNames = [
      1,
      ...(() => {
        const map = vector([
          [1, ...name("take")],
          [2, ...name("guest::on_log")],
        ]);
        return [...leb(map.length), ...map];
      })(),
    ];
    const bytes = guest({
      custom: [
        [".debug_info", [1, 2]],
        ["name", functionNames],
      ],
      functions: [exported("a", [], [])],
    });
    const { bytes: out } = prepared(bytes);
    const module = new WebAssembly.Module(out);
    expect(WebAssembly.Module.customSections(module, "name")).toHaveLength(1);
    expect(WebAssembly.Module.customSections(module, ".debug_info")).toHaveLength(0);
    const kept = WebAssembly.Module.customSections(module, "name")[0];
    expect(new Uint8Array(kept)).toEqual(Uint8Array.from(functionNames));
  });
});

describe("limits hold in the engine", () => {
  const grow = {
    name: "grow",
    type: type([I32], [I32]),
    body: body([0x20, 0, 0x40, 0]),
  };
  const growTable = {
    name: "grow_table",
    type: type([I32], [I32]),
    body: body([0xd0, 0x70, 0x20, 0, 0xfc, 15, 0]),
  };

  test.each([
    ["no maximum of its own", [0, 1], 10],
    ["a higher one", [1, 1, ...leb(1000)], 10],
    ["a lower one", [1, 1, 4], 4],
  ])("memory.grow beyond the limit answers -1: %s", (_, memory, pages) => {
    for (const fuel of [true, false]) {
      const { bytes } = prepared(guest({ memories: [memory], functions: [grow] }), { maxPages: 10, fuel });
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {});
      const call = exports.grow as (by: number) => number;
      expect([call(pages), call(pages - 1), call(1), call(0)]).toEqual([-1, 1, -1, pages]);
    }
  });

  test("and so does table.grow", () => {
    for (const table of [
      [0x70, 0, 1],
      [0x40, 0, 0x70, 0, 1, 0xd0, 0x70, 0x0b],
    ]) {
      const bytes = guest({ tables: [table], functions: [growTable] });
      const { exports } = new WebAssembly.Instance(
        new WebAssembly.Module(prepared(bytes, { maxTableElements: 50 }).bytes),
        {},
      );
      const call = exports.grow_table as (by: number) => number;
      expect([call(50), call(49), call(1)]).toEqual([-1, 1, -1]);
    }
  });
});
