/**
 * How many bytes an operation allocates on the garbage-collected heap, as far as the runtime can tell.
 *
 * V8 (Node, Deno) counts what it hands out, in grains of up to half a megabyte. JavaScriptCore (Bun) tells only
 * how large its heap is, which with collection switched off (`COLLECTION_OFF`) grows by what is allocated, in
 * blocks of 16 KiB; memory behind typed arrays is not in it. Both grains are spread over many operations, so that
 * less than a byte means nothing.
 */

/** Environment for Bun to measure in. */
export const COLLECTION_OFF = { BUN_JSC_useGC: "0" };

/** Operations before counting begins: compiled code allocates less than interpreted. */
const WARM_UP = 20_000;
/** How long counting may take, ms, by the pace of the warm-up. */
const LONGEST = 2000;

interface Counter {
  /** Bytes allocated so far; NaN where nobody knows. */
  readonly allocated: () => number;
  /** Operations to spread the grain over. Without collection, what they allocate stays. */
  readonly times: number;
}

/** Bytes per operation of `loop`, or null if this runtime cannot tell. */
export async function allocatedPerOperation(loop: (times: number) => number): Promise<number | null> {
  const { allocated, times } = await counter();
  const began = performance.now();
  loop(WARM_UP);
  // Whole requests allocate enough for the grain not to matter, and take long.
  const affordable = (WARM_UP * LONGEST) / (performance.now() - began);
  const count = Math.ceil(Math.min(times, Math.max(WARM_UP, affordable)));
  // What asking costs (V8 closes its current buffer) was not allocated by the loop.
  const asked = allocated();
  const before = allocated();
  loop(count);
  const bytes = allocated() - before - (before - asked);
  return Number.isNaN(bytes) ? null : Math.max(0, bytes / count);
}

async function counter(): Promise<Counter> {
  if (process.versions.bun !== undefined) {
    const { heapStats } = await import("bun:jsc");
    return { allocated: () => heapStats().heapCapacity, times: 40_000 };
  }
  const { getHeapStatistics } = await import("node:v8");
  return {
    allocated: () =>
      (getHeapStatistics() as unknown as { total_allocated_bytes?: number }).total_allocated_bytes ??
      Number.NaN,
    times: 1_000_000,
  };
}
