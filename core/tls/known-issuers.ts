/**
 * Intermediate CAs that have vouched for peers, known to all workers of a process: a session that is resumed may bring
 * the leaf alone (OpenSSL's do), perhaps to a worker that has not seen the rest, and whoever lacks that finds no way from
 * it. One memory that every worker writes to and reads; what is in it is seen by all at once.
 *
 * Laws:
 * - What is here is trusted by nobody: it is looked at as if the peer had shown it.
 * - Only what stood on a way that was found gets in, so that no peer can fill it. Nothing is ever taken out; where there
 *   is no room left, nothing more gets in.
 * - A writer reserves its place first and fills in the length last: readers stop before what is not finished, and there
 *   is no lock to wait for.
 */
import { type Certificate, readCertificate } from "./certificate.ts";
import { sameBytes } from "./der.ts";
import { MAX_SHOWN } from "./trust-path.ts";

/** Bytes of the memory: some three hundred certificates. */
export const ISSUER_BYTES = 256 * 1024;

/** Where the first record begins; before it, how many bytes of records there are. */
const RECORDS_AT = 4;
/** Of a record: the length of what follows, 0 = not finished. */
const LENGTH_BYTES = 4;

export class KnownIssuers {
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly known: Certificate[] = [];
  /** What lies before it is in `known`. */
  private seen = RECORDS_AT;

  /** `memory`: of zeroes when it is new, shared by all that shall know the same. */
  constructor(memory: ArrayBufferLike = new ArrayBuffer(ISSUER_BYTES)) {
    this.words = new Int32Array(memory);
    this.bytes = new Uint8Array(memory);
  }

  /** Remembers the CAs of a way (leaf first) between its ends. */
  learn(path: readonly Certificate[]): void {
    for (const issuer of path.slice(1, -1)) {
      this.read();
      if (!this.known.some(({ der }) => sameBytes(der, issuer.der))) this.write(issuer.der);
    }
  }

  /** Those that may stand above `leaf`, at most as many as a peer may show. */
  above(leaf: Certificate): readonly Certificate[] {
    this.read();
    const found: Certificate[] = [];
    const children = [leaf];
    for (const child of children)
      for (const issuer of this.known) {
        if (found.length === MAX_SHOWN) return found;
        if (found.includes(issuer) || !sameBytes(issuer.subjectName, child.issuerName)) continue;
        found.push(issuer);
        children.push(issuer);
      }
    return found;
  }

  /** Takes in what has been written since. */
  private read(): void {
    const { words, bytes } = this;
    for (const end = RECORDS_AT + Atomics.load(words, 0); this.seen < end; ) {
      const length = Atomics.load(words, this.seen >> 2);
      if (length === 0) return;
      const start = this.seen + LENGTH_BYTES;
      const certificate = readCertificate(bytes.slice(start, start + length));
      if (typeof certificate !== "string") this.known.push(certificate);
      this.seen = start + padded(length);
    }
  }

  private write(der: Uint8Array): void {
    const { words, bytes } = this;
    const size = LENGTH_BYTES + padded(der.length);
    for (;;) {
      const used = Atomics.load(words, 0);
      const at = RECORDS_AT + used;
      if (at + size > bytes.length) return;
      if (Atomics.compareExchange(words, 0, used, used + size) !== used) continue; // another worker was faster
      bytes.set(der, at + LENGTH_BYTES);
      Atomics.store(words, at >> 2, der.length);
      return;
    }
  }
}

function padded(length: number): number {
  return (length + 3) & ~3;
}
