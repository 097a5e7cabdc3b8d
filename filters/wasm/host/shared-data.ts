/** Data and queues that VMs of one id share, across workers (proxy-wasm.md 1.2). */
import { BadArgument, InternalFailure, InvalidMemoryAccess, NotFound, Ok } from "../abi.ts";
import type { WasmVm } from "../vm.ts";
import type { HostFunctions } from "./host-functions.ts";

export function sharedDataFunctions(vm: WasmVm): HostFunctions {
  const { memory } = vm;
  return {
    proxy_get_shared_data(key: number, keySize: number, valueAt: number, sizeAt: number, casAt: number) {
      if (memory.closed) return InternalFailure;
      const from = key >>> 0;
      const to = from + (keySize >>> 0);
      if (!memory.has(from, keySize >>> 0) || !memory.has(casAt >>> 0, 4)) return InvalidMemoryAccess;
      const { shared, config } = vm.host;
      const size = shared.find(config.vm.id, memory.view(), from, to);
      if (size < 0) return NotFound;
      const { cas } = shared;
      const at = memory.give(size, valueAt >>> 0, sizeAt >>> 0);
      if (at < 0) return InvalidMemoryAccess;
      shared.copyValue(memory.view(), at);
      memory.putU32(casAt >>> 0, cas);
      return Ok;
    },

    proxy_set_shared_data(key: number, keySize: number, value: number, valueSize: number, cas: number) {
      if (memory.closed) return InternalFailure;
      const from = key >>> 0;
      const at = value >>> 0;
      if (!memory.has(from, keySize >>> 0) || !memory.has(at, valueSize >>> 0)) return InvalidMemoryAccess;
      const { shared, config } = vm.host;
      return shared.set(
        config.vm.id,
        memory.view(),
        from,
        from + (keySize >>> 0),
        at,
        at + (valueSize >>> 0),
        cas >>> 0,
      );
    },

    proxy_register_shared_queue: () => BadArgument,
    proxy_resolve_shared_queue: () => NotFound,
    proxy_enqueue_shared_queue: () => NotFound,
    proxy_dequeue_shared_queue: () => NotFound,
  };
}
