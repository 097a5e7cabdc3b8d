/**
 * Memory that Node does not give back by itself: garbage, free blocks of the C library, pages of its program. The
 * last two need FFI, which Node has from version 26 on, and glibc.
 */
import { openLibc } from "../libc.ts";
import { dropProgramPages } from "../program-pages.ts";
import { collectGarbage } from "../v8-garbage.ts";

/** See `Runtime.trim`. */
export function trimMemory(connections: number): void {
  collectGarbage(connections);
  const ffi = process.getBuiltinModule("node:ffi") as typeof import("node:ffi") | undefined;
  if (ffi === undefined) return;
  const libc = openLibc((name) =>
    ffi.dlopen(name, {
      madvise: { arguments: ["uint64", "uint64", "int32"], return: "int32" },
      malloc_trim: { arguments: ["uint64"], return: "int32" },
    }),
  );
  if (libc === null) return;
  const { madvise, malloc_trim } = libc.functions;
  malloc_trim(0n);
  dropProgramPages((address, length, advice) => madvise(BigInt(address), BigInt(length), advice));
  libc.lib.close();
}
