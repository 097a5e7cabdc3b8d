/** The parts of the house put together: the engine of a worker, and the checks that configuration needs. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { utf8ByteString } from "../../core/bytes/ascii.ts";
import type { FilterKind } from "../../core/filter/filter.ts";
import type { NetworkFilterKind } from "../../core/filter/network-filter.ts";
import { compileFormat, type FormatEnvironment } from "../../core/http/formatter.ts";
import type { Platform } from "../../core/io/platform.ts";
import { Worker } from "../../core/proxy/worker.ts";
import { compileRegex } from "../../core/route/regex.ts";
import type { StatsStore } from "../../core/telemetry/stats.ts";
import { Clock } from "../../core/time/clock.ts";
import type { Checks } from "../../core/xds/checks.ts";
import {
  NATIVE_CHECKS,
  NATIVE_FILTERS,
  standardFilters,
  standardNetworkFilters,
  WASM_HTTP,
  WASM_NETWORK,
} from "../../filters/standard.ts";
import { checkPluginConfig } from "../../filters/wasm/plugin-config.ts";
import { checkVmLimit } from "../../filters/wasm/vm-limits.ts";
import type { WasmHost, WasmSupply } from "../../filters/wasm/wasm-host.ts";
import { checkKeyPair } from "../key-pair.ts";
import { processVariables } from "./process-variables.ts";
import type { Engine, MakeEngine } from "./worker-control.ts";

/** What `%ENVIRONMENT(X)%` and its like may refer to; the clock is the caller's, or one that stands still. */
export function formatEnvironment(clock: Clock = new Clock()): FormatEnvironment {
  return { variables: processVariables(), hostname: utf8ByteString(hostname()), clock };
}

type EngineOptions = Parameters<MakeEngine>[3];

/** A worker whose filters may be WASM: the host of those is loaded when it is needed, for most workers have none. */
class WasmWorker extends Worker implements Engine {
  private readonly options: EngineOptions;
  /** Of the core's filters: those of WASM come when they are loaded. */
  private readonly kinds: Map<string, FilterKind>;
  private readonly networkKinds: Map<string, NetworkFilterKind>;
  private wasm: WasmHost | null = null;

  constructor(platform: Platform, clock: Clock, stats: StatsStore, options: EngineOptions) {
    const { concurrency } = options;
    const filters = new Map<string, FilterKind>(NATIVE_FILTERS);
    const networkFilters = new Map<string, NetworkFilterKind>();
    const health = { index: options.workerIndex, tell: options.others.tellHealth };
    super(platform, clock, stats, {
      concurrency,
      filters,
      networkFilters,
      health,
      ...formatEnvironment(clock),
    });
    this.options = options;
    this.kinds = filters;
    this.networkKinds = networkFilters;
  }

  async loadWasm(): Promise<void> {
    const { WasmHost } = await import("../../filters/wasm/wasm-host.ts");
    if (this.wasm !== null) return;
    const { workerIndex, others } = this.options;
    const wasm = new WasmHost(workerIndex, processVariables(), others.postNote);
    for (const [type, kind] of standardFilters(wasm)) this.kinds.set(type, kind);
    for (const [type, kind] of standardNetworkFilters(wasm)) this.networkKinds.set(type, kind);
    this.wasm = wasm;
  }

  setWasm(supply: WasmSupply): void {
    this.wasm?.setSupply(supply);
  }

  queueReady(queue: number): void {
    this.wasm?.queueReady(queue);
  }
}

/** See `MakeEngine`. */
export const makeEngine: MakeEngine = (platform, clock, stats, options) =>
  new WasmWorker(platform, clock, stats, options);

/** Bytes of a file that a configuration may quote (a direct response's body). */
const MAX_QUOTED_FILE = 16 << 20;

/** See `Checks`. */
export const checks: Checks = {
  httpFilters: new Map([...NATIVE_CHECKS, [WASM_HTTP, checkPluginConfig]]),
  networkFilters: new Map([[WASM_NETWORK, checkPluginConfig]]),
  checkRegex: (pattern) => compileRegex(pattern).error,
  checkFormat: (format) => {
    return compileFormat(format, formatEnvironment()).errors.join("; ");
  },
  checkRuntime: checkVmLimit,
  now: () => Date.now(),
  checkKeyPair,
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
