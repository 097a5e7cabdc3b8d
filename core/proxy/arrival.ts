/**
 * An accepted connection before somebody serves it: its first bytes are looked at if the listener wants that, its filter
 * chain is chosen, and it becomes TLS if that chain speaks it. A listener that does none of this has no arrivals.
 *
 *   first bytes ─▶ chain ─▶ handshake ─▶ served
 *        └───────────┴──────────┴─────────▶ gone
 */
import type { FilterChain } from "../config/model.ts";
import type { ListenerFilters } from "../config/tls.ts";
import type { CloseReason, PlainSocket, SocketHandler } from "../io/socket.ts";
import type { Inspection } from "../route/filter-chain-match.ts";
import { countUnready, type TlsCounts } from "../telemetry/tls-stats.ts";
import type { SecureConnection } from "../tls/secure-connection.ts";
import type { DrainableConnection } from "./connection-owner.ts";
import {
  ExpectingSilence,
  FirstLook,
  type FirstLookOwner,
  ForHandshake,
  ForInspectors,
} from "./first-look.ts";
import { Handshake, type HandshakeOwner, TOO_LONG } from "./handshake.ts";
import { NetworkFilters } from "./network-filters.ts";
import type { ServerFirst } from "./server-first.ts";
import type { Services } from "./services.ts";
import { TcpProxyConnection } from "./tcp-connection.ts";
import type { TlsSide } from "./tls-side.ts";

/** The listener, as its arrivals know it. */
export interface ArrivalOwner {
  readonly ssl: TlsCounts;
  /** Where clients need not be waited for; null if nothing of that is to be remembered. */
  readonly serverFirst: ServerFirst | null;
  /** The chain of a client that says nothing, without any account of it. */
  silentChain(socket: PlainSocket): FilterChain | null;
  /** The chain for it; null: it was refused, and that was told. */
  chooseChain(socket: PlainSocket, seen: Inspection): FilterChain | null;
  /** How that chain speaks TLS, null if it does not. */
  tlsOf(chain: FilterChain): TlsSide | null;
  /** What that chain offers by ALPN if its configuration says nothing of it. */
  alpnOf(chain: FilterChain): readonly string[];
  /** It is what it will be: the handler that serves it. */
  arrived(chain: FilterChain, socket: PlainSocket, secure: SecureConnection | null): SocketHandler;
  /** It has gone to be served, or has gone. `timedOut`: it said too little for too long. */
  departed(arrival: Arrival, timedOut: boolean): void;
  /** A handshake has taken too long. */
  handshakeTimedOut(): void;
}

/** For a handshake that nobody has set a time for, ms. */
const HANDSHAKE_TIMEOUT = 15_000;

/** What is looked at where no inspector is. */
const HELLO: ListenerFilters = {
  tlsInspector: true,
  httpInspector: false,
  timeout: 0,
  continueOnTimeout: false,
};

export class Arrival implements DrainableConnection, FirstLookOwner, HandshakeOwner {
  place = -1;
  readonly accepted: number;
  private readonly services: Services;
  private readonly socket: PlainSocket;
  private readonly owner: ArrivalOwner;
  /** Nothing is expected of it before the server has spoken. */
  private silent = false;
  private stage: FirstLook | Handshake | null = null;
  /** Once it is chosen. */
  private chain: FilterChain | null = null;
  /** When the time of its handshake began, ms. */
  private since: number;

  constructor(services: Services, socket: PlainSocket, owner: ArrivalOwner) {
    this.services = services;
    this.socket = socket;
    this.owner = owner;
    this.accepted = services.clock.now;
    this.since = this.accepted;
  }

  /** Who hears of the socket first: its first bytes are looked at, to choose a chain. */
  begin(filters: ListenerFilters): SocketHandler {
    const { services, socket, owner } = this;
    const { serverFirst } = owner;
    this.silent = serverFirst?.expects(socket, owner) === true;
    const kind = this.silent ? ExpectingSilence : ForInspectors;
    const stage = new FirstLook(services, socket, filters, this, kind);
    this.stage = stage;
    return stage;
  }

  /**
   * Its chain is known, and speaks TLS: what the client asks for is looked at as part of the handshake, for an engine
   * does not always tell.
   */
  beginSecure(chain: FilterChain, side: TlsSide): SocketHandler | null {
    if (side.ready(this.owner.alpnOf(chain)) === null) {
      this.unready(side);
      return null;
    }
    this.chain = chain;
    this.since = this.services.clock.now;
    const filters = { ...HELLO, timeout: chain.handshakeTimeout || HANDSHAKE_TIMEOUT };
    const stage = new FirstLook(this.services, this.socket, filters, this, ForHandshake);
    this.stage = stage;
    return stage;
  }

  onInspected(seen: Inspection, unread: Uint8Array, ended: boolean, timedOut: boolean): void {
    const { owner, socket } = this;
    const { serverFirst } = owner;
    this.stage = null;
    if (unread.length > 0) serverFirst?.onClient(socket);
    else if (this.silent && !ended) serverFirst?.onSilence();
    const looked = this.chain !== null || seen.transportProtocol === "tls";
    const chain = this.chain ?? owner.chooseChain(socket, seen);
    if (chain === null) {
      socket.close();
      owner.departed(this, timedOut);
      return;
    }
    const side = owner.tlsOf(chain);
    if (side !== null) {
      if (looked) this.shake(chain, side, unread, seen);
      else this.look(chain, side, unread);
      if (ended) this.onEnd();
      return;
    }
    const handler = owner.arrived(chain, socket, null);
    owner.departed(this, timedOut);
    socket.handler = handler;
    const speaker = handler instanceof NetworkFilters ? handler.handler : handler;
    if (unread.length === 0 && !ended && speaker instanceof TcpProxyConnection)
      speaker.witness = serverFirst?.witness(socket, chain) ?? null;
    if (unread.length > 0) handler.onData(unread);
    if (ended) handler.onEnd();
  }

  onUninspected(why: string, timedOut: boolean): void {
    const shaking = this.chain !== null;
    if (why !== "") this.log(why);
    else if (shaking && timedOut) {
      this.log(TOO_LONG);
      this.onSlow();
    }
    this.stage = null;
    this.owner.departed(this, timedOut && !shaking);
  }

  /** What no tls_inspector has looked at, or what came too late for it. */
  private look(chain: FilterChain, side: TlsSide, unread: Uint8Array): void {
    const stage = this.beginSecure(chain, side);
    if (stage === null) return;
    this.socket.handler = stage;
    if (unread.length > 0) stage.onData(unread);
  }

  private shake(chain: FilterChain, side: TlsSide, unread: Uint8Array, seen: Inspection): void {
    const { services, socket, owner } = this;
    const asked = seen.transportProtocol === "tls" ? seen.applicationProtocols : undefined;
    const ready = side.ready(owner.alpnOf(chain), asked);
    if (ready === null) {
      this.unready(side);
      return;
    }
    const handshake = new Handshake(services, socket, ready, owner.ssl, this);
    this.stage = handshake;
    const timeout = chain.handshakeTimeout || HANDSHAKE_TIMEOUT;
    const spent = this.chain === null ? 0 : services.clock.now - this.since;
    this.chain = chain;
    handshake.start(unread, Math.max(1, timeout - spent), seen);
  }

  /** The client has sent FIN behind what it has sent. */
  private onEnd(): void {
    this.stage?.onEnd();
  }

  private unready(side: TlsSide): void {
    this.log(side.fault);
    countUnready(this.owner.ssl.scope, "server");
    this.socket.reset();
    this.owner.departed(this, false);
  }

  onTrusted(secure: SecureConnection): void {
    const { owner, socket } = this;
    this.stage = null;
    const handler = owner.arrived(this.chain as FilterChain, socket, secure);
    owner.departed(this, false);
    socket.handler = handler;
  }

  onSlow(): void {
    this.owner.handshakeTimedOut();
  }

  onRefused(_reason: CloseReason, why: string): void {
    this.stage = null;
    if (why !== "") this.log(why);
    this.owner.departed(this, false);
  }

  private log(why: string): void {
    this.services.logConnection(this.socket.remote, why);
  }

  /** Nothing of it has begun. */
  drain(): void {
    const { stage } = this;
    if (stage === null) return;
    this.stage = null;
    stage.cancel();
    this.owner.departed(this, false);
  }

  addBuffered(): void {}
}
