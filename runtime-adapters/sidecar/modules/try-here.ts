/** The canary with what it is given of this process. Runs in the thread that calls it. */
import { randomFillSync } from "node:crypto";
import type { Node } from "../../../core/config/model.ts";
import { nodeInBytes } from "../../../core/config/node.ts";
import { tryPlugin } from "../../../filters/wasm/canary.ts";
import type { CompiledModule } from "../../../filters/wasm/compiled-module.ts";
import type { PluginConfig } from "../../../filters/wasm/plugin-config.ts";
import type { VmLimits } from "../../../filters/wasm/vm-limits.ts";
import { processVariables } from "../process-variables.ts";

/** See `tryPlugin`. `node` is what the plugin is told of the proxy that it is to serve in. */
export function tryHere(
  node: Node,
  config: PluginConfig,
  module: CompiledModule,
  limits: VmLimits,
): readonly string[] {
  return tryPlugin(config, module, limits, {
    node: nodeInBytes(node),
    now: Date.now(),
    variables: processVariables(),
    fillRandom: (into) => void randomFillSync(into),
  });
}
