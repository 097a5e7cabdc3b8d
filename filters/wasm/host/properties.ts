/** Properties: what a guest may ask about its stream by path, and what filters leave for each other (1.2, 1.8). */
import { BadArgument, InternalFailure, InvalidMemoryAccess, NotFound, Ok } from "../abi.ts";
import { findProperty } from "../property-tree.ts";
import type { WasmVm } from "../vm.ts";
import type { HostFunctions } from "./host-functions.ts";

/** Values that filters of one stream may leave, and their bytes in all. */
const MAX_VALUES = 128;
const MAX_BYTES = 64 * 1024;

export function propertyFunctions(vm: WasmVm): HostFunctions {
  const { memory, paths } = vm;

  /** The path without the NUL that may be at its end. */
  function pathAt(from: number, size: number): string {
    const bytes = memory.view();
    const end = size > 0 && bytes[from + size - 1] === 0 ? from + size - 1 : from + size;
    return paths.get(bytes, from, end);
  }

  return {
    proxy_get_property(path: number, pathSize: number, valueAt: number, sizeAt: number) {
      if (memory.allocating) return InternalFailure;
      if (!memory.has(path >>> 0, pathSize >>> 0)) return InvalidMemoryAccess;
      const name = pathAt(path >>> 0, pathSize >>> 0);
      const { context } = vm;
      const value = context?.state?.get(name) ?? findProperty(vm, context, name);
      if (value === null) return NotFound;
      if (typeof value === "string")
        return memory.giveText(value, valueAt >>> 0, sizeAt >>> 0) ? Ok : InvalidMemoryAccess;
      if (value instanceof Uint8Array)
        return memory.giveBytes(value, 0, value.length, valueAt >>> 0, sizeAt >>> 0)
          ? Ok
          : InvalidMemoryAccess;
      if (typeof value === "boolean") {
        const at = memory.give(1, valueAt >>> 0, sizeAt >>> 0);
        if (at < 0) return InvalidMemoryAccess;
        memory.view()[at] = value ? 1 : 0;
        return Ok;
      }
      const at = memory.give(8, valueAt >>> 0, sizeAt >>> 0);
      if (at < 0) return InvalidMemoryAccess;
      memory.put64(at, value);
      return Ok;
    },

    proxy_set_property(path: number, pathSize: number, value: number, valueSize: number) {
      if (memory.allocating) return InternalFailure;
      if (!memory.has(path >>> 0, pathSize >>> 0) || !memory.has(value >>> 0, valueSize >>> 0))
        return InvalidMemoryAccess;
      const state = vm.context?.state;
      if (state === null || state === undefined) return NotFound;
      const name = pathAt(path >>> 0, pathSize >>> 0);
      const text = memory.text(value >>> 0, valueSize >>> 0);
      let bytes = name.length + text.length;
      for (const [other, held] of state) if (other !== name) bytes += other.length + held.length;
      if (bytes > MAX_BYTES || (state.size >= MAX_VALUES && !state.has(name))) return BadArgument;
      state.set(name, text);
      return Ok;
    },
  };
}
