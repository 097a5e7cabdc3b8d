/**
 * The WASM modules of a process, which has none until it is configured to run a plugin: until then neither the store
 * nor anything of the WASM host is loaded.
 */
import type { Snapshot } from "../../../core/config/model.ts";
import type { WasmSupply } from "../../../filters/wasm/wasm-host.ts";
import type { StoreSurroundings } from "./make-module-store.ts";
import type { ModuleStatus, ModuleStore } from "./module-store.ts";
import { pluginsInUse } from "./plugins-in-use.ts";
import { type Preparation, READY } from "./preparation.ts";

/** As `ModuleStore`, to which all questions go that come after the first plugin. */
export class LateModules {
  private readonly entry: string;
  private readonly surroundings: StoreSurroundings;
  private store: ModuleStore | null = null;

  /** As `makeModuleStore`. */
  constructor(entry: string, surroundings: StoreSurroundings) {
    this.entry = entry;
    this.surroundings = surroundings;
  }

  /** See `ModuleStore`. One at a time. */
  async prepare(snapshot: Snapshot): Promise<Preparation> {
    if (this.store === null) {
      if (pluginsInUse(snapshot).length === 0) return READY;
      const { makeModuleStore } = await import("./make-module-store.ts");
      this.store = makeModuleStore(this.entry, this.surroundings);
    }
    return this.store.prepare(snapshot);
  }

  /** See `ModuleStore`. */
  settle(snapshot: Snapshot): void {
    this.store?.settle(snapshot);
  }

  /** What workers are to have, null if there is nothing that they would have to be told. */
  get supply(): WasmSupply | null {
    return this.store === null || this.store.isIdle ? null : this.store.supply;
  }

  /** See `ModuleStore`. */
  status(): readonly ModuleStatus[] {
    return this.store?.status() ?? [];
  }

  /** See `ModuleStore`. */
  async replaceBy(source: string, bytes: Uint8Array | null): Promise<readonly string[]> {
    return this.store?.replaceBy(source, bytes) ?? [`no module comes from "${source}"; there is none`];
  }

  /** See `ModuleStore`. */
  workerEnded(index: number): void {
    this.store?.workerEnded(index);
  }

  /** See `ModuleStore`. */
  close(): void {
    this.store?.close();
  }
}
