/** The parts of the house put together: the engine of a worker, and the checks that configuration needs. */
import { randomFillSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { utf8ByteString } from "../../core/bytes/ascii.ts";
import { nodeInBytes } from "../../core/config/node.ts";
import { compileFormat, type FormatEnvironment } from "../../core/http/formatter.ts";
import type { Platform } from "../../core/io/platform.ts";
import { Worker } from "../../core/proxy/worker.ts";
import { compileRegex } from "../../core/route/regex.ts";
import type { StatsStore } from "../../core/telemetry/stats.ts";
import { Clock } from "../../core/time/clock.ts";
import type { Checks } from "../../core/xds/checks.ts";
import { standardFilters, standardNetworkFilters, WASM_HTTP, WASM_NETWORK } from "../../filters/standard.ts";
import { tryPlugin } from "../../filters/wasm/canary.ts";
import { checkPluginConfig } from "../../filters/wasm/plugin-config.ts";
import { checkVmLimit } from "../../filters/wasm/vm-limits.ts";
import { WasmHost, type WasmSupply } from "../../filters/wasm/wasm-host.ts";
import type { Entry } from "./entry.ts";
import type { Engine, MakeEngine } from "./worker-control.ts";

/** The environment as byte strings, as everything that may reach the wire is. */
function variables(): { readonly [name: string]: string } {
  const entries = Object.entries(process.env).map(([name, value]) => [name, utf8ByteString(value ?? "")]);
  return Object.fromEntries(entries);
}

/** What `%ENVIRONMENT(X)%` and its like may refer to; the clock is the caller's, or one that stands still. */
export function formatEnvironment(clock: Clock = new Clock()): FormatEnvironment {
  return { variables: variables(), hostname: utf8ByteString(hostname()), clock };
}

/** A worker whose filters may be WASM. */
class WasmWorker extends Worker implements Engine {
  private readonly wasm: WasmHost;

  constructor(
    platform: Platform,
    clock: Clock,
    stats: StatsStore,
    { workerIndex, concurrency, postNote }: Parameters<MakeEngine>[3],
  ) {
    const environment = formatEnvironment(clock);
    const wasm = new WasmHost(workerIndex, variables(), postNote);
    const filters = standardFilters(wasm);
    const networkFilters = standardNetworkFilters(wasm);
    super(platform, clock, stats, { concurrency, filters, networkFilters, ...environment });
    this.wasm = wasm;
  }

  setWasm(supply: WasmSupply): void {
    this.wasm.setSupply(supply);
  }

  queueReady(queue: number): void {
    this.wasm.queueReady(queue);
  }
}

/** See `MakeEngine`. */
export const makeEngine: MakeEngine = (platform, clock, stats, options) =>
  new WasmWorker(platform, clock, stats, options);

/** Tries a WASM plugin before workers hear of it: the reasons why it cannot be used. */
export const tryWasmPlugin: Entry["tryPlugin"] = (config, module, limits, node) =>
  tryPlugin(config, module, limits, {
    node: nodeInBytes(node),
    now: Date.now(),
    variables: variables(),
    fillRandom: (into) => void randomFillSync(into),
  });

/** Bytes of a file that a configuration may quote (a direct response's body). */
const MAX_QUOTED_FILE = 16 << 20;

/** See `Checks`. */
export const checks: Checks = {
  httpFilters: new Map([[WASM_HTTP, checkPluginConfig]]),
  networkFilters: new Map([[WASM_NETWORK, checkPluginConfig]]),
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
