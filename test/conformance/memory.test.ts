/**
 * Every vector against the engine in the memory runtime: whole, byte by byte, and at seeded random splits.
 * TULLE_SPLITS and TULLE_SEED change how many and which.
 */
import { expect, test } from "bun:test";
import { MemoryTarget } from "../support/memory-target.ts";
import { catalogue, ROWS } from "./catalogue.ts";
import { judgeThrift } from "./judge.ts";
import { conformanceBootstrap, PROFILES } from "./profiles.ts";
import { failures } from "./report.ts";
import { runVectors } from "./runner.ts";

const ORIGIN = 7000;
const portOf = (profile: string) => (PROFILES.includes(profile) ? 8000 + PROFILES.indexOf(profile) : 0);

test("every row of the catalogue has a vector, and every vector a name of its own", () => {
  const rows = new Set(catalogue.map((vector) => vector.row));
  expect(ROWS.filter((row) => !rows.has(row))).toEqual([]);
  expect(new Set(catalogue.map((vector) => vector.id)).size).toBe(catalogue.length);
});

test("no vector leaves anything behind", async () => {
  const target = await MemoryTarget.start(conformanceBootstrap(portOf, [ORIGIN], 9901, 7001), ORIGIN, portOf);
  const known = new Set<string>();
  const leaking: string[] = [];
  for (const vector of catalogue) {
    await runVectors(target, [vector], { splits: 2, seed: 1 }); // both ways of leaving
    const fresh = target.leftovers().filter((left) => !known.has(left));
    for (const left of fresh) known.add(left);
    if (fresh.length > 0) leaking.push(`${vector.id}: ${fresh.join(", ")}`);
  }
  expect(leaking).toEqual([]);
}, 60_000);

test("all vectors in the memory runtime, however the bytes are cut", async () => {
  const target = await MemoryTarget.start(conformanceBootstrap(portOf, [ORIGIN], 9901, 7001), ORIGIN, portOf);
  const splits = Number(process.env.TULLE_SPLITS ?? 3);
  const seed = Number(process.env.TULLE_SEED ?? 1);
  const verdicts = await runVectors(target, catalogue, { splits, seed });
  const thrift = verdicts.flatMap(({ vector, chunking, outcome }) =>
    judgeThrift(vector, outcome).map((fault) => `${vector.id} (${chunking}): ${fault}`),
  );
  expect(failures(verdicts)).toEqual([]);
  expect(target.leftovers()).toEqual([]);
  expect(thrift).toEqual([]);
}, 60_000);
