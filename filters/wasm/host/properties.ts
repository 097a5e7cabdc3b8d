/** Properties: what a guest may ask about its stream by path, and what filters leave for each other (1.2, 1.8). */
import { filterState, MAX_STATE_BYTES, setFilterState } from "../../../core/http/filter-state.ts";
import {
  BadArgument,
  InternalFailure,
  InvalidMemoryAccess,
  NotFound,
  Ok,
  SerializationFailure,
} from "../abi.ts";
import { findProperty, isReserved, type PropertyValue } from "../property-tree.ts";
import type { WasmVm } from "../vm.ts";
import type { HostFunctions } from "./host-functions.ts";

/** Envoy's name for what a guest leaves at a path. */
const STATE = "wasm.";

export function propertyFunctions(vm: WasmVm): HostFunctions {
  const { memory, paths } = vm;

  /** The path without the NUL that may be at its end. */
  function pathAt(from: number, size: number): string {
    const bytes = memory.view();
    const end = size > 0 && bytes[from + size - 1] === 0 ? from + size - 1 : from + size;
    return paths.get(memory, from, end);
  }

  function find(path: string): PropertyValue {
    const { context } = vm;
    const value = findProperty(vm, context, path);
    if (value !== null || context === null) return value;
    const { info } = context;
    const left = info === null || isReserved(path) ? null : filterState(info, STATE + path);
    if (left !== null || !path.includes(".") || path.includes("\0")) return left;
    // One segment with dots is how some SDKs write a path.
    return findProperty(vm, context, path.replaceAll(".", "\0"));
  }

  function give(value: number | boolean, valueAt: number, sizeAt: number): number {
    const at = memory.give(typeof value === "boolean" ? 1 : 8, valueAt, sizeAt);
    if (at < 0) return InvalidMemoryAccess;
    if (typeof value === "boolean") memory.view()[at] = value ? 1 : 0;
    else memory.put64(at, value);
    return Ok;
  }

  return {
    proxy_get_property(path: number, pathSize: number, valueAt: number, sizeAt: number) {
      if (memory.closed) return InternalFailure;
      const size = pathSize >>> 0;
      if (!memory.has(path >>> 0, size)) return InvalidMemoryAccess;
      if (size > MAX_STATE_BYTES) return NotFound;
      const value = find(pathAt(path >>> 0, size));
      if (value === null) return NotFound;
      if (value === undefined) return SerializationFailure;
      if (typeof value !== "string") return give(value, valueAt >>> 0, sizeAt >>> 0);
      return memory.giveText(value, valueAt >>> 0, sizeAt >>> 0) ? Ok : InvalidMemoryAccess;
    },

    proxy_set_property(path: number, pathSize: number, value: number, valueSize: number) {
      if (memory.closed) return InternalFailure;
      const [nameSize, textSize] = [pathSize >>> 0, valueSize >>> 0];
      if (!memory.has(path >>> 0, nameSize) || !memory.has(value >>> 0, textSize)) return InvalidMemoryAccess;
      const info = vm.context === null ? null : vm.context.info;
      if (info === null) return NotFound;
      if (nameSize + textSize > MAX_STATE_BYTES) return BadArgument;
      const name = pathAt(path >>> 0, nameSize);
      return setFilterState(info, STATE + name, memory.text(value >>> 0, textSize)) ? Ok : BadArgument;
    },
  };
}
