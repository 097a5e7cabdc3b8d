/**
 * The WASM modules of the process, in its supervising thread: fetched, verified, inspected, compiled, and tried with
 * every configuration that uses them, before a worker hears of them. Files are watched: a module that changed takes
 * the place of the one before if it, too, can be used by everybody who uses that one.
 *
 * Law: what cannot be used changes nothing that is in force, and somebody is told why.
 */
import type { LogLevel } from "../../../core/io/platform.ts";
import type { Snapshot } from "../../../core/config/model.ts";
import type { CompiledModule } from "../../../filters/wasm/compiled-module.ts";
import type { PluginConfig } from "../../../filters/wasm/plugin-config.ts";
import { FileWatch } from "../file-watch.ts";
import { compileModule } from "./compile-module.ts";
import { fetchModule } from "./module-source.ts";
import { type PluginInUse, type PluginOwner, pluginsInUse } from "./plugins-in-use.ts";

/** A resource that cannot be put in force. */
export interface Refusal {
  readonly owner: PluginOwner;
  /** A finished line. */
  readonly fault: string;
}

/** Modules by code key. */
export type Modules = ReadonlyMap<string, CompiledModule>;

/** What the store needs of its surroundings. */
export interface ModuleStoreHost {
  /** The model of a configuration that has passed its check. */
  readonly read: (config: PluginInUse["config"]) => PluginConfig;
  /** Tries a plugin with a module: the reasons why it cannot be used. */
  readonly tryPlugin: (config: PluginConfig, module: CompiledModule) => readonly string[];
  readonly log: (level: LogLevel, message: string) => void;
  /** A module in force has changed. */
  readonly onChange: (modules: Modules) => void;
}

interface Entry {
  readonly key: string;
  module: CompiledModule | null;
  /** Why there is none. */
  fault: string;
  /** Configurations that were tried with it, as JSON, and what came of that. */
  tried: Map<string, readonly string[]>;
  readonly config: PluginConfig;
}

export class ModuleStore {
  private readonly host: ModuleStoreHost;
  private readonly entries = new Map<string, Entry>();
  private readonly watch: FileWatch;
  /** Of the last snapshot. */
  private users: readonly (PluginInUse & { readonly model: PluginConfig })[] = [];

  constructor(host: ModuleStoreHost) {
    this.host = host;
    this.watch = new FileWatch((paths) => void this.onFiles(new Set(paths)));
  }

  /** Modules that are ready. */
  get modules(): Modules {
    const ready = new Map<string, CompiledModule>();
    for (const [key, { module }] of this.entries) if (module !== null) ready.set(key, module);
    return ready;
  }

  /** Makes ready what `snapshot` needs; those whose plugins cannot be used. Never rejects. */
  async prepare(snapshot: Snapshot): Promise<readonly Refusal[]> {
    const users = pluginsInUse(snapshot).map((use) => ({ ...use, model: this.host.read(use.config) }));
    if (users.length === 0 && this.entries.size === 0) return [];
    const missing = new Map(users.map(({ model }) => [model.codeKey, model]));
    for (const [key, entry] of this.entries) if (entry.module !== null) missing.delete(key);
    await Promise.all([...missing.values()].map((config) => this.load(config)));
    const refusals: Refusal[] = [];
    for (const use of users) {
      for (const fault of this.faultsOf(use)) {
        refusals.push({ owner: use.owner, fault: `filter ${use.filter}: ${fault}` });
      }
    }
    this.users = users;
    this.forgetUnused();
    return refusals;
  }

  private async load(config: PluginConfig): Promise<void> {
    const entry: Entry = { key: config.codeKey, module: null, fault: "", tried: new Map(), config };
    const fetched = await fetchModule(config.code);
    if ("fault" in fetched) entry.fault = fetched.fault;
    else {
      const compiled = await compileModule(fetched.bytes, config);
      if ("fault" in compiled) entry.fault = `${describe(config)}: ${compiled.fault}`;
      else entry.module = compiled.module;
    }
    this.entries.set(entry.key, entry);
  }

  private faultsOf({ model, config }: PluginInUse & { readonly model: PluginConfig }): readonly string[] {
    const entry = this.entries.get(model.codeKey);
    if (entry === undefined || entry.module === null) return [entry?.fault ?? "is not there"];
    const key = JSON.stringify(config);
    let faults = entry.tried.get(key);
    if (faults === undefined) {
      faults = this.host.tryPlugin(model, entry.module);
      entry.tried.set(key, faults);
    }
    return faults;
  }

  private forgetUnused(): void {
    const used = new Set(this.users.map(({ model }) => model.codeKey));
    for (const key of this.entries.keys()) if (!used.has(key)) this.entries.delete(key);
    const files = this.users.flatMap(({ model }) => (model.code.kind === "file" ? [model.code.path] : []));
    this.watch.watch(new Set(files));
  }

  /** Files of modules have new content. */
  private async onFiles(paths: ReadonlySet<string>): Promise<void> {
    const changed: string[] = [];
    for (const entry of [...this.entries.values()]) {
      const { code } = entry.config;
      if (code.kind === "file" && paths.has(code.path) && (await this.replace(entry))) changed.push(entry.key);
    }
    if (changed.length > 0) this.host.onChange(this.modules);
  }

  /** Loads a module anew: true if it takes the place of the one before. */
  private async replace(before: Entry): Promise<boolean> {
    const name = describe(before.config);
    await this.load(before.config);
    const made = this.entries.get(before.key) as Entry;
    if (made.module !== null && made.module.sha256 === before.module?.sha256) {
      this.entries.set(before.key, before);
      return false;
    }
    const faults =
      made.module === null
        ? [made.fault]
        : this.users.flatMap((use) => (use.model.codeKey === made.key ? this.faultsOf(use) : []));
    if (faults.length > 0) {
      this.entries.set(before.key, before);
      for (const fault of faults) this.host.log("error", fault);
      this.host.log("error", `${name}: what was in force stays in force`);
      return false;
    }
    this.host.log("info", `${name}: sha256 ${made.module?.sha256 ?? ""} replaces ${before.module?.sha256 ?? ""}`);
    return true;
  }

  close(): void {
    this.watch.close();
  }
}

function describe({ code, codeKey }: PluginConfig): string {
  if (code.kind === "file") return code.path;
  return code.kind === "remote" ? code.uri : codeKey;
}
