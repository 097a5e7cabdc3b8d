/**
 * Compiles large modules in a thread of their own, which ends with it: to judge a module of a MiB takes a tenth of a
 * second or more, and with one worker this thread has the traffic. What a small one takes, a thread would cost, too.
 */
import type { VmLimits } from "../../../filters/wasm/vm-limits.ts";
import { askApart } from "./ask-apart.ts";
import { type Compiled, compileModule } from "./compile-module.ts";

/** Larger modules get a thread, bytes. */
const SMALL = 128 * 1024;
/** Longest time, ms: the largest module takes some seconds. */
const LIMIT = 120_000;

/** What a thread that compiles is started with. */
export interface CompileStart {
  /** Tells it from any other thread that runs the entry file. */
  readonly tulle: "compile";
  readonly bytes: Uint8Array;
  readonly limits: VmLimits;
}

/** `compileModule`, away from this thread if it is worth it; `entry` is the URL of the entry file. Never rejects. */
export function compileApart(entry: string, bytes: Uint8Array, limits: VmLimits): Promise<Compiled> {
  if (bytes.length <= SMALL) return compileModule(bytes, limits);
  const start: CompileStart = { tulle: "compile", bytes, limits };
  return askApart<Compiled>(entry, start, LIMIT, (reason) => ({ fault: `cannot be compiled: ${reason}` }));
}
