/**
 * Runs the compliance cases on the runtime that executes this file and prints one JSON line per case:
 * `node test/adapters/run.ts node [part of a case's name] [tls]`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryRuntime } from "../../runtime-adapters/memory/runtime.ts";
import type { Runtime } from "../../runtime-adapters/runtime.ts";
import { cases } from "./compliance.ts";
import { Lab } from "./lab.ts";
import { tlsCases } from "./tls-compliance.ts";

export interface Outcome {
  readonly name: string;
  /** "" = passed. */
  readonly error: string;
  readonly ms: number;
}

/** The runtime called `name`; its own code is loaded only here. */
export async function load(name: string): Promise<Runtime> {
  if (name === "memory") return new MemoryRuntime();
  return (await import(`../../runtime-adapters/${name}/runtime.ts`)).runtime;
}

/** Runs one case in a lab of its own. */
export async function runCase(name: string, runtime: Runtime, secure = false): Promise<Outcome> {
  const found = [...cases, ...tlsCases].find((one) => one.name === name);
  if (found === undefined) return { name, error: "no such case", ms: 0 };
  const folder = mkdtempSync(join(tmpdir(), "tulle-"));
  const lab = new Lab(runtime, folder, secure);
  const start = performance.now();
  let error = "";
  try {
    await found.run(lab);
  } catch (caught) {
    error = caught instanceof Error ? (caught.stack ?? caught.message) : String(caught);
  }
  lab.close();
  rmSync(folder, { recursive: true, force: true });
  return { name, error, ms: Math.round(performance.now() - start) };
}

if (import.meta.main) {
  const [name, part = "", over = ""] = process.argv.slice(2);
  const runtime = await load(name);
  for (const one of over === "" ? [...cases, ...tlsCases] : cases) {
    if (over !== "" && one.exceptTls !== undefined) continue;
    if (one.except?.[runtime.name] !== undefined || !one.name.includes(part)) continue;
    console.log(JSON.stringify(await runCase(one.name, runtime, over === "tls")));
  }
  process.exit(0);
}
