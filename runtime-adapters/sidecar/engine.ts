/** The parts of the house put together: the engine of a worker, and the checks that configuration needs. */
import { hostname } from "node:os";
import { env } from "node:process";
import { Worker } from "../../core/proxy/worker.ts";
import { compileFormat } from "../../core/http/formatter.ts";
import { compileRegex } from "../../core/route/regex.ts";
import { Clock } from "../../core/time/clock.ts";
import type { Checks } from "../../core/xds/checks.ts";
import type { MakeEngine } from "./worker-control.ts";

/** See `MakeEngine`. */
export const makeEngine: MakeEngine = (platform, clock, stats, { concurrency }) =>
  new Worker(platform, clock, stats, { concurrency, variables: env, hostname: hostname() });

/** See `Checks`. */
export const checks: Checks = {
  checkRegex: (pattern) => compileRegex(pattern).error,
  checkFormat: (format) =>
    compileFormat(format, { variables: env, hostname: "", clock: new Clock() }).errors.join("; "),
};
