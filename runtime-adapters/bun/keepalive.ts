/**
 * TCP keepalive on a descriptor, through bun:ffi: Bun's own `setKeepAlive` takes the time only and sets an
 * interval of 1 s and 10 probes. The library is opened when first needed, so it costs nobody else anything.
 */
import { FFIType, ptr } from "bun:ffi";
import type { Keepalive } from "../../core/io/socket.ts";
import { keepaliveOptions } from "../keepalive.ts";
import { openLibc } from "./libc.ts";

const SETSOCKOPT = {
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: FFIType.i32 },
} as const;

let opened: ReturnType<typeof open> | undefined;
const open = () => openLibc(SETSOCKOPT);

/** Sets it on descriptor `fd`; false where libc cannot be had or the kernel refuses. */
export function setKeepalive(fd: number, options: Keepalive): boolean {
  opened ??= open();
  const wanted = keepaliveOptions(options);
  if (opened === null || wanted.length === 0) return false;
  const value = new Int32Array(new ArrayBuffer(4));
  let done = true;
  for (const option of wanted) {
    value[0] = option.value;
    if (opened.setsockopt(fd, option.level, option.name, ptr(value), 4) !== 0) done = false;
  }
  return done;
}
