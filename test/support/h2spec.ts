/**
 * h2spec, the public conformance suite for servers of HTTP/2: found as H2SPEC_BIN or on PATH, else installed with Go
 * where that is there. What it says of each case comes from its JUnit report.
 */
import { existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram, startProgram } from "./child-process.ts";
import type { Workspace } from "./sidecar-process.ts";

const MODULE = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible";
/** Where it is installed to, so that it is built once for a machine. */
const FOLDER = join(tmpdir(), `tulle-h2spec-${process.getuid?.() ?? 0}`);

/** Where it is; "" if it is not here and cannot be installed. */
export async function h2specProgram(): Promise<string> {
  const installed = join(FOLDER, "h2spec");
  const here = findProgram("h2spec", "H2SPEC_BIN");
  if (here !== "") return here;
  if (existsSync(installed)) return installed;
  const go = findProgram("go") || "/usr/local/go/bin/go";
  if (!existsSync(go)) return "";
  const build = startProgram(go, ["install", MODULE], { env: { ...process.env, GOBIN: FOLDER } });
  if ((await build.exited) === 0) return installed;
  console.log(build.output());
  return "";
}

/** What a run has found. */
export interface H2specResult {
  readonly passed: number;
  /** Section and description of each case that failed. */
  readonly failed: readonly string[];
}

/** Runs every case, the strict ones too, against a server on loopback. */
export async function runH2spec(program: string, port: string, workspace: Workspace): Promise<H2specResult> {
  const report = workspace.file(`h2spec-${port}.xml`);
  const run = startProgram(program, ["-h", "127.0.0.1", "-p", port, "-o", "3", "-S", "-j", report]);
  await run.exited;
  const failed: string[] = [];
  let passed = 0;
  const text = readFileSync(report, "utf8");
  for (const [, section, what, rest] of text.matchAll(
    /<testcase package="([^"]*)" classname="([^"]*)"[^>]*>([\s\S]*?)<\/testcase>/g,
  )) {
    if (rest.includes("<error") || rest.includes("<failure")) failed.push(`${section} ${what}`);
    else passed++;
  }
  return { passed, failed };
}
