/**
 * What every runtime's socket has in common: the queue of writes, the states of closing, and the promises of
 * `Socket` and `SocketHandler` (idempotence, order, nothing after `onClose`, exceptions contained). A runtime
 * derives its own `socket.ts` from it and supplies the system calls. Knows no runtime.
 *
 *   Dialling ──opened()──▶ Open ──flush after close()/reset(), or closed() from the runtime──▶ Closed
 *       └──────────────── the same, before it opened ────────────────────────────────────────────┘
 *
 * An open one is plain, until it is on the way to TLS:
 *
 *   Plain ──secure()──▶ Starting ──what was written before has left──▶ Shaking ──secured()──▶ Secured
 */

import { ByteQueue } from "../core/bytes/byte-queue.ts";
import type { Member } from "../core/io/roster.ts";
import type { CloseReason, Keepalive, PlainSocket, SocketHandler } from "../core/io/socket.ts";
import { type TlsContext, type TlsInfo, tlsFailure } from "../core/io/tls.ts";
import {
  ABANDONED,
  Closed,
  CUT_SHORT,
  Dialling,
  Leaving,
  NoWrite,
  Open,
  Plain,
  Secured,
  Shaking,
  SILENT,
  type Start,
  Starting,
  WantClose,
  WantDial,
  WantEnd,
  WantFinish,
  WantPause,
  WantReset,
} from "./connection-states.ts";
import { joined } from "./joined.ts";
import { NativeCalls } from "./native-calls.ts";
import type { Accept } from "./runtime.ts";
import type { Dirty, Turn } from "./turn.ts";

export abstract class Connection extends NativeCalls implements PlainSocket, Dirty, Member {
  handler: SocketHandler;
  place = -1;
  protected readonly turn: Turn;
  protected queue = new ByteQueue();

  private state = Dialling;
  private wants = 0;
  private dirty = false;
  /** The turn that made it dirty. */
  private dirtySince = 0;
  /** What an earlier turn wrote leaves before the reset of a later one. */
  private owes = false;
  /** The kernel said no; a `writable()` is to come. */
  private blocked = false;
  private tls = Plain;
  private start: Start | null = null;
  private finSent = false;
  protected finSeen = false;
  private reason: CloseReason = "";

  /** @param dials true for an outgoing connection: `dial` is called by the next flush. */
  constructor(turn: Turn, handler: SocketHandler, dials: boolean) {
    super();
    this.turn = turn;
    this.handler = handler;
    if (dials) {
      this.wants = WantDial;
      this.mark();
    } else {
      this.state = Open;
    }
  }

  // ── Socket ────────────────────────────────────────────────────────────────────────────────────────────────

  get pendingBytes(): number {
    return this.queue.bytes + (this.start === null ? 0 : this.start.held.bytes);
  }

  get direct(): boolean {
    return true;
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    if (start >= end || this.state === Closed || (this.wants & NoWrite) !== 0) return;
    (this.start === null ? this.queue : this.start.held).push(bytes, start, end);
    this.turn.written += end - start;
    if (!this.dirty) this.mark();
  }

  pause(): void {
    if ((this.wants & (WantPause | Leaving)) !== 0 || this.state === Closed) return;
    this.wants |= WantPause;
    if (this.state === Open && this.tls !== Shaking) this.setReading(false);
  }

  resume(): void {
    if ((this.wants & WantPause) === 0 || (this.wants & Leaving) !== 0 || this.state === Closed) return;
    this.wants &= ~WantPause;
    if (this.state === Open && this.tls !== Shaking) this.setReading(true);
  }

  keepAlive(options: Keepalive): void {
    if (this.state !== Open || (this.wants & Leaving) !== 0) return;
    if (this.remote.path === "" && this.local.path === "") this.setKeepAlive(options);
  }

  end(): void {
    this.want(WantEnd);
  }

  finish(): void {
    this.want(WantEnd | WantFinish);
  }

  close(): void {
    this.want(WantClose);
  }

  reset(): void {
    this.owes ||= this.dirty && this.dirtySince !== this.turn.serial;
    this.want(WantReset);
  }

  secure(context: TlsContext, unread: Uint8Array, serverName: string): void {
    if (this.state === Closed || (this.wants & NoWrite) !== 0 || this.tls !== Plain) return;
    this.tls = Starting;
    this.start = { context, unread, serverName, held: new ByteQueue() };
    if (!this.dirty) this.mark();
  }

  /** For a driver that is closing: closes, and nobody hears of it, so that nobody dials again for it. */
  discard(): void {
    this.handler = SILENT;
    this.close();
  }

  // ── Dirty ─────────────────────────────────────────────────────────────────────────────────────────────────

  flush(): void {
    this.takeEffect();
    if (this.pendingBytes !== 0) this.turn.unsent++;
  }

  /** On the way to TLS. */
  private get unready(): boolean {
    return this.tls === Starting || this.tls === Shaking;
  }

  private beginTls(): void {
    const { start } = this;
    if (start === null || this.blocked) return;
    this.start = null;
    this.tls = Shaking;
    this.queue = start.held;
    if ((this.wants & WantPause) !== 0) this.setReading(true);
    if (start.context.fault !== "") this.refuseTls(start.context.fault);
    else this.startTls(start.context, start.unread, start.serverName);
  }

  private takeEffect(): void {
    this.dirty = false;
    if (this.state === Closed) return;
    if ((this.wants & WantReset) !== 0) {
      if (this.owes && this.state === Open && !this.blocked && this.queue.bytes !== 0) this.transmit();
      if (this.isClosed) return;
      this.queue.clear();
      this.leave(true);
      return;
    }
    if (this.state === Dialling) {
      if ((this.wants & WantClose) !== 0) {
        this.leave(true);
      } else if ((this.wants & WantDial) !== 0) {
        this.wants &= ~WantDial;
        this.dial();
      }
      return;
    }
    if (this.tls !== Shaking && this.queue.bytes !== 0 && !this.blocked && !this.transmit()) this.block();
    if (this.isClosed) return; // the write itself may have found the connection broken
    if (this.unready && (this.wants & WantClose) === 0) this.beginTls();
    else if ((this.wants & WantClose) !== 0) this.leave(false);
    else if ((this.wants & WantEnd) !== 0) this.sendFin();
  }

  abandon(): void {
    if (this.reason === "") this.reason = ABANDONED;
    this.reset();
  }

  // ── What the runtime reports. Each is a turn. ─────────────────────────────────────────────────────────────

  /** The dialled connection is established. */
  protected opened(): void {
    if (this.state !== Dialling) return;
    this.state = Open;
    this.turn.begin();
    if ((this.wants & Leaving) === 0) {
      if ((this.wants & WantPause) !== 0) this.setReading(false);
      try {
        this.handler.onConnect();
      } catch (error) {
        this.turn.fault(error, this);
      }
    }
    // Bytes written while dialling have waited for this.
    if (!this.dirty) this.mark();
    this.turn.finish();
  }

  /** An accepted connection: asks who handles it. */
  protected accepted(accept: Accept): void {
    this.turn.begin();
    try {
      const handler = accept(this);
      if (handler === null) this.close();
      else this.handler = handler;
    } catch (error) {
      this.turn.fault(error, this);
    }
    this.turn.finish();
  }

  /** Bytes came; the chunk is the core's from now on. */
  protected received(chunk: Uint8Array): void {
    if (this.state !== Open || (this.wants & Leaving) !== 0) return;
    if (this.start !== null) {
      this.start.unread = joined(this.start.unread, chunk);
      return;
    }
    this.turn.begin();
    try {
      this.handler.onData(chunk);
    } catch (error) {
      this.turn.fault(error, this);
    }
    this.turn.finish();
  }

  /** The core would pass on so many bytes, and keep nothing of them. */
  protected promised(length: number): boolean {
    return (this.handler.passing ?? 0) >= length;
  }

  /**
   * Bytes came, in memory that the runtime would like to have back. True if it may: the core promised to pass them on,
   * and no socket still has any. Otherwise the chunk is the core's, as in `received`.
   */
  protected lent(chunk: Uint8Array): boolean {
    const { turn } = this;
    const { unsent } = turn;
    const promised = this.promised(chunk.length);
    turn.urgent = promised;
    this.received(chunk);
    turn.urgent = false;
    return promised && turn.settled && turn.unsent === unsent;
  }

  /** FIN came. */
  protected ended(): void {
    if (this.state !== Open || this.finSeen || (this.wants & Leaving) !== 0) return;
    if (this.unready) {
      this.refuseTls(CUT_SHORT);
      return;
    }
    this.finSeen = true;
    this.turn.begin();
    try {
      this.handler.onEnd();
    } catch (error) {
      this.turn.fault(error, this);
    }
    if (this.finSent && !this.dirty) this.mark();
    this.turn.finish();
  }

  /** The kernel stopped taking bytes, as it turned out after the turn. `writable` follows. */
  protected stalled(): void {
    if (this.state !== Open || this.blocked || (this.wants & Leaving) !== 0) return;
    this.turn.begin();
    this.block();
    this.turn.finish();
  }

  /** The kernel takes bytes again. A runtime that says so for no reason is not listened to. */
  protected writable(): void {
    if (this.state !== Open || (this.wants & Leaving) !== 0) return;
    if (this.tls === Shaking || (!this.blocked && (this.wants & WantEnd) === 0)) return;
    if (this.queue.bytes !== 0 && !this.transmit()) return;
    if (this.isClosed) return;
    this.turn.begin();
    if (this.blocked) {
      this.blocked = false;
      try {
        this.handler.onDrain();
      } catch (error) {
        this.turn.fault(error, this);
      }
    }
    if (((this.wants & WantEnd) !== 0 || this.start !== null) && !this.dirty) this.mark();
    this.turn.finish();
  }

  /** The handshake is done; false: the core will not have it. Of the peer's bytes nothing may be reported before. */
  protected secured(info: TlsInfo): boolean {
    if (this.state !== Open || this.tls !== Shaking) return false;
    this.tls = Secured;
    if ((this.wants & Leaving) !== 0) return false;
    this.turn.begin();
    if ((this.wants & WantPause) !== 0) this.setReading(false);
    try {
      this.handler.onSecured?.(info);
    } catch (error) {
      this.turn.fault(error, this);
    }
    // Bytes written meanwhile have waited for this.
    if (!this.dirty) this.mark();
    this.turn.finish();
    return (this.wants & Leaving) === 0;
  }

  /** There is nothing to begin with. */
  protected refuseTls(detail: string): void {
    this.reason = tlsFailure(detail);
    this.abort();
    this.closed("");
  }

  /** The connection is gone, or never came to be. */
  protected closed(reason: CloseReason): void {
    if (this.state === Closed) return;
    // A runtime may report the FIN that completes the closing of both directions as the closing alone.
    if (reason === "" && this.finSent && !this.finSeen) this.ended();
    if (this.isClosed) return; // by what the core did in `onEnd`
    if (reason === "" && this.unready && (this.wants & Leaving) === 0) reason = tlsFailure(CUT_SHORT);
    this.state = Closed;
    this.start = null;
    this.queue.clear();
    const handler = this.handler;
    this.handler = SILENT;
    this.turn.begin();
    try {
      handler.onClose(this.reason === "" && (this.wants & Leaving) === 0 ? reason : this.reason);
    } catch (error) {
      this.turn.fault(error, null);
    }
    this.turn.finish();
  }

  // ── Inside ────────────────────────────────────────────────────────────────────────────────────────────────

  protected get isClosed(): boolean {
    return this.state === Closed;
  }

  private want(bits: number): void {
    if ((this.wants & bits) === bits || this.state === Closed) return;
    this.wants |= bits;
    if (!this.dirty) this.mark();
  }

  private mark(): void {
    this.dirty = true;
    this.dirtySince = this.turn.serial;
    this.turn.mark(this);
  }

  private block(): void {
    if (this.isClosed) return;
    this.blocked = true;
    if ((this.wants & Leaving) !== 0) return;
    try {
      this.handler.onBlocked();
    } catch (error) {
      this.turn.fault(error, this);
    }
  }

  private sendFin(): void {
    if (this.blocked || this.queue.bytes !== 0) return;
    // Both sides are done: closing sends the FIN as well. Not every runtime closes by itself then.
    if (this.finSeen || (this.wants & WantFinish) !== 0) this.leave(false);
    else if (!this.finSent) {
      this.finSent = true;
      this.shutdown();
    }
  }

  private leave(abortive: boolean): void {
    if (abortive) this.abort();
    else this.destroy();
    this.closed(this.reason);
  }
}
