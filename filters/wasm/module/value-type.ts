/** Value types, limits and constant expressions of the binary format (core spec 5.3 and 5.4.9). */
import type { BinaryReader } from "./binary-reader.ts";

const NUMBERS: { readonly [byte: number]: string } = {
  127: "i32",
  126: "i64",
  125: "f32",
  124: "f64",
  123: "v128",
  112: "funcref",
  111: "externref",
  105: "exnref",
};

/** One-byte value types: numbers, vectors and the short forms of references. */
export function isShortValueType(byte: number): boolean {
  return (byte >= 0x7b && byte <= 0x7f) || (byte >= 0x68 && byte <= 0x74);
}

/** Reads a value type and answers its name; references that have no name of their own are "ref". */
export function readValueType(r: BinaryReader): string {
  const byte = r.byte();
  if (isShortValueType(byte)) return NUMBERS[byte] ?? "ref";
  if (byte === 0x63 || byte === 0x64) r.skipLeb(5);
  else r.fail("an unknown value type");
  return "ref";
}

/** Bounds of a memory (pages of 64 KiB) or a table (elements). */
export interface Limits {
  readonly min: number;
  /** -1 if it names none. */
  readonly max: number;
  readonly shared: boolean;
}

/** Reads limits; refuses 64-bit addresses and custom page sizes. */
export function readLimits(r: BinaryReader, of: "memory" | "table"): Limits {
  const flags = r.byte();
  if (flags > 7) r.refuse(`a ${of} with a page size of its own`);
  else if (flags > 3) r.refuse(`a ${of} of 64-bit addresses`);
  const min = r.u32();
  const max = (flags & 1) === 1 ? r.u32() : -1;
  return { min, max, shared: (flags & 2) === 2 };
}

/**
 * Steps over a constant expression with its `end`. Indices are checked, because those just past the end will
 * belong to what is added to the module.
 */
export function skipConstant(r: BinaryReader, functions: number, globals: number): void {
  while (r.fault === "") {
    const opcode = r.byte();
    switch (opcode) {
      case 0x0b: // end
        return;
      case 0x41: // i32.const
        r.skipLeb(5);
        break;
      case 0x42: // i64.const
        r.skipLeb(10);
        break;
      case 0x43: // f32.const
        r.skip(4);
        break;
      case 0x44: // f64.const
        r.skip(8);
        break;
      case 0xfd: // v128.const
        if (r.u32() !== 12) r.fail("not a constant");
        r.skip(16);
        break;
      case 0x23: // global.get
        if (r.u32() >= globals) r.fail("no such global");
        break;
      case 0xd2: // ref.func
        if (r.u32() >= functions) r.fail("no such function");
        break;
      case 0xd0: // ref.null
        r.skipLeb(5);
        break;
      // Extended constants: add, sub, mul.
      case 0x6a:
      case 0x6b:
      case 0x6c:
      case 0x7c:
      case 0x7d:
      case 0x7e:
        break;
      case 0xfb:
        r.refuse("a garbage-collected object");
        break;
      default:
        r.fail("not a constant");
    }
  }
}
