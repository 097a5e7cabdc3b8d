/**
 * The bench runs on Bun, and so may a proxy that it measures. Pages of one program file are shared between all processes
 * that run it, and each would seem to need less memory than it does alone. So the bench first becomes a process of a
 * *copy* of its own program; the load programs run from that copy too.
 */

import { ptr } from "bun:ffi";
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { libc } from "./load/libc.ts";

const MARK = "TULLE_BENCH_COPY";

/** Replaces this process by one of a copied Bun; returns in that one (or in this, if copying is not possible). */
export function becomeCopy(): void {
  const copy = process.env[MARK];
  if (copy !== undefined) {
    process.on("exit", () => rmSync(dirname(copy), { recursive: true, force: true }));
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "tulle-bench-"));
  const program = join(folder, "bun");
  try {
    copyFileSync(process.execPath, program);
    chmodSync(program, 0o755);
  } catch {
    rmSync(folder, { recursive: true, force: true });
    return;
  }
  const strings = (list: readonly string[]) => {
    const buffers = list.map((text) => Buffer.from(`${text}\0`));
    const pointers = new BigUint64Array(new ArrayBuffer((list.length + 1) * 8));
    buffers.forEach((buffer, i) => {
      pointers[i] = BigInt(ptr(buffer));
    });
    return { pointers, buffers };
  };
  const path = Buffer.from(`${program}\0`);
  const argv = strings([program, ...process.argv.slice(1)]);
  const env = strings([
    ...Object.entries(process.env).map(([name, value]) => `${name}=${value}`),
    `${MARK}=${program}`,
  ]);
  libc.execve(ptr(path), ptr(argv.pointers), ptr(env.pointers));
  rmSync(folder, { recursive: true, force: true }); // it came back: go on as we are
}
