/** Callbacks of TCP connections. Export by name those that the filter overrides. */
import { Action, Peer } from "../abi";
import { beginCallback } from "../arena";
import { NetworkContext } from "../context";
import { endCallback, enter, findContext } from "../registry";

function begin(id: u32): NetworkContext | null {
  beginCallback();
  enter(id);
  return changetype<NetworkContext | null>(findContext(id));
}

export function proxy_on_new_connection(id: u32): Action {
  const context = begin(id);
  const action = context === null ? Action.Continue : context.onNewConnection();
  endCallback();
  return action;
}

export function proxy_on_downstream_data(id: u32, size: u32, endOfStream: u32): Action {
  const context = begin(id);
  const action = context === null ? Action.Continue : context.onDownstreamData(size, endOfStream !== 0);
  endCallback();
  return action;
}

export function proxy_on_upstream_data(id: u32, size: u32, endOfStream: u32): Action {
  const context = begin(id);
  const action = context === null ? Action.Continue : context.onUpstreamData(size, endOfStream !== 0);
  endCallback();
  return action;
}

export function proxy_on_downstream_connection_close(id: u32, by: Peer): void {
  const context = begin(id);
  if (context !== null) context.onDownstreamClose(by);
  endCallback();
}

export function proxy_on_upstream_connection_close(id: u32, by: Peer): void {
  const context = begin(id);
  if (context !== null) context.onUpstreamClose(by);
  endCallback();
}
