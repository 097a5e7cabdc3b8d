/**
 * Reads one HTTP/1.1 response after another off a connection: just enough to know its status, that its body is whole
 * and whether the server will close. Bodies must have a Content-Length, which all the bench's answers do.
 *
 * Not a proxy's codec and no judge of correctness; it allocates nothing per response.
 */

const HEAD_LIMIT = 8192;
const NAME = new Uint8Array([..."content-length:"].map((c) => c.charCodeAt(0)));

export class ResponseReader {
  /** Status of the response being read, or 0. */
  status = 0;
  /** Length of its body in bytes. */
  bodyLength = 0;
  readonly #head = new Uint8Array(HEAD_LIMIT);
  #held = 0;
  #bodyLeft = -1;

  /**
   * Takes `length` bytes of `chunk` (borrowed). Returns 1 when that completes a response, 0 when more is
   * needed, and -1 if it is not a response that we can read.
   */
  take(chunk: Uint8Array, length: number): number {
    let at = 0;
    if (this.#bodyLeft < 0) {
      const before = this.#held;
      const room = Math.min(length, HEAD_LIMIT - before);
      this.#head.set(chunk.subarray(0, room), before);
      this.#held = before + room;
      const end = this.#headEnd(Math.max(0, before - 3));
      if (end < 0) return this.#held >= HEAD_LIMIT ? -1 : 0;
      if (!this.#readHead(end)) return -1;
      at = end - before;
      this.#bodyLeft = this.bodyLength;
    }
    const body = length - at;
    if (body > this.#bodyLeft) return -1; // nobody asked for more than one response
    this.#bodyLeft -= body;
    if (this.#bodyLeft > 0) return 0;
    this.#bodyLeft = -1;
    this.#held = 0;
    return 1;
  }

  #headEnd(from: number): number {
    const head = this.#head;
    for (let i = from; i + 3 < this.#held; i++) {
      if (head[i] === 13 && head[i + 1] === 10 && head[i + 2] === 13 && head[i + 3] === 10) return i + 4;
    }
    return -1;
  }

  #readHead(end: number): boolean {
    const head = this.#head;
    if (end < 17 || head[0] !== 0x48) return false; // "HTTP/1.1 200 \r\n\r\n" at the least
    this.status = (head[9] - 48) * 100 + (head[10] - 48) * 10 + (head[11] - 48);
    for (let i = 12; i < end; i++) {
      if (head[i] !== 10 || !this.#nameAt(i + 1)) continue;
      let at = i + 1 + NAME.length;
      while (head[at] === 32) at++;
      let value = 0;
      for (; head[at] >= 48 && head[at] <= 57; at++) value = value * 10 + head[at] - 48;
      this.bodyLength = value;
      return true;
    }
    return false;
  }

  #nameAt(at: number): boolean {
    for (let i = 0; i < NAME.length; i++) {
      if ((this.#head[at + i] | 0x20) !== (NAME[i] | 0x20)) return false;
    }
    return true;
  }
}
