/**
 * Blocks of the shared buffer: given out and taken back in constant time. Free blocks are kept in lists by size
 * (exact below 256 bytes, eight lists to a power of two above), a bitmap says which lists hold one, and neighbours
 * that are free become one block, so the memory of replaced values serves for values of any other size.
 *
 * A free block holds its size once more in its last word, where the block behind it finds it.
 * Law: sizes change by one store, after the block that comes into being has its own. The caller holds the lock.
 */
import {
  BITMAP_AT,
  DATA,
  FLAGS,
  FREE,
  HEAP_AT,
  HEAP_END_AT,
  KIND,
  LISTS,
  LISTS_AT,
  MARKED,
  PREVIOUS_FREE,
  USED_AT,
} from "./store-layout.ts";

/** A free block has room for its head, two links and its size at the end. */
const SMALLEST = 16;
/** Blocks of a mixed list that are looked at when no list of larger ones has any. */
const LOOKED_AT = 32;
const NEXT_FREE = 1;
const PREVIOUS_IN_LIST = 2;

/** The list that free blocks of `size` bytes are kept in. */
export function listOf(size: number): number {
  const units = size >>> 3;
  if (units < 32) return units;
  const log = 31 - Math.clz32(units);
  return 32 + ((log - 5) << 3) + ((units >>> (log - 3)) & 7);
}

/**
 * The size of the block for `size` bytes: from 256 on in steps of a sixteenth, so that what one large value leaves
 * behind fits others like it. Under random sizes up to 4000 bytes that spared three refusals of four, or all.
 */
function roundUp(size: number): number {
  if (size <= SMALLEST) return SMALLEST;
  if (size < 256) return (size + 7) & ~7;
  const step = 1 << (27 - Math.clz32(size));
  return (size + step - 1) & -step;
}

/** The blocks of one store. */
export class StoreHeap {
  private readonly words: Int32Array;

  constructor(words: Int32Array) {
    this.words = words;
  }

  /** Makes all of the heap one free block. */
  format(): void {
    const { words } = this;
    const [start, end] = [words[HEAP_AT], words[HEAP_END_AT]];
    // Behind the last block stands the head of one that is never free: no neighbour to look for at the end.
    words[end] = 8 | DATA;
    words[start] = (end - start) << 2;
    this.putFree(start, (end - start) << 2);
  }

  /** A block of kind DATA with room for `size` bytes, its first word included; 0 if there is none. */
  take(size: number): number {
    const { words } = this;
    const wanted = roundUp(size);
    const block = this.find(wanted);
    if (block === 0) return 0;
    const had = words[block] & ~FLAGS;
    this.dropFree(block, had);
    const rest = had - wanted;
    if (rest >= SMALLEST) {
      const behind = block + (wanted >> 2);
      words[behind] = rest;
      words[block] = wanted | DATA;
      this.putFree(behind, rest);
      words[USED_AT] += wanted;
    } else {
      words[block] = had | DATA;
      words[block + (had >> 2)] &= ~PREVIOUS_FREE;
      words[USED_AT] += had;
    }
    return block;
  }

  /** Gives a block back. */
  give(block: number): void {
    const { words } = this;
    let size = words[block] & ~FLAGS;
    words[USED_AT] -= size;
    words[block] = size | FREE | (words[block] & PREVIOUS_FREE);
    const behind = block + (size >> 2);
    if ((words[behind] & KIND) === FREE) {
      const more = words[behind] & ~FLAGS;
      this.dropFree(behind, more);
      size += more;
    }
    let first = block;
    if ((words[block] & PREVIOUS_FREE) !== 0) {
      const before = words[block - 1];
      first = block - (before >> 2);
      this.dropFree(first, before);
      size += before;
    }
    words[first] = size;
    this.putFree(first, size);
  }

  /** Cuts a block down to `size` bytes if that frees a good part of it. */
  shrink(block: number, size: number): void {
    const { words } = this;
    const head = words[block];
    const had = head & ~FLAGS;
    const wanted = roundUp(size);
    if (had - wanted < 64 || wanted > had >> 1) return;
    const behind = block + (wanted >> 2);
    words[behind] = (had - wanted) | DATA;
    words[block] = wanted | (head & FLAGS);
    this.give(behind);
  }

  /** Free blocks' count and the largest one's bytes, by a walk over all lists. For statistics. */
  freeBlocks(): { readonly count: number; readonly largest: number } {
    const { words } = this;
    let count = 0;
    let largest = 0;
    for (let list = 0; list < LISTS; list++) {
      for (let block = words[LISTS_AT + list]; block !== 0; block = words[block + NEXT_FREE]) {
        count++;
        largest = Math.max(largest, words[block] & ~FLAGS);
      }
    }
    return { count, largest };
  }

  /**
   * Makes the free lists anew from the blocks as they lie; DATA is given back, MARKED becomes DATA. For repairs.
   */
  rebuild(): void {
    const { words } = this;
    const end = words[HEAP_END_AT];
    for (let i = 0; i < 7; i++) words[BITMAP_AT + i] = 0;
    for (let list = 0; list < LISTS; list++) words[LISTS_AT + list] = 0;
    let used = 0;
    let free = 0;
    for (let block = words[HEAP_AT]; block < end; ) {
      const size = words[block] & ~FLAGS;
      const kind = words[block] & KIND;
      const next = block + (size >> 2);
      if (kind === FREE || kind === DATA) {
        if (free === 0) free = block;
      } else {
        words[block] = size | (kind === MARKED ? DATA : kind);
        if (free !== 0) this.putRun(free, block);
        free = 0;
        used += size;
      }
      block = next;
    }
    words[end] = 8 | DATA;
    if (free !== 0) this.putRun(free, end);
    words[USED_AT] = used;
  }

  private putRun(from: number, to: number): void {
    const size = (to - from) << 2;
    this.words[from] = size;
    this.putFree(from, size);
  }

  /** A free block of at least `size` bytes, 0 if there is none. */
  private find(size: number): number {
    const { words } = this;
    const units = size >>> 3;
    // In a mixed list not every block fits: the first list whose smallest one does is the next higher one.
    const log = 31 - Math.clz32(units);
    const list = units < 32 ? units : listOf(size + (((1 << (log - 3)) - 1) << 3));
    let word = list >> 5;
    let bits = words[BITMAP_AT + word] & (-1 << (list & 31));
    while (bits === 0) {
      if (++word > LISTS >> 5) return units < 32 ? 0 : this.lookThrough(size);
      bits = words[BITMAP_AT + word];
    }
    return words[LISTS_AT + (word << 5) + (31 - Math.clz32(bits & -bits))];
  }

  private lookThrough(size: number): number {
    const { words } = this;
    let block = words[LISTS_AT + listOf(size)];
    for (let i = 0; i < LOOKED_AT && block !== 0; i++) {
      if ((words[block] & ~FLAGS) >= size) return block;
      block = words[block + NEXT_FREE];
    }
    return 0;
  }

  private putFree(block: number, size: number): void {
    const { words } = this;
    const list = listOf(size);
    const first = words[LISTS_AT + list];
    words[block + NEXT_FREE] = first;
    words[block + PREVIOUS_IN_LIST] = 0;
    if (first !== 0) words[first + PREVIOUS_IN_LIST] = block;
    words[LISTS_AT + list] = block;
    words[BITMAP_AT + (list >> 5)] |= 1 << (list & 31);
    const behind = block + (size >> 2);
    words[behind - 1] = size;
    words[behind] |= PREVIOUS_FREE;
  }

  private dropFree(block: number, size: number): void {
    const { words } = this;
    const next = words[block + NEXT_FREE];
    const previous = words[block + PREVIOUS_IN_LIST];
    if (next !== 0) words[next + PREVIOUS_IN_LIST] = previous;
    if (previous !== 0) {
      words[previous + NEXT_FREE] = next;
      return;
    }
    const list = listOf(size);
    words[LISTS_AT + list] = next;
    if (next === 0) words[BITMAP_AT + (list >> 5)] &= ~(1 << (list & 31));
  }
}
