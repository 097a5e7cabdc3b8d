/** Small programs of our own in Go, by which software of others is the peer in a test. Built with `go`, where it is there. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { findProgram } from "./child-process.ts";

/** Longest wait for `go build`, ms: it may download what the program needs first. */
export const BUILD_PATIENCE = 300_000;

/** Builds `test/<source>` as the file `output`; returns why it cannot, or "". */
export function buildGoProgram(source: string, output: string): string {
  const go = findProgram("go") || findProgram("go", "", ["/usr/local/go/bin"]);
  if (go === "") return "go is not installed";
  const { status, stderr } = spawnSync(go, ["build", "-o", output, "."], {
    cwd: join(import.meta.dir, "..", source),
    timeout: BUILD_PATIENCE,
    encoding: "utf8",
  });
  return status === 0 ? "" : `go could not build it: ${(stderr ?? "").trim().split("\n").at(-1)}`;
}
