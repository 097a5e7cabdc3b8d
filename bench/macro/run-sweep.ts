/**
 * Runs a sweep: keep-alive GETs that walk evenly over a table of routes or clusters, for tables of growing size. One
 * process per size, all up at once, sizes interleaved; the figure of interest is the ratio to the smallest table of the
 * same proxy in the same round.
 */
import { ask } from "./guard.ts";
import type { Running } from "./lab.ts";
import type { WrkLoad } from "./load-wrk.ts";
import type { Section } from "./result.ts";
import { type MutableCell, measure, warmUp } from "./run-throughput.ts";
import type { SweepScenario } from "./scenario.ts";
import type { Session } from "./session.ts";
import { PLAIN, pathsOver, type Table } from "./topology.ts";
import { SMALL } from "./upstream.ts";

const CONNECTIONS = 50;

/** A sweep has many processes, and asks for a ratio within one proxy only. */
const MOST_ROUNDS = 10;

export async function runSweep(session: Session, scenario: SweepScenario): Promise<Section> {
  const { lab, settings } = session;
  const cells: MutableCell[] = [];
  for (const contestant of session.contestants) {
    if (!contestant.hasTables) continue;
    const entrants: { running: Running; cell: MutableCell; table: Table }[] = [];
    for (const size of scenario.sizes) {
      const table = { ...PLAIN, [scenario.over]: size };
      const cell: MutableCell = { contestant: contestant.name, variant: size, invalid: "", rounds: [] };
      cells.push(cell);
      try {
        const running = await lab.start(contestant, { table });
        entrants.push({ running, cell, table });
        cell.invalid = await checkTable(running.port, table);
      } catch (error) {
        cell.invalid = (error as Error).message;
      }
      if (cell.invalid !== "") session.say(`  ✗ ${contestant.name}, ${size}: ${cell.invalid}`);
    }
    for (let round = -1; round < Math.min(settings.rounds, MOST_ROUNDS); round++) {
      for (const { running, cell, table } of entrants) {
        if (cell.invalid !== "") continue;
        const load: WrkLoad = {
          port: running.port,
          connections: CONNECTIONS,
          seconds: round < 0 ? settings.warmup : settings.seconds,
          method: "GET",
          paths: pathsOver(table),
          bodyBytes: 0,
          newConnections: false,
        };
        if (round < 0) {
          await warmUp(session, load);
          continue;
        }
        const measured = await measure(session, running, load);
        cell.invalid = measured.fault;
        if (measured.fault !== "") {
          session.say(`  ✗ ${cell.contestant}, ${cell.variant}: ${cell.invalid}`);
          continue;
        }
        cell.rounds.push(measured.round);
        session.say(
          `  ${round + 1} ${cell.contestant}, ${cell.variant} ${scenario.over}: ${measured.round.cpuUs?.toFixed(1)} µs` +
            `${measured.suspicion}`,
        );
      }
    }
    for (const { running } of entrants) await running.stop();
  }
  return { id: scenario.id, cells };
}

/** Asks for a few paths over the whole table. */
async function checkTable(port: number, table: Table): Promise<string> {
  const paths = pathsOver(table);
  for (const path of [paths[0], paths[paths.length >> 1], paths[paths.length - 1]]) {
    const answer = await ask(port, "GET", path, 0, false);
    if (answer.status !== 200 || answer.body.length !== SMALL) {
      return `GET ${path}: status ${answer.status}, ${answer.body.length} bytes`;
    }
  }
  return "";
}
