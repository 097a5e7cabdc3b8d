/**
 * The namespaces of a shared store: one per vm_id, with how often each thread has opened it. The last release lets
 * everything in it go. A namespace is an entry whose value is its id and one count per thread; it is in use as long
 * as a count is above zero, so a thread that ended is made up for by clearing its counts.
 * The caller holds the lock.
 */

import {
  MAX_NAMESPACES,
  NAMESPACE,
  NAMESPACE_TABLE_AT,
  NAMESPACES_AT,
  THREADS_AT,
  tagOf,
  valueAt,
} from "./store-layout.ts";
import type { StoreTable } from "./store-table.ts";

export class StoreNamespaces {
  private readonly words: Int32Array;
  private readonly table: StoreTable;

  constructor(words: Int32Array, table: StoreTable) {
    this.words = words;
    this.table = table;
  }

  /** The id of the namespace called so, 0 if nobody has it open. */
  find(bytes: Uint8Array, at: number, length: number): number {
    const entry = this.entryOf(bytes, at, length);
    return entry === 0 ? 0 : this.words[valueAt(this.words, entry)];
  }

  /** Counts `thread` as a user of the namespace, which is made if need be; its id, 0 if there is no room. */
  open(thread: number, name: Uint8Array): number {
    const { words } = this;
    let entry = this.entryOf(name, 0, name.length);
    if (entry === 0) {
      const id = this.freeId();
      if (id === 0) return 0;
      const tag = tagOf(NAMESPACE, 0, name.length);
      const hash = this.table.hash(tag, name, 0, name.length);
      entry = this.table.insert(tag, hash, name, 0, -1, (1 + words[THREADS_AT]) << 2);
      if (entry === 0) return 0;
      words[valueAt(words, entry)] = id;
      words[NAMESPACE_TABLE_AT + id] = entry;
      words[NAMESPACES_AT]++;
    }
    const record = valueAt(words, entry);
    words[record + 1 + thread]++;
    return words[record];
  }

  /** Takes back one `open` of `thread`. */
  release(thread: number, id: number): void {
    const { words } = this;
    const entry = words[NAMESPACE_TABLE_AT + id];
    if (entry <= 0) return;
    const at = valueAt(words, entry) + 1 + thread;
    if (words[at] === 0) return;
    words[at]--;
    this.dropUnused(id, entry);
  }

  /** Takes back all of `thread`, which has ended. */
  forget(thread: number): void {
    const { words } = this;
    for (let id = 1; id < MAX_NAMESPACES; id++) {
      const entry = words[NAMESPACE_TABLE_AT + id];
      if (entry <= 0) continue;
      const at = valueAt(words, entry) + 1 + thread;
      if (words[at] === 0) continue;
      words[at] = 0;
      this.dropUnused(id, entry);
    }
  }

  private dropUnused(id: number, entry: number): void {
    const { words } = this;
    const record = valueAt(words, entry);
    for (let thread = 0; thread < words[THREADS_AT]; thread++) if (words[record + 1 + thread] !== 0) return;
    words[NAMESPACES_AT]--;
    this.table.condemn(id);
    this.table.remove(entry);
  }

  private entryOf(bytes: Uint8Array, at: number, length: number): number {
    const tag = tagOf(NAMESPACE, 0, length);
    return this.table.find(tag, this.table.hash(tag, bytes, at, length), bytes, at);
  }

  /** Id 0 stands for the store itself: namespaces' own records belong to it. */
  private freeId(): number {
    for (let round = 0; round < 2; round++) {
      for (let id = 1; id < MAX_NAMESPACES; id++) if (this.words[NAMESPACE_TABLE_AT + id] === 0) return id;
      // All in use or still being swept. Rare enough to finish the sweep now.
      this.table.sweep(Number.MAX_SAFE_INTEGER);
    }
    return 0;
  }
}
