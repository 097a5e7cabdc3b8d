/**
 * Whether Deno's TLS can be believed that a peer has the key of the certificate that it shows.
 *
 * As measured (2.9.6), with a certificate that rustls cannot read it lets the signature of the handshake pass
 * unverified: that is so for X.509 version 1, and for bad encodings. Anybody could show the certificate of somebody
 * else, with the part that its issuer has not signed encoded in another way, and be taken for its owner by a reader
 * that is less strict. So the leaf has to be of version 3, and its outer part the one encoding that DER allows. What
 * the issuer has signed nobody can change.
 */

const SEQUENCE = 0x30;
const BIT_STRING = 0x03;
const EXPLICIT_0 = 0xa0;
const VERSION_3 = 2;

/** A value of DER: its contents are `[start, end)`. */
class Cursor {
  start = 0;
  end = 0;

  /** Reads the value at `at` of `bytes[0, limit)`. False if it is not of that tag, or not the one encoding of DER. */
  enter(bytes: Uint8Array, at: number, limit: number, tag: number): boolean {
    if (at + 2 > limit || bytes[at] !== tag) return false;
    let length = bytes[at + 1];
    this.start = at + 2;
    if (length >= 0x80) {
      const octets = length & 0x7f;
      if (octets === 0 || octets > 3 || this.start + octets > limit || bytes[this.start] === 0) return false;
      length = 0;
      for (let i = 0; i < octets; i++) length = (length << 8) | bytes[this.start++];
      if (length < 0x80) return false;
    }
    this.end = this.start + length;
    return this.end <= limit;
  }
}

/** See the head of this file. `leaf` is DER. */
export function hasProperShape(leaf: Uint8Array): boolean {
  const cursor = new Cursor();
  if (!cursor.enter(leaf, 0, leaf.length, SEQUENCE) || cursor.end !== leaf.length) return false;
  if (!cursor.enter(leaf, cursor.start, leaf.length, SEQUENCE)) return false; // what is signed
  const { start: signed, end: afterSigned } = cursor;
  if (!cursor.enter(leaf, afterSigned, leaf.length, SEQUENCE)) return false; // how
  const outer = leaf.subarray(afterSigned, cursor.end);
  if (!cursor.enter(leaf, cursor.end, leaf.length, BIT_STRING)) return false; // the signature
  if (cursor.end !== leaf.length || leaf[cursor.start] !== 0) return false;
  // version [0] { INTEGER 2 }, serialNumber INTEGER, signature AlgorithmIdentifier
  if (!cursor.enter(leaf, signed, afterSigned, EXPLICIT_0) || cursor.end - cursor.start !== 3) return false;
  if (leaf[cursor.start] !== 2 || leaf[cursor.start + 1] !== 1 || leaf[cursor.start + 2] !== VERSION_3)
    return false;
  if (!cursor.enter(leaf, cursor.end, afterSigned, 2)) return false;
  const at = cursor.end;
  if (!cursor.enter(leaf, at, afterSigned, SEQUENCE)) return false;
  const inner = leaf.subarray(at, cursor.end);
  return inner.length === outer.length && inner.every((byte, i) => byte === outer[i]);
}
