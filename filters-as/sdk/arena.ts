/**
 * The arena: memory that lives until the next callback begins. All bytes that the host gives us are put here, and
 * whatever a filter makes for the moment (views, texts, paths). Taking is one addition, giving back is one store
 * for everything together; hence a filter that keeps to slices makes no garbage and its memory stays flat.
 *
 * Laws: every exported callback calls `beginCallback` first. Nothing in the arena may be kept beyond the callback
 * (`Slice.keep` copies into the heap). Requests that do not fit into the block get a block of their own from the
 * heap, which goes back when the next callback begins.
 */

/** Enough for the headers of an ordinary request, read one by one and all together. */
const CAPACITY: usize = 32 * 1024;
/** No single request may be larger: 512 MiB. */
const LARGEST: usize = 1 << 29;
const ALIGNMENT: usize = 8;

const base: usize = heap.alloc(CAPACITY);
const end: usize = base + CAPACITY;
let top: usize = base;
/** The last extra block; each begins with the address of the one before it. */
let extra: usize = 0;

/** Forgets everything in the arena. The first thing that an exported callback does. */
export function beginCallback(): void {
  top = base;
  if (extra !== 0) freeExtra();
}

/** `size` bytes until the next callback begins, aligned to 8, not cleared; 0 if `size` is beyond reason. */
export function allocate(size: usize): usize {
  const at = top;
  // No sum that could wrap: `size` is the host's.
  if (size > end - at) return allocateExtra(size);
  // The block's size is a multiple of the alignment, so rounding up stays inside.
  top = at + ((size + (ALIGNMENT - 1)) & ~(ALIGNMENT - 1));
  return at;
}

/**
 * Lengthens the range that was taken last from `size` to `wanted` bytes, in place if that is possible, and
 * otherwise by a copy; returns where it is now.
 */
export function extend(at: usize, size: usize, wanted: usize): usize {
  const last = at + ((size + (ALIGNMENT - 1)) & ~(ALIGNMENT - 1)) === top;
  if (last && at >= base && at < end && wanted <= end - at) {
    top = at + ((wanted + (ALIGNMENT - 1)) & ~(ALIGNMENT - 1));
    return at;
  }
  const moved = allocate(wanted);
  memory.copy(moved, at, size);
  return moved;
}

function allocateExtra(size: usize): usize {
  if (size > LARGEST) return 0;
  const block = heap.alloc(size + ALIGNMENT);
  store<usize>(block, extra);
  extra = block;
  return block + ALIGNMENT;
}

function freeExtra(): void {
  let block = extra;
  while (block !== 0) {
    const before = load<usize>(block);
    heap.free(block);
    block = before;
  }
  extra = 0;
}
