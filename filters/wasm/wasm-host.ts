/**
 * The WASM plugins of one thread: each configuration has one, however many chains name it, and each is told when the
 * module that it runs has changed.
 *
 * Law: a plugin lives as long as something refers to it, and its VM as long as streams do.
 */
import type { Json } from "../../core/config/model.ts";
import type { Filter, FilterCallbacks, FilterFactory, FilterKind } from "../../core/filter/filter.ts";
import type { FilterContext } from "../../core/filter/filter-context.ts";
import type {
  NetworkFilter,
  NetworkFilterCallbacks,
  NetworkFilterFactory,
  NetworkFilterKind,
} from "../../core/filter/network-filter.ts";
import type { CompiledModule } from "./compiled-module.ts";
import { WasmPlugin } from "./plugin.ts";
import type { PluginConfig } from "./plugin-config.ts";
import { PLUGIN_STATS } from "./plugin-stats.ts";
import type { SharedData } from "./shared-data.ts";

interface Running {
  readonly plugin: WasmPlugin;
  readonly codeKey: string;
  users: number;
  end(): void;
}

export class WasmHost implements FilterKind, NetworkFilterKind {
  private readonly shared: SharedData;
  private readonly read: (config: Json) => PluginConfig;
  private readonly modules = new Map<string, CompiledModule>();
  private readonly running = new Map<string, Running>();

  /** `read` makes a model of a configuration that has passed its check. */
  constructor(shared: SharedData, read: (config: Json) => PluginConfig) {
    this.shared = shared;
    this.read = read;
  }

  /** The module behind a code key (plugin-config.ts) is here, or is another one now. */
  setModule(codeKey: string, module: CompiledModule): void {
    const before = this.modules.get(codeKey);
    this.modules.set(codeKey, module);
    if (before !== undefined && before.sha256 === module.sha256) return;
    for (const { plugin, codeKey: key } of this.running.values()) if (key === codeKey) plugin.load(module);
  }

  factory(config: Json, name: string, context: FilterContext): FilterFactory {
    return this.use(config, name, context);
  }

  networkFactory(config: Json, name: string, context: FilterContext): NetworkFilterFactory {
    return new ConnectionUse(this.use(config, name, context));
  }

  private use(config: Json, name: string, context: FilterContext): PluginUse {
    const model = this.read(config);
    const key = JSON.stringify(config);
    let running = this.running.get(key);
    if (running === undefined) {
      running = this.start(model, name, key, context);
      this.running.set(key, running);
    }
    running.users++;
    return new PluginUse(running);
  }

  private start(model: PluginConfig, name: string, key: string, context: FilterContext): Running {
    const known = model.name === "" ? name : model.name;
    const scope = context.stats.scope(`wasm.${known}.`, "wasm.", { envoy_wasm_plugin: known });
    const plugin = new WasmPlugin({ ...model, name: known }, context, this.shared, scope.set(PLUGIN_STATS));
    const module = this.modules.get(model.codeKey);
    if (module !== undefined) plugin.load(module);
    const end = (): void => {
      this.running.delete(key);
      plugin.release();
      scope.release();
    };
    return { plugin, codeKey: model.codeKey, users: 0, end };
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
