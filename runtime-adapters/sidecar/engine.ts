/** The parts of the house put together: the engine of a worker, and the checks that configuration needs. */
import { Worker } from "../../core/proxy/worker.ts";
import type { Checks } from "../../core/xds/checks.ts";
import type { MakeEngine } from "./worker-control.ts";

/** See `MakeEngine`. */
export const makeEngine: MakeEngine = (platform, clock, stats, options) =>
  new Worker(platform, clock, stats, options);

/** See `Checks`. */
export const checks: Checks = {};
