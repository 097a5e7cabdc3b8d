/** The functions in which a guest trapped are told, on each runtime, and nothing of the host's own. */
import { expect, test } from "bun:test";
import { resolve } from "node:path";
import { installedRuntimes } from "../../support/runtimes.ts";

const STORY = resolve(import.meta.dir, "../../support/trap-frames.ts");

test.each(installedRuntimes.map(({ name, command }) => [name, command] as const))(
  "a trap names its functions on %s",
  async (_name, command) => {
    const child = Bun.spawn([...command, STORY], { stdout: "pipe", stderr: "inherit" });
    const { named, nameless, own, none, isHookBack } = JSON.parse(await new Response(child.stdout).text());
    expect(named.split(" < ").map((frame: string) => /inner|middle|outer/.exec(frame)?.[0])).toEqual([
      "inner",
      "middle",
      "outer",
    ]);
    expect(nameless.split(" < ")).toHaveLength(3);
    for (const frame of nameless.split(" < ")) expect(frame).toMatch(/wasm-function\[\d+\]/);
    for (const text of [named, nameless]) expect(text).not.toMatch(/\.ts|unknown|native|file:/);
    expect([own, none, isHookBack]).toEqual(["", "", true]);
  },
  30_000,
);
