/**
 * Modules made by hand, byte by byte, for tests of what reads and rewrites them. `guest` is a whole Proxy-Wasm
 * module in which a test replaces what it is about.
 */

/** Unsigned LEB128. */
export function leb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return bytes;
}

/** Signed LEB128 of an i32. */
export function sleb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (; rest < -64 || rest > 63; rest >>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest & 0x7f);
  return bytes;
}

/** Every byte of a text, without its length. */
export function ascii(text: string): number[] {
  return [...text].map((c) => c.charCodeAt(0));
}

export function name(text: string): number[] {
  return [...leb(text.length), ...ascii(text)];
}

export function vector(entries: readonly (readonly number[])[]): number[] {
  return [...leb(entries.length), ...entries.flat()];
}

export function section(id: number, content: readonly number[]): number[] {
  return [id, ...leb(content.length), ...content];
}

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const V128 = 0x7b;

/** A function type. */
export function type(parameters: readonly number[], results: readonly number[]): number[] {
  return [0x60, ...vector(parameters.map((p) => [p])), ...vector(results.map((r) => [r]))];
}

/** A function's body: groups of locals `[count, type]`, and code without its last `end`. */
export function body(code: readonly number[], locals: readonly (readonly number[])[] = []): number[] {
  const content = [...vector(locals), ...code, 0x0b];
  return [...leb(content.length), ...content];
}

export interface GuestFunction {
  readonly type: number[];
  readonly body: number[];
  /** Its export's name, if it has one. */
  readonly name?: string;
}

export interface GuestParts {
  /** Beside the marker and the allocator, which come first (indices 0 and 1 where nothing is imported). */
  readonly functions?: readonly GuestFunction[];
  /** The marker's name; "" for none. */
  readonly marker?: string;
  /** Name and type of the function that gives the guest bytes; the name "" for none. */
  readonly allocator?: readonly [name: string, type: readonly number[]];
  /** Entries of the import section; those of functions have type 0, which is `() -> ()`, or 1, `(i32) -> i32`. */
  readonly imports?: readonly (readonly number[])[];
  /** Function imports among them. */
  readonly importedFunctions?: number;
  /** Entries of these sections. */
  readonly tables?: readonly (readonly number[])[];
  readonly memories?: readonly (readonly number[])[];
  /** The name under which the first memory is exported. */
  readonly memoryName?: string;
  readonly tags?: readonly (readonly number[])[];
  readonly globals?: readonly (readonly number[])[];
  readonly exports?: readonly (readonly number[])[];
  readonly elements?: readonly (readonly number[])[];
  readonly data?: readonly (readonly number[])[];
  /** Index of the start function. */
  readonly start?: number;
  /** Custom sections, at the end: name and content. */
  readonly custom?: readonly (readonly [string, readonly number[]])[];
}

/** Types that every guest has in front of those of its functions. */
export const NOTHING_TYPE = 0;
export const ALLOCATOR_TYPE = 1;

/** A Proxy-Wasm module with the given parts. Functions follow imports, marker and allocator. */
export function guest(parts: GuestParts = {}): Uint8Array<ArrayBuffer> {
  const [allocator, allocatorType] = parts.allocator ?? ["malloc", type([I32], [I32])];
  const marker = parts.marker ?? "proxy_abi_version_0_2_1";
  const own = parts.functions ?? [];
  const first = parts.importedFunctions ?? 0;
  const exported = (text: string, kind: number, index: number) => [...name(text), kind, ...leb(index)];
  const memories = parts.memories ?? [[0, 1]];
  const exports = [
    ...(memories.length > 0 ? [exported(parts.memoryName ?? "memory", 2, 0)] : []),
    ...(marker === "" ? [] : [exported(marker, 0, first)]),
    ...(allocator === "" ? [] : [exported(allocator, 0, first + 1)]),
    ...own.flatMap((each, i) => (each.name === undefined ? [] : [exported(each.name, 0, first + 2 + i)])),
    ...(parts.exports ?? []),
  ];
  const optional = (id: number, entries: readonly (readonly number[])[] | undefined) =>
    entries === undefined || entries.length === 0 ? [] : section(id, vector(entries));
  return Uint8Array.from([
    ...ascii("\0asm\x01\0\0\0"),
    ...section(
      1,
      vector([type([], []), type([I32], [I32]), [...allocatorType], ...own.map((each) => each.type)]),
    ),
    ...optional(2, parts.imports),
    ...section(3, vector([[0], [2], ...own.map((_, i) => leb(3 + i))])),
    ...optional(4, parts.tables),
    ...optional(5, memories),
    ...optional(13, parts.tags),
    ...optional(6, parts.globals),
    ...section(7, vector(exports)),
    ...(parts.start === undefined ? [] : section(8, leb(parts.start))),
    ...optional(9, parts.elements),
    ...(parts.data === undefined ? [] : section(12, leb(parts.data.length))),
    ...section(10, vector([body([]), body([0x00]), ...own.map((each) => each.body)])),
    ...optional(11, parts.data),
    ...(parts.custom ?? []).flatMap(([title, content]) => section(0, [...name(title), ...content])),
  ]);
}
