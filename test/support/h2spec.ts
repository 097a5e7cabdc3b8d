/**
 * h2spec and h2specd, the public conformance suite for servers and for clients of HTTP/2: found as H2SPEC_BIN, H2SPECD_BIN
 * or on PATH, else installed with Go where that is there. What h2spec says of each case comes from its JUnit report;
 * h2specd, which has none, is understood by what it prints.
 */
import { existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram, startProgram } from "./child-process.ts";
import type { Workspace } from "./sidecar-process.ts";

const MODULE = "github.com/summerwind/h2spec/cmd";
const VERSION = "v2.2.1+incompatible";
/** Where they are installed to, so that they are built once for a machine. */
const FOLDER = join(tmpdir(), `tulle-h2spec-${process.getuid?.() ?? 0}`);

/** Where one of the two is; "" if it is not here and cannot be installed. */
export async function h2specProgram(name: "h2spec" | "h2specd"): Promise<string> {
  const installed = join(FOLDER, name);
  const here = findProgram(name, `${name.toUpperCase()}_BIN`);
  if (here !== "") return here;
  if (existsSync(installed)) return installed;
  const go = findProgram("go") || "/usr/local/go/bin/go";
  if (!existsSync(go)) return "";
  const module = `${MODULE}/${name}@${VERSION}`;
  const build = startProgram(go, ["install", module], { env: { ...process.env, GOBIN: FOLDER } });
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

/** h2specd listens on a port for each of its cases. */
export const CLIENT_CASES = 57;

/**
 * Every case of h2specd, a hostile server on so many ports from `from` on, for whom a request is made by `client`: a
 * command that is given the URL. A reset counts as an end of the connection, which h2specd asks for: it sends many a
 * frame in two pieces, the second of which may meet an end that the first has caused.
 */
export async function runH2specd(program: string, from: number, client: string): Promise<H2specResult> {
  const run = startProgram(program, ["-h", "127.0.0.1", "-f", `${from}`, "-o", "2", "-S", "-e", client]);
  await run.exited;
  // Behind this line those that failed are told again.
  const [all] = run.output().split(/^Failures:/m);
  if (!/^Finished in /m.test(run.output())) throw new Error(run.output());
  const failed: string[] = [];
  let passed = 0;
  let section = "";
  for (const part of all.split(/^(?=\s*(?:✔|×|\d[\d.]*\. ))/m)) {
    const [, title] = /^\s*(\d[\d.]*)\. /.exec(part) ?? [];
    const [, mark, what] = /^\s*([✔×]) \d+: (.*)$/m.exec(part) ?? [];
    if (title !== undefined) section = title;
    else if (mark === "✔") passed++;
    else if (mark === "×" && /Connection closed\n\s*Actual: .*connection reset by peer/.test(part)) passed++;
    else if (mark === "×") failed.push(`${section} ${what}: ${part.slice(part.indexOf("Actual: ")).trim()}`);
  }
  return { passed, failed };
}
