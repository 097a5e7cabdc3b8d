/** The parts of the house put together: the engine of a worker, and the checks that configuration needs. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { utf8ByteString } from "../../core/bytes/ascii.ts";
import { compileFormat, type FormatEnvironment } from "../../core/http/formatter.ts";
import { Worker } from "../../core/proxy/worker.ts";
import { compileRegex } from "../../core/route/regex.ts";
import { Clock } from "../../core/time/clock.ts";
import type { Checks } from "../../core/xds/checks.ts";
import { STANDARD_FILTERS } from "../../filters/standard.ts";
import { checkVmLimit } from "../../filters/wasm/vm-limits.ts";
import type { MakeEngine } from "./worker-control.ts";

/** The environment as byte strings, as everything that may reach the wire is. */
function variables(): { readonly [name: string]: string } {
  const entries = Object.entries(process.env).map(([name, value]) => [name, utf8ByteString(value ?? "")]);
  return Object.fromEntries(entries);
}

/** What `%ENVIRONMENT(X)%` and its like may refer to; the clock is the caller's, or one that stands still. */
export function formatEnvironment(clock: Clock = new Clock()): FormatEnvironment {
  return { variables: variables(), hostname: utf8ByteString(hostname()), clock };
}

/** See `MakeEngine`. */
export const makeEngine: MakeEngine = (platform, clock, stats, { concurrency }) =>
  new Worker(platform, clock, stats, { concurrency, filters: STANDARD_FILTERS, ...formatEnvironment(clock) });

/** Bytes of a file that a configuration may quote (a direct response's body). */
const MAX_QUOTED_FILE = 16 << 20;

/** See `Checks`. */
export const checks: Checks = {
  checkRegex: (pattern) => compileRegex(pattern).error,
  checkFormat: (format) => {
    return compileFormat(format, formatEnvironment()).errors.join("; ");
  },
  checkRuntime: checkVmLimit,
  readFile: (path) => {
    try {
      const bytes = readFileSync(path);
      return bytes.length > MAX_QUOTED_FILE ? null : bytes.toString("latin1");
    } catch {
      return null;
    }
  },
  readEnvironment: (name) => {
    const value = process.env[name];
    return value === undefined ? null : utf8ByteString(value);
  },
};
