/**
 * Finds the AssemblyScript compiler that this copy of Tulle has, and a program to run it on. It compiles nothing.
 *
 * The compiler is a development dependency: where it is missing, the complaint says how to get it.
 */
import { existsSync, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder that Tulle is in: a clone of the repository, or an installed package. */
export const INSTALLATION: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The compiler's options for every filter. */
export const ASC_CONFIG: string = join(INSTALLATION, "filters-as", "asconfig.json");
/** What filters import as `tulle/…`. */
export const SDK: string = join(INSTALLATION, "filters-as", "sdk");

/** How the compiler is started. */
export interface Asc {
  readonly program: string;
  /** Come before the compiler's own. */
  readonly args: readonly string[];
  readonly version: string;
}

/** The package in node_modules, or in a folder of NODE_PATH. Throws if it is not there. */
export function findAsc(): Asc {
  const folders = [...modulesAbove(INSTALLATION), ...(process.env.NODE_PATH ?? "").split(delimiter)];
  const folder = folders.map((path) => join(path, "assemblyscript")).find((path) => existsSync(path));
  if (folder === undefined) {
    throw new Error(`the AssemblyScript compiler is not installed: run "npm ci" in ${INSTALLATION}`);
  }
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string };
  const program = findNode();
  const isDeno = program === process.execPath && "deno" in process.versions;
  const args = [...(isDeno ? ["run", "--quiet", "--allow-all"] : []), join(folder, "bin", "asc.js")];
  return { program, args, version };
}

/** The compiler runs on Node, which is a dependency; whatever runs this is the substitute. */
function findNode(): string {
  const folders = [
    ...modulesAbove(INSTALLATION).map((folder) => join(folder, ".bin")),
    ...(process.env.PATH ?? "").split(delimiter),
  ];
  return folders.map((folder) => join(folder, "node")).find((path) => existsSync(path)) ?? process.execPath;
}

function modulesAbove(folder: string): string[] {
  const above = dirname(folder);
  return [join(folder, "node_modules"), ...(above === folder ? [] : modulesAbove(above))];
}
