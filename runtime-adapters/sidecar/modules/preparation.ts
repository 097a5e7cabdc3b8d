/** What became of the plugins of a snapshot, as far as they are not ready. */
import type { PluginUser } from "./plugin-user.ts";
import type { PluginOwner } from "./plugins-in-use.ts";
import type { Refusal } from "./refusal.ts";
import { shownSource } from "./shown-address.ts";

/** A resource that needs a module which is still being downloaded. */
export interface Waiting {
  readonly owner: PluginOwner;
  /** Where the module is to come from. */
  readonly source: string;
}

/** Everything else of the snapshot can be put in force. No resource is in both lists. */
export interface Preparation {
  readonly refusals: readonly Refusal[];
  readonly waiting: readonly Waiting[];
}

/** Nothing is in the way. */
export const READY: Preparation = { refusals: [], waiting: [] };

/** A plugin that cannot be used, and why; null: its module is on its way. */
export interface Tried {
  readonly user: PluginUser;
  readonly fault: string | null;
}

/** What that means for the resources that name them. */
export function preparationOf(tried: readonly Tried[]): Preparation {
  const refusals = tried.flatMap(({ user, fault }) =>
    fault === null ? [] : [{ owner: user.owner, fault: `filter ${user.filter}: ${fault}` }],
  );
  const isRefused = ({ kind, name }: PluginOwner): boolean =>
    refusals.some(({ owner }) => owner.kind === kind && owner.name === name);
  const waiting = tried.flatMap(({ user: { owner, model }, fault }) =>
    fault !== null || isRefused(owner) ? [] : [{ owner, source: shownSource(model) }],
  );
  return { refusals, waiting };
}

/** What a resource waits for, for a log. */
export function waitingLine({ owner, source }: Waiting): string {
  return `${owner.kind} ${owner.name} waits for ${source}`;
}
