/** Finds the WASM plugins that a snapshot configures, and who is to blame if one cannot be used. */
import type { FilterConfig, Json, Snapshot } from "../../../core/config/model.ts";
import { perFilterConfigs } from "../../../core/config/per-filter-configs.ts";
import { WASM_HTTP, WASM_NETWORK } from "../../../filters/standard.ts";

/** The resource that names a plugin. */
export interface PluginOwner {
  readonly kind: "listener" | "route configuration" | "extension";
  readonly name: string;
}

/** A plugin somewhere in a snapshot. */
export interface PluginInUse {
  readonly owner: PluginOwner;
  /** Of the filter in its chain. */
  readonly filter: string;
  /** The Wasm message as JSON. */
  readonly config: Json;
}

/** Every plugin of `snapshot`; the same one may be there several times. */
export function pluginsInUse(snapshot: Snapshot): PluginInUse[] {
  const found: PluginInUse[] = [];
  /** Names of filters by the extension that they discover. */
  const wantedBy = new Map<string, Set<string>>();
  const add = (owner: PluginOwner, filter: string, { typeName, config }: FilterConfig): void => {
    if (typeName === WASM_HTTP || typeName === WASM_NETWORK) found.push({ owner, filter, config });
  };
  for (const { name, filterChains, defaultFilterChain } of snapshot.listeners) {
    const owner: PluginOwner = { kind: "listener", name };
    for (const chain of defaultFilterChain === null ? filterChains : [...filterChains, defaultFilterChain]) {
      for (const filter of chain.networkFilters) add(owner, filter.name, filter);
      if (chain.filter.kind === "tcp_proxy") continue;
      for (const filter of chain.filter.httpFilters) {
        add(owner, filter.name, filter);
        if (filter.discovery === null) continue;
        const { resource, fallback } = filter.discovery;
        wantedBy.set(resource, (wantedBy.get(resource) ?? new Set()).add(filter.name));
        if (fallback !== null) add(owner, filter.name, fallback);
      }
      if (chain.filter.routeConfig !== null) addRoutes(owner, chain.filter.routeConfig);
    }
  }
  for (const routes of snapshot.routes) addRoutes({ kind: "route configuration", name: routes.name }, routes);
  for (const extension of snapshot.extensions) {
    const { name } = extension;
    // A plugin without a name has that of its filter, and filters of several names may share one configuration.
    for (const filter of wantedBy.get(name) ?? [name]) add({ kind: "extension", name }, filter, extension);
  }
  return found;

  function addRoutes(owner: PluginOwner, routes: Snapshot["routes"][number]): void {
    for (const { name, own } of perFilterConfigs(routes)) if (own !== null) add(owner, name, own);
  }
}
