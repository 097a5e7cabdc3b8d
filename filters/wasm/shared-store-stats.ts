/**
 * Statistics of the shared store, `wasm_shared.…`: read from it whenever they are asked for. Every thread that uses the
 * store shows the same numbers, and merging takes one of them.
 */
import { layoutOf } from "../../core/telemetry/stat-layout.ts";
import type { StatsStore } from "../../core/telemetry/stats.ts";
import type { SharedStore } from "./shared-store.ts";

class SharedStoreStats {
  keys = 0;
  /** vm_ids that plugins have open. */
  vmIds = 0;
  queues = 0;
  /** Of messages in queues. */
  queuedBytes = 0;
  usedBytes = 0;
  capacityBytes = 0;
  refusedFull = 0;
  refusedLength = 0;
  refusedQueueFull = 0;
  /** Times that a thread waited for another one. */
  lockWaits = 0;
  lockTimeouts = 0;
  repairs = 0;
  /** Keys dropped by repairs. */
  lostKeys = 0;
}

const COUNTERS = [
  ...(["refusedFull", "refusedLength", "refusedQueueFull"] as const),
  ...(["lockWaits", "lockTimeouts", "repairs", "lostKeys"] as const),
];

const SHARED_STORE_STATS = layoutOf("wasm_shared", () => new SharedStoreStats(), {
  levels: ["keys", "vmIds", "queues", "queuedBytes", "usedBytes", "capacityBytes"],
  totals: COUNTERS,
});

/** The numbers of `store` as fields; a counter that is set to 0 counts from there. */
class LiveStats extends SharedStoreStats {
  constructor(store: SharedStore) {
    super();
    for (const field of Object.keys(this) as (keyof SharedStoreStats)[]) {
      const read = (): number => {
        const now = store.statistics();
        return field === "vmIds" ? now.namespaces : now[field];
      };
      const counts = (COUNTERS as readonly string[]).includes(field);
      let base = 0;
      Object.defineProperty(this, field, {
        get: () => (counts ? (read() - base) >>> 0 : read()),
        set: () => {
          base = read();
        },
      });
    }
  }
}

/** Shows the numbers of `store` in `stats`, as long as that is there. */
export function showSharedStore(stats: StatsStore, store: SharedStore): void {
  stats.scope("wasm_shared.", "wasm_shared.", {}).set({
    ...SHARED_STORE_STATS,
    make: () => new LiveStats(store),
  });
}
