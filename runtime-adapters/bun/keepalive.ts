/**
 * TCP keepalive on a descriptor, through bun:ffi: Bun's own `setKeepAlive` takes the time only and sets an
 * interval of 1 s and 10 probes. The library is opened when first needed, so it costs nobody else anything.
 */
import { dlopen, FFIType, ptr } from "bun:ffi";
import type { Keepalive } from "../../core/io/socket.ts";
import { applyOptions, keepaliveOptions } from "../keepalive.ts";
import { openLibc } from "../libc.ts";

const open = () =>
  openLibc((name) =>
    dlopen(name, { setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: FFIType.i32 } }),
  );
let opened: ReturnType<typeof open> | undefined;

/** Sets it on descriptor `fd`. "" or what the kernel refused; null where there is no way to ask it. */
export function setKeepalive(fd: number, options: Keepalive): string | null {
  opened ??= open();
  const wanted = keepaliveOptions(options);
  if (opened === null || wanted.length === 0) return null;
  const { setsockopt } = opened.symbols;
  const number = new Int32Array(new ArrayBuffer(4));
  return applyOptions(wanted, ({ level, name, value }) => {
    number[0] = value;
    return setsockopt(fd, level, name, ptr(number), 4);
  });
}
