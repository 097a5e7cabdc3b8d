/**
 * Checks a shared store from end to end: that the blocks tile the heap, the free lists hold exactly the free blocks,
 * every entry hangs in its bucket once, and everything that is counted is counted right. For tests and for the
 * operator who suspects something; the caller holds the lock.
 */
import { listOf } from "./store-heap.ts";
import {
  BITMAP_AT,
  BUCKETS_AT,
  DATA,
  DIRECTORY_AT,
  DIRECTORY_LENGTH_AT,
  ENTRIES_AT,
  ENTRY,
  FLAGS,
  FREE,
  HASH,
  HEAP_AT,
  HEAP_END_AT,
  KEY,
  KEY_MASK,
  KIND,
  LISTS,
  LISTS_AT,
  NAMESPACE,
  NAMESPACE_TABLE_AT,
  NAMESPACES_AT,
  NEXT,
  namespaceOf,
  PREVIOUS_FREE,
  QUEUE,
  QUEUE_TABLE_AT,
  QUEUED_AT,
  QUEUES_AT,
  type StoreMemory,
  TAG,
  TAG_KIND,
  USED_AT,
  VALUE_LENGTH,
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

/** The faults found, at most a few dozen. */
export function checkStore(memory: StoreMemory, table: StoreTable): readonly string[] {
  const faults: string[] = [];
  const check = (isRight: boolean, fault: string) => {
    if (!isRight && faults.length < 30) faults.push(fault);
  };
  const { words } = memory;
  const kinds = checkBlocks(words, check);
  if (faults.length > 0) return faults;
  checkFreeLists(words, kinds, check);
  const owned = checkEntries(memory, table, kinds, check);
  for (let i = 0; i < words[DIRECTORY_LENGTH_AT]; i++) {
    const segment = words[words[DIRECTORY_AT] + i];
    if (segment !== 0) owned.add(segment);
  }
  for (const [block, kind] of kinds) {
    if (kind === DATA) check(owned.has(block), `block ${block} belongs to nobody`);
  }
  for (const block of owned) check(kinds.get(block) === DATA, `block ${block} is owned and not in use`);
  check(words[WRITING_AT] === 0, "an entry is being written");
  return faults;
}

type Check = (isRight: boolean, fault: string) => void;

function checkBlocks(words: Int32Array, check: Check): ReadonlyMap<number, number> {
  const kinds = new Map<number, number>();
  const end = words[HEAP_END_AT];
  let used = 0;
  let wasFree = false;
  let block = words[HEAP_AT];
  while (block < end) {
    const size = words[block] & ~FLAGS;
    if (size < 16 || block + (size >> 2) > end) {
      check(false, `block ${block} has a size of ${size}`);
      return kinds;
    }
    const kind = words[block] & KIND;
    check(kind === FREE || kind === ENTRY || kind === DATA, `block ${block} is marked outside of a repair`);
    check(((words[block] & PREVIOUS_FREE) !== 0) === wasFree, `block ${block} is wrong about the one before`);
    check(!(wasFree && kind === FREE), `block ${block} and the one before are free and apart`);
    wasFree = kind === FREE;
    if (!wasFree) used += size;
    kinds.set(block, kind);
    block += size >> 2;
  }
  check(block === end, "the blocks do not end where the heap does");
  check(words[end] === (8 | DATA | (wasFree ? PREVIOUS_FREE : 0)), "the end mark is damaged");
  check(words[USED_AT] === used, `${used} bytes in use, ${words[USED_AT]} counted`);
  return kinds;
}

function checkFreeLists(words: Int32Array, kinds: ReadonlyMap<number, number>, check: Check): void {
  let listed = 0;
  for (let list = 0; list < LISTS; list++) {
    const first = words[LISTS_AT + list];
    const bit = (words[BITMAP_AT + (list >> 5)] >>> (list & 31)) & 1;
    check((bit === 1) === (first !== 0), `list ${list} and its bit disagree`);
    let before = 0;
    for (let block = first; block !== 0; block = words[block + 1]) {
      const size = words[block] & ~FLAGS;
      if (kinds.get(block) !== FREE) {
        check(false, `list ${list} holds ${block}, which is not free`);
        break;
      }
      check(listOf(size) === list, `block ${block} is in list ${list}`);
      check(words[block + 2] === before, `block ${block} is linked back wrongly`);
      check(words[block + (size >> 2) - 1] === size, `block ${block} does not repeat its size`);
      before = block;
      if (++listed > kinds.size) {
        check(false, `list ${list} is a circle`);
        return;
      }
    }
  }
  let free = 0;
  for (const kind of kinds.values()) if (kind === FREE) free++;
  check(listed === free, `${free} free blocks, ${listed} listed`);
}

/** Checks all chains; the DATA blocks that entries own. */
function checkEntries(
  memory: StoreMemory,
  table: StoreTable,
  kinds: ReadonlyMap<number, number>,
  check: Check,
): Set<number> {
  const { words, bytes } = memory;
  const owned = new Set<number>();
  const seen = new Set<number>();
  let [namespaces, queues, queued] = [0, 0, 0];
  for (let bucket = 0; bucket < words[BUCKETS_AT]; bucket++) {
    for (let entry = words[table.bucketWord(bucket)]; entry !== 0; entry = words[entry + NEXT]) {
      if (kinds.get(entry) !== ENTRY || seen.has(entry)) {
        check(false, `bucket ${bucket} holds ${entry}, which is no entry or held twice`);
        break;
      }
      seen.add(entry);
      const tag = words[entry + TAG];
      const keyLength = tag & KEY_MASK;
      const record = valueAt(words, entry);
      const needed = ((record - entry) << 2) + words[entry + VALUE_LENGTH];
      check(needed <= (words[entry] & ~FLAGS), `entry ${entry} is larger than its block`);
      check(
        table.bucket(words[entry + HASH]) === table.bucketWord(bucket),
        `entry ${entry} is in the wrong bucket`,
      );
      const hash = table.hash(tag, bytes, (entry + KEY) << 2, keyLength);
      check(hash === words[entry + HASH], `entry ${entry} has another hash than its key`);
      check(table.find(tag, hash, bytes, (entry + KEY) << 2) === entry, `entry ${entry} is there twice`);
      const state = words[NAMESPACE_TABLE_AT + namespaceOf(tag)];
      if ((tag & TAG_KIND) === NAMESPACE) {
        namespaces++;
        check(
          words[NAMESPACE_TABLE_AT + words[record]] === entry,
          `namespace ${words[record]} is not listed`,
        );
      } else check(state !== 0, `entry ${entry} belongs to no namespace`);
      if ((tag & TAG_KIND) === QUEUE) {
        queues++;
        queued += checkQueue(words, entry, kinds, owned, check);
      }
    }
  }
  let entries = 0;
  for (const kind of kinds.values()) if (kind === ENTRY) entries++;
  check(entries === seen.size, `${entries} entries, ${seen.size} in the index`);
  check(words[ENTRIES_AT] === entries, `${entries} entries, ${words[ENTRIES_AT]} counted`);
  check(words[NAMESPACES_AT] === namespaces, `${namespaces} namespaces, ${words[NAMESPACES_AT]} counted`);
  check(words[QUEUES_AT] === queues, `${queues} queues, ${words[QUEUES_AT]} counted`);
  check(words[QUEUED_AT] === queued, `${queued} bytes queued, ${words[QUEUED_AT]} counted`);
  return owned;
}

function checkQueue(
  words: Int32Array,
  entry: number,
  kinds: ReadonlyMap<number, number>,
  owned: Set<number>,
  check: Check,
): number {
  const record = valueAt(words, entry);
  const id = words[record + QUEUE_ID];
  check(words[QUEUE_TABLE_AT + ((id - 1) & 1023)] === entry, `queue ${id} is not listed`);
  let [count, size, last] = [0, 0, 0];
  for (let message = words[record + FIRST]; message !== 0; message = words[message + NEXT_MESSAGE]) {
    if (kinds.get(message) !== DATA || owned.has(message)) {
      check(false, `queue ${id} holds ${message}, which is no message or held twice`);
      break;
    }
    owned.add(message);
    const needed = (MESSAGE_BYTES << 2) + words[message + MESSAGE_LENGTH];
    check(needed <= (words[message] & ~FLAGS), `message ${message} is larger than its block`);
    count++;
    size += needed;
    last = message;
  }
  check(words[record + LAST] === last, `queue ${id} has another last message`);
  check(words[record + COUNT] === count, `queue ${id}: ${count} messages, ${words[record + COUNT]} counted`);
  check(
    words[record + QUEUE_BYTES] === size,
    `queue ${id}: ${size} bytes, ${words[record + QUEUE_BYTES]} counted`,
  );
  return size;
}
