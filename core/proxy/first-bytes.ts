/**
 * A connection of which nobody knows yet what it speaks: its first bytes are looked at, and kept, until that is clear
 * (`tls_inspector`, `http_inspector`). It stands in the place of the handler that comes after it.
 *
 * Laws: what was read is handed on whole, to one owner. A client that says nothing is waited for as long as the
 * listener says, and then let go, or passed on unread. No more is kept than the inspectors allow.
 */
import type { ListenerFilters } from "../config/tls.ts";
import type { CloseReason, PlainSocket, SocketHandler } from "../io/socket.ts";
import { type Inspection, NOT_INSPECTED } from "../route/filter-chain-match.ts";
import { Timer } from "../time/timers.ts";
import { BadHello, ClientHello, ClientHelloWatch, NotTls, Undecided } from "../tls/client-hello.ts";
import { HTTP_PROTOCOLS, HttpUndecided, HttpWatch } from "./http-watch.ts";
import type { Services } from "./services.ts";

/** Who goes on with the connection. */
export interface FirstBytesOwner {
  /** `ended`: the client has sent FIN behind it. */
  onInspected(seen: Inspection, unread: Uint8Array, ended: boolean): void;
  /** It is over: `why` for logs, "" if the client just went; `timedOut` if it said too little for too long. */
  onUninspected(why: string, timedOut: boolean): void;
}

const NOTHING: Uint8Array = new Uint8Array(0);

export class FirstBytes implements SocketHandler {
  private readonly services: Services;
  private readonly socket: PlainSocket;
  private readonly filters: ListenerFilters;
  private readonly owner: FirstBytesOwner;
  private readonly timer: Timer;
  private hello: ClientHelloWatch | null;
  private http: HttpWatch | null;
  private unread = NOTHING;
  private over = false;

  constructor(services: Services, socket: PlainSocket, filters: ListenerFilters, owner: FirstBytesOwner) {
    this.services = services;
    this.socket = socket;
    this.filters = filters;
    this.owner = owner;
    this.hello = filters.tlsInspector ? new ClientHelloWatch() : null;
    this.http = filters.httpInspector ? new HttpWatch() : null;
    this.timer = new Timer(() => this.onTimer());
    if (filters.timeout > 0) services.timers.arm(this.timer, services.clock.now + filters.timeout);
  }

  onConnect(): void {}

  onData(chunk: Uint8Array): void {
    if (this.over) return;
    const { hello } = this;
    if (hello === null) {
      this.lookForHttp(chunk);
      return;
    }
    const verdict = hello.feed(chunk);
    this.unread = hello.bytes;
    if (verdict === Undecided) return;
    this.hello = null;
    if (verdict === NotTls) this.lookForHttp(hello.bytes);
    else if (verdict === ClientHello) {
      const { serverName, applicationProtocols } = hello;
      this.pass({ transportProtocol: "tls", serverName, applicationProtocols }, false);
    } else if (verdict === BadHello) this.refuse(`ClientHello: ${hello.fault}`, false);
  }

  private lookForHttp(bytes: Uint8Array): void {
    const { http } = this;
    if (http === null) {
      this.unread = bytes;
      this.pass(NOT_INSPECTED, false);
      return;
    }
    const verdict = http.feed(bytes);
    this.unread = http.bytes;
    if (verdict === HttpUndecided) return;
    const protocol = HTTP_PROTOCOLS[verdict];
    this.pass({ ...NOT_INSPECTED, applicationProtocols: protocol === "" ? [] : [protocol] }, false);
  }

  /** There is no more to look at: what is here has to do. */
  onEnd(): void {
    if (!this.over) this.pass(NOT_INSPECTED, true);
  }

  onBlocked(): void {}
  onDrain(): void {}

  onClose(_reason: CloseReason): void {
    if (this.over) return;
    this.end();
    this.owner.onUninspected("", false);
  }

  private onTimer(): void {
    if (this.filters.continueOnTimeout) this.pass(NOT_INSPECTED, false);
    else this.refuse("", true);
  }

  /** Gives it up from outside. */
  cancel(): void {
    if (this.over) return;
    this.end();
    this.socket.close();
  }

  private pass(seen: Inspection, ended: boolean): void {
    this.end();
    this.owner.onInspected(seen, this.unread, ended);
  }

  private refuse(why: string, timedOut: boolean): void {
    this.end();
    this.socket.close();
    this.owner.onUninspected(why, timedOut);
  }

  private end(): void {
    this.over = true;
    this.services.timers.release(this.timer);
  }
}
