/**
 * The same bootstrap files and requests through us and, recorded or live, through Envoy: the same answers, the same
 * requests upstream, the same log lines and statistics, but for the differences listed on purpose.
 * TULLE_ORACLE_RUNTIMES=bun,node,deno chooses the runtimes (default bun); TULLE_ORACLE_LIVE=1 asks Envoy again.
 */
import { afterAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { startTulle } from "../support/our-proxy.ts";
import { envoyProgram, startEnvoy } from "../support/rivals.ts";
import { compare } from "./compare.ts";
import { type Difference, differences, type StatDifference, statDifferences } from "./differences.ts";
import { committedPage, differencesPage } from "./differences-page.ts";
import { oracles } from "./oracles.ts";
import type { Record } from "./run-group.ts";

const runtimes = (process.env.TULLE_ORACLE_RUNTIMES ?? "bun").split(",").filter(Boolean);
const live = process.env.TULLE_ORACLE_LIVE === "1";
const used = new Set<Difference | StatDifference>();
let ran = 0;

function recorded(name: string): Record {
  return JSON.parse(
    readFileSync(new URL(`./expected/${name}.golden.json`, import.meta.url), "utf8"),
  ) as Record;
}

for (const group of oracles) {
  test(`${group.name}: asks have names of their own`, () => {
    expect(new Set(group.ids).size).toBe(group.ids.length);
    expect(Object.keys(recorded(group.name).asks).sort()).toEqual([...group.ids].sort());
  });

  if (live && envoyProgram() !== "") {
    test(`${group.name}: Envoy still answers as recorded`, async () => {
      const theirs = recorded(group.name);
      const now = await group.run(startEnvoy, theirs);
      expect(compare(group.name, theirs, now as Record, [], []).faults).toEqual([]);
    }, 120_000);
  }

  for (const runtime of runtimes) {
    test(`${group.name}: we answer as Envoy does (${runtime})`, async () => {
      const theirs = recorded(group.name);
      const ours = await group.run((file, port) => startTulle(file, port, runtime), theirs);
      const result = compare(group.name, theirs, ours as Record, differences, statDifferences);
      for (const one of result.used) used.add(one);
      ran++;
      expect(result.faults).toEqual([]);
    }, 120_000);
  }
}

if (live && envoyProgram() === "") {
  console.log("oracle: Envoy is not installed (ENVOY_BIN or PATH): compared with the recorded answers only");
}

test("docs/differences-from-envoy.md says what the list says", () => {
  expect(committedPage()).toBe(differencesPage());
});

afterAll(() => {
  if (ran < oracles.length * runtimes.length) return;
  const unused = [...differences, ...statDifferences].filter((one) => !used.has(one));
  const open = [...differences, ...statDifferences].filter((one) => one.kind === "open");
  if (open.length > 0) console.log(`oracle: ${open.length} faults are known and open (differences.ts)`);
  expect(unused.map((one) => one.title)).toEqual([]);
});
