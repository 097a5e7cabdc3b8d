/**
 * The WASM plugins of one thread: each configuration has one, however many chains name it, and each is told when the
 * module that it runs has changed.
 *
 * Law: a plugin lives as long as something refers to it, and its VM as long as streams do.
 */
import type { Json, Snapshot } from "../../core/config/model.ts";
import type { Filter, FilterCallbacks, FilterFactory, FilterKind } from "../../core/filter/filter.ts";
import type { FilterContext } from "../../core/filter/filter-context.ts";
import type {
  NetworkFilter,
  NetworkFilterCallbacks,
  NetworkFilterFactory,
  NetworkFilterKind,
} from "../../core/filter/network-filter.ts";
import type { Scope } from "../../core/telemetry/stats.ts";
import type { CompiledModule } from "./compiled-module.ts";
import { environmentOf } from "./guest-environment.ts";
import { WasmPlugin } from "./plugin.ts";
import { checkedPlugin, codeKey, type PluginConfig } from "./plugin-config.ts";
import { PLUGIN_STATS } from "./plugin-stats.ts";
import { type PostNote, SharedSpace } from "./shared-space.ts";
import { type VmLimits, vmLimits } from "./vm-limits.ts";

interface Running {
  readonly plugin: WasmPlugin;
  /** What it runs and how: of the last module that it was given. */
  loaded: string;
  users: number;
  /** Tells statistics which module is in force. */
  show(sha256: string): void;
  end(): void;
}

/** What a thread is told before a configuration that needs it. */
export interface WasmSupply {
  /** By `moduleKey`. */
  readonly modules: ReadonlyMap<string, CompiledModule>;
  /** The layered runtime, which has the limits. */
  readonly runtime: Snapshot["runtime"];
  /** The store that all threads share. */
  readonly shared: SharedArrayBuffer;
}

/** Which module a plugin runs: the same code is another module under other limits. */
export function moduleKey(config: PluginConfig, { maxMemoryBytes, fuel }: VmLimits): string {
  return `${codeKey(config)} ${maxMemoryBytes} ${fuel ? "fuelled" : "trusted"}`;
}

/** All plugins of a thread, as kinds of filters. */
export class WasmHost implements FilterKind, NetworkFilterKind {
  private readonly thread: number;
  private readonly variables: { readonly [name: string]: string };
  private readonly post: PostNote;
  private supply: WasmSupply | null = null;
  private shared: SharedSpace | null = null;
  private readonly running = new Map<string, Running>();

  /**
   * `thread` is this thread's number among those that share; `variables` are the process's, for guests that are
   * configured to see some of them.
   */
  constructor(thread: number, variables: { readonly [name: string]: string }, post: PostNote) {
    this.thread = thread;
    this.variables = variables;
    this.post = post;
  }

  /** A note from another thread (`PostNote`). */
  queueReady(queue: number): void {
    this.shared?.bell.receive(queue);
  }

  /** Modules or limits are new: plugins that run others take them up, for streams that begin from now on. */
  setSupply(supply: WasmSupply): void {
    this.supply = supply;
    for (const running of this.running.values()) this.load(running);
  }

  private load(running: Running): void {
    const { plugin } = running;
    if (this.supply === null) return;
    const limits = vmLimits(this.supply.runtime, plugin.config.name);
    const module = this.supply.modules.get(moduleKey(plugin.config, limits));
    if (module === undefined) return;
    const wanted = JSON.stringify([module.sha256, limits]);
    if (running.loaded === wanted) return;
    running.loaded = wanted;
    if (plugin.load(module, limits) === "") running.show(module.sha256);
  }

  factory(config: Json, name: string, context: FilterContext): FilterFactory {
    return this.use(config, name, context);
  }

  networkFactory(config: Json, name: string, context: FilterContext): NetworkFilterFactory {
    return new ConnectionUse(this.use(config, name, context));
  }

  private use(config: Json, name: string, context: FilterContext): PluginUse {
    const key = `${name} ${JSON.stringify(config)}`;
    let running = this.running.get(key);
    if (running === undefined) {
      running = this.start(checkedPlugin(config, name), key, context);
      this.running.set(key, running);
    }
    running.users++;
    return new PluginUse(running);
  }

  private start(config: PluginConfig, key: string, context: FilterContext): Running {
    const { name } = config;
    const scope = context.stats.scope(`wasm.${name}.`, "wasm.", { envoy_wasm_plugin: name });
    const environment = environmentOf(config, this.variables);
    if (this.supply === null)
      throw new Error(`plugin ${name}: nothing was supplied before its configuration`);
    this.shared ??= new SharedSpace(this.supply.shared, this.thread, context, this.post);
    const plugin = new WasmPlugin(config, context, this.shared, scope.set(PLUGIN_STATS), environment);
    let shown: Scope | null = null;
    const show = (sha256: string): void => {
      const tags = { envoy_wasm_plugin: name, sha256 };
      const made = context.stats.scope(`wasm.${name}.module.${sha256}.`, "wasm.module.", tags);
      made.gauge("in_force").value = 1;
      shown?.release();
      shown = made;
    };
    const end = (): void => {
      shown?.release();
      this.running.delete(key);
      plugin.release();
      scope.release();
    };
    const running: Running = { plugin, loaded: "", users: 0, show, end };
    this.load(running);
    return running;
  }
}

/** One place in a chain that runs a plugin. */
class PluginUse implements FilterFactory {
  private readonly running: Running;
  private released = false;

  constructor(running: Running) {
    this.running = running;
  }

  create(callbacks: FilterCallbacks): Filter | null {
    return this.running.plugin.open(callbacks);
  }

  connect(callbacks: NetworkFilterCallbacks): NetworkFilter | null {
    return this.running.plugin.connect(callbacks);
  }

  release(): void {
    if (this.released) return;
    this.released = true;
    this.running.users--;
    if (this.running.users === 0) this.running.end();
  }
}

/** The same in a chain of network filters. */
class ConnectionUse implements NetworkFilterFactory {
  private readonly use: PluginUse;

  constructor(use: PluginUse) {
    this.use = use;
  }

  create(callbacks: NetworkFilterCallbacks): NetworkFilter | null {
    return this.use.connect(callbacks);
  }

  release(): void {
    this.use.release();
  }
}
