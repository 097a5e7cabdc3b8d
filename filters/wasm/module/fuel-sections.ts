/**
 * Writes the sections of a module that is to be stopped when its time is used up. Fuel is one mutable i32 global,
 * taken from at function entries, loops and bulk instructions (see `fuel-plan.ts` for where and how much); below 0
 * the guest traps with `unreachable`. The host sets it before it calls in, by an exported function, because
 * `WebAssembly.Global.value =` costs several times a call and an exported global is slower for the guest, too.
 *
 * A loop counts its turns in a local and settles with the global every `LOOP_CREDIT` units only: a load and a store
 * per turn would double the cost of a tight loop. The entry of a function with loops has paid that credit.
 *
 * Laws: the global, the two functions, their types and the local come last in their index spaces, so that no index
 * of the guest changes; and the reader has seen that the guest names none of them.
 */
import type { BinaryWriter } from "./binary-writer.ts";
import { FuelPlan, SITE_LOOP } from "./fuel-plan.ts";
import type { ModuleLayout, Section } from "./module-layout.ts";
import { SECTION } from "./module-layout.ts";

/** Exported function `(i32) -> i32`: sets the fuel and answers what was left of it, below 0 if it ran out. */
export const REFUEL_EXPORT = "tulle_refuel";

const LOOP_CREDIT = 256;

const I32 = 0x7f;
const VOID = 0x40;
const FUNCTION_TYPE = 0x60;
const EXPORT_FUNCTION = 0;

const UNREACHABLE = 0x00;
const IF = 0x04;
const END = 0x0b;
const CALL = 0x10;
const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const LOCAL_TEE = 0x22;
const GLOBAL_GET = 0x23;
const GLOBAL_SET = 0x24;
const I32_CONST = 0x41;
const I32_LT_S = 0x48;
const I32_GT_S = 0x4a;
const I32_ADD = 0x6a;
const I32_SUB = 0x6b;
const I32_SHR_U = 0x76;

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
  /** `(i32 length, i32 shift) -> length`, pays for a bulk instruction. */
  readonly #spend: number;
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
    this.#spend = module.functions;
    this.#refuel = module.functions + 1;
  }

  /** Writes the section `id`. `original`: null if the module has none. */
  write(id: number, original: Section | null): void {
    const out = this.#out;
    const types = this.#module.types.count;
    out.byte(id);
    const block = out.beginBlock();
    switch (id) {
      case SECTION.type:
        this.#copyVector(original, 2);
        for (const parameters of [2, 1]) {
          out.byte(FUNCTION_TYPE);
          out.byte(parameters);
          for (let i = 0; i < parameters; i++) out.byte(I32);
          out.byte(1);
          out.byte(I32);
        }
        break;
      case SECTION.function:
        this.#copyVector(original, 2);
        out.u32(types);
        out.u32(types + 1);
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
    const plan = new FuelPlan(this.#module);
    this.#out.u32(bodies.length / 2 + 2);
    for (let i = 0; i < bodies.length / 2; i++) {
      plan.read(importedFunctions + i, bodies[2 * i], bodies[2 * i + 1]);
      if (reader.fault !== "") {
        reader.fault = `function ${importedFunctions + i}: ${reader.fault}`;
        return;
      }
      this.#body(plan, bodies[2 * i], bodies[2 * i + 1]);
      if (this.#out.length > this.#longest) return reader.refuse("too long with what counts its fuel");
    }
    this.#spendBody();
    this.#refuelBody();
  }

  #body(plan: FuelPlan, start: number, end: number): void {
    const out = this.#out;
    const bytes = this.#module.bytes;
    const block = out.beginBlock();
    if (plan.loops === 0) {
      out.copy(bytes, start, plan.codeAt);
    } else {
      out.u32(plan.localGroups + 1);
      out.copy(bytes, plan.groupsAt, plan.codeAt);
      out.byte(1);
      out.byte(I32);
    }
    if (plan.entry > 0) this.#entry(plan.entry + (plan.loops > 0 ? LOOP_CREDIT : 0));
    const sites = plan.sites;
    let at = plan.codeAt;
    for (let i = 0; i < sites.length; i += 3) {
      out.copy(bytes, at, sites[i]);
      at = sites[i];
      if (sites[i + 1] === SITE_LOOP) this.#turn(plan.locals, sites[i + 2]);
      else this.#bulk(sites[i + 2]);
    }
    out.copy(bytes, at, end);
    out.endBlock(block);
  }

  /** Fuel -= cost; trap below 0. */
  #entry(cost: number): void {
    const out = this.#out;
    this.#fuel(GLOBAL_GET);
    out.byte(I32_CONST);
    out.s32(cost);
    out.byte(I32_SUB);
    this.#fuel(GLOBAL_SET);
    this.#trapIfEmpty();
  }

  /** Count += cost; if (count > credit) { fuel -= count; count = 0; trap below 0 }. */
  #turn(count: number, cost: number): void {
    const out = this.#out;
    out.byte(LOCAL_GET);
    out.u32(count);
    out.byte(I32_CONST);
    out.s32(cost);
    out.byte(I32_ADD);
    out.byte(LOCAL_TEE);
    out.u32(count);
    out.byte(I32_CONST);
    out.s32(LOOP_CREDIT);
    out.byte(I32_GT_S);
    out.byte(IF);
    out.byte(VOID);
    this.#fuel(GLOBAL_GET);
    out.byte(LOCAL_GET);
    out.u32(count);
    out.byte(I32_SUB);
    this.#fuel(GLOBAL_SET);
    out.byte(I32_CONST);
    out.byte(0);
    out.byte(LOCAL_SET);
    out.u32(count);
    this.#trapIfEmpty();
    out.byte(END);
  }

  /** The length on top of the stack is paid for and stays there. */
  #bulk(shift: number): void {
    this.#out.byte(I32_CONST);
    this.#out.s32(shift);
    this.#out.byte(CALL);
    this.#out.u32(this.#spend);
  }

  #spendBody(): void {
    const out = this.#out;
    const block = out.beginBlock();
    out.byte(0);
    this.#fuel(GLOBAL_GET);
    out.byte(LOCAL_GET);
    out.byte(0);
    out.byte(LOCAL_GET);
    out.byte(1);
    out.byte(I32_SHR_U);
    out.byte(I32_SUB);
    this.#fuel(GLOBAL_SET);
    this.#trapIfEmpty();
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

  #trapIfEmpty(): void {
    const out = this.#out;
    this.#fuel(GLOBAL_GET);
    out.byte(I32_CONST);
    out.byte(0);
    out.byte(I32_LT_S);
    out.byte(IF);
    out.byte(VOID);
    out.byte(UNREACHABLE);
    out.byte(END);
  }

  #fuel(instruction: number): void {
    this.#out.byte(instruction);
    this.#out.u32(this.#global);
  }
}
