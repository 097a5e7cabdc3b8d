/** Statistics of one plugin, `wasm.<name>.…`, as Envoy has them; the last three are ours. */
import { layoutOf } from "../../core/telemetry/stat-layout.ts";

export class PluginStats {
  created = 0;
  active = 0;
  vmReload = 0;
  vmReloadSuccess = 0;
  vmReloadBackoff = 0;
  vmReloadFailure = 0;
  /** VMs that trapped. */
  vmFailed = 0;
  /** VMs replaced because their memory had grown too large. */
  vmRecycled = 0;
  /** Memory of the living VMs together, bytes, as of the last stream that ended. */
  vmMemoryBytes = 0;
}

export const PLUGIN_STATS = layoutOf("wasm_plugin", () => new PluginStats(), {
  gauges: ["active", "vmMemoryBytes"],
});
