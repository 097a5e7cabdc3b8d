/**
 * The entries of a shared store and the hash index over them: values by namespace and key, and the records of
 * namespaces and queues, which are entries too.
 *
 * The index is a linear hash table: it grows by one bucket at an insertion, splitting one chain, so no operation
 * pays for all keys. Its buckets lie in segments that a directory lists. Entries of a released namespace are left
 * where they are and swept away a few buckets at a time by later insertions.
 * The caller holds the lock. Order of writes: see store-layout.ts.
 */
import { copyBytes } from "./byte-copy.ts";
import { keyedHash } from "./keyed-hash.ts";
import type { StoreHeap } from "./store-heap.ts";
import {
  BUCKETS_AT,
  CAS,
  CAS_AT,
  DIRECTORY_AT,
  DIRECTORY_LENGTH_AT,
  DYING,
  ENTRIES_AT,
  ENTRY,
  FLAGS,
  HASH,
  KEY,
  KEY_MASK,
  KIND,
  MAX_NAMESPACES,
  NAMESPACE_TABLE_AT,
  NEXT,
  namespaceOf,
  QUEUE,
  SEED_AT,
  SEGMENT,
  type StoreMemory,
  SWEEP_AT,
  SWEEPING_AT,
  SWEPT,
  TAG,
  TAG_KIND,
  VALUE_LENGTH,
  valueAt,
  WRITING_AT,
} from "./store-layout.ts";

/** Buckets that an insertion sweeps, and those that are swept before a full store refuses. */
const SWEEP_STEP = 4;
const SWEEP_IN_NEED = 4096;

export class StoreTable {
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly heap: StoreHeap;
  private readonly k0: number;
  private readonly k1: number;
  /** Frees what a swept queue holds. */
  private readonly emptyQueue: (entry: number) => void;

  constructor(memory: StoreMemory, heap: StoreHeap, emptyQueue: (entry: number) => void) {
    this.words = memory.words;
    this.bytes = memory.bytes;
    this.heap = heap;
    this.emptyQueue = emptyQueue;
    this.k0 = this.words[SEED_AT];
    this.k1 = this.words[SEED_AT + 1];
  }

  /** Makes the first segment of an empty index. */
  format(): void {
    this.addSegment(0);
    this.words[BUCKETS_AT] = SEGMENT;
  }

  /** The hash of a key under this store's seed. Needs no lock. */
  hash(tag: number, bytes: Uint8Array, at: number, length: number): number {
    return keyedHash(this.k0, this.k1, tag, bytes, at, length);
  }

  /** The entry with this tag and key, 0 if there is none. */
  find(tag: number, hash: number, bytes: Uint8Array, at: number): number {
    const { words } = this;
    let entry = words[this.bucket(hash)];
    while (entry !== 0) {
      if (words[entry + HASH] === hash && words[entry + TAG] === tag && this.hasKey(entry, tag, bytes, at)) {
        return entry;
      }
      entry = words[entry + NEXT];
    }
    return 0;
  }

  /**
   * Adds an entry that `find` has not found; 0 if there is no room. With `from` -1 the value is zeros.
   * `source` holds the key at `at` and the value at `from`.
   */
  insert(tag: number, hash: number, source: Uint8Array, at: number, from: number, length: number): number {
    const { words } = this;
    if (words[SWEEPING_AT] !== 0) this.sweep(SWEEP_STEP);
    const entry = this.write(tag, hash, source, at, from, length);
    if (entry === 0) return 0;
    const bucket = this.bucket(hash);
    words[entry + NEXT] = words[bucket];
    words[bucket] = entry;
    if (++words[ENTRIES_AT] > words[BUCKETS_AT]) this.grow();
    return entry;
  }

  /** Gives an entry another value; false if there is no room. */
  replace(entry: number, source: Uint8Array, at: number, from: number, length: number): boolean {
    const { words } = this;
    const tag = words[entry + TAG];
    const value = valueAt(words, entry);
    const needed = ((value - entry) << 2) + length;
    if (needed <= (words[entry] & ~FLAGS)) {
      words[WRITING_AT] = entry;
      copyBytes(this.bytes, value << 2, source, from, length);
      words[entry + VALUE_LENGTH] = length;
      words[entry + CAS] = this.nextCas();
      words[WRITING_AT] = 0;
      this.heap.shrink(entry, needed);
      return true;
    }
    const moved = this.write(tag, words[entry + HASH], source, at, from, length);
    if (moved === 0) return false;
    words[moved + NEXT] = words[entry + NEXT];
    words[this.linkOf(entry)] = moved;
    this.heap.give(entry);
    return true;
  }

  /** Takes an entry out and gives its block back. */
  remove(entry: number): void {
    const { words } = this;
    words[this.linkOf(entry)] = words[entry + NEXT];
    words[ENTRIES_AT]--;
    this.heap.give(entry);
  }

  /** Lets the entries of namespace `id` go, whose record the caller removes. */
  condemn(id: number): void {
    this.words[NAMESPACE_TABLE_AT + id] = DYING;
    if (this.words[SWEEPING_AT] === 0) this.startSweep();
  }

  /** Looks at up to `steps` buckets for entries of released namespaces. */
  sweep(steps: number): void {
    const { words } = this;
    for (let i = 0; i < steps && words[SWEEPING_AT] !== 0; i++) {
      const at = words[SWEEP_AT];
      // Never wraps: a chain that is split moves entries to the last bucket, which is still to come.
      if (at >= words[BUCKETS_AT]) {
        this.endSweep();
        continue;
      }
      words[SWEEP_AT] = at + 1;
      let link = this.bucketWord(at);
      for (let entry = words[link]; entry !== 0; entry = words[link]) {
        const tag = words[entry + TAG];
        if (words[NAMESPACE_TABLE_AT + namespaceOf(tag)] >= 0) {
          link = entry + NEXT;
          continue;
        }
        if ((tag & TAG_KIND) === QUEUE) this.emptyQueue(entry);
        words[link] = words[entry + NEXT];
        words[ENTRIES_AT]--;
        this.heap.give(entry);
      }
    }
  }

  /** Begins a sweep for all namespaces that were released until now. */
  startSweep(): void {
    const { words } = this;
    for (let id = 0; id < MAX_NAMESPACES; id++) {
      if (words[NAMESPACE_TABLE_AT + id] === DYING) words[NAMESPACE_TABLE_AT + id] = SWEPT;
    }
    words[SWEEP_AT] = 0;
    words[SWEEPING_AT] = 1;
  }

  /** A block of kind DATA; where there is none, entries of released namespaces make room first. */
  take(size: number): number {
    const block = this.heap.take(size);
    if (block !== 0 || this.words[SWEEPING_AT] === 0) return block;
    this.sweep(SWEEP_IN_NEED);
    return this.heap.take(size);
  }

  /** The word that holds the first entry of the bucket of `hash`. */
  bucket(hash: number): number {
    const buckets = this.words[BUCKETS_AT];
    const level = 0x80000000 >>> Math.clz32(buckets);
    let index = hash & (2 * level - 1);
    if (index >= buckets) index &= level - 1;
    return this.bucketWord(index);
  }

  /** The word of a bucket by its number. */
  bucketWord(index: number): number {
    const { words } = this;
    return words[words[DIRECTORY_AT] + (index >>> 10)] + 1 + (index & (SEGMENT - 1));
  }

  private startsOver(): boolean {
    const { words } = this;
    for (let id = 0; id < MAX_NAMESPACES; id++) {
      if (words[NAMESPACE_TABLE_AT + id] === DYING) return true;
    }
    return false;
  }

  private endSweep(): void {
    const { words } = this;
    for (let id = 0; id < MAX_NAMESPACES; id++) {
      if (words[NAMESPACE_TABLE_AT + id] === SWEPT) words[NAMESPACE_TABLE_AT + id] = 0;
    }
    words[SWEEPING_AT] = 0;
    if (this.startsOver()) this.startSweep();
  }

  /** Writes an entry that no chain holds yet and commits it. */
  private write(
    tag: number,
    hash: number,
    source: Uint8Array,
    at: number,
    from: number,
    length: number,
  ): number {
    const { words, bytes } = this;
    const keyLength = tag & KEY_MASK;
    const head = KEY + ((keyLength + 3) >> 2);
    const entry = this.take((head << 2) + length);
    if (entry === 0) return 0;
    words[entry + HASH] = hash;
    words[entry + CAS] = this.nextCas();
    words[entry + TAG] = tag;
    words[entry + VALUE_LENGTH] = length;
    copyBytes(bytes, (entry + KEY) << 2, source, at, keyLength);
    if (from < 0) words.fill(0, entry + head, entry + head + ((length + 3) >> 2));
    else copyBytes(bytes, (entry + head) << 2, source, from, length);
    words[entry] = (words[entry] & ~KIND) | ENTRY;
    return entry;
  }

  private nextCas(): number {
    const cas = (this.words[CAS_AT] + 1) | 0;
    this.words[CAS_AT] = cas === 0 ? 1 : cas;
    return this.words[CAS_AT];
  }

  private hasKey(entry: number, tag: number, bytes: Uint8Array, at: number): boolean {
    const own = this.bytes;
    const from = (entry + KEY) << 2;
    const length = tag & KEY_MASK;
    for (let i = 0; i < length; i++) if (own[from + i] !== bytes[at + i]) return false;
    return true;
  }

  private linkOf(entry: number): number {
    const { words } = this;
    let link = this.bucket(words[entry + HASH]);
    while (words[link] !== entry) link = words[link] + NEXT;
    return link;
  }

  /** Adds a bucket and moves to it what now belongs there. Without room the index stays as it is, only slower. */
  private grow(): void {
    const { words } = this;
    const buckets = words[BUCKETS_AT];
    if ((buckets & (SEGMENT - 1)) === 0 && !this.addSegment(buckets >>> 10)) return;
    const level = 0x80000000 >>> Math.clz32(buckets);
    const added = this.bucketWord(buckets);
    let link = this.bucketWord(buckets - level);
    for (let entry = words[link]; entry !== 0; entry = words[link]) {
      if ((words[entry + HASH] & (2 * level - 1)) !== buckets) {
        link = entry + NEXT;
        continue;
      }
      words[link] = words[entry + NEXT];
      words[entry + NEXT] = words[added];
      words[added] = entry;
    }
    words[BUCKETS_AT] = buckets + 1;
  }

  private addSegment(index: number): boolean {
    const { words } = this;
    if (index >= words[DIRECTORY_LENGTH_AT]) return false;
    const slot = words[DIRECTORY_AT] + index;
    if (words[slot] !== 0) return true;
    const segment = this.heap.take((SEGMENT + 1) << 2);
    if (segment === 0) return false;
    words.fill(0, segment + 1, segment + 1 + SEGMENT);
    words[slot] = segment;
    return true;
  }
}
