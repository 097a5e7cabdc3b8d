/**
 * Memory that Deno does not give back by itself: garbage, free blocks of the C library, pages of its program. The
 * last two need `--allow-ffi` and glibc.
 */
import { openLibc } from "../libc.ts";
import { dropProgramPages, type Madvise } from "../program-pages.ts";
import { collectGarbage } from "../v8-garbage.ts";
import { deno } from "./native.ts";

/** See `Runtime.trim`. */
export function trimMemory(connections: number): void {
  collectGarbage(connections);
  const libc = openLibc((name) =>
    deno.dlopen(name, {
      madvise: { parameters: ["usize", "usize", "i32"], result: "i32" },
      malloc_trim: { parameters: ["usize"], result: "i32" },
    }),
  );
  if (libc === null) return;
  (libc.symbols.malloc_trim as (pad: number) => number)(0);
  dropProgramPages(libc.symbols.madvise as Madvise);
  libc.close();
}
