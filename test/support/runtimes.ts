/** The runtimes that npm installed, as the programs and flags that bin/tulle.mjs uses. */
import { existsSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "../..");

/** A runtime to start a TypeScript file on. */
export interface InstalledRuntime {
  readonly name: "bun" | "node" | "deno";
  /** Program and flags; the file and its arguments follow. */
  readonly command: readonly string[];
}

function program(name: string): string {
  const path = join(ROOT, "node_modules/.bin", name);
  return existsSync(path) ? realpathSync(path) : "";
}

const FLAGS = {
  bun: ["--no-env-file"],
  node: ["--disable-warning=ExperimentalWarning", "--expose-gc"],
  deno: ["run", "--quiet", "--no-lock", "--no-prompt", "--unstable-net", "--v8-flags=--expose-gc", "-A"],
};

/** Bun, Node and Deno, as far as they are installed. */
export const installedRuntimes: readonly InstalledRuntime[] = (["bun", "node", "deno"] as const)
  .filter((name) => program(name) !== "")
  .map((name) => ({ name, command: [program(name), ...FLAGS[name]] }));
