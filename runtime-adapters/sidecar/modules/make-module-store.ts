/**
 * The module store with all that it needs: the compiler, the canary, the WASM host. To be imported on demand, for most
 * processes have no plugin.
 */
import type { Node } from "../../../core/config/model.ts";
import { compileApart } from "./compile-apart.ts";
import { ModuleStore, type ModuleStoreHost } from "./module-store.ts";
import { tryApart } from "./try-apart.ts";

/** What differs from one user of a store to the next. */
export interface StoreSurroundings extends Omit<ModuleStoreHost, "compile" | "tryPlugin"> {
  /** What plugins are told of the proxy that they are to serve in. */
  readonly node: Node;
}

/** A store; `entry` is the URL of the entry file, for threads that compile. */
export function makeModuleStore(entry: string, surroundings: StoreSurroundings): ModuleStore {
  return new ModuleStore({
    ...surroundings,
    compile: (bytes, limits) => compileApart(entry, bytes, limits),
    tryPlugin: (config, module, limits) => tryApart(entry, surroundings.node, config, module, limits),
  });
}
