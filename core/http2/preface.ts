/**
 * Tells HTTP/2 from HTTP/1 by what a client says first (RFC 9113 3.4), however it is cut. No request of HTTP/1 begins
 * like the preface, which was chosen for that.
 */
export const Undecided = 0;
/** The client speaks HTTP/1. */
export const NoPreface = 1;
export const IsPreface = 2;
export type Verdict = typeof Undecided | typeof NoPreface | typeof IsPreface;

/** So much of it is enough to be sure: no method of HTTP/1 is spelt so, and is followed by "*". */
export const PREFACE_START = "PRI * HTTP/2";

export class PrefaceWatch {
  /** What came so far, once there is a verdict. */
  bytes: Uint8Array = new Uint8Array(0);

  /** Looks at the next chunk. */
  feed(chunk: Uint8Array): Verdict {
    const before = this.bytes;
    if (before.length === 0) this.bytes = chunk;
    else {
      this.bytes = new Uint8Array(before.length + chunk.length);
      this.bytes.set(before);
      this.bytes.set(chunk, before.length);
    }
    const seen = Math.min(this.bytes.length, PREFACE_START.length);
    for (let i = before.length; i < seen; i++)
      if (this.bytes[i] !== PREFACE_START.charCodeAt(i)) return NoPreface;
    return seen === PREFACE_START.length ? IsPreface : Undecided;
  }
}
