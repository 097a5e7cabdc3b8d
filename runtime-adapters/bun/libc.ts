/** The C library through bun:ffi. */
import { dlopen, type FFIFunction } from "bun:ffi";

/** Where it may be: glibc, musl (which is its own loader), macOS. */
function candidates(): readonly string[] {
  if (process.platform === "darwin") return ["libSystem.B.dylib"];
  if (process.platform !== "linux") return [];
  const machine = process.arch === "arm64" ? "aarch64" : "x86_64";
  return ["libc.so.6", `libc.musl-${machine}.so.1`, `/lib/ld-musl-${machine}.so.1`];
}

/** Its functions by name, or null where it cannot be had (no FFI, another system). */
export function openLibc<F extends Record<string, FFIFunction>>(functions: F) {
  for (const name of candidates()) {
    try {
      return dlopen(name, functions).symbols;
    } catch {
      // Not this one.
    }
  }
  return null;
}
