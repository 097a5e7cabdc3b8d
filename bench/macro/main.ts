/**
 * `npm run bench`: measures Tulle beside other proxies and prints a table; docs/benchmarks.md says how to read it.
 *
 * The order of things: options, who is here, the lab (cores, folder, upstream), every scenario in turn, the report. A
 * proxy that is missing or fails is named; it never ends the run.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { guardExit, stopAll } from "./children.ts";
import { type Contestant, versionOf } from "./contestant.ts";
import { Lab } from "./lab.ts";
import { findH2load } from "./load-h2load.ts";
import { findWrk } from "./load-wrk.ts";
import { chooseCores, describeMachine, slugOf } from "./machine.ts";
import { type Options, readOptions, USAGE } from "./options.ts";
import { becomeCopy } from "./own-copy.ts";
import { chartOf } from "./report-svg.ts";
import { reportOf } from "./report-table.ts";
import type { Result, Section } from "./result.ts";
import { envoy } from "./rivals/envoy.ts";
import { haproxy } from "./rivals/haproxy.ts";
import { nginx, nginxTuned } from "./rivals/nginx.ts";
import { nodeHttp } from "./rivals/node-http.ts";
import { runFilters } from "./run-filters.ts";
import { runHandshakes } from "./run-handshakes.ts";
import { runLatency, runPause } from "./run-latency.ts";
import { runMemory } from "./run-memory.ts";
import { runSwap } from "./run-swap.ts";
import { runSweep } from "./run-sweep.ts";
import { runThroughput } from "./run-throughput.ts";
import { SCENARIOS, type Scenario } from "./scenario.ts";
import type { Session } from "./session.ts";
import { tulleOn } from "./tulle.ts";

const RIVALS = [nginx, nginxTuned, haproxy, envoy, nodeHttp];

const NEEDS_WRK = new Set(["throughput", "sweep", "filters", "swap"]);

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if ("help" in options) {
    process.stdout.write(USAGE);
    return 0;
  }
  if ("fault" in options) {
    process.stderr.write(`bench: ${options.fault}\n\n${USAGE}`);
    return 2;
  }
  if (process.platform !== "linux") {
    process.stderr.write("bench: it reads the kernel's accounts in /proc and needs Linux\n");
    return 2;
  }
  becomeCopy();
  guardExit();
  try {
    const result = await run(options);
    publish(result, options);
    return result.sections.some(({ cells }) => cells.some(({ invalid }) => invalid !== "")) ? 1 : 0;
  } finally {
    await stopAll();
  }
}

async function run(options: Options): Promise<Result> {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const machine = describeMachine();
  const { cores, warning } = chooseCores();
  const warnings: string[] = [];
  const warn = (text: string) => {
    if (warnings.includes(text)) return;
    warnings.push(text);
    say(`warning: ${text}`);
  };
  if (warning !== "") warn(warning);
  if (machine.load > 0.5)
    warn(`the machine was busy when the run began (load average ${machine.load.toFixed(2)})`);
  const chosen: Contestant[] = [
    ...RIVALS.filter(({ name }) => options.rivals.includes(name)),
    ...options.runtimes.map(tulleOn),
  ];
  const contestants: Contestant[] = [];
  const versions: { name: string; version: string }[] = [];
  const missing: { name: string; remedy: string }[] = [];
  for (const contestant of chosen) {
    const presence = await contestant.find();
    if (presence.here) {
      contestants.push(contestant);
      versions.push({ name: contestant.name, version: presence.version });
    } else {
      missing.push({ name: contestant.name, remedy: presence.remedy });
    }
  }
  const wrk = await findWrk();
  if (wrk === null)
    missing.push({
      name: "wrk",
      remedy: "install wrk (Debian: apt install wrk); throughput is not measured",
    });
  const h2load = await findH2load();
  if (h2load === null)
    missing.push({
      name: "h2load",
      remedy: "install h2load (Debian: apt install nghttp2-client); HTTP/2 and TLS are not measured",
    });
  for (const { name, remedy } of missing) say(`missing: ${name}: ${remedy}`);

  const lab = await Lab.open(cores, options.port);
  const nginxVersion = await versionOf(["nginx", "-v"], /nginx\/(\S+)/);
  const settings = {
    rounds: options.rounds,
    seconds: options.duration,
    warmup: options.quick ? 1 : 2,
    quick: options.quick,
    proxyCore: cores.proxy,
    loadCore: cores.load,
    upstream: lab.upstream.kind === "nginx" ? `nginx ${nginxVersion}` : `built-in, on Bun ${Bun.version}`,
    wrk: wrk === null ? "no wrk" : `wrk ${wrk}`,
  };
  const session: Session = { lab, settings, contestants, say, warn };
  const sections: Section[] = [];
  for (const scenario of SCENARIOS.filter(({ id }) => options.only.includes(id))) {
    if (wrk === null && NEEDS_WRK.has(scenario.kind)) continue;
    if (h2load === null && scenario.kind === "throughput" && (scenario.tls === "server" || scenario.http2))
      continue;
    say(`${scenario.id}: ${scenario.title}`);
    const takePart = contestants.filter(
      ({ scenarios }) => scenarios === null || scenarios.includes(scenario.id),
    );
    sections.push(await runScenario({ ...session, contestants: takePart }, scenario));
  }
  return {
    format: 1,
    date: new Date().toISOString(),
    machine,
    settings,
    contestants: versions,
    missing,
    warnings,
    sections,
  };
}

function runScenario(session: Session, scenario: Scenario): Promise<Section> {
  switch (scenario.kind) {
    case "throughput":
      return runThroughput(session, scenario);
    case "latency":
      return runLatency(session, scenario);
    case "pause":
      return runPause(session, scenario);
    case "memory":
      return runMemory(session, scenario);
    case "handshakes":
      return runHandshakes(session, scenario);
    case "sweep":
      return runSweep(session, scenario);
    case "filters":
      return runFilters(session, scenario);
    case "swap":
      return runSwap(session, scenario);
  }
}

function publish(result: Result, options: Options): void {
  process.stdout.write(reportOf(result));
  const json = `${JSON.stringify(result, null, 1)}\n`;
  if (options.json !== "") writeFileSync(options.json, json);
  if (options.out === "") {
    process.stderr.write("no result files written: a partial or quick run (give --out to have them)\n");
    return;
  }
  mkdirSync(options.out, { recursive: true });
  const name = `${result.date.slice(0, 10)}-${slugOf(result.machine)}`;
  writeFileSync(join(options.out, `${name}.json`), json);
  writeFileSync(join(options.out, `${name}.md`), reportOf(result, `${name}.svg`));
  writeFileSync(join(options.out, `${name}.svg`), chartOf(result));
  process.stderr.write(`written: ${join(options.out, name)}.json, .md, .svg\n`);
}

process.exitCode = await main();
