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
import { type Inspection, NOT_INSPECTED } from "../route/filter-chain-match.ts";
import type { TlsCounts } from "../telemetry/tls-stats.ts";
import type { SecureConnection } from "../tls/secure-connection.ts";
import type { DrainableConnection } from "./connection-owner.ts";
import { FirstLook, type FirstLookOwner } from "./first-look.ts";
import { Handshake, type HandshakeOwner } from "./handshake.ts";
import type { Services } from "./services.ts";
import type { TlsSide } from "./tls-side.ts";

/** The listener, as its arrivals know it. */
export interface ArrivalOwner {
  readonly ssl: TlsCounts;
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
}

/** For a handshake that nobody has set a time for, ms. */
const HANDSHAKE_TIMEOUT = 15_000;

const NOTHING = new Uint8Array(0);

export class Arrival implements DrainableConnection, FirstLookOwner, HandshakeOwner {
  place = -1;
  readonly accepted: number;
  private readonly services: Services;
  private readonly socket: PlainSocket;
  private readonly owner: ArrivalOwner;
  private stage: FirstLook | Handshake | null = null;
  private chain: FilterChain | null = null;

  constructor(services: Services, socket: PlainSocket, owner: ArrivalOwner) {
    this.services = services;
    this.socket = socket;
    this.owner = owner;
    this.accepted = services.clock.now;
  }

  /** Who hears of the socket first. With `filters` its first bytes are looked at; `chain` is the only one there is else. */
  begin(filters: ListenerFilters): SocketHandler {
    const stage = new FirstLook(this.services, this.socket, filters, this);
    this.stage = stage;
    return stage;
  }

  /** Nobody has to look at its first bytes: it becomes TLS at once. */
  beginSecure(chain: FilterChain, side: TlsSide): SocketHandler | null {
    return this.shake(chain, side, NOTHING, NOT_INSPECTED);
  }

  onInspected(seen: Inspection, unread: Uint8Array, ended: boolean): void {
    const { owner, socket } = this;
    this.stage = null;
    const chain = owner.chooseChain(socket, seen);
    if (chain === null) {
      socket.close();
      owner.departed(this, false);
      return;
    }
    const side = owner.tlsOf(chain);
    if (side !== null) {
      const handshake = this.shake(chain, side, unread, seen);
      if (ended) handshake?.onEnd();
      return;
    }
    const handler = owner.arrived(chain, socket, null);
    owner.departed(this, false);
    socket.handler = handler;
    if (unread.length > 0) handler.onData(unread);
    if (ended) handler.onEnd();
  }

  onUninspected(why: string, timedOut: boolean): void {
    if (why !== "") this.log(why);
    this.stage = null;
    this.owner.departed(this, timedOut);
  }

  /** Null if it cannot begin. */
  private shake(chain: FilterChain, side: TlsSide, unread: Uint8Array, seen: Inspection): Handshake | null {
    const { services, socket, owner } = this;
    this.chain = chain;
    const asked = seen.transportProtocol === "tls" ? seen.applicationProtocols : undefined;
    const ready = side.ready(owner.alpnOf(chain), asked);
    if (ready === null) {
      this.log(side.fault);
      socket.reset();
      owner.departed(this, false);
      return null;
    }
    const handshake = new Handshake(services, socket, ready, owner.ssl, this);
    this.stage = handshake;
    handshake.start(unread, chain.handshakeTimeout || HANDSHAKE_TIMEOUT);
    return handshake;
  }

  onTrusted(secure: SecureConnection): void {
    const { owner, socket } = this;
    this.stage = null;
    const handler = owner.arrived(this.chain as FilterChain, socket, secure);
    owner.departed(this, false);
    socket.handler = handler;
  }

  onRefused(_reason: CloseReason, why: string): void {
    this.stage = null;
    if (why !== "") this.log(why);
    this.owner.departed(this, false);
  }

  private log(why: string): void {
    const { platform } = this.services;
    if (platform.logs?.("debug", "connection") === false) return;
    const { ip, port } = this.socket.remote;
    platform.log("debug", "connection", `${ip}:${port}: ${why}`);
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
