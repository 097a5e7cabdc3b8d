/**
 * Reads a whole module down to the function bodies, which it only delimits: where each section lies and what the
 * index spaces hold (core spec 5.5). It judges nothing but the format; `inspect-module.ts` does the rest.
 *
 * Laws: every index that can name a function or a global outside of function bodies is checked against what the
 * module itself holds. Rewriting adds functions and globals behind those, and a guest must not come to hold them.
 * Memory used is a small multiple of the input: names and lists that become objects are limited in number.
 */
import { BinaryReader } from "./binary-reader.ts";
import { FunctionTypes } from "./function-types.ts";
import { type Limits, readLimits, readValueType, skipConstant } from "./value-type.ts";

export const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const;

/** Place of a section (by id) in the order that the format demands. */
export const SECTION_ORDER = [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 11, 6];

export const EXTERNAL_KINDS = ["function", "table", "memory", "global", "tag"] as const;
export type ExternalKind = (typeof EXTERNAL_KINDS)[number];

export interface Section {
  readonly id: number;
  /** The byte of the id. */
  readonly start: number;
  /** The first byte of the content. */
  readonly payload: number;
  readonly end: number;
  /** Of a custom section: its name, a byte string. */
  readonly name: string;
}

export interface RawImport {
  readonly module: string;
  readonly name: string;
  readonly kind: ExternalKind;
  /** Index of a function's type, else -1. */
  readonly type: number;
}

export interface RawExport {
  readonly name: string;
  readonly kind: ExternalKind;
  readonly index: number;
}

const MOST_SECTIONS = 1000;
const MOST_IMPORTS = 4096;
const MOST_EXPORTS = 65_536;
const MOST_TABLES = 16;
const MAGIC_LENGTH = 8;

/** What `readModule` finds. `reader.fault` says whether it is all there. */
export class ModuleLayout {
  readonly bytes: Uint8Array;
  readonly sections: Section[] = [];
  readonly types: FunctionTypes;
  readonly imports: RawImport[] = [];
  readonly exports: RawExport[] = [];
  readonly tables: Limits[] = [];
  readonly memories: Limits[] = [];
  hasStart = false;
  importedFunctions = 0;
  importedGlobals = 0;
  definedGlobals = 0;
  /** Type index of every function, imported ones first. */
  functionTypes = new Uint32Array(0);
  /** Start and end of every defined function's body (locals and code), in turn. */
  bodies = new Uint32Array(0);
  readonly reader: BinaryReader;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.reader = new BinaryReader(bytes, MAGIC_LENGTH);
    this.types = new FunctionTypes(bytes);
    this.#readSections();
  }

  get functions(): number {
    return this.functionTypes.length;
  }

  get globals(): number {
    return this.importedGlobals + this.definedGlobals;
  }

  /** The section of this id, or null. */
  section(id: number): Section | null {
    return this.sections.find((each) => each.id === id) ?? null;
  }

  #readSections() {
    const r = this.reader;
    const whole = r.end;
    let order = 0;
    while (r.at < whole && r.fault === "") {
      const start = r.at;
      const id = r.byte();
      const length = r.u32();
      const payload = r.at;
      if (id >= SECTION_ORDER.length) return r.refuse(`a section of the unknown kind ${id}`);
      if (length > whole - payload) return r.fail("a section is cut off");
      if (this.sections.length >= MOST_SECTIONS) return r.refuse("too many sections");
      if (id !== SECTION.custom) {
        if (SECTION_ORDER[id] <= order) return r.fail("a section is out of order");
        order = SECTION_ORDER[id];
      }
      r.end = payload + length;
      const name = id === SECTION.custom ? r.name() : "";
      this.sections.push({ id, start, payload, end: r.end, name });
      this.#readSection(id);
      if (r.fault !== "") return;
      if (id === SECTION.custom || id === SECTION.data) r.at = r.end;
      else if (r.at !== r.end) return r.fail("a section is longer than its content");
      r.end = whole;
    }
    if (r.fault === "" && this.bodies.length / 2 !== this.functions - this.importedFunctions) {
      r.fail("there are more functions than bodies, or fewer");
    }
  }

  #readSection(id: number) {
    switch (id) {
      case SECTION.type:
        return this.types.read(this.reader);
      case SECTION.import:
        return this.#readImports();
      case SECTION.function:
        return this.#readFunctions();
      case SECTION.table:
        return this.#readTables();
      case SECTION.memory:
        return this.#readMemories();
      case SECTION.tag:
        return this.#readTags();
      case SECTION.global:
        return this.#readGlobals();
      case SECTION.export:
        return this.#readExports();
      case SECTION.start:
        this.hasStart = true;
        return this.#checkFunction();
      case SECTION.element:
        return this.#readElements();
      case SECTION.dataCount:
        return void this.reader.u32();
      case SECTION.code:
        return this.#readBodies();
    }
  }

  #typeIndex(): number {
    const index = this.reader.u32();
    if (index >= this.types.count) this.reader.fail("no such type");
    return index;
  }

  #checkFunction(): void {
    if (this.reader.u32() >= this.functions) this.reader.fail("no such function");
  }

  #skipConstant(): void {
    skipConstant(this.reader, this.functions, this.globals);
  }

  #readImports() {
    const r = this.reader;
    const count = r.count(4);
    if (count > MOST_IMPORTS) return r.refuse(`more than ${MOST_IMPORTS} imports`);
    const functions: number[] = [];
    for (let i = 0; i < count && r.fault === ""; i++) {
      const module = r.name();
      const name = r.name();
      const code = r.byte();
      let type = -1;
      if (code === 0) {
        type = this.#typeIndex();
        functions.push(type);
      } else if (code === 1) {
        readValueType(r);
        readLimits(r, "table");
      } else if (code === 2) {
        readLimits(r, "memory");
      } else if (code === 3) {
        readValueType(r);
        r.byte();
        this.importedGlobals++;
      } else if (code === 4) {
        r.byte();
        this.#typeIndex();
      } else {
        r.refuse("an import of an unknown kind");
        return;
      }
      this.imports.push({ module, name, kind: EXTERNAL_KINDS[code], type });
    }
    this.importedFunctions = functions.length;
    this.functionTypes = Uint32Array.from(functions);
  }

  #readFunctions(): void {
    const r = this.reader;
    const count = r.count(1);
    const all = new Uint32Array(this.importedFunctions + count);
    all.set(this.functionTypes);
    for (let i = this.importedFunctions; i < all.length && r.fault === ""; i++) all[i] = this.#typeIndex();
    this.functionTypes = all;
  }

  #readTables() {
    const r = this.reader;
    const count = r.count(3);
    if (count > MOST_TABLES) return r.refuse(`more than ${MOST_TABLES} tables`);
    for (let i = 0; i < count && r.fault === ""; i++) {
      // 0x40 0x00 announces an initial value behind the limits.
      const hasInitial = r.bytes[r.at] === 0x40;
      if (hasInitial) {
        r.byte();
        if (r.byte() !== 0) r.fail("an unknown kind of table");
      }
      readValueType(r);
      this.tables.push(readLimits(r, "table"));
      if (hasInitial) this.#skipConstant();
    }
  }

  #readMemories() {
    const r = this.reader;
    const count = r.count(2);
    if (count > 1) return r.refuse("more than one memory");
    for (let i = 0; i < count; i++) this.memories.push(readLimits(r, "memory"));
  }

  #readTags(): void {
    const r = this.reader;
    const count = r.count(2);
    for (let i = 0; i < count && r.fault === ""; i++) {
      r.byte();
      this.#typeIndex();
    }
  }

  #readGlobals(): void {
    const r = this.reader;
    const count = r.count(3);
    for (let i = 0; i < count && r.fault === ""; i++) {
      readValueType(r);
      r.byte();
      this.#skipConstant();
      this.definedGlobals++;
    }
  }

  #readExports() {
    const r = this.reader;
    const count = r.count(3);
    if (count > MOST_EXPORTS) return r.refuse(`more than ${MOST_EXPORTS} exports`);
    for (let i = 0; i < count && r.fault === ""; i++) {
      const name = r.name();
      const code = r.byte();
      const index = r.u32();
      if (code >= EXTERNAL_KINDS.length) return r.refuse("an export of an unknown kind");
      if (code === 0 && index >= this.functions) r.fail("no such function");
      if (code === 3 && index >= this.globals) r.fail("no such global");
      this.exports.push({ name, kind: EXTERNAL_KINDS[code], index });
    }
  }

  #readElements() {
    const r = this.reader;
    const count = r.count(3);
    for (let i = 0; i < count && r.fault === ""; i++) {
      // Bit 0: passive or declared; bit 1: a table index, or declared; bit 2: expressions instead of indices.
      const flags = r.u32();
      if (flags > 7) return r.fail("an unknown kind of element segment");
      if ((flags & 3) === 2) r.u32();
      if ((flags & 1) === 0) this.#skipConstant();
      const expressions = (flags & 4) !== 0;
      if ((flags & 3) !== 0) {
        if (expressions) readValueType(r);
        else if (r.byte() !== 0) r.fail("an unknown kind of element");
      }
      const length = r.count(1);
      for (let j = 0; j < length && r.fault === ""; j++) {
        if (expressions) this.#skipConstant();
        else this.#checkFunction();
      }
    }
  }

  #readBodies(): void {
    const r = this.reader;
    const count = r.count(2);
    const bodies = new Uint32Array(2 * count);
    for (let i = 0; i < count && r.fault === ""; i++) {
      const length = r.u32();
      bodies[2 * i] = r.at;
      r.skip(length);
      bodies[2 * i + 1] = r.at;
    }
    this.bodies = bodies;
  }
}
