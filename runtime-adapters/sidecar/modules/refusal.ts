/** A resource whose plugins cannot be used, for whoever tells of it: the store that finds it out is loaded later. */
import type { PluginOwner } from "./plugins-in-use.ts";

/** A resource that cannot be put in force. */
export interface Refusal {
  readonly owner: PluginOwner;
  /** A finished line. */
  readonly fault: string;
}

/** Whom it is about. */
export function ownerOf({ owner }: { readonly owner: PluginOwner }): PluginOwner {
  return owner;
}

/** A refusal for a log or a terminal. */
export function refusalLine({ owner, fault }: Refusal): string {
  return `${owner.kind} ${owner.name}: ${fault}`;
}
