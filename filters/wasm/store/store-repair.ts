/**
 * Making a shared store whole after a thread ended, or was thrown out, in the middle of a change. Everything that
 * can be derived is derived anew from the blocks (see store-layout.ts), so it does not matter where the change
 * stopped: a key has its old value or its new one. The one exception is a value that was being overwritten in
 * place: its key is dropped and counted, because half a value is worse than none.
 *
 * Takes time in proportion to the blocks (1 000 000 keys: about half a second) with the lock held. May itself be cut
 * short and begun again: what it marks stays in use until one has come to its end.
 */
import type { StoreHeap } from "./store-heap.ts";
import {
  DATA,
  DIRECTORY_AT,
  DIRECTORY_LENGTH_AT,
  DYING,
  ENTRIES_AT,
  ENTRY,
  FLAGS,
  HASH,
  HEAP_AT,
  HEAP_END_AT,
  KEY,
  KIND,
  LOST_AT,
  MARKED,
  MAX_NAMESPACES,
  MAX_QUEUES,
  NAMESPACE,
  NAMESPACE_TABLE_AT,
  NAMESPACES_AT,
  NEXT,
  PLAIN,
  QUEUE,
  QUEUE_TABLE_AT,
  QUEUED_AT,
  QUEUES_AT,
  REPAIRS_AT,
  SEGMENT,
  type StoreMemory,
  SWEEP_AT,
  SWEEPING_AT,
  TAG,
  TAG_KIND,
  THREADS_AT,
  valueAt,
  WRITING_AT,
} from "./store-layout.ts";
import {
  COUNT,
  FIRST,
  LAST,
  MESSAGE_BYTES,
  MESSAGE_LENGTH,
  NEXT_MESSAGE,
  QUEUE_BYTES,
  QUEUE_ID,
} from "./store-queues.ts";
import type { StoreTable } from "./store-table.ts";

/** Repairs the store. The caller holds the lock. */
export function repairStore(memory: StoreMemory, heap: StoreHeap, table: StoreTable): void {
  const { words } = memory;
  words[REPAIRS_AT]++;
  const torn = words[WRITING_AT];
  if (torn !== 0) {
    setKind(words, torn, DATA);
    words[LOST_AT]++;
    words[WRITING_AT] = 0;
  }
  markIndex(words);
  clearTables(words);
  const end = words[HEAP_END_AT];
  for (let block = words[HEAP_AT]; block < end; block += (words[block] & ~FLAGS) >> 2) {
    if ((words[block] & KIND) === ENTRY) keepEntry(memory, table, block);
  }
  heap.rebuild();
  words[SWEEPING_AT] = 0;
  words[SWEEP_AT] = 0;
  for (let id = 0; id < MAX_NAMESPACES; id++) {
    if (words[NAMESPACE_TABLE_AT + id] < 0) words[SWEEPING_AT] = 1;
  }
  if (words[SWEEPING_AT] !== 0) table.startSweep();
}

function setKind(words: Int32Array, block: number, kind: number): void {
  words[block] = (words[block] & ~KIND) | kind;
}

/** Keeps the index's segments, empty. */
function markIndex(words: Int32Array): void {
  for (let i = 0; i < words[DIRECTORY_LENGTH_AT]; i++) {
    const segment = words[words[DIRECTORY_AT] + i];
    if (segment === 0) continue;
    setKind(words, segment, MARKED);
    words.fill(0, segment + 1, segment + 1 + SEGMENT);
  }
}

function clearTables(words: Int32Array): void {
  for (let id = 0; id < MAX_NAMESPACES; id++) {
    // What is dying stays so: its entries are still about.
    if (words[NAMESPACE_TABLE_AT + id] > 0) words[NAMESPACE_TABLE_AT + id] = 0;
  }
  for (let place = 0; place < MAX_QUEUES; place++) words[QUEUE_TABLE_AT + place] = 0;
  words[ENTRIES_AT] = 0;
  words[NAMESPACES_AT] = 0;
  words[QUEUES_AT] = 0;
  words[QUEUED_AT] = 0;
}

/** Links an entry into the index, or marks its block to be given back. */
function keepEntry(memory: StoreMemory, table: StoreTable, entry: number): void {
  const { words, bytes } = memory;
  const tag = words[entry + TAG];
  const kind = tag & TAG_KIND;
  const record = valueAt(words, entry);
  if (kind === NAMESPACE && !isInUse(words, record)) {
    // Its other entries may be about: the id may not serve again before they are swept.
    const id = words[record];
    if (id > 0) words[NAMESPACE_TABLE_AT + id] = DYING;
    setKind(words, entry, DATA);
    return;
  }
  if (kind === QUEUE && words[record + QUEUE_ID] === 0) {
    setKind(words, entry, DATA);
    return;
  }
  if (table.find(tag, words[entry + HASH], bytes, (entry + KEY) << 2) !== 0) {
    // A value was being moved to a larger block. Nobody was told that it was, so either of the two will do.
    setKind(words, entry, DATA);
    return;
  }
  const bucket = table.bucket(words[entry + HASH]);
  words[entry + NEXT] = words[bucket];
  words[bucket] = entry;
  words[ENTRIES_AT]++;
  if (kind === PLAIN) return;
  if (kind === NAMESPACE) {
    words[NAMESPACE_TABLE_AT + words[record]] = entry;
    words[NAMESPACES_AT]++;
    return;
  }
  words[QUEUE_TABLE_AT + ((words[record + QUEUE_ID] - 1) & (MAX_QUEUES - 1))] = entry;
  words[QUEUES_AT]++;
  countMessages(words, record);
}

function isInUse(words: Int32Array, record: number): boolean {
  if (words[record] === 0) return false;
  for (let thread = 0; thread < words[THREADS_AT]; thread++)
    if (words[record + 1 + thread] !== 0) return true;
  return false;
}

function countMessages(words: Int32Array, record: number): void {
  let count = 0;
  let size = 0;
  let last = 0;
  for (let each = words[record + FIRST]; each !== 0; each = words[each + NEXT_MESSAGE]) {
    setKind(words, each, MARKED);
    count++;
    size += (MESSAGE_BYTES << 2) + words[each + MESSAGE_LENGTH];
    last = each;
  }
  words[record + LAST] = last;
  words[record + COUNT] = count;
  words[record + QUEUE_BYTES] = size;
  words[QUEUED_AT] += size;
}
