/** Garbage of a thread on V8. Needs `gc`, which is there if V8 was started with `--expose-gc`, as bin/tulle.mjs does. */
import { getHeapStatistics } from "node:v8";
import { Garbage } from "./garbage.ts";

type Collect = (options: { type: "major"; execution: "sync" }) => void;

const garbage = new Garbage();

/** Collects if it is worth it; `connections` are open in this thread. */
export function collectGarbage(connections: number): void {
  const { gc } = globalThis as { gc?: Collect };
  if (gc === undefined) return;
  garbage.collect(
    connections,
    () => getHeapStatistics().total_heap_size,
    // Not the "last-resort" flavor: it throws compiled code away, too, and the next request would pay for that.
    () => gc({ type: "major", execution: "sync" }),
  );
}
