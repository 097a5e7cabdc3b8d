/**
 * The network filters on one connection: they stand between the adapter's socket and whoever speaks on it, and each
 * side takes them for the other. Both directions go through the same filters, the client's bytes first to last and
 * the answers last to first.
 *
 * Law: what is held is bounded: above the limit of the connection its sender is stopped.
 */
import type { Listener } from "../config/model.ts";
import { Body } from "../filter/body.ts";
import { Leg } from "../filter/leg.ts";
import {
  ClosedByPeer,
  ClosedByUs,
  type NetworkFilter,
  type NetworkFilterCallbacks,
  type NetworkFilterFactory,
  Unknown,
} from "../filter/network-filter.ts";
import { Continue, Pause, PauseAndPress, type Verdict } from "../filter/verdict.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import type { Address, CloseReason, Keepalive, Socket, SocketHandler } from "../io/socket.ts";
import type { Clock } from "../time/clock.ts";
import { ConnectionInfo } from "./connection-info.ts";

/** A filter's place. */
class Link implements NetworkFilterCallbacks {
  filter: NetworkFilter | null = null;
  private readonly filters: NetworkFilters;
  private readonly index: number;

  constructor(filters: NetworkFilters, index: number) {
    this.filters = filters;
    this.index = index;
  }

  get info(): StreamInfo {
    return this.filters.subject;
  }

  get heldDownstream(): Body | null {
    return this.filters.down.heldAt(this.index);
  }

  get heldUpstream(): Body | null {
    return this.filters.up.heldByLink(this.index);
  }

  continueDownstream(): void {
    if (this.filter !== null) this.filters.down.resume(this.index);
  }

  close(): void {
    if (this.filter !== null) this.filters.close();
  }
}

/** What the client sends; its "head" is the connection itself. */
class DownstreamLeg extends Leg {
  protected override readonly pressGathers = true;
  private readonly filters: NetworkFilters;

  constructor(filters: NetworkFilters) {
    super();
    this.filters = filters;
  }

  protected showHead(at: number): Verdict {
    const verdict = this.filters.links[at].filter?.onNewConnection?.() ?? Continue;
    return verdict === Continue ? Continue : PauseAndPress;
  }

  protected wantsBody(at: number): boolean {
    return this.filters.links[at].filter?.onDownstreamData !== undefined;
  }

  protected showBody(at: number, body: Body, ends: boolean): Verdict {
    return pressing(this.filters.links[at].filter?.onDownstreamData?.(body, ends) ?? Continue);
  }

  protected showTrailers(): Verdict {
    return Continue;
  }

  protected passedHead(): void {
    this.filters.begun();
  }

  protected passedBody(body: Body): void {
    this.filters.deliver(body);
  }

  protected passedEnd(): void {
    this.filters.deliverEnd();
  }

  protected press(on: boolean): void {
    this.filters.pressDownstream(on);
  }

  protected tooLarge(): void {}
}

/** What goes to the client. */
class UpstreamLeg extends Leg {
  protected override readonly pressGathers = true;
  private readonly filters: NetworkFilters;

  constructor(filters: NetworkFilters) {
    super();
    this.filters = filters;
  }

  private filter(at: number): NetworkFilter | null {
    return this.filters.links[this.count - 1 - at].filter;
  }

  /** `heldAt` by the place of the filter in the chain. */
  heldByLink(index: number): Body | null {
    return this.heldAt(this.count - 1 - index);
  }

  protected showHead(): Verdict {
    return Continue;
  }

  protected wantsBody(at: number): boolean {
    return this.filter(at)?.onUpstreamData !== undefined;
  }

  protected showBody(at: number, body: Body, ends: boolean): Verdict {
    return pressing(this.filter(at)?.onUpstreamData?.(body, ends) ?? Continue);
  }

  protected showTrailers(): Verdict {
    return Continue;
  }

  protected passedHead(): void {}

  protected passedBody(body: Body): void {
    body.replay(this.filters);
  }

  protected passedEnd(): void {
    this.filters.sendEnd();
  }

  protected press(on: boolean): void {
    this.filters.pressUpstream(on);
  }

  protected tooLarge(): void {}
}

/** Nothing can be refused here: who sends too much is stopped. */
function pressing(verdict: Verdict): Verdict {
  return verdict === Pause ? PauseAndPress : verdict;
}

export class NetworkFilters extends ConnectionInfo implements Socket, SocketHandler {
  readonly down: DownstreamLeg = new DownstreamLeg(this);
  readonly up: UpstreamLeg = new UpstreamLeg(this);
  readonly links: Link[] = [];
  /** Who speaks on the connection; set once, before the adapter tells anything. */
  handler: SocketHandler | null = null;
  /** Who knows what becomes of the connection; set like `handler`. */
  subject: StreamInfo = this;
  /** Who does nothing before all filters have agreed to the connection; set like `handler`. */
  waits: { begin(): void } | null = null;
  readonly local: Address;
  readonly remote: Address;
  private readonly socket: Socket;
  private readonly limit: number;
  /** Why the client is not read: by the handler's wish, and by the filters'. */
  private pausedByHandler = false;
  private pausedByFilters = false;
  private upBlocked = false;
  private socketBlocked = false;
  /** What is for the client before all filters have agreed to the connection; null afterwards. */
  private early: Body | null = new Body();
  /** Whoever speaks on the connection has said all. */
  private saidAll = false;
  /** Nothing more is said to the client, and nothing that it says is waited for. */
  private finishing = false;
  private closed = false;
  private over = false;

  /** Makes the filters of a connection; `start` follows when `handler` is set. */
  constructor(
    socket: Socket,
    listener: Listener,
    filterChainName: string,
    clock: Clock,
    factories: readonly NetworkFilterFactory[],
  ) {
    super(listener, filterChainName, clock.wall);
    const limit = listener.perConnectionBufferLimitBytes;
    this.socket = socket;
    this.limit = limit;
    this.local = socket.local;
    this.remote = socket.remote;
    for (const factory of factories) {
      const link = new Link(this, this.links.length);
      link.filter = factory.create(link);
      if (link.filter !== null) this.links.push(link);
    }
    this.down.begin(this.links.length, limit);
    this.up.begin(this.links.length, limit);
  }

  get downstreamLocal(): Address {
    return this.local;
  }
  get downstreamDirectRemote(): Address {
    return this.remote;
  }

  /** The connection begins. */
  start(): void {
    this.up.head(false);
    this.down.head(false);
    if (!this.down.headPassed) this.pressDownstream(true);
  }

  // ── From the filters ──────────────────────────────────────────────────────────────────────────────────────

  /** All of them agree to the connection: it is read, and what came for the client meanwhile goes on. */
  begun(): void {
    const { early } = this;
    this.early = null;
    this.waits?.begin();
    if (this.closed) return;
    if (!this.down.pressed) this.pressDownstream(false);
    if (early === null) return;
    if (early.size > this.limit) this.pressUpstream(false);
    early.replay({ sendBody: (bytes, start, end) => this.up.data(bytes, start, end) });
    if (this.saidAll) this.up.end(null);
  }

  deliver(body: Body): void {
    body.replay(this.inward);
  }

  private readonly inward = {
    sendBody: (bytes: Uint8Array, start: number, end: number): void => {
      this.handler?.onData(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
    },
  };

  deliverEnd(): void {
    this.handler?.onEnd();
  }

  /** A piece for the client. */
  sendBody(bytes: Uint8Array, start: number, end: number): void {
    this.bytesSent += end - start;
    this.socket.write(bytes, start, end);
  }

  /** Whoever speaks on the connection has said all (Envoy reports it so; the upstream itself it does not watch). */
  sendEnd(): void {
    for (const { filter } of this.links) filter?.onUpstreamClose?.(Unknown);
    if (this.finishing) this.socket.finish();
    else this.socket.end();
  }

  pressDownstream(on: boolean): void {
    if (this.pausedByFilters === on || this.over) return;
    this.pausedByFilters = on;
    this.settleReading();
  }

  pressUpstream(on: boolean): void {
    if (this.upBlocked === on || this.over) return;
    this.upBlocked = on;
    if (this.socketBlocked) return;
    if (on) this.handler?.onBlocked();
    else this.handler?.onDrain();
  }

  private settleReading(): void {
    if (this.pausedByFilters || this.pausedByHandler) this.socket.pause();
    else this.socket.resume();
  }

  // ── Socket: what the connection does ──────────────────────────────────────────────────────────────────────

  get pendingBytes(): number {
    return this.socket.pendingBytes;
  }
  write(bytes: Uint8Array, start: number, end: number): void {
    const { early } = this;
    if (early === null) {
      this.up.data(bytes, start, end);
      return;
    }
    early.push(bytes, start, end);
    if (early.size > this.limit) this.pressUpstream(true);
  }
  pause(): void {
    this.pausedByHandler = true;
    this.settleReading();
  }
  resume(): void {
    this.pausedByHandler = false;
    this.settleReading();
  }
  keepAlive(options: Keepalive): void {
    this.socket.keepAlive(options);
  }
  end(): void {
    if (this.saidAll) return;
    this.saidAll = true;
    if (this.early === null) this.up.end(null);
  }
  finish(): void {
    this.finishing = true;
    if (this.up.ended) this.socket.finish();
    else this.end();
  }
  close(): void {
    this.closed = true;
    this.socket.close();
  }
  reset(): void {
    this.closed = true;
    this.socket.reset();
  }

  // ── SocketHandler: what the adapter tells ─────────────────────────────────────────────────────────────────

  onConnect(): void {}

  onData(chunk: Uint8Array): void {
    this.bytesReceived += chunk.length;
    this.down.data(chunk, 0, chunk.length);
  }
  onEnd(): void {
    this.down.end(null);
  }
  onBlocked(): void {
    this.socketBlocked = true;
    if (!this.upBlocked) this.handler?.onBlocked();
  }
  onDrain(): void {
    this.socketBlocked = false;
    if (!this.upBlocked) this.handler?.onDrain();
  }
  onClose(reason: CloseReason): void {
    if (this.over) return;
    this.over = true;
    this.early = null;
    this.down.stop();
    this.up.stop();
    this.handler?.onClose(reason);
    const by = reason !== "" || this.down.ended ? ClosedByPeer : ClosedByUs;
    for (const { filter } of this.links) filter?.onDownstreamClose?.(by);
    for (const link of this.links) {
      link.filter?.onLog?.();
      link.filter = null;
    }
  }
}
