/**
 * Intermediate CAs that have vouched for clients, known to all workers of a process: a session that is resumed may bring
 * the leaf alone (OpenSSL's do), perhaps to a worker that has not seen the rest, and whoever lacks that finds no way from
 * it. One memory that every worker writes to and reads; what is in it is seen by all at once.
 *
 * Laws:
 * - What is here is trusted by nobody: it is looked at as if the peer had shown it.
 * - Only what stood on a way that was found gets in, and only who goes by the same trusted certificates (a realm) gets to
 *   see it. Where there is no room left, what has expired gives way first, then the oldest of the realm that holds the
 *   most: so nobody's CAs can crowd out another's.
 * - There is no lock to wait for: a slot's state is odd while it is being written. A writer that dies meanwhile costs that
 *   one slot.
 */
import type { Cryptography } from "../io/cryptography.ts";
import { type Certificate, readCertificate } from "./certificate.ts";
import { signatureScheme } from "./cryptography.ts";
import { hex, sameBytes } from "./der.ts";
import { MAX_SHOWN } from "./trust-path.ts";

/** Bytes of the memory before the slots: how many were reserved so far, which gives them their order. */
export const HEAD_BYTES = 4;
/** Bytes of one slot. A certificate that is too large for one is not remembered. */
export const SLOT_BYTES = 4096;
/** Bytes of the memory: 128 certificates. */
export const ISSUER_BYTES = HEAD_BYTES + 128 * SLOT_BYTES;

/** Words into a slot, after its state (0 = never used, odd = being written): its place in the order, and a length. */
const ORDER = 1;
const LENGTH = 2;
/** Bytes into a slot. */
const REALM_AT = 12;
const REALM_BYTES = 32;
const DER_AT = REALM_AT + REALM_BYTES;

/** What a slot holds. */
interface Known {
  readonly order: number;
  /** Hexadecimal. */
  readonly realm: string;
  readonly certificate: Certificate;
}

export class KnownIssuers {
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  /** By slot, as of the state in `states`; null = nothing. */
  private readonly slots: (Known | null)[];
  private readonly states: Int32Array;

  /** `memory`: of zeroes when it is new, shared by all that shall know the same. */
  constructor(memory: ArrayBufferLike = new ArrayBuffer(ISSUER_BYTES)) {
    this.words = new Int32Array(memory);
    this.bytes = new Uint8Array(memory);
    this.states = new Int32Array(Math.floor((memory.byteLength - HEAD_BYTES) / SLOT_BYTES));
    this.slots = Array.from(this.states, () => null);
  }

  /**
   * Remembers the CAs of a way (leaf first) between its ends. `realm`: a digest (32 bytes) of the trusted certificates by
   * which it was found. `now`: Unix time in ms.
   */
  learn(path: readonly Certificate[], realm: Uint8Array, now: number): void {
    const named = hex(realm);
    for (const { der } of path.slice(1, -1)) {
      this.read();
      const known = this.slots.some(
        (each) => each !== null && each.realm === named && sameBytes(each.certificate.der, der),
      );
      if (!known) this.write(der, realm, now);
    }
  }

  /**
   * Those of the realm that have signed `leaf`, or one of these, the newest first; at most as many as a peer may show.
   * `now`: Unix time in ms, what has expired by then does not count. At most one signature per slot is checked.
   */
  above(leaf: Certificate, realm: Uint8Array, now: number, cryptography: Cryptography): Certificate[] {
    this.read();
    const named = hex(realm);
    const candidates = this.slots
      .filter((each) => each !== null)
      .filter((each) => each.realm === named && now <= each.certificate.notAfter)
      .sort((a, b) => b.order - a.order);
    const found: Certificate[] = [];
    const children = [leaf];
    let checks = this.slots.length;
    for (const child of children)
      for (const { certificate } of candidates) {
        if (found.length === MAX_SHOWN) return found;
        if (found.includes(certificate) || !sameBytes(certificate.subjectName, child.issuerName)) continue;
        if (checks-- === 0) return found;
        if (!vouches(certificate, child, cryptography)) continue;
        found.push(certificate);
        children.push(certificate);
      }
    return found;
  }

  /** Takes in what has been written since. */
  private read(): void {
    const { words, bytes, slots, states } = this;
    for (let i = 0; i < slots.length; i++) {
      const at = placeOf(i);
      const word = at >> 2;
      const state = Atomics.load(words, word);
      if (state === states[i] || (state & 1) === 1) continue;
      const order = words[word + ORDER];
      const end = at + DER_AT + words[word + LENGTH];
      const realm = hex(bytes.slice(at + REALM_AT, at + DER_AT));
      const certificate = readCertificate(bytes.slice(at + DER_AT, end));
      if (Atomics.load(words, word) !== state) continue; // overwritten meanwhile
      states[i] = state;
      slots[i] = typeof certificate === "string" ? null : { order, realm, certificate };
    }
  }

  private write(der: Uint8Array, realm: Uint8Array, now: number): void {
    const { words, bytes, states } = this;
    if (DER_AT + der.length > SLOT_BYTES) return;
    for (let slot = this.leastWanted(now); slot >= 0; slot = this.leastWanted(now)) {
      const at = placeOf(slot);
      const word = at >> 2;
      const state = states[slot];
      if (Atomics.compareExchange(words, word, state, state + 1) === state) {
        words[word + ORDER] = Atomics.add(words, 0, 1);
        words[word + LENGTH] = der.length;
        bytes.set(realm, at + REALM_AT);
        bytes.set(der, at + DER_AT);
        Atomics.store(words, word, state + 2);
        return;
      }
      this.read(); // another worker was faster
    }
  }

  /** The slot that is written to next, -1 if there is none that can be. */
  private leastWanted(now: number): number {
    const held = new Map<string, number>();
    const used: { readonly slot: number; readonly known: Known }[] = [];
    for (const [slot, known] of this.slots.entries()) {
      if ((Atomics.load(this.words, placeOf(slot) >> 2) & 1) === 1) continue;
      if (known === null || known.certificate.notAfter < now) return slot;
      held.set(known.realm, (held.get(known.realm) ?? 0) + 1);
      used.push({ slot, known });
    }
    const most = Math.max(...held.values());
    let oldest = Number.POSITIVE_INFINITY;
    let least = -1;
    for (const { slot, known } of used) {
      if (held.get(known.realm) !== most || known.order >= oldest) continue;
      oldest = known.order;
      least = slot;
    }
    return least;
  }
}

function placeOf(slot: number): number {
  return HEAD_BYTES + slot * SLOT_BYTES;
}

function vouches(issuer: Certificate, child: Certificate, cryptography: Cryptography): boolean {
  const scheme = signatureScheme(child.signatureAlgorithm);
  return scheme !== null && cryptography.verify(scheme, issuer.publicKey, child.signedPart, child.signature);
}
