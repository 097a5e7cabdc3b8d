/**
 * The keys that one TLS context seals its tickets with, derived from the secrets of the process and the context's scope
 * (HKDF, RFC 5869): contexts of one scope open each other's tickets, in every worker, and those of another scope never.
 *
 * Node alone lets itself be told: its contexts ask for keys ticket by ticket, by members that are not documented. (With
 * the documented `ticketKeys` there is one key, and none is left to open what the one before has sealed; and clients of
 * TLS 1.3 that come back get no new ticket, though each should be shown once only: RFC 8446 C.4.)
 *
 * Law: no session goes on for ever. A ticket is replaced by a new one as long as the secret holds that it was sealed with;
 * what is sealed with the one before opens, and nothing follows on it. So whoever comes again and again has to shake hands
 * in full when the second secret after that of his handshake holds.
 */
import { hkdfSync, randomBytes } from "node:crypto";
import type { SecureContext } from "node:tls";
import type { TicketSecrets } from "./ticket-secrets.ts";

/** RFC 5077 4, with a longer key for the HMAC. */
interface TicketKey {
  readonly name: Buffer;
  readonly hmac: Buffer;
  readonly aes: Buffer;
}

const NAME_BYTES = 16;
const HMAC_BYTES = 32;
const AES_BYTES = 16;
const IV_BYTES = 16;
const PURPOSE = "tulle session ticket";

/** What OpenSSL is told: to seal; or of a ticket, that it is to be opened, and replaced by a new one or not. */
const SEAL = 1;
const OPEN = 1;
const RENEW = 2;
/** That a ticket says nothing. Node ends the whole process if there are no keys in an answer, though nothing is done with them. */
const UNKNOWN: readonly unknown[] = [0, Buffer.alloc(HMAC_BYTES), Buffer.alloc(AES_BYTES)];

/** Node's own, undocumented. */
interface AskingContext {
  enableTicketKeyCallback?(): void;
  onticketkeycallback?: (name: Uint8Array, iv: Uint8Array, sealing: boolean) => readonly unknown[];
}

/** Makes `native` use the tickets of its scope, and says whether that can be. */
export function shareTickets(native: SecureContext, secrets: TicketSecrets, scope: string): boolean {
  const context = native.context as AskingContext;
  if (typeof context.enableTicketKeyCallback !== "function") return false;
  const keys = new TicketKeys(secrets, scope);
  context.onticketkeycallback = (name, _iv, sealing) => {
    if (sealing) {
      const { name, hmac, aes } = keys.current();
      return [SEAL, hmac, aes, name, randomBytes(IV_BYTES)];
    }
    const key = keys.named(name);
    return key === null ? UNKNOWN : [key === keys.current() ? RENEW : OPEN, key.hmac, key.aes];
  };
  context.enableTicketKeyCallback();
  return true;
}

/** The keys of one scope, as the secrets have them whenever it is asked; in between, as they had them the last time. */
export class TicketKeys {
  private readonly secrets: TicketSecrets;
  private readonly scope: string;
  /** Of which secret `keys` are. */
  private turn = 0;
  /** The last one first. */
  private keys: readonly TicketKey[] = [];

  constructor(secrets: TicketSecrets, scope: string) {
    this.secrets = secrets;
    this.scope = scope;
  }

  /** What tickets are sealed with. */
  current(): TicketKey {
    return this.latest()[0];
  }

  /** What a ticket was sealed with, null if it is none of ours, or too old. */
  named(name: Uint8Array): TicketKey | null {
    return this.latest().find((key) => key.name.equals(name)) ?? null;
  }

  private latest(): readonly TicketKey[] {
    const { turn } = this.secrets;
    if (turn !== this.turn) {
      this.keys = [turn, turn - 1].flatMap((each) => this.derive(each));
      this.turn = turn;
    }
    return this.keys;
  }

  private derive(turn: number): TicketKey[] {
    const secret = this.secrets.secret(turn);
    if (secret === null) return [];
    const bytes = Buffer.from(
      hkdfSync("sha256", secret, this.scope, PURPOSE, NAME_BYTES + HMAC_BYTES + AES_BYTES),
    );
    const hmacAt = NAME_BYTES + HMAC_BYTES;
    return [
      {
        name: bytes.subarray(0, NAME_BYTES),
        hmac: bytes.subarray(NAME_BYTES, hmacAt),
        aes: bytes.subarray(hmacAt),
      },
    ];
  }
}
