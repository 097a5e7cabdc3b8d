/**
 * What histograms saw in the last full interval (Envoy: 5 s): the difference of two exports. The supervisor rolls
 * it with a merged export at each flush; without rolling, intervals are empty.
 */

import { listStats } from "./stat-list.ts";
import type { HistogramExport, StatsExport } from "./stats-export.ts";

const HISTOGRAMS = { accepts: null, usedOnly: true, type: "histograms" } as const;

export class HistogramIntervals {
  private last = new Map<string, HistogramExport>();
  private previous = new Map<string, HistogramExport>();

  /** Ends an interval; `merged` is what all workers counted until now. */
  roll(merged: StatsExport): void {
    this.previous = this.last;
    this.last = new Map();
    for (const { name, data } of listStats(merged, HISTOGRAMS).histograms) {
      if (data !== null) this.last.set(name, data);
    }
  }

  /** The values of the interval that ended last, or null if there were none. `name` is the full dotted name. */
  of(name: string): HistogramExport | null {
    const last = this.last.get(name);
    if (last === undefined) return null;
    const previous = this.previous.get(name);
    if (previous === undefined) return last;
    const counts = last.counts.slice();
    let any = false;
    for (let i = 0; i < counts.length; i++) {
      // A cluster that was removed and came back starts again from 0.
      const before = i < previous.counts.length ? previous.counts[i] : 0;
      counts[i] = Math.max(0, counts[i] - before);
      if (counts[i] > 0) any = true;
    }
    return any ? { counts, sum: Math.max(0, last.sum - previous.sum) } : null;
  }
}
