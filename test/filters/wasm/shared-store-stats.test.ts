/** What operators see of the shared store: the same from every thread, once when they are put together. */
import { describe, expect, test } from "bun:test";
import { toBytes } from "../../../core/bytes/ascii.ts";
import { mergeExports } from "../../../core/telemetry/merge-exports.ts";
import { StatsStore } from "../../../core/telemetry/stats.ts";
import type { StatsExport } from "../../../core/telemetry/stats-export.ts";
import { OK, REFUSED, SharedStore } from "../../../filters/wasm/shared-store.ts";
import { showSharedStore } from "../../../filters/wasm/shared-store-stats.ts";

/** Numbers by their whole names; those that are 0 may be left out of an export. */
function statsOf({ layouts, scopes }: StatsExport): { [name: string]: number } {
  const out: { [name: string]: number } = {};
  for (const { prefix, sets } of scopes) {
    for (const { layout, values } of sets) {
      layouts[layout].names.forEach((name, i) => {
        out[prefix + name] = values === null ? 0 : values[i];
      });
    }
  }
  return out;
}

const BYTES = 256 * 1024;

function threads() {
  const buffer = SharedStore.create({ threads: 2, seed: [1, 2], bytes: BYTES });
  return [0, 1].map((thread) => {
    const store = SharedStore.attach(buffer, thread, () => undefined);
    const stats = new StatsStore();
    showSharedStore(stats, store);
    return { store, stats };
  });
}

describe("the shared store in statistics", () => {
  const [one, two] = threads();
  const shown = () => statsOf(mergeExports([one.stats.export(), two.stats.export()]));
  const set = (key: string, value: string): number => {
    const bytes = toBytes(key + value);
    return one.store.set(1, bytes, 0, key.length, key.length, value.length, 0);
  };

  test("what it holds", () => {
    const empty = shown();
    expect(one.store.open(toBytes("vm"))).toBe(1);
    expect(two.store.open(toBytes("vm"))).toBe(1);
    expect([set("a", "1"), set("b", "2")]).toEqual([OK, OK]);
    const queue = two.store.queues.register(1, toBytes("q"), 0, 1);
    expect(one.store.queues.enqueue(queue, toBytes("message"), 0, 7)).toBe(OK);
    const now = shown();
    expect(now["wasm_shared.keys"]).toBe(2);
    expect(now["wasm_shared.vm_ids"]).toBe(1);
    expect(now["wasm_shared.queues"]).toBe(1);
    expect(now["wasm_shared.queued_bytes"]).toBeGreaterThanOrEqual(7);
    expect(now["wasm_shared.used_bytes"]).toBeGreaterThan(empty["wasm_shared.used_bytes"]);
    expect(now["wasm_shared.used_bytes"]).toBe(one.store.statistics().usedBytes);
    expect(now["wasm_shared.capacity_bytes"]).toBe(one.store.statistics().capacityBytes);
  });

  test("what it has refused, since the counters were last set to 0", () => {
    expect(set("x".repeat(17 * 1024), "")).toBe(REFUSED);
    expect([set("c", "y".repeat(16_000)), set("d", "z".repeat(BYTES))]).toEqual([OK, REFUSED]);
    let full = 0;
    for (let i = 0; i < 40; i++) if (set(`key ${i}`, "y".repeat(16_000)) === REFUSED) full++;
    expect(full).toBeGreaterThan(20);
    const before = shown();
    expect([before["wasm_shared.refused_length"], before["wasm_shared.refused_full"]]).toEqual([2, full]);
    expect(before["wasm_shared.lock_timeouts"]).toBe(0);
    for (const { stats } of [one, two]) stats.resetCounters();
    set("x".repeat(17 * 1024), "");
    const after = shown();
    expect([after["wasm_shared.refused_length"], after["wasm_shared.refused_full"]]).toEqual([1, 0]);
    expect(after["wasm_shared.keys"]).toBe(before["wasm_shared.keys"]);
  });
});
