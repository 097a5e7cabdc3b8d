/** Header maps in a guest's memory: what is written is read back, and hostile bytes are read within their bounds. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Fields } from "../../../core/http/fields.ts";
import { GuestMemory } from "../../../filters/wasm/guest-memory.ts";
import { FieldsMap } from "../../../filters/wasm/header-map.ts";
import { bytesOfMap, countPairs, pairsSize, readPairs, writePairs } from "../../../filters/wasm/pairs.ts";
import { pairs } from "../../support/guest.ts";

const PAGE = 65_536;

/** A guest's memory of so many pages, which it cannot allocate in. */
function memoryOf(pages = 1): GuestMemory {
  const memory = new GuestMemory();
  memory.attach(new WebAssembly.Memory({ initial: pages }), () => 0);
  memory.view(); // as every host function has done when it comes to pairs
  return memory;
}

function put(memory: GuestMemory, at: number, bytes: Uint8Array): void {
  memory.view().set(bytes, at);
}

const latin1 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));

/** What the bytes say, by the rules and in the plainest way; null if they break one. */
function plainly(bytes: Uint8Array): string[] | null {
  if (bytes.length > 1024 * 1024) return null;
  if (bytes.length === 0 || (bytes.length === 1 && bytes[0] === 0)) return [];
  if (bytes.length < 4) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const count = view.getUint32(0, true);
  if (count > 1024 || 4 + 8 * count > bytes.length) return null;
  const out: string[] = [];
  let at = 4 + 8 * count;
  for (let i = 0; i < 2 * count; i++) {
    const length = view.getUint32(4 + 4 * i, true);
    if (at + length >= bytes.length || bytes[at + length] !== 0) return null;
    out.push(Buffer.from(bytes.subarray(at, at + length)).toString("latin1"));
    at += length + 1;
  }
  return at === bytes.length ? out : null;
}

const name = fc
  .stringMatching(/^[a-z][a-z0-9-]{0,20}$/)
  .filter((text) => !/^(host|connection|keep-alive|proxy-connection|http2-settings)$/.test(text));
const value = fc.stringMatching(/^[\x21-\x7e\x80-\xff]{0,40}$/);
const list = fc.array(fc.tuple(name, value), { maxLength: 20 });

describe("pairs", () => {
  test("that are written are those that are read, at any place", () => {
    fc.assert(
      fc.property(list, fc.integer({ min: 0, max: 4096 }), (fields, at) => {
        const map = new FieldsMap().over(fieldsOf(fields));
        const memory = memoryOf();
        const size = pairsSize(map);
        expect(countPairs(map)).toBe(fields.length);
        expect(bytesOfMap(map)).toBe(fields.flat().join("").length);
        if (fields.length > 0) writePairs(map, memory, at);
        expect(readPairs(memory, at, size)).toEqual(fields.flat());
        // Nothing is written beside them.
        const all = memory.view();
        expect([...all.subarray(0, at), ...all.subarray(at + size, PAGE)].every((byte) => byte === 0)).toBe(
          true,
        );
      }),
      { numRuns: 100 },
    );
  });

  test("of any bytes are what the rules say of them", () => {
    const sound = list.map((fields) => latin1(pairs(...fields)));
    const damaged = fc
      .tuple(sound, fc.nat(), fc.nat({ max: 255 }), fc.integer({ min: -3, max: 3 }))
      .map(([bytes, where, byte, more]) => {
        const out = new Uint8Array(Math.max(0, bytes.length + more));
        out.set(bytes.subarray(0, out.length));
        if (out.length > 0) out[where % Math.min(out.length, 60)] = byte;
        return out;
      });
    let refused = 0;
    const memory = memoryOf();
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 64 }), sound, damaged),
        fc.nat({ max: 7 }),
        (bytes, gap) => {
          // At the very end: whoever reads further finds nothing.
          const at = PAGE - bytes.length - gap;
          put(memory, at, bytes);
          const expected = plainly(bytes);
          if (expected === null) refused++;
          expect(readPairs(memory, at, bytes.length)).toEqual(expected);
        },
      ),
      { numRuns: 3000 },
    );
    expect(refused).toBeGreaterThan(500);
  });

  test.each([
    ["none", "", []],
    ["none, as some SDKs write it", "\0", []],
    ["a count of none", "\0\0\0\0", []],
    ["a byte that is no count", "\x01", null],
    ["a count without lengths", "\x01\0\0\0", null],
    ["more than a thousand", pairs(...Array(1025).fill(["a", "b"])), null],
    ["a length beyond the end", `\x01\0\0\0\xff\xff\xff\xff\0\0\0\0a\0\0`, null],
    ["lengths whose sum wraps", `\x02\0\0\0\xff\xff\xff\x7f\xff\xff\xff\x7f\x02\0\0\0\0\0\0\0a\0`, null],
    ["no NUL behind a name", `\x01\0\0\0\x01\0\0\0\x01\0\0\0a-b\0`, null],
    ["bytes behind the last", `${pairs(["a", "b"])}x`, null],
    ["a NUL within", pairs(["a\0b", "c"]), ["a\0b", "c"]],
  ])("%s", (_, text, expected) => {
    const memory = memoryOf(2);
    const bytes = latin1(text);
    put(memory, 2 * PAGE - bytes.length, bytes);
    expect(readPairs(memory, 2 * PAGE - bytes.length, bytes.length)).toEqual(expected);
  });

  test("a thousand and twenty-four, and a mebibyte, and no more", () => {
    const memory = memoryOf(20);
    const most = latin1(pairs(...Array<[string, string]>(1024).fill(["a", "b"])));
    put(memory, 0, most);
    expect(readPairs(memory, 0, most.length)).toHaveLength(2048);
    const largest = latin1(pairs(["a", "x".repeat(1024 * 1024 - 4 - 8 - 3)]));
    expect(largest.length).toBe(1024 * 1024);
    put(memory, 0, largest);
    expect(readPairs(memory, 0, largest.length)).toHaveLength(2);
    const larger = latin1(pairs(["a", "x".repeat(1024 * 1024 - 4 - 8 - 2)]));
    put(memory, 0, larger);
    expect(readPairs(memory, 0, larger.length)).toBeNull();
  });
});

function fieldsOf(list: readonly (readonly [string, string])[]): Fields {
  const fields = new Fields();
  for (const [name, value] of list) fields.add(name, value);
  return fields;
}
