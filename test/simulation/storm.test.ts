/** Storms of many seeds (see storm.ts): nobody gets another's answer, nothing is left, and it all repeats. */
import { expect, test } from "bun:test";
import { storm } from "./storm.ts";

/** More with `STORM_SEEDS=500 bun test test/simulation`. */
const SEEDS = Number(process.env.STORM_SEEDS ?? 25);
const FIRST = Number(process.env.STORM_FIRST ?? 1);

test.each(Array.from({ length: SEEDS }, (_, i) => FIRST + i))(
  "seed %i: every answer belongs to its request, and nothing is left",
  async (seed) => {
    const { violations, story } = await storm(seed);
    expect(violations).toEqual([]);
    expect(story.stat("tulle.copied_bytes")).toBeGreaterThanOrEqual(0);
    expect(story.proxy.driver.faults).toBe(0);
    story.expectNothingLeft();
  },
  20_000,
);

test("the same seed gives the same transcript", async () => {
  const [one, other] = [await storm(7), await storm(7)];
  expect(one.transcript).toBe(other.transcript);
  expect((await storm(8)).transcript).not.toBe(one.transcript);
}, 20_000);

test("a storm is one: whole, cut, refused and repeated answers all occur", async () => {
  const sum: { [what: string]: number } = {};
  for (let seed = 1; seed <= 6; seed++) {
    const { tally } = await storm(seed);
    for (const [what, n] of Object.entries(tally)) sum[what] = (sum[what] ?? 0) + n;
  }
  expect(sum.whole).toBeGreaterThan(100);
  expect(sum.cut).toBeGreaterThan(5);
  expect(sum["local 503"]).toBeGreaterThan(5);
  expect(sum["local 504"]).toBeGreaterThan(0);
}, 30_000);
