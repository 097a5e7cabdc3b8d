/**
 * A connection on `node:net`. Node's stream takes every byte and keeps what the kernel did not take, so "blocked"
 * is read off `writableLength`, and "drain" or an empty write behind the last byte says when it is gone.
 *
 * Listeners are plain functions that find the connection on `this`: no closure per connection or chunk.
 */
import { connect, type Socket as NetSocket } from "node:net";
import type { Address, Keepalive } from "../../core/io/socket.ts";
import { ipAddress, NOWHERE, nativePath } from "../address.ts";
import { SILENT } from "../connection.ts";
import { HostSocket } from "../host-socket.ts";
import { completeKeepalive } from "../keepalive.ts";
import type { Accept } from "../runtime.ts";
import type { NodeDriver } from "./driver.ts";

/** A socket of Node's, and whose it is. */
export interface NativeSocket extends NetSocket {
  connection: NodeSocket | null;
  /** Undocumented. */
  readonly _handle?: { readonly fd?: number } | null;
}

/** As of Node 26; before, `interval` and `count` were not taken. ms. */
interface NodeKeepAlive {
  setKeepAlive(on: boolean, delay: number, interval: number, count: number): void;
}

/** The descriptor of a socket, or -1 where Node does not tell. */
export function descriptor(native: NetSocket): number {
  return (native as NativeSocket)._handle?.fd ?? -1;
}

function onConnect(this: NativeSocket): void {
  this.connection?.onConnect();
}

function onData(this: NativeSocket, chunk: Uint8Array): void {
  this.connection?.onData(chunk);
}

function onDrain(this: NativeSocket): void {
  this.connection?.onFlushed();
}

function onEnd(this: NativeSocket): void {
  this.connection?.onEnd();
}

function onError(this: NativeSocket, error: NodeJS.ErrnoException): void {
  this.connection?.onError(error.code ?? "EIO");
}

function onClose(this: NativeSocket): void {
  this.connection?.onClose();
}

const EMPTY = new Uint8Array(0);

/** A connection on `node:net`. */
export class NodeSocket extends HostSocket<NodeDriver> {
  private native: NativeSocket | null = null;
  private failure = "";
  /** Nothing is left in Node's stream. For the listeners. */
  readonly onFlushed = (): void => {
    if (this.native?.writableLength === 0) this.writable();
  };

  /** Takes over a connection that Node accepted. */
  static accept(driver: NodeDriver, native: NetSocket, listener: Address, accept: Accept): void {
    const socket = new NodeSocket(driver, SILENT, null);
    socket.bind(native as NativeSocket);
    socket.arrived(listener);
    socket.accepted(accept);
  }

  protected askLocal(): Address {
    const native = this.native;
    return native === null || native.pending ? NOWHERE : ipAddress(native.localAddress, native.localPort);
  }

  protected askRemote(): Address {
    return ipAddress(this.native?.remoteAddress, this.native?.remotePort);
  }

  override get pendingBytes(): number {
    return this.queue.bytes + (this.native?.writableLength ?? 0);
  }

  protected dial(): void {
    const { ip, port, path } = this.target;
    const common = { allowHalfOpen: true, noDelay: true };
    try {
      const native =
        path !== ""
          ? connect({ ...common, path: nativePath(path) })
          : connect({ ...common, host: ip, port, autoSelectFamily: false });
      native.on("connect", onConnect);
      this.bind(native as NativeSocket);
    } catch (error) {
      this.failure = (error as NodeJS.ErrnoException).code ?? "EINVAL";
      queueMicrotask(() => this.onClose());
    }
  }

  protected transmit(): boolean {
    const queue = this.queue;
    const native = this.native as NativeSocket;
    const { first, last, chunks, starts, ends } = queue;
    if (last - first === 1) {
      native.write(piece(chunks[first], starts[first], ends[first]));
    } else {
      native.cork();
      for (let i = first; i < last; i++) native.write(piece(chunks[i], starts[i], ends[i]));
      native.uncork();
    }
    queue.clear();
    if (native.writableLength === 0) return true;
    // "drain" comes by itself only if the stream thinks that it is full.
    if (!native.writableNeedDrain) native.write(EMPTY, this.onFlushed);
    return false;
  }

  protected shutdown(): void {
    this.native?.end();
  }

  protected destroy(): void {
    this.native?.destroy();
  }

  protected abort(): void {
    const native = this.native;
    if (native === null) return;
    // RST is a matter of TCP; before the handshake and on a Unix socket there is only closing.
    if (native.pending || this.isUnix) native.destroy();
    else native.resetAndDestroy();
  }

  protected setReading(on: boolean): void {
    if (on) this.native?.resume();
    else this.native?.pause();
  }

  protected setKeepAlive(options: Keepalive): void {
    const native = this.native as unknown as NodeKeepAlive;
    const { time, interval, probes } = completeKeepalive(options);
    native.setKeepAlive(true, time * 1000, interval * 1000, probes);
    if (native.setKeepAlive.length < 4) {
      this.driver.notice("TCP keepalive: this Node.js has its own interval (1 s) and number of probes (10)");
    }
  }

  // ── Reports ───────────────────────────────────────────────────────────────────────────────────────────────

  onConnect(): void {
    if (descriptor(this.native as NativeSocket) >= this.driver.descriptors.dialBelow) {
      this.native?.destroy();
      this.failure = "EMFILE";
      this.onClose();
      return;
    }
    this.opened();
  }

  onData(chunk: Uint8Array): void {
    this.received(chunk);
  }

  onEnd(): void {
    this.ended();
  }

  onError(code: string): void {
    if (this.failure === "") this.failure = code;
  }

  onClose(): void {
    this.closed(this.failure);
  }

  protected override closed(reason: string): void {
    if (this.isClosed) return;
    const native = this.native;
    this.native = null;
    super.closed(reason);
    if (native !== null) native.connection = null; // `onError` stays: a late error must not be unhandled
  }

  private bind(native: NativeSocket): void {
    this.native = native;
    native.connection = this;
    native.on("data", onData);
    native.on("drain", onDrain);
    native.on("end", onEnd);
    native.on("error", onError);
    native.on("close", onClose);
  }
}

function piece(chunk: Uint8Array, start: number, end: number): Uint8Array {
  return start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end);
}
