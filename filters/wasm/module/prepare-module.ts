/**
 * All that is done to a module before it is compiled: reading, judging, a limit on its memory and tables, and fuel.
 * One call from bytes to bytes; nothing is compiled or run here.
 *
 * Laws: no input throws. What comes back means the same as what went in, except that it can be stopped and that
 * `memory.grow` and `table.grow` answer -1 earlier. Time and memory are linear in the input.
 */
import { MAX_MODULE_BYTES } from "../vm-limits.ts";
import { BinaryWriter } from "./binary-writer.ts";
import { FuelSections } from "./fuel-sections.ts";
import { writeLimitedMemory, writeLimitedTables } from "./limited-sections.ts";
import type { ModuleFault } from "./module-fault.ts";
import { type InspectOptions, inspectModule, type ModuleInspection } from "./module-inspection.ts";
import { ModuleLayout, SECTION, SECTION_ORDER, type Section } from "./module-layout.ts";

export const DEFAULT_MAX_TABLE_ELEMENTS = 1 << 17;
/** The most that 32-bit addresses reach. */
const MOST_PAGES = 65_536;
/** About a second of a guest's time. */
export const DEFAULT_INITIAL_FUEL = 1_000_000_000;

export interface PrepareOptions {
  /** `module.name` of every function that the host provides. */
  readonly providedImports: { has(name: string): boolean };
  /** Pages of 64 KiB that the guest's memory may have. */
  readonly maxPages: number;
  /** Elements that all of the guest's tables together may have at their start, and each of them later. */
  readonly maxTableElements?: number;
  /** False for a module that is trusted to come to an end. */
  readonly fuel: boolean;
  /** Fuel before the host first sets it: for the start section. */
  readonly initialFuel?: number;
  readonly maxBytes?: number;
}

/** A module as it is to be compiled. */
export interface PreparedModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly inspection: ModuleInspection;
  /** True if it exports `REFUEL_EXPORT`. */
  readonly fuel: boolean;
}

/** Every reason why a module is refused; at least one. */
export interface RefusedModule {
  readonly faults: readonly ModuleFault[];
}

/** Judges and rewrites a module. `bytes` are read only. */
export function prepareModule(bytes: Uint8Array, options: PrepareOptions): PreparedModule | RefusedModule {
  const maxBytes = options.maxBytes ?? MAX_MODULE_BYTES;
  const preamble = judgePreamble(bytes, maxBytes);
  if (preamble !== null) return { faults: [preamble] };
  const module = new ModuleLayout(bytes);
  if (module.reader.fault !== "") return { faults: [readerFault(module)] };

  const faults: ModuleFault[] = [];
  const limits: InspectOptions = {
    providedImports: options.providedImports,
    maxPages: Math.min(options.maxPages, MOST_PAGES),
    maxTableElements: options.maxTableElements ?? DEFAULT_MAX_TABLE_ELEMENTS,
  };
  const inspection = inspectModule(module, limits, faults);
  if (inspection === null) return { faults };

  const out = new BinaryWriter(bytes.length + (options.fuel ? bytes.length >> 1 : 0) + 1024);
  const fuel = options.fuel
    ? new FuelSections(module, out, options.initialFuel ?? DEFAULT_INITIAL_FUEL, maxBytes * 2)
    : null;
  writeModule(module, out, limits, fuel);
  if (module.reader.fault !== "") return { faults: [readerFault(module)] };
  return { bytes: out.finish(), inspection, fuel: options.fuel };
}

function judgePreamble(bytes: Uint8Array, maxBytes: number): ModuleFault | null {
  if (bytes.length > maxBytes) {
    return { code: "too-large", message: `${bytes.length} bytes long, ${maxBytes} are allowed` };
  }
  const starts = (text: string) => [...text].every((c, i) => bytes[i] === c.charCodeAt(0));
  if (!starts("\0asm")) {
    const message = bytes.length === 0 ? "empty" : "not WebAssembly: it does not begin with \\0asm";
    return { code: "not-wasm", message };
  }
  if (starts("\0asm\x01\0\0\0")) return null;
  if (bytes.length < 8) return { code: "not-wasm", message: "not WebAssembly: cut off in its version" };
  // The second half of the version tells a component ("layer 1") from a module.
  if (bytes[6] === 1) return { code: "component", message: "a WebAssembly component, not a core module" };
  return { code: "not-wasm", message: "WebAssembly of an unknown version" };
}

function readerFault(module: ModuleLayout): ModuleFault {
  const { fault, unsupported } = module.reader;
  return unsupported
    ? { code: "unsupported", message: `not supported: ${fault}` }
    : { code: "malformed", message: `not valid WebAssembly: ${fault}` };
}

/** Copies section by section, with those that change written anew. */
function writeModule(
  module: ModuleLayout,
  out: BinaryWriter,
  limits: InspectOptions,
  fuel: FuelSections | null,
): void {
  out.copy(module.bytes, 0, 8);
  const added = fuel === null ? [] : fuel.ids.filter((id) => module.section(id) === null);
  const addBefore = (order: number) => {
    while (added.length > 0 && SECTION_ORDER[added[0]] < order) fuel?.write(added.shift() ?? 0, null);
  };
  for (const section of module.sections) {
    if (section.id !== SECTION.custom) addBefore(SECTION_ORDER[section.id]);
    if (fuel?.ids.includes(section.id)) fuel.write(section.id, section);
    else if (section.id === SECTION.memory) writeLimitedMemory(module, out, limits.maxPages);
    else if (section.id === SECTION.table) writeLimitedTables(module, out, section, limits.maxTableElements);
    else if (fuel === null || keptWithFuel(section)) out.copy(module.bytes, section.start, section.end);
  }
  addBefore(SECTION_ORDER.length);
}

/** Names are by index and stay true; whatever else is known of custom sections speaks of places in the code. */
function keptWithFuel(section: Section): boolean {
  return section.id !== SECTION.custom || section.name === "name";
}
