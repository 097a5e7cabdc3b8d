/** Stories (engine-story.ts) whose filters are WASM guests: one plugin per guest, in the order of the chain. */
import type { HttpFilter } from "../../core/config/model.ts";
import type { FilterKinds } from "../../core/filter/filter.ts";
import type { CompiledModule } from "../../filters/wasm/compiled-module.ts";
import type { PluginConfig } from "../../filters/wasm/plugin-config.ts";
import { WasmHost } from "../../filters/wasm/wasm-host.ts";
import { OK, type Script, type Story, type StorySetup, story } from "./engine-story.ts";
import { MapData } from "./map-data.ts";
import { configured, type ScriptedFilter, scriptedKinds } from "./scripted-filter.ts";
import { snapshot } from "./snapshot-fixture.ts";

const TYPE = "test.Wasm";

/** A plugin of the chain: its guest, and what differs from the defaults. */
export interface Plugin extends Partial<PluginConfig> {
  readonly guest: CompiledModule | null;
}

/** A plugin's model with everything filled in. */
export function pluginConfig(change: Partial<PluginConfig> = {}): PluginConfig {
  const name = change.name ?? "p";
  return {
    name,
    rootId: "",
    vmId: "",
    configuration: new Uint8Array(0),
    vmConfiguration: new Uint8Array(0),
    environment: [],
    allowedCapabilities: null,
    failurePolicy: "FAIL_CLOSED",
    reloadBackOff: 1000,
    allowOnHeadersStopIteration: false,
    codeKey: name,
    limits: { fuel: 1_000_000, highWaterBytes: 64 * 1024 * 1024 },
    ...change,
  };
}

export interface WasmStory {
  readonly s: Story;
  readonly host: WasmHost;
  /** Heads and bodies that reached the origin. */
  readonly seen: string[];
  /** Takes what guests said so far: "name: text" (level info), other levels before it. */
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

/** How a filter that is a plugin stands in the configuration. */
export function wasmFilter(name: string, extra: object = {}): HttpFilter {
  return { name, typeName: TYPE, disabled: false, config: { plugin: name, ...extra }, discovery: null };
}

/** Filters of a chain: plugins and scripted ones. */
export type ChainPart = Plugin | ScriptedFilter;

const isPlugin = (part: ChainPart): part is Plugin => "guest" in part;

/** A proxy with these filters; plugins without a name are "p", "q", "r", … in their order. */
export async function wasmStory(parts: readonly ChainPart[], setup: StorySetup = {}): Promise<WasmStory> {
  const models = new Map<string, PluginConfig>();
  const host = new WasmHost(new MapData(), (config) => {
    const { plugin } = config as { plugin: string };
    return models.get(plugin) as PluginConfig;
  });
  const scripted = parts.filter((part) => !isPlugin(part)) as ScriptedFilter[];
  const httpFilters = parts.map((part, i) => {
    if (!isPlugin(part)) return configured(part);
    const { guest, ...change } = part;
    const model = pluginConfig({ name: String.fromCharCode(0x70 + i), ...change });
    models.set(model.name, model);
    if (guest !== null) host.setModule(model.codeKey, guest);
    return wasmFilter(model.name);
  });
  const kinds: FilterKinds = new Map([...scriptedKinds(scripted), [TYPE, host]]);
  const seen: string[] = [];
  const s = await story({
    origins: [origin(seen)],
    ...setup,
    kinds,
    manager: { httpFilters, ...setup.manager },
  });
  let at = 0;
  const said = (): string[] => {
    const lines = s.proxy.messages.slice(at).filter((line) => / wasm /.test(line));
    at = s.proxy.messages.length;
    return lines.map((line) => line.replace(/^info wasm /, "").replace(/^(\w+) wasm /, "$1 "));
  };
  const over = async (): Promise<void> => {
    await s.apply(snapshot([], []));
    s.expectNothingLeft();
  };
  return { s, host, seen, said, over };
}
