/**
 * Reads the pauses of the garbage collector out of a runtime's own log: V8's `--trace-gc` (Node, Deno) and
 * JavaScriptCore's `logGC` (Bun). Lines that it does not know are skipped.
 */

/** Milliseconds of every collection that stopped the program, in the order of the log. */
export function collectorPauses(log: string): number[] {
  const pauses: number[] = [];
  for (const line of log.split("\n")) {
    // [1234:0x…] 56 ms: Scavenge 5.6 (7.1) -> 4.9 (8.1) MB, pooled: 0 MB, 0.61 / 0.00 ms (average mu = …) task;
    const v8 = /ms: .*? MB,(?: pooled: .*? MB,)? ([\d.]+) \/ [\d.]+ ms/.exec(line);
    // [GC<0x…>: START M 4321kb => … => 2345kb, p=1.234ms (max 1.234), cycle 2.5ms END]
    const jsc = v8 ? null : /\[GC<.*\bp=([\d.]+)ms/.exec(line);
    const found = v8 ?? jsc;
    if (found) pauses.push(Number(found[1]));
  }
  return pauses;
}
