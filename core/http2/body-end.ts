/**
 * Which piece of a body is its last one, for as long as it is handed on: the frame that it came in ended the stream. Who
 * relays just that piece over HTTP/2 can end its own stream with it, instead of with an empty frame behind it. One per
 * worker: there is only one piece at a time.
 *
 * Law: whoever may hold a piece back, or let something follow it, clears this first.
 */
export class BodyEnd {
  private bytes: Uint8Array | null = null;
  private end = 0;

  /** The piece that ends there is the last, and no trailers follow. Until `clear`. */
  mark(bytes: Uint8Array, end: number): void {
    this.bytes = bytes;
    this.end = end;
  }

  clear(): void {
    this.bytes = null;
  }

  /** True if that is the piece. */
  is(bytes: Uint8Array, end: number): boolean {
    return this.bytes === bytes && this.end === end;
  }
}
