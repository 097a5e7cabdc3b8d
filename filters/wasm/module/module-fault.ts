/** Why a WebAssembly module is not taken, as data: one code per cause and a clause that an operator can act on. */

/** Stable names of causes, for tests, metrics and callers that treat one of them apart. */
export type ModuleFaultCode =
  /** Longer than the limit. */
  | "too-large"
  /** No WebAssembly at all, or a version of it that nobody knows. */
  | "not-wasm"
  /** A component (WASI 0.2 and later) instead of a core module. */
  | "component"
  /** WebAssembly by its first bytes, but cut off or broken inside. */
  | "malformed"
  /** Valid somewhere, but uses a feature that this host does not take. */
  | "unsupported"
  /** No Proxy-Wasm ABI marker among the exports, or one of an unknown version. */
  | "abi-version"
  /** Imports functions that the host does not provide. */
  | "missing-import"
  /** Imports a memory, table, global or tag. */
  | "import-kind"
  /** Imports a known function with another type. */
  | "import-signature"
  /** Exports a known callback with another type. */
  | "callback-signature"
  /** No memory, or one that cannot be shared out safely. */
  | "memory"
  /** Memory or tables begin above the limit. */
  | "limit"
  /** No way to give the guest bytes. */
  | "allocator"
  /** Exports a name that belongs to the host. */
  | "reserved-export";

/** One reason to refuse a module. */
export interface ModuleFault {
  readonly code: ModuleFaultCode;
  /** What is wrong, as a clause without a full stop; a byte string. */
  readonly message: string;
}

const LONGEST_NAME = 100;

/** A name from a module as it may stand in a message: printable ASCII only, and not endless. */
export function printable(name: string): string {
  const cut = name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}...` : name;
  return cut.replace(/[^\x20-\x7e]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
