/** How oddities add up: each sort by its own bound, told once when it is near, free for those who work. */
import { describe, expect, test } from "bun:test";
import {
  Bearable,
  BOUNDS,
  Glitches,
  type GlitchSort,
  type GlitchVerdict,
  Suspicious,
  TooMany,
} from "../../../core/http2/glitches.ts";

/** When it was told that the bound is near, and when that it was passed, in oddities; `now` of each, ms. */
function verdicts(sort: GlitchSort, count: number, now: (i: number) => number, glitches = new Glitches()) {
  const at: { [verdict in GlitchVerdict]: number[] } = { [Bearable]: [], [Suspicious]: [], [TooMany]: [] };
  for (let i = 1; i <= count; i++) at[glitches.add(sort, now(i))].push(i);
  return { near: at[Suspicious], passed: at[TooMany] };
}

// As docs/limits.md has them.
const TABLE: readonly (readonly [sort: GlitchSort, most: number, within: number, free: boolean])[] = [
  ["madeResets", 100, 30_000, false],
  ["refused", 200, 1000, false],
  ["tooLarge", 400, 10_000, false],
  ["asks", 1000, 10_000, true],
  ["settings", 200, 10_000, false],
  ["empty", 1000, 1000, false],
  ["updates", 1000, 1000, true],
  ["idle", 1000, 1000, true],
];

test("the table is whole", () => {
  expect(TABLE.map(([sort]) => sort)).toEqual(Object.keys(BOUNDS) as GlitchSort[]);
});

describe.each(TABLE)("%s", (sort, most, within, free) => {
  test("are borne to the bound; at three quarters it is said that it is near, once", () => {
    const { near, passed } = verdicts(sort, most + 1, () => 5);
    expect([near, passed]).toEqual([[most * 0.75], [most + 1]]);
  });

  test("add up within their time, and begin again behind it", () => {
    expect(verdicts(sort, most + 1, (i) => 1e6 + (i > most ? within : 0)).passed).toEqual([most + 1]);
    expect(verdicts(sort, 2 * most, (i) => 1e6 + (i > most ? within + 1 : 0)).passed).toEqual([]);
  });

  test(free ? "ten are free for each piece of work" : "none is free, whatever work is done", () => {
    const glitches = new Glitches();
    for (let i = 0; i < 20; i++) glitches.worked();
    expect(verdicts(sort, most + 201, () => 5, glitches).passed[0]).toBe(most + 1 + (free ? 200 : 0));
  });

  test("no more are free than can be used up soon", () => {
    const glitches = new Glitches();
    for (let i = 0; i < 100_000; i++) glitches.worked();
    expect(verdicts(sort, most + 20_000, () => 5, glitches).passed[0]).toBe(most + 1 + (free ? 10_000 : 0));
  });
});

test("one sort is no other's", () => {
  const glitches = new Glitches();
  expect(verdicts("settings", 200, () => 5, glitches).passed).toEqual([]);
  expect(verdicts("refused", 200, () => 5, glitches).passed).toEqual([]);
  expect(verdicts("settings", 1, () => 5, glitches).passed).toEqual([1]);
});
