/**
 * The first bytes of a connection in one run, however they came, for who has to see them all before it knows what they
 * are. Does not judge how many may come: who appends does.
 *
 * Laws: no chunk is changed; one that comes alone is not copied. Room is doubled up to the usual most, then made as
 * large as it must be.
 */
const NOTHING = new Uint8Array(0);

export class GatheredBytes {
  /** Has them in `[0, length)`. */
  buffer: Uint8Array = NOTHING;
  length = 0;
  private readonly most: number;

  /** `most`: bytes that usually come at most. */
  constructor(most: number) {
    this.most = most;
  }

  /** All of them. */
  get bytes(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  /** The chunk may be kept. */
  append(chunk: Uint8Array): void {
    const { length } = this;
    const needed = length + chunk.length;
    if (length === 0) this.buffer = chunk;
    else {
      if (needed > this.buffer.length) {
        const grown = new Uint8Array(Math.max(needed, Math.min(2 * length, this.most)));
        grown.set(this.buffer.subarray(0, length));
        this.buffer = grown;
      }
      this.buffer.set(chunk, length);
    }
    this.length = needed;
  }
}
