/** The function types of a module (core spec 5.3.6): how many parameters, and a signature as text when asked. */
import { BinaryReader } from "./binary-reader.ts";
import { readValueType } from "./value-type.ts";

/** The limit of the engines, for parameters and for results. */
const MOST_VALUES = 1000;

export class FunctionTypes {
  /** Of every type: where its parameters begin. */
  #starts = new Uint32Array(0);
  #parameters = new Uint32Array(0);
  readonly #texts = new Map<number, string>();
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get count(): number {
    return this.#starts.length;
  }

  /** Reads the type section. */
  read(r: BinaryReader) {
    const count = r.count(3);
    const starts = new Uint32Array(count);
    const parameters = new Uint32Array(count);
    for (let i = 0; i < count && r.fault === ""; i++) {
      const form = r.byte();
      if (form >= 0x4e && form <= 0x5f) return r.refuse("a garbage-collected type");
      if (form !== 0x60) return r.fail("an unknown kind of type");
      starts[i] = r.at;
      parameters[i] = this.#values(r, null);
      this.#values(r, null);
    }
    this.#starts = starts;
    this.#parameters = parameters;
  }

  /** How many parameters a type has. */
  parameters(type: number): number {
    return this.#parameters[type];
  }

  /** A type as text: `i32 i32 -> i32`, `-> ` with nothing on a side that is empty. */
  signature(type: number): string {
    let text = this.#texts.get(type);
    if (text === undefined) {
      const r = new BinaryReader(this.#bytes, this.#starts[type]);
      const from: string[] = [];
      const to: string[] = [];
      this.#values(r, from);
      this.#values(r, to);
      text = `${from.join(" ")} -> ${to.join(" ")}`.trim();
      this.#texts.set(type, text);
    }
    return text;
  }

  #values(r: BinaryReader, into: string[] | null): number {
    const count = r.count(1);
    if (count > MOST_VALUES) r.refuse(`a function of more than ${MOST_VALUES} values`);
    for (let i = 0; i < count && r.fault === ""; i++) {
      const value = readValueType(r);
      into?.push(value);
    }
    return count;
  }
}
