/**
 * `npm run bench:micro`: nanoseconds and allocated bytes per operation of the hot parts, on each runtime. Starts
 * `run-cases.ts` in one runtime after the other (never two at once) and prints a table or, with --json, the data.
 *
 * It says what a part costs and whether a change made it cheaper; what a request costs is for `npm run bench`.
 */
import { spawnSync } from "node:child_process";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { COLLECTION_OFF } from "./allocation.ts";
import type { CaseBytes, CaseTime } from "./run-cases.ts";

interface RuntimeCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** More environment for the allocation pass. */
  readonly forBytes: { readonly [name: string]: string };
}

const RUNTIMES: { readonly [name: string]: RuntimeCommand } = {
  bun: { command: "bun", args: [], forBytes: COLLECTION_OFF },
  node: { command: "node", args: [], forBytes: {} },
  deno: { command: "deno", args: ["run", "--quiet", "--no-check", "-A"], forBytes: {} },
};

const USAGE = `usage: npm run bench:micro -- [options]

  --runtimes a,b   ${Object.keys(RUNTIMES).join(", ")} (default: all)
  --only a,b       cases whose name contains one of these, e.g. "route match"
  --time MS        measuring time per case (default 300)
  --json           print the data instead of the table
  --help
`;

/** One case on one runtime. Times in ns, bytes null where the runtime cannot tell. */
interface Row extends CaseTime, CaseBytes {}

function main(): number {
  let options: { runtimes?: string; only?: string; time?: string; json?: boolean; help?: boolean };
  try {
    options = parseArgs({
      options: {
        runtimes: { type: "string" },
        only: { type: "string" },
        time: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    process.stderr.write(`bench:micro: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (options.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const milliseconds = Number(options.time ?? 300);
  const runtimes = split(options.runtimes ?? Object.keys(RUNTIMES).join());
  const unknown = runtimes.filter((name) => RUNTIMES[name] === undefined);
  if (unknown.length > 0 || !(milliseconds > 0)) {
    const fault = unknown.length > 0 ? `no such runtime: ${unknown.join(", ")}` : "--time must be positive";
    process.stderr.write(`bench:micro: ${fault}\n\n${USAGE}`);
    return 2;
  }

  const only = split(options.only ?? "");
  const results: { [runtime: string]: { version: string; rows: Row[] } } = {};
  let failed = 0;
  for (const name of runtimes) {
    const runtime = RUNTIMES[name];
    const { stdout, error } = spawnSync(runtime.command, ["--version"], { encoding: "utf8" });
    if (error !== undefined) {
      process.stderr.write(`bench:micro: ${name} is missing: ${error.message}\n`);
      failed++;
      continue;
    }
    const version = /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? "?";
    process.stderr.write(`bench:micro: ${name} ${version} …\n`);
    try {
      const bytes = new Map(ask<CaseBytes>(runtime, "bytes", 0, only).map((one) => [one.name, one.bytes]));
      const times = ask<CaseTime>(runtime, "time", milliseconds, only);
      results[name] = { version, rows: times.map((one) => ({ ...one, bytes: bytes.get(one.name) ?? null })) };
    } catch (thrown) {
      process.stderr.write(`bench:micro: ${name} failed: ${(thrown as Error).message}\n`);
      failed++;
    }
  }
  const processor = cpus()[0]?.model ?? "unknown processor";
  process.stdout.write(
    options.json === true ? `${JSON.stringify({ processor, results }, null, 2)}\n` : table(results),
  );
  return failed === 0 ? 0 : 1;
}

/** Runs all cases in a runtime and returns its lines. Throws what it wrote to stderr if it failed. */
function ask<T>(
  runtime: RuntimeCommand,
  question: string,
  milliseconds: number,
  only: readonly string[],
): T[] {
  const script = join(import.meta.dirname, "run-cases.ts");
  const { status, stdout, stderr } = spawnSync(
    runtime.command,
    [...runtime.args, script, question, String(milliseconds), ...only],
    {
      encoding: "utf8",
      env: question === "bytes" ? { ...process.env, ...runtime.forBytes } : process.env,
      maxBuffer: 1 << 24,
    },
  );
  if (status !== 0) throw new Error(stderr.trim());
  return stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as T);
}

function table(results: {
  readonly [runtime: string]: { readonly version: string; readonly rows: readonly Row[] };
}): string {
  const runtimes = Object.keys(results);
  const names = [...new Set(runtimes.flatMap((runtime) => results[runtime].rows.map(({ name }) => name)))];
  const width = Math.max(10, ...names.map((name) => name.length));
  let out = "ns per operation (median, p99 of loops) and bytes allocated per operation\n\n";
  out += `${"".padEnd(width)}${runtimes.map((name) => `${name} ${results[name].version}`.padStart(28)).join("")}\n`;
  for (const name of names) {
    out += name.padEnd(width);
    for (const runtime of runtimes) {
      const row = results[runtime].rows.find((one) => one.name === name);
      out += (row === undefined ? "-" : cell(row)).padStart(28);
    }
    out += "\n";
  }
  return out;
}

function cell({ median, p99, bytes }: Row): string {
  const allocated = bytes === null ? "?" : bytes < 0.5 ? "0" : bytes.toFixed(0);
  return `${short(median)} ${short(p99).padStart(8)} ${allocated.padStart(6)} B`;
}

function short(nanoseconds: number): string {
  return nanoseconds < 100 ? nanoseconds.toFixed(1) : nanoseconds.toFixed(0);
}

function split(list: string): string[] {
  return list.split(",").filter((part) => part !== "");
}

process.exitCode = main();
