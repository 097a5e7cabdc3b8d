/** curl as a client: runs it and reads what it wrote. */
import { spawn } from "node:child_process";
import { findProgram } from "../support/child-process.ts";

export interface CurlResult {
  readonly code: number;
  readonly body: Buffer;
  /** stderr: with -v, the heads. */
  readonly log: string;
}

export function hasCurl(): boolean {
  return findProgram("curl") !== "";
}

/** Runs curl silently, without any configuration of the user. */
export function curl(args: readonly string[], input?: Buffer): Promise<CurlResult> {
  return new Promise((resolve) => {
    const child = spawn(findProgram("curl"), ["-q", "-s", "--noproxy", "*", "--max-time", "60", ...args], {
      stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    const out: Buffer[] = [];
    let log = "";
    child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => {
      log += chunk.toString("latin1");
    });
    child.stdin?.on("error", () => undefined);
    if (input !== undefined) child.stdin?.end(input);
    child.on("close", (code) => resolve({ code: code ?? -1, body: Buffer.concat(out), log }));
  });
}
