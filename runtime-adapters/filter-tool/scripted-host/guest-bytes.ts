/**
 * A guest's memory as byte strings (one character per byte), and header maps in their serialised form. Strict where
 * a real host is lenient: a range outside of the memory is an error of the filter, and throws.
 */
import type { HeaderList } from "./fake-stream.ts";

export interface Guest {
  readonly memory: WebAssembly.Memory;
  readonly allocate: (size: number) => number;
}

export function readBytes(guest: Guest, at: number, length: number): string {
  const bytes = new Uint8Array(guest.memory.buffer);
  const [from, size] = [at >>> 0, length >>> 0];
  if (from + size > bytes.length) throw new Error(`the filter passed ${size} bytes at ${from}, out of range`);
  let text = "";
  for (let i = from; i < from + size; i++) text += String.fromCharCode(bytes[i]);
  return text;
}

/** Writes 32 bits, little-endian. */
export function writeNumber(guest: Guest, at: number, value: number): void {
  new DataView(guest.memory.buffer).setUint32(at >>> 0, value >>> 0, true);
}

/** Writes 64 bits, little-endian. */
export function writeLong(guest: Guest, at: number, value: bigint): void {
  new DataView(guest.memory.buffer).setBigUint64(at >>> 0, value, true);
}

/** Gives bytes to the guest: place and size go to the two addresses. Empty bytes are 0, 0 without an allocation. */
export function giveBytes(guest: Guest, text: string, returnAt: number, returnSize: number): void {
  let at = 0;
  if (text.length > 0) {
    at = guest.allocate(text.length) >>> 0;
    if (at === 0) throw new Error(`the filter has no room for ${text.length} bytes`);
    const bytes = new Uint8Array(guest.memory.buffer);
    for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
  }
  writeNumber(guest, returnAt, at);
  writeNumber(guest, returnSize, text.length);
}

/** A number as four bytes, little-endian. */
export function numberBytes(value: number): string {
  return String.fromCharCode(value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >>> 24) & 255);
}

/** The form of integer properties: eight bytes. */
export function longBytes(value: bigint | number): string {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
  return String.fromCharCode(...bytes);
}

/** The form in which a whole map crosses the border. */
export function serialise(map: HeaderList): string {
  if (map.length === 0) return "";
  const sizes = map.map(([name, value]) => numberBytes(name.length) + numberBytes(value.length));
  return `${numberBytes(map.length)}${sizes.join("")}${map.map(([name, value]) => `${name}\0${value}\0`).join("")}`;
}

/** Throws if the bytes are not a serialised map, where a real host would take them for an empty one. */
export function deserialise(bytes: string): HeaderList {
  if (bytes === "") return [];
  const numberAt = (at: number) =>
    bytes.charCodeAt(at) +
    bytes.charCodeAt(at + 1) * 256 +
    bytes.charCodeAt(at + 2) * 65536 +
    bytes.charCodeAt(at + 3) * 16777216;
  const map: HeaderList = [];
  let at = 4 + numberAt(0) * 8;
  for (let i = 0; i < numberAt(0); i++) {
    const [nameLength, valueLength] = [numberAt(4 + i * 8), numberAt(8 + i * 8)];
    const valueAt = at + nameLength + 1;
    if (bytes[valueAt - 1] !== "\0" || bytes[valueAt + valueLength] !== "\0")
      throw new Error("not a header map");
    map.push([bytes.slice(at, at + nameLength), bytes.slice(valueAt, valueAt + valueLength)]);
    at = valueAt + valueLength + 1;
  }
  if (at !== bytes.length) throw new Error("not a header map: bytes behind its end");
  return map;
}
