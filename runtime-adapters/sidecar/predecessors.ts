/** A snapshot without what cannot be put in force: what was there before stays. */
import type { Snapshot } from "../../core/config/model.ts";
import type { Refusal } from "./modules/refusal.ts";

/** `wanted`, with the refused resources as they were in `before`, or not at all. */
export function withoutRefused(wanted: Snapshot, before: Snapshot, refusals: readonly Refusal[]): Snapshot {
  if (refusals.length === 0) return wanted;
  const names = (kind: Refusal["owner"]["kind"]): ReadonlySet<string> =>
    new Set(refusals.flatMap(({ owner }) => (owner.kind === kind ? [owner.name] : [])));
  return {
    ...wanted,
    listeners: kept(wanted.listeners, before.listeners, names("listener")),
    routes: kept(wanted.routes, before.routes, names("route configuration")),
    extensions: kept(wanted.extensions, before.extensions, names("extension")),
  };
}

/** `wanted`, with the listeners that could not be bound as they were in `before`, or not at all. */
export function withoutFailed(wanted: Snapshot, before: Snapshot, failed: ReadonlySet<string>): Snapshot {
  return { ...wanted, listeners: kept(wanted.listeners, before.listeners, failed) };
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
