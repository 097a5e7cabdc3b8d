/**
 * What a filter made of contexts exports in any case: `export * from "…/sdk/exports/plugin"`. The callbacks that
 * it wants beside these are picked by name from the other files of this folder.
 */
import { beginCallback } from "../arena";
import { pluginConfiguration } from "../buffer";
import { RootContext } from "../context";
import { createContext, deleteContext, endCallback, enter, findContext } from "../registry";
import { Slice } from "../slice";

export { proxy_abi_version_0_2_1, proxy_on_memory_allocate } from "./abi";

export function proxy_on_context_create(id: u32, parent: u32): void {
  beginCallback();
  enter(id);
  createContext(id, parent);
}

export function proxy_on_configure(root: u32, _size: u32): bool {
  beginCallback();
  enter(root);
  const context = findContext(root);
  if (context === null) return false;
  const configuration = pluginConfiguration.get();
  const accepted = changetype<RootContext>(context).onConfigure(
    configuration === null ? Slice.empty : configuration,
  );
  endCallback();
  return accepted;
}

export function proxy_on_delete(id: u32): void {
  beginCallback();
  enter(id);
  deleteContext(id);
  endCallback();
}
