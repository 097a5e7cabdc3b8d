/**
 * Where AssemblyScript's `abort` goes (`--use abort=abortWithLog`): Envoy has no such import, so a failed assertion,
 * an exception or an index out of range becomes one critical log line with message, file and line, and a trap.
 *
 * It must work when nothing else does any more: no heap, no strings, one static buffer.
 */
import { LogLevel } from "./abi";
import { proxy_log } from "./env";

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
