/** What filters leave for each other on a stream (`set_property`); forgotten with the stream. */
import type { StreamInfo } from "../../core/http/stream-info.ts";

/** Values that filters of one stream may leave, and their bytes in all. */
const MAX_VALUES = 128;
export const MAX_STATE_BYTES: number = 64 * 1024;

const states = new WeakMap<StreamInfo, Map<string, string>>();
/** Nobody has left anything yet: there is nothing to look for. */
let unused = true;

/** The value that was left at `path`, null if there is none. */
export function leftValue(info: StreamInfo, path: string): string | null {
  return unused ? null : (states.get(info)?.get(path) ?? null);
}

/** Leaves a value; false if there is too much already. */
export function leaveValue(info: StreamInfo, path: string, value: string): boolean {
  unused = false;
  let state = states.get(info);
  if (state === undefined) {
    state = new Map();
    states.set(info, state);
  }
  let bytes = path.length + value.length;
  for (const [other, held] of state) if (other !== path) bytes += other.length + held.length;
  if (bytes > MAX_STATE_BYTES || (state.size >= MAX_VALUES && !state.has(path))) return false;
  state.set(path, value);
  return true;
}
