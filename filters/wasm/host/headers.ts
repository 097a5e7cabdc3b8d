/** Header maps: read by name, listed, changed (proxy-wasm.md 1.2, 1.5, 1.6). */
import { lowerCase } from "../../../core/bytes/ascii.ts";
import { known } from "../../../core/http/names.ts";
import { BadArgument, InternalFailure, InvalidMemoryAccess, NotFound, Ok } from "../abi.ts";
import type { GuestContext } from "../guest-context.ts";
import type { HeaderMap } from "../header-map.ts";
import { bytesOfMap, pairsSize, readPairs, writePairs } from "../pairs.ts";
import type { WasmVm } from "../vm.ts";
import type { HostFunctions } from "./host-functions.ts";

const HOST = known("host");
const LAST_MAP = 7;
/** Longer names are nobody's, bytes. */
const MAX_NAME = 64 * 1024;

/** True for what stands in the start line; `id` is the known id of `name`, which is in lower case. */
function isPseudo(id: number, name: string): boolean {
  return id === HOST || name.charCodeAt(0) === 0x3a;
}

export function headerFunctions(vm: WasmVm): HostFunctions {
  const { memory, headerNames, headerValues } = vm;

  /** The map to be changed, or null. */
  function writable(kind: number): HeaderMap | null {
    const { context } = vm;
    return context === null ? null : context.writableMap(kind);
  }

  /** Changes one field; `replaces` says how. All numbers are unsigned. */
  function edit(
    kind: number,
    name: number,
    nameSize: number,
    value: number,
    valueSize: number,
    replaces: boolean,
  ): number {
    if (memory.closed) return InternalFailure;
    if (!memory.has(name, nameSize) || !memory.has(value, valueSize)) return InvalidMemoryAccess;
    const map = writable(kind);
    if (map === null) return BadArgument;
    const context = vm.context as GuestContext;
    if (!context.maySpend(nameSize + valueSize)) return InternalFailure;
    const key = headerNames.get(memory, name, name + nameSize);
    const id = headerNames.tag;
    const text = headerValues.get(memory, value, value + valueSize);
    if (isPseudo(id, key)) {
      if (!map.setPseudo(key, text)) return BadArgument;
    } else if (headerValues.tag < 0 || id < 0) return BadArgument;
    else if (replaces) map.fields.setNamed(id, key, text);
    else map.fields.addNamed(id, key, text);
    context.wrote(kind);
    return Ok;
  }

  return {
    proxy_get_header_map_value(
      kind: number,
      name: number,
      nameSize: number,
      valueAt: number,
      sizeAt: number,
    ) {
      if (memory.closed) return InternalFailure;
      const from = name >>> 0;
      const length = nameSize >>> 0;
      if (!memory.has(from, length)) return InvalidMemoryAccess;
      const { context } = vm;
      const map = context === null ? null : context.map(kind);
      if (map === null) return missing(valueAt >>> 0, sizeAt >>> 0, kind >>> 0 > LAST_MAP);
      if (length > MAX_NAME) return missing(valueAt >>> 0, sizeAt >>> 0, false);
      const key = headerNames.get(memory, from, from + length);
      const id = headerNames.tag;
      if (isPseudo(id, key)) {
        const value = map.pseudo(id === HOST ? ":authority" : key);
        if (value === null) return missing(valueAt >>> 0, sizeAt >>> 0, false);
        return memory.giveText(value, valueAt >>> 0, sizeAt >>> 0) ? Ok : InvalidMemoryAccess;
      }
      const slot = id < 0 ? -1 : map.slotOf(id, key);
      if (slot < 0) return missing(valueAt >>> 0, sizeAt >>> 0, false);
      const { fields } = map;
      const at = memory.give(fields.valueLengthAt(slot), valueAt >>> 0, sizeAt >>> 0);
      if (at < 0) return InvalidMemoryAccess;
      fields.copyValueAt(slot, memory.bytes, at);
      return Ok;
    },

    proxy_add_header_map_value(
      kind: number,
      name: number,
      nameSize: number,
      value: number,
      valueSize: number,
    ) {
      return edit(kind >>> 0, name >>> 0, nameSize >>> 0, value >>> 0, valueSize >>> 0, false);
    },

    proxy_replace_header_map_value(
      kind: number,
      name: number,
      nameSize: number,
      value: number,
      valueSize: number,
    ) {
      return edit(kind >>> 0, name >>> 0, nameSize >>> 0, value >>> 0, valueSize >>> 0, true);
    },

    proxy_remove_header_map_value(kind: number, name: number, nameSize: number) {
      if (memory.closed) return InternalFailure;
      const from = name >>> 0;
      const length = nameSize >>> 0;
      if (!memory.has(from, length)) return InvalidMemoryAccess;
      const map = writable(kind >>> 0);
      if (map === null) return BadArgument;
      if (length > MAX_NAME) return Ok;
      const key = headerNames.get(memory, from, from + length);
      if (headerNames.tag >= 0) map.remove(headerNames.tag, key);
      vm.context?.wrote(kind);
      return Ok;
    },

    proxy_get_header_map_pairs(kind: number, valueAt: number, sizeAt: number) {
      if (memory.closed) return InternalFailure;
      if (kind >>> 0 > LAST_MAP) return BadArgument;
      const map = vm.context === null ? null : vm.context.map(kind);
      const size = map === null ? 0 : pairsSize(map);
      const at = memory.give(size, valueAt >>> 0, sizeAt >>> 0);
      if (at < 0) return InvalidMemoryAccess;
      if (map !== null && size > 0) writePairs(map, memory, at);
      return Ok;
    },

    proxy_set_header_map_pairs(kind: number, from: number, size: number) {
      if (memory.closed) return InternalFailure;
      if (!memory.has(from >>> 0, size >>> 0)) return InvalidMemoryAccess;
      const map = writable(kind >>> 0);
      if (map === null) return BadArgument;
      const context = vm.context as GuestContext;
      if (!context.maySpend(size >>> 0)) return InternalFailure;
      // What cannot be read is an empty map (Envoy): the message will be refused for want of its start line.
      const pairs = readPairs(memory, from >>> 0, size >>> 0) ?? [];
      map.clear();
      let sound = true;
      for (let i = 0; i < pairs.length; i += 2) {
        if (!map.add(lowerCase(pairs[i]), pairs[i + 1])) sound = false;
      }
      context.wrote(kind);
      return sound ? Ok : BadArgument;
    },

    proxy_get_header_map_size(kind: number, sizeAt: number) {
      if (memory.closed) return InternalFailure;
      if (kind >>> 0 > LAST_MAP) return BadArgument;
      if (!memory.has(sizeAt >>> 0, 4)) return InvalidMemoryAccess;
      const map = vm.context === null ? null : vm.context.map(kind);
      memory.putU32(sizeAt >>> 0, map === null ? 0 : bytesOfMap(map));
      return Ok;
    },
  };

  /** No such field: 0.1.0 is told so by an empty value. */
  function missing(valueAt: number, sizeAt: number, bad: boolean): number {
    if (bad) return BadArgument;
    if (vm.module.abi !== "0.1.0") return NotFound;
    return memory.give(0, valueAt, sizeAt) < 0 ? InvalidMemoryAccess : Ok;
  }
}
