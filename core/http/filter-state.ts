/**
 * What filters leave for each other and for the log on a stream, by name (Envoy's filter state); forgotten with the
 * stream. What was left on its connection is there for all of its streams, and is changed there (Envoy). A stream on
 * which nobody leaves anything pays nothing for it.
 */
import type { StreamInfo } from "./stream-info.ts";

/** Values that filters of one stream may leave, and their bytes in all, names included. */
const MAX_VALUES = 128;
export const MAX_STATE_BYTES: number = 64 * 1024;

const states = new WeakMap<StreamInfo, Map<string, string>>();
/** Nobody has left anything yet: there is nothing to look for. */
let unused = true;

/** The value (a byte string) that was left under that name, null if there is none. */
export function filterState(info: StreamInfo, name: string): string | null {
  if (unused) return null;
  const own = states.get(info)?.get(name);
  if (own !== undefined) return own;
  return info.parent === null ? null : filterState(info.parent, name);
}

/** Leaves a value; false if there is too much already. */
export function setFilterState(info: StreamInfo, name: string, value: string): boolean {
  unused = false;
  let state = states.get(info);
  const { parent } = info;
  if (parent !== null && state?.has(name) !== true && filterState(parent, name) !== null)
    return setFilterState(parent, name, value);
  if (state === undefined) {
    state = new Map();
    states.set(info, state);
  }
  let bytes = name.length + value.length;
  for (const [other, held] of state) if (other !== name) bytes += other.length + held.length;
  if (bytes > MAX_STATE_BYTES || (state.size >= MAX_VALUES && !state.has(name))) return false;
  state.set(name, value);
  return true;
}
