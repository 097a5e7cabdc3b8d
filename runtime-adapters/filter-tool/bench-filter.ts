/**
 * `tulle filter bench`: what a filter adds to a request on this runtime, as the real host runs it, with fuel (the
 * default) and without; and whether the guest's memory grows.
 *
 * Each row is the best of some rounds, less what the same loop costs without a filter. The network, the codecs and the
 * other filters of a proxy are not in it.
 */
import { vmLimits } from "../../filters/wasm/vm-limits.ts";
import type { Runtime } from "../runtime.ts";
import { compileModule } from "../sidecar/modules/compile-module.ts";
import { BenchHost } from "./bench-host.ts";
import { BenchStream } from "./bench-stream.ts";
import { compileFilter } from "./compile-filter.ts";
import { configOf } from "./filter-config.ts";
import type { FilterProject } from "./filter-project.ts";
import type { FilterOptions } from "./tool-command-line.ts";

const ROUNDS = 10;
const WARM_UP = 20_000;

/** What one way to run a filter came to. */
export interface BenchRow {
  readonly name: string;
  /** Per request, less the empty loop. */
  readonly microseconds: number;
  /** Of the guest, bytes: after the warm-up, and at the end. */
  readonly memoryBefore: number;
  readonly memoryAfter: number;
  readonly requests: number;
  readonly passed: number;
  readonly answered: number;
  readonly held: number;
}

/** Builds, measures and prints; "" or why that cannot be done. */
export async function benchFilter(
  project: FilterProject,
  options: FilterOptions,
  runtime: Runtime,
): Promise<string> {
  const config = configOf(project, options.config);
  if ("complaint" in config) return config.complaint;
  const built = await compileFilter(project, options);
  if ("complaint" in built) return built.complaint;
  const { bytes } = built.filter;
  const contestants: Contestant[] = [];
  for (const fuel of [true, false]) {
    const limits = { ...vmLimits({}, project.name), fuel };
    const compiled = await compileModule(bytes, limits);
    if ("fault" in compiled) return `${project.name}: ${compiled.fault}`;
    const host = new BenchHost(project.name, compiled.module, limits, config.text);
    const failure = host.generation.begin();
    if (failure !== "") return [`${project.name}: ${failure}`, ...host.complaints].join("\n");
    contestants.push(
      new Contestant(fuel ? "with fuel (default)" : "without fuel (trusted)", host, options.path),
    );
  }
  const nobody = new Contestant("", null, options.path);
  const round = Math.ceil(options.requests / ROUNDS);
  for (const each of [nobody, ...contestants]) each.warmUp();
  // In turn, so that what else the machine does is shared fairly.
  for (let i = 0; i < ROUNDS; i++) for (const each of [nobody, ...contestants]) each.run(round);
  for (const { host } of contestants) {
    const failure = host?.generation.vm.failure ?? "";
    if (failure !== "") return `${project.name} failed: ${failure}`;
  }
  const size = (bytes.length / 1024).toFixed(1);
  const title = `${project.name}, ${size} KiB, GET ${options.path}, ${runtime.name} ${runtime.version}`;
  process.stdout.write(`${title}\n\n${benchTable(contestants.map((each) => each.row(nobody)))}\n`);
  return "";
}

/** One way to run the filter, or to run none. */
class Contestant {
  readonly host: BenchHost | null;
  private readonly name: string;
  private readonly stream: BenchStream;
  /** ms per request in the best round. */
  private best = Number.POSITIVE_INFINITY;
  private requests = 0;
  private memoryBefore = 0;

  constructor(name: string, host: BenchHost | null, path: string) {
    this.name = name;
    this.host = host;
    this.stream = new BenchStream(path, () => host?.answerCalls() ?? false);
  }

  warmUp(): void {
    this.loop(WARM_UP);
    this.memoryBefore = this.host?.generation.vm.memory.size ?? 0;
    this.stream.forgetFates();
  }

  run(times: number): void {
    const startedAt = performance.now();
    this.loop(times);
    this.best = Math.min(this.best, (performance.now() - startedAt) / times);
    this.requests += times;
  }

  private loop(times: number): void {
    const { stream, host } = this;
    for (let i = 0; i < times; i++) stream.exchange(host === null ? null : host.generation.open(stream));
  }

  row(nobody: Contestant): BenchRow {
    const { name, requests, memoryBefore, stream } = this;
    return {
      name,
      microseconds: Math.max(0, this.best - nobody.best) * 1000,
      memoryBefore,
      memoryAfter: this.host?.generation.vm.memory.size ?? 0,
      requests,
      passed: stream.passed,
      answered: stream.answered,
      held: stream.held,
    };
  }
}

/** The rows as a table for a terminal. */
export function benchTable(rows: readonly BenchRow[]): string {
  const lines = [
    ["", "µs/request", "guest memory", "growth/request", "requests"],
    ...rows.map(({ name, microseconds, memoryBefore, memoryAfter, ...row }) => [
      name,
      microseconds.toFixed(2),
      `${memoryAfter / 1024} KiB`,
      memoryAfter === memoryBefore ? "none" : `${((memoryAfter - memoryBefore) / row.requests).toFixed(2)} B`,
      fates(row),
    ]),
  ];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines
    .map((line) =>
      line
        .map((cell, i) => (i === 0 || i === 4 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** "200000 passed", "1000 answered by the filter, 1000 held". */
function fates({ passed, answered, held }: Pick<BenchRow, "passed" | "answered" | "held">): string {
  const parts = [
    passed > 0 ? `${passed} passed` : "",
    answered > 0 ? `${answered} answered by the filter` : "",
    held > 0 ? `${held} held for good` : "",
  ];
  return parts.filter((part) => part !== "").join(", ");
}
