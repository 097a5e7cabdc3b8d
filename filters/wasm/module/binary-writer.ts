/** Writes the primitives of the WebAssembly binary format (core spec 5.1-5.2) into one growing array. */

export class BinaryWriter {
  #bytes: Uint8Array;
  #length = 0;

  /** `capacity`: bytes to begin with. */
  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  byte(value: number): void {
    if (this.#length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.#length++] = value;
  }

  u32(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** A signed number of at most 32 bits. */
  s32(value: number): void {
    let rest = value;
    while (rest < -64 || rest > 63) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    this.byte(rest & 0x7f);
  }

  /** `text`: a byte string. */
  name(text: string): void {
    this.u32(text.length);
    for (let i = 0; i < text.length; i++) this.byte(text.charCodeAt(i));
  }

  /** Copies `[start, end)`. */
  copy(from: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length > this.#bytes.length - this.#length) this.#grow(length);
    // For a few bytes a view costs more than the copy.
    if (length < 48) {
      for (let i = start; i < end; i++) this.#bytes[this.#length++] = from[i];
    } else {
      this.#bytes.set(from.subarray(start, end), this.#length);
      this.#length += length;
    }
  }

  /** Leaves room for a length that `endBlock` fills in; answers the place to hand it. */
  beginBlock(): number {
    if (this.#bytes.length - this.#length < 5) this.#grow(5);
    this.#length += 5;
    return this.#length;
  }

  /** Writes the length of all that came since; always five bytes, which the format allows. */
  endBlock(start: number): void {
    const length = this.#length - start;
    for (let i = 0; i < 5; i++) {
      this.#bytes[start - 5 + i] = ((length >>> (7 * i)) & 0x7f) | (i < 4 ? 0x80 : 0);
    }
  }

  /** What was written, in an array of its own length; the writer is not used afterwards. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length) as Uint8Array<ArrayBuffer>;
  }

  #grow(by: number): void {
    const bytes = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + by));
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
  }
}
