/**
 * Records what real Envoy answers: bun test/oracle/record.ts [group …]. Needs Envoy (ENVOY_BIN or PATH). Writes
 * test/oracle/expected/<group>.golden.json; look at the diff before you commit it.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { envoyProgram, startEnvoy } from "../support/rivals.ts";
import { oracles } from "./oracles.ts";

const wanted = process.argv.slice(2);
const folder = new URL("./expected/", import.meta.url);
mkdirSync(folder, { recursive: true });
const program = envoyProgram();
if (program === "") {
  console.log("Envoy is not installed: set ENVOY_BIN or put `envoy` on PATH");
  process.exit(1);
}
const version = /\/(\d+\.\d+\.\d+)\//.exec(execFileSync(program, ["--version"]).toString())?.[1] ?? "unknown";
for (const group of oracles) {
  if (wanted.length > 0 && !wanted.includes(group.name)) continue;
  const started = performance.now();
  const record = await group.run(startEnvoy, null);
  writeFileSync(
    new URL(`${group.name}.golden.json`, folder),
    `${JSON.stringify({ envoy: version, ...record }, null, 1)}\n`,
  );
  console.log(
    `${group.name}: ${group.ids.length} asks, ${((performance.now() - started) / 1000).toFixed(1)} s`,
  );
}
process.exit(0);
