/**
 * Runs the memory scenarios, each on a fresh process and one proxy at a time, so that no page is shared with another one
 * that happens to run the same program. Memory is that of the processes that own the listening port.
 */
import { join } from "node:path";
import { memoryOf, othersLike } from "./accounting.ts";
import { pinned } from "./children.ts";
import type { Running } from "./lab.ts";
import type { HoldOptions, HoldResult } from "./load/hold-connections.ts";
import type { HoldTlsOptions } from "./load/hold-tls.ts";
import { BURST_LIMIT, type Round, type Section } from "./result.ts";
import { openLoop } from "./run-latency.ts";
import type { MutableCell } from "./run-throughput.ts";
import type { MemoryScenario } from "./scenario.ts";
import type { Session } from "./session.ts";
import { node } from "./tulle.ts";
import { SMALL } from "./upstream.ts";

/** Quiet time after the start before memory counts as idle, ms: what a start leaves behind is neither hidden nor counted. */
const SETTLE = 5000;
/** How long connections are held before memory is looked at, ms. */
const HOLD = 2000;
/** How long a proxy may take to give the memory of a burst back, s. */
const PATIENCE = 60;
/** How long it must stay below the limit to count as given back, s: a proxy may not have seen all the closes yet. */
const STEADY = 3;

export async function runMemory(session: Session, scenario: MemoryScenario): Promise<Section> {
  const { lab, settings } = session;
  const quick = settings.quick;
  const connections = quick ? Math.min(scenario.connections, 1000) : scenario.connections;
  // Memory hardly differs from round to round, and a burst may take a minute.
  const rounds = scenario.what === "burst" ? 1 : Math.min(settings.rounds, 3);
  const contestants = session.contestants.filter(({ tls, likeEnvoy }) =>
    scenario.over === "mtls" ? tls : scenario.over !== "http2" || likeEnvoy,
  );
  const cells: MutableCell[] = contestants.map(({ name }) => ({
    contestant: name,
    variant: 0,
    invalid: "",
    rounds: [],
  }));
  for (let round = 0; round < rounds; round++) {
    for (const [i, contestant] of contestants.entries()) {
      const cell = cells[i];
      if (cell.invalid !== "") continue;
      try {
        const running = await lab.start(contestant, {
          clients: connections > 2000 ? connections + 1000 : 2048,
          http2: { down: scenario.over === "http2", up: false },
          ...(scenario.over === "mtls" ? { tls: "mutual" } : {}),
        });
        try {
          await Bun.sleep(SETTLE);
          const others = othersLike(running.owners);
          if (others > 0) {
            session.warn(
              `${others} other processes ran the program of ${contestant.name}: its PSS is too small, see RSS`,
            );
          }
          const idle = memoryOf(running.owners);
          const rest = await whatHappens(session, scenario, running, connections, idle.pss);
          cell.rounds.push({
            idlePss: idle.pss,
            idleRss: idle.rss,
            idleAnonymous: idle.anonymous,
            ...rest,
          });
          session.say(`  ${round + 1}/${rounds} ${cell.contestant}: ${sentence(cell.rounds[round])}`);
        } finally {
          await running.stop();
        }
      } catch (error) {
        cell.invalid = (error as Error).message;
        session.say(`  ✗ ${cell.contestant}: ${cell.invalid}`);
      }
    }
  }
  return { id: scenario.id, cells };
}

async function whatHappens(
  session: Session,
  scenario: MemoryScenario,
  running: Running,
  connections: number,
  idlePss: number,
): Promise<Round> {
  const { seconds, warmup, quick } = session.settings;
  const { port } = running;
  if (scenario.what === "load") {
    const load = openLoop(session, {
      port,
      rate: 1000,
      connections,
      seconds,
      warmup,
      path: "/",
      bodyLength: SMALL,
    });
    await Bun.sleep((warmup + seconds * 0.8) * 1000);
    const { pss, rss, anonymous } = memoryOf(running.owners);
    const { errors, firstError } = await load;
    if (errors > 0) throw new Error(`${errors} errors (${firstError})`);
    return { loadPss: pss, loadRss: rss, loadAnonymous: anonymous };
  }
  const { result, release } = await hold(session, scenario.over, {
    port: scenario.over === "mtls" ? running.tlsPort : port,
    connections,
    inFlight: 100,
    path: "/",
    http2: scenario.over === "http2",
  });
  await Bun.sleep(scenario.what === "burst" ? 0 : HOLD);
  const held = memoryOf(running.owners);
  const dropped = await release();
  if (result.failed > 0) throw new Error(`${result.failed} of ${connections} connections failed`);
  if (dropped !== 0)
    throw new Error(`${dropped} of ${connections} idle connections were closed by the proxy`);
  if (scenario.what === "idle-connections")
    return { loadPss: held.pss, loadRss: held.rss, loadAnonymous: held.anonymous };
  const start = Date.now();
  const elapsed = () => (Date.now() - start) / 1000;
  let after = memoryOf(running.owners);
  let underSince = -1;
  while (elapsed() < (quick ? 5 : PATIENCE)) {
    if (after.pss >= BURST_LIMIT * idlePss) underSince = -1;
    else if (underSince < 0) underSince = elapsed();
    if (underSince >= 0 && elapsed() - underSince >= STEADY) break;
    await Bun.sleep(250);
    after = memoryOf(running.owners);
  }
  const settleSeconds = underSince;
  return { peakPss: held.pss, afterPss: after.pss, settleSeconds };
}

function sentence(round: Round): string {
  const mb = (bytes: number | undefined) => `${((bytes ?? 0) / 1e6).toFixed(1)} MB`;
  if (round.peakPss === undefined) return `idle ${mb(round.idlePss)}, then ${mb(round.loadPss)}`;
  const settled = (round.settleSeconds ?? -1) < 0 ? "not settled" : `settled in ${round.settleSeconds} s`;
  return `idle ${mb(round.idlePss)}, peak ${mb(round.peakPss)}, after ${mb(round.afterPss)}, ${settled}`;
}

/** The connection holder on the load core: resolves when all are open. `release` closes them. */
async function hold(session: Session, over: MemoryScenario["over"], options: HoldOptions) {
  const { lab } = session;
  let program = [
    process.execPath,
    join(import.meta.dir, "load/hold-connections.ts"),
    JSON.stringify(options),
  ];
  if (over === "mtls") {
    const { ca, client } = await lab.identities();
    const secured: HoldTlsOptions = { ...options, ca, chain: client.chain, key: client.key };
    program = [node, join(import.meta.dir, "load/hold-tls.ts"), JSON.stringify(secured)];
  }
  const argv = pinned(program, lab.cores.load);
  const holder = Bun.spawn(argv, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  const kill = () => holder.kill("SIGKILL");
  process.once("exit", kill);
  const lines = holder.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const first = await lines.read();
  const result: HoldResult = JSON.parse(
    first.value ?? `{"held":0,"failed":${options.connections},"seconds":0}`,
  );
  const release = async () => {
    holder.stdin.end();
    const last = await lines.read();
    await holder.exited;
    process.off("exit", kill);
    return last.value ? (JSON.parse(last.value) as { dropped: number }).dropped : -1;
  };
  return { result, release };
}
