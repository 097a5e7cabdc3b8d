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
import { codeKey, type PluginConfig } from "../../../filters/wasm/plugin-config.ts";
import { SharedStore } from "../../../filters/wasm/shared-store.ts";
import { limitsIn, type VmLimits } from "../../../filters/wasm/vm-limits.ts";
import type { WasmSupply } from "../../../filters/wasm/wasm-host.ts";
import { FileWatch } from "../file-watch.ts";
import type { Compiled } from "./compile-module.ts";
import { Downloads } from "./downloads.ts";
import { type Fetched, fetchModule } from "./module-source.ts";
import { filesOf, type PluginUser, pluginUser } from "./plugin-user.ts";
import { type PluginInUse, pluginsInUse } from "./plugins-in-use.ts";
import { type Preparation, preparationOf, type Tried } from "./preparation.ts";
import { shownSource } from "./shown-address.ts";

/** When another worker that ended still holds the store, it is looked at again after this time, ms. */
const RETRY = 100;
const MAX_SEED = 2 ** 32;

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
  readonly tryPlugin: (
    config: PluginConfig,
    module: CompiledModule,
    limits: VmLimits,
  ) => readonly string[] | Promise<readonly string[]>;
  /** Judges and compiles a module. Never rejects. */
  readonly compile: (bytes: Uint8Array, limits: VmLimits) => Promise<Compiled>;
  readonly log: (level: LogLevel, message: string) => void;
  /** How many workers there are, which share data. */
  readonly threads: number;
  /** A module in force has changed. */
  readonly onChange: (supply: WasmSupply) => void;
  /** What was refused or waits may be sound by now: its module is another, or is here, or is to be asked for again. */
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

/** All modules of the process. */
export class ModuleStore {
  private readonly host: ModuleStoreHost;
  private readonly entries = new Map<string, Entry>();
  private readonly watch: FileWatch;
  /** Of what is in force; while a snapshot is prepared, also those of that one. */
  private users: readonly PluginUser[] = [];
  /** Of the last snapshot that was prepared, if something of it waits: what is ready of that is kept. */
  private pending: readonly PluginUser[] = [];
  /** Of what is in force alone. */
  private inForce: readonly PluginUser[] = [];
  /** Plugins that could not be used when their resource came last, by that resource. */
  private readonly refused = new Map<string, readonly PluginUser[]>();
  private readonly downloads: Downloads;
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
    this.downloads = new Downloads(() => host.onWanted());
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
        {
          source: shownSource(config),
          sha256: module.sha256,
          abi: module.abi,
          plugins: [...new Set(plugins)],
        },
      ];
    });
  }

  /**
   * Makes ready what `snapshot` needs, beside what is in force: whose plugins cannot be used, or not yet. Waits for no
   * server: when a module is here, `onWanted` is told. `settle` follows when it is known what of the snapshot is in
   * force. Never rejects.
   */
  prepare(snapshot: Snapshot): Promise<Preparation> {
    return this.inTurn(async () => {
      const found = pluginsInUse(snapshot);
      let tried = await this.tryAll(found, snapshot.runtime);
      // What stays in force while others wait must be able to live with the limits, too.
      const stay = tried.some(({ fault }) => fault === null) ? this.inForce : [];
      if (stay.length > 0) tried = await this.tryAll([...found, ...stay], snapshot.runtime);
      const waits = tried.some(({ fault }) => fault === null);
      this.pending = waits ? [...found, ...stay].map((use) => pluginUser(use, snapshot.runtime)) : [];
      const blocked = tried.filter(({ user }) => this.wasSound(user));
      if (blocked.length === 0) this.runtime = snapshot.runtime;
      else {
        // Nothing but their limits is new: it is these that are refused (or wait), for no resource is to blame.
        this.tellBlocked(blocked);
        tried = await this.tryAll(found, this.runtime);
      }
      const preparation = this.remember(tried);
      const wanted = [...found.map((use) => pluginUser(use, this.runtime)), ...this.inForce, ...this.missed];
      this.downloads.sweep(
        wanted.flatMap(({ model: { vm } }) => (vm.code.kind === "remote" ? [vm.code] : [])),
      );
      return preparation;
    });
  }

  private tellBlocked(blocked: readonly Tried[]): void {
    const faults = new Set<string>();
    for (const { user, fault } of blocked)
      if (fault !== null) faults.add(`plugin ${user.model.name}: ${fault}`);
    for (const fault of faults) this.host.log("error", fault);
    if (faults.size > 0) this.host.log("error", "tulle.wasm: the limits of all plugins stay what they were");
  }

  /** `snapshot` is in force: what nobody in it uses is forgotten. */
  settle(snapshot: Snapshot): void {
    this.users = pluginsInUse(snapshot).map((use) => pluginUser(use, this.runtime));
    this.inForce = this.users;
    const used = new Set([...this.users, ...this.pending].map(({ key }) => key));
    for (const key of this.entries.keys()) if (!used.has(key)) this.entries.delete(key);
    this.watch.watch(filesOf([...this.users, ...this.missed]));
  }

  private get missed(): PluginUser[] {
    return [...this.refused.values()].flat();
  }

  /** Makes and tries what is missing for these plugins; what cannot be used. */
  private async tryAll(found: readonly PluginInUse[], runtime: Snapshot["runtime"]): Promise<Tried[]> {
    const users = found.map((use) => pluginUser(use, runtime));
    // Before they are read: what changes from now on is noticed.
    this.watch.watch(filesOf([...this.users, ...users, ...this.missed]));
    const missing = new Map(users.map((user) => [user.key, user]));
    // A file may be sound by now; what has a certain sha256 stays what it is.
    for (const [key, { module, config }] of this.entries) {
      if (module !== null || config.vm.code.kind === "remote") missing.delete(key);
    }
    const read = new Map<string, Promise<Fetched>>();
    const absent = new Map<string, string | null>();
    await Promise.all(
      [...missing.values()].map(async (user) => {
        const { code } = user.model.vm;
        const fetched =
          code.kind === "remote" ? this.downloads.take(code) : await fetchOnce(read, user.model);
        if (fetched === null) absent.set(user.key, null);
        else if ("fault" in fetched) {
          absent.set(user.key, fetched.fault);
          this.entries.delete(user.key);
        } else this.entries.set(user.key, await this.make(user, fetched.bytes));
      }),
    );
    this.users = [...this.users, ...users];
    const tried: Tried[] = [];
    for (const user of users) {
      const entry = this.entries.get(user.key);
      const faults = entry === undefined ? [absent.get(user.key) ?? null] : await this.tryOut(entry, user);
      for (const fault of faults) tried.push({ user, fault });
    }
    return tried;
  }

  /** The plugin is in force as it is configured now, under other limits. */
  private wasSound(user: PluginUser): boolean {
    const same = (other: PluginUser): boolean =>
      other.filter === user.filter && sameJson(other.config, user.config);
    return this.inForce.some((other) => same(other) && !sameJson(other.limits, user.limits));
  }

  /** Keeps in mind what is refused, so that it is looked at again when its module is another. */
  private remember(tried: readonly Tried[]): Preparation {
    const preparation = preparationOf(tried);
    for (const { owner } of preparation.refusals) {
      const own = tried.filter(
        ({ user: { owner: other } }) => other.kind === owner.kind && other.name === owner.name,
      );
      this.refused.set(
        `${owner.kind} ${owner.name}`,
        own.map(({ user }) => user),
      );
    }
    return preparation;
  }

  /** A module from its bytes; nobody uses it yet. */
  private async make(
    { model, limits, key }: Pick<PluginUser, "model" | "limits" | "key">,
    bytes: Uint8Array,
  ): Promise<Entry> {
    const entry: Entry = { key, config: model, limits, module: null, fault: "", tried: new Map() };
    const compiled = await this.host.compile(bytes, limits);
    if ("fault" in compiled) entry.fault = `${shownSource(model)}: ${compiled.fault}`;
    else entry.module = compiled.module;
    return entry;
  }

  private async tryOut(entry: Entry, { model, config, limits }: PluginUser): Promise<readonly string[]> {
    if (entry.module === null) return [entry.fault];
    const text = JSON.stringify([config, model.name, limits]);
    let faults = entry.tried.get(text);
    if (faults === undefined) {
      faults = await this.host.tryPlugin(model, entry.module, limits);
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
    const exactly = configs.filter((config) => isFrom(config, source));
    const meant = exactly.length > 0 ? exactly : configs.filter((config) => shownSource(config) === source);
    const codes = new Set(meant.map(codeKey));
    if (codes.size > 1) return [`several modules come from "${source}": give the whole address of one`];
    if (codes.size === 1) {
      const { code } = meant[0].vm;
      // Nothing else waits for a server meanwhile.
      const fetched = bytes === null && code.kind === "remote" ? await fetchModule(code) : { bytes };
      if ("fault" in fetched) return [fetched.fault, `${source}: what was in force stays in force`];
      return this.replace((config) => codes.has(codeKey(config)), fetched.bytes);
    }
    const known = [...new Set(configs.map(shownSource))];
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
      const faults: string[] = [];
      for (const { key, config, limits } of due) {
        const fetched = bytes === null ? await fetchOnce(read, config) : { bytes };
        if ("fault" in fetched) faults.push(fetched.fault);
        else made.push(await this.make({ key, model: config, limits }, fetched.bytes));
      }
      for (const entry of made) {
        const own = this.users.filter(({ key }) => key === entry.key);
        for (const user of own) faults.push(...(await this.tryOut(entry, user)));
        if (entry.module === null) faults.push(entry.fault);
      }
      if (faults.length > 0)
        return [...new Set(faults), `${shownSource(due[0].config)}: what was in force stays in force`];
      let changed = false;
      for (const entry of made) {
        const before = this.entries.get(entry.key);
        // Meanwhile the last plugin that used it may have gone.
        if (before === undefined || before.module?.sha256 === entry.module?.sha256) continue;
        this.entries.set(entry.key, entry);
        changed = true;
        const [now, then] = [entry.module?.sha256 ?? "", before.module?.sha256 ?? ""];
        this.host.log("info", `${shownSource(entry.config)}: sha256 ${now} replaces ${then}`);
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
    this.downloads.close();
  }
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

/** The code comes from exactly this address, secrets included. */
function isFrom({ vm: { code } }: PluginConfig, address: string): boolean {
  return code.kind === "remote" && code.uri === address;
}
