/**
 * Tells the owners of shared queues in one thread that a message has come: `proxy_on_queue_ready`, never from inside
 * of the guest call that enqueued. What crosses threads is one number, the queue's id; the adapter carries it.
 *
 * Laws: one call per message, as in Envoy (a guest may take one message per call); at most one note per queue is
 * under way between threads, whatever the number of messages.
 */

/** How a note reaches another thread: made by the adapter. */
export interface QueuePost {
  /** Has `receive(queue)` called on the bell of `thread`. A thread that has ended loses it: that is right. */
  post(thread: number, queue: number): void;
  /** Has `deliver()` called on this thread's own bell, soon and from the event loop. */
  wake(): void;
}

/** The store's part that the bell needs. */
export interface ReadyQueues {
  /** How many notifications of the queue are this thread's to make; they count as made. */
  takeReady(queue: number): number;
}

/** The bell of one thread. */
export class QueueBell {
  private readonly thread: number;
  private readonly post: QueuePost;
  private readonly listeners = new Map<number, (queue: number) => void>();
  private pending = new Set<number>();

  constructor(thread: number, post: QueuePost) {
    this.thread = thread;
    this.post = post;
  }

  /** Has `onReady` called for the queue's messages, in place of whoever listened in this thread before. */
  listen(queue: number, onReady: (queue: number) => void): void {
    this.listeners.set(queue, onReady);
  }

  /** Ends all listening of `onReady`: its root context goes. Messages stay in their queues. */
  mute(onReady: (queue: number) => void): void {
    for (const [queue, listener] of this.listeners) if (listener === onReady) this.listeners.delete(queue);
  }

  /** A queue of `thread`'s has become ready. */
  ring(thread: number, queue: number): void {
    if (thread === this.thread) this.receive(queue);
    else this.post.post(thread, queue);
  }

  /** A note from another thread: to be delivered with the next turn. */
  receive(queue: number): void {
    this.pending.add(queue);
    if (this.pending.size === 1) this.post.wake();
  }

  /** Calls the listeners of all queues that were rung for. What they enqueue is for the next turn. */
  deliver(store: ReadyQueues): void {
    const queues = this.pending;
    this.pending = new Set();
    for (const queue of queues) {
      for (let left = store.takeReady(queue); left > 0; left--) this.listeners.get(queue)?.(queue);
    }
  }
}
