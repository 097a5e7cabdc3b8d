/**
 * Tries a plugin without holding up the traffic, which with one worker is in this thread: a guest may spend much fuel
 * while it starts, and one that loops spends all of it, seconds for each of its callbacks. Nearly all need next to
 * none, so a part of the fuel is offered here; who does not come through with that is tried in a thread of its own.
 *
 * Law: that thread has the last word, and a limited time.
 */
import type { Node } from "../../../core/config/model.ts";
import type { CompiledModule } from "../../../filters/wasm/compiled-module.ts";
import type { PluginConfig } from "../../../filters/wasm/plugin-config.ts";
import type { VmLimits } from "../../../filters/wasm/vm-limits.ts";
import { askApart } from "./ask-apart.ts";
import { tryHere } from "./try-here.ts";

/** The part of the fuel that is offered here: with it a loop takes some hundredths of a second. */
const PART = 50;
/** Longest time apart, ms: a worker will need as much to start the plugin. */
const LIMIT = 10_000;

/** What a thread that tries a plugin is started with. */
export interface TryStart {
  /** Tells it from any other thread that runs the entry file. */
  readonly tulle: "try";
  readonly node: Node;
  readonly config: PluginConfig;
  readonly module: CompiledModule;
  readonly limits: VmLimits;
}

/** The reasons why the plugin cannot be used; `entry` is the URL of the entry file. Never rejects. */
export async function tryApart(
  entry: string,
  node: Node,
  config: PluginConfig,
  module: CompiledModule,
  limits: VmLimits,
): Promise<readonly string[]> {
  // A module that is trusted has no fuel to run out of.
  const some = { ...limits, fuelPerCall: Math.ceil(limits.fuelPerCall / PART) };
  const faults = tryHere(node, config, module, limits.fuel ? some : limits);
  if (faults.length === 0 || !limits.fuel) return faults;
  const start: TryStart = { tulle: "try", node, config, module, limits };
  return askApart<readonly string[]>(entry, start, LIMIT, (reason) => [`cannot be started: ${reason}`]);
}
