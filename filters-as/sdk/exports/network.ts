/** Callbacks of TCP connections. Export by name those that the filter overrides. */
import { Action, Peer } from "../abi";
import { beginCallback } from "../arena";
import { NetworkContext } from "../context";
import { enter, findContext } from "../registry";

function begin(id: u32): NetworkContext | null {
  beginCallback();
  enter(id);
  return changetype<NetworkContext | null>(findContext(id));
}

export function proxy_on_new_connection(id: u32): Action {
  const context = begin(id);
  return context === null ? Action.Continue : context.onNewConnection();
}

export function proxy_on_downstream_data(id: u32, size: u32, endOfStream: u32): Action {
  const context = begin(id);
  return context === null ? Action.Continue : context.onDownstreamData(size, endOfStream !== 0);
}

export function proxy_on_upstream_data(id: u32, size: u32, endOfStream: u32): Action {
  const context = begin(id);
  return context === null ? Action.Continue : context.onUpstreamData(size, endOfStream !== 0);
}

export function proxy_on_downstream_connection_close(id: u32, by: Peer): void {
  const context = begin(id);
  if (context !== null) context.onDownstreamClose(by);
}

export function proxy_on_upstream_connection_close(id: u32, by: Peer): void {
  const context = begin(id);
  if (context !== null) context.onUpstreamClose(by);
}
