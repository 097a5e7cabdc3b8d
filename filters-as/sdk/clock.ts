/** The host's clock. It may stand still during one callback. */
import { allocate } from "./arena";
import { proxy_get_current_time_nanoseconds, proxy_set_tick_period_milliseconds } from "./env";

/** Nanoseconds since 1970. */
export function now(): u64 {
  const place = allocate(8);
  store<u64>(place, 0);
  proxy_get_current_time_nanoseconds(place);
  return load<u64>(place);
}

/** Calls the root context's `onTick` every `ms`; 0 stops it. Replaces the period set before. */
export function setTickPeriod(ms: u32): void {
  proxy_set_tick_period_milliseconds(ms);
}
