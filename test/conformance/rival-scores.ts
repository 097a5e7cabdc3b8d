/**
 * Runs the vectors against Envoy, nginx and HAProxy, to prove that runner and vectors work without us:
 *   bun test/conformance/rival-scores.ts [--only envoy,nginx] [--vector ID-prefix] [--verbose] [--write]
 * Prints one line per vector that a rival does otherwise, then the scores; `--write` keeps them as JSON.
 */
import { writeFileSync } from "node:fs";
import { freePorts } from "../support/child-process.ts";
import type { Target } from "../support/exchange.ts";
import { startEnvoy, startHaproxy, startNginx } from "../support/rivals.ts";
import { TcpLane, TcpTarget } from "../support/tcp-target.ts";
import { catalogue } from "./catalogue.ts";
import { judgeThrift } from "./judge.ts";
import { listeningTarget } from "./listening-target.ts";
import { haproxyCfg, nginxConf } from "./profiles.ts";
import { runVectors } from "./runner.ts";

const LANES = 8;
const args = process.argv.slice(2);
const option = (name: string) => {
  const at = args.indexOf(name);
  return at < 0 ? "" : (args[at + 1] ?? "");
};

async function plain(
  name: string,
  start: (ports: number[], origins: number[]) => Promise<{ stop(): Promise<void> } | null>,
): Promise<Target | null> {
  const lanes = await Promise.all(Array.from({ length: LANES }, () => TcpLane.open()));
  const ports = await freePorts(LANES);
  const rival = await start(
    ports,
    lanes.map((lane) => lane.port),
  );
  return (
    rival &&
    new TcpTarget(
      name,
      lanes,
      (profile, lane) => (profile === "main" ? ports[lane] : 0),
      () => rival.stop(),
    )
  );
}

const makers: { readonly [name: string]: () => Promise<Target | null> } = {
  envoy: () => listeningTarget("envoy", LANES, startEnvoy),
  nginx: () =>
    plain("nginx", (ports, origins) => startNginx((folder) => nginxConf(ports, origins, folder), ports[0])),
  haproxy: () => plain("haproxy", (ports, origins) => startHaproxy(haproxyCfg(ports, origins), ports[0])),
};

const only = option("--only").split(",").filter(Boolean);
const wanted = option("--vector");
const vectors = catalogue.filter((vector) => vector.id.startsWith(wanted));
const scores: { [name: string]: { passed: number; of: number; failed: string[] } } = {};
for (const [name, make] of Object.entries(makers)) {
  if (only.length > 0 && !only.includes(name)) continue;
  const target = await make();
  if (target === null) {
    console.log(`${name}: not installed`);
    continue;
  }
  const started = performance.now();
  const verdicts = await runVectors(target, vectors, { splits: 2, seed: 1 });
  const byVector = new Map<string, string[]>();
  for (const verdict of verdicts) {
    const faults = byVector.get(verdict.vector.id) ?? [];
    byVector.set(verdict.vector.id, faults);
    for (const fault of [
      ...verdict.faults,
      ...(args.includes("--thrift") ? judgeThrift(verdict.vector, verdict.outcome) : []),
    ]) {
      faults.push(`${verdict.chunking}: ${fault}`);
    }
    if (args.includes("--verbose") && verdict.faults.length > 0) {
      console.log(verdict.vector.id, verdict.chunking, JSON.stringify(verdict.outcome, null, 1));
    }
  }
  const failed = [...byVector].filter(([, faults]) => faults.length > 0);
  for (const [id, faults] of failed) console.log(`${name} ${id} (${faults.length}): ${faults[0]}`);
  const of = byVector.size;
  scores[name] = { passed: of - failed.length, of, failed: failed.map(([id]) => id) };
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${name}: ${of - failed.length} of ${of} vectors, ${verdicts.length} exchanges, ${seconds} s`);
  await target.close();
}
if (args.includes("--write")) {
  writeFileSync(
    new URL("./rival-scores.golden.json", import.meta.url),
    `${JSON.stringify(scores, null, 1)}\n`,
  );
}
process.exit(0);
