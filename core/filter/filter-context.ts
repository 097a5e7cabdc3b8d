/** What a worker offers to its filters beside the streams themselves. One object per worker. */
import type { Node } from "../config/model.ts";
import type { LogLevel } from "../io/platform.ts";
import type { StatsStore } from "../telemetry/stats.ts";
import type { Clock } from "../time/clock.ts";
import type { Timers } from "../time/timers.ts";
import type { Callouts } from "./callout.ts";

export interface FilterContext {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly stats: StatsStore;
  readonly callouts: Callouts;
  /** Who this proxy is; its texts are byte strings. */
  readonly node: Node;
  /** Uniform in [0, 1); never for secrets. */
  random(): number;
  /** Cryptographically strong. */
  fillRandom(into: Uint8Array): void;
  /** Operator's log; `component` is Envoy's logger name. */
  log(level: LogLevel, component: string, message: string): void;
  /** Whether such a message would be written. */
  logs(level: LogLevel, component: string): boolean;
}
