/** Shared data and queues, as host functions need them; keys and values are bytes of guests. */

/** Where a value found by `find` is, until the next call. */
export interface SharedData {
  /** Length of the value of `key[start, end)`, or -1 if there is none; `cas` and `copyValue` are about it then. */
  find(namespace: string, bytes: Uint8Array, start: number, end: number): number;
  readonly cas: number;
  copyValue(into: Uint8Array, at: number): void;
  /** An ABI status: Ok, CasMismatch, or InternalFailure if there is no room. `cas` 0 = whatever is there. */
  set(
    namespace: string,
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    cas: number,
  ): number;
}
