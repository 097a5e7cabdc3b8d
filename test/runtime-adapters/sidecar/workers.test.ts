/** Worker threads on each runtime: a port shared, snapshots followed, crashes survived, draining. */
import { expect, test } from "bun:test";
import { resolve } from "node:path";
import { installedRuntimes } from "../../support/runtimes.ts";

const PROBE = resolve(import.meta.dir, "../../support/supervisor-probe.ts");

test.each(installedRuntimes.map(({ name, command }) => [name, command] as const))(
  "two workers on %s",
  async (_name, command) => {
    const child = Bun.spawn([...command, PROBE], { stdout: "pipe", stderr: "inherit" });
    const saw = JSON.parse(await new Response(child.stdout).text());
    expect(await child.exited).toBe(0);
    // Port 0 was bound once and shared; the kernel gave connections to both.
    expect(saw.bound).toEqual([]);
    expect(saw.greetings).toEqual(["a of a@1 in 0", "a of a@1 in 1"]);
    expect(Math.min(...saw.accepted)).toBeGreaterThan(0);
    // A changed listener kept its socket.
    expect(saw.updated).toStartWith("a of a@2");
    expect(saw.samePort).toBe(true);
    // Both workers crashed, came back, and know the last configuration.
    expect(saw.restarts).toBeGreaterThanOrEqual(2);
    expect(saw.afterCrash).toStartWith("a of a@3");
    // Draining closed what was open, and nothing new came in.
    expect(saw.open).toBeGreaterThan(0);
    expect(saw.refused).toBe("refused");
  },
  30_000,
);
