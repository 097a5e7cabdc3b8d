/**
 * `writev` through bun:ffi: several pieces, which lie where they lie, in one system call. Bun's own sockets can
 * only write one piece at a time, and the second write of a head and its body costs 4–5 µs.
 *
 * Laws: the pieces stay in the queue, hence alive, during the call, and JavaScriptCore does not move buffers. A
 * result is a number of bytes and nothing else: who gets fewer than he asked for lets Bun's own `write` find out
 * why (a full buffer, a broken connection), and be told when the kernel takes more. SIGPIPE is ignored by Bun.
 */
import { dlopen, FFIType, ptr } from "bun:ffi";
import type { ByteQueue } from "../../core/bytes/byte-queue.ts";
import { openLibc } from "../libc.ts";

/** Pieces per call; more wait for the next. POSIX guarantees 16, Linux and macOS take 1024. */
const MOST_PIECES = 64;
const WORDS_PER_PIECE = 4;
const TWO_32 = 2 ** 32;

/** Writes pieces of `queue` to descriptor `fd`; returns how many bytes the kernel took, or -1. Takes nothing off. */
export type VectoredWrite = (fd: number, queue: ByteQueue) => number;

/** The writer of this thread, or null where libc cannot be had (no FFI, another libc): write piece by piece then. */
export function openVectoredWrite(): VectoredWrite | null {
  const libc = openLibc((name) =>
    dlopen(name, { writev: { args: ["i32", "ptr", "i32"], returns: FFIType.i64_fast } }),
  );
  if (libc === null) return null;
  const call = libc.symbols.writev as unknown as (fd: number, vector: number, count: number) => number;
  // struct iovec { void *base; size_t length; } on a 64-bit little-endian machine, as pairs of 32-bit words:
  // a 64-bit view would make a BigInt per field.
  // A view made without a buffer may move its bytes when it is given one (seen: the kernel went on reading the
  // old place and sent somebody else's answer), so this one has its buffer from the start.
  const vector = new Uint32Array(new ArrayBuffer(MOST_PIECES * WORDS_PER_PIECE * 4));
  return (fd, queue) => {
    const { first, chunks, starts, ends } = queue;
    const count = Math.min(queue.last - first, MOST_PIECES);
    for (let i = 0, word = 0; i < count; i++, word += WORDS_PER_PIECE) {
      const start = starts[first + i];
      const base = ptr(chunks[first + i], start);
      vector[word] = base; // stores the low 32 bits
      vector[word + 1] = base / TWO_32;
      vector[word + 2] = ends[first + i] - start; // a chunk is below 4 GiB
    }
    return call(fd, ptr(vector), count);
  };
}
