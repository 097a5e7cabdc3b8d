/** Plugins that take long to start, or loop: the thread that asks is held up for a small part of what they take. */
import { describe, expect, test } from "bun:test";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { NO_NODE } from "../../../../core/config/node.ts";
import type { CompiledModule } from "../../../../filters/wasm/compiled-module.ts";
import { type PluginConfig, readPluginConfig } from "../../../../filters/wasm/plugin-config.ts";
import { vmLimits } from "../../../../filters/wasm/vm-limits.ts";
import { compileModule } from "../../../../runtime-adapters/sidecar/modules/compile-module.ts";
import { tryApart } from "../../../../runtime-adapters/sidecar/modules/try-apart.ts";
import { tryHere } from "../../../../runtime-adapters/sidecar/modules/try-here.ts";
import { binaryOf, guest, HAS_ASSEMBLER } from "../../../support/guest.ts";

const ENTRY = pathToFileURL(resolve(import.meta.dir, "../../../../runtime-adapters/bun/main.ts")).href;
const NOWHERE = "file:///nowhere/main.ts";
/** As in vm.ts: a plugin may do so many times the work of another call as it starts. */
const START_FACTOR = 20;
const limits = vmLimits({}, "p");
const config = readPluginConfig({
  config: { name: "p", vm_config: { code: { local: { filename: "p.wasm" } } } },
}).plugin as PluginConfig;

async function moduleOf(made: ReturnType<typeof guest>): Promise<CompiledModule> {
  const compiled = await compileModule(binaryOf(made), limits);
  if ("fault" in compiled) throw new Error(compiled.fault);
  return compiled.module;
}

/** Counts down from `turns` as it is configured. */
const turning = (turns: number) => guest`
  (global $turns (mut i32) (i32.const ${{ wat: String(turns) }}))
  (on configure
    (loop $on
      (global.set $turns (i32.sub (global.get $turns) #1))
      (br_if $on (global.get $turns)))
    #1)`;

describe.skipIf(!HAS_ASSEMBLER)("a plugin that is tried", () => {
  test("is stopped when it loops", async () => {
    const looping = await moduleOf(guest`(on configure (loop $on (br $on)) #1)`);
    const [fault] = await tryApart(ENTRY, NO_NODE, config, looping, limits);
    expect(fault).toStartWith("used up its fuel: it loops, or does too much in one call");
  }, 30_000);

  test("is given a small part of its fuel by who asks, and the rest by a thread of its own", async () => {
    // A turn costs some units of fuel: of what all of it would last for, a thousandth is little and a tenth is not.
    for (const [share, needsThread] of [
      [1000, false],
      [10, true],
    ] as const) {
      const turns = Math.ceil((limits.fuelPerCall * START_FACTOR) / 4 / share);
      const busy = await moduleOf(turning(turns));
      const faults = await tryApart(NOWHERE, NO_NODE, config, busy, limits);
      expect([share, faults.some((fault) => fault.startsWith("cannot be started: "))]).toEqual([
        share,
        needsThread,
      ]);
    }
  }, 30_000);

  test("may take longer than that, if it takes no more than it may", async () => {
    const busy = await moduleOf(turning(60_000_000));
    expect(tryHere(NO_NODE, config, busy, { ...limits, fuelPerCall: limits.fuelPerCall / 50 })).not.toEqual(
      [],
    );
    expect(await tryApart(ENTRY, NO_NODE, config, busy, limits)).toEqual([]);
  }, 30_000);

  test("is refused if its thread cannot be had", async () => {
    const refusing = await moduleOf(guest`(on configure #0)`);
    const [fault] = await tryApart(NOWHERE, NO_NODE, config, refusing, limits);
    expect(fault).toStartWith("cannot be started: ");
  }, 30_000);
});
