/**
 * Memory that Deno does not give back by itself: garbage, free blocks of the C library, pages of its program. The
 * last two need glibc and `--allow-all`: with fewer rights Deno lets nobody read about himself in /proc.
 */
import { withLibc } from "../libc.ts";
import { dropProgramPages, type Madvise } from "../program-pages.ts";
import { collectGarbage } from "../v8-garbage.ts";
import { deno } from "./native.ts";

/** See `Runtime.trim`. */
export function trimMemory(connections: number): void {
  collectGarbage(connections);
  opened ??= open();
  if (opened === null) return;
  opened.malloc_trim(0);
  dropProgramPages(opened.madvise);
}

interface Calls {
  readonly madvise: Madvise;
  malloc_trim(pad: number): number;
}

let opened: Calls | null | undefined;

function open(): Calls | null {
  return withLibc(
    (name) =>
      deno.dlopen(name, {
        madvise: { parameters: ["usize", "usize", "i32"], result: "i32" },
        malloc_trim: { parameters: ["usize"], result: "i32" },
      }).symbols as unknown as Calls,
  );
}
