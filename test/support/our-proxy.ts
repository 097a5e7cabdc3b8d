/**
 * Starts our proxy as a user would: `tulle sidecar -c file --runtime X`, in a process of its own. Which runtimes
 * the suites use can be narrowed with TULLE_RUNTIMES=bun,node,deno.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { YamlMap } from "./bootstrap.ts";
import { findProgram, type Program, startProgram, temporaryFolder, untilListening } from "./child-process.ts";

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** The runtimes to test, in the order in which they are tried. */
export const RUNTIMES: readonly string[] = (process.env.TULLE_RUNTIMES ?? "bun,node,deno")
  .split(",")
  .filter(Boolean);

export interface OurProxy {
  readonly name: string;
  readonly program: Program;
  /** Folder of the bootstrap file; goes with the proxy. */
  readonly folder: string;
  stop(): Promise<void>;
}

/** Starts it and resolves when `port` accepts. Throws with its output if it does not come up. */
export async function startTulle(
  bootstrap: YamlMap,
  port: number,
  runtime: string,
  options: readonly string[] = [],
): Promise<OurProxy> {
  const folder = temporaryFolder();
  const file = join(folder.path, "bootstrap.json");
  writeFileSync(file, JSON.stringify(bootstrap, null, 1));
  const program = startProgram(findProgram("node"), [
    ...[join(ROOT, "bin/tulle.mjs"), "sidecar", "-c", file, "--runtime", runtime, "-l", "warning"],
    ...["--drain-time-s", "2", ...options],
  ]);
  try {
    await untilListening(program, port, 20_000);
  } catch (error) {
    await program.stop();
    folder.remove();
    throw error;
  }
  return {
    name: runtime,
    program,
    folder: folder.path,
    async stop() {
      await program.stop(4000);
      folder.remove();
    },
  };
}
