/** Shared data of guests in a plain map, for tests that are not about the store. */
import { CasMismatch, Ok } from "../../filters/wasm/abi.ts";
import type { SharedData } from "../../filters/wasm/shared-data.ts";

export class MapData implements SharedData {
  cas = 0;
  private value: Uint8Array = new Uint8Array(0);
  private readonly entries = new Map<string, { value: Uint8Array; cas: number }>();

  find(namespace: string, bytes: Uint8Array, start: number, end: number): number {
    const entry = this.entries.get(keyOf(namespace, bytes, start, end));
    if (entry === undefined) return -1;
    this.cas = entry.cas;
    this.value = entry.value;
    return entry.value.length;
  }

  copyValue(into: Uint8Array, at: number): void {
    into.set(this.value, at);
  }

  set(
    namespace: string,
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    cas: number,
  ): number {
    const key = keyOf(namespace, bytes, keyStart, keyEnd);
    const before = this.entries.get(key);
    if (before !== undefined && cas !== 0 && cas !== before.cas) return CasMismatch;
    this.entries.set(key, { value: bytes.slice(valueStart, valueEnd), cas: (before?.cas ?? 0) + 1 });
    return Ok;
  }
}

function keyOf(namespace: string, bytes: Uint8Array, start: number, end: number): string {
  return `${namespace}\0${String.fromCharCode(...bytes.subarray(start, end))}`;
}
