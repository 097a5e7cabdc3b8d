/** Header maps: read by name, listed, changed (proxy-wasm.md 1.2, 1.5, 1.6). */
import { lowerCase } from "../../../core/bytes/ascii.ts";
import { idOfBytes, known, nameOf } from "../../../core/http/names.ts";
import { BadArgument, InternalFailure, InvalidMemoryAccess, NotFound, Ok } from "../abi.ts";
import type { GuestContext } from "../guest-context.ts";
import { type HeaderMap, pseudoAt } from "../header-map.ts";
import { bytesOfMap, pairsSize, readPairs, writePairs } from "../pairs.ts";
import type { WasmVm } from "../vm.ts";
import type { HostFunctions } from "./host-functions.ts";

const HOST = known("host");
const LAST_MAP = 7;
/** Longer names are nobody's, bytes. */
const MAX_NAME = 64 * 1024;

export function headerFunctions(vm: WasmVm): HostFunctions {
  const { memory, headerNames, headerValues } = vm;

  /** The map to be changed, or null. */
  function writable(kind: number): HeaderMap | null {
    const { context } = vm;
    return context === null ? null : context.writableMap(kind);
  }

  /** The name at that place in lower case; `id` is its known id. */
  function nameText(bytes: Uint8Array, at: number, size: number, id: number): string {
    return id === 0 ? headerNames.get(bytes, at, at + size) : nameOf(id);
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
    const bytes = memory.view();
    const id = idOfBytes(bytes, name, name + nameSize);
    const key = nameText(bytes, name, nameSize, id);
    const text = headerValues.get(bytes, value, value + valueSize);
    if (id === HOST || key.charCodeAt(0) === 0x3a) {
      if (!map.setPseudo(key, text)) return BadArgument;
    } else if (!headerValues.sound || (id === 0 && !headerNames.sound)) return BadArgument;
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
      const bytes = memory.view();
      const id = idOfBytes(bytes, from, from + length);
      if (id === HOST || (length > 0 && bytes[from] === 0x3a)) {
        const value = map.pseudo(id === HOST ? ":authority" : pseudoAt(bytes, from, length));
        if (value === null) return missing(valueAt >>> 0, sizeAt >>> 0, false);
        return memory.giveText(value, valueAt >>> 0, sizeAt >>> 0) ? Ok : InvalidMemoryAccess;
      }
      const slot = map.slotOf(id, nameText(bytes, from, length, id));
      if (slot < 0) return missing(valueAt >>> 0, sizeAt >>> 0, false);
      const { fields } = map;
      const at = memory.give(fields.valueLengthAt(slot), valueAt >>> 0, sizeAt >>> 0);
      if (at < 0) return InvalidMemoryAccess;
      fields.copyValueAt(slot, memory.view(), at);
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
      const bytes = memory.view();
      const id = idOfBytes(bytes, from, from + length);
      map.remove(id, nameText(bytes, from, length, id));
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
