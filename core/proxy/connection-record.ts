/**
 * One accepted connection as the access logs of its listener see it: who, how long, how many bytes either way. It
 * stands between the adapter's socket and the connection, and is made only where such a log is configured.
 *
 * It knows nothing of HTTP: requests are logged by the connection manager. Law: every call goes through as it came.
 */
import type { ResponseFlag } from "../errors.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import type { Address, CloseReason, Keepalive, Socket, SocketHandler } from "../io/socket.ts";
import type { Clock } from "../time/clock.ts";

export class ConnectionRecord implements Socket, SocketHandler, StreamInfo {
  /** Who hears what the adapter tells; set once, before the adapter tells anything. */
  handler: SocketHandler | null = null;
  private readonly socket: Socket;
  /** Asked at once: a socket that is closed may not know them any more. */
  readonly local: Address;
  readonly remote: Address;

  // StreamInfo
  readonly request = null;
  readonly response = null;
  readonly responseTrailers = null;
  readonly startWall: number;
  readonly requestReceived = -1;
  readonly upstreamRequestSent = -1;
  readonly upstreamResponseStarted = -1;
  readonly upstreamResponseEnded = -1;
  readonly responseStarted = -1;
  duration = -1;
  readonly responseCode = 0;
  responseCodeDetails = "";
  readonly connectionTerminationDetails = "";
  flags: readonly ResponseFlag[] = [];
  /** Bytes of the wire, heads and framing included. */
  bytesReceived = 0;
  bytesSent = 0;
  readonly headerBytesReceived = 0;
  readonly headerBytesSent = 0;
  readonly upstreamBytesReceived = 0;
  readonly upstreamBytesSent = 0;
  readonly routeName = "";
  readonly virtualHostName = "";
  readonly clusterName = "";
  readonly clusterStatName = "";
  readonly upstreamHost = null;
  readonly upstreamLocal = null;
  readonly upstreamFailure = "";
  readonly upstreamAttempts = 0;
  readonly requestedServerName = "";
  connectionId = 0;
  readonly streamId = "";
  readonly filterChainName: string;
  readonly localReplyBody = "";

  constructor(socket: Socket, filterChainName: string, clock: Clock) {
    this.socket = socket;
    this.local = socket.local;
    this.remote = socket.remote;
    this.filterChainName = filterChainName;
    this.startWall = clock.wall;
  }

  get downstreamLocal(): Address {
    return this.local;
  }
  get downstreamDirectRemote(): Address {
    return this.remote;
  }
  get downstreamRemote(): Address {
    return this.remote;
  }

  // ── Socket: what the connection does ──────────────────────────────────────────────────────────────────────

  get pendingBytes(): number {
    return this.socket.pendingBytes;
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
