/**
 * Memory that Node does not give back by itself: garbage, free blocks of the C library, pages of its program. The
 * last two need glibc and FFI, which Node has from version 26 on and calls experimental: if it is not as it was when
 * this was written, they are left alone.
 */
import { openLibc } from "../libc.ts";
import { dropProgramPages } from "../program-pages.ts";
import { collectGarbage } from "../v8-garbage.ts";

/** See `Runtime.trim`. */
export function trimMemory(connections: number): void {
  collectGarbage(connections);
  opened ??= open();
  if (opened === null) return;
  const { malloc_trim, madvise } = opened;
  malloc_trim(0n);
  dropProgramPages((address, length, advice) => madvise(BigInt(address), BigInt(length), advice));
}

let opened: ReturnType<typeof open> | undefined;

function open() {
  const ffi = loadQuietly();
  if (ffi === undefined) return null;
  return openLibc((name) => {
    const { functions } = ffi.dlopen(name, {
      madvise: { arguments: ["uint64", "uint64", "int32"], return: "int32" },
      malloc_trim: { arguments: ["uint64"], return: "int32" },
    });
    functions.malloc_trim(0n); // throws if these signatures mean something else
    functions.madvise(0n, 0n, 0);
    return functions;
  });
}

/** The module, without its ExperimentalWarning: an operator can do nothing about it. Other warnings are heard. */
function loadQuietly() {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule("node:ffi") as typeof import("node:ffi") | undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
}
