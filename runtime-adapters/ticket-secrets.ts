/**
 * What the keys of session tickets are derived from: random bytes that all threads of a process share, in memory that
 * is theirs alone, and that is replaced from time to time. Knows no TLS.
 *
 * Laws: nothing of it is ever logged, shown, or derived from anything else; one thread, the supervising one, makes and
 * replaces; what is older than the one before the last is gone from here (RFC 9325 4.4, RFC 5077 5.5). The keys that a
 * context has derived from it are not: these stay until the context has to do with a ticket again, or is gone itself.
 */
import { randomFillSync } from "node:crypto";

const BYTES = 32;
/** The last one, the one before, and the one that is being written. */
const SLOTS = 3;
/** Before them: the number of the last one. */
const SLOTS_AT = 4;

/** How long tickets are made with one secret, ms: as in Envoy. They are taken for as long again. */
export const TICKET_SECRET_LIFE = 2 * 86_400_000;

export class TicketSecrets {
  readonly memory: SharedArrayBuffer;
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;

  /** New ones. */
  static create(): TicketSecrets {
    const secrets = new TicketSecrets(new SharedArrayBuffer(SLOTS_AT + SLOTS * BYTES));
    secrets.rotate();
    return secrets;
  }

  /** `memory`: that of the thread that made them. */
  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.words = new Int32Array(memory, 0, 1);
    this.bytes = new Uint8Array(memory);
  }

  /** The number of the secret that holds now, from 1. */
  get turn(): number {
    return Atomics.load(this.words, 0);
  }

  /** That secret (a copy), or the one before; null if there is none. */
  secret(turn: number): Uint8Array | null {
    if (turn < 1 || turn > this.turn || turn < this.turn - 1) return null;
    const at = placeOf(turn);
    const secret = this.bytes.slice(at, at + BYTES);
    return turn < this.turn - 1 ? null : secret; // it may have been replaced meanwhile
  }

  /** A new secret holds from now on. For one thread alone. */
  rotate(): void {
    const next = this.turn + 1;
    const fresh = randomFillSync(new Uint8Array(BYTES));
    this.bytes.set(fresh, placeOf(next));
    fresh.fill(0);
    Atomics.store(this.words, 0, next);
    this.bytes.fill(0, placeOf(next + 1), placeOf(next + 1) + BYTES);
  }
}

function placeOf(turn: number): number {
  return SLOTS_AT + (turn % SLOTS) * BYTES;
}
