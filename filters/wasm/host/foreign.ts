/** Functions beside the ABI that Envoy offers by name (proxy-wasm.md 1.8). */
import { InternalFailure, InvalidMemoryAccess, NotFound, Ok } from "../abi.ts";
import type { WasmVm } from "../vm.ts";
import type { HostFunctions } from "./host-functions.ts";

const MAX_NAME = 256;

export function foreignFunctions(vm: WasmVm): HostFunctions {
  const { memory } = vm;
  return {
    proxy_call_foreign_function(
      name: number,
      nameSize: number,
      args: number,
      argsSize: number,
      valueAt: number,
      sizeAt: number,
    ) {
      if (memory.closed) return InternalFailure;
      if (!memory.has(name >>> 0, nameSize >>> 0) || !memory.has(args >>> 0, argsSize >>> 0))
        return InvalidMemoryAccess;
      if (nameSize >>> 0 > MAX_NAME) return NotFound;
      const called = memory.text(name >>> 0, nameSize >>> 0);
      if (called !== "clear_route_cache") return NotFound;
      vm.context?.clearRouteCache();
      if (valueAt === 0 || sizeAt === 0) return Ok;
      return memory.give(0, valueAt >>> 0, sizeAt >>> 0) < 0 ? InvalidMemoryAccess : Ok;
    },
  };
}
