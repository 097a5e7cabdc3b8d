/**
 * Do the shipped filters leak? Sends requests through one Tulle with the three of them and looks at memory, the guests'
 * and the process's, after each tenth:
 *
 *   bun bench/soak-filters.ts [--requests 10000000] [--runtime bun|node|deno]
 *
 * Fails if a request failed, a guest's memory grew after the first tenth, or the process held over 5 % more in the last
 * three tenths than in the second to fourth. A process's memory goes up and down with its collector, and in the first
 * tenth its heap finds its size: what counts is what it held most of the time, the median of many looks. A run of less
 * than a million requests is too short to judge it. A million takes about a minute.
 */
import { parseArgs } from "node:util";
import { memoryOf } from "./macro/accounting.ts";
import { guardExit, stopAll } from "./macro/children.ts";
import { KEY_HEADER, pathsOfRules, REQUEST_HEADERS } from "./macro/filter-chains.ts";
import { Lab, type Running } from "./macro/lab.ts";
import { loadWithWrk } from "./macro/load-wrk.ts";
import { chooseCores } from "./macro/machine.ts";
import { checkChain } from "./macro/run-filters.ts";
import { threeFilters } from "./macro/scenario.ts";
import { median } from "./macro/statistics.ts";
import { RUNTIMES, type RuntimeName, tulleOn } from "./macro/tulle.ts";

const TENTHS = 10;
const KEYS = 10_000;
/** Requests before anything counts: compilers and heaps find their size. */
const WARM = 100_000;
const ENOUGH = 1_000_000;
const MOST_GROWTH = 1.05;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      requests: { type: "string", default: "10000000" },
      runtime: { type: "string", default: "bun" },
      port: { type: "string", default: "22900" },
    },
  });
  const total = Number(values.requests);
  if (!(total >= TENTHS) || !RUNTIMES.includes(values.runtime as RuntimeName)) {
    process.stderr.write(
      `soak-filters: --requests takes a number, --runtime one of ${RUNTIMES.join(", ")}\n`,
    );
    return 2;
  }
  guardExit();
  const contestant = tulleOn(values.runtime as RuntimeName);
  const presence = await contestant.find();
  if (!presence.here) {
    process.stderr.write(`soak-filters: ${presence.remedy}\n`);
    return 2;
  }
  const lab = await Lab.open(chooseCores().cores, Number(values.port));
  try {
    const chain = threeFilters(true);
    const running = await lab.start(contestant, { chain });
    const fault = await checkChain(running.port, chain);
    if (fault !== "") throw new Error(fault);
    return await soak(lab, running, total);
  } finally {
    await stopAll();
  }
}

async function soak(lab: Lab, running: Running, total: number): Promise<number> {
  let sent = 0;
  let failed = 0;
  const send = async (count: number) => {
    while (sent < count) {
      const result = await loadWithWrk(
        {
          port: running.port,
          connections: 50,
          seconds: total < ENOUGH ? 1 : 5,
          method: "GET",
          paths: pathsOfRules(20, 190),
          bodyBytes: 0,
          newConnections: false,
          headers: REQUEST_HEADERS,
          keys: { header: KEY_HEADER, count: KEYS, from: sent % KEYS },
        },
        lab.cores.load,
        lab.folder,
      );
      if (result.requests === 0) throw new Error("not one answer");
      sent += result.requests;
      failed += result.errors;
    }
  };
  await send(WARM);
  sent = 0;
  const tenths: Look[] = [];
  for (let tenth = 1; tenth <= TENTHS; tenth++) {
    const looks: number[] = [];
    const timer = setInterval(() => looks.push(memoryOf(running.owners).pss), 250);
    try {
      await send((total * tenth) / TENTHS);
    } finally {
      clearInterval(timer);
    }
    looks.push(memoryOf(running.owners).pss);
    const guests = await guestBytes(running.admin);
    tenths.push({ process: median(looks), guests });
    console.log(
      `${sent} requests, ${failed} failed: guests ${told(guests, 1024, "KiB")}, ` +
        `process ${told(Math.min(...looks), 2 ** 20, "MiB")} and more, mostly ${told(median(looks), 2 ** 20, "MiB")} ` +
        `(PSS, ${looks.length} looks)`,
    );
  }
  const mostly = (from: number, to: number) => median(tenths.slice(from, to).map(({ process }) => process));
  const growth = mostly(7, 10) / mostly(1, 4);
  const faults = [
    ...(failed > 0 ? [`${failed} requests failed`] : []),
    ...(tenths[9].guests > tenths[0].guests ? ["the guests' memory grew"] : []),
    ...(total >= ENOUGH && growth > MOST_GROWTH
      ? [`the process grew to ${growth.toFixed(3)} × what it was`]
      : []),
  ];
  const judged = total >= ENOUGH ? "" : " (too few requests to judge it)";
  console.log(
    `process memory in the last three tenths: ${growth.toFixed(3)} × that in the second to fourth${judged}`,
  );
  for (const fault of faults) console.error(`✗ ${fault}`);
  return faults.length === 0 ? 0 : 1;
}

/** Bytes. */
interface Look {
  readonly process: number;
  readonly guests: number;
}

/** What the guests' memories have together, by the proxy's own gauge. */
async function guestBytes(admin: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${admin}/stats?filter=vm_memory_bytes`);
  const sizes = [...(await answer.text()).matchAll(/vm_memory_bytes: (\d+)/g)].map((match) =>
    Number(match[1]),
  );
  if (sizes.length === 0) throw new Error("the proxy does not tell the memory of guests");
  return sizes.reduce((sum, size) => sum + size, 0);
}

function told(bytes: number, unit: number, name: string): string {
  return `${(bytes / unit).toFixed(unit === 1024 ? 0 : 1)} ${name}`;
}

process.exitCode = await main();
