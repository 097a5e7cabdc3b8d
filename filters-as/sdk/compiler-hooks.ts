/**
 * What compiled code calls by itself, as asconfig.json tells the compiler (`--use`):
 *
 * - `abort` goes to `abortWithLog`: Envoy has no such import, so a failed assertion, an exception or an index out of
 *   range becomes one critical log line with message, file and line, and a trap. It must work when nothing else does
 *   any more: no heap, no strings, one static buffer.
 * - `__new`, which makes objects, goes to `countedNew`. The runtime is `minimal`: it collects garbage only when told
 *   to, which is safe only while no callback is under way, and then needs no shadow stack and no barriers. The count
 *   says when it is worth while.
 */
import { __new as makeObject } from "rt/tcms";
import { LogLevel } from "./abi";
import { proxy_log } from "./env";

/** What an object costs beside its own size. */
const OVERHEAD: usize = 32;

let bytesMade: usize = 0;

/** Called by compiled code only. */
// @ts-ignore: decorator
@global
export function countedNew(size: usize, id: i32): usize {
  bytesMade += size + OVERHEAD;
  return makeObject(size, id);
}

/** Bytes of objects made since the last collection: no more than that is garbage. */
export function bytesSinceCollection(): usize {
  return bytesMade;
}

/** Frees all objects that nobody holds. Only when no callback has objects on its stack: at its very end. */
export function collectGarbage(): void {
  bytesMade = 0;
  __collect();
}

const LIMIT: i32 = 480;
const buffer: usize = memory.data(512);

/** Called by compiled code only. `message` and `file` are strings, or null. */
// @ts-ignore: decorator
@global
export function abortWithLog(message: usize, file: usize, line: u32, column: u32): void {
  let at = write(0, message === 0 ? changetype<usize>("abort") : message);
  at = write(at, changetype<usize>(" at "));
  at = write(at, file === 0 ? changetype<usize>("?") : file);
  at = writeByte(at, 0x3a);
  at = writeNumber(at, line);
  at = writeByte(at, 0x3a);
  at = writeNumber(at, column);
  proxy_log(LogLevel.Critical, buffer, at);
  unreachable();
}

/** Appends a string as ASCII; other characters become "?". */
function write(at: i32, text: usize): i32 {
  const length = changetype<string>(text).length;
  let to = at;
  for (let i = 0; i < length; i++) {
    const unit = load<u16>(text + (i << 1));
    to = writeByte(to, unit < 0x80 ? <u8>unit : 0x3f);
  }
  return to;
}

function writeNumber(at: i32, value: u32): i32 {
  const to = value >= 10 ? writeNumber(at, value / 10) : at;
  return writeByte(to, <u8>(0x30 + (value % 10)));
}

function writeByte(at: i32, byte: u8): i32 {
  if (at >= LIMIT) return at;
  store<u8>(buffer + at, byte);
  return at + 1;
}
