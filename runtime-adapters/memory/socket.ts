/** A driver's connection on the virtual network: `Connection` over an `Endpoint`. */

import type { ByteQueue } from "../../core/bytes/byte-queue.ts";
import type { Address, Keepalive, SocketHandler } from "../../core/io/socket.ts";
import { type TlsContext, type TlsInfo, tlsFailure } from "../../core/io/tls.ts";
import { NOWHERE } from "../address.ts";
import { Connection } from "../connection.ts";
import type { EngineUser, TlsEngine } from "../tls-engine.ts";
import type { Turn } from "../turn.ts";
import type { Endpoint, Side } from "./endpoint.ts";
import { FakeTls, type FakeTlsContext } from "./fake-tls.ts";
import type { Network } from "./network.ts";

/** What the core has given back is overwritten: whoever still looks at it (`SocketHandler.passing`) shows. */
const SPOILT = 0xdb;

export class MemorySocket extends Connection implements Side, EngineUser {
  private endpoint: Endpoint | null = null;
  private readonly network: Network;
  private readonly target: Address;
  private readonly from: string;
  /** Dialling fails with this, "" = it does not. */
  private failure = "";
  private engine: TlsEngine | null = null;
  private readonly onGone: (socket: MemorySocket) => void;

  /** @param target where to dial, or null for an accepted connection (`bind` follows). */
  constructor(
    network: Network,
    turn: Turn,
    handler: SocketHandler,
    target: Address | null,
    from: string,
    onGone: (socket: MemorySocket) => void,
  ) {
    super(turn, handler, target !== null);
    this.network = network;
    this.target = target ?? NOWHERE;
    this.from = from;
    this.onGone = onGone;
  }

  /** For the network: the accepted connection. */
  bind(endpoint: Endpoint): void {
    this.endpoint = endpoint;
  }

  get local(): Address {
    return this.endpoint?.local ?? NOWHERE;
  }

  get remote(): Address {
    return this.endpoint?.remote ?? this.target;
  }

  /** Makes the dial fail with an errno of this host. */
  fail(reason: string): void {
    this.failure = reason;
  }

  protected dial(): void {
    if (this.failure !== "") {
      this.network.schedule.after(0, () => this.closed(this.failure));
      return;
    }
    this.endpoint = this.network.connect(this.from, this.target, this);
  }

  override get pendingBytes(): number {
    return super.pendingBytes + (this.engine === null ? 0 : this.engine.out.bytes);
  }

  protected transmit(): boolean {
    const { engine } = this;
    if (engine === null) return this.send(this.queue);
    engine.encrypt(this.queue);
    return this.send(engine.out);
  }

  private send(queue: ByteQueue): boolean {
    const endpoint = this.endpoint as Endpoint;
    while (queue.pieces > 0) {
      const start = queue.starts[queue.first];
      const end = queue.ends[queue.first];
      const taken = endpoint.send(queue.chunks[queue.first], start, end);
      queue.consume(taken);
      if (taken < end - start) return false;
    }
    return true;
  }

  protected startTls(context: TlsContext, unread: Uint8Array, serverName: string): void {
    const { schedule, tls } = this.network;
    this.engine = new FakeTls(context as FakeTlsContext, serverName, tls, this, (delay, job) => {
      schedule.after(delay, job);
    });
    if (unread.length !== 0) this.engine.receive(unread);
  }

  protected shutdown(): void {
    this.notify();
    this.endpoint?.end();
  }

  protected destroy(): void {
    this.notify();
    this.endpoint?.close();
  }

  private notify(): void {
    if (this.engine === null) return;
    this.engine.end();
    this.send(this.engine.out);
  }

  protected abort(): void {
    this.endpoint?.reset();
  }

  protected setReading(on: boolean): void {
    this.endpoint?.setReading(on);
  }

  protected setKeepAlive(options: Keepalive): void {
    this.endpoint?.keepAlive(options);
  }

  // ── Side ──────────────────────────────────────────────────────────────────────────────────────────────────

  established(): void {
    this.opened();
  }

  read(chunk: Uint8Array): void {
    if (this.engine !== null) {
      this.engine.receive(chunk);
      return;
    }
    if (!this.lent(chunk)) return;
    chunk.fill(SPOILT);
    this.network.spoiltBytes += chunk.length;
  }

  sawEnd(): void {
    this.ended();
  }

  canWrite(): void {
    if (this.engine === null || this.send(this.engine.out)) this.writable();
  }

  gone(reason: string): void {
    this.closed(reason);
  }

  // ── EngineUser ────────────────────────────────────────────────────────────────────────────────────────────

  onSecured(info: TlsInfo): void {
    this.secured(info);
  }

  onPlaintext(chunk: Uint8Array): void {
    this.received(chunk);
  }

  onCloseNotify(): void {
    this.ended();
  }

  onOut(): void {
    this.send((this.engine as TlsEngine).out);
  }

  onRoom(): void {}

  onTlsFailed(detail: string): void {
    this.endpoint?.close();
    this.closed(tlsFailure(detail));
  }

  protected override closed(reason: string): void {
    if (!this.isClosed) this.onGone(this);
    this.engine?.close();
    this.engine?.out.clear();
    super.closed(reason);
  }
}
