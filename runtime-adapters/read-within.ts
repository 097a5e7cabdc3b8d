/**
 * Bodies that others send, of a length that only they know: as many bytes as somebody said, and not one more. Knows
 * neither requests nor responses, only what both are read as.
 */

/**
 * All bytes of `body`, as one block that is the caller's; null if there are more than `limit`, and the rest is not
 * read then. Rejects if the body does.
 */
export async function readWithin(
  body: AsyncIterable<Uint8Array> | null,
  limit: number,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body ?? []) {
    size += piece.length;
    if (size > limit) return null;
    pieces.push(piece);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
