/** The parts of the filter that are arithmetic, compiled on their own, so that tests can call them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compile } from "../../../scripts/build-filters.ts";
import { ROOT } from "../../support/our-proxy.ts";

export interface Pure {
  memory: WebAssembly.Memory;
  costOf(tokens: bigint, interval: bigint): bigint;
  debtOf(fullAt: bigint, now: bigint, span: bigint): bigint;
  tokensLeft(debt: bigint, cost: bigint, span: bigint): bigint;
  untilToken(debt: bigint, cost: bigint, span: bigint): bigint;
  sipHash(key0: bigint, key1: bigint, start: number, length: number): bigint;
  beginHash(key0: bigint, key1: bigint): void;
  absorbBytes(start: number, length: number): void;
  endHash(): bigint;
  spend(
    group: number,
    size: number,
    fingerprint: bigint,
    now: bigint,
    cost: bigint,
    span: bigint,
    most: bigint,
  ): number;
  written: WebAssembly.Global;
  writtenSize: WebAssembly.Global;
  debt: WebAssembly.Global;
  displaced: WebAssembly.Global;
  readAddress(text: number, length: number, into: number): number;
  readSocketAddress(text: number, length: number, into: number): number;
  mask(address: number, bits: number): void;
  inBlock(address: number, block: number, bits: number): number;
}

/** Compiles and starts them. */
export function startPure(): Pure {
  const module = compile(
    join(ROOT, "filters-as/ratelimit/arithmetic.ts"),
    join(ROOT, "filters-as/build/test/ratelimit-arithmetic.wasm"),
  );
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(module)), {});
  (exports._initialize as () => void)();
  return exports as unknown as Pure;
}

/** A place in the guest's memory that nothing else uses: the first page has far less than this. */
export const SCRATCH = 32 * 1024;

/** Puts bytes there; returns their number. */
export function put(pure: Pure, at: number, bytes: Uint8Array): number {
  new Uint8Array(pure.memory.buffer).set(bytes, at);
  return bytes.length;
}
