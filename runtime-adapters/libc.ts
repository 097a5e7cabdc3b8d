/** Where the C library may be, for runtimes that can call into it. */

/** File names to try in turn: glibc, musl (which is its own loader), macOS. */
function candidates(): readonly string[] {
  if (process.platform === "darwin") return ["libSystem.B.dylib"];
  if (process.platform !== "linux") return [];
  const machine = process.arch === "arm64" ? "aarch64" : "x86_64";
  return ["libc.so.6", `libc.musl-${machine}.so.1`, `/lib/ld-musl-${machine}.so.1`];
}

/** What `open` makes of the first name that it does not throw for, or null: no FFI, no right, another C library. */
export function withLibc<T>(open: (library: string) => T): T | null {
  for (const name of candidates()) {
    try {
      return open(name);
    } catch {
      // Not this one.
    }
  }
  return null;
}
