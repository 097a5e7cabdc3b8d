/**
 * The WASM modules of the process, in its supervising thread: fetched, verified, inspected, compiled, and tried with
 * every configuration that uses them, before a worker hears of them. Files are watched: a module that changed takes
 * the place of the one before if it, too, can be used by everybody who uses that one.
 *
 * Law: what cannot be used changes nothing that is in force, and somebody is told why.
 */

import { randomInt } from "node:crypto";
import type { Snapshot } from "../../../core/config/model.ts";
import type { LogLevel } from "../../../core/io/platform.ts";
import type { CompiledModule } from "../../../filters/wasm/compiled-module.ts";
import { codeKey, type PluginConfig, readPluginConfig } from "../../../filters/wasm/plugin-config.ts";
import { SharedStore } from "../../../filters/wasm/shared-store.ts";
import { type VmLimits, vmLimits } from "../../../filters/wasm/vm-limits.ts";
import { moduleKey, type WasmSupply } from "../../../filters/wasm/wasm-host.ts";
import { FileWatch } from "../file-watch.ts";
import { compileModule } from "./compile-module.ts";
import { fetchModule } from "./module-source.ts";
import { type PluginInUse, type PluginOwner, pluginsInUse } from "./plugins-in-use.ts";

/** When another worker that ended still holds the store, it is looked at again after this time, ms. */
const RETRY = 100;
const MAX_SEED = 2 ** 32;

/** A resource that cannot be put in force. */
export interface Refusal {
  readonly owner: PluginOwner;
  /** A finished line. */
  readonly fault: string;
}

/** A refusal for a log or a terminal. */
export function refusalLine({ owner, fault }: Refusal): string {
  return `${owner.kind} ${owner.name}: ${fault}`;
}

/** A module in force. */
export interface ModuleStatus {
  /** A path, a URI or a key. */
  readonly source: string;
  readonly sha256: string;
  readonly abi: string;
  /** Names of the plugins that run it. */
  readonly plugins: readonly string[];
}

/** What the store needs of its surroundings. */
export interface ModuleStoreHost {
  /** Tries a plugin with a module: the reasons why it cannot be used. */
  readonly tryPlugin: (config: PluginConfig, module: CompiledModule, limits: VmLimits) => readonly string[];
  readonly log: (level: LogLevel, message: string) => void;
  /** How many workers there are, which share data. */
  readonly threads: number;
  /** A module in force has changed. */
  readonly onChange: (supply: WasmSupply) => void;
}

/** A module that is, or is not, there. */
interface Entry {
  readonly key: string;
  readonly config: PluginConfig;
  readonly limits: VmLimits;
  module: CompiledModule | null;
  /** Why there is none. */
  fault: string;
  /** Configurations that were tried with it, as JSON, and what came of that. */
  readonly tried: Map<string, readonly string[]>;
}

/** A plugin in force, as it is to be run. */
interface User extends PluginInUse {
  readonly model: PluginConfig;
  readonly limits: VmLimits;
  readonly key: string;
}

/** All modules of the process. */
export class ModuleStore {
  private readonly host: ModuleStoreHost;
  private readonly entries = new Map<string, Entry>();
  private readonly watch: FileWatch;
  /** Of the last snapshot. */
  private users: readonly User[] = [];
  private runtime: Snapshot["runtime"] = {};
  /** Made when the first plugin needs it: it is some tens of MB of address space. */
  private shared: SharedArrayBuffer | null = null;
  /** The store as this thread sees it: made when a worker has ended. */
  private observer: SharedStore | null = null;

  constructor(host: ModuleStoreHost) {
    this.host = host;
    this.watch = new FileWatch((paths) => void this.onFiles(new Set(paths)));
  }

  /** What workers are to have. */
  get supply(): WasmSupply {
    const modules = new Map<string, CompiledModule>();
    for (const [key, { module }] of this.entries) if (module !== null) modules.set(key, module);
    this.shared ??= SharedStore.create({
      threads: this.host.threads + 1,
      seed: [randomInt(MAX_SEED), randomInt(MAX_SEED)],
    });
    return { modules, runtime: this.runtime, shared: this.shared };
  }

  /** True if there is nothing that a worker would have to be told. */
  get isEmpty(): boolean {
    return this.entries.size === 0;
  }

  /** A worker has ended by itself: what it held of the shared store is let go. */
  workerEnded(index: number): void {
    if (this.shared === null) return;
    this.observer ??= SharedStore.attach(this.shared, this.host.threads, () => undefined);
    if (!this.observer.threadEnded(index)) setTimeout(() => this.workerEnded(index), RETRY).unref();
  }

  /** The modules in force, by where they come from, for admin pages. */
  status(): readonly ModuleStatus[] {
    return [...this.entries.values()].flatMap(({ key, config, module }) => {
      if (module === null) return [];
      const plugins = this.users.filter((user) => user.key === key).map(({ model }) => model.name);
      return [
        { source: describe(config), sha256: module.sha256, abi: module.abi, plugins: [...new Set(plugins)] },
      ];
    });
  }

  /** Makes ready what `snapshot` needs; those whose plugins cannot be used. Never rejects. */
  async prepare(snapshot: Snapshot): Promise<readonly Refusal[]> {
    const users = pluginsInUse(snapshot).map((use) => userOf(use, snapshot.runtime));
    this.runtime = snapshot.runtime;
    if (users.length === 0 && this.isEmpty) return [];
    const missing = new Map(users.map((user) => [user.key, user]));
    for (const [key, entry] of this.entries) if (entry.module !== null) missing.delete(key);
    await Promise.all([...missing.values()].map((user) => this.load(user)));
    const refusals: Refusal[] = [];
    for (const user of users) {
      for (const fault of this.faultsOf(user)) {
        refusals.push({ owner: user.owner, fault: `filter ${user.filter}: ${fault}` });
      }
    }
    this.users = users;
    this.forgetUnused();
    return refusals;
  }

  private async load(user: Pick<User, "model" | "limits" | "key">): Promise<Entry> {
    const entry = await this.make(user, null);
    this.entries.set(user.key, entry);
    return entry;
  }

  /** A module from its source, or from `bytes` if they are given; nobody uses it yet. */
  private async make(
    { model, limits, key }: Pick<User, "model" | "limits" | "key">,
    bytes: Uint8Array | null,
  ): Promise<Entry> {
    const entry: Entry = { key, config: model, limits, module: null, fault: "", tried: new Map() };
    const fetched = bytes === null ? await fetchModule(model.vm.code) : { bytes };
    if ("fault" in fetched) entry.fault = fetched.fault;
    else {
      const compiled = await compileModule(fetched.bytes, limits);
      if ("fault" in compiled) entry.fault = `${describe(model)}: ${compiled.fault}`;
      else entry.module = compiled.module;
    }
    return entry;
  }

  private faultsOf(user: User): readonly string[] {
    const entry = this.entries.get(user.key);
    return entry === undefined ? ["is not there"] : this.tryOut(entry, user);
  }

  private tryOut(entry: Entry, { model, config, limits }: User): readonly string[] {
    if (entry.module === null) return [entry.fault];
    const text = JSON.stringify(config);
    let faults = entry.tried.get(text);
    if (faults === undefined) {
      faults = this.host.tryPlugin(model, entry.module, limits);
      entry.tried.set(text, faults);
    }
    return faults;
  }

  private forgetUnused(): void {
    const used = new Set(this.users.map(({ key }) => key));
    for (const key of this.entries.keys()) if (!used.has(key)) this.entries.delete(key);
    const files = this.users.flatMap(({ model: { vm } }) => (vm.code.kind === "file" ? [vm.code.path] : []));
    this.watch.watch(new Set(files));
  }

  /** Files of modules have new content. */
  private async onFiles(paths: ReadonlySet<string>): Promise<void> {
    const due = [...this.entries.values()].filter(({ config: { vm } }) => {
      return vm.code.kind === "file" && paths.has(vm.code.path);
    });
    for (const fault of await this.replace(due, null)) this.host.log("error", fault);
  }

  /**
   * Puts `bytes` (null: what is there now) in the place of the modules that come from `source`. The reasons why that
   * cannot be; then nothing has changed.
   */
  async replaceBy(source: string, bytes: Uint8Array | null): Promise<readonly string[]> {
    const due = [...this.entries.values()].filter(({ config }) => describe(config) === source);
    if (due.length > 0) return this.replace(due, bytes);
    const known = [...new Set([...this.entries.values()].map(({ config }) => describe(config)))];
    return [
      `no module comes from "${source}"; there ${known.length === 0 ? "is none" : `are: ${known.join(", ")}`}`,
    ];
  }

  /** Makes modules anew: all of them take the places of those before, or none does. */
  private async replace(due: readonly Entry[], bytes: Uint8Array | null): Promise<readonly string[]> {
    const made: Entry[] = [];
    for (const { key, config, limits } of due)
      made.push(await this.make({ key, model: config, limits }, bytes));
    const faults = made.flatMap((entry) => {
      if (entry.module === null) return [entry.fault];
      return this.users.flatMap((user) => (user.key === entry.key ? this.tryOut(entry, user) : []));
    });
    if (faults.length > 0)
      return [...new Set(faults), `${describe(due[0].config)}: what was in force stays in force`];
    let changed = false;
    for (const entry of made) {
      const before = this.entries.get(entry.key);
      // Meanwhile the last plugin that used it may have gone.
      if (before === undefined || before.module?.sha256 === entry.module?.sha256) continue;
      this.entries.set(entry.key, entry);
      changed = true;
      const [now, then] = [entry.module?.sha256 ?? "", before.module?.sha256 ?? ""];
      this.host.log("info", `${describe(entry.config)}: sha256 ${now} replaces ${then}`);
    }
    if (changed) this.host.onChange(this.supply);
    return [];
  }

  close(): void {
    this.watch.close();
  }
}

function userOf(use: PluginInUse, runtime: Snapshot["runtime"]): User {
  const { plugin } = readPluginConfig(use.config);
  if (plugin === null) throw new Error(`filter ${use.filter}: its configuration was not checked`);
  const model = { ...plugin, name: plugin.name === "" ? use.filter : plugin.name };
  const limits = vmLimits(runtime, model.name);
  return { ...use, model, limits, key: moduleKey(model, limits) };
}

function describe(config: PluginConfig): string {
  const { code } = config.vm;
  if (code.kind === "file") return code.path;
  return code.kind === "remote" ? code.uri : codeKey(config);
}
