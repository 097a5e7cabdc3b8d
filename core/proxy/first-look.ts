/**
 * A connection of which nobody knows yet what it speaks: its first bytes are gathered until that is clear. It stands in
 * the place of the handler that comes after it; what they are is said by first-bytes.ts.
 *
 * Laws: what was read is handed on whole, to one owner. A client that says nothing is waited for as long as the
 * listener says, and then let go, or passed on unread. No more is kept than the inspectors allow.
 */
import type { ListenerFilters } from "../config/tls.ts";
import type { CloseReason, PlainSocket, SocketHandler } from "../io/socket.ts";
import type { Inspection } from "../route/filter-chain-match.ts";
import { Timer } from "../time/timers.ts";
import { countFirstBytes, FirstBytes, Inspected, Refused } from "./first-bytes.ts";
import type { Services } from "./services.ts";

/** What looks at them. */
export const ForInspectors = 0;
/** The same, but silence is expected: nobody is waited for who has not said anything when he was accepted. */
export const ExpectingSilence = 1;
/** Whoever has to do with TLS: nothing is counted, and what makes no sense is for the engine to refuse. */
export const ForHandshake = 2;
export type FirstLookKind = typeof ForInspectors | typeof ExpectingSilence | typeof ForHandshake;

/** Between a connection and what was in it when it was accepted lies at most one turn of the runtime's loop, ms. */
const TURN = 2;
/** Alarms are told before bytes, so it is the second one that comes after them. */
const TURNS = 2;

/** Who goes on with the connection. */
export interface FirstLookOwner {
  /** `ended`: the client has sent FIN behind it; `timedOut`: it has said too little for too long. */
  onInspected(seen: Inspection, unread: Uint8Array, ended: boolean, timedOut: boolean): void;
  /** It is over: `why` for logs, "" if the client just went; `timedOut` if it said too little for too long. */
  onUninspected(why: string, timedOut: boolean): void;
}

export class FirstLook implements SocketHandler {
  private readonly services: Services;
  private readonly socket: PlainSocket;
  private readonly filters: ListenerFilters;
  private readonly owner: FirstLookOwner;
  private readonly timer: Timer;
  private readonly first: FirstBytes;
  private readonly kind: FirstLookKind;
  private turns = TURNS;
  private over = false;

  constructor(
    services: Services,
    socket: PlainSocket,
    filters: ListenerFilters,
    owner: FirstLookOwner,
    kind: FirstLookKind,
  ) {
    this.services = services;
    this.socket = socket;
    this.filters = filters;
    this.owner = owner;
    this.kind = kind;
    this.first = new FirstBytes(filters);
    this.timer = new Timer(() => this.onTimer());
    const patience = kind === ExpectingSilence ? TURN : filters.timeout;
    if (patience > 0) services.timers.arm(this.timer, services.clock.now + patience);
  }

  onConnect(): void {}

  onData(chunk: Uint8Array): void {
    if (this.over) return;
    const { first } = this;
    const verdict = first.feed(chunk);
    if (verdict === Inspected) {
      this.count();
      this.pass(false, false);
    } else if (verdict === Refused) {
      this.count();
      if (this.kind === ForHandshake) this.pass(false, false);
      else this.refuse(`ClientHello: ${first.fault}`, false);
    } else if (this.kind === ExpectingSilence) this.expectMore();
  }

  /** There is no more to look at: what is here has to do. */
  onEnd(): void {
    if (this.over) return;
    if (this.kind === ForHandshake && this.first.bytes.length === 0) this.refuse("", false);
    else this.pass(true, false);
  }

  onBlocked(): void {}
  onDrain(): void {}

  onClose(_reason: CloseReason): void {
    if (this.over) return;
    this.end();
    this.owner.onUninspected("", false);
  }

  /** It is not silent after all. */
  private expectMore(): void {
    const { services, filters } = this;
    if (this.turns === 0) return;
    this.turns = 0;
    services.timers.arm(this.timer, services.clock.now + filters.timeout);
  }

  private onTimer(): void {
    const { services, filters } = this;
    if (this.kind === ExpectingSilence && this.turns > 0) {
      this.turns--;
      if (this.turns > 0) services.timers.arm(this.timer, services.clock.now + TURN);
      else this.pass(false, false);
    } else if (filters.continueOnTimeout) this.pass(false, true);
    else this.refuse("", true);
  }

  /** Gives it up from outside. */
  cancel(): void {
    if (this.over) return;
    this.end();
    this.socket.close();
  }

  private pass(ended: boolean, timedOut: boolean): void {
    const { inspection, bytes } = this.first;
    this.end();
    this.owner.onInspected(inspection, bytes, ended, timedOut);
  }

  private refuse(why: string, timedOut: boolean): void {
    this.end();
    this.socket.close();
    this.owner.onUninspected(why, timedOut);
  }

  /** As in Envoy, what was not found out is not counted. */
  private count(): void {
    if (this.kind === ForHandshake) return;
    const { tlsInspector, httpInspector } = this.services;
    countFirstBytes(this.first, this.filters, tlsInspector, httpInspector);
  }

  private end(): void {
    this.over = true;
    this.services.timers.release(this.timer);
  }
}
