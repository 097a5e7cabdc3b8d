/** Random bytes from a pool: one call to the runtime's generator per 4 KiB. Bytes are handed out once. */

const POOL_SIZE = 4096;

export class Entropy {
  private readonly pool = new Uint8Array(POOL_SIZE);
  private used = POOL_SIZE;

  /** Fills `into` with cryptographically strong random bytes. */
  fill(into: Uint8Array): void {
    if (into.length > POOL_SIZE) {
      for (let at = 0; at < into.length; at += POOL_SIZE) {
        this.fill(into.subarray(at, Math.min(at + POOL_SIZE, into.length)));
      }
      return;
    }
    if (this.used + into.length > POOL_SIZE) {
      crypto.getRandomValues(this.pool);
      this.used = 0;
    }
    const pool = this.pool;
    let from = this.used;
    for (let i = 0; i < into.length; i++) {
      into[i] = pool[from];
      pool[from++] = 0;
    }
    this.used = from;
  }
}
