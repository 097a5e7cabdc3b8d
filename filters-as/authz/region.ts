/**
 * Memory of one configuration: taken from the heap in large blocks, given out piece by piece, returned all at once
 * when the configuration goes. What lies in it is raw bytes and unmanaged records, so that a request touches no
 * garbage-collected object.
 *
 * Laws: a piece is zeroed, aligned to 8 bytes, and never moves.
 */

import { Slice } from "../sdk/slice";

const BLOCK: usize = 16384;
const HEAD: usize = 16;

@unmanaged
export class Region {
  private block: usize = 0;
  private at: usize = 0;
  private end: usize = 0;

  static create(): Region {
    const region = changetype<Region>(heap.alloc(offsetof<Region>()));
    region.block = 0;
    region.at = 0;
    region.end = 0;
    return region;
  }

  /** A zeroed piece of `size` bytes. */
  take(size: usize): usize {
    const whole = (size + 7) & ~7;
    if (this.at + whole > this.end) this.grow(whole);
    const piece = this.at;
    this.at = piece + whole;
    memory.fill(piece, 0, whole);
    return piece;
  }

  /** A copy of `length` bytes. */
  copy(data: usize, length: u32): usize {
    const piece = this.take(length);
    memory.copy(piece, data, length);
    return piece;
  }

  /** The bytes of a text in UTF-8; the length is `String.UTF8.byteLength(text)`. */
  text(text: string): usize {
    const piece = this.take(String.UTF8.byteLength(text));
    String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, piece);
    return piece;
  }

  /** The same with its length. */
  slice(text: string): Slice {
    const slice = changetype<Slice>(this.take(offsetof<Slice>()));
    slice.ptr = this.text(text);
    slice.length = String.UTF8.byteLength(text);
    return slice;
  }

  /** Gives all pieces back, and the region itself. */
  release(): void {
    let block = this.block;
    while (block !== 0) {
      const older = load<usize>(block);
      heap.free(block);
      block = older;
    }
    heap.free(changetype<usize>(this));
  }

  private grow(size: usize): void {
    const whole = size + HEAD > BLOCK ? size + HEAD : BLOCK;
    const block = heap.alloc(whole);
    store<usize>(block, this.block);
    this.block = block;
    this.at = block + HEAD;
    this.end = block + whole;
  }
}
