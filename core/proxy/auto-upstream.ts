/**
 * A connection to an endpoint of which nobody knows yet whether it speaks HTTP/2: ALPN says so when TLS is there, and
 * then a connection of that version takes its place in the pool.
 *
 *   CONNECTING ─▶ Http2Upstream ("h2") or Http1Upstream (anything else, or nothing)     CONNECTING ─▶ CLOSED
 */
import type { Address, CloseReason, Socket } from "../io/socket.ts";
import { Timer } from "../time/timers.ts";
import type { SecureConnection } from "../tls/secure-connection.ts";
import { Http1Upstream } from "./http1-upstream.ts";
import { Http2Upstream } from "./http2-upstream.ts";
import type { ConnectionPool } from "./pool.ts";
import type { OpeningConnection } from "./pooled-connection.ts";
import { type Dialler, EITHER_ALPN } from "./secure-dial.ts";

export class AutoUpstream implements Dialler, OpeningConnection {
  place = -1;
  offered = false;
  readonly requests = 0;
  secure: SecureConnection | null = null;
  readonly protocol = "";
  readonly alpn = EITHER_ALPN;
  socket: Socket | null = null;
  readonly address: Address;
  readonly started: number;
  readonly timer: Timer;
  readonly expectedRoom: number;
  private readonly pool: ConnectionPool;
  private over = false;

  /** `expectedRoom`: requests that it will probably be able to take. */
  constructor(pool: ConnectionPool, expectedRoom: number) {
    this.pool = pool;
    this.expectedRoom = expectedRoom;
    this.address = pool.endpoint.address;
    this.started = pool.services.clock.now;
    this.timer = new Timer(() => this.onTimer());
  }

  onConnect(): void {
    if (this.over) return;
    const { pool, secure } = this;
    const socket = this.socket as Socket;
    this.over = true;
    pool.services.timers.release(this.timer);
    const speaksHttp2 = secure !== null && secure.info.alpn === "h2";
    const successor = speaksHttp2 ? new Http2Upstream(pool, this) : new Http1Upstream(pool, this);
    successor.socket = socket;
    successor.secure = secure;
    socket.handler = successor;
    pool.became(this, successor, speaksHttp2);
  }

  onData(): void {}
  onEnd(): void {}
  onBlocked(): void {}
  onDrain(): void {}

  onClose(reason: CloseReason): void {
    this.close(true, reason);
  }

  /** Nothing has been said. */
  addBuffered(): void {}

  private onTimer(): void {
    this.pool.onConnectTimeout();
    this.close(false, "");
  }

  private close(remote: boolean, reason: CloseReason): void {
    if (this.over) return;
    this.over = true;
    this.pool.services.timers.release(this.timer);
    this.socket?.close();
    this.pool.onClosed(this, { connecting: true, busy: false, remote, reason });
  }
}
