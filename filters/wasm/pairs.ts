/**
 * Header maps as the ABI passes them through memory (proxy-wasm.md 1.5): a count, the lengths of all names and values,
 * then the bytes, each with a NUL behind it.
 */
import { latin1 } from "../../core/bytes/ascii.ts";
import type { GuestMemory } from "./guest-memory.ts";
import { type HeaderMap, isShown } from "./header-map.ts";

const MAX_BYTES = 1024 * 1024;
const MAX_PAIRS = 1024;

/** Bytes of `map` in this form; 0 if it is empty. */
export function pairsSize(map: HeaderMap): number {
  const { fields, pseudoNames } = map;
  let size = 4;
  let count = 0;
  for (let i = 0; i < pseudoNames.length; i++) {
    const value = map.pseudo(pseudoNames[i]);
    if (value === null) continue;
    count++;
    size += pseudoNames[i].length + value.length + 10;
  }
  for (let i = 0; i < fields.slots; i++) {
    if (!isShown(fields, i)) continue;
    count++;
    size += fields.nameLengthAt(i) + fields.valueLengthAt(i) + 10;
  }
  return count === 0 ? 0 : size;
}

/** Bytes of all names and values of `map` (what Envoy calls its size). */
export function bytesOfMap(map: HeaderMap): number {
  const size = pairsSize(map);
  return size === 0 ? 0 : size - 4 - 10 * countPairs(map);
}

/** How many pairs `map` has. */
export function countPairs(map: HeaderMap): number {
  const { fields } = map;
  let count = map.pseudoCount;
  for (let i = 0; i < fields.slots; i++) if (isShown(fields, i)) count++;
  return count;
}

/** Writes `map` at `at`, where `pairsSize` bytes are free. */
export function writePairs(map: HeaderMap, memory: GuestMemory, at: number): void {
  const { fields, pseudoNames } = map;
  const count = countPairs(map);
  const bytes = memory.view();
  memory.putU32(at, count);
  let lengthAt = at + 4;
  let to = lengthAt + count * 8;
  for (let i = 0; i < pseudoNames.length; i++) {
    const name = pseudoNames[i];
    const value = map.pseudo(name);
    if (value === null) continue;
    memory.putU32(lengthAt, name.length);
    memory.putU32(lengthAt + 4, value.length);
    lengthAt += 8;
    to = putText(bytes, name, to);
    to = putText(bytes, value, to);
  }
  for (let i = 0; i < fields.slots; i++) {
    if (!isShown(fields, i)) continue;
    const nameLength = fields.nameLengthAt(i);
    const valueLength = fields.valueLengthAt(i);
    memory.putU32(lengthAt, nameLength);
    memory.putU32(lengthAt + 4, valueLength);
    lengthAt += 8;
    fields.copyNameAt(i, bytes, to);
    bytes[to + nameLength] = 0;
    to += nameLength + 1;
    fields.copyValueAt(i, bytes, to);
    bytes[to + valueLength] = 0;
    to += valueLength + 1;
  }
}

function putText(bytes: Uint8Array, text: string, at: number): number {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
  bytes[at + text.length] = 0;
  return at + text.length + 1;
}

/**
 * The pairs in a guest's memory at `[at, at + size)`, which was checked, as byte strings: name, value, name, value, …
 * Null if they are malformed or too many; an empty list for none.
 */
export function readPairs(memory: GuestMemory, at: number, size: number): string[] | null {
  if (size > MAX_BYTES) return null;
  const bytes = memory.view();
  if (size === 0 || (size === 1 && bytes[at] === 0)) return [];
  if (size < 4) return null;
  const count = memory.getU32(at);
  if (count > MAX_PAIRS || 4 + count * 8 > size) return null;
  const out: string[] = [];
  const end = at + size;
  let from = at + 4 + count * 8;
  for (let i = 0; i < count * 2; i++) {
    const length = memory.getU32(at + 4 + i * 4);
    if (length > MAX_BYTES || from + length + 1 > end || bytes[from + length] !== 0) return null;
    out.push(latin1(bytes, from, from + length));
    from += length + 1;
  }
  return from === end ? out : null;
}
