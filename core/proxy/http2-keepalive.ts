/**
 * Asks a peer of HTTP/2 by PING whether it is still there (Envoy's `connection_keepalive`), on either side.
 *
 * Law: whatever comes from the peer shows that it lives, not only the answer: that may wait behind a long body.
 *
 *   Resting ─(interval; use after long silence)─▶ Asked ─(an answer)─▶ Resting
 *                                                   └─(timeout without a byte)─▶ dead
 */
import type { Http2Keepalive as Settings } from "../config/model.ts";
import { Timer } from "../time/timers.ts";
import type { Services } from "./services.ts";

/** The mark of these PINGs. */
export const KEEPALIVE_MARK = 2;

/** The connection. */
export interface KeepaliveOwner {
  /** Sends a PING with that mark. */
  ping(mark: number): void;
  /** The peer is gone. */
  onDead(): void;
}

export class Http2Keepalive {
  private readonly services: Services;
  private readonly settings: Settings;
  private readonly owner: KeepaliveOwner;
  private readonly timer: Timer;
  private asked = false;
  /** When the peer was last heard, ms. */
  private heard: number;

  /** Begins with an interval of rest. */
  constructor(services: Services, settings: Settings, owner: KeepaliveOwner) {
    this.services = services;
    this.settings = settings;
    this.owner = owner;
    this.heard = services.clock.now;
    this.timer = new Timer(() => this.onTimer());
    this.rest();
  }

  private rest(): void {
    const { interval, jitter } = this.settings;
    const { timers, clock, random } = this.services;
    this.asked = false;
    if (interval > 0) timers.arm(this.timer, clock.now + interval * (1 + jitter * random()));
    else timers.cancel(this.timer);
  }

  private ask(): void {
    this.asked = true;
    this.expectBytes();
    this.owner.ping(KEEPALIVE_MARK);
  }

  private expectBytes(): void {
    const { timers, clock } = this.services;
    timers.arm(this.timer, clock.now + this.settings.timeout);
  }

  /** Bytes of the peer's have come. */
  onBytes(): void {
    this.heard = this.services.clock.now;
    if (this.asked) this.expectBytes();
  }

  /** A PING was answered. */
  onPong(mark: number): void {
    if (this.asked && mark === KEEPALIVE_MARK) this.rest();
  }

  /** The connection is about to be used. */
  onUse(): void {
    const { connectionIdleInterval } = this.settings;
    if (this.asked || connectionIdleInterval === 0) return;
    if (this.services.clock.now - this.heard > connectionIdleInterval) this.ask();
  }

  private onTimer(): void {
    if (this.asked) this.owner.onDead();
    else this.ask();
  }

  /** The connection is gone. */
  release(): void {
    this.services.timers.release(this.timer);
  }
}
