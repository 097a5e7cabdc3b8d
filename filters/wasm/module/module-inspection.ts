/**
 * What a module is, and whether this host can run it as a Proxy-Wasm filter: its ABI version, imports, exports and
 * memory. Plain data, so that it can be sent to workers and shown to operators.
 */
import { ABI_VERSIONS, type AbiVersion } from "../abi.ts";
import { CALLBACK_SIGNATURES, IMPORT_SIGNATURES } from "./abi-signatures.ts";
import { BUDGET_EXPORT, REFUEL_EXPORT } from "./fuel-sections.ts";
import { type ModuleFault, type ModuleFaultCode, printable } from "./module-fault.ts";
import { type ExternalKind, type ModuleLayout, SECTION } from "./module-layout.ts";

/** Something that crosses the module's border. Names are byte strings. */
export interface ModuleExport {
  readonly name: string;
  readonly kind: ExternalKind;
  /** Of a function: `i32 i32 -> i32`; else "". */
  readonly signature: string;
}

export interface ModuleImport extends ModuleExport {
  readonly module: string;
}

export interface ModuleInspection {
  readonly abiVersion: AbiVersion;
  readonly imports: readonly ModuleImport[];
  readonly exports: readonly ModuleExport[];
  /** Pages of 64 KiB as the module declares them; `maxPages` is -1 if it names no maximum. */
  readonly memory: { readonly minPages: number; readonly maxPages: number };
  /** True if code runs while the module is instantiated, before any export can be called. */
  readonly hasStart: boolean;
  /** The exported function that gives the guest bytes. */
  readonly allocator: "proxy_on_memory_allocate" | "malloc";
  readonly customSections: readonly string[];
}

export interface InspectOptions {
  /** `module.name` of every function that the host provides. */
  readonly providedImports: { has(name: string): boolean };
  /** Pages that the memory may have at most. */
  readonly maxPages: number;
  /** Elements that all tables together may have. */
  readonly maxTableElements: number;
}

const PAGE_KIB = 64;
const NAMES_IN_A_MESSAGE = 100;
const MARKER = "proxy_abi_version_";

/** Looks a module over; adds every reason to refuse it to `faults`, and answers null if there is one. */
export function inspectModule(
  module: ModuleLayout,
  options: InspectOptions,
  faults: ModuleFault[],
): ModuleInspection | null {
  const before = faults.length;
  const complain = (code: ModuleFaultCode, message: string) => void faults.push({ code, message });
  const signature = (type: number) => (type < 0 ? "" : module.types.signature(type));

  const imports = module.imports.map(
    ({ module: from, name, kind, type }): ModuleImport => ({
      module: from,
      name,
      kind,
      signature: signature(type),
    }),
  );
  const exports = module.exports.map(
    ({ name, kind, index }): ModuleExport => ({
      name,
      kind,
      signature: kind === "function" ? signature(module.functionTypes[index]) : "",
    }),
  );

  const abiVersion = findAbiVersion(exports);
  if (abiVersion === null) complain("abi-version", "Missing or unknown Proxy-Wasm ABI version");
  judgeImports(imports, options, complain);
  judgeCallbacks(exports, complain);
  judgeMemory(module, options, complain);
  if (
    module.memories.length > 0 &&
    !exports.some(({ name, kind }) => name === "memory" && kind === "memory")
  ) {
    complain("memory", 'does not export its memory as "memory"');
  }

  const allocator = (["proxy_on_memory_allocate", "malloc"] as const).find((name) =>
    exports.some((each) => each.name === name && each.kind === "function"),
  );
  if (allocator === undefined) {
    complain("allocator", "exports no allocator (proxy_on_memory_allocate or malloc)");
  }
  for (const own of [REFUEL_EXPORT, BUDGET_EXPORT]) {
    if (exports.some(({ name }) => name === own)) {
      complain("reserved-export", `exports "${own}", a name that belongs to the host`);
    }
  }
  if (faults.length > before || abiVersion === null || allocator === undefined) return null;
  return {
    abiVersion,
    imports,
    exports,
    memory: { minPages: module.memories[0].min, maxPages: module.memories[0].max },
    hasStart: module.hasStart,
    allocator,
    customSections: module.sections.filter(({ id }) => id === SECTION.custom).map(({ name }) => name),
  };
}

function findAbiVersion(exports: readonly ModuleExport[]): AbiVersion | null {
  for (const { name, kind } of exports) {
    if (kind !== "function" || !name.startsWith(MARKER)) continue;
    const version = ABI_VERSIONS.find((each) => name === MARKER + each.replaceAll(".", "_"));
    if (version !== undefined) return version;
  }
  return null;
}

function listed(names: readonly string[]): string {
  const shown = [...new Set(names)].slice(0, NAMES_IN_A_MESSAGE);
  const more = new Set(names).size - shown.length;
  return shown.map(printable).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function judgeImports(
  imports: readonly ModuleImport[],
  options: InspectOptions,
  complain: (code: ModuleFaultCode, message: string) => void,
): void {
  const missing: string[] = [];
  const others: string[] = [];
  const mistyped: string[] = [];
  for (const { module, name, kind, signature } of imports) {
    const full = `${module}.${name}`;
    const known = IMPORT_SIGNATURES.get(full);
    if (kind !== "function") others.push(`${full} (a ${kind})`);
    else if (!options.providedImports.has(full)) missing.push(full);
    else if (known !== undefined && known !== signature)
      mistyped.push(`${full} is (${known}), not (${signature})`);
  }
  if (missing.length > 0)
    complain("missing-import", `imports what the host does not have: ${listed(missing)}`);
  if (others.length > 0) complain("import-kind", `imports what is not a function: ${listed(others)}`);
  if (mistyped.length > 0)
    complain("import-signature", `imports with another type: ${listedTypes(mistyped)}`);
}

function listedTypes(texts: readonly string[]): string {
  const shown = texts.slice(0, NAMES_IN_A_MESSAGE).map((text) => text.slice(0, 300));
  return shown.join("; ") + (texts.length > shown.length ? `; and ${texts.length - shown.length} more` : "");
}

function judgeCallbacks(
  exports: readonly ModuleExport[],
  complain: (code: ModuleFaultCode, message: string) => void,
): void {
  const wrong: string[] = [];
  for (const { name, kind, signature } of exports) {
    const allowed = CALLBACK_SIGNATURES.get(name);
    if (allowed === undefined) continue;
    if (kind !== "function") wrong.push(`${name} is a ${kind}`);
    else if (!allowed.includes(signature)) wrong.push(`${name} is (${allowed[0]}), not (${signature})`);
  }
  if (wrong.length > 0) complain("callback-signature", `exports with another type: ${listedTypes(wrong)}`);
}

function judgeMemory(
  module: ModuleLayout,
  options: InspectOptions,
  complain: (code: ModuleFaultCode, message: string) => void,
): void {
  if (module.memories.length === 0) {
    // An imported one is a fault of its own.
    if (module.imports.every(({ kind }) => kind !== "memory")) complain("memory", "has no memory");
    return;
  }
  const { min, shared } = module.memories[0];
  if (shared) complain("memory", "its memory is shared between threads");
  if (min > options.maxPages) {
    complain(
      "limit",
      `needs ${min * PAGE_KIB} KiB of memory at its start, ${options.maxPages * PAGE_KIB} KiB are allowed`,
    );
  }
  const elements = module.tables.reduce((sum, table) => sum + table.min, 0);
  if (elements > options.maxTableElements) {
    complain(
      "limit",
      `needs ${elements} table elements at its start, ${options.maxTableElements} are allowed`,
    );
  }
  if (module.tables.some((table) => table.shared)) complain("unsupported", "a table shared between threads");
}
