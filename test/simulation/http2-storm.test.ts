/** Storms of many seeds over HTTP/2 (see http2-storm.ts): nobody gets another's answer, and nothing is left. */
import { expect, test } from "bun:test";
import { http2Storm } from "./http2-storm.ts";

/** More with `STORM_SEEDS=500 bun test test/simulation`. */
const SEEDS = Number(process.env.STORM_SEEDS ?? 25);
const FIRST = Number(process.env.STORM_FIRST ?? 1);

test.each(Array.from({ length: SEEDS }, (_, i) => FIRST + i))(
  "seed %i: every answer belongs to its stream, and nothing is left",
  async (seed) => {
    const { violations, story } = await http2Storm(seed);
    expect(violations).toEqual([]);
    expect(story.proxy.driver.faults).toBe(0);
    story.expectNothingLeft();
  },
  20_000,
);

test("a storm is one: whole, cut and refused answers all occur", async () => {
  const sum: { [what: string]: number } = {};
  for (let seed = 1; seed <= 6; seed++) {
    const { tally } = await http2Storm(seed);
    for (const [what, n] of Object.entries(tally)) sum[what] = (sum[what] ?? 0) + n;
  }
  expect(sum.whole).toBeGreaterThan(50);
  expect(sum.reset).toBeGreaterThan(5);
  expect(sum["local 503"]).toBeGreaterThan(5);
  expect(sum["local 502"]).toBeGreaterThan(0);
}, 30_000);
