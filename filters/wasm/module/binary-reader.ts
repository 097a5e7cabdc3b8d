/**
 * Reads the primitives of the WebAssembly binary format (core spec 5.1-5.2). It does not know sections or
 * instructions.
 *
 * Laws: nothing throws and nothing is read outside of `[at, end)`. The first fault is kept and moves `at` to `end`,
 * so that every later read answers 0 and every loop over what is left ends. Whoever reads a count asks `count`,
 * which refuses more entries than there are bytes for, so a loop is never longer than the input. What is accepted
 * is never longer than what the specification accepts: an engine and this reader always agree where a number ends.
 */
import { latin1 } from "../../../core/bytes/ascii.ts";

export class BinaryReader {
  readonly bytes: Uint8Array;
  at: number;
  end: number;
  /** What is wrong, "" while nothing is. */
  fault = "";
  /** True if the fault is a feature that is left out on purpose, not a broken module. */
  unsupported = false;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** Keeps the first fault, with its place, and ends the input. */
  fail(what: string): void {
    if (this.fault === "") this.fault = `${what} (at byte ${this.at})`;
    this.at = this.end;
  }

  /** `fail` for what is valid WebAssembly but not taken here. */
  refuse(what: string): void {
    if (this.fault === "") this.unsupported = true;
    this.fail(what);
  }

  byte(): number {
    if (this.at >= this.end) {
      this.fail("unexpected end");
      return 0;
    }
    return this.bytes[this.at++];
  }

  skip(length: number): void {
    if (length > this.end - this.at) this.fail("unexpected end");
    else this.at += length;
  }

  /** Unsigned LEB128 of at most 32 bits. */
  u32(): number {
    const first = this.byte();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let shift = 7; shift < 35; shift += 7) {
      const byte = this.byte();
      if (shift === 28 && byte > 0x0f) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    this.fail("a number is longer than 32 bits");
    return 0;
  }

  /** Steps over a signed or unsigned LEB128 of at most so many bytes. */
  skipLeb(longest: number): void {
    for (let i = 0; i < longest; i++) if (this.byte() < 0x80) return;
    this.fail("a number is too long");
  }

  /** The length of a vector whose entries take at least `least` bytes each. */
  count(least: number): number {
    const count = this.u32();
    if (count * least <= this.end - this.at) return count;
    this.fail("more entries are announced than there are bytes");
    return 0;
  }

  /** A name as a byte string (UTF-8 stays encoded). */
  name(): string {
    const length = this.u32();
    const start = this.at;
    this.skip(length);
    if (this.fault !== "") return "";
    if (!isUtf8(this.bytes, start, start + length)) {
      this.fail("a name is not UTF-8");
      return "";
    }
    return latin1(this.bytes, start, start + length);
  }
}

/** Whether `[start, end)` is well-formed UTF-8 (Unicode 15, table 3-7). */
function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; ) {
    const lead = bytes[i++];
    if (lead < 0x80) continue;
    const more = lead < 0xc2 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : 0;
    if (more === 0 || more > end - i) return false;
    // Overlong forms, surrogates and what is above U+10FFFF show in the second byte.
    const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    if (bytes[i] < least || bytes[i] > most) return false;
    for (let j = 1; j < more; j++) if ((bytes[i + j] & 0xc0) !== 0x80) return false;
    i += more;
  }
  return true;
}
