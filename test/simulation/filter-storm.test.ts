/** Storms over wild filters, of many seeds (see filter-storm.ts). */
import { expect, test } from "bun:test";
import { filterStorm } from "./filter-storm.ts";

/** More with `STORM_SEEDS=500 bun test test/simulation`. */
const SEEDS = Number(process.env.STORM_SEEDS ?? 25);
const FIRST = Number(process.env.STORM_FIRST ?? 1);

test.each(Array.from({ length: SEEDS }, (_, i) => FIRST + i))(
  "seed %i: one answer per request, hooks in order, bytes conserved, and nothing is left",
  async (seed) => {
    const { violations, story, thrown } = await filterStorm(seed);
    expect(violations).toEqual([]);
    story.expectNothingLeft(thrown);
  },
  20_000,
);

test("the same seed gives the same transcript", async () => {
  const [one, other] = [await filterStorm(7), await filterStorm(7)];
  expect(one.transcript).toBe(other.transcript);
}, 20_000);

test("a storm is one: every hook is called, and answers are whole, cut and local", async () => {
  const sum: { [what: string]: number } = {};
  for (let seed = 1; seed <= 8; seed++) {
    const { tally, thrown } = await filterStorm(seed);
    for (const [what, n] of Object.entries({ ...tally, thrown })) sum[what] = (sum[what] ?? 0) + n;
  }
  expect(sum.whole).toBeGreaterThan(50);
  expect(sum.cut).toBeGreaterThan(3);
  expect(sum.thrown).toBeGreaterThan(3);
  for (const half of ["request", "response"])
    for (const what of ["head", "body", "trailers"]) expect(sum[`${half} ${what}`]).toBeGreaterThan(3);
}, 20_000);
