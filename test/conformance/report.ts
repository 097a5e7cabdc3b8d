/** Verdicts as text: one line per vector that failed, with its first faults. */
import type { Verdict } from "./runner.ts";

/** Failing vectors, each with how many of its runs failed and why the first one did. */
export function failures(verdicts: readonly Verdict[]): string[] {
  const byVector = new Map<string, { runs: number; failed: Verdict[] }>();
  for (const verdict of verdicts) {
    const entry = byVector.get(verdict.vector.id) ?? { runs: 0, failed: [] };
    byVector.set(verdict.vector.id, entry);
    entry.runs++;
    if (verdict.faults.length > 0) entry.failed.push(verdict);
  }
  return [...byVector]
    .filter(([, { failed }]) => failed.length > 0)
    .map(([id, { runs, failed }]) => {
      const first = failed[0];
      return `${id} (${failed.length} of ${runs} runs, first ${first.chunking}): ${first.faults.slice(0, 2).join("; ")}`;
    });
}
