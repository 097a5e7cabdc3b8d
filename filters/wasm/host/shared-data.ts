/** Data and queues that VMs of one id share, across workers (proxy-wasm.md 1.2). The store answers in the ABI's own numbers. */
import { InternalFailure, InvalidMemoryAccess, NotFound, Ok } from "../abi.ts";
import type { WasmVm } from "../vm.ts";
import type { HostFunctions } from "./host-functions.ts";

export function sharedDataFunctions(vm: WasmVm): HostFunctions {
  const { memory } = vm;
  return {
    proxy_get_shared_data(key: number, keySize: number, valueAt: number, sizeAt: number, casAt: number) {
      if (memory.closed) return InternalFailure;
      const from = key >>> 0;
      if (!memory.has(from, keySize >>> 0) || !memory.has(casAt >>> 0, 4)) return InvalidMemoryAccess;
      const { store } = vm.host.shared;
      const outcome = store.get(vm.host.namespace, memory.view(), from, keySize >>> 0);
      if (outcome !== Ok) return outcome;
      const { cas } = store;
      const at = memory.give(store.length, valueAt >>> 0, sizeAt >>> 0);
      if (at < 0) return InvalidMemoryAccess;
      if (store.length > 0) store.copyInto(memory.view(), at);
      memory.putU32(casAt >>> 0, cas);
      return Ok;
    },

    proxy_set_shared_data(key: number, keySize: number, value: number, valueSize: number, cas: number) {
      if (memory.closed) return InternalFailure;
      const from = key >>> 0;
      const at = value >>> 0;
      if (!memory.has(from, keySize >>> 0) || !memory.has(at, valueSize >>> 0)) return InvalidMemoryAccess;
      const { store } = vm.host.shared;
      return store.set(vm.host.namespace, memory.view(), from, keySize >>> 0, at, valueSize >>> 0, cas >>> 0);
    },

    proxy_register_shared_queue(name: number, nameSize: number, idAt: number) {
      if (memory.closed) return InternalFailure;
      if (!memory.has(name >>> 0, nameSize >>> 0) || !memory.has(idAt >>> 0, 4)) return InvalidMemoryAccess;
      const { context } = vm;
      if (context === null) return InternalFailure;
      const { store, bell } = vm.host.shared;
      const id = store.queues.register(vm.host.namespace, memory.view(), name >>> 0, nameSize >>> 0);
      if (id === 0) return InternalFailure;
      bell.listen(id, context.root.onQueueReady);
      memory.putU32(idAt >>> 0, id);
      return Ok;
    },

    proxy_resolve_shared_queue(vmId: number, vmIdSize: number, name: number, nameSize: number, idAt: number) {
      if (memory.closed) return InternalFailure;
      if (
        !memory.has(vmId >>> 0, vmIdSize >>> 0) ||
        !memory.has(name >>> 0, nameSize >>> 0) ||
        !memory.has(idAt >>> 0, 4)
      ) {
        return InvalidMemoryAccess;
      }
      const { queues } = vm.host.shared.store;
      const bytes = memory.view();
      const id =
        vmIdSize === 0
          ? queues.resolveOwn(vm.host.namespace, bytes, name >>> 0, nameSize >>> 0)
          : queues.resolve(bytes, vmId >>> 0, vmIdSize >>> 0, name >>> 0, nameSize >>> 0);
      if (id === 0) return NotFound;
      memory.putU32(idAt >>> 0, id);
      return Ok;
    },

    proxy_enqueue_shared_queue(queue: number, value: number, valueSize: number) {
      if (memory.closed) return InternalFailure;
      if (!memory.has(value >>> 0, valueSize >>> 0)) return InvalidMemoryAccess;
      const { queues } = vm.host.shared.store;
      return queues.enqueue(queue >>> 0, memory.view(), value >>> 0, valueSize >>> 0);
    },

    proxy_dequeue_shared_queue(queue: number, valueAt: number, sizeAt: number) {
      if (memory.closed) return InternalFailure;
      if (!memory.has(valueAt >>> 0, 4) || !memory.has(sizeAt >>> 0, 4)) return InvalidMemoryAccess;
      const { queues } = vm.host.shared.store;
      const outcome = queues.dequeue(queue >>> 0);
      if (outcome !== Ok) return outcome;
      const size = queues.length;
      const at = memory.give(size, valueAt >>> 0, sizeAt >>> 0);
      if (at < 0) return InvalidMemoryAccess;
      if (size > 0) queues.copyInto(memory.view(), at);
      return Ok;
    },
  };
}
