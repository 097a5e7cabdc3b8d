/**
 * What a VM may use: memory, fuel (a measure of the work that one call into the guest may do) and the size at which it
 * is replaced. Envoy's plugin message has no place for them, so they are values of the layered runtime, which is where
 * Envoy keeps its own safety limits and takes any key: the same file runs there, without them.
 *
 *   tulle.wasm.<limit>                 for every plugin
 *   tulle.wasm.plugins.<name>.<limit>  for the plugins of that name, before the former
 */
import type { Snapshot } from "../../core/config/model.ts";

type Value = string | number | boolean;

/** Larger modules are refused, bytes. Fixed: it bounds what is read of files, downloads and the admin server's requests. */
export const MAX_MODULE_BYTES = 64 * 1024 * 1024;

/** The limits of one VM. */
export interface VmLimits {
  /** Bytes of linear memory. */
  readonly maxMemoryBytes: number;
  /** False for a module that is trusted: it is run as it is, and may loop for ever. */
  readonly fuel: boolean;
  /** Loop turns and function entries that one call from outside may take, the calls that it causes included. */
  readonly fuelPerCall: number;
  /** Bytes of linear memory above which the VM is replaced between streams; 0 = never. */
  readonly recycleAboveBytes: number;
}

const PREFIX = "tulle.wasm.";
const PLUGINS = "plugins.";
const PAGE = 65_536;
/** What 32 bits can address. */
const MAX_MEMORY = 4 * 1024 * 1024 * 1024;
const DEFAULT_MEMORY = 128 * 1024 * 1024;
/** Some tenths of a second; a usual call takes some thousand. */
const DEFAULT_FUEL = 100_000_000;

/** From, to, and whether 0 is allowed besides. */
const NUMBERS: { readonly [limit: string]: readonly [from: number, to: number, zero: boolean] } = {
  max_memory_bytes: [PAGE, MAX_MEMORY, false],
  fuel_per_call: [1000, 0x7fffffff, false],
  recycle_above_bytes: [PAGE, MAX_MEMORY, true],
};
const LIMITS = ["max_memory_bytes", "fuel", "fuel_per_call", "recycle_above_bytes"];

/** The limits for plugins of that name. A value that `checkVmLimit` would refuse counts as not given. */
export function vmLimits(runtime: Snapshot["runtime"], plugin: string): VmLimits {
  const given = (limit: string): Value | undefined => {
    for (const key of [`${PREFIX}${PLUGINS}${plugin}.${limit}`, PREFIX + limit]) {
      if (Object.hasOwn(runtime, key) && complaint(limit, runtime[key]) === "") return runtime[key];
    }
    return undefined;
  };
  const maxMemoryBytes = Number(given("max_memory_bytes") ?? DEFAULT_MEMORY);
  return {
    maxMemoryBytes,
    fuel: String(given("fuel") ?? true) === "true",
    fuelPerCall: Number(given("fuel_per_call") ?? DEFAULT_FUEL),
    recycleAboveBytes: Number(given("recycle_above_bytes") ?? Math.floor((maxMemoryBytes * 3) / 4)),
  };
}

/** What of the runtime is about limits: the rest may change, and no plugin is the wiser. */
export function limitsIn(runtime: Snapshot["runtime"]): Snapshot["runtime"] {
  return Object.fromEntries(Object.entries(runtime).filter(([key]) => key.startsWith(PREFIX)));
}

/** "" or why a value of the runtime is refused; fits `Checks.checkRuntime`. Keys that are not ours pass. */
export function checkVmLimit(key: string, value: Value): string {
  if (!key.startsWith(PREFIX)) return "";
  const dot = key.lastIndexOf(".");
  const scope = key.slice(PREFIX.length, dot + 1);
  const limit = key.slice(dot + 1);
  const known = scope === "" || (scope.startsWith(PLUGINS) && scope.length > PLUGINS.length + 1);
  if (!known || !LIMITS.includes(limit)) return `no such limit; there are ${LIMITS.join(", ")}`;
  return complaint(limit, value);
}

/** Values that came by `/runtime_modify` are texts. */
function complaint(limit: string, value: Value): string {
  if (limit === "fuel") return /^(true|false)$/.test(String(value)) ? "" : "must be a boolean";
  const [from, to, zero] = NUMBERS[limit];
  const number = typeof value === "boolean" || value === "" ? Number.NaN : Number(value);
  if (Number.isInteger(number) && ((number >= from && number <= to) || (zero && number === 0))) return "";
  return `must be an integer from ${from} to ${to}${zero ? ", or 0" : ""}`;
}
