/**
 * A filter's sources → its module, by the AssemblyScript compiler in a process of its own: whoever waits can serve
 * traffic meanwhile. `import … from "tulle/sdk"` leads to the SDK of this copy of Tulle, whatever the project's place.
 *
 * Law: a module that comes out of here imports nothing that Envoy lacks. Nothing is left behind in temporary folders.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { sha256Of } from "../sidecar/modules/module-source.ts";
import { ASC_CONFIG, findAsc, SDK } from "./asc.ts";
import { importFaults } from "./filter-imports.ts";
import type { FilterProject } from "./filter-project.ts";

/** A module and what it is known by. */
export interface BuiltFilter {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly module: WebAssembly.Module;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
  /** What the compiler warned of, "" if of nothing. */
  readonly warnings: string;
  /** How long the compiler took, ms. */
  readonly time: number;
}

/** A module, or why there is none, in lines for people. */
export type Built = { readonly filter: BuiltFilter } | { readonly complaint: string };

/** With `debug` the module is not optimised. */
export interface CompileOptions {
  readonly debug: boolean;
}

const DEBUG = ["--optimizeLevel", "0", "--shrinkLevel", "0"];

/** Compiles the project's filter.ts. Never rejects. */
export async function compileFilter(
  { folder, entry }: FilterProject,
  options: CompileOptions,
): Promise<Built> {
  const startedAt = performance.now();
  const place = mkdtempSync(join(tmpdir(), "tulle-filter-"));
  places.add(place);
  // Nobody else ends this process well while it compiles, unless it is a sidecar.
  const isAlone = process.listenerCount("SIGINT") === 0;
  if (isAlone) for (const signal of SIGNALS) process.once(signal, interrupted);
  try {
    // The compiler looks for "tulle/sdk" in a folder "tulle" of its libraries.
    symlinkSync(SDK, join(place, "tulle"), "dir");
    const wasm = join(place, "filter.wasm");
    const asc = findAsc();
    const { code, output } = await run(asc.program, folder, [
      ...[...asc.args, entry, "--config", ASC_CONFIG, "--lib", place, "--outFile", wasm],
      ...(options.debug ? DEBUG : []),
    ]);
    if (code !== 0) return { complaint: `${join(folder, entry)} does not compile:\n\n${output}` };
    const bytes = new Uint8Array(readFileSync(wasm));
    const module = new WebAssembly.Module(bytes);
    const faults = importFaults(module);
    if (faults.length > 0) return { complaint: `${join(folder, entry)}:\n${faults.join("\n")}` };
    const time = performance.now() - startedAt;
    return { filter: { bytes, module, sha256: sha256Of(bytes), warnings: output, time } };
  } catch (error) {
    return { complaint: error instanceof Error ? error.message : String(error) };
  } finally {
    if (isAlone) for (const signal of SIGNALS) process.removeListener(signal, interrupted);
    rmSync(place, { recursive: true, force: true });
    places.delete(place);
  }
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

function interrupted(signal: NodeJS.Signals): void {
  process.exit(128 + constants.signals[signal]);
}

/** Compilers under way, and where they write: nothing of it must outlive the command. */
const running = new Set<ReturnType<typeof spawn>>();
const places = new Set<string>();
process.on("exit", () => {
  for (const child of running) child.kill();
  for (const place of places) rmSync(place, { recursive: true, force: true });
});

function run(
  program: string,
  cwd: string,
  args: readonly string[],
): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, [...args], { cwd, stdio: ["ignore", "pipe", "pipe"] });
    running.add(child);
    let output = "";
    child.stdout?.on("data", (chunk: Uint8Array) => {
      output += chunk.toString();
    });
    child.stderr?.on("data", (chunk: Uint8Array) => {
      output += chunk.toString();
    });
    const end = (code: number): void => {
      running.delete(child);
      resolve({ code, output: output.trimEnd() });
    };
    child.on("error", (error) => {
      output += `${program}: ${error.message}`;
      end(127);
    });
    child.on("close", (code) => end(code ?? 1));
  });
}
