/**
 * Runs a throughput scenario: all proxies are up, the one whose turn it is gets the load, A B C … A B C …. The others are
 * idle meanwhile; CPU time is each process's own, so they do not get into its figure.
 */

import { readFileSync } from "node:fs";
import { coreTime, cpuNs, memoryOf } from "./accounting.ts";
import { checkFeatures, checkScenario, checkUnary } from "./guard.ts";
import type { Running } from "./lab.ts";
import { loadWithH2load } from "./load-h2load.ts";
import { loadWithWrk, type WrkLoad, type WrkResult } from "./load-wrk.ts";
import type { Cell, Round, Section } from "./result.ts";
import type { ThroughputScenario } from "./scenario.ts";
import type { Session } from "./session.ts";
import { isPair, NO_HTTP2 } from "./topology.ts";

const CONNECTIONS = 50;

export async function runThroughput(session: Session, scenario: ThroughputScenario): Promise<Section> {
  const { lab, settings } = session;
  const cells: MutableCell[] = [];
  const entrants: { running: Running; cell: MutableCell }[] = [];
  const overTls = scenario.tls === "server";
  const pair = scenario.tls !== undefined && isPair(scenario.tls);
  const needsBootstrap = pair || scenario.http2 !== undefined;
  for (const contestant of session.contestants) {
    if (overTls ? !contestant.tls : needsBootstrap && !contestant.likeEnvoy) continue;
    const cell: MutableCell = { contestant: contestant.name, variant: 0, invalid: "", rounds: [] };
    cells.push(cell);
    try {
      const running = await lab.start(contestant, {
        http2: scenario.http2 ?? NO_HTTP2,
        ...(scenario.tls === undefined ? {} : { tls: scenario.tls }),
      });
      cell.invalid =
        (await checkFeatures(running.port, pair ? (await lab.identities()).client.uri : "")) ||
        (scenario.grpc
          ? await checkUnary(running.port, scenario.path)
          : await checkScenario(running.port, scenario));
      if (cell.invalid === "") entrants.push({ running, cell });
      else await running.stop();
    } catch (error) {
      cell.invalid = (error as Error).message;
    }
    if (cell.invalid !== "") session.say(`  ✗ ${contestant.name}: ${cell.invalid}`);
  }
  const load = (running: Running, seconds: number): WrkLoad => ({
    port: overTls ? running.tlsPort : running.port,
    connections: CONNECTIONS,
    seconds,
    method: scenario.method,
    paths: [scenario.path],
    bodyBytes: scenario.requestBytes,
    newConnections: scenario.newConnections,
    http2: scenario.http2?.down ?? false,
    tls: overTls,
    grpc: scenario.grpc ?? false,
  });
  for (const { running } of entrants)
    await warmUp(session, load(running, settings.warmup), running.contestant.compiled);
  for (let round = 0; round < settings.rounds; round++) {
    for (const { running, cell } of entrants) {
      if (cell.invalid !== "") continue;
      const measured = await measure(session, running, load(running, settings.seconds));
      if (measured.fault !== "") {
        cell.invalid = measured.fault;
        session.say(`  ✗ ${cell.contestant}: ${cell.invalid}`);
        continue;
      }
      const { mib, round: figures } = measured;
      const perMiB = scenario.requestBytes > 0 ? measured.requests * (scenario.requestBytes / 2 ** 20) : mib;
      const cpuMsPerMiB = ((figures.cpuUs ?? 0) * measured.requests) / 1000 / perMiB;
      cell.rounds.push(scenario.unit === "ms/MiB" ? { ...figures, cpuMsPerMiB } : figures);
      const said =
        scenario.unit === "ms/MiB" ? `${cpuMsPerMiB.toFixed(2)} ms/MiB` : `${figures.cpuUs?.toFixed(1)} µs`;
      session.say(
        `  ${round + 1}/${settings.rounds} ${cell.contestant}: ${said}, ${Math.round(figures.rps ?? 0)}/s` +
          `${measured.suspicion}`,
      );
    }
  }
  for (const { running, cell } of entrants) {
    const copied = await copiedBytes(running);
    if (copied >= 0 && cell.rounds.length > 0) {
      cell.rounds[cell.rounds.length - 1] = { ...cell.rounds[cell.rounds.length - 1], copiedBytes: copied };
    }
    await running.stop();
  }
  return { id: scenario.id, cells };
}

/** Runs the load to its end, by the program for it. */
function runLoad(load: WrkLoad, core: number, folder: string): Promise<WrkResult> {
  return load.http2 || load.tls ? loadWithH2load(load, core, folder) : loadWithWrk(load, core, folder);
}

/** The load of the plain scenario, as hard as it goes. */
export function keepAliveGet(port: number, seconds: number): WrkLoad {
  return {
    port,
    connections: CONNECTIONS,
    seconds,
    method: "GET",
    paths: ["/"],
    bodyBytes: 0,
    newConnections: false,
  };
}

/** Answers after which a just-in-time compiler has seen enough of a proxy's code. */
const WARM_ANSWERS = 50_000;
const WARM_MIB = 1000;

/**
 * Loads a proxy until it has answered so much that it is compiled, but not longer than ten times `load.seconds`; once, if
 * it was `compiled` before.
 */
export async function warmUp(session: Session, load: WrkLoad, compiled = false): Promise<void> {
  let answers = 0;
  let mib = 0;
  for (let i = 0; i < (compiled ? 1 : 10) && answers < WARM_ANSWERS && mib < WARM_MIB; i++) {
    const result = await runLoad(load, session.lab.cores.load, session.lab.folder);
    answers += result.requests;
    mib += (result.bytes + result.requests * load.bodyBytes) / 2 ** 20;
  }
}

export interface MutableCell extends Cell {
  invalid: string;
  rounds: Round[];
}

interface Measured {
  /** Why it must not count, or "". */
  readonly fault: string;
  /** What may have disturbed it, for the progress line, or "". */
  readonly suspicion: string;
  readonly requests: number;
  /** That the load received, MiB. */
  readonly mib: number;
  readonly round: Round;
}

/** One round of wrk with the kernel's accounts before and after. */
export async function measure(session: Session, running: Running, load: WrkLoad): Promise<Measured> {
  const { lab } = session;
  const core = Math.max(0, lab.cores.proxy);
  let memory = { pss: 0, rss: 0 };
  const halfway = setTimeout(() => {
    try {
      memory = memoryOf(running.owners);
    } catch {
      // The proxy died; the CPU account below says so.
    }
  }, load.seconds * 700);
  const coreBefore = coreTime(core);
  let cpu: number;
  let result: WrkResult;
  try {
    const before = cpuNs(running.family);
    result = await runLoad(load, lab.cores.load, lab.folder);
    cpu = cpuNs(running.family) - before;
  } catch (error) {
    const fault = `died under load (${(error as Error).message}): ${lastWords(running.log)}`;
    return { fault, suspicion: "", requests: 0, mib: 0, round: {} };
  } finally {
    clearTimeout(halfway);
  }
  const coreAfter = coreTime(core);
  const ticks = coreAfter.total - coreBefore.total;
  const busy = (coreAfter.busy - coreBefore.busy) / ticks;
  const foreign = Math.max(0, busy - cpu / 1e9 / result.seconds);
  const stolen = (coreAfter.stolen - coreBefore.stolen) / ticks;
  let fault = "";
  if (result.errors > 0)
    fault = `${result.errors} errors in ${result.requests} answers (${result.firstError})`;
  else if (result.requests === 0) fault = "not one answer";
  let suspicion = "";
  if (foreign > 0.1) {
    suspicion += `; somebody else used ${Math.round(foreign * 100)} % of its core`;
    session.warn(
      "in some rounds somebody else used more than 10 % of the proxy's core (see `foreign` in the JSON)",
    );
  }
  if (stolen > 0.02) suspicion += `; the hypervisor took ${Math.round(stolen * 100)} % of its core`;
  const round = {
    rps: result.requests / result.seconds,
    cpuUs: cpu / 1000 / result.requests,
    coreBusy: busy,
    foreign,
    stolen,
    pss: memory.pss,
    rss: memory.rss,
  };
  return { fault, suspicion, requests: result.requests, mib: result.bytes / 2 ** 20, round };
}

/** The proxy's own count of copied body bytes, or -1 if it has none. */
async function copiedBytes(running: Running): Promise<number> {
  if (!running.contestant.ours) return -1;
  try {
    const answer = await fetch(`http://127.0.0.1:${running.admin}/stats?filter=copied_bytes`);
    const body = await answer.text();
    const counts = [...body.matchAll(/copied_bytes: *(\d+)/g)].map((match) => Number(match[1]));
    return counts.length === 0 ? -1 : counts.reduce((sum, count) => sum + count, 0);
  } catch {
    return -1;
  }
}

function lastWords(log: string): string {
  return readFileSync(log, "utf8").trim().slice(-200).replaceAll("\n", " ");
}
