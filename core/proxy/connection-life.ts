/**
 * The life of a client's connection around its requests, whatever version of HTTP they are in: how long it may
 * last and be idle, and how it ends so that the client gets its last answer whole. It knows no codec, no stream
 * and no request; who extends it does.
 *
 * Laws: a connection ends with FIN first, and what arrives after it is thrown away unread. A truncated answer never
 * looks complete: where bytes alone cannot show it, a reset does. The end is counted and reported once, and no
 * timer outlives it.
 *
 *   Open ─(linger)─▶ Lingering ─(FIN, quiet, or 64 KiB)─▶ Closed
 *     └────────────(cut, reset, left by the client)─────────▶ Closed
 */
import type { StreamInfo } from "../http/stream-info.ts";
import type { CloseReason, Socket } from "../io/socket.ts";
import { Timer } from "../time/timers.ts";
import type { SecureConnection } from "../tls/secure-connection.ts";
import type { ConnectionManager, Spoken } from "./connection-manager.ts";
import type { ConnectionOwner, DrainableConnection } from "./connection-owner.ts";
import { ANY_REASON, Pressure } from "./pressure.ts";
import type { Services } from "./services.ts";

export const Open = 0;
/** Our FIN is out; we wait for the client's. */
export const Lingering = 1;
export const Closed = 2;
export type LifeState = typeof Open | typeof Lingering | typeof Closed;

/** Bytes read and thrown away after the answer before we stop being polite (row E5). */
const MAX_LINGER_BYTES = 64 * 1024;
/** A client that reads nothing of its last answer is given this long, ms. */
const MAX_LINGER_MS = 60_000;
/** How often a client that reads its last answer is looked at again, at most, ms. */
const MIN_LINGER_STEP = 100;

export abstract class ConnectionLife implements DrainableConnection {
  readonly manager: ConnectionManager;
  /** What it speaks, as far as that is known. */
  abstract readonly spoken: Spoken;
  readonly services: Services;
  readonly socket: Socket;
  /** Its number, for logs. */
  readonly connectionId: number;
  /** What the network filters on it know, null if there are none; set before anything is read. */
  networkInfo: StreamInfo | null = null;
  /** Null if it is plain. */
  secure: SecureConnection | null = null;
  readonly accepted: number;
  place = -1;
  /** Reading from the client, paused for one reason or another. */
  readonly pressure: Pressure;
  /** The connection ends after the current answer. */
  closing = false;
  /** The client sent FIN: for the stream, which then bears silence no longer than it has to. */
  peerEnded = false;
  protected readonly owner: ConnectionOwner;
  protected state: LifeState = Open;
  /** Our FIN came first: the end of the connection is our doing. */
  private endedHere = false;
  private lingerBytes = 0;
  /** What the kernel had not taken when we last looked, and until when it must have taken some of it. */
  private unsent = 0;
  protected unsentDeadline = 0;
  /** Open: the idle timeout, or what the codec waits for. Lingering: the delayed close. */
  protected readonly silence: Timer;
  /** Life of the connection; armed only if configured. */
  private duration: Timer | null = null;

  constructor(manager: ConnectionManager, services: Services, socket: Socket, owner: ConnectionOwner) {
    this.manager = manager;
    this.services = services;
    this.socket = socket;
    this.owner = owner;
    this.connectionId = services.nextConnectionId++;
    this.accepted = services.clock.now;
    this.pressure = new Pressure(socket, manager.stats);
    this.silence = new Timer(() => this.onTimer());
    const { maxConnectionDuration } = manager.config.common;
    if (maxConnectionDuration > 0) {
      this.duration = new Timer(() => this.onMaxDuration());
      services.timers.arm(this.duration, this.accepted + maxConnectionDuration);
    }
    this.awaitRequest();
  }

  // ── What the codec says ───────────────────────────────────────────────────────────────────────────────────

  /** A request is being read or answered. */
  protected abstract get busy(): boolean;
  /** No request, nor any part of one, is here. */
  protected abstract get idle(): boolean;
  /** Only the end of the connection ends the answer, so that nothing but a reset shows that it is cut. */
  protected abstract get endsWithUs(): boolean;
  /** The timer went off while the connection was open. */
  protected abstract onSilence(): void;
  /** Nothing more is read as a request. Returns true if the client is known to have nothing more to say. */
  protected abstract deafen(): boolean;
  /** The connection is gone: lets go of the request, if there is one, and of its timers. */
  protected abstract onGone(reason: CloseReason): void;
  abstract addBuffered(): void;

  // ── Waiting ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Between requests: the idle timeout runs. */
  protected awaitRequest(): void {
    const { idleTimeout } = this.manager.config.common;
    if (idleTimeout > 0) this.services.timers.arm(this.silence, this.services.clock.now + idleTimeout);
  }

  private onTimer(): void {
    if (this.state === Lingering) this.onLingered();
    else this.onSilence();
  }

  private onMaxDuration(): void {
    this.manager.stats.downstreamCxMaxDurationReached++;
    if (this.idle) this.linger();
    else this.beLast();
  }

  /** What is under way is the last. */
  protected beLast(): void {
    this.closing = true;
  }

  /** Drain: idle connections close now, busy ones after their answer. */
  drain(): void {
    if (this.state !== Open || !this.idle) return;
    this.manager.stats.downstreamCxDrainClose++;
    this.linger();
  }

  /** The upstream has ended a tunnel, and so have we. */
  tunnelEnded(): void {
    this.endedHere = !this.peerEnded;
  }

  // ── The end ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * FIN now, and read on for a little while, so that a reset does not eat the answer (RFC 9112 9.6). A client that
   * said `connection: close` sends nothing more that could provoke one.
   */
  protected linger(): void {
    if (this.state !== Open) return;
    const silent = this.deafen();
    this.state = Lingering;
    this.endedHere ||= !this.peerEnded;
    if (silent) this.socket.finish();
    else this.socket.end();
    this.pressure.release(ANY_REASON);
    const { timers, clock } = this.services;
    this.unsent = this.socket.pendingBytes;
    this.unsentDeadline = clock.now + MAX_LINGER_MS;
    timers.arm(this.silence, clock.now + this.manager.config.delayedCloseTimeout);
  }

  /** Bytes that came after the last answer. */
  protected discard(length: number): void {
    this.lingerBytes += length;
    if (this.lingerBytes > MAX_LINGER_BYTES) this.close();
  }

  /** Quiet for the delayed close timeout. A client that still reads its last answer is given more. */
  private onLingered(): void {
    const { manager, services, socket } = this;
    const { timers, clock } = services;
    const { pendingBytes } = socket;
    if (pendingBytes < this.unsent) this.unsentDeadline = clock.now + MAX_LINGER_MS;
    this.unsent = pendingBytes;
    if (pendingBytes > 0 && clock.now < this.unsentDeadline) {
      const step = Math.max(manager.config.delayedCloseTimeout, MIN_LINGER_STEP);
      timers.arm(this.silence, clock.now + step);
      return;
    }
    manager.stats.downstreamCxDelayedCloseTimeout++;
    this.close();
  }

  /** Closes now; what the kernel takes at once still leaves. */
  protected close(): void {
    if (this.state === Closed) return;
    this.gone(this.peerEnded && !this.endedHere, "");
    // Invariant 3, as in `cut`: bytes that are still here make an answer without a length look complete.
    if (this.endsWithUs && this.socket.pendingBytes > 0) this.socket.reset();
    else this.socket.close();
  }

  /** The answer cannot be completed: the connection closes without a terminator (invariant 3). */
  protected cut(): void {
    if (this.state === Closed) return;
    this.gone(false, "");
    // A counted or chunked body ends visibly short; one that ends with the connection needs the reset to show it.
    if (this.endsWithUs) this.socket.reset();
    else this.socket.close();
  }

  /** The client is taken for gone. */
  protected forsake(): void {
    this.gone(true, "");
    this.socket.reset();
  }

  onClose(reason: CloseReason): void {
    this.secure?.closed(reason);
    if (this.state !== Closed) this.gone(!this.endedHere, reason);
  }

  private gone(remote: boolean, reason: CloseReason): void {
    this.state = Closed;
    const life = this.services.clock.now - this.accepted;
    this.manager.connectionClosed(remote, this.busy, life, this.spoken, this.secure !== null);
    this.onGone(reason);
    this.releaseTimers();
    this.owner.connectionClosed(this);
  }

  /** Somebody else goes on with the socket: nothing is heard of this one any more. */
  protected leave(): void {
    this.state = Closed;
    this.releaseTimers();
  }

  private releaseTimers(): void {
    const { timers } = this.services;
    timers.release(this.silence);
    if (this.duration !== null) timers.release(this.duration);
  }
}
