/**
 * What the plugins of one thread share with those of the others: the process's store, and the bell that tells of
 * queues. Made when the first configuration needs it; a canary has one of its own, which nobody shares.
 */
import type { FilterContext } from "../../core/filter/filter-context.ts";
import { Timer } from "../../core/time/timers.ts";
import { SharedStore } from "./shared-store.ts";
import { showSharedStore } from "./shared-store-stats.ts";
import { QueueBell } from "./store/queue-bell.ts";

/** Has `WasmHost.queueReady(queue)` called in the thread of that number. */
export type PostNote = (thread: number, queue: number) => void;

/** Bytes of a store that only a canary uses. */
const LONELY_BYTES = 256 * 1024;

export class SharedSpace {
  readonly store: SharedStore;
  readonly bell: QueueBell;

  /** `thread` is a number below those that the store was made for, and of no other thread. */
  constructor(buffer: SharedArrayBuffer, thread: number, context: FilterContext, post: PostNote) {
    const { timers, clock } = context;
    const deliver = new Timer(() => this.bell.deliver(this.store.queues));
    this.bell = new QueueBell(thread, {
      post,
      wake: () => timers.arm(deliver, clock.now),
    });
    this.store = SharedStore.attach(buffer, thread, (to, queue) => this.bell.ring(to, queue));
    showSharedStore(context.stats, this.store);
  }

  /** One that nobody else sees. */
  static lonely(context: FilterContext): SharedSpace {
    const buffer = SharedStore.create({ threads: 1, seed: [1, 2], bytes: LONELY_BYTES });
    return new SharedSpace(buffer, 0, context, () => undefined);
  }
}
