/** The shared store between real threads, on each runtime: counting together, threads that end, notes of messages. */
import { expect, test } from "bun:test";
import { resolve } from "node:path";
import { installedRuntimes } from "../../support/runtimes.ts";

const STORY = resolve(import.meta.dir, "../../support/shared-store-threads.ts");

test.each(installedRuntimes.map(({ name, command }) => [name, command] as const))(
  "threads share a store on %s",
  async (_name, command) => {
    const child = Bun.spawn([...command, STORY], { stdout: "pipe", stderr: "inherit" });
    const saw = JSON.parse(await new Response(child.stdout).text());
    expect(await child.exited).toBe(0);
    // Three threads added 1 by CAS, again and again: no addition was lost.
    expect(saw.sums).toEqual([saw.expected, saw.expected, saw.expected]);
    expect(saw.afterCounting).toEqual([]);
    // Threads were ended in the middle of operations: nothing is damaged, no value torn, nobody stuck.
    expect(saw.faults).toEqual([]);
    expect(saw.torn).toBe(0);
    expect(saw.statistics.lockTimeouts).toBe(0);
    // Operations were thrown out by an overflowing stack.
    expect(saw.thrown).toBeGreaterThan(100);
    expect(saw.afterRecursion).toEqual([]);
    // A queue's receiver in another thread got every message in order, told by far fewer notes.
    expect(saw.inOrder).toBe(true);
    expect(saw.notes).toBeWithin(1, 1000);
    expect(saw.atTheEnd).toEqual([]);
    expect(saw.statistics.namespaces).toBe(1);
  },
  60_000,
);
