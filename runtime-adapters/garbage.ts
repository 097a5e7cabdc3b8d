/**
 * When to collect garbage in a process that fell quiet. A collector runs when somebody allocates, so a process that
 * has served a burst and then does nothing keeps the burst's garbage: V8 for good, JavaScriptCore for ten seconds.
 * A collection stops the thread (about 1 ms per MB in use), so it must be worth it.
 */

/** The heap has grown to that multiple of what the last collection left. */
const GROWTH = 1.5;
/** So many connections are gone since then; each was 5 to 10 KB. */
const GONE = 500;

export class Garbage {
  private left = 0;
  private connections = 0;

  /** Collects if it is worth it. `heapBytes` tells the size of the heap now; `connections` are open. */
  collect(connections: number, heapBytes: () => number, collector: () => void): void {
    if (heapBytes() < this.left * GROWTH && connections > this.connections - GONE) return;
    collector();
    this.left = heapBytes();
    this.connections = connections;
  }
}
