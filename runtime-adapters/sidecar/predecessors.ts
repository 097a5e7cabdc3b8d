/** A snapshot without what cannot be put in force, or not yet: what was there before stays. */
import type { Listener, Snapshot } from "../../core/config/model.ts";
import type { PluginOwner } from "./modules/plugins-in-use.ts";

/** `wanted`, with the `unready` resources as they were in `before` (and what they need), or not at all. */
export function withoutUnready(
  wanted: Snapshot,
  before: Snapshot,
  unready: readonly PluginOwner[],
): Snapshot {
  if (unready.length === 0) return wanted;
  const names = (kind: PluginOwner["kind"]): ReadonlySet<string> =>
    new Set(unready.flatMap((owner) => (owner.kind === kind ? [owner.name] : [])));
  const held = names("listener");
  const old = before.listeners.filter(({ name }) => held.has(name));
  const routes = kept(wanted.routes, before.routes, names("route configuration"));
  const extensions = kept(wanted.extensions, before.extensions, names("extension"));
  return {
    ...wanted,
    listeners: kept(wanted.listeners, before.listeners, held),
    routes: withNeeded(routes, before.routes, old.flatMap(routesOf)),
    extensions: withNeeded(extensions, before.extensions, old.flatMap(extensionsOf)),
  };
}

/** `wanted`, with the listeners that could not be bound as they were in `before`, or not at all. */
export function withoutFailed(wanted: Snapshot, before: Snapshot, failed: ReadonlySet<string>): Snapshot {
  return { ...wanted, listeners: kept(wanted.listeners, before.listeners, failed) };
}

/** Who waits if these do: a listener must not serve before its first routes are there, or without a filter. */
export function withDependents(
  wanted: Snapshot,
  before: Snapshot,
  waiting: readonly PluginOwner[],
): readonly PluginOwner[] {
  const isMissing = (kind: PluginOwner["kind"], old: readonly { readonly name: string }[], name: string) =>
    waiting.some((owner) => owner.kind === kind && owner.name === name) &&
    !old.some((each) => each.name === name);
  const dependents = wanted.listeners.filter(
    (listener) =>
      !waiting.some(({ kind, name }) => kind === "listener" && name === listener.name) &&
      (routesOf(listener).some((name) => isMissing("route configuration", before.routes, name)) ||
        extensionsOf(listener).some((name) => isMissing("extension", before.extensions, name))),
  );
  return [...waiting, ...dependents.map(({ name }): PluginOwner => ({ kind: "listener", name }))];
}

function kept<T extends { readonly name: string }>(
  wanted: readonly T[],
  before: readonly T[],
  refused: ReadonlySet<string>,
): readonly T[] {
  if (refused.size === 0) return wanted;
  const old = new Map(before.map((resource) => [resource.name, resource]));
  return wanted.flatMap((resource) => {
    if (!refused.has(resource.name)) return [resource];
    return old.get(resource.name) ?? [];
  });
}

/** With those of `before` that nobody wants any more but who stays. */
function withNeeded<T extends { readonly name: string }>(
  wanted: readonly T[],
  before: readonly T[],
  needed: readonly string[],
): readonly T[] {
  const there = new Set(wanted.map(({ name }) => name));
  const missing = before.filter(({ name }) => needed.includes(name) && !there.has(name));
  return missing.length === 0 ? wanted : [...wanted, ...missing];
}

function managersOf({ filterChains, defaultFilterChain }: Listener) {
  const chains = defaultFilterChain === null ? filterChains : [...filterChains, defaultFilterChain];
  return chains.flatMap(({ filter }) => (filter.kind === "http_connection_manager" ? [filter] : []));
}

function routesOf(listener: Listener): string[] {
  return managersOf(listener).flatMap(({ rds }) => (rds === "" ? [] : [rds]));
}

/** The filters that it must not serve without. */
function extensionsOf(listener: Listener): string[] {
  return managersOf(listener).flatMap(({ httpFilters }) =>
    httpFilters.flatMap(({ discovery }) => {
      return discovery === null || discovery.withoutWarming ? [] : [discovery.resource];
    }),
  );
}
