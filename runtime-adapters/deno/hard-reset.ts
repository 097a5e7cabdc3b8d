/**
 * RST on Deno, whose own `close` always sends FIN first: a peer would take a broken answer for a complete one.
 * `connect(fd, AF_UNSPEC)` makes Linux send RST and forget the connection. Needs `--allow-ffi`; and Deno tells
 * the descriptor (under an internal symbol) of accepted connections only, which are those that matter: a request
 * that was cut off is never taken for complete, an answer that ends with the connection is.
 */
import { deno, type NativeConnection } from "./native.ts";

/** `struct sockaddr` with family AF_UNSPEC, which is 0. */
const NOBODY = new Uint8Array(16);

const connect = open();

function open(): ((fd: number, address: Uint8Array, length: number) => number) | null {
  for (const name of ["libc.so.6", "libc.so"]) {
    try {
      const symbols = { connect: { parameters: ["i32", "buffer", "u32"], result: "i32" } };
      return deno.dlopen(name, symbols).symbols.connect as ReturnType<typeof open>;
    } catch {
      // Not this name, not this system, or not allowed.
    }
  }
  return null;
}

/** The descriptor of an accepted connection, or -1 where Deno does not tell. */
export function descriptor(native: NativeConnection): number {
  for (const key of Object.getOwnPropertySymbols(native)) {
    if (key.description !== "Deno.internal.fd") continue;
    const value = (native as unknown as { [key: symbol]: unknown })[key];
    return typeof value === "number" ? value : -1;
  }
  return -1;
}

/** Sends RST if that can be done; the caller closes `native` next either way. */
export function hardReset(native: NativeConnection): void {
  const fd = connect === null ? -1 : descriptor(native);
  if (fd >= 0) connect?.(fd, NOBODY, NOBODY.length);
}
