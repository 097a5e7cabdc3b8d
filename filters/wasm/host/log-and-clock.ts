/** The operator's log and the time (proxy-wasm.md 1.2). */
import { BadArgument, InternalFailure, InvalidMemoryAccess, LOG_LEVELS, Ok } from "../abi.ts";
import type { WasmVm } from "../vm.ts";
import type { HostFunctions } from "./host-functions.ts";

/** Longer messages are cut, bytes. */
const MAX_MESSAGE = 16 * 1024;

export function logAndClockFunctions(vm: WasmVm): HostFunctions {
  const { memory } = vm;
  return {
    proxy_log(level: number, from: number, size: number) {
      if (level >>> 0 >= LOG_LEVELS.length) return BadArgument;
      if (!memory.has(from >>> 0, size >>> 0)) return InvalidMemoryAccess;
      const name = LOG_LEVELS[level];
      // What nobody wants to read is not made.
      if (vm.host.context.logs(name, "wasm"))
        vm.log(name, memory.text(from >>> 0, Math.min(size >>> 0, MAX_MESSAGE)));
      return Ok;
    },

    proxy_get_log_level(levelAt: number) {
      if (!memory.has(levelAt >>> 0, 4)) return InvalidMemoryAccess;
      const least = LOG_LEVELS.findIndex((level) => vm.host.context.logs(level, "wasm"));
      memory.putU32(levelAt >>> 0, least < 0 ? LOG_LEVELS.length - 1 : least);
      return Ok;
    },

    /** Stands still during a call. */
    proxy_get_current_time_nanoseconds(timeAt: number) {
      if (!memory.has(timeAt >>> 0, 8)) return InvalidMemoryAccess;
      memory.put64(timeAt >>> 0, Math.floor(vm.host.context.clock.wall * 1e6));
      return Ok;
    },

    proxy_set_tick_period_milliseconds(period: number) {
      if (memory.closed) return InternalFailure;
      vm.context?.root.setTickPeriod(period >>> 0);
      return Ok;
    },
  };
}
