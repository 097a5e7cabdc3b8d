/**
 * The immediates of every instruction (core spec 5.4): WebAssembly 3.0 without garbage collection and 64-bit
 * memories, plus threads and the older form of exception handling. What an instruction means is not known here.
 *
 * Law: an opcode that is not in the tables is refused, never guessed, because where it ends is unknown.
 */
import type { BinaryReader } from "./binary-reader.ts";
import { isShortValueType, readValueType } from "./value-type.ts";

/** What follows an opcode. */
export const NONE = 0;
/** An index or a number below 2^32. */
export const INDEX = 1;
export const TWO_INDICES = 2;
export const S32 = 3;
export const S64 = 4;
export const BYTES_4 = 5;
export const BYTES_8 = 6;
export const BYTES_16 = 7;
/** Alignment and offset. */
export const MEMORY = 8;
/** Alignment, offset and a lane. */
export const MEMORY_LANE = 9;
export const LANE = 10;
export const HEAP_TYPE = 11;
export const BLOCK_TYPE = 12;
export const VALUE_TYPES = 13;
/** Of no fixed form (br_table, try_table), or the opcode goes on in a number behind its first byte. */
export const SPECIAL = 14;
export const UNKNOWN = 255;

function table(size: number, ranges: readonly (readonly [first: number, last: number, what: number])[]) {
  const kinds = new Uint8Array(size).fill(UNKNOWN);
  for (const [first, last, what] of ranges) kinds.fill(what, first, last + 1);
  return kinds;
}

/** Opcodes of one byte. */
export const IMMEDIATES = table(256, [
  [0x00, 0x01, NONE], // unreachable, nop
  [0x02, 0x04, BLOCK_TYPE], // block, loop, if
  [0x05, 0x05, NONE], // else
  [0x06, 0x06, BLOCK_TYPE], // try (older)
  [0x07, 0x09, INDEX], // catch (older), throw, rethrow (older)
  [0x0a, 0x0b, NONE], // throw_ref, end
  [0x0c, 0x0d, INDEX], // br, br_if
  [0x0e, 0x0e, SPECIAL], // br_table
  [0x0f, 0x0f, NONE], // return
  [0x10, 0x10, INDEX], // call
  [0x11, 0x11, TWO_INDICES], // call_indirect
  [0x12, 0x12, INDEX], // return_call
  [0x13, 0x13, TWO_INDICES], // return_call_indirect
  [0x14, 0x15, INDEX], // call_ref, return_call_ref
  [0x18, 0x18, INDEX], // delegate (older)
  [0x19, 0x1b, NONE], // catch_all (older), drop, select
  [0x1c, 0x1c, VALUE_TYPES], // select
  [0x1f, 0x1f, SPECIAL], // try_table
  [0x20, 0x26, INDEX], // local, global and table get and set
  [0x28, 0x3e, MEMORY],
  [0x3f, 0x40, INDEX], // memory.size, memory.grow
  [0x41, 0x41, S32],
  [0x42, 0x42, S64],
  [0x43, 0x43, BYTES_4],
  [0x44, 0x44, BYTES_8],
  [0x45, 0xc4, NONE], // numbers, with sign extension
  [0xd0, 0xd0, HEAP_TYPE], // ref.null
  [0xd1, 0xd1, NONE], // ref.is_null
  [0xd2, 0xd2, INDEX], // ref.func
  [0xd3, 0xd4, NONE], // ref.eq, ref.as_non_null
  [0xd5, 0xd6, INDEX], // br_on_null, br_on_non_null
  [0xfc, 0xfe, SPECIAL],
]);

/** Behind 0xFC: saturating conversions, bulk memory and tables, wide arithmetic. */
export const BULK_IMMEDIATES = table(23, [
  [0, 7, NONE],
  [8, 8, TWO_INDICES], // memory.init
  [9, 9, INDEX], // data.drop
  [10, 10, TWO_INDICES], // memory.copy
  [11, 11, INDEX], // memory.fill
  [12, 12, TWO_INDICES], // table.init
  [13, 13, INDEX], // elem.drop
  [14, 14, TWO_INDICES], // table.copy
  [15, 17, INDEX], // table.grow, table.size, table.fill
  [19, 22, NONE], // 128-bit sums and products
]);

/** Behind 0xFD: vectors, with the relaxed ones. */
export const VECTOR_IMMEDIATES = table(0x114, [
  [0x00, 0x0b, MEMORY],
  [0x0c, 0x0d, BYTES_16], // v128.const, i8x16.shuffle
  [0x0e, 0x14, NONE],
  [0x15, 0x22, LANE],
  [0x23, 0x53, NONE],
  [0x54, 0x5b, MEMORY_LANE],
  [0x5c, 0x5d, MEMORY],
  [0x5e, 0x113, NONE],
]);

/** Behind 0xFE: threads. */
export const ATOMIC_IMMEDIATES = table(0x4f, [
  [0x00, 0x02, MEMORY], // notify, wait
  [0x03, 0x03, INDEX], // fence
  [0x10, 0x4e, MEMORY],
]);

function skipMemoryArgument(r: BinaryReader): void {
  const alignment = r.u32();
  // Bit 6 announces the index of a memory.
  if ((alignment & 0x40) !== 0) r.u32();
  r.u32();
}

/** Steps over a block's type. `types`: how many types the module has. */
export function skipBlockType(r: BinaryReader, types: number): void {
  const byte = r.bytes[r.at];
  if (byte === 0x63 || byte === 0x64) readValueType(r);
  else if (byte === 0x40 || isShortValueType(byte)) r.skip(1);
  else if (byte < 0x80 && (byte & 0x40) !== 0) r.fail("an unknown block type");
  // Otherwise a type index, which is a signed number: 33 bits, not negative.
  else if (r.u32() >= types || (r.bytes[r.at - 1] & 0x40) !== 0) r.fail("no such type");
}

/** Steps over immediates of a fixed form; answers the first index of those that begin with one, else 0. */
export function skipImmediates(r: BinaryReader, what: number, types: number): number {
  switch (what) {
    case NONE:
      return 0;
    case INDEX:
      return r.u32();
    case TWO_INDICES: {
      const first = r.u32();
      r.u32();
      return first;
    }
    case S32:
      r.skipLeb(5);
      return 0;
    case S64:
      r.skipLeb(10);
      return 0;
    case BYTES_4:
      r.skip(4);
      return 0;
    case BYTES_8:
      r.skip(8);
      return 0;
    case BYTES_16:
      r.skip(16);
      return 0;
    case MEMORY:
      skipMemoryArgument(r);
      return 0;
    case MEMORY_LANE:
      skipMemoryArgument(r);
      r.skip(1);
      return 0;
    case LANE:
      r.skip(1);
      return 0;
    case HEAP_TYPE:
      r.skipLeb(5);
      return 0;
    case BLOCK_TYPE:
      skipBlockType(r, types);
      return 0;
    case VALUE_TYPES: {
      const count = r.count(1);
      for (let i = 0; i < count; i++) readValueType(r);
      return 0;
    }
    default:
      r.refuse("an unknown instruction");
      return 0;
  }
}
