/**
 * Replaces the module of a filter again and again, by a new file, while requests come at a steady rate: does one of them
 * fail or wait? Each version says its number in a header of the answers, so that a swap is seen where it counts.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { memoryOf } from "./accounting.ts";
import type { Contestant } from "./contestant.ts";
import { type FilterChain, NO_FILTERS, wasmFilter } from "./filter-chains.ts";
import { LargeModule, VERSION_HEADER } from "./filter-modules.ts";
import { ask, checkFeatures } from "./guard.ts";
import { type Cell, DIRECT, type Round, type Section } from "./result.ts";
import { openLoop } from "./run-latency.ts";
import { keepAliveGet, warmUp } from "./run-throughput.ts";
import type { SwapScenario } from "./scenario.ts";
import type { Session } from "./session.ts";
import { median } from "./statistics.ts";
import { SMALL } from "./upstream.ts";

/** From one version in force to the next file, ms. */
const REST = 2000;
/** How long a version may take to come into force, ms. */
const PATIENCE = 10_000;

export async function runSwap(session: Session, scenario: SwapScenario): Promise<Section> {
  const { lab, settings } = session;
  const seconds = settings.quick ? 6 : scenario.seconds;
  const calmSeconds = settings.quick ? 2 : scenario.seconds / 3;
  const { rate, connections } = scenario;
  const load = (port: number, length: number) =>
    openLoop(session, { port, rate, connections, path: "/", bodyLength: SMALL, warmup: 1, seconds: length });
  const cells: Cell[] = [];

  const direct = await load(lab.upstream.port, calmSeconds);
  cells.push({
    contestant: DIRECT,
    variant: 0,
    invalid: direct.errors > 0 ? `${direct.errors} errors (${direct.firstError})` : "",
    rounds: [{ p50: direct.p50, p99: direct.p99, calmMax: direct.max, lateP99: direct.lateP99 }],
  });
  const module = new LargeModule();
  for (const contestant of session.contestants.filter(({ ours }) => ours)) {
    try {
      const round = await swaps(session, contestant, module, calmSeconds, seconds, load);
      cells.push({ contestant: contestant.name, variant: 0, invalid: "", rounds: [round] });
      session.say(
        `  ${contestant.name}: ${round.swaps} swaps, ${round.failed} of ${round.requests} failed, ` +
          `p99 ${round.p99?.toFixed(2)} ms, longest ${round.max?.toFixed(1)} ms (${round.calmMax?.toFixed(1)} without swaps)`,
      );
    } catch (error) {
      const invalid = (error as Error).message;
      cells.push({ contestant: contestant.name, variant: 0, invalid, rounds: [] });
      session.say(`  ✗ ${contestant.name}: ${invalid}`);
    }
  }
  return { id: scenario.id, cells };
}

async function swaps(
  session: Session,
  contestant: Contestant,
  module: LargeModule,
  calmSeconds: number,
  seconds: number,
  load: (port: number, seconds: number) => ReturnType<typeof openLoop>,
): Promise<Round> {
  const { lab, settings } = session;
  const file = join(lab.folder, `swap-${contestant.name}.wasm`);
  writeFileSync(file, module.version(0));
  const chain: FilterChain = {
    ...NO_FILTERS,
    filters: [wasmFilter("large", file, null)],
    adds: VERSION_HEADER,
  };
  const running = await lab.start(contestant, { chain });
  try {
    const fault = await checkFeatures(running.port);
    if (fault !== "") throw new Error(fault);
    await warmUp(session, keepAliveGet(running.port, settings.warmup));
    const calm = await load(running.port, calmSeconds);
    const before = memoryOf(running.owners);

    let over = false;
    const took: number[] = [];
    const swapper = async () => {
      for (let number = 1; !over; number++) {
        const start = performance.now();
        writeFileSync(`${file}.new`, module.version(number));
        renameSync(`${file}.new`, file);
        await inForce(running.port, LargeModule.nameOf(number), running.log);
        took.push(performance.now() - start);
        for (let i = 0; i < REST / 50 && !over; i++) await Bun.sleep(50);
      }
    };
    const swapping = swapper();
    // Whoever is awaited first, the other one's failure must not go unseen.
    const [result] = await Promise.all([load(running.port, seconds).finally(() => (over = true)), swapping]);
    const after = memoryOf(running.owners);
    return {
      requests: result.requests + result.errors,
      failed: result.errors,
      swaps: took.length,
      swapMs: median(took),
      swapMaxMs: Math.max(...took),
      moduleBytes: module.length,
      p50: result.p50,
      p99: result.p99,
      max: result.max,
      calmMax: calm.max,
      lateP99: result.lateP99,
      idlePss: before.pss,
      afterPss: after.pss,
    };
  } finally {
    await running.stop();
  }
}

/** Waits until answers come from this version. */
async function inForce(port: number, version: string, log: string): Promise<void> {
  const deadline = Date.now() + PATIENCE;
  const wanted = `${VERSION_HEADER}: ${version}`;
  while (!(await ask(port, "GET", "/", 0, true)).headers.includes(wanted)) {
    if (Date.now() > deadline) {
      const words = readFileSync(log, "utf8").trim().slice(-300);
      throw new Error(`${version} was not in force after ${PATIENCE / 1000} s: ${words}`);
    }
    await Bun.sleep(20);
  }
}
