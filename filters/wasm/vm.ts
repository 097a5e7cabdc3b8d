/**
 * One instance of a guest module, and the only place that calls into it. It numbers contexts, knows whose call is
 * under way, bounds what a call may spend, and keeps what the guest asks for until it has returned.
 *
 * Laws: no guest is entered from inside itself, its allocator aside; if it were, the outer call would go on for whom it
 * was made. A trap ends the VM: the instance is never called again, whatever of it was under way (proxy-wasm.md 1.10).
 * A host function never throws.
 *
 *   new ─(start)─▶ alive ─(trap)─▶ failed
 */
import type { FilterContext } from "../../core/filter/filter-context.ts";
import { isFieldName, isFieldValue } from "../../core/http/fields.ts";
import { idOf } from "../../core/http/names.ts";
import type { LogLevel } from "../../core/io/platform.ts";
import type { Scope } from "../../core/telemetry/stats.ts";
import type { CompiledModule } from "./compiled-module.ts";
import type { GuestContext } from "./guest-context.ts";
import { type GuestExports, guestExports } from "./guest-exports.ts";
import { guestFrames } from "./guest-frames.ts";
import { GuestMemory } from "./guest-memory.ts";
import { hostFunctions } from "./host/host-functions.ts";
import { BUDGET_EXPORT, REFUEL_EXPORT } from "./module/fuel-sections.ts";
import { NameTable } from "./name-table.ts";
import type { PluginConfig } from "./plugin-config.ts";
import type { SharedSpace } from "./shared-space.ts";
import type { VmLimits } from "./vm-limits.ts";

/** Bytes that host functions may handle for a unit of fuel: both are some nanoseconds. */
const WORK_PER_FUEL = 2;
/** Places for contexts at first; a power of two, as all later sizes. */
const FIRST_PLACES = 64;
/** Contexts have numbers from 1 up to this, and then again from 1. */
const LAST_ID = 0x7fffffff;

/** A guest that starts or reads its configuration may do so many times the work of another call. */
const START_FACTOR = 20;
/** What 31 bits can say. */
const MOST_FUEL = 0x7fffffff;

/** Exported by a module that can be stopped: takes a number and answers the one before. */
type Exchange = (fuel: number) => number;

/** What a VM is given by whoever runs it. */
export interface VmHost {
  readonly context: FilterContext;
  readonly shared: SharedSpace;
  /** Of the VM's id in the shared store; 0 if that is full. */
  readonly namespace: number;
  /** For messages: the plugin's name. */
  readonly name: string;
  readonly config: PluginConfig;
  readonly limits: VmLimits;
  /** What the guest sees of the environment (WASI). */
  readonly environment: readonly (readonly [name: string, value: string])[];
  /** `wasmcustom.` */
  readonly customStats: Scope;
  /** What the plugin's VMs have defined there. */
  readonly metricNames: Set<string>;
  /** The VM has failed; nothing of it is to be used any more. */
  onFailure(vm: WasmVm): void;
}

export class WasmVm {
  readonly host: VmHost;
  readonly memory: GuestMemory = new GuestMemory();
  /** Tagged with the known id of the name, 0 for others; below 0: it is none. */
  readonly headerNames: NameTable = new NameTable(true, (name) => (isHeaderName(name) ? idOf(name) : -1));
  /** Below 0: it cannot be sent. */
  readonly headerValues: NameTable = new NameTable(false, (value) => (isFieldValue(value) ? 0 : -1));
  readonly paths: NameTable = new NameTable(false, () => 0);
  readonly module: CompiledModule;
  /** Null before the guest has started. */
  exports: GuestExports | null = null;
  /** Why it is not to be called any more, "" while it lives. */
  failure = "";
  /** Living contexts, each at the place that the low bits of its number say; at most half of the places are taken. */
  private contexts: (GuestContext | null)[] = new Array<GuestContext | null>(FIRST_PLACES).fill(null);
  private lastId = 0;
  /** Contexts that live. */
  live = 0;
  /** Whose call is under way, and who the guest says that it acts for. */
  private current: GuestContext | null = null;
  private effective: GuestContext | null = null;
  private readonly asking: GuestContext[] = [];
  /** Calls that the one under way was made from inside of. There should be none: whoever asks for something waits. */
  private readonly outer: { current: GuestContext; effective: GuestContext | null; work: number }[] = [];
  /** Sets what the call under way may spend, and answers what was left; null for a module that is trusted. */
  private refill: Exchange | null = null;
  /** Sets what each callback begins with; null for a module that is trusted. */
  private setBudget: Exchange | null = null;

  constructor(module: CompiledModule, host: VmHost) {
    this.module = module;
    this.host = host;
  }

  /** Instantiates and starts the module; "" or why that failed. */
  start(): string {
    const { module } = this;
    try {
      const instance = new WebAssembly.Instance(module.module, hostFunctions(this));
      const { exports } = instance;
      const own = guestExports(exports, (name) => this.isAllowed(name));
      if (!(own.memory instanceof WebAssembly.Memory)) throw new TypeError("it exports no memory");
      if (typeof own.allocate !== "function") throw new TypeError("it exports no allocator");
      this.memory.attach(own.memory, own.allocate);
      this.refill = (exports[REFUEL_EXPORT] as Exchange | undefined) ?? null;
      this.setBudget = (exports[BUDGET_EXPORT] as Exchange | undefined) ?? null;
      const budget = Math.min(MOST_FUEL, this.host.limits.fuelPerCall * START_FACTOR);
      this.allow(budget);
      this.refill?.(budget);
      if (typeof exports._initialize === "function") {
        (exports._initialize as () => void)();
        if (typeof exports.main === "function") (exports.main as (...args: number[]) => void)(0, 0);
        else if (typeof exports.__main_void === "function") (exports.__main_void as () => void)();
      } else if (typeof exports._start === "function") (exports._start as () => void)();
      this.exports = own;
      this.memory.closed = false;
    } catch (error) {
      this.failure = `start: ${this.describe(error)}`;
    }
    return this.failure;
  }

  /** False if the configuration's list of capabilities leaves that function out. */
  isAllowed(name: string): boolean {
    const { allowedCapabilities } = this.host.config.vm;
    return allowedCapabilities === null || allowedCapabilities.has(name);
  }

  /** The guest is started and configured: from here on it works for streams. */
  begun(): void {
    this.allow(this.host.limits.fuelPerCall);
  }

  /** Sets what a call may spend. A loop that has the host do the work is a loop all the same. */
  private allow(budget: number): void {
    const { refill, setBudget, memory } = this;
    setBudget?.(budget);
    if (refill !== null) memory.limitWork(budget * WORK_PER_FUEL, () => refill(-1));
  }

  // ── Contexts ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Gives a context its number: the next one that no living context has, so that numbers come again late. */
  register(context: GuestContext): void {
    if (++this.live * 2 > this.contexts.length) this.spread();
    const { contexts } = this;
    const mask = contexts.length - 1;
    let id = this.lastId;
    do id = id === LAST_ID ? 1 : id + 1;
    while (contexts[id & mask] !== null);
    this.lastId = id;
    contexts[id & mask] = context;
    context.id = id;
  }

  /** Makes twice as many places. */
  private spread(): void {
    const before = this.contexts;
    const mask = before.length * 2 - 1;
    this.contexts = new Array<GuestContext | null>(mask + 1).fill(null);
    for (const context of before) if (context !== null) this.contexts[context.id & mask] = context;
  }

  /** The context is gone, for the guest, too. */
  unregister(context: GuestContext): void {
    const place = context.id & (this.contexts.length - 1);
    if (this.contexts[place] !== context) return;
    this.contexts[place] = null;
    this.live--;
    if (this.effective === context) this.effective = null;
  }

  /** The living context of that number, or null. */
  find(id: number): GuestContext | null {
    const context = this.contexts[id & (this.contexts.length - 1)];
    return context !== null && context.id === id ? context : null;
  }

  /** Whom a host function is for: who the guest says, else whose call is under way; null at the start. */
  get context(): GuestContext | null {
    return this.effective ?? this.current;
  }

  /** The guest acts for another context until it returns. */
  actFor(context: GuestContext): void {
    this.effective = context;
  }

  // ── Calls ─────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Calls a callback for a context and then does what the guest asked for. Its result, or 0 if it failed: look at
   * `failure`. Superfluous arguments are dropped by the engine, so older guests get what they know.
   */
  call(
    context: GuestContext,
    callback: (...args: number[]) => number,
    a: number,
    b: number,
    c: number,
  ): number {
    if (this.failure !== "") return 0;
    this.begin(context);
    let result = 0;
    try {
      result = callback(a, b, c);
    } catch (error) {
      this.fail(this.describe(error));
    }
    this.end();
    return result;
  }

  /** `call` with five arguments. */
  call5(
    context: GuestContext,
    callback: (...args: number[]) => number,
    a: number,
    b: number,
    c: number,
    d: number,
    e: number,
  ): void {
    if (this.failure !== "") return;
    this.begin(context);
    try {
      callback(a, b, c, d, e);
    } catch (error) {
      this.fail(this.describe(error));
    }
    this.end();
  }

  /** The guest is being called: what could lead to another call of a guest has to wait (`ask`). */
  get busy(): boolean {
    return this.current !== null && this.failure === "";
  }

  private begin(context: GuestContext): void {
    const { current, effective, memory } = this;
    if (current !== null) this.outer.push({ current, effective, work: memory.work });
    this.current = context;
    this.effective = null;
    this.memory.work = 0;
  }

  private end(): void {
    this.current = null;
    this.effective = null;
    // A guest may catch what its allocator threw, and go on; its host calls were cut off where they stood.
    if (this.memory.closed) this.fail("its allocator did not return");
    const outer = this.outer.pop();
    if (outer !== undefined) {
      this.current = outer.current;
      this.effective = outer.effective;
      this.memory.work += outer.work;
    } else if (this.asking.length > 0) this.settle();
  }

  /** A context has something to be done when the guest has returned. */
  ask(context: GuestContext): void {
    if (context.waiting) return;
    context.waiting = true;
    this.asking.push(context);
  }

  private settle(): void {
    const { asking } = this;
    for (let i = 0; i < asking.length; i++) {
      const context = asking[i];
      if (!context.waiting) continue;
      context.waiting = false;
      context.settle();
    }
    asking.length = 0;
  }

  /** A line of the guest in the operator's log. */
  log(level: LogLevel, message: string): void {
    this.host.context.log(level, "wasm", `${this.host.name}: ${message}`);
  }

  /** Where metrics of guests are kept. */
  get statsScope(): Scope {
    return this.host.customStats;
  }

  /** The instance is garbage from here on. */
  private fail(why: string): void {
    if (this.failure !== "") return;
    this.failure = why;
    this.asking.length = 0;
    // A guest that ran out of stack may have done so in the middle of the store.
    this.host.shared.store.recover();
    this.log("critical", why);
    this.host.onFailure(this);
    for (const context of this.contexts) context?.abandon();
  }

  private describe(error: unknown): string {
    const out = this.refill !== null && this.refill(0) < 0;
    const text = out ? "used up its fuel: it loops, or does too much in one call" : String(error);
    const frames = guestFrames(error);
    return frames === "" ? text : `${text} (${frames})`;
  }
}

/** A field's name, or a pseudo header's. */
function isHeaderName(text: string): boolean {
  return isFieldName(text.charCodeAt(0) === 0x3a ? text.slice(1) : text);
}
