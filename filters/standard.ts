/** The filters that ship, by the names of their configuration messages. The HTTP router is always there. */

import type { ConfigFault } from "../core/config/config-fault.ts";
import type { Json } from "../core/config/model.ts";
import type { FilterKinds } from "../core/filter/filter.ts";
import type { NetworkFilterKinds } from "../core/filter/network-filter.ts";
import { checkGrpcStats, GRPC_STATS, GrpcStats } from "./grpc/grpc-stats.ts";
import { checkGrpcWeb, GRPC_WEB, GrpcWeb } from "./grpc/grpc-web.ts";
import { checkIstioStats, ISTIO_STATS, IstioStats } from "./istio/istio-stats.ts";
import type { WasmHost } from "./wasm/wasm-host.ts";

/** The message of the HTTP filter, and that of the network filter, which run WASM plugins. */
export const WASM_HTTP = "envoy.extensions.filters.http.wasm.v3.Wasm";
export const WASM_NETWORK = "envoy.extensions.filters.network.wasm.v3.Wasm";

/** HTTP filters that need no WASM. */
export const NATIVE_FILTERS: FilterKinds = new Map([
  [GRPC_STATS, new GrpcStats()],
  [GRPC_WEB, new GrpcWeb()],
  [ISTIO_STATS, new IstioStats()],
]);

/** What they say about a configuration. */
export const NATIVE_CHECKS: ReadonlyMap<string, (config: Json) => readonly ConfigFault[]> = new Map([
  [GRPC_STATS, checkGrpcStats],
  [GRPC_WEB, checkGrpcWeb],
  [ISTIO_STATS, checkIstioStats],
]);

/** HTTP filters; `wasm` runs the plugins of this thread. */
export function standardFilters(wasm: WasmHost): FilterKinds {
  return new Map([[WASM_HTTP, wasm]]);
}

/** Network filters. */
export function standardNetworkFilters(wasm: WasmHost): NetworkFilterKinds {
  return new Map([[WASM_NETWORK, wasm]]);
}
