/**
 * Runs a scenario of filters: every contestant once per chain of filters, all up at once, and in each round one after
 * the other. The figure of interest is what a chain adds to the same proxy without filters in the same round.
 */
import { type FilterChain, KEY_HEADER, REQUEST_HEADERS } from "./filter-chains.ts";
import { ask, checkFeatures } from "./guard.ts";
import type { Running } from "./lab.ts";
import { loadWithWrk, type WrkLoad } from "./load-wrk.ts";
import type { Section } from "./result.ts";
import { type MutableCell, measure, warmUp } from "./run-throughput.ts";
import type { FiltersScenario, FilterVariant } from "./scenario.ts";
import type { Session } from "./session.ts";
import { SMALL } from "./upstream.ts";

const CONNECTIONS = 50;

interface Entrant {
  readonly running: Running;
  readonly cell: MutableCell;
  readonly chain: FilterChain;
  readonly variant: FilterVariant;
  /** Where the walk over the keys goes on. */
  nextKey: number;
}

export async function runFilters(session: Session, scenario: FiltersScenario): Promise<Section> {
  const { lab, settings } = session;
  const keys = settings.quick ? scenario.keys.few : scenario.keys.count;
  const cells: MutableCell[] = [];
  const entrants: Entrant[] = [];
  const spoil = (cell: MutableCell, why: string) => {
    cell.invalid = why;
    session.say(`  ✗ ${cell.contestant}, ${scenario.variants[cell.variant].title}: ${why}`);
  };
  for (const contestant of session.contestants) {
    if (!contestant.likeEnvoy) continue;
    for (const [place, variant] of scenario.variants.entries()) {
      const chain = variant.chain(contestant.name, keys);
      if (chain === null) continue;
      const cell: MutableCell = { contestant: contestant.name, variant: place, invalid: "", rounds: [] };
      cells.push(cell);
      try {
        const running = await lab.start(contestant, { chain });
        const entrant = { running, cell, chain, variant, nextKey: 0 };
        entrants.push(entrant);
        const fault = (await checkFeatures(running.port)) || (await checkChain(running.port, chain));
        if (fault !== "") spoil(cell, fault);
      } catch (error) {
        spoil(cell, (error as Error).message);
      }
    }
  }
  const load = ({ running, variant, nextKey }: Entrant, seconds: number): WrkLoad => ({
    port: running.port,
    connections: CONNECTIONS,
    seconds,
    method: "GET",
    paths: variant.paths ?? scenario.paths,
    bodyBytes: 0,
    newConnections: false,
    headers: REQUEST_HEADERS,
    keys: { header: KEY_HEADER, count: keys, from: nextKey },
  });
  for (const entrant of entrants) {
    if (entrant.cell.invalid !== "") continue;
    try {
      await warmUp(session, load(entrant, settings.warmup));
      if (entrant.variant.fill) await fill(session, (from) => load({ ...entrant, nextKey: from }, 5), keys);
      const fault = await checkCounts(entrant.running.admin, entrant.chain);
      if (fault !== "") spoil(entrant.cell, fault);
    } catch (error) {
      spoil(entrant.cell, (error as Error).message);
    }
  }
  for (let round = 0; round < settings.rounds; round++) {
    for (const entrant of entrants) {
      const { running, cell, variant } = entrant;
      if (cell.invalid !== "") continue;
      const measured = await measure(session, running, load(entrant, settings.seconds));
      entrant.nextKey = (entrant.nextKey + measured.requests) % keys;
      if (measured.fault !== "") {
        spoil(cell, measured.fault);
        continue;
      }
      cell.rounds.push(variant.fill ? { ...measured.round, keys } : measured.round);
      session.say(
        `  ${round + 1}/${settings.rounds} ${cell.contestant}, ${variant.title}: ` +
          `${measured.round.cpuUs?.toFixed(1)} µs${measured.suspicion}`,
      );
    }
  }
  for (const { running } of entrants) await running.stop();
  return { id: scenario.id, cells };
}

/** Loads until each of `keys` keys has come at least once. */
async function fill(session: Session, load: (from: number) => WrkLoad, keys: number): Promise<void> {
  for (let sent = 0; sent < keys; ) {
    const result = await loadWithWrk(load(sent % keys), session.lab.cores.load, session.lab.folder);
    if (result.requests === 0) throw new Error("not one answer while keys were made");
    sent += result.requests;
  }
}

/** What is wrong with a chain of filters on `port`, or "" if they do what they are there for. */
export async function checkChain(port: number, chain: FilterChain): Promise<string> {
  const answer = await ask(port, "GET", "/", 0, false);
  if (answer.status !== 200 || answer.body.length !== SMALL)
    return `GET /: status ${answer.status}, ${answer.body.length} bytes`;
  if (chain.adds !== "" && !answer.headers.toLowerCase().includes(`\r\n${chain.adds}: `))
    return `answers have no ${chain.adds}`;
  const { status } = await ask(port, "GET", "/forbidden", 0, false);
  const wanted = chain.refuses ? 403 : 200;
  return status === wanted ? "" : `GET /forbidden: status ${status} instead of ${wanted}`;
}

/** What is wrong with the counters of a chain that has had load, or "". */
async function checkCounts(admin: number, chain: FilterChain): Promise<string> {
  if (!chain.counts) return "";
  await Bun.sleep(1500); // a filter may tell its counters once a second
  const answer = await fetch(`http://127.0.0.1:${admin}/stats?filter=http_local_rate_limit`);
  const stats = await answer.text();
  const count = (name: string) =>
    Number(new RegExp(`http_local_rate_limit\\.${name}: (\\d+)`).exec(stats)?.[1] ?? 0);
  if (count("ok") === 0) return "the rate limiter has counted nothing";
  return count("rate_limited") === 0
    ? ""
    : `the rate limiter found ${count("rate_limited")} requests too many`;
}
