/**
 * Does a filter leak? Runs streams through a module in the scripted host and watches the memory of the module and of
 * the process: `bun scripts/soak-filter.ts headers '{"request": […]}' 10000000`. Fails if the module's memory grows
 * after the first tenth.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ScriptedHost } from "../runtime-adapters/filter-tool/scripted-host/scripted-host.ts";
import { buildFilter } from "./build-filters.ts";

const [name = "headers", given, count = "10000000"] = process.argv.slice(2);
const folder = join(import.meta.dirname, "..", "filters-as", name);
const schema = JSON.parse(readFileSync(join(folder, `${name}.schema.json`), "utf8")) as {
  examples: unknown[];
};
const configuration = given || schema.examples[0];
const host = ScriptedHost.start(buildFilter(name), { configuration });
const total = Number(count);
const tenth = Math.ceil(total / 10);
let settled = 0;
const started = performance.now();
for (let i = 1; i <= total; i++) {
  const stream = host.open();
  // Sizes vary, so that a block which fits once need not fit the next time.
  stream.onRequestHeaders([
    [":method", "GET"],
    [":path", `/a/${i}`],
    [":authority", "example"],
    ["user-agent", "x".repeat(i % 200)],
    ["x-tenant", `t${i % 1000}`],
    ["via", "someone"],
  ]);
  stream.onResponseHeaders([
    [":status", i % 7 === 0 ? "503" : "200"],
    ["server", "origin"],
  ]);
  stream.end();
  host.logs.length = 0;
  if (i % tenth !== 0) continue;
  const rss = process.memoryUsage().rss;
  const each = ((performance.now() - started) * 1000) / i;
  console.log(
    `${i} streams, ${each.toFixed(1)} µs each: module ${host.memorySize / 1024} KiB, process ${(rss / 1048576).toFixed(0)} MiB`,
  );
  if (settled === 0) settled = host.memorySize;
}
if (host.memorySize > settled) {
  console.error(`the module grew from ${settled} to ${host.memorySize} bytes`);
  process.exitCode = 1;
}
