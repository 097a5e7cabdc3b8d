/**
 * The deadlines of the stream that a connection carries. They belong to the connection, so that a request costs no
 * timer objects and, usually, no change to the heap: the next request only moves them to a later time.
 */
import { Timer, type Timers } from "../time/timers.ts";

/** How long a client that sent FIN is kept in silence where no time-out is configured, ms. */
export const MAX_HALF_CLOSED_MS = 60_000;

/** Who is told; called at most once per arming. */
export interface StreamDeadlines {
  onStreamIdle(): void;
  onRequestTimeout(): void;
  onRouteTimeout(): void;
  onTryTimer(): void;
  onMaxDuration(): void;
}

export class StreamTimers {
  /** Nothing moved for the stream idle timeout. */
  readonly idle: Timer;
  /** The whole request must be here. */
  readonly request: Timer;
  /** The whole answer must be here, all tries together. */
  readonly route: Timer;
  /** The end of a try's time, or of a back-off between tries. */
  readonly attempt: Timer;
  /** The stream must be over. */
  readonly duration: Timer;
  private readonly heap: Timers;

  /** `current` is the stream that the deadlines are about, or null. */
  constructor(heap: Timers, current: () => StreamDeadlines | null) {
    this.heap = heap;
    this.idle = new Timer(() => current()?.onStreamIdle());
    this.request = new Timer(() => current()?.onRequestTimeout());
    this.route = new Timer(() => current()?.onRouteTimeout());
    this.attempt = new Timer(() => current()?.onTryTimer());
    this.duration = new Timer(() => current()?.onMaxDuration());
  }

  /** Something other than silence will end the stream. */
  get bounded(): boolean {
    return this.route.armed || this.duration.armed;
  }

  /** Of all deadlines only this one is left, ms: `onStreamIdle`. */
  endAt(deadline: number): void {
    this.cancel();
    this.heap.arm(this.idle, deadline);
  }

  /** The stream is over. */
  cancel(): void {
    const { heap } = this;
    heap.cancel(this.idle);
    heap.cancel(this.request);
    heap.cancel(this.route);
    heap.cancel(this.attempt);
    heap.cancel(this.duration);
  }

  /** The connection is gone: the heap forgets it. */
  release(): void {
    const { heap } = this;
    heap.release(this.idle);
    heap.release(this.request);
    heap.release(this.route);
    heap.release(this.attempt);
    heap.release(this.duration);
  }
}
