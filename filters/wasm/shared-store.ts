/**
 * Shared data and shared queues of a process (proxy-wasm `proxy_*_shared_data`, `proxy_*_shared_queue`): one
 * SharedArrayBuffer that the supervising thread makes and every thread attaches to. All operations are synchronous,
 * cost a fraction of a microsecond, and are seen by all threads at once.
 *
 * It does not know guests: byte ranges are the caller's, checked by it to lie inside of their arrays, which must not
 * be shared (a guest's own memory is not). Nor how threads talk: see store/queue-bell.ts.
 *
 * Laws: one short lock for all (store/store-lock.ts); nobody waits for ever on it; no object per operation; nothing
 * is evicted, a full store refuses; whatever moment a thread ends at, the rest stays whole (store/store-repair.ts).
 */
import { type Ring, SharedQueues } from "./shared-queues.ts";
import {
  CAS,
  ENTRIES_AT,
  HEAP_AT,
  HEAP_END_AT,
  LOCK_TIMEOUTS_AT,
  LOCK_WAITS_AT,
  LOST_AT,
  MAX_KEY,
  NAMESPACE_TABLE_AT,
  NAMESPACES_AT,
  PLAIN,
  QUEUED_AT,
  QUEUES_AT,
  REFUSED_FULL_AT,
  REFUSED_LENGTH_AT,
  REFUSED_QUEUE_AT,
  REPAIRS_AT,
  tagOf,
  USED_AT,
  VALUE_LENGTH,
  valueAt,
} from "./store/store-layout.ts";
import {
  CAS_MISMATCH,
  formatStore,
  NOT_FOUND,
  OK,
  REFUSED,
  type Refusal,
  StoreSession,
} from "./store/store-session.ts";

export { CAS_MISMATCH, EMPTY, NOT_FOUND, OK, REFUSED, type Refusal } from "./store/store-session.ts";

/** How a store is made. */
export interface SharedStoreOptions {
  /** Threads that may attach at one time, the supervising one included. */
  readonly threads: number;
  /** 64 random bits, new for each process: they keep clients from aiming at one bucket of the index. */
  readonly seed: readonly [number, number];
  /** Size of the whole, 256 KiB to 1 GiB; 64 MiB by default. The system gives memory when it is first used. */
  readonly bytes?: number;
}

/** What the store holds and has refused, in all threads. Counters wrap at 2³². */
export interface SharedStoreStatistics {
  readonly keys: number;
  readonly namespaces: number;
  readonly queues: number;
  /** Of messages in queues. */
  readonly queuedBytes: number;
  /** Of all blocks in use, the index included. */
  readonly usedBytes: number;
  readonly capacityBytes: number;
  readonly refusedFull: number;
  readonly refusedLength: number;
  readonly refusedQueueFull: number;
  readonly lockWaits: number;
  readonly lockTimeouts: number;
  readonly repairs: number;
  /** Keys dropped by repairs. */
  readonly lostKeys: number;
}

const DEFAULT_BYTES = 64 << 20;

/** The store as one thread sees it. */
export class SharedStore {
  readonly queues: SharedQueues;
  /** CAS number of the value that the last successful `get` found. */
  cas = 0;

  private readonly session: StoreSession;
  private readonly words: Int32Array;

  /** The buffer of a new, empty store. Throws if the options make no sense. */
  static create(options: SharedStoreOptions): SharedArrayBuffer {
    return formatStore(options.bytes ?? DEFAULT_BYTES, options.threads, options.seed);
  }

  /**
   * The store for the calling thread, whose number is below `threads` and used by no other attachment at the same
   * time: a former one under this number counts as ended. Throws if the store is stuck.
   */
  static attach(buffer: SharedArrayBuffer, thread: number, ring: Ring): SharedStore {
    const memory = { words: new Int32Array(buffer), bytes: new Uint8Array(buffer) };
    return new SharedStore(new StoreSession(buffer, memory, thread), ring);
  }

  constructor(session: StoreSession, ring: Ring) {
    this.session = session;
    this.words = session.words;
    this.queues = new SharedQueues(session, ring);
  }

  /** Length of the value that the last successful `get` found, bytes. */
  get length(): number {
    return this.session.length;
  }

  /** Longest value and message, bytes. */
  get valueLimit(): number {
    return this.session.valueLimit;
  }

  /** Why the last refused operation was. */
  get refusal(): Refusal {
    return this.session.refusal;
  }

  /** The namespace of a vm_id (its bytes), for one more user in this thread; 0 if it was refused. */
  open(vmId: Uint8Array): number {
    const { session } = this;
    if (vmId.length > MAX_KEY) {
      session.refuse("too long", REFUSED_LENGTH_AT);
      return 0;
    }
    if (!session.enter()) return 0;
    session.change();
    const id = session.namespaces.open(session.thread, vmId);
    session.leave();
    if (id === 0) session.refuse("full", REFUSED_FULL_AT);
    return id;
  }

  /** Takes back one `open`. After the last one of all threads everything in the namespace is gone. */
  release(namespace: number): void {
    const { session } = this;
    if (!session.enter()) return;
    session.change();
    session.namespaces.release(session.thread, namespace);
    session.leave();
  }

  /** Looks up a key: OK, with `length` and `cas`, the value to be had by `copyInto`; NOT_FOUND; REFUSED. */
  get(namespace: number, bytes: Uint8Array, keyAt: number, keyLength: number): number {
    if (keyLength > MAX_KEY) return NOT_FOUND;
    const { session, words } = this;
    const tag = tagOf(PLAIN, namespace, keyLength);
    const hash = session.table.hash(tag, bytes, keyAt, keyLength);
    if (!session.enter()) return REFUSED;
    const entry = session.table.find(tag, hash, bytes, keyAt);
    if (entry === 0 || words[NAMESPACE_TABLE_AT + namespace] <= 0) {
      session.leave();
      return NOT_FOUND;
    }
    this.cas = words[entry + CAS] >>> 0;
    session.takeOut(valueAt(words, entry), words[entry + VALUE_LENGTH]);
    session.leave();
    return OK;
  }

  /**
   * Stores a value: with `cas` 0, or for an absent key, whatever there was; else only over the value that has it.
   * OK, CAS_MISMATCH or REFUSED. Key and value lie in the same array.
   */
  set(
    namespace: number,
    bytes: Uint8Array,
    keyAt: number,
    keyLength: number,
    from: number,
    length: number,
    cas: number,
  ): number {
    const { session, words } = this;
    if (keyLength > MAX_KEY || length > session.valueLimit) {
      return session.refuse("too long", REFUSED_LENGTH_AT);
    }
    const tag = tagOf(PLAIN, namespace, keyLength);
    const hash = session.table.hash(tag, bytes, keyAt, keyLength);
    if (!session.enter()) return REFUSED;
    if (words[NAMESPACE_TABLE_AT + namespace] <= 0) {
      session.leave();
      session.refusal = "released";
      return REFUSED;
    }
    const entry = session.table.find(tag, hash, bytes, keyAt);
    if (entry !== 0 && cas !== 0 && cas >>> 0 !== words[entry + CAS] >>> 0) {
      session.leave();
      return CAS_MISMATCH;
    }
    session.change();
    const done =
      entry === 0
        ? session.table.insert(tag, hash, bytes, keyAt, from, length) !== 0
        : session.table.replace(entry, bytes, keyAt, from, length);
    session.leave();
    return done ? OK : session.refuse("full", REFUSED_FULL_AT);
  }

  /** Copies the `length` bytes that were found into `target` at `at`, where there must be room. */
  copyInto(target: Uint8Array, at: number): void {
    this.session.copyInto(target, at);
  }

  /**
   * Says that the thread of that number has ended: its namespaces are released, its queues have no receiver, and
   * if it held the lock, the store is repaired. False if another thread that ended holds the lock: to be called
   * again after that one's end was told.
   */
  threadEnded(thread: number): boolean {
    return this.session.threadEnded(thread);
  }

  /** After an exception came out of an operation (a stack overflow): repairs what it left half done. */
  recover(): void {
    this.session.recover();
  }

  /** Numbers for the operator. Without the lock: one may be an operation ahead of another. */
  statistics(): SharedStoreStatistics {
    const { words } = this;
    return {
      keys: words[ENTRIES_AT] - words[NAMESPACES_AT] - words[QUEUES_AT],
      namespaces: words[NAMESPACES_AT],
      queues: words[QUEUES_AT],
      queuedBytes: words[QUEUED_AT],
      usedBytes: words[USED_AT],
      capacityBytes: (words[HEAP_END_AT] - words[HEAP_AT]) << 2,
      refusedFull: words[REFUSED_FULL_AT] >>> 0,
      refusedLength: words[REFUSED_LENGTH_AT] >>> 0,
      refusedQueueFull: words[REFUSED_QUEUE_AT] >>> 0,
      lockWaits: words[LOCK_WAITS_AT] >>> 0,
      lockTimeouts: words[LOCK_TIMEOUTS_AT] >>> 0,
      repairs: words[REPAIRS_AT] >>> 0,
      lostKeys: words[LOST_AT] >>> 0,
    };
  }

  /** What is wrong with the structures, empty if nothing is. Walks everything with the lock held: for tests. */
  check(): readonly string[] {
    return this.session.check();
  }

  /** Free blocks and the largest one's bytes: how torn the heap is. Walks all of them with the lock held. */
  fragmentation(): { readonly count: number; readonly largest: number } {
    const { session } = this;
    if (!session.enter()) return { count: 0, largest: 0 };
    const free = session.heap.freeBlocks();
    session.leave();
    return free;
  }
}
