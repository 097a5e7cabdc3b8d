/**
 * Memory that Bun does not give back at once (garbage, whose freed blocks its allocators hand back within a second) or
 * not at all (pages of its program).
 */
import { FFIType } from "bun:ffi";
import { heapSize } from "bun:jsc";
import { Garbage } from "../garbage.ts";
import { dropProgramPages, type Madvise } from "../program-pages.ts";
import { openLibc } from "./libc.ts";

const MADVISE = {
  madvise: { args: [FFIType.u64_fast, FFIType.u64_fast, FFIType.i32], returns: FFIType.i32 },
} as const;

const garbage = new Garbage();
let opened: ReturnType<typeof open> | undefined;
const open = () => openLibc(MADVISE);

/** See `Runtime.trim`. */
export function trimMemory(connections: number): void {
  garbage.collect(connections, heapSize, () => Bun.gc(true));
  opened ??= open();
  if (opened !== null) dropProgramPages(opened.madvise as unknown as Madvise);
}
