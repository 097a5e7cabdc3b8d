/**
 * Everything that a guest may import. All functions are there for every module, whatever version it was made for:
 * the sets do not conflict (proxy-wasm.md 1.2).
 *
 * Laws: a host function never throws and never lets the guest reach what is not its own. While the guest's allocator
 * runs, and before the guest has started, nothing but logging and WASI is open.
 */
import { InternalFailure } from "../abi.ts";
import type { WasmVm } from "../vm.ts";
import { bufferFunctions } from "./buffers.ts";
import { calloutFunctions } from "./callouts.ts";
import { foreignFunctions } from "./foreign.ts";
import { grpcFunctions } from "./grpc.ts";
import { headerFunctions } from "./headers.ts";
import { logAndClockFunctions } from "./log-and-clock.ts";
import { metricFunctions } from "./metrics.ts";
import { propertyFunctions } from "./properties.ts";
import { sharedDataFunctions } from "./shared-data.ts";
import { streamFunctions } from "./streams.ts";
import { WASI_DENIED, wasiFunctions } from "./wasi.ts";

/** Functions by their names; numbers in, a status out. */
export type HostFunctions = { readonly [name: string]: (...args: never[]) => unknown };

/** The import object for one VM. */
export function hostFunctions(vm: WasmVm): WebAssembly.Imports {
  const guarded: HostFunctions = {
    ...headerFunctions(vm),
    ...bufferFunctions(vm),
    ...propertyFunctions(vm),
    ...streamFunctions(vm),
    ...metricFunctions(vm),
    ...sharedDataFunctions(vm),
    ...calloutFunctions(vm),
    ...grpcFunctions(vm),
    ...foreignFunctions(vm),
    ...logAndClockFunctions(vm),
  };
  const env: { [name: string]: WebAssembly.ImportValue } = {};
  for (const [name, own] of Object.entries(guarded)) {
    env[name] = (vm.isAllowed(name) ? own : denied) as WebAssembly.ImportValue;
  }
  // Of old emscripten: there are no threads, and memory is looked at anew anyway.
  env.pthread_equal = (a: number, b: number) => (a === b ? 1 : 0);
  env.emscripten_notify_memory_growth = () => undefined;
  const wasi: { [name: string]: WebAssembly.ImportValue } = {};
  for (const [name, own] of Object.entries(wasiFunctions(vm))) {
    wasi[name] = (vm.isAllowed(name) ? own : () => WASI_DENIED) as WebAssembly.ImportValue;
  }
  return { env, wasi_snapshot_preview1: wasi, wasi_unstable: wasi };
}

function denied(): number {
  return InternalFailure;
}

/** Every name that `hostFunctions` provides, as "module.name"; for the inspection of modules. */
export function providedImports(): ReadonlySet<string> {
  const imports = hostFunctions(PROBE as WasmVm);
  return new Set(
    Object.entries(imports).flatMap(([module, functions]) =>
      Object.keys(functions).map((name) => `${module}.${name}`),
    ),
  );
}

/** Only asked for names. */
const PROBE: unknown = { isAllowed: () => true, memory: null };
