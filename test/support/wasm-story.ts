/** Stories (engine-story.ts) whose filters are WASM guests: one plugin per guest, in the order of the chain. */
import type { Snapshot } from "../../core/config/model.ts";
import type { FilterKinds } from "../../core/filter/filter.ts";
import type { CompiledModule } from "../../filters/wasm/compiled-module.ts";
import { readPluginConfig } from "../../filters/wasm/plugin-config.ts";
import { SharedStore } from "../../filters/wasm/shared-store.ts";
import { vmLimits } from "../../filters/wasm/vm-limits.ts";
import { moduleKey, WasmHost } from "../../filters/wasm/wasm-host.ts";
import { OK, type Script, type Story, type StorySetup, story, storySnapshot } from "./engine-story.ts";
import { type Plugin, pluginJson, WASM_TYPE, wasmFilter } from "./plugin-fixture.ts";
import { configured, type ScriptedFilter, scriptedKinds } from "./scripted-filter.ts";
import { snapshot } from "./snapshot-fixture.ts";

export { type Plugin, packed, pluginJson, wasmFilter } from "./plugin-fixture.ts";

type Runtime = Snapshot["runtime"];

export interface WasmStory {
  readonly s: Story;
  readonly host: WasmHost;
  /** Heads and bodies that reached the origin. */
  readonly seen: string[];
  /** Gives plugins other guests, by name. */
  supply(guests: { readonly [name: string]: CompiledModule }): void;
  /** The same configuration with other circuit breakers. */
  limit(limits: NonNullable<StorySetup["limits"]>): Promise<void>;
  /** Takes what guests said so far: "name: text", with other levels than info before it. */
  said(): string[];
  /** The listener goes, everybody leaves: nothing may be left, plugins included. */
  over(): Promise<void>;
}

/** Waits for a whole request, keeps it in `seen`, answers with `text`. */
export function origin(seen: string[], text: string = OK): Script {
  return (peer) => {
    const at = peer.received.indexOf("\r\n\r\n");
    if (at < 0) {
      if (peer.ended) peer.close();
      return;
    }
    const head = peer.received.slice(0, at + 4);
    const length = Number(/content-length: (\d+)\r\n/.exec(head)?.[1] ?? "0");
    if (peer.received.length - head.length < length) return;
    if (head.includes("transfer-encoding: chunked") && !/\r\n0\r\n(?:[\s\S]*\r\n)?\r\n$/.test(peer.received))
      return;
    seen.push(peer.take());
    peer.send(text);
  };
}

/** Filters of a chain: plugins and scripted ones. */
export type ChainPart = Plugin | ScriptedFilter;

const isPlugin = (part: ChainPart): part is Plugin => "guest" in part;

/** A proxy with these filters; `runtime` may have limits (vm-limits.ts), `variables` are the process's. */
export async function wasmStory(
  parts: readonly ChainPart[],
  setup: StorySetup = {},
  {
    runtime = {},
    variables = {},
  }: { runtime?: Runtime; variables?: { readonly [name: string]: string } } = {},
): Promise<WasmStory> {
  const host = new WasmHost(0, variables, () => undefined);
  const scripted = parts.filter((part) => !isPlugin(part)) as ScriptedFilter[];
  const modules = new Map<string, CompiledModule>();
  const keys = new Map<string, string>();
  const httpFilters = parts.map((part, i) => {
    if (!isPlugin(part)) return configured(part);
    const plugin = { name: String.fromCharCode(0x70 + i), ...part };
    const read = readPluginConfig(pluginJson(plugin));
    if (read.plugin === null) throw new Error(JSON.stringify(read.faults));
    const key = moduleKey(read.plugin, vmLimits(runtime, plugin.name));
    keys.set(plugin.name, key);
    if (part.guest !== null) modules.set(key, part.guest);
    return wasmFilter(plugin);
  });
  const shared = SharedStore.create({ threads: 1, seed: [1, 2], bytes: 1 << 20 });
  host.setSupply({ modules: new Map(modules), runtime, shared });
  const kinds: FilterKinds = new Map([...scriptedKinds(scripted), [WASM_TYPE, host]]);
  const seen: string[] = [];
  const whole = { origins: [origin(seen)], ...setup, kinds, manager: { httpFilters, ...setup.manager } };
  const s = await story(whole);
  const limit = (limits: NonNullable<StorySetup["limits"]>): Promise<void> =>
    s.apply(storySnapshot({ ...whole, limits }));
  let at = 0;
  const said = (): string[] => {
    const lines = s.proxy.messages.slice(at).filter((line) => / wasm /.test(line));
    at = s.proxy.messages.length;
    return lines.map((line) => line.replace(/^info wasm /, "").replace(/^(\w+) wasm /, "$1 "));
  };
  const supply: WasmStory["supply"] = (guests) => {
    for (const [name, guest] of Object.entries(guests)) modules.set(keys.get(name) as string, guest);
    s.proxy.run(() => host.setSupply({ modules: new Map(modules), runtime, shared }));
  };
  const over = async (): Promise<void> => {
    await s.apply(snapshot([], []));
    s.expectNothingLeft();
  };
  return { s, host, seen, said, supply, limit, over };
}
