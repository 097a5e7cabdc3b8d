/** `tulle filter build`: the module as a file, and what it is known by. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { type BuiltFilter, compileFilter } from "./compile-filter.ts";
import type { FilterProject } from "./filter-project.ts";
import type { FilterOptions } from "./tool-command-line.ts";

/** Compiles the project and writes its module; "" or why there is none. */
export async function buildFilter(project: FilterProject, { out, debug }: FilterOptions): Promise<string> {
  const built = await compileFilter(project, { debug });
  if ("complaint" in built) return built.complaint;
  const path = out === "" ? join(project.folder, "build", `${project.name}.wasm`) : resolve(out);
  try {
    writeModule(path, built.filter);
  } catch (error) {
    return `${path}: ${(error as Error).message}`;
  }
  if (built.filter.warnings !== "") process.stderr.write(`${built.filter.warnings}\n`);
  const shown = relative(process.cwd(), path);
  process.stdout.write(`${shown.startsWith("..") ? path : shown}\n${description(built.filter)}\n`);
  return "";
}

/** Whoever reads the file at the same time sees the old module or the new one. */
export function writeModule(path: string, { bytes }: BuiltFilter): void {
  mkdirSync(dirname(path), { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, bytes);
  renameSync(unfinished, path);
}

/** Size, sha256 and how long it took, in one line. */
export function description({ bytes, sha256, time }: BuiltFilter): string {
  return `${bytes.length} bytes, sha256 ${sha256}, built in ${(time / 1000).toFixed(1)} s`;
}
