/** Memory goes back to the kernel on the real runtimes, and the process goes on: `Runtime.trim`, and when it is called. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dropProgramPages } from "../../runtime-adapters/program-pages.ts";
import { installedRuntimes } from "../support/runtimes.ts";
import {
  answering,
  eventually,
  httpListener,
  loopback,
  SidecarProcess,
  Workspace,
} from "../support/sidecar-process.ts";

const onLinux = existsSync("/proc/self/smaps");

describe.skipIf(!onLinux)("a process that trims itself", () => {
  for (const { name, command } of installedRuntimes) {
    test(name, async () => {
      // Not a word, even where the launcher's flags are missing.
      const audible = command.filter((flag) => !flag.startsWith("--disable-warning"));
      const child = Bun.spawn([...audible, join(import.meta.dir, "trim-process.ts"), name], {
        stdout: "pipe",
        stderr: "pipe",
      });
      const [out, err] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      expect(err).toBe("");
      const { before, after, sorted } = JSON.parse(out);
      expect(sorted).toBe(true);
      expect(after.own).toBeLessThan(before.own / 2);
      // What other processes share counts by shares, so only the direction is sure.
      expect(after.program).toBeLessThan(before.program);
    }, 30_000);
  }
});

test.skipIf(!onLinux).each(installedRuntimes.map((each) => [each.name, each] as const))(
  "a proxy on %s that nobody talks to gives back what its start needed",
  async (_, runtime) => {
    const workspace = new Workspace();
    const bootstrap = {
      admin: { address: loopback(0) },
      static_resources: { listeners: [httpListener("web", 0, { route_config: answering("ok") })] },
    };
    const proxy = await new SidecarProcess(runtime, workspace, bootstrap).ready();
    try {
      const resident = () => Number(readFileSync(`/proc/${proxy.pid}/statm`, "latin1").split(" ")[1]);
      const started = resident();
      // Asked of the kernel: questions to the proxy would keep it busy.
      expect(
        await eventually(
          async () => resident(),
          (pages) => pages < started * 0.75,
        ),
      ).toBeLessThan(started * 0.75);
      expect(await proxy.get("/ready")).toBe("LIVE\n");
    } finally {
      await proxy.kill();
      workspace.remove();
    }
  },
  30_000,
);

test.skipIf(!onLinux)("program pages: only what is a file's, unwritable, and has no private copy", () => {
  const dropped: number[] = [];
  dropProgramPages((address, length, advice) => {
    expect(length).toBeGreaterThan(0);
    expect(advice).toBe(4); // MADV_DONTNEED
    dropped.push(address);
    return 0;
  });
  const mappings = new Map<number, string>();
  for (const mapping of readFileSync("/proc/self/smaps", "latin1").split(/\n(?=[0-9a-f]+-)/)) {
    mappings.set(Number.parseInt(mapping, 16), mapping);
  }
  for (const address of dropped) {
    expect(mappings.get(address)).toMatch(/^\S+ r-[-x]p \S+ \S+ \d+ +\//);
    expect(mappings.get(address)).toMatch(/\nAnonymous: +0 kB/);
  }
  const program = [...mappings].filter(([, mapping]) => mapping.includes(` ${process.execPath}\n`));
  const isDropped = program.map(([address]) => dropped.includes(address));
  expect(isDropped).toContain(true);
  expect(isDropped).toContain(false); // its data, and what was relocated at the start
});
