/** Buffers: bodies, configurations, data of connections (proxy-wasm.md 1.2, 1.6). */
import { BadArgument, InternalFailure, InvalidMemoryAccess, NotFound, Ok, VmConfiguration } from "../abi.ts";
import type { WasmVm } from "../vm.ts";
import type { HostFunctions } from "./host-functions.ts";

const LAST_BUFFER = 8;
/** A guest may not make a body longer than this, as far as it is here, bytes. */
const MAX_BODY = 16 * 1024 * 1024;
/** Nor of more pieces, each of which costs the next change something. */
const MAX_PIECES = 16 * 1024;

export function bufferFunctions(vm: WasmVm): HostFunctions {
  const { memory } = vm;

  /** Gives `[start, start + max)` of a buffer, cut to what is there. */
  function read(kind: number, start: number, max: number, valueAt: number, sizeAt: number): number {
    if (memory.closed) return InternalFailure;
    if (kind >>> 0 > LAST_BUFFER || start + max > 0xffff_ffff) return BadArgument;
    const buffer = vm.context === null ? null : vm.context.buffer(kind);
    if (buffer === null) return NotFound;
    const size = Math.max(0, Math.min(max, buffer.size - start));
    const at = memory.give(size, valueAt, sizeAt);
    if (at < 0) return InvalidMemoryAccess;
    if (size > 0) buffer.copy(start, size, memory.view(), at);
    return Ok;
  }

  return {
    proxy_get_buffer_bytes(kind: number, start: number, max: number, valueAt: number, sizeAt: number) {
      return read(kind, start >>> 0, max >>> 0, valueAt >>> 0, sizeAt >>> 0);
    },

    proxy_get_buffer_status(kind: number, sizeAt: number, flagsAt: number) {
      if (memory.closed) return InternalFailure;
      if (!memory.has(sizeAt >>> 0, 4) || !memory.has(flagsAt >>> 0, 4)) return InvalidMemoryAccess;
      if (kind >>> 0 > LAST_BUFFER) return BadArgument;
      const buffer = vm.context === null ? null : vm.context.buffer(kind);
      if (buffer === null) return NotFound;
      memory.putU32(sizeAt >>> 0, buffer.size);
      memory.putU32(flagsAt >>> 0, 0);
      return Ok;
    },

    proxy_set_buffer_bytes(kind: number, start: number, length: number, from: number, size: number) {
      if (memory.closed) return InternalFailure;
      if (!memory.has(from >>> 0, size >>> 0)) return InvalidMemoryAccess;
      if (kind >>> 0 > LAST_BUFFER) return BadArgument;
      const { context } = vm;
      const body = context === null ? null : context.writableBody(kind);
      if (body === null) return context !== null && context.buffer(kind) !== null ? BadArgument : NotFound;
      const at = start >>> 0;
      // In the middle of it the specification would allow, and Envoy does not.
      if (at > 0 && at < body.size) return BadArgument;
      if ((size >>> 0) + body.size > MAX_BODY || body.pieces > MAX_PIECES) return InternalFailure;
      body.replace(at, length >>> 0, memory.copy(from >>> 0, size >>> 0));
      return Ok;
    },

    /** 0.1.0 only: the configuration of whatever is being configured. */
    proxy_get_configuration(valueAt: number, sizeAt: number) {
      const kind = vm.context === null ? VmConfiguration : vm.context.root.configurationKind;
      return read(kind, 0, 0xffffffff, valueAt >>> 0, sizeAt >>> 0);
    },
  };
}
