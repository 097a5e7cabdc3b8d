/**
 * Measures the cases in the runtime that runs this file; `main.ts` starts it, once per runtime and question.
 * Writes one JSON line per case.
 *
 * One sample is a loop of at least `SAMPLE_NS`, because no clock sees a nanosecond: `p99` is the 99th percentile
 * of such loops' averages (collections, preemption), not of single operations.
 *
 *   bun|node|deno bench/micro/run-cases.ts time <milliseconds per case> [part of a name …]
 *   bun|node|deno bench/micro/run-cases.ts bytes 0 [part of a name …]
 */
import { Bench } from "tinybench";
import { ALL_CASES } from "./all-cases.ts";
import { allocatedPerOperation } from "./allocation.ts";
import type { MicroCase } from "./micro-case.ts";

const SAMPLE_NS = 50_000;

/** How long an operation takes, ns. */
export interface CaseTime {
  readonly name: string;
  readonly median: number;
  readonly p99: number;
  readonly samples: number;
}

/** What an operation allocates, bytes; null = the runtime cannot tell. */
export interface CaseBytes {
  readonly name: string;
  readonly bytes: number | null;
}

/** What the loops returned, so that they had to be run. */
let sum = 0;

async function time(one: MicroCase, milliseconds: number): Promise<CaseTime> {
  const loop = one.prepare();
  const times = warmUp(loop, milliseconds / 2);
  const bench = new Bench({ time: milliseconds, warmup: false });
  bench.add(one.name, () => {
    sum += loop(times);
  });
  const [task] = await bench.run();
  const { result } = task;
  if (result.state !== "completed") throw new Error(`${one.name}: ${result.state}`);
  const { p50, p99, samplesCount } = result.latency;
  return { name: one.name, median: (p50 * 1e6) / times, p99: (p99 * 1e6) / times, samples: samplesCount };
}

/** Runs the loop until it is compiled; returns how many operations make a sample. */
function warmUp(loop: (times: number) => number, milliseconds: number): number {
  let times = 1;
  const end = performance.now() + milliseconds;
  for (;;) {
    const began = performance.now();
    sum += loop(times);
    const now = performance.now();
    const nanoseconds = ((now - began) * 1e6) / times;
    times = Math.max(1, Math.min(1 << 22, Math.ceil(SAMPLE_NS / Math.max(nanoseconds, 0.1))), times / 2);
    times = Math.ceil(times);
    if (now >= end) return times;
  }
}

async function bytes(one: MicroCase): Promise<CaseBytes> {
  return { name: one.name, bytes: await allocatedPerOperation(one.prepare()) };
}

const [question, milliseconds, ...parts] = process.argv.slice(2);
for (const one of ALL_CASES) {
  if (parts.length > 0 && !parts.some((part) => one.name.includes(part))) continue;
  const answer = question === "bytes" ? await bytes(one) : await time(one, Number(milliseconds));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
if (Number.isNaN(sum)) process.stderr.write("a case did not do what it should\n");
