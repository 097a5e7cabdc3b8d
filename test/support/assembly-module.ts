/**
 * Calls functions of an AssemblyScript module with JavaScript's strings and arrays, through the loader that comes
 * with the compiler. For tests of pure functions; filters are tested by the scripted host.
 */
import { readFileSync } from "node:fs";
import { type ASUtil, type Imports, instantiateSync } from "@assemblyscript/loader";
import { testModule } from "./filter-build.ts";

type Exports = ASUtil & {
  readonly memory: WebAssembly.Memory;
  readonly stringArrayId: WebAssembly.Global<"i32">;
} & { readonly [name: string]: (...values: (number | bigint)[]) => unknown };

type Argument = string | number | bigint | string[];

export class AssemblyModule {
  /** What was logged: the message of an abort. */
  readonly logs: string[] = [];
  readonly exports: Exports;

  private constructor(wasm: Uint8Array) {
    const log = (_level: number, at: number, size: number) => {
      this.logs.push(new TextDecoder().decode(new Uint8Array(this.memory.buffer, at >>> 0, size)));
      return 0;
    };
    const imports: WebAssembly.Imports = { env: { proxy_log: log } };
    this.exports = instantiateSync<Exports>(wasm, imports as Imports).exports;
    this.exports._initialize();
  }

  /** The module of filters-as/test/<name>.ts. */
  static load(name: string): AssemblyModule {
    return new AssemblyModule(readFileSync(testModule(name, "--exportRuntime")));
  }

  get memory(): WebAssembly.Memory {
    return this.exports.memory;
  }

  /** Calls a function that answers a number, a truth value as 0 or 1, or nothing. */
  number(name: string, ...values: Argument[]): number {
    return this.call(name, values) as number;
  }

  /** Calls a function that answers an i64. */
  long(name: string, ...values: Argument[]): bigint {
    return this.call(name, values) as bigint;
  }

  /** Calls a function that answers a string. */
  text(name: string, ...values: Argument[]): string {
    return this.exports.__getString(this.call(name, values) as number);
  }

  /** Calls a function that answers an array of strings. */
  texts(name: string, ...values: Argument[]): string[] {
    return this.exports
      .__getArray(this.call(name, values) as number)
      .map((place: number) => this.exports.__getString(place));
  }

  private call(name: string, values: Argument[]): unknown {
    this.exports.begin?.();
    return this.exports[name](...values.map((value) => this.lower(value)));
  }

  private lower(value: Argument): number | bigint {
    if (typeof value === "string") return this.exports.__newString(value);
    if (!Array.isArray(value)) return value;
    const places = value.map((text) => this.exports.__newString(text));
    return this.exports.__newArray(this.exports.stringArrayId.value, places);
  }
}
