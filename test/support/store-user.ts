/** A shared store as one thread uses it, with text for bytes, so that tests read as stories. */
import { EMPTY, NOT_FOUND, OK, SharedStore } from "../../filters/wasm/shared-store.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A new store, small unless a test needs room. */
export function newStore(bytes = 256 << 10, threads = 3): SharedArrayBuffer {
  return SharedStore.create({ threads, seed: [0x1234567, 0x89abcdef | 0], bytes });
}

/** A thread's attachment and one namespace of its. */
export class StoreUser {
  readonly store: SharedStore;
  namespace: number;
  /** [thread, queue] of every ring. */
  readonly rings: [number, number][] = [];
  private readonly scratch = new Uint8Array(3 << 20);

  constructor(buffer: SharedArrayBuffer, thread = 0, vmId = "vm", store?: SharedStore) {
    this.store =
      store ??
      SharedStore.attach(buffer, thread, (receiver, queue) => void this.rings.push([receiver, queue]));
    this.namespace = this.store.open(encoder.encode(vmId));
  }

  open(vmId: string): number {
    return this.store.open(encoder.encode(vmId));
  }

  /** The value, or null. Anything else than OK and NOT_FOUND throws. */
  get(key: string, namespace = this.namespace): string | null {
    const length = this.put(key, 0);
    const status = this.store.get(namespace, this.scratch, 0, length);
    if (status === NOT_FOUND) return null;
    if (status !== OK) throw new Error(`get: ${this.store.refusal}`);
    return this.taken(this.store.length);
  }

  /** The CAS number of a key, 0 if it is absent. */
  cas(key: string): number {
    return this.get(key) === null ? 0 : this.store.cas;
  }

  set(key: string, value: string, cas = 0, namespace = this.namespace): number {
    const length = this.put(key, 5);
    const valueLength = this.put(value, 5 + length);
    return this.store.set(namespace, this.scratch, 5, length, 5 + length, valueLength, cas);
  }

  register(name: string): number {
    return this.store.queues.register(this.namespace, this.scratch, 0, this.put(name, 0));
  }

  resolve(vmId: string, name: string): number {
    const length = this.put(vmId, 0);
    return this.store.queues.resolve(this.scratch, 0, length, length, this.put(name, length));
  }

  enqueue(queue: number, message: string): number {
    return this.store.queues.enqueue(queue, this.scratch, 3, this.put(message, 3));
  }

  /** The message, or the status if there is none. */
  dequeue(queue: number): string | number {
    const status = this.store.queues.dequeue(queue);
    return status === OK ? this.taken(this.store.queues.length) : status;
  }

  /** All messages, in order. */
  drain(queue: number): string[] {
    const messages: string[] = [];
    for (;;) {
      const message = this.dequeue(queue);
      if (message === EMPTY || message === NOT_FOUND) return messages;
      messages.push(String(message));
    }
  }

  private put(text: string, at: number): number {
    const bytes = encoder.encode(text);
    this.scratch.set(bytes, at);
    return bytes.length;
  }

  private taken(length: number): string {
    this.scratch.fill(0xee, 0, length + 8);
    this.store.copyInto(this.scratch, 1);
    if (this.scratch[0] !== 0xee || this.scratch[length + 1] !== 0xee) throw new Error("copied too much");
    return decoder.decode(this.scratch.subarray(1, 1 + length));
  }
}
