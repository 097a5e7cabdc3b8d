/**
 * A whole request through the engine (filter-chain.ts) with one minimal WASM filter: two header reads, one header added
 * on request and on response. The difference to the engine without filters is what the host costs; with fuel, what it
 * costs that the guest can be stopped.
 */
import type { FilterKinds } from "../../../core/filter/filter.ts";
import type { CompiledModule } from "../../../filters/wasm/compiled-module.ts";
import { checkedPlugin } from "../../../filters/wasm/plugin-config.ts";
import { SharedStore } from "../../../filters/wasm/shared-store.ts";
import { vmLimits } from "../../../filters/wasm/vm-limits.ts";
import { moduleKey, WasmHost } from "../../../filters/wasm/wasm-host.ts";
import { fuelled, guestWith, HAS_ASSEMBLER } from "../../../test/support/guest.ts";
import { pluginJson, wasmFilter } from "../../../test/support/plugin-fixture.ts";
import type { MicroCase } from "../micro-case.ts";
import { requestLoop } from "./filter-chain.ts";
import { BROWSER_REQUEST } from "./sample-heads.ts";

/** Its allocator begins anew with each request, as that of an arena would. */
const minimal = () => guestWith({ allocator: false })`
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (global.get $heap)
    (global.set $heap (i32.add (global.get $heap) (local.get $size))))
  (on context_create (global.set $heap #65536))
  (on request_headers
    (drop (call $get_header_map_value #0 ${":path"} #out))
    (drop (call $get_header_map_value #0 ${"user-agent"} #out))
    (drop (call $add_header_map_value #0 ${"x-filter"} ${"minimal"}))
    #0)
  (on response_headers
    (drop (call $add_header_map_value #2 ${"x-filter"} ${"minimal"}))
    #0)
  (on done #1)
  (on log)
  (on delete)`;

function through(guest: CompiledModule, count: number): (times: number) => number {
  const host = new WasmHost(0, {}, () => undefined);
  const plugins = Array.from({ length: count }, (_, i) => ({ guest, name: `p${i}` }));
  const modules = new Map<string, CompiledModule>();
  for (const plugin of plugins) {
    const config = checkedPlugin(pluginJson(plugin), plugin.name);
    modules.set(moduleKey(config, vmLimits({}, plugin.name)), guest);
  }
  const shared = SharedStore.create({ threads: 1, seed: [1, 2], bytes: 1 << 20 });
  host.setSupply({ modules, runtime: {}, shared });
  const filters = plugins.map(wasmFilter);
  const kinds: FilterKinds = new Map([[filters[0].typeName, host]]);
  return requestLoop(filters, kinds, [BROWSER_REQUEST]);
}

export const WASM_FILTER: readonly MicroCase[] = HAS_ASSEMBLER
  ? [
      { name: "engine: GET, 1 minimal WASM filter", prepare: () => through(minimal(), 1) },
      { name: "engine: GET, 1 minimal WASM filter with fuel", prepare: () => through(fuelled(minimal()), 1) },
      {
        name: "engine: GET, 3 minimal WASM filters with fuel",
        prepare: () => through(fuelled(minimal()), 3),
      },
    ]
  : [];
