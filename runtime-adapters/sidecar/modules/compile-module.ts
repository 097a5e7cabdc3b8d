/** From the bytes of a WASM module to one that workers can instantiate: judged, limited, fuelled and compiled. */

import type { CompiledModule } from "../../../filters/wasm/compiled-module.ts";
import { providedImports } from "../../../filters/wasm/host/host-functions.ts";
import { prepareModule } from "../../../filters/wasm/module/prepare-module.ts";
import type { VmLimits } from "../../../filters/wasm/vm-limits.ts";
import { MAX_MODULE_BYTES } from "./module-limit.ts";
import { sha256Of } from "./module-source.ts";

/** Bytes of a page of WebAssembly memory. */
const PAGE = 65_536;

/** The module, or why there is none. */
export type Compiled = { readonly module: CompiledModule } | { readonly fault: string };

/** Compiles in the background where the engine can. Never rejects. */
export async function compileModule(bytes: Uint8Array, limits: VmLimits): Promise<Compiled> {
  try {
    const prepared = prepareModule(bytes, {
      providedImports: providedImports(),
      maxPages: Math.ceil(limits.maxMemoryBytes / PAGE),
      fuel: limits.fuel,
      maxBytes: MAX_MODULE_BYTES,
    });
    if ("faults" in prepared) return { fault: prepared.faults.map(({ message }) => message).join("; ") };
    const module = await WebAssembly.compile(prepared.bytes);
    return { module: { module, abi: prepared.inspection.abiVersion, sha256: sha256Of(bytes) } };
  } catch (error) {
    return { fault: `cannot be compiled: ${error instanceof Error ? error.message : String(error)}` };
  }
}
