/** The C library through bun:ffi. */
import { dlopen, type FFIFunction } from "bun:ffi";
import { withLibc } from "../libc.ts";

/** Its functions by name, or null where it cannot be had (no FFI, another system). */
export function openLibc<F extends Record<string, FFIFunction>>(functions: F) {
  return withLibc((name) => dlopen(name, functions).symbols);
}
