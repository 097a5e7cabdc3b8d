/**
 * What one connection of a client gets to be resumed. Engines hand it over when it comes, which may be before the core
 * has heard of the peer (TLS 1.2), or after it has turned the peer away (TLS 1.3).
 *
 * Law: only a peer that was let in has its sessions kept.
 */
import type { KeptSession, SessionStore } from "./session-store.ts";

export class GainedSessions {
  private readonly store: SessionStore;
  /** Until there is a verdict, one: a server gives no more than that before (RFC 5077 3.3). */
  private early: KeptSession | null = null;
  private letIn = false;

  constructor(store: SessionStore) {
    this.store = store;
  }

  gain(session: KeptSession): void {
    if (this.letIn) this.store.keep(session);
    else this.early = session;
  }

  /** The core has heard of the peer; `letIn`: it goes on with it. */
  judged(letIn: boolean): void {
    const { early } = this;
    this.early = null;
    this.letIn = letIn;
    if (letIn && early !== null) this.store.keep(early);
  }
}
