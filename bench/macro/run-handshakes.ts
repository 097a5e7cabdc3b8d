/**
 * Runs the handshake scenario: new connections with a client's certificate, first full handshakes only, then resumed ones
 * only, in every round. The proxy answers the one request of each by itself. What a proxy pays is told for each handshake; what it costs the
 * load program does not matter, though that limits how many there are in a second.
 */
import { join } from "node:path";
import { cpuNs } from "./accounting.ts";
import { pinned } from "./children.ts";
import { checkFeatures } from "./guard.ts";
import type { Running } from "./lab.ts";
import type { HandshakeOptions, HandshakeResult } from "./load/handshakes.ts";
import type { Section } from "./result.ts";
import type { MutableCell } from "./run-throughput.ts";
import { FULL, type HandshakeScenario, RESUMED } from "./scenario.ts";
import type { Session } from "./session.ts";
import { OWN_ANSWER } from "./topology.ts";
import { node } from "./tulle.ts";

export async function runHandshakes(session: Session, scenario: HandshakeScenario): Promise<Section> {
  const { lab, settings } = session;
  const cells: MutableCell[] = [];
  const entrants: { running: Running; cell: MutableCell }[] = [];
  const fail = (cell: MutableCell, why: string) => {
    cell.invalid = why;
    session.say(`  ✗ ${cell.contestant}: ${why}`);
  };
  for (const contestant of session.contestants.filter(({ tls }) => tls)) {
    const both = [FULL, RESUMED].map(
      (variant): MutableCell => ({ contestant: contestant.name, variant, invalid: "", rounds: [] }),
    );
    cells.push(...both);
    try {
      const running = await lab.start(contestant, { tls: "mutual" });
      const fault = await checkFeatures(running.port);
      if (fault !== "") throw new Error(fault);
      for (const cell of both) {
        await shake(session, running, scenario, 2 * settings.warmup, cell.variant === RESUMED);
        entrants.push({ running, cell });
      }
    } catch (error) {
      for (const cell of both) fail(cell, (error as Error).message);
    }
  }
  for (let round = 0; round < settings.rounds; round++) {
    for (const { running, cell } of entrants) {
      if (cell.invalid !== "") continue;
      const resume = cell.variant === RESUMED;
      const { result, cpu } = await shake(session, running, scenario, settings.seconds, resume);
      const { handshakes, resumed, failed, firstError, seconds } = result;
      if (failed > 0 || handshakes === 0) fail(cell, `${failed} of ${handshakes} failed (${firstError})`);
      else if (resumed !== (resume ? handshakes : 0)) fail(cell, `${resumed} of ${handshakes} were resumed`);
      else {
        cell.rounds.push({ cpuUs: cpu / 1000 / handshakes, rps: handshakes / seconds });
        session.say(
          `  ${round + 1}/${settings.rounds} ${cell.contestant}, ${resume ? "resumed" : "full"}: ` +
            `${(cpu / 1000 / handshakes).toFixed(0)} µs, ${Math.round(handshakes / seconds)}/s`,
        );
      }
    }
  }
  for (const running of new Set(entrants.map((entrant) => entrant.running))) await running.stop();
  return { id: scenario.id, cells };
}

/** Runs the load program to its end; `cpu`: what the proxy used meanwhile, ns. */
async function shake(
  session: Session,
  running: Running,
  { inFlight }: HandshakeScenario,
  seconds: number,
  resume: boolean,
): Promise<{ result: HandshakeResult; cpu: number }> {
  const { ca, client } = await session.lab.identities();
  const { chain, key } = client;
  const options: HandshakeOptions = {
    port: running.tlsPort,
    seconds,
    inFlight,
    resume,
    path: OWN_ANSWER,
    bodyLength: 2,
    ca,
    chain,
    key,
  };
  const program = join(import.meta.dir, "load/handshakes.ts");
  const argv = pinned([node, program, JSON.stringify(options)], session.lab.cores.load);
  const load = Bun.spawn(argv, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  const kill = () => load.kill("SIGKILL");
  process.once("exit", kill);
  try {
    const lines = load.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value: ready } = await lines.read();
    if (ready !== "ready\n") throw new Error("the load program did not begin");
    const before = cpuNs(running.family);
    load.stdin.write("\n");
    load.stdin.flush();
    const { value: result } = await lines.read();
    const cpu = cpuNs(running.family) - before;
    if (result === undefined) throw new Error("the load program said nothing");
    return { result: JSON.parse(result), cpu };
  } finally {
    kill();
    await load.exited;
    process.off("exit", kill);
  }
}
