/**
 * Where everything lies in the shared buffer, in 32-bit words: a head of fixed fields, tables whose size follows
 * from the buffer's, then the heap of blocks. Nothing outside of these files knows a word of it.
 *
 * What counts is the heap alone: blocks lie end to end, each begins with its size and kind, and committed entries
 * say of themselves what they are. The hash index, the free lists and the counts are made from that and can be
 * made again (store-repair.ts) after a thread ended in the middle of a change. Hence the order of writes matters:
 * at every moment a walk from block to block must reach the end.
 */

export const MAGIC = 0x54756c32;

// Head: fixed at creation.
export const MAGIC_AT = 0;
export const THREADS_AT = 1;
export const SEED_AT = 2; // and 3
export const HEAP_AT = 4;
export const HEAP_END_AT = 5;
export const DIRECTORY_AT = 6;
export const DIRECTORY_LENGTH_AT = 7;

// The lock has a cache line of its own.
export const LOCK_AT = 16;
export const LOCK_WAITS_AT = 17;
export const LOCK_TIMEOUTS_AT = 18;

// State, changed under the lock only.
export const BUCKETS_AT = 32;
export const CAS_AT = 33;
/** The entry whose value is being overwritten in place, 0 if none: torn if its writer ends now. */
export const WRITING_AT = 34;
export const ENTRIES_AT = 35;
export const USED_AT = 36;
export const NAMESPACES_AT = 37;
export const QUEUES_AT = 38;
/** Bytes of messages in all queues, their blocks' heads included. */
export const QUEUED_AT = 39;
export const SWEEPING_AT = 40;
export const SWEEP_AT = 41;
export const INCARNATION_AT = 42;
export const QUEUE_SERIAL_AT = 43;

// Counters of refusals, for the operator.
export const REFUSED_FULL_AT = 44;
export const REFUSED_LENGTH_AT = 45;
export const REFUSED_QUEUE_AT = 46;
export const REPAIRS_AT = 47;
export const LOST_AT = 48;

/** Not 0 while an operation changes more than one word: only then does its end ask for a repair. */
export const CHANGING_AT = 49;

/** Free lists: exact ones for blocks below 256 bytes, then eight to a power of two. */
export const LISTS = 216;
export const BITMAP_AT = 64;
export const LISTS_AT = 72;

/** vm_ids at one time. */
export const MAX_NAMESPACES = 1024;
/** By id: the record's entry, 0 free, DYING or SWEPT while entries of a released one are still about. */
export const NAMESPACE_TABLE_AT = LISTS_AT + LISTS;
export const DYING = -1;
export const SWEPT = -2;

/** Shared queues at one time. */
export const MAX_QUEUES = 1024;
export const QUEUE_TABLE_AT = NAMESPACE_TABLE_AT + MAX_NAMESPACES;

/** By thread: the incarnation that may use the store, 0 if none. */
export const THREAD_TABLE_AT = QUEUE_TABLE_AT + MAX_QUEUES;

/** Buckets of one segment of the index. */
export const SEGMENT = 1024;

// A block's first word: its size in bytes (a multiple of 8), its kind, and whether the block before it is free.
export const PREVIOUS_FREE = 1;
export const KIND = 6;
export const FREE = 0;
export const ENTRY = 2;
/** Belongs to an entry or to the index: a message, a segment, or an entry that is not finished yet. */
export const DATA = 4;
/** DATA that a repair has found in use. */
export const MARKED = 6;
export const FLAGS = 7;

// An entry: the block's first word, then these, the key's bytes padded to words, the value's bytes.
export const NEXT = 1;
export const HASH = 2;
export const CAS = 3;
export const TAG = 4;
export const VALUE_LENGTH = 5;
export const KEY = 6;

// A tag: what the entry is, of which namespace, and how long its key is.
export const PLAIN = 0;
export const NAMESPACE = 1 << 28;
export const QUEUE = 2 << 28;
export const TAG_KIND = 3 << 28;
export const KEY_BITS = 15;
export const KEY_MASK = (1 << KEY_BITS) - 1;

/** Longest key, bytes: the longest value of a header fits. */
export const MAX_KEY = 16 << 10;
/** Longest value or message, bytes, in a store that is large enough. */
export const MAX_VALUE = 1 << 20;
/** Messages in one queue. */
export const MAX_MESSAGES = 4096;

/** The word at which an entry's value begins. */
export function valueAt(words: Int32Array, entry: number): number {
  return entry + KEY + (((words[entry + TAG] & KEY_MASK) + 3) >> 2);
}

/** The tag of an entry. */
export function tagOf(kind: number, namespace: number, keyLength: number): number {
  return kind | (namespace << KEY_BITS) | keyLength;
}

/** The namespace that an entry belongs to. */
export function namespaceOf(tag: number): number {
  return (tag & ~TAG_KIND) >> KEY_BITS;
}

/** The two views of one shared buffer that everything here works on. */
export interface StoreMemory {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
}
