/**
 * A configured plugin in one worker: which generation takes new streams, and what happens when a VM fails. A new
 * module begins a new generation beside the old one and takes its place by one assignment; old streams finish where
 * they began.
 *
 *   waiting (no module yet) ─▶ serving ⇄ failed ─(policy)─▶ serving
 *
 * Laws: a generation that cannot be started or configured never takes a stream; what served before goes on. Under
 * FAIL_RELOAD a failed plugin tries again no sooner than its back-off allows.
 */
import { toBytes } from "../../core/bytes/ascii.ts";
import type { Filter, FilterCallbacks } from "../../core/filter/filter.ts";
import type { FilterContext } from "../../core/filter/filter-context.ts";
import type { NetworkFilter, NetworkFilterCallbacks } from "../../core/filter/network-filter.ts";
import { Pause, Respond, type Verdict } from "../../core/filter/verdict.ts";
import type { CompiledModule } from "./compiled-module.ts";
import { Generation } from "./generation.ts";
import type { PluginConfig } from "./plugin-config.ts";
import type { PluginStats } from "./plugin-stats.ts";
import type { SharedSpace } from "./shared-space.ts";
import type { VmHost, WasmVm } from "./vm.ts";
import { type VmLimits, vmLimits } from "./vm-limits.ts";

/** VMs that live because streams hold them: with so many, none more is made for the sake of memory. */
const MAX_LIVING = 8;

export class WasmPlugin {
  readonly config: PluginConfig;
  private host: VmHost;
  private readonly stats: PluginStats;
  private module: CompiledModule | null = null;
  private current: Generation | null = null;
  /** The VM that served last has failed. */
  private failed = false;
  /** No VM is begun for want of one before this, ms. */
  private nextStart = Number.NEGATIVE_INFINITY;
  private released = false;
  private settled = false;
  /** VMs that are not gone yet. */
  private living = 0;

  constructor(
    config: PluginConfig,
    context: FilterContext,
    shared: SharedSpace,
    stats: PluginStats,
    environment: VmHost["environment"],
  ) {
    this.config = config;
    this.stats = stats;
    this.host = {
      context,
      shared,
      // The plugin's, not the VM's: data outlives a reload.
      namespace: shared.store.open(toBytes(config.vm.id)),
      name: config.name === "" ? "plugin" : config.name,
      config,
      environment,
      limits: vmLimits({}, config.name),
      customStats: context.stats.scope("wasmcustom.", "wasmcustom.", {}),
      metricNames: new Set(),
      onFailure: (vm) => this.onFailure(vm),
    };
  }

  /** What serves new streams, "" if nothing does. */
  get sha256(): string {
    return this.current === null || this.module === null ? "" : this.module.sha256;
  }

  /** Takes a module, first or new: "" or why it cannot serve; then what served before goes on. */
  load(module: CompiledModule, limits: VmLimits): string {
    const before = this.host;
    this.host = { ...before, limits };
    const failure = this.begin(module);
    if (failure === "") {
      this.module = module;
      this.failed = false;
    } else if (this.module === null) {
      // It was sound where it was tried: what keeps it from starting here may pass.
      this.module = module;
    } else this.host = before;
    return failure;
  }

  private begin(module: CompiledModule): string {
    const { context } = this.host;
    // One random number per start: one per attempt would be as short as the shortest of thousands.
    this.nextStart = context.clock.now + this.config.reload.base * (1 + context.random() / 2);
    const made = new Generation(module, this.host, this.stats, () => {
      this.stats.active--;
      this.living--;
      this.settle();
    });
    this.stats.created++;
    this.stats.active++;
    this.living++;
    const failure = made.begin();
    if (failure !== "") {
      made.retire();
      context.log("error", "wasm", `${this.host.name}: ${failure}`);
      return failure;
    }
    const before = this.current;
    this.current = made;
    before?.retire();
    return "";
  }

  /** The filter of one stream; null if it goes without. */
  open(callbacks: FilterCallbacks): Filter | null {
    const generation = this.serving();
    if (generation !== null) return generation.open(callbacks);
    return this.config.failurePolicy === "OPEN" ? null : new RefusingFilter(callbacks);
  }

  /** The filter of one connection; null if it goes without. */
  connect(callbacks: NetworkFilterCallbacks): NetworkFilter | null {
    const generation = this.serving();
    if (generation !== null) return generation.connect(callbacks);
    return this.config.failurePolicy === "OPEN" ? null : new ClosingFilter(callbacks);
  }

  /** What takes the next stream or connection; null if nothing can. */
  private serving(): Generation | null {
    if (this.failed || this.current === null) {
      if (!this.mayRecover()) return null;
    } else if (this.current.hasGrown) this.recycle();
    return this.current;
  }

  private mayRecover(): boolean {
    const { config, module, stats, host } = this;
    if (config.failurePolicy !== "RELOAD" || module === null || this.released) return false;
    if (host.context.clock.now < this.nextStart) {
      stats.vmReloadBackoff++;
      return false;
    }
    stats.vmReload++;
    if (this.begin(module) !== "") {
      stats.vmReloadFailure++;
      return false;
    }
    stats.vmReloadSuccess++;
    this.failed = false;
    return true;
  }

  /** Memory of a guest never shrinks: a fresh VM takes over, though not one after the other without a pause. */
  private recycle(): void {
    if (this.module === null || this.living >= MAX_LIVING) return;
    if (this.host.context.clock.now < this.nextStart) return;
    this.stats.vmRecycled++;
    this.begin(this.module);
  }

  private onFailure(vm: WasmVm): void {
    this.stats.vmFailed++;
    if (this.current === null || this.current.vm !== vm) return;
    const failed = this.current;
    this.current = null;
    this.failed = true;
    failed.retire();
  }

  /** No further stream comes. */
  release(): void {
    if (this.released) return;
    this.released = true;
    const { current } = this;
    this.current = null;
    current?.retire();
    this.settle();
  }

  /** Lets go of what it shares when nobody is left who could ask for it. */
  private settle(): void {
    if (!this.released || this.living > 0 || this.settled) return;
    this.settled = true;
    const { shared, namespace, customStats } = this.host;
    customStats.release();
    if (namespace !== 0) shared.store.release(namespace);
  }
}

/** Stands for a plugin that cannot serve: refuses each request (FAIL_CLOSED). */
class RefusingFilter implements Filter {
  private readonly callbacks: FilterCallbacks;

  constructor(callbacks: FilterCallbacks) {
    this.callbacks = callbacks;
  }

  onRequestHeaders(): Verdict {
    this.callbacks.respond({
      status: 503,
      body: "",
      details: "wasm_fail_stream",
      headers: [],
      grpcStatus: -1,
    });
    return Respond;
  }
}

/** The same for a connection. */
class ClosingFilter implements NetworkFilter {
  private readonly callbacks: NetworkFilterCallbacks;

  constructor(callbacks: NetworkFilterCallbacks) {
    this.callbacks = callbacks;
  }

  onNewConnection(): Verdict {
    this.callbacks.close();
    return Pause;
  }
}
