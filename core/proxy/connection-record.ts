/**
 * One accepted connection as the access logs of its listener see it: who, how long, how many bytes either way. It
 * stands between the adapter's socket and the connection, and is made only where such a log is configured.
 *
 * It knows nothing of HTTP: requests are logged by the connection manager. Law: every call goes through as it came.
 */
import type { Listener } from "../config/model.ts";
import type { Address, CloseReason, Keepalive, Socket, SocketHandler } from "../io/socket.ts";
import type { Clock } from "../time/clock.ts";
import { ConnectionInfo } from "./connection-info.ts";

export class ConnectionRecord extends ConnectionInfo implements Socket, SocketHandler {
  /** Who hears what the adapter tells; set once, before the adapter tells anything. */
  handler: SocketHandler | null = null;
  private readonly socket: Socket;
  /** Asked at once: a socket that is closed may not know them any more. */
  readonly local: Address;
  readonly remote: Address;

  constructor(socket: Socket, listener: Listener, filterChainName: string, clock: Clock) {
    super(listener, filterChainName, clock.wall);
    this.socket = socket;
    this.local = socket.local;
    this.remote = socket.remote;
  }

  get downstreamLocal(): Address {
    return this.local;
  }
  get downstreamDirectRemote(): Address {
    return this.remote;
  }

  // ── Socket: what the connection does ──────────────────────────────────────────────────────────────────────

  get pendingBytes(): number {
    return this.socket.pendingBytes;
  }
  get direct(): boolean {
    return this.socket.direct === true;
  }
  write(bytes: Uint8Array, start: number, end: number): void {
    this.bytesSent += end - start;
    this.socket.write(bytes, start, end);
  }
  pause(): void {
    this.socket.pause();
  }
  resume(): void {
    this.socket.resume();
  }
  keepAlive(options: Keepalive): void {
    this.socket.keepAlive(options);
  }
  end(): void {
    this.socket.end();
  }
  finish(): void {
    this.socket.finish();
  }
  close(): void {
    this.socket.close();
  }
  reset(): void {
    this.socket.reset();
  }

  // ── SocketHandler: what the adapter tells ─────────────────────────────────────────────────────────────────

  onConnect(): void {}

  get passing(): number {
    return this.handler?.passing ?? 0;
  }
  onData(chunk: Uint8Array): void {
    this.bytesReceived += chunk.length;
    this.handler?.onData(chunk);
  }
  onEnd(): void {
    this.handler?.onEnd();
  }
  onBlocked(): void {
    this.handler?.onBlocked();
  }
  onDrain(): void {
    this.handler?.onDrain();
  }
  onClose(reason: CloseReason): void {
    this.handler?.onClose(reason);
  }
}
