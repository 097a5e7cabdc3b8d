/**
 * Reads the one answer of a connection of HTTP/2 on which stream 1 alone was opened, like response-reader.ts: just enough to know its
 * status, and that it is whole.
 */

const DATA = 0;
const HEADERS = 1;
const END_STREAM = 1;

export class Http2ResponseReader {
  /** 200, or 0 for anything else. */
  status = 0;
  bodyLength = 0;
  private held: number[] = [];

  /** Takes `length` bytes of `chunk` (borrowed); 1 when the answer is whole, 0 before, -1 if that cannot be read. */
  take(chunk: Uint8Array, length: number): number {
    for (let i = 0; i < length; i++) this.held.push(chunk[i]);
    for (;;) {
      const { held } = this;
      if (held.length < 9) return 0;
      const size = (held[0] << 16) | (held[1] << 8) | held[2];
      if (held.length < 9 + size) return 0;
      const [type, flags, stream] = [held[3], held[4], held[8]];
      const payload = held.slice(9, 9 + size);
      this.held = held.slice(9 + size);
      if (type !== DATA && type !== HEADERS) continue;
      if (stream !== 1) return -1;
      if (type === DATA) this.bodyLength += size;
      // Sizes of the table may come first; then ":status: 200" is one byte.
      else if (payload.find((byte) => byte >> 5 !== 1) === 0x88) this.status = 200;
      if ((flags & END_STREAM) !== 0) return 1;
    }
  }
}
