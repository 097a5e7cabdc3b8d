/**
 * Sessions of TLS that a client may resume: those of one context, so that none gets into a cluster with other demands or
 * another certificate. As in Envoy the newest is used first, whichever endpoint gave it, and one of TLS 1.3 once only
 * (RFC 8446 C.4). In memory alone; when one ends, the engine knows.
 */
import type { KeptSessions } from "../core/io/tls.ts";

export interface KeptSession {
  readonly session: Buffer;
  /** It is not to be used again. */
  readonly once: boolean;
  /** What the server showed when it began, where the engine does not remember. */
  readonly shown: readonly Uint8Array[];
}

export class SessionStore implements KeptSessions {
  until = Number.POSITIVE_INFINITY;
  private readonly limit: number;
  /** The oldest first. */
  private kept: KeptSession[] = [];

  /** `limit`: how many are kept, at least 1. */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Beyond the limit the oldest goes. */
  keep(session: KeptSession): void {
    if (this.kept.length === this.limit) this.kept.shift();
    this.kept.push(session);
  }

  /** One to be resumed, or null. */
  take(): KeptSession | null {
    const newest = this.kept.at(-1) ?? null;
    if (newest?.once === true) this.kept.pop();
    return newest;
  }

  forget(): void {
    this.kept = [];
    this.until = Number.POSITIVE_INFINITY;
  }
}
