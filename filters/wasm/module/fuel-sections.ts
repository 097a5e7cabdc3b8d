/**
 * Writes the sections of a module that is to be stopped when its time is used up. Fuel is one mutable i32 global,
 * taken from at function entries, loops and bulk instructions (see `fuel-plan.ts` for where and how much); below 0
 * the guest traps with `unreachable`. The host sets it before it calls in, by an exported function, because
 * `WebAssembly.Global.value =` costs several times as much as a call.
 *
 * Counting in a local and settling with the global now and then was tried: it is not faster on V8, and in
 * JavaScriptCore tight loops take two to three times as long as with the global at every turn.
 *
 * Laws: the global, the functions and their type come last in their index spaces, so that no index
 * of the guest changes; and the reader has seen that the guest names none of them.
 */
import type { BinaryWriter } from "./binary-writer.ts";
import { callPrices } from "./call-prices.ts";
import { FuelPlan, SITE_BYTES, SITE_LOOP } from "./fuel-plan.ts";
import type { ModuleLayout, Section } from "./module-layout.ts";
import { SECTION } from "./module-layout.ts";

/** Exported function `(i32) -> i32`: sets the fuel and answers what was left of it, below 0 if it ran out. */
export const REFUEL_EXPORT = "tulle_refuel";

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

const ADDED_FUNCTIONS = 3;
/** Eight bytes for a unit of fuel: what memory.fill and memory.copy do in a nanosecond. */
const BYTES_SHIFT = 3;
/** Up to 17 ns an element were seen. 16 * min(length, 2^26), because a length that wraps would bring fuel in. */
// biome-ignore format: one line of code
const ELEMENTS_COST = [
  LOCAL_GET, 0, I32_CONST, 0x80, 0x80, 0x80, 0x20, LOCAL_GET, 0, I32_CONST, 0x80, 0x80, 0x80, 0x20, I32_LT_U, SELECT,
  I32_CONST, 4, I32_SHL,
];

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
  readonly #global: number;
  /** `(i32 length) -> length`, pay for work on so many bytes or table elements. */
  readonly #payBytes: number;
  readonly #payElements: number;
  readonly #refuel: number;

  /**
   * `initialFuel`: what the module's start function and everything before the first refuelling may
   * use. `longest`: bytes that the whole result may have, give or take one function.
   */
  constructor(module: ModuleLayout, out: BinaryWriter, initialFuel: number, longest: number) {
    this.#module = module;
    this.#longest = longest;
    this.#out = out;
    this.#initialFuel = initialFuel;
    this.#global = module.globals;
    this.#payBytes = module.functions;
    this.#payElements = module.functions + 1;
    this.#refuel = module.functions + 2;
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
        this.#copyVector(original, ADDED_FUNCTIONS);
        for (let i = 0; i < ADDED_FUNCTIONS; i++) out.u32(this.#module.types.count);
        break;
      case SECTION.global:
        this.#copyVector(original, 1);
        out.byte(I32);
        out.byte(1);
        out.byte(I32_CONST);
        out.s32(this.#initialFuel);
        out.byte(END);
        break;
      case SECTION.export:
        this.#copyVector(original, 1);
        out.name(REFUEL_EXPORT);
        out.byte(EXPORT_FUNCTION);
        out.u32(this.#refuel);
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

  #code() {
    const { bodies, importedFunctions, reader } = this.#module;
    const prices = callPrices(this.#module);
    if (prices === null) return;
    const plan = new FuelPlan(this.#module, prices);
    this.#out.u32(bodies.length / 2 + ADDED_FUNCTIONS);
    for (let i = 0; i < bodies.length / 2; i++) {
      const index = importedFunctions + i;
      plan.read(index, bodies[2 * i], bodies[2 * i + 1]);
      this.#body(plan, prices[index] === 0, bodies[2 * i], bodies[2 * i + 1]);
      if (this.#out.length > this.#longest) return reader.refuse("too long with what counts its fuel");
    }
    this.#payBody([LOCAL_GET, 0, I32_CONST, BYTES_SHIFT, I32_SHR_U]);
    this.#payBody(ELEMENTS_COST);
    this.#refuelBody();
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
    this.#fuel(GLOBAL_GET);
    out.byte(I32_CONST);
    out.s32(cost);
    out.byte(I32_SUB);
    this.#fuel(GLOBAL_SET);
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
    this.#fuel(GLOBAL_GET);
    for (const byte of cost) out.byte(byte);
    out.byte(I32_SUB);
    this.#fuel(GLOBAL_SET);
    this.#ifEmpty();
    out.byte(I32_CONST);
    out.s32(-1);
    this.#fuel(GLOBAL_SET);
    out.byte(UNREACHABLE);
    out.byte(END);
    out.byte(LOCAL_GET);
    out.byte(0);
    out.byte(END);
    out.endBlock(block);
  }

  #refuelBody(): void {
    const out = this.#out;
    const block = out.beginBlock();
    out.byte(0);
    this.#fuel(GLOBAL_GET);
    out.byte(LOCAL_GET);
    out.byte(0);
    this.#fuel(GLOBAL_SET);
    out.byte(END);
    out.endBlock(block);
  }

  #ifEmpty(): void {
    const out = this.#out;
    this.#fuel(GLOBAL_GET);
    out.byte(I32_CONST);
    out.byte(0);
    out.byte(I32_LT_S);
    out.byte(IF);
    out.byte(VOID);
  }

  #fuel(instruction: number): void {
    this.#out.byte(instruction);
    this.#out.u32(this.#global);
  }
}
