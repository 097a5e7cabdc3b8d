/**
 * Memory and tables with a maximum of ours: the JavaScript API cannot limit what a module defines by itself, and
 * neither ever shrinks.
 */
import type { BinaryWriter } from "./binary-writer.ts";
import { type ModuleLayout, SECTION, type Section } from "./module-layout.ts";
import { type Limits, readLimits, readValueType, skipConstant } from "./value-type.ts";

function writeLimits(out: BinaryWriter, { min, max, shared }: Limits, cap: number): void {
  out.byte(shared ? 3 : 1);
  out.u32(min);
  out.u32(max < 0 ? cap : Math.min(max, cap));
}

/** Writes the memory section; `maxPages` is not below the minimum. */
export function writeLimitedMemory(module: ModuleLayout, out: BinaryWriter, maxPages: number): void {
  out.byte(SECTION.memory);
  const block = out.beginBlock();
  out.u32(module.memories.length);
  for (const memory of module.memories) writeLimits(out, memory, maxPages);
  out.endBlock(block);
}

/** Writes the table section; no table's minimum is above `maxElements`. */
export function writeLimitedTables(
  module: ModuleLayout,
  out: BinaryWriter,
  section: Section,
  maxElements: number,
): void {
  const r = module.reader;
  r.at = section.payload;
  r.end = section.end;
  out.byte(SECTION.table);
  const block = out.beginBlock();
  out.u32(r.u32());
  for (const table of module.tables) {
    const start = r.at;
    const hasInitial = r.bytes[r.at] === 0x40;
    if (hasInitial) r.skip(2);
    readValueType(r);
    out.copy(r.bytes, start, r.at);
    readLimits(r, "table");
    writeLimits(out, table, maxElements);
    const initial = r.at;
    if (hasInitial) skipConstant(r, module.functions, module.globals);
    out.copy(r.bytes, initial, r.at);
  }
  out.endBlock(block);
}
