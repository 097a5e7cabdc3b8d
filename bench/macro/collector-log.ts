/**
 * Reads the pauses of the garbage collector out of a runtime's own log: V8's `--trace-gc` (Node, Deno) and
 * JavaScriptCore's `logGC` (Bun). Lines that it does not know are skipped.
 */

/** "… Scavenge 5.6 (7.1) -> 4.9 (8.1) MB, pooled: 0.0 MB, 0.61 / 0.00 ms …" */
const V8 = / ms: .*? MB,(?: pooled: .*? MB,)? ([\d.]+) \/ [\d.]+ ms/;
/** "… (+ 1.2 ms in 3 steps since start of marking, biggest step 0.7 ms, …" */
const V8_STEPS = /\(\+ ([\d.]+) ms in \d+ steps since start of marking, biggest step ([\d.]+) ms/;
/** "[GC<0x37c>: START M 8838kb => EdenCollection, … p=1.768ms (max 1.768)...]": one line for each pause of a cycle. */
const JSC = /^\[GC<.*\bp=([\d.]+)ms/;

/** Milliseconds of every time that a collection stopped the program, in the order of the log. */
export function collectorPauses(log: string): number[] {
  const pauses: number[] = [];
  for (const line of log.split("\n")) {
    const found = V8.exec(line) ?? JSC.exec(line);
    if (found === null) continue;
    pauses.push(Number(found[1]));
    const steps = V8_STEPS.exec(line);
    if (steps === null) continue;
    const [total, biggest] = [Number(steps[1]), Number(steps[2])];
    if (biggest > 0) pauses.push(biggest);
    if (total > biggest) pauses.push(total - biggest);
  }
  return pauses;
}
