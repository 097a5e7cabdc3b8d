/** Copying bytes between arrays without an object per copy, as long as they are few. */

/** From here on a native copy with a view made for it is cheaper than a loop. */
const FEW = 256;

/** Copies `length` bytes of `source` from `from` on to `target` at `at`. Both ranges must lie inside. */
export function copyBytes(
  target: Uint8Array,
  at: number,
  source: Uint8Array,
  from: number,
  length: number,
): void {
  if (length > FEW) {
    target.set(source.subarray(from, from + length), at);
    return;
  }
  for (let i = 0; i < length; i++) target[at + i] = source[from + i];
}
