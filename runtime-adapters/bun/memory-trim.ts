/**
 * Memory that Bun does not give back at once (garbage, whose freed blocks its allocators hand back within a second) or
 * not at all (pages of its program).
 */
import { dlopen, FFIType } from "bun:ffi";
import { heapSize } from "bun:jsc";
import { Garbage } from "../garbage.ts";
import { openLibc } from "../libc.ts";
import { dropProgramPages, type Madvise } from "../program-pages.ts";

const garbage = new Garbage();

/** See `Runtime.trim`. */
export function trimMemory(connections: number): void {
  garbage.collect(connections, heapSize, () => Bun.gc(true));
  const libc = openLibc((name) =>
    dlopen(name, {
      madvise: { args: [FFIType.u64_fast, FFIType.u64_fast, FFIType.i32], returns: FFIType.i32 },
    }),
  );
  if (libc === null) return;
  dropProgramPages(libc.symbols.madvise as unknown as Madvise);
  libc.close();
}
