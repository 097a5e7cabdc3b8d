/**
 * Pieces of a request body that wait for an upstream, or are kept for another try. References only: nothing is
 * copied. The owner bounds it by `bytes`.
 */
export class BodyQueue {
  /** Sum of the pieces. */
  bytes = 0;
  private readonly chunks: Uint8Array[] = [];
  private readonly bounds: number[] = [];

  /** Appends `chunk[start, end)`; the chunk must not change as long as it is here. */
  push(chunk: Uint8Array, start: number, end: number): void {
    this.chunks.push(chunk);
    this.bounds.push(start, end);
    this.bytes += end - start;
  }

  /** Hands every piece to `sink` in order; they stay here. */
  replay(sink: { sendBody(bytes: Uint8Array, start: number, end: number): void }): void {
    for (let i = 0; i < this.chunks.length; i++) {
      sink.sendBody(this.chunks[i], this.bounds[2 * i], this.bounds[2 * i + 1]);
    }
  }

  clear(): void {
    this.chunks.length = 0;
    this.bounds.length = 0;
    this.bytes = 0;
  }
}
