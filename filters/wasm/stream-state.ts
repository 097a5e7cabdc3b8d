/** What filters leave for each other on a stream (`set_property`); forgotten with the stream. */
import type { StreamInfo } from "../../core/http/stream-info.ts";

const states = new WeakMap<StreamInfo, Map<string, string>>();

/** The values of a stream, made when first asked for. */
export function sharedState(info: StreamInfo): Map<string, string> {
  let state = states.get(info);
  if (state === undefined) {
    state = new Map();
    states.set(info, state);
  }
  return state;
}

/** The same, null if there are none. */
export function existingState(info: StreamInfo): Map<string, string> | null {
  return states.get(info) ?? null;
}
