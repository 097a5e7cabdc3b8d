/** What goes into one TLS record: short pieces of a queue, put together. */
import type { ByteQueue } from "../core/bytes/byte-queue.ts";

/** Most plaintext of a record (RFC 8446 5.1). */
export const RECORD_BYTES = 16 * 1024;

const scratch: Uint8Array = new Uint8Array(new ArrayBuffer(RECORD_BYTES));
const record = { bytes: scratch, start: 0, end: 0 };

/**
 * The next bytes to be encrypted, at most until the next `gather`: a piece that is alone or fills a record is handed
 * out where it lies; otherwise as many bytes as go into a record, copied. Takes nothing off.
 */
export function gather(queue: ByteQueue): {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
} {
  const { first, last, chunks, starts, ends } = queue;
  if (last - first === 1 || ends[first] - starts[first] >= RECORD_BYTES) {
    record.bytes = chunks[first];
    record.start = starts[first];
    record.end = ends[first];
    return record;
  }
  let filled = 0;
  for (let i = first; i < last && filled < RECORD_BYTES; i++) {
    const start = starts[i];
    const end = Math.min(ends[i], start + RECORD_BYTES - filled);
    const chunk = chunks[i];
    scratch.set(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end), filled);
    filled += end - start;
  }
  record.bytes = scratch;
  record.start = 0;
  record.end = filled;
  return record;
}
