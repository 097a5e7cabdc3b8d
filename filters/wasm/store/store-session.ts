/**
 * One thread's hold on a shared store: the views, the lock, what was read last, and the keeping whole of it all.
 * SharedStore and SharedQueues are operations between its `enter` and `leave`.
 */
import { copyBytes } from "./byte-copy.ts";
import { checkStore } from "./store-check.ts";
import { StoreHeap } from "./store-heap.ts";
import {
  CHANGING_AT,
  DIRECTORY_AT,
  DIRECTORY_LENGTH_AT,
  HEAP_AT,
  HEAP_END_AT,
  INCARNATION_AT,
  MAGIC,
  MAGIC_AT,
  MAX_VALUE,
  SEED_AT,
  type StoreMemory,
  THREAD_TABLE_AT,
  THREADS_AT,
} from "./store-layout.ts";
import { FAILED, StoreLock, TAKEN_OVER } from "./store-lock.ts";
import { StoreNamespaces } from "./store-namespaces.ts";
import { StoreQueues } from "./store-queues.ts";
import { repairStore } from "./store-repair.ts";
import { StoreTable } from "./store-table.ts";

/** Answers of the store, numbered as the ABI's statuses. */
export const OK = 0;
export const NOT_FOUND = 1;
export const EMPTY = 7;
export const CAS_MISMATCH = 8;
/** A limit was met, or the lock could not be had in time: `refusal` says which. */
export const REFUSED = 10;

/** Why the last operation was refused. */
export type Refusal = "" | "full" | "too long" | "queue full" | "stuck" | "detached" | "released";

const MIN_BYTES = 256 << 10;
const MAX_BYTES = 1 << 30;
const MAX_THREADS = 2048;
/** A copy of so many words is cheaper than a view. */
const FEW_WORDS = 128;

/** The buffer of a new, empty store for so many threads. Throws if the numbers make no sense. */
export function formatStore(
  size: number,
  threads: number,
  seed: readonly [number, number],
): SharedArrayBuffer {
  if (!(size >= MIN_BYTES && size <= MAX_BYTES)) throw new RangeError(`a shared store of ${size} bytes`);
  if (!(threads >= 1 && threads <= MAX_THREADS))
    throw new RangeError(`a shared store for ${threads} threads`);
  // Not growable: V8's views of growable buffers are twenty times slower, and pages that nobody touched cost nothing.
  const buffer = new SharedArrayBuffer(size & ~7);
  const words = new Int32Array(buffer);
  words[THREADS_AT] = threads;
  words[SEED_AT] = seed[0];
  words[SEED_AT + 1] = seed[1];
  words[DIRECTORY_AT] = THREAD_TABLE_AT + threads;
  // One bucket per entry of the least size, in segments of 1024.
  words[DIRECTORY_LENGTH_AT] = (size >> 15) + 1;
  words[HEAP_AT] = (words[DIRECTORY_AT] + words[DIRECTORY_LENGTH_AT] + 1) & ~1;
  words[HEAP_END_AT] = words.length - 2;
  const memory = { words, bytes: new Uint8Array(buffer) };
  const heap = new StoreHeap(words);
  heap.format();
  new StoreTable(memory, heap, () => {}).format();
  Atomics.store(words, MAGIC_AT, MAGIC);
  return buffer;
}

/** An attached thread; throws if the store is stuck, see SharedStore. */
export class StoreSession {
  readonly words: Int32Array;
  readonly heap: StoreHeap;
  readonly table: StoreTable;
  readonly queues: StoreQueues;
  readonly namespaces: StoreNamespaces;
  readonly thread: number;
  /** Longest value and message, bytes. */
  readonly valueLimit: number;
  /** Of what was read last, bytes. */
  length = 0;
  refusal: Refusal = "";

  private readonly memory: StoreMemory;
  private readonly bytes: Uint8Array;
  private readonly head: Int32Array;
  private readonly lock: StoreLock;
  private readonly incarnation: number;
  /** What was read, out of reach of other threads. */
  private readonly out: Uint8Array;
  private readonly outWords: Int32Array;

  /** @param memory views of `buffer`; tests put views here that fail in the middle of an operation. */
  constructor(buffer: SharedArrayBuffer, memory: StoreMemory, thread: number) {
    const { words } = memory;
    if (words[MAGIC_AT] !== MAGIC || !(thread >= 0 && thread < words[THREADS_AT])) {
      throw new RangeError(`no place for thread ${thread} in the shared store`);
    }
    this.words = words;
    this.bytes = memory.bytes;
    this.memory = memory;
    this.thread = thread;
    this.heap = new StoreHeap(words);
    this.table = new StoreTable(memory, this.heap, (entry) => this.queues.empty(entry));
    this.queues = new StoreQueues(memory, this.heap, this.table);
    this.namespaces = new StoreNamespaces(words, this.table);
    this.valueLimit = Math.min(MAX_VALUE, (buffer.byteLength >> 4) & ~3);
    const out = new ArrayBuffer(this.valueLimit);
    this.out = new Uint8Array(out);
    this.outWords = new Int32Array(out);
    this.head = new Int32Array(buffer, 0, THREAD_TABLE_AT + words[THREADS_AT]);
    // Odd, of 20 bits: a number comes back after half a million attachments.
    this.incarnation = (Atomics.add(this.head, INCARNATION_AT, 2) & 0xffffe) | 1;
    this.lock = new StoreLock(this.head, this.incarnation);
    if (!this.replace(thread, this.incarnation)) {
      throw new Error("the shared store is stuck: a thread that ended holds its lock");
    }
  }

  /** Takes the lock; false if it cannot be had, or if this thread was said to have ended. */
  enter(): boolean {
    const { head } = this;
    const at = THREAD_TABLE_AT + this.thread;
    // Asked before, so that a thread that runs on after its end is in nobody's way; and after, because it counts.
    if (head[at] === this.incarnation) {
      if (!this.lock.tryTake() && !this.enterSlowly()) return false;
      if (head[at] === this.incarnation) return true;
      this.lock.release();
    }
    this.refusal = "detached";
    return false;
  }

  /** To be said after `enter`, before a change that must not stay half done. */
  change(): void {
    this.words[CHANGING_AT] = 1;
  }

  leave(): void {
    this.words[CHANGING_AT] = 0;
    this.lock.release();
  }

  /** Notes a refusal and counts it. Without the lock: of two threads at once one may not be counted. */
  refuse(refusal: Refusal, counter: number): number {
    this.refusal = refusal;
    this.words[counter]++;
    return REFUSED;
  }

  /** Copies `length` bytes from the word `from` on to where no other thread can reach. */
  takeOut(from: number, length: number): void {
    const { words, outWords } = this;
    this.length = length;
    const count = (length + 3) >> 2;
    if (count > FEW_WORDS) {
      this.out.set(this.bytes.subarray(from << 2, (from << 2) + length));
      return;
    }
    for (let i = 0; i < count; i++) outWords[i] = words[from + i];
  }

  /** Copies what was taken out into `target` at `at`. */
  copyInto(target: Uint8Array, at: number): void {
    copyBytes(target, at, this.out, 0, this.length);
  }

  /** See SharedStore. */
  threadEnded(thread: number): boolean {
    return this.replace(thread, 0);
  }

  /** See SharedStore. */
  recover(): void {
    if (!this.lock.isMine) return;
    this.repair();
    this.leave();
  }

  /** See SharedStore. */
  check(): readonly string[] {
    if (!this.enter()) return ["the lock cannot be had"];
    const faults = checkStore(this.memory, this.table);
    this.leave();
    return faults;
  }

  private enterSlowly(): boolean {
    const taken = this.lock.wait();
    if (taken === TAKEN_OVER) this.repair();
    if (taken === FAILED) this.refusal = "stuck";
    return taken !== FAILED;
  }

  /** Repairs what was left, which is nothing if its thread was only reading: a guest must not have this for free. */
  private repair(): void {
    if (this.words[CHANGING_AT] !== 0) repairStore(this.memory, this.heap, this.table);
  }

  /** Ends what was attached under that number, if anything was, in favour of `incarnation`; 0 for nobody. */
  private replace(thread: number, incarnation: number): boolean {
    // From here on the former one gets no more in, and the lock may be taken from it.
    Atomics.store(this.head, THREAD_TABLE_AT + thread, incarnation);
    if (!this.lock.tryTake() && !this.enterSlowly()) return false;
    this.change();
    this.namespaces.forget(thread);
    this.queues.forget(thread);
    this.leave();
    return true;
  }
}
