/** A plugin as it is to be run: what the snapshot says, read, with its limits. */
import type { Snapshot } from "../../../core/config/model.ts";
import { checkedPlugin, type PluginConfig } from "../../../filters/wasm/plugin-config.ts";
import { type VmLimits, vmLimits } from "../../../filters/wasm/vm-limits.ts";
import { moduleKey } from "../../../filters/wasm/wasm-host.ts";
import type { PluginInUse } from "./plugins-in-use.ts";

/** Somebody who runs a module. */
export interface PluginUser extends PluginInUse {
  readonly model: PluginConfig;
  readonly limits: VmLimits;
  /** Of the module. */
  readonly key: string;
}

/** A plugin under the limits of that runtime. Throws if its configuration was not checked. */
export function pluginUser(use: PluginInUse, runtime: Snapshot["runtime"]): PluginUser {
  const model = checkedPlugin(use.config, use.filter);
  const limits = vmLimits(runtime, model.name);
  return { ...use, model, limits, key: moduleKey(model, limits) };
}

/** The files of their modules. */
export function filesOf(users: readonly PluginUser[]): Set<string> {
  return new Set(users.flatMap(({ model: { vm } }) => (vm.code.kind === "file" ? [vm.code.path] : [])));
}
