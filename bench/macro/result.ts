/**
 * The result of a run, as it is written to the JSON file: every round of every cell, so that anyone can compute other
 * ratios than we did. Tables, chart and bars are made from this alone.
 */
import type { Stall } from "./load/open-loop.ts";
import type { Machine } from "./machine.ts";

export interface Result {
  readonly format: 1;
  /** ISO 8601. */
  readonly date: string;
  readonly machine: Machine;
  readonly settings: Settings;
  readonly contestants: readonly { readonly name: string; readonly version: string }[];
  /** Not taking part, and what it would take. */
  readonly missing: readonly { readonly name: string; readonly remedy: string }[];
  /** What a reader must know: the machine was busy, no taskset, … */
  readonly warnings: readonly string[];
  readonly sections: readonly Section[];
}

export interface Settings {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmup: number;
  readonly quick: boolean;
  readonly proxyCore: number;
  readonly loadCore: number;
  readonly upstream: string;
  readonly wrk: string;
}

/** One scenario. */
export interface Section {
  readonly id: string;
  readonly cells: readonly Cell[];
}

/** One contestant in one scenario (and one variant of it, in a sweep). */
export interface Cell {
  readonly contestant: string;
  /** Table size in a sweep, place in the scenario's list of filter chains, else 0. */
  readonly variant: number;
  /** Why the numbers must not be used, or "". */
  readonly invalid: string;
  /** Round i of every cell of a section was measured within seconds of each other. */
  readonly rounds: readonly Round[];
  /** Of a pause run: the longest ones. */
  readonly stalls?: readonly Stall[];
}

/** Name of the latency cell that has no proxy in it. */
export const DIRECT = "direct";

/** A burst's memory is given back when it is below this many times the idle memory. */
export const BURST_LIMIT = 1.5;

/** What one round measured, by name; `METRICS` says what the names mean. */
export type Round = { readonly [metric in Metric]?: number };

export type Metric = keyof typeof METRICS;

/** The values of one metric, round by round; NaN where a round has none. */
export function valuesOf(cell: Cell, metric: Metric): number[] {
  return cell.rounds.map((round) => round[metric] ?? Number.NaN);
}

/** Names of metrics and what they mean: µs, ms, bytes as said. */
export const METRICS = {
  rps: "answers per second",
  cpuUs: "user + system CPU of the proxy per answer, µs",
  cpuMsPerMiB: "user + system CPU of the proxy per MiB of body, ms",
  coreBusy: "share of the proxy's core that was busy, 0–1",
  foreign: "share of the proxy's core that somebody else used, 0–1",
  stolen: "share of the proxy's core that the hypervisor took, 0–1",
  pss: "proportional set size during the load, bytes",
  rss: "resident set size during the load, bytes",
  p50: "ms from the intended moment of sending",
  p90: "ms",
  p99: "ms",
  p999: "ms",
  max: "ms",
  lateP99: "lateness of the load program itself, ms",
  idlePss: "bytes, fresh process",
  idleRss: "bytes",
  idleAnonymous: "bytes, the part of the PSS that is in no file",
  loadPss: "bytes",
  loadRss: "bytes",
  loadAnonymous: "bytes",
  peakPss: "bytes, at the height of a burst",
  afterPss: "bytes, when settled or at the end of the wait",
  settleSeconds: "s after the burst until memory was under 1.5 × idle; -1: never in the wait",
  keys: "distinct values of the header that tells senders apart, all live",
  calmMax: "ms, the longest while nothing is swapped",
  requests: "requests that were sent while modules were swapped",
  failed: "of these, not answered whole and with 200",
  swaps: "modules that came into force meanwhile",
  swapMs: "ms from the new file to the first answer by the new module, the median",
  swapMaxMs: "ms, the longest",
  moduleBytes: "size of the module",
  copiedBytes: "bytes of bodies that the proxy says it copied",
  collectorMs: "ms of the run that the garbage collector stopped the program",
  collectorMaxMs: "its longest pause, ms",
} as const;
