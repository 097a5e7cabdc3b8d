/**
 * Writes the sections of a module that is to be stopped when its time is used up. Fuel is one mutable i32 global,
 * taken from at function entries, loops and bulk instructions (see `fuel-plan.ts` for where and how much); below 0
 * the guest traps with `unreachable`. A callback of the ABI begins with as much as a second global says: the export
 * leads to a function that fills up and then calls the guest's own, so that the host need not enter twice. The host
 * sets both by exported functions, because `WebAssembly.Global.value =` costs several times as much as a call.
 *
 * Counting in a local and settling with the global now and then was tried: it is not faster on V8, and in
 * JavaScriptCore tight loops take two to three times as long as with the global at every turn.
 *
 * Laws: the globals, the functions and their type come last in their index spaces, so that no index of the guest
 * changes; and the reader has seen that the guest names none of them: it cannot fill up by calling itself.
 */
import { CALLBACK_SIGNATURES } from "./abi-signatures.ts";
import type { BinaryWriter } from "./binary-writer.ts";
import { callPrices } from "./call-prices.ts";
import { FuelPlan, SITE_BYTES, SITE_LOOP } from "./fuel-plan.ts";
import type { ModuleLayout, RawExport, Section } from "./module-layout.ts";
import { SECTION } from "./module-layout.ts";

/** Exported function `(i32) -> i32`: sets the fuel and answers what was left of it, below 0 if it ran out. */
export const REFUEL_EXPORT = "tulle_refuel";

/** Exported function `(i32) -> i32`: sets what a callback begins with and answers what it was. */
export const BUDGET_EXPORT = "tulle_budget";

const I32 = 0x7f;
const VOID = 0x40;
const FUNCTION_TYPE = 0x60;
const EXPORT_FUNCTION = 0;

/**
 * One i32. JavaScriptCore enters compiled code in the middle of a loop only where there is a local to take along;
 * without, the first call of a function turns in the interpreter until its fuel is used up: half a minute, not half a
 * second.
 */
const ONE_LOCAL = [1, 1, I32];

const UNREACHABLE = 0x00;
const IF = 0x04;
const END = 0x0b;
const CALL = 0x10;
const SELECT = 0x1b;
const LOCAL_GET = 0x20;
const GLOBAL_GET = 0x23;
const GLOBAL_SET = 0x24;
const I32_CONST = 0x41;
const I32_LT_S = 0x48;
const I32_LT_U = 0x49;
const I32_SUB = 0x6b;
const I32_SHL = 0x74;
const I32_SHR_U = 0x76;

/** `#payBytes`, `#payElements`, `#refuel`, `#rebudget`. */
const OWN_FUNCTIONS = 4;
/** Eight bytes for a unit of fuel: what memory.fill and memory.copy do in a nanosecond. */
const BYTES_SHIFT = 3;
/** Up to 17 ns an element were seen. 16 * min(length, 2^26), because a length that wraps would bring fuel in. */
// biome-ignore format: one line of code
const ELEMENTS_COST = [
  LOCAL_GET, 0, I32_CONST, 0x80, 0x80, 0x80, 0x20, LOCAL_GET, 0, I32_CONST, 0x80, 0x80, 0x80, 0x20, I32_LT_U, SELECT,
  I32_CONST, 4, I32_SHL,
];

/** What the host calls from outside of the guest, each time with a full tank; its type has been checked. */
function isCallback({ kind, name }: RawExport): boolean {
  if (kind !== "function" || name === "proxy_on_memory_allocate") return false;
  return name.startsWith("proxy_on_") && CALLBACK_SIGNATURES.has(name);
}

/** Writes one module's sections with fuel. */
export class FuelSections {
  /** The sections that `write` writes, in their order; also for a module that has none of the kind. */
  readonly ids: readonly number[] = [
    SECTION.type,
    SECTION.function,
    SECTION.global,
    SECTION.export,
    SECTION.code,
  ];

  readonly #module: ModuleLayout;
  readonly #out: BinaryWriter;
  readonly #initialFuel: number;
  readonly #longest: number;
  readonly #fuel: number;
  readonly #budget: number;
  /** `(i32 length) -> length`, pay for work on so many bytes or table elements. */
  readonly #payBytes: number;
  readonly #payElements: number;
  readonly #refuel: number;
  readonly #rebudget: number;
  /** In the order of their exports; each has a function of its own that fills up. */
  readonly #callbacks: readonly RawExport[];

  /**
   * `initialFuel`: what the module's start function and everything before the first refuelling may
   * use. `longest`: bytes that the whole result may have, give or take one function.
   */
  constructor(module: ModuleLayout, out: BinaryWriter, initialFuel: number, longest: number) {
    this.#module = module;
    this.#longest = longest;
    this.#out = out;
    this.#initialFuel = initialFuel;
    this.#fuel = module.globals;
    this.#budget = module.globals + 1;
    this.#payBytes = module.functions;
    this.#payElements = module.functions + 1;
    this.#refuel = module.functions + 2;
    this.#rebudget = module.functions + 3;
    this.#callbacks = module.exports.filter(isCallback);
  }

  /** Writes the section `id`. `original`: null if the module has none. */
  write(id: number, original: Section | null): void {
    const out = this.#out;
    out.byte(id);
    const block = out.beginBlock();
    switch (id) {
      case SECTION.type:
        this.#copyVector(original, 1);
        for (const byte of [FUNCTION_TYPE, 1, I32, 1, I32]) out.byte(byte);
        break;
      case SECTION.function:
        this.#copyVector(original, this.#added);
        for (let i = 0; i < OWN_FUNCTIONS; i++) out.u32(this.#module.types.count);
        for (const { index } of this.#callbacks) out.u32(this.#module.functionTypes[index]);
        break;
      case SECTION.global:
        this.#copyVector(original, 2);
        for (const _ of [this.#fuel, this.#budget]) {
          out.byte(I32);
          out.byte(1);
          out.byte(I32_CONST);
          out.s32(this.#initialFuel);
          out.byte(END);
        }
        break;
      case SECTION.export:
        this.#exports(original);
        break;
      case SECTION.code:
        this.#code();
        break;
    }
    out.endBlock(block);
  }

  /** The entries of a vector, with a count that is greater by `more`. */
  #copyVector(original: Section | null, more: number) {
    if (original === null) return this.#out.u32(more);
    const r = this.#module.reader;
    r.at = original.payload;
    r.end = original.end;
    this.#out.u32(r.u32() + more);
    this.#out.copy(r.bytes, r.at, r.end);
  }

  get #added(): number {
    return OWN_FUNCTIONS + this.#callbacks.length;
  }

  /** Those of the guest, callbacks led to the functions that fill up, and the host's own. */
  #exports(original: Section | null): void {
    const out = this.#out;
    const r = this.#module.reader;
    let callback = this.#rebudget + 1;
    out.u32(this.#module.exports.length + 2);
    r.at = original?.payload ?? r.at;
    r.end = original?.end ?? r.end;
    if (original !== null) r.u32();
    for (const one of this.#module.exports) {
      const start = r.at;
      r.name();
      out.copy(r.bytes, start, r.at);
      out.byte(r.byte());
      const index = r.u32();
      out.u32(isCallback(one) ? callback++ : index);
    }
    this.#exportOwn(REFUEL_EXPORT, this.#refuel);
    this.#exportOwn(BUDGET_EXPORT, this.#rebudget);
  }

  #exportOwn(name: string, index: number): void {
    this.#out.name(name);
    this.#out.byte(EXPORT_FUNCTION);
    this.#out.u32(index);
  }

  #code() {
    const { bodies, importedFunctions, reader } = this.#module;
    const prices = callPrices(this.#module);
    if (prices === null) return;
    const plan = new FuelPlan(this.#module, prices);
    this.#out.u32(bodies.length / 2 + this.#added);
    for (let i = 0; i < bodies.length / 2; i++) {
      const index = importedFunctions + i;
      plan.read(index, bodies[2 * i], bodies[2 * i + 1]);
      this.#body(plan, prices[index] === 0, bodies[2 * i], bodies[2 * i + 1]);
      if (this.#out.length > this.#longest) return reader.refuse("too long with what counts its fuel");
    }
    this.#payBody([LOCAL_GET, 0, I32_CONST, BYTES_SHIFT, I32_SHR_U]);
    this.#payBody(ELEMENTS_COST);
    this.#exchangeBody(this.#fuel);
    this.#exchangeBody(this.#budget);
    for (const { index } of this.#callbacks) this.#callbackBody(index);
  }

  #body(plan: FuelPlan, paysItself: boolean, start: number, end: number): void {
    const out = this.#out;
    const bytes = this.#module.bytes;
    const block = out.beginBlock();
    if (plan.hasLocals || plan.isStraight) out.copy(bytes, start, plan.codeAt);
    else for (const byte of ONE_LOCAL) out.byte(byte);
    if (paysItself) this.#pay(Math.max(plan.cost, 1));
    const sites = plan.sites;
    let at = plan.codeAt;
    for (let i = 0; i < sites.length; i += 3) {
      out.copy(bytes, at, sites[i]);
      at = sites[i];
      if (sites[i + 1] === SITE_LOOP) this.#pay(sites[i + 2]);
      else this.#bulk(sites[i + 1] === SITE_BYTES ? this.#payBytes : this.#payElements);
    }
    out.copy(bytes, at, end);
    out.endBlock(block);
  }

  /** Fuel -= cost; trap below 0. */
  #pay(cost: number): void {
    const out = this.#out;
    this.#global(GLOBAL_GET, this.#fuel);
    out.byte(I32_CONST);
    out.s32(cost);
    out.byte(I32_SUB);
    this.#global(GLOBAL_SET, this.#fuel);
    this.#ifEmpty();
    out.byte(UNREACHABLE);
    out.byte(END);
  }

  /** The length on top of the stack is paid for and stays there. */
  #bulk(pay: number): void {
    this.#out.byte(CALL);
    this.#out.u32(pay);
  }

  /**
   * Fuel -= what `cost` leaves on the stack, from the length in local 0; answers the length. These are large
   * numbers: an empty tank is left at -1, so that no guest that is called on and on can drain it to where it wraps.
   */
  #payBody(cost: readonly number[]): void {
    const out = this.#out;
    const block = out.beginBlock();
    out.byte(0);
    this.#global(GLOBAL_GET, this.#fuel);
    for (const byte of cost) out.byte(byte);
    out.byte(I32_SUB);
    this.#global(GLOBAL_SET, this.#fuel);
    this.#ifEmpty();
    out.byte(I32_CONST);
    out.s32(-1);
    this.#global(GLOBAL_SET, this.#fuel);
    out.byte(UNREACHABLE);
    out.byte(END);
    out.byte(LOCAL_GET);
    out.byte(0);
    out.byte(END);
    out.endBlock(block);
  }

  /** Sets a global and answers what it was. */
  #exchangeBody(global: number): void {
    const out = this.#out;
    const block = out.beginBlock();
    out.byte(0);
    this.#global(GLOBAL_GET, global);
    out.byte(LOCAL_GET);
    out.byte(0);
    this.#global(GLOBAL_SET, global);
    out.byte(END);
    out.endBlock(block);
  }

  /** Fuel = budget, and on to the guest's own function. */
  #callbackBody(index: number): void {
    const out = this.#out;
    const { functionTypes, types } = this.#module;
    const block = out.beginBlock();
    out.byte(0);
    this.#global(GLOBAL_GET, this.#budget);
    this.#global(GLOBAL_SET, this.#fuel);
    for (let i = 0; i < types.parameters(functionTypes[index]); i++) {
      out.byte(LOCAL_GET);
      out.u32(i);
    }
    out.byte(CALL);
    out.u32(index);
    out.byte(END);
    out.endBlock(block);
  }

  #ifEmpty(): void {
    const out = this.#out;
    this.#global(GLOBAL_GET, this.#fuel);
    out.byte(I32_CONST);
    out.byte(0);
    out.byte(I32_LT_S);
    out.byte(IF);
    out.byte(VOID);
  }

  #global(instruction: number, index: number): void {
    this.#out.byte(instruction);
    this.#out.u32(index);
  }
}
