/**
 * Where one function has to pay for its time, and how much: one walk over its code. A unit of fuel stands for about
 * one instruction. The function pays at its entry for the longest way through it, every loop at each turn for the
 * longest way from its head to where it turns or leaves; what an inner loop costs is paid by the inner loop. Only
 * loops go backwards, so whatever is executed has been paid for.
 *
 * The longest way is found in the same walk: `cost` is that of the longest way to this instruction from the head of
 * the innermost loop (or the entry), -1 where no way leads. A label keeps the dearest of the branches that go to
 * it. While an inner loop is walked the cost of the outer one stands still, and that is what a branch out of
 * the inner loop costs there.
 *
 * What a call costs beside the frame is the callee's matter, except for small functions: see `call-prices.ts`.
 */
import type { BinaryReader } from "./binary-reader.ts";
import {
  ATOMIC_IMMEDIATES,
  BULK_IMMEDIATES,
  IMMEDIATES,
  NONE,
  skipBlockType,
  skipImmediates,
  UNKNOWN,
  VECTOR_IMMEDIATES,
} from "./instructions.ts";
import type { ModuleLayout } from "./module-layout.ts";
import { readValueType } from "./value-type.ts";

/** A call itself. */
const CALL_COST = 8;
/** A turn of a loop: to count it takes longer than many a loop's own work. */
const TURN_COST = 4;
/** The most that a function may cost, with all that it calls, and leave it to its callers to pay. */
export const DEAREST_SMALL = 128;
/** A call out of the guest: a fifth of a microsecond at least. */
const HOST_CALL_COST = 200;
const DIVISION_COST = 8;
const THROW_COST = 500;
const TABLE_GROW_COST = 500;
/** A system call, and in some engines a copy. */
const MEMORY_GROW_COST = 4096;
/** Keeps sums within 31 bits, whatever a function holds. */
const DEAREST = 1 << 26;
/** The engines' limits. */
const MOST_LOCALS = 50_000;
const LONGEST_BODY = 7_654_321;
/** Blocks in blocks: what a compiler makes of a switch of so many cases. */
const DEEPEST = 65_536;

/** A loop, at the place behind its type, with the cost of a turn; or a dear instruction, with its own. */
export const SITE_LOOP = 0;
/** An instruction that works on so many bytes, or table elements, as its last operand says: its own place. */
export const SITE_BYTES = 1;
export const SITE_ELEMENTS = 2;

const BLOCK = 0;
const LOOP = 1;
const IF = 2;
const TRY = 3;

export class FuelPlan {
  /** Triples of place, kind of site and cost, by place. */
  readonly sites: number[] = [];
  /** The longest way through, without what is in loops. */
  cost = 0;
  /** False if it can run for long: by a loop, or by calls of whatever is in a table or outside. */
  isStraight = true;
  /** The functions of this module that it calls, one for each call in the code. */
  readonly callees: number[] = [];
  /** Where the code begins, behind the locals. */
  codeAt = 0;

  readonly #module: ModuleLayout;
  readonly #r: BinaryReader;
  /** By depth: what opened the block, the dearest branch to its end (-1: none), the cost at its beginning. */
  readonly #kinds: number[] = [];
  readonly #labels: number[] = [];
  readonly #starts: number[] = [];
  /** By depth: the loop (an index of the lists below) around the block, and whether a catch clause leads to its end. */
  readonly #around: number[] = [];
  readonly #caught: boolean[] = [];
  #depth = 0;
  /** By nesting of loops, the function itself first: the cost here, the dearest so far, the place in `sites`. */
  readonly #costs: number[] = [];
  readonly #dearest: number[] = [];
  readonly #siteOf: number[] = [];
  #loop = 0;
  #locals = 0;
  readonly #typeCount: number;
  readonly #functionCount: number;
  readonly #globalCount: number;
  readonly #prices: Uint32Array | null;

  /** `prices`: what a call of each function costs for the function itself; null while that is not known. */
  constructor(module: ModuleLayout, prices: Uint32Array | null) {
    this.#module = module;
    this.#prices = prices;
    this.#typeCount = module.types.count;
    this.#functionCount = module.functions;
    this.#globalCount = module.globals;
    this.#r = module.reader;
  }

  /** Walks the body `[start, end)` of function `index`. The module's reader says whether it succeeded. */
  read(index: number, start: number, end: number) {
    const r = this.#r;
    r.at = start;
    r.end = end;
    if (end - start > LONGEST_BODY) return r.refuse("a function that is too long");
    this.sites.length = 0;
    this.callees.length = 0;
    this.isStraight = true;
    this.#readLocals(this.#module.functionTypes[index]);
    this.codeAt = r.at;
    this.#depth = 0;
    this.#loop = 0;
    this.#costs[0] = 0;
    this.#dearest[0] = 0;
    this.#open(BLOCK);
    while (this.#depth > 0 && r.fault === "") this.#step();
    if (r.fault === "" && r.at !== end) return r.fail("code behind the end of a function");
    this.cost = this.#dearest[0];
  }

  #readLocals(type: number): void {
    const r = this.#r;
    this.#locals = this.#module.types.parameters(type);
    const groups = r.count(2);
    for (let i = 0; i < groups && r.fault === ""; i++) {
      this.#locals += r.u32();
      readValueType(r);
      if (this.#locals > MOST_LOCALS) r.refuse("a function of too many locals");
    }
  }

  /** False for a function that has neither parameters nor locals. */
  get hasLocals(): boolean {
    return this.#locals > 0;
  }

  #step() {
    const r = this.#r;
    const at = r.at;
    const opcode = r.byte();
    const what = IMMEDIATES[opcode];
    if (opcode >= 0x45 && what === NONE) {
      // Numbers, most of all code.
      const divides = (opcode >= 0x6d && opcode <= 0x70) || (opcode >= 0x7f && opcode <= 0x82);
      return this.#pay(divides ? DIVISION_COST : 1);
    }
    switch (opcode) {
      case 0x02: // block
        skipBlockType(r, this.#typeCount);
        return this.#open(BLOCK);
      case 0x03: // loop
        skipBlockType(r, this.#typeCount);
        return this.#openLoop();
      case 0x04: // if
        skipBlockType(r, this.#typeCount);
        this.#pay(1);
        return this.#open(IF);
      case 0x05: // else
        return this.#else();
      case 0x06: // try
        skipBlockType(r, this.#typeCount);
        return this.#open(TRY);
      case 0x07: // catch
      case 0x19: // catch_all
        skipImmediates(r, what, 0);
        return this.#catch();
      case 0x18: // delegate
        r.u32();
        if (this.#kinds[this.#depth - 1] !== TRY) return r.fail("delegate without try");
        return this.#close();
      case 0x0b: // end
        return this.#close();
      case 0x0c: // br
        this.#pay(1);
        this.#branch(r.u32());
        return this.#leave(0);
      case 0x0d: // br_if
      case 0xd5: // br_on_null
      case 0xd6: // br_on_non_null
        this.#pay(1);
        return this.#branch(r.u32());
      case 0x0e: // br_table
        return this.#branchTable();
      case 0x00: // unreachable
      case 0x0f: // return
        return this.#leave(1);
      case 0x08: // throw
      case 0x09: // rethrow
      case 0x0a: // throw_ref
        skipImmediates(r, what, 0);
        return this.#leave(THROW_COST);
      case 0x10: // call
        return this.#call();
      case 0x12: // return_call
        this.#call();
        return this.#leave(1);
      case 0x11: // call_indirect
      case 0x14: // call_ref
        skipImmediates(r, what, 0);
        this.isStraight = false;
        return this.#pay(CALL_COST + DEAREST_SMALL);
      case 0x13: // return_call_indirect
      case 0x15: // return_call_ref
        skipImmediates(r, what, 0);
        this.isStraight = false;
        return this.#leave(CALL_COST + DEAREST_SMALL);
      case 0x1f: // try_table
        return this.#tryTable();
      case 0x20: // local.get
      case 0x21: // local.set
      case 0x22: // local.tee
        if (r.u32() >= this.#locals) r.fail("no such local");
        return this.#pay(1);
      case 0x23: // global.get
      case 0x24: // global.set
        if (r.u32() >= this.#globalCount) r.fail("no such global");
        return this.#pay(1);
      case 0x40: // memory.grow
        r.u32();
        // Where it stands, not with the path that it stands on: an allocator seldom gets there.
        this.sites.push(at, SITE_LOOP, MEMORY_GROW_COST);
        return this.#pay(1);
      case 0xd2: // ref.func
        if (r.u32() >= this.#functionCount) r.fail("no such function");
        return this.#pay(1);
      case 0xfc:
        return this.#bulk(at);
      case 0xfd:
      case 0xfe:
        return this.#prefixed(opcode === 0xfd ? VECTOR_IMMEDIATES : ATOMIC_IMMEDIATES, opcode);
    }
    if (what === UNKNOWN) return this.#unknown(opcode, -1);
    skipImmediates(r, what, this.#typeCount);
    this.#pay(1);
  }

  #pay(cost: number): void {
    const sum = this.#costs[this.#loop];
    if (sum >= 0) this.#costs[this.#loop] = Math.min(sum + cost, DEAREST);
  }

  /** No way leads from here to the next instruction. */
  #leave(cost: number): void {
    this.#pay(cost);
    this.#note();
    this.#costs[this.#loop] = -1;
  }

  /** Keeps the dearest way, before `cost` falls. */
  #note(): void {
    const cost = this.#costs[this.#loop];
    if (cost > this.#dearest[this.#loop]) this.#dearest[this.#loop] = cost;
  }

  #open(kind: number) {
    if (this.#depth > DEEPEST) return this.#r.refuse("blocks that are nested too deep");
    const depth = this.#depth++;
    this.#kinds[depth] = kind;
    this.#labels[depth] = -1;
    this.#starts[depth] = this.#costs[this.#loop];
    this.#around[depth] = this.#loop;
    this.#caught[depth] = false;
  }

  #openLoop(): void {
    this.#open(LOOP);
    this.isStraight = false;
    this.#note();
    const loop = ++this.#loop;
    this.#costs[loop] = TURN_COST;
    this.#dearest[loop] = TURN_COST;
    this.#siteOf[loop] = this.sites.length;
    this.sites.push(this.#r.at, SITE_LOOP, 0);
  }

  #else() {
    const depth = this.#depth - 1;
    if (this.#kinds[depth] !== IF) return this.#r.fail("else without if");
    this.#note();
    this.#labels[depth] = Math.max(this.#labels[depth], this.#costs[this.#loop]);
    this.#costs[this.#loop] = this.#starts[depth];
    this.#kinds[depth] = BLOCK;
  }

  #catch() {
    const depth = this.#depth - 1;
    if (this.#kinds[depth] !== TRY) return this.#r.fail("catch without try");
    this.#note();
    this.#labels[depth] = Math.max(this.#labels[depth], this.#costs[this.#loop]);
    // Anything inside may have thrown.
    this.#costs[this.#loop] = this.#dearest[this.#loop];
  }

  #close(): void {
    const depth = --this.#depth;
    this.#note();
    if (this.#kinds[depth] === LOOP) {
      const loop = this.#loop--;
      this.sites[this.#siteOf[loop] + 2] = this.#dearest[loop];
      if (this.#costs[loop] < 0) this.#costs[this.#loop] = -1;
      return;
    }
    let cost = Math.max(this.#costs[this.#loop], this.#labels[depth]);
    if (this.#kinds[depth] === IF) cost = Math.max(cost, this.#starts[depth]);
    if (this.#caught[depth]) cost = Math.max(cost, this.#dearest[this.#loop]);
    this.#costs[this.#loop] = cost;
    this.#note();
  }

  #branch(label: number) {
    if (label >= this.#depth) return this.#r.fail("no such label");
    const depth = this.#depth - 1 - label;
    if (this.#kinds[depth] === LOOP) return this.#note();
    const cost = this.#costs[this.#around[depth]];
    if (cost > this.#labels[depth]) this.#labels[depth] = cost;
  }

  #branchTable(): void {
    const r = this.#r;
    this.#pay(2);
    const count = r.count(1);
    for (let i = 0; i <= count && r.fault === ""; i++) this.#branch(r.u32());
    this.#leave(0);
  }

  #tryTable(): void {
    const r = this.#r;
    skipBlockType(r, this.#typeCount);
    const count = r.count(2);
    for (let i = 0; i < count && r.fault === ""; i++) {
      const kind = r.byte();
      if (kind > 3) r.refuse("an unknown kind of catch");
      if (kind < 2) r.u32();
      const label = r.u32();
      if (label >= this.#depth) r.fail("no such label");
      else this.#caught[this.#depth - 1 - label] = true;
    }
    this.#open(BLOCK);
  }

  #call(): void {
    const index = this.#r.u32();
    if (index >= this.#functionCount) this.#r.fail("no such function");
    if (index < this.#module.importedFunctions) {
      this.isStraight = false;
      this.#pay(HOST_CALL_COST);
    } else {
      this.callees.push(index);
      this.#pay(CALL_COST + (this.#prices?.[index] ?? 0));
    }
  }

  #bulk(at: number) {
    const r = this.#r;
    const opcode = r.u32();
    const what = opcode < BULK_IMMEDIATES.length ? BULK_IMMEDIATES[opcode] : UNKNOWN;
    if (what === UNKNOWN) return this.#unknown(0xfc, opcode);
    skipImmediates(r, what, 0);
    switch (opcode) {
      case 8: // memory.init
      case 10: // memory.copy
      case 11: // memory.fill
        this.sites.push(at, SITE_BYTES, 0);
        return this.#pay(CALL_COST);
      case 12: // table.init
      case 14: // table.copy
      case 15: // table.grow
      case 17: // table.fill
        this.sites.push(at, SITE_ELEMENTS, 0);
        return this.#pay(opcode === 15 ? TABLE_GROW_COST : CALL_COST);
    }
    this.#pay(1);
  }

  #prefixed(immediates: Uint8Array, prefix: number) {
    const opcode = this.#r.u32();
    const what = opcode < immediates.length ? immediates[opcode] : UNKNOWN;
    if (what === UNKNOWN) return this.#unknown(prefix, opcode);
    skipImmediates(this.#r, what, 0);
    this.#pay(1);
  }

  #unknown(opcode: number, second: number): void {
    const hex = opcode.toString(16).padStart(2, "0");
    this.#r.refuse(`the unknown instruction 0x${hex}${second < 0 ? "" : ` ${second}`}`);
  }
}
