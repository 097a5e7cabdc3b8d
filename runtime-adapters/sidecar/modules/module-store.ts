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
import { limitsIn, type VmLimits, vmLimits } from "../../../filters/wasm/vm-limits.ts";
import { moduleKey, type WasmSupply } from "../../../filters/wasm/wasm-host.ts";
import { FileWatch } from "../file-watch.ts";
import type { Compiled } from "./compile-module.ts";
import { type Fetched, fetchModule } from "./module-source.ts";
import { type PluginInUse, pluginsInUse } from "./plugins-in-use.ts";
import type { Refusal } from "./refusal.ts";
import { withoutSecrets } from "./shown-address.ts";

/** When another worker that ended still holds the store, it is looked at again after this time, ms. */
const RETRY = 100;
const MAX_SEED = 2 ** 32;
/** After this time a server that did not give a module is asked again, ms. */
const ASK_AGAIN = 30_000;

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
  /** Judges and compiles a module. Never rejects. */
  readonly compile: (bytes: Uint8Array, limits: VmLimits) => Promise<Compiled>;
  readonly log: (level: LogLevel, message: string) => void;
  /** How many workers there are, which share data. */
  readonly threads: number;
  /** A module in force has changed. */
  readonly onChange: (supply: WasmSupply) => void;
  /** What was refused may be sound by now: its module is another, or its server is to be asked again. */
  readonly onWanted: () => void;
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

/** A plugin that cannot be used, and why. */
interface Tried {
  readonly user: User;
  readonly fault: string;
}

/** All modules of the process. */
export class ModuleStore {
  private readonly host: ModuleStoreHost;
  private readonly entries = new Map<string, Entry>();
  private readonly watch: FileWatch;
  /** Of what is in force; while a snapshot is prepared, also those of that one. */
  private users: readonly User[] = [];
  /** Of what is in force alone. */
  private inForce: readonly User[] = [];
  /** Plugins that could not be used when their resource came last, by that resource. */
  private readonly refused = new Map<string, readonly User[]>();
  /** Runs until a module is asked for again that a server did not give. */
  private again: ReturnType<typeof setTimeout> | null = null;
  /** The end of the queue of what is being made ready or replaced. */
  private turn: Promise<unknown> = Promise.resolve();
  private runtime: Snapshot["runtime"] = {};
  /** Made when the first plugin needs it: it is some tens of MB of address space. */
  private shared: SharedArrayBuffer | null = null;
  /** What workers were told last. */
  private supplied: WasmSupply | null = null;
  /** The store as this thread sees it: made when a worker has ended. */
  private observer: SharedStore | null = null;

  constructor(host: ModuleStoreHost) {
    this.host = host;
    this.watch = new FileWatch((paths) => void this.onFiles(new Set(paths)));
  }

  /** What workers are to have: the same object while that is the same. */
  get supply(): WasmSupply {
    const modules = new Map<string, CompiledModule>();
    for (const [key, { module }] of this.entries) if (module !== null) modules.set(key, module);
    const runtime = limitsIn(this.runtime);
    const before = this.supplied;
    if (before !== null && sameModules(before.modules, modules) && sameJson(before.runtime, runtime)) {
      return before;
    }
    this.shared ??= SharedStore.create({
      threads: this.host.threads + 1,
      seed: [randomInt(MAX_SEED), randomInt(MAX_SEED)],
    });
    this.supplied = { modules, runtime, shared: this.shared };
    return this.supplied;
  }

  /** True if there is nothing that a worker would have to be told, nor ever was. */
  get isIdle(): boolean {
    return this.entries.size === 0 && this.supplied === null;
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

  /**
   * Makes ready what `snapshot` needs, beside what is in force: those whose plugins cannot be used. `settle` follows
   * when it is known what of it is in force. Never rejects.
   */
  prepare(snapshot: Snapshot): Promise<readonly Refusal[]> {
    return this.inTurn(async () => {
      const found = pluginsInUse(snapshot);
      if (found.length === 0 && this.entries.size === 0) {
        this.runtime = snapshot.runtime;
        return [];
      }
      const tried = await this.tryAll(found, snapshot.runtime);
      const blocked = tried.filter(({ user }) => this.wasSound(user));
      if (blocked.length === 0) {
        this.runtime = snapshot.runtime;
        return this.remember(tried);
      }
      // Nothing but their limits is new: it is these that are refused, for no resource is to blame.
      const faults = new Set(blocked.map(({ user, fault }) => `plugin ${user.model.name}: ${fault}`));
      for (const fault of faults) this.host.log("error", fault);
      this.host.log("error", "tulle.wasm: the limits of all plugins stay what they were");
      return this.remember(await this.tryAll(found, this.runtime));
    });
  }

  /** `snapshot` is in force: what nobody in it uses is forgotten. */
  settle(snapshot: Snapshot): void {
    this.users = pluginsInUse(snapshot).map((use) => userOf(use, this.runtime));
    this.inForce = this.users;
    const used = new Set(this.users.map(({ key }) => key));
    for (const key of this.entries.keys()) if (!used.has(key)) this.entries.delete(key);
    this.watch.watch(filesOf([...this.users, ...this.missed]));
  }

  private get missed(): User[] {
    return [...this.refused.values()].flat();
  }

  /** Makes and tries what is missing for these plugins; what cannot be used. */
  private async tryAll(found: readonly PluginInUse[], runtime: Snapshot["runtime"]): Promise<Tried[]> {
    const users = found.map((use) => userOf(use, runtime));
    // Before they are read: what changes from now on is noticed.
    this.watch.watch(filesOf([...this.users, ...users, ...this.missed]));
    const missing = new Map(users.map((user) => [user.key, user]));
    for (const [key, entry] of this.entries) if (entry.module !== null) missing.delete(key);
    const read = new Map<string, Promise<Fetched>>();
    await Promise.all(
      [...missing.values()].map(async (user) => {
        this.entries.set(user.key, await this.make(user, fetchOnce(read, user.model)));
      }),
    );
    this.users = [...this.users, ...users];
    return users.flatMap((user) => this.faultsOf(user).map((fault) => ({ user, fault })));
  }

  /** The plugin is in force as it is configured now, under other limits. */
  private wasSound(user: User): boolean {
    const same = (other: User): boolean =>
      other.filter === user.filter && sameJson(other.config, user.config);
    return this.inForce.some((other) => same(other) && !sameJson(other.limits, user.limits));
  }

  /** Keeps in mind what is refused, so that it is looked at again when its module is another. */
  private remember(tried: readonly Tried[]): Refusal[] {
    for (const { user } of tried) {
      const { kind, name } = user.owner;
      const all = tried
        .map((each) => each.user)
        .filter(({ owner }) => owner.kind === kind && owner.name === name);
      this.refused.set(`${kind} ${name}`, all);
    }
    const far = tried.some(({ user: { key, model } }) => {
      return model.vm.code.kind === "remote" && this.entries.get(key)?.module === null;
    });
    if (far && this.again === null) {
      this.again = setTimeout(() => {
        this.again = null;
        this.host.onWanted();
      }, ASK_AGAIN);
      this.again.unref();
    }
    return tried.map(({ user, fault }) => ({ owner: user.owner, fault: `filter ${user.filter}: ${fault}` }));
  }

  /** A module from its source; nobody uses it yet. */
  private async make(
    { model, limits, key }: Pick<User, "model" | "limits" | "key">,
    source: Promise<Fetched>,
  ): Promise<Entry> {
    const entry: Entry = { key, config: model, limits, module: null, fault: "", tried: new Map() };
    const fetched = await source;
    if ("fault" in fetched) entry.fault = fetched.fault;
    else {
      const compiled = await this.host.compile(fetched.bytes, limits);
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
    const text = JSON.stringify([config, model.name, limits]);
    let faults = entry.tried.get(text);
    if (faults === undefined) {
      faults = this.host.tryPlugin(model, entry.module, limits);
      entry.tried.set(text, faults);
    }
    return faults;
  }

  /** Files of modules have new content. */
  private async onFiles(paths: ReadonlySet<string>): Promise<void> {
    let wanted = false;
    for (const [owner, users] of this.refused) {
      if (![...filesOf(users)].some((path) => paths.has(path))) continue;
      this.refused.delete(owner);
      wanted = true;
    }
    if (wanted) this.host.onWanted();
    // Each by itself: one that is broken keeps no other from its place.
    for (const path of paths) {
      const faults = await this.replace(
        ({ vm: { code } }) => code.kind === "file" && code.path === path,
        null,
      );
      for (const fault of faults) this.host.log("error", fault);
    }
  }

  /**
   * Puts `bytes` (null: what is there now) in the place of the modules that come from `source`. The reasons why that
   * cannot be; then nothing has changed.
   */
  async replaceBy(source: string, bytes: Uint8Array | null): Promise<readonly string[]> {
    const configs = [...this.entries.values()].map(({ config }) => config);
    const exactly = configs.filter((config) => isAt(config, source));
    const meant = exactly.length > 0 ? exactly : configs.filter((config) => describe(config) === source);
    const codes = new Set(meant.map(codeKey));
    if (codes.size > 1) return [`several modules come from "${source}": give the whole address of one`];
    if (codes.size === 1) return this.replace((config) => codes.has(codeKey(config)), bytes);
    const known = [...new Set(configs.map(describe))];
    return [
      `no module comes from "${source}"; there ${known.length === 0 ? "is none" : `are: ${known.join(", ")}`}`,
    ];
  }

  /** Makes the modules of a source anew: all of them take the places of those before, or none does. */
  private replace(
    isDue: (config: PluginConfig) => boolean,
    bytes: Uint8Array | null,
  ): Promise<readonly string[]> {
    return this.inTurn(async () => {
      const due = [...this.entries.values()].filter(({ config }) => isDue(config));
      // Read once: under several limits it is still one module.
      const read = new Map<string, Promise<Fetched>>();
      const made: Entry[] = [];
      for (const { key, config, limits } of due) {
        const source = bytes === null ? fetchOnce(read, config) : Promise.resolve({ bytes });
        made.push(await this.make({ key, model: config, limits }, source));
      }
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
    });
  }

  /** One thing after the other: what was read later is never overtaken by what was read before it. */
  private inTurn<T>(action: () => Promise<T>): Promise<T> {
    const done = this.turn.then(action);
    this.turn = done.catch(() => undefined);
    return done;
  }

  close(): void {
    this.watch.close();
    if (this.again !== null) clearTimeout(this.again);
  }
}

/** Their modules' files. */
function filesOf(users: readonly User[]): Set<string> {
  return new Set(users.flatMap(({ model: { vm } }) => (vm.code.kind === "file" ? [vm.code.path] : [])));
}

/** A source is read once for all who want it now: a file may be another a moment later. */
function fetchOnce(read: Map<string, Promise<Fetched>>, config: PluginConfig): Promise<Fetched> {
  const key = codeKey(config);
  const before = read.get(key) ?? fetchModule(config.vm.code);
  read.set(key, before);
  return before;
}

function sameModules(a: WasmSupply["modules"], b: WasmSupply["modules"]): boolean {
  return a.size === b.size && [...a].every(([key, module]) => b.get(key) === module);
}

function sameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function userOf(use: PluginInUse, runtime: Snapshot["runtime"]): User {
  const { plugin } = readPluginConfig(use.config);
  if (plugin === null) throw new Error(`filter ${use.filter}: its configuration was not checked`);
  const model = { ...plugin, name: plugin.name === "" ? use.filter : plugin.name };
  const limits = vmLimits(runtime, model.name);
  return { ...use, model, limits, key: moduleKey(model, limits) };
}

/** Where its code comes from, as anybody may read it. */
function describe(config: PluginConfig): string {
  const { code } = config.vm;
  if (code.kind === "file") return code.path;
  return code.kind === "remote" ? withoutSecrets(code.uri) : codeKey(config);
}

/** The code comes from exactly this address, secrets included. */
function isAt({ vm: { code } }: PluginConfig, address: string): boolean {
  return code.kind === "remote" && code.uri === address;
}
