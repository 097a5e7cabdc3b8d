import { expect, test } from "bun:test";
import { toBytes } from "../../../core/bytes/ascii.ts";
import { idOf, idOfBytes, KNOWN_COUNT, nameOf } from "../../../core/http/names.ts";

test("every known name is recognised in any case, and nothing that differs in one byte is", () => {
  for (let id = 1; id < KNOWN_COUNT; id++) {
    const name = nameOf(id);
    const bytes = toBytes(`..${name}..`);
    expect(idOf(name)).toBe(id);
    expect(idOfBytes(bytes, 2, 2 + name.length)).toBe(id);
    const upper = toBytes(name.toUpperCase());
    expect(idOfBytes(upper, 0, upper.length)).toBe(id);
    for (let i = 0; i < upper.length; i++) {
      const other = upper.slice();
      other[i] = 0x7e; // "~": in no known name
      expect(idOfBytes(other, 0, other.length)).toBe(0);
    }
  }
});
