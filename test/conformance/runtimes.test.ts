/** Every vector over real sockets against our proxy on Bun, Node and Deno, with the outcomes of the memory runtime. */
import { expect, test } from "bun:test";
import { RUNTIMES, startTulle } from "../support/our-proxy.ts";
import { catalogue } from "./catalogue.ts";
import { listeningTarget } from "./listening-target.ts";
import { failures } from "./report.ts";
import { runVectors } from "./runner.ts";

const LANES = 12;

for (const runtime of RUNTIMES) {
  test(`all vectors over TCP on ${runtime}`, async () => {
    const target = await listeningTarget(runtime, LANES, (bootstrap, port) =>
      startTulle(bootstrap, port, runtime),
    );
    if (target === null) throw new Error("no proxy");
    const splits = Number(process.env.TULLE_TCP_SPLITS ?? 1);
    const seed = Number(process.env.TULLE_SEED ?? 1);
    const started = performance.now();
    const verdicts = await runVectors(target, catalogue, { splits, seed });
    await target.close();
    console.log(
      `${runtime}: ${catalogue.length} vectors, ${verdicts.length} exchanges, ${((performance.now() - started) / 1000).toFixed(1)} s`,
    );
    expect(failures(verdicts)).toEqual([]);
  }, 240_000);
}
