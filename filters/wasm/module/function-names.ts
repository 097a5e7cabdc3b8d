/** Names of functions for messages about traps, looked up in the name section (core spec, appendix 7.4.1). */
import { BinaryReader } from "./binary-reader.ts";

const MAGIC_LENGTH = 8;
const FUNCTION_NAMES = 1;

/**
 * The name of function `index` as the module's name section has it, a byte string; "" if it has none. Walks the
 * whole section: for a message now and then, not for a loop.
 */
export function functionName(bytes: Uint8Array, index: number): string {
  const r = new BinaryReader(bytes, MAGIC_LENGTH);
  while (r.at < r.end) {
    const id = r.byte();
    const length = r.count(1);
    const next = r.at + length;
    if (id === 0 && r.name() === "name") return nameIn(new BinaryReader(bytes, r.at, next), index);
    r.skip(next - r.at);
  }
  return "";
}

function nameIn(r: BinaryReader, index: number): string {
  while (r.at < r.end) {
    const kind = r.byte();
    const length = r.count(1);
    const next = r.at + length;
    if (kind !== FUNCTION_NAMES) {
      r.skip(length);
      continue;
    }
    const count = r.count(2);
    for (let i = 0; i < count && r.at < next; i++) {
      if (r.u32() === index) return r.name();
      r.skip(r.count(1));
    }
    return "";
  }
  return "";
}
