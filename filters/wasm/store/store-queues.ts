/**
 * Shared queues: a queue is an entry whose value is a record; its messages are blocks in a list from the record's
 * head. A queue's id names its place in the queue table and a serial number, so an id outlives nothing.
 * The caller holds the lock. Order of writes: a message is whole before it is linked, and unlinked before its
 * block is given back; what the record counts can be counted again.
 */
import { copyBytes } from "./byte-copy.ts";
import type { StoreHeap } from "./store-heap.ts";
import {
  HEAP_AT,
  HEAP_END_AT,
  MAX_MESSAGES,
  MAX_QUEUES,
  NAMESPACE_TABLE_AT,
  namespaceOf,
  QUEUE,
  QUEUE_SERIAL_AT,
  QUEUE_TABLE_AT,
  QUEUED_AT,
  QUEUES_AT,
  type StoreMemory,
  TAG,
  tagOf,
  valueAt,
} from "./store-layout.ts";
import type { StoreTable } from "./store-table.ts";

// The record.
export const QUEUE_ID = 0;
/** The thread that registered last, plus 1; 0 after its end. */
export const REGISTRANT = 1;
export const FIRST = 2;
export const LAST = 3;
export const COUNT = 4;
export const QUEUE_BYTES = 5;
/** Notifications that the registrant has not taken yet. */
export const READY = 6;
const RECORD_BYTES = 28;

// A message's block: its first word, then these, then the bytes.
export const NEXT_MESSAGE = 1;
export const MESSAGE_LENGTH = 2;
export const MESSAGE_BYTES = 3;

const SERIALS = 0x1fffff;

export class StoreQueues {
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly heap: StoreHeap;
  private readonly table: StoreTable;

  constructor(memory: StoreMemory, heap: StoreHeap, table: StoreTable) {
    this.words = memory.words;
    this.bytes = memory.bytes;
    this.heap = heap;
    this.table = table;
  }

  /** Bytes of messages that all queues together may hold. */
  get totalLimit(): number {
    return this.words[HEAP_END_AT] - this.words[HEAP_AT]; // words, that is a quarter of the bytes
  }

  /** The record of the queue of that name, 0 if there is none. */
  find(namespace: number, bytes: Uint8Array, at: number, length: number): number {
    const tag = tagOf(QUEUE, namespace, length);
    const entry = this.table.find(tag, this.table.hash(tag, bytes, at, length), bytes, at);
    return entry === 0 ? 0 : valueAt(this.words, entry);
  }

  /** Makes the queue that `find` has not found; its record, or 0 if there is no room. */
  create(namespace: number, bytes: Uint8Array, at: number, length: number): number {
    const { words } = this;
    let place = 0;
    while (words[QUEUE_TABLE_AT + place] !== 0) if (++place === MAX_QUEUES) return 0;
    const tag = tagOf(QUEUE, namespace, length);
    const hash = this.table.hash(tag, bytes, at, length);
    const entry = this.table.insert(tag, hash, bytes, at, -1, RECORD_BYTES);
    if (entry === 0) return 0;
    const record = valueAt(words, entry);
    const serial = words[QUEUE_SERIAL_AT];
    words[QUEUE_SERIAL_AT] = (serial + 1) & SERIALS;
    words[QUEUE_TABLE_AT + place] = entry;
    words[record + QUEUE_ID] = ((serial << 10) | place) + 1;
    words[QUEUES_AT]++;
    return record;
  }

  /** The record of queue `id`, 0 if there is none (any more). */
  byId(id: number): number {
    const { words } = this;
    const entry = words[QUEUE_TABLE_AT + ((id - 1) & (MAX_QUEUES - 1))];
    if (entry === 0 || words[NAMESPACE_TABLE_AT + namespaceOf(words[entry + TAG])] <= 0) return 0;
    const record = valueAt(words, entry);
    return words[record + QUEUE_ID] === (id | 0) && id !== 0 ? record : 0;
  }

  /** Appends a message; false if a limit or the store's end is reached. */
  append(record: number, source: Uint8Array, at: number, length: number): boolean {
    const { words } = this;
    const size = (MESSAGE_BYTES << 2) + length;
    if (words[record + COUNT] >= MAX_MESSAGES || words[record + QUEUE_BYTES] + size > this.totalLimit >> 2) {
      return false;
    }
    if (words[QUEUED_AT] + size > this.totalLimit) return false;
    const message = this.table.take(size);
    if (message === 0) return false;
    words[message + NEXT_MESSAGE] = 0;
    words[message + MESSAGE_LENGTH] = length;
    copyBytes(this.bytes, (message + MESSAGE_BYTES) << 2, source, at, length);
    const last = words[record + LAST];
    if (last === 0) words[record + FIRST] = message;
    else words[last + NEXT_MESSAGE] = message;
    words[record + LAST] = message;
    words[record + COUNT]++;
    words[record + QUEUE_BYTES] += size;
    words[QUEUED_AT] += size;
    return true;
  }

  /** Gives back the first message's block, which the caller has copied. */
  dropFirst(record: number): void {
    const { words } = this;
    const message = words[record + FIRST];
    const size = (MESSAGE_BYTES << 2) + words[message + MESSAGE_LENGTH];
    const next = words[message + NEXT_MESSAGE];
    words[record + FIRST] = next;
    if (next === 0) words[record + LAST] = 0;
    words[record + COUNT]--;
    words[record + QUEUE_BYTES] -= size;
    words[QUEUED_AT] -= size;
    this.heap.give(message);
  }

  /** Frees all that a queue holds, and its place in the table, before its entry goes. */
  empty(entry: number): void {
    const { words } = this;
    const record = valueAt(words, entry);
    if (words[record + QUEUE_ID] !== 0) {
      words[QUEUE_TABLE_AT + ((words[record + QUEUE_ID] - 1) & (MAX_QUEUES - 1))] = 0;
      words[record + QUEUE_ID] = 0;
      words[QUEUES_AT]--;
    }
    while (words[record + FIRST] !== 0) this.dropFirst(record);
  }

  /** Takes every registration from `thread`, which has ended; what is ready waits for the next registrant. */
  forget(thread: number): void {
    const { words } = this;
    for (let place = 0; place < MAX_QUEUES; place++) {
      const entry = words[QUEUE_TABLE_AT + place];
      if (entry === 0) continue;
      const record = valueAt(words, entry);
      if (words[record + REGISTRANT] === thread + 1) words[record + REGISTRANT] = 0;
    }
  }
}
