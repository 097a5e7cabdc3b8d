/**
 * Runs the open-loop scenarios: first against the upstream itself ("direct"), then through each proxy, in every round. The
 * latency that a hop adds is its percentile minus the direct one of the same round.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runToEnd } from "./children.ts";
import { collectorPauses } from "./collector-log.ts";
import { checkFeatures } from "./guard.ts";
import type { Running } from "./lab.ts";
import type { OpenLoopOptions, OpenLoopResult } from "./load/open-loop.ts";
import { type Cell, DIRECT, type Round, type Section } from "./result.ts";
import { keepAliveGet, type MutableCell, warmUp } from "./run-throughput.ts";
import type { LatencyScenario, PauseScenario } from "./scenario.ts";
import type { Session } from "./session.ts";
import { SMALL } from "./upstream.ts";

export async function runLatency(session: Session, scenario: LatencyScenario): Promise<Section> {
  const { lab, settings } = session;
  const direct: MutableCell = { contestant: DIRECT, variant: 0, invalid: "", rounds: [] };
  const entrants = [{ port: lab.upstream.port, cell: direct, running: null as Running | null }];
  const cells = [direct];
  const tls = scenario.tls === undefined ? {} : { tls: scenario.tls };
  const client = scenario.tls === undefined ? "" : (await lab.identities()).client.uri;
  for (const contestant of session.contestants) {
    if (scenario.tls !== undefined && !contestant.likeEnvoy) continue;
    const cell: MutableCell = { contestant: contestant.name, variant: 0, invalid: "", rounds: [] };
    cells.push(cell);
    try {
      const running = await lab.start(contestant, tls);
      cell.invalid = await checkFeatures(running.port, client);
      if (cell.invalid === "")
        await warmUp(session, keepAliveGet(running.port, settings.warmup), contestant.compiled);
      entrants.push({ port: running.port, cell, running });
    } catch (error) {
      cell.invalid = (error as Error).message;
    }
    if (cell.invalid !== "") session.say(`  ✗ ${contestant.name}: ${cell.invalid}`);
  }
  const { rate, connections } = scenario;
  const load = { rate, connections, path: "/", bodyLength: SMALL };
  for (let round = 0; round < settings.rounds; round++) {
    for (const { port, cell } of entrants) {
      if (cell.invalid !== "") continue;
      // Just-in-time compilers have seen the load; this settles the connections.
      const result = await openLoop(session, { ...load, port, warmup: 0.5, seconds: settings.seconds });
      if (result.errors > 0) {
        cell.invalid = `${result.errors} errors (${result.firstError})`;
        session.say(`  ✗ ${cell.contestant}: ${cell.invalid}`);
        continue;
      }
      cell.rounds.push(figuresOf(result));
      session.say(
        `  ${round + 1}/${settings.rounds} ${cell.contestant}: p50 ${result.p50.toFixed(3)} ms, ` +
          `p99 ${result.p99.toFixed(3)} ms, max ${result.max.toFixed(1)} ms`,
      );
    }
  }
  for (const { running } of entrants) await running?.stop();
  return { id: scenario.id, cells };
}

const PAUSE_SECONDS = 60;

/** One minute per proxy, alone on the machine but for load and upstream, with the collector's log on. */
export async function runPause(session: Session, scenario: PauseScenario): Promise<Section> {
  const { lab, settings } = session;
  const seconds = settings.quick ? 3 : PAUSE_SECONDS;
  const load = {
    rate: scenario.rate,
    connections: scenario.connections,
    path: "/",
    bodyLength: SMALL,
    seconds,
  };
  const cells: Cell[] = [];
  const hunt = async (name: string, port: number, running: Running | null) => {
    let result: OpenLoopResult;
    try {
      result = await openLoop(session, { ...load, port, warmup: settings.warmup });
    } finally {
      await running?.stop(); // a runtime may hold its log back until it ends
    }
    const pauses = running?.contestant.ours ? collectorPauses(readFileSync(running.log, "latin1")) : [];
    const collector =
      pauses.length === 0
        ? {}
        : { collectorMs: pauses.reduce((sum, ms) => sum + ms, 0), collectorMaxMs: Math.max(...pauses) };
    const invalid = result.errors > 0 ? `${result.errors} errors (${result.firstError})` : "";
    cells.push({
      contestant: name,
      variant: 0,
      invalid,
      rounds: [{ ...figuresOf(result), ...collector }],
      stalls: result.stalls,
    });
    session.say(
      `  ${name}: longest ${result.max.toFixed(1)} ms, ${result.stalls.length} over 5 ms ${invalid}`,
    );
  };
  await hunt(DIRECT, lab.upstream.port, null);
  for (const contestant of session.contestants) {
    try {
      const running = await lab.start(contestant, { traceCollector: true });
      await hunt(contestant.name, running.port, running);
    } catch (error) {
      cells.push({ contestant: contestant.name, variant: 0, invalid: (error as Error).message, rounds: [] });
      session.say(`  ✗ ${contestant.name}: ${(error as Error).message}`);
    }
  }
  return { id: scenario.id, cells };
}

function figuresOf(result: OpenLoopResult): Round {
  const { p50, p90, p99, p999, max, lateP99 } = result;
  return { p50, p90, p99, p999, max, lateP99 };
}

/** Runs the open-loop program on the load core. */
export async function openLoop(session: Session, options: OpenLoopOptions): Promise<OpenLoopResult> {
  const program = join(import.meta.dir, "load/open-loop.ts");
  const out = await runToEnd(
    [process.execPath, program, JSON.stringify(options)],
    session.lab.cores.load,
    options.seconds + options.warmup,
  );
  return JSON.parse(out);
}
