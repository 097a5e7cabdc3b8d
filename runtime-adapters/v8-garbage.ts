/** Garbage of a thread on V8. Needs `gc`, which is there if V8 was started with `--expose-gc`, as bin/tulle.mjs does. */
import { getHeapStatistics } from "node:v8";
import { Garbage } from "./garbage.ts";

type Collect = (options: { type: "major"; execution: "sync"; flavor?: "last-resort" }) => void;

/** Emptied pages that V8 may keep for later, bytes: it does not tell how many it has. */
const KEPT = 32 * 1024 * 1024;

/**
 * A smaller heap is left alone, bytes: a collection in a quiet moment lets go of compiled code, so that traffic which
 * comes in bouts would be served by cold code each time.
 */
const WORTH = 64 * 1024 * 1024;

const garbage = new Garbage();
const heapBytes = () => getHeapStatistics().total_heap_size;

/** Collects if it is worth it; `connections` are open in this thread. */
export function collectGarbage(connections: number): void {
  const { gc } = globalThis as { gc?: Collect };
  if (gc === undefined || heapBytes() < WORTH) return;
  garbage.collect(connections, heapBytes, () => {
    const before = heapBytes();
    gc({ type: "major", execution: "sync" });
    // Only this flavor gives emptied pages back. It throws compiled code away, too, which the next requests pay for.
    if (before - heapBytes() > KEPT) gc({ type: "major", execution: "sync", flavor: "last-resort" });
  });
}
