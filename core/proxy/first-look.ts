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

/** Who goes on with the connection. */
export interface FirstLookOwner {
  /** `ended`: the client has sent FIN behind it. */
  onInspected(seen: Inspection, unread: Uint8Array, ended: boolean): void;
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
  private readonly inspects: boolean;
  private over = false;

  /** `inspects`: it is for inspectors, who count, and close what makes no sense; else for whoever has to do with TLS. */
  constructor(
    services: Services,
    socket: PlainSocket,
    filters: ListenerFilters,
    owner: FirstLookOwner,
    inspects: boolean,
  ) {
    this.services = services;
    this.socket = socket;
    this.filters = filters;
    this.owner = owner;
    this.inspects = inspects;
    this.first = new FirstBytes(filters);
    this.timer = new Timer(() => this.onTimer());
    if (filters.timeout > 0) services.timers.arm(this.timer, services.clock.now + filters.timeout);
  }

  onConnect(): void {}

  onData(chunk: Uint8Array): void {
    if (this.over) return;
    const { first } = this;
    const verdict = first.feed(chunk);
    if (verdict === Inspected) this.pass(false);
    else if (verdict === Refused && !this.inspects) this.pass(false);
    else if (verdict === Refused) this.refuse(`ClientHello: ${first.fault}`, false);
  }

  /** There is no more to look at: what is here has to do. */
  onEnd(): void {
    if (!this.over) this.pass(true);
  }

  onBlocked(): void {}
  onDrain(): void {}

  onClose(_reason: CloseReason): void {
    if (this.over) return;
    this.end();
    this.owner.onUninspected("", false);
  }

  private onTimer(): void {
    if (this.filters.continueOnTimeout) this.pass(false);
    else this.refuse("", true);
  }

  /** Gives it up from outside. */
  cancel(): void {
    if (this.over) return;
    this.end();
    this.socket.close();
  }

  private pass(ended: boolean): void {
    const { inspection, bytes } = this.first;
    this.count();
    this.end();
    this.owner.onInspected(inspection, bytes, ended);
  }

  private refuse(why: string, timedOut: boolean): void {
    this.count();
    this.end();
    this.socket.close();
    this.owner.onUninspected(why, timedOut);
  }

  private count(): void {
    if (!this.inspects) return;
    const { tlsInspector, httpInspector } = this.services;
    countFirstBytes(this.first, this.filters, tlsInspector, httpInspector);
  }

  private end(): void {
    this.over = true;
    this.services.timers.release(this.timer);
  }
}
