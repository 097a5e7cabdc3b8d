/**
 * The memory of a guest as host functions use it: ranges that the guest names are checked, and what the host gives is
 * put into memory that the guest's own allocator made room for. A guest that grows its memory takes our views away;
 * they are renewed when that is noticed.
 *
 * Laws: no range leaves this object unchecked. Numbers of a guest are unsigned here. A view is good until the
 * allocator has been called. The allocator is called for exactly as many bytes as are given, never for none
 * (proxy-wasm.md 1.1).
 */
import { latin1 } from "../../core/bytes/ascii.ts";

/** Of each place that a guest names, in bytes: about what it costs to find it. */
const PLACE_WORK = 64;

const NOTHING = new Uint8Array(0);

/**
 * The text that was given last, as words: a request's path goes to one filter after another, and to walk through a
 * string costs several times as much as to copy words.
 */
const WORTH_KEEPING = 16;
const KEPT_LENGTH = 512;
const keptWords = new Int32Array(KEPT_LENGTH >> 2);
let kept = "";

function keep(text: string): void {
  if (text === kept) return;
  kept = text;
  for (let i = 0; i + 4 <= text.length; i += 4) {
    keptWords[i >> 2] =
      text.charCodeAt(i) |
      (text.charCodeAt(i + 1) << 8) |
      (text.charCodeAt(i + 2) << 16) |
      (text.charCodeAt(i + 3) << 24);
  }
}

export class GuestMemory {
  /** All of it, good from `has`, `view` or `give` until the guest runs again. */
  bytes: Uint8Array = NOTHING;
  words: DataView = new DataView(NOTHING.buffer);
  private memory: WebAssembly.Memory | null = null;
  private allocate: ((size: number) => number) | null = null;
  /** The guest has not started, or its allocator runs: nearly all host functions are closed to it. */
  closed = true;
  /** What host functions have handled in the call under way: bytes, and some for each place that was named. */
  work = 0;
  /** How much of that is too much, and who is told then. */
  private workLimit = Number.POSITIVE_INFINITY;
  private onTired: () => void = () => undefined;

  /** The instance is there. */
  attach(memory: WebAssembly.Memory, allocate: (size: number) => number): void {
    this.memory = memory;
    this.allocate = allocate;
  }

  /** Has `onTired` called when the host has worked more than `limit` for one call of the guest. */
  limitWork(limit: number, onTired: () => void): void {
    this.workLimit = limit;
    this.onTired = onTired;
  }

  /** The guest's memory as it is now; empty before there is one. */
  view(): Uint8Array {
    return this.bytes.length === 0 ? this.renewed() : this.bytes;
  }

  private renewed(): Uint8Array {
    const { memory } = this;
    if (memory !== null) {
      this.bytes = new Uint8Array(memory.buffer);
      this.words = new DataView(memory.buffer);
    }
    return this.bytes;
  }

  /** Size in bytes. */
  get size(): number {
    return this.view().length;
  }

  /** The host works for the guest: as much as for so many bytes. */
  spend(bytes: number): void {
    this.work += bytes;
    if (this.work > this.workLimit) this.onTired();
  }

  /** True if `length` bytes at `at` (both unsigned) are there. */
  has(at: number, length: number): boolean {
    this.spend(PLACE_WORK + length);
    return at + length <= this.view().length;
  }

  /** The bytes as a byte string; the range was checked. */
  text(at: number, length: number): string {
    return latin1(this.view(), at, at + length);
  }

  /** A copy of the bytes; the range was checked. */
  copy(at: number, length: number): Uint8Array {
    return this.view().slice(at, at + length);
  }

  /** Writes a 32-bit number, aligned or not; the range was checked. */
  putU32(at: number, value: number): void {
    this.view();
    this.words.setUint32(at, value, true);
  }

  /** Writes a whole number as 64 bits, a negative one in two's complement; the range was checked. */
  put64(at: number, value: number): void {
    const high = Math.floor(value / 4294967296);
    this.putU32(at, value - high * 4294967296);
    this.putU32(at + 4, high);
  }

  getU32(at: number): number {
    this.view();
    return this.words.getUint32(at, true);
  }

  /**
   * Gives a byte string to the guest: where it is goes to `pointerAt`, its length to `sizeAt`. False if the guest
   * named places that it does not have, or made no room.
   */
  giveText(text: string, pointerAt: number, sizeAt: number): boolean {
    const at = this.give(text.length, pointerAt, sizeAt);
    if (at < 0) return false;
    const { bytes, words } = this;
    const { length } = text;
    let i = 0;
    if (length >= WORTH_KEEPING && length <= KEPT_LENGTH) {
      keep(text);
      for (; i + 4 <= length; i += 4) words.setInt32(at + i, keptWords[i >> 2], true);
    }
    for (; i < length; i++) bytes[at + i] = text.charCodeAt(i);
    return true;
  }

  /**
   * Has the guest make room and tells it where that is; the caller fills it in `bytes`. -1 if that cannot be done. A
   * trap of the allocator is the guest's.
   */
  give(size: number, pointerAt: number, sizeAt: number): number {
    const before = this.view().length - 4;
    if (pointerAt > before || sizeAt > before) return -1;
    let at = 0;
    if (size > 0) {
      this.work += size;
      this.closed = true;
      at = (this.allocate as (size: number) => number)(size) >>> 0;
      this.closed = false;
    }
    const { length } = this.view();
    if (size > 0 && (at === 0 || at + size > length)) return -1;
    const { words } = this;
    words.setUint32(pointerAt, at, true);
    words.setUint32(sizeAt, size, true);
    return at;
  }
}
