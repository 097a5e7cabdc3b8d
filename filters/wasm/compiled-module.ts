/** A module that is ready to be instantiated: it was inspected, capped and compiled. Structured-cloneable. */
import type { AbiVersion } from "./abi.ts";

export interface CompiledModule {
  readonly module: WebAssembly.Module;
  readonly abi: AbiVersion;
  /** Of the file as it was given, lower-case hexadecimal: what operators know it by. */
  readonly sha256: string;
}
