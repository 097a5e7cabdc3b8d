/**
 * Shared queues (proxy-wasm `proxy_*_shared_queue`) as one thread sees them; a part of SharedStore, whose laws hold
 * here too. A queue belongs to a namespace (vm_id); who knows its id may use it, from any thread and any vm_id.
 * The thread that registered last receives: `ring` is told of it after the fact, outside of the lock.
 */
import {
  MAX_KEY,
  NAMESPACE_TABLE_AT,
  REFUSED_FULL_AT,
  REFUSED_LENGTH_AT,
  REFUSED_QUEUE_AT,
} from "./store/store-layout.ts";
import { FIRST, MESSAGE_BYTES, MESSAGE_LENGTH, QUEUE_ID, READY, REGISTRANT } from "./store/store-queues.ts";
import { EMPTY, NOT_FOUND, OK, REFUSED, type StoreSession } from "./store/store-session.ts";

/** Told that a queue of `thread`'s became ready: usually a QueueBell's `ring`. */
export type Ring = (thread: number, queue: number) => void;

export class SharedQueues {
  private readonly session: StoreSession;
  private readonly words: Int32Array;
  private readonly ring: Ring;

  constructor(session: StoreSession, ring: Ring) {
    this.session = session;
    this.words = session.words;
    this.ring = ring;
  }

  /** Length of the message that the last successful `dequeue` took, bytes. */
  get length(): number {
    return this.session.length;
  }

  /** The id of the queue of that name, made if need be; this thread is its receiver from now on. 0: refused. */
  register(namespace: number, bytes: Uint8Array, nameAt: number, nameLength: number): number {
    const { session, words } = this;
    if (nameLength > MAX_KEY) {
      session.refuse("too long", REFUSED_LENGTH_AT);
      return 0;
    }
    if (!session.enter()) return 0;
    if (words[NAMESPACE_TABLE_AT + namespace] <= 0) {
      session.leave();
      session.refusal = "released";
      return 0;
    }
    let record = session.queues.find(namespace, bytes, nameAt, nameLength);
    session.change();
    if (record === 0) record = session.queues.create(namespace, bytes, nameAt, nameLength);
    if (record === 0) {
      session.leave();
      session.refuse("full", REFUSED_FULL_AT);
      return 0;
    }
    const id = words[record + QUEUE_ID] >>> 0;
    const isNew = words[record + REGISTRANT] !== session.thread + 1;
    words[record + REGISTRANT] = session.thread + 1;
    const waiting = words[record + READY];
    session.leave();
    // What the former receiver has not taken is this one's.
    if (isNew && waiting > 0) this.ring(session.thread, id);
    return id;
  }

  /** The id of a queue by the vm_id and name that lie in `bytes`, 0 if there is none. */
  resolve(bytes: Uint8Array, vmIdAt: number, vmIdLength: number, nameAt: number, nameLength: number): number {
    const { session } = this;
    if (vmIdLength > MAX_KEY || nameLength > MAX_KEY || !session.enter()) return 0;
    const id = this.idOf(session.namespaces.find(bytes, vmIdAt, vmIdLength), bytes, nameAt, nameLength);
    session.leave();
    return id;
  }

  /** As `resolve`, in a namespace that is open here: the ABI's empty vm_id means the caller's own. */
  resolveOwn(namespace: number, bytes: Uint8Array, nameAt: number, nameLength: number): number {
    const { session } = this;
    if (nameLength > MAX_KEY || !session.enter()) return 0;
    const isOpen = this.words[NAMESPACE_TABLE_AT + namespace] > 0;
    const id = this.idOf(isOpen ? namespace : 0, bytes, nameAt, nameLength);
    session.leave();
    return id;
  }

  /** Appends a message and rings for the receiver: OK, NOT_FOUND, REFUSED. */
  enqueue(queue: number, bytes: Uint8Array, at: number, length: number): number {
    const { session, words } = this;
    if (length > session.valueLimit) return session.refuse("too long", REFUSED_LENGTH_AT);
    if (!session.enter()) return REFUSED;
    const record = session.queues.byId(queue);
    if (record === 0) {
      session.leave();
      return NOT_FOUND;
    }
    session.change();
    if (!session.queues.append(record, bytes, at, length)) {
      session.leave();
      return session.refuse("queue full", REFUSED_QUEUE_AT);
    }
    const receiver = words[record + REGISTRANT] - 1;
    const isFirst = words[record + READY]++ === 0;
    session.leave();
    if (isFirst && receiver >= 0) this.ring(receiver, queue);
    return OK;
  }

  /** Takes the first message out: OK, with `length`, to be had by `copyInto`; EMPTY; NOT_FOUND; REFUSED. */
  dequeue(queue: number): number {
    const { session, words } = this;
    if (!session.enter()) return REFUSED;
    const record = session.queues.byId(queue);
    const message = record === 0 ? 0 : words[record + FIRST];
    if (message !== 0) {
      session.takeOut(message + MESSAGE_BYTES, words[message + MESSAGE_LENGTH]);
      session.change();
      session.queues.dropFirst(record);
    }
    session.leave();
    return record === 0 ? NOT_FOUND : message === 0 ? EMPTY : OK;
  }

  /** Copies the message that was taken out into `target` at `at`, where there must be room. */
  copyInto(target: Uint8Array, at: number): void {
    this.session.copyInto(target, at);
  }

  /** How many notifications of the queue are this thread's to make; they count as made. */
  takeReady(queue: number): number {
    const { session, words } = this;
    if (!session.enter()) return 0;
    const record = session.queues.byId(queue);
    let count = 0;
    if (record !== 0 && words[record + REGISTRANT] === session.thread + 1) {
      count = words[record + READY];
      words[record + READY] = 0;
    }
    session.leave();
    return count;
  }

  private idOf(namespace: number, bytes: Uint8Array, at: number, length: number): number {
    if (namespace === 0) return 0;
    const record = this.session.queues.find(namespace, bytes, at, length);
    return record === 0 ? 0 : this.words[record + QUEUE_ID] >>> 0;
  }
}
