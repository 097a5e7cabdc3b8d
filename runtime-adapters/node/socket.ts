/**
 * A connection on `node:net`.
 *
 * A `net.Socket` is a stream, whose buffers, events and ticks cost as much as the rest of a read or write. So bytes
 * take the short way, by the methods that the stream has for its two ends: `push`, by which a socket hands what it
 * read to its stream, is overridden per socket; `_write`, `_writev` and `_final`, by which a stream hands bytes to its
 * socket, are called from here. What a pause left in the stream takes the long way, as "data" and "end".
 *
 * Laws:
 * - One write is under way at most: what comes meanwhile waits in the queue, as with every other runtime.
 * - Bytes that the stream still holds come before those that the socket reads next.
 *
 * TLS is a `tls.TLSSocket` in its place, which is a `net.Socket` and works alike: the bytes stay below JavaScript.
 *
 * Listeners are plain functions that find the connection on `this`: no closure per connection or chunk.
 */
import { connect, Socket as NetSocket } from "node:net";
import type { Address, Keepalive } from "../../core/io/socket.ts";
import { type TlsContext, tlsFailure } from "../../core/io/tls.ts";
import { ipAddress, NOWHERE, nativePath } from "../address.ts";
import { SILENT } from "../connection-states.ts";
import { HostSocket } from "../host-socket.ts";
import { failureName, type HostTlsContext, tlsInfo } from "../host-tls-context.ts";
import { completeKeepalive } from "../keepalive.ts";
import { gather, RECORD_BYTES } from "../record.ts";
import type { Accept } from "../runtime.ts";
import { makeSecure, peerChain, type SecureNative, serverNameOf, verifyError } from "../secure-native.ts";
import type { NodeDriver } from "./driver.ts";
import { giveBack, type Reader, readIntoOurs } from "./read-memory.ts";

/** A socket of Node's, and whose it is. */
export interface NativeSocket extends NetSocket {
  connection: NodeSocket | null;
  /** A FIN is on its way to the kernel; libuv refuses to reset meanwhile, and the descriptor would be lost. */
  ending: boolean;
  /** Undocumented. */
  readonly _handle?: { readonly fd?: number; readonly writeQueueSize?: number } | null;
}

/** What Node calls back with when a write is done; at once, if the kernel took all of it. */
type Written = (error?: Error | null) => void;

/** Pieces for `_writev`. */
type Pieces = { chunk: Uint8Array; encoding: "buffer" }[] & { allBuffers?: boolean };

/** As of Node 26; before, `interval` and `count` were not taken. ms. */
interface NodeKeepAlive {
  setKeepAlive(on: boolean, delay: number, interval: number, count: number): void;
}

/** The descriptor of a socket, or -1 where Node does not tell. */
export function descriptor(native: NetSocket): number {
  return (native as NativeSocket)._handle?.fd ?? -1;
}

function onSecure(this: NativeSocket): void {
  this.connection?.onSecure();
}

function onConnect(this: NativeSocket): void {
  this.connection?.onConnect();
}

const streamPush = NetSocket.prototype.push;

function push(this: NativeSocket, chunk: Uint8Array | null): boolean {
  const connection = this.connection;
  if (
    connection === null ||
    !(connection.ours || (this.readableFlowing === true && this.readableLength === 0))
  ) {
    return streamPush.call(this, chunk);
  }
  if (chunk === null) connection.onEnd();
  else connection.onData(chunk);
  return true; // after a pause, the stream itself makes Node stop reading when it is full
}

function onData(this: NativeSocket, chunk: Uint8Array): void {
  this.connection?.onData(chunk);
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

/** A connection on `node:net`. */
export class NodeSocket extends HostSocket<NodeDriver> implements Reader {
  private native: NativeSocket | null = null;
  private failure = "";
  /** Length of the write under way, of which the kernel did not take all at once. libuv knows what is left of it. */
  private underWay = 0;
  private transmitting = false;
  private reading = true;
  /** A write failed. What was received before can still be read. */
  private broken = false;
  /** Once it is TLS: the socket that `native` has been put around. */
  private plain: NativeSocket | null = null;
  private serverName = "";
  /** To be told the end of it when the write under way is done. */
  private parting: NativeSocket | null = null;
  /** It ends, and is to be reset then. */
  private cutting = false;
  /** It reads into memory of ours, see read-memory.ts: its stream hears of the end alone. */
  ours = false;
  slab: Buffer | null = null;
  private readonly onWritten: Written = (error) => this.written(error);

  /** Takes over a connection that Node accepted. */
  static accept(driver: NodeDriver, native: NetSocket, listener: Address, accept: Accept): void {
    const socket = new NodeSocket(driver, SILENT, null);
    socket.bind(native as NativeSocket);
    socket.startReading(native as NativeSocket);
    socket.arrived(listener, accept);
  }

  protected askLocal(): Address {
    const native = this.native;
    return native === null || native.pending ? NOWHERE : ipAddress(native.localAddress, native.localPort);
  }

  protected askRemote(): Address {
    return ipAddress(this.native?.remoteAddress, this.native?.remotePort);
  }

  override get pendingBytes(): number {
    if (this.underWay === 0) return super.pendingBytes;
    return super.pendingBytes + this.waiting;
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
    if (this.underWay !== 0 || this.broken) return false;
    const native = this.native as NativeSocket;
    const { bytes, first, last, chunks, starts, ends } = this.queue;
    this.underWay = bytes;
    this.transmitting = true;
    if (last - first === 1) {
      const only = piece(chunks[first], starts[first], ends[first]);
      this.queue.clear();
      native._write(only, "buffer" as BufferEncoding, this.onWritten);
    } else if (this.plain !== null && bytes <= RECORD_BYTES) {
      // The engine would put pieces together itself, and take memory for it each time.
      const { bytes: record, end } = gather(this.queue);
      this.queue.clear();
      native._write(record.subarray(0, end), "buffer" as BufferEncoding, this.onWritten);
    } else {
      const pieces: Pieces = [];
      for (let i = first; i < last; i++) {
        pieces.push({ chunk: piece(chunks[i], starts[i], ends[i]), encoding: "buffer" });
      }
      pieces.allBuffers = true;
      this.queue.clear();
      native._writev?.(pieces as never, this.onWritten);
    }
    this.transmitting = false;
    // A write of TLS is reported as done later on, even if the kernel has taken all of it.
    return (this.underWay === 0 || this.waiting === 0) && !this.broken;
  }

  /** Bytes of the write under way, of TLS in ciphertext, that the kernel has not taken. */
  private get waiting(): number {
    return (this.plain ?? this.native)?._handle?.writeQueueSize ?? this.underWay;
  }

  protected startTls(context: TlsContext, unread: Uint8Array, serverName: string): void {
    const plain = this.native as NativeSocket;
    plain.connection = null;
    giveBack(this, false);
    this.plain = plain;
    const host = context as HostTlsContext;
    this.serverName = host.options.server ? "" : serverName;
    const native = makeSecure(plain, host, serverName, host.sessions);
    native.once("secure", onSecure as never);
    this.bind(native as unknown as NativeSocket);
    this.startReading(native as unknown as NativeSocket);
    if (unread.length !== 0) native._handle?.receive(unread);
  }

  protected shutdown(): void {
    const native = this.native as NativeSocket;
    native.ending = true;
    if (this.underWay === 0) this.sayEnd(native);
    else this.parting = native;
  }

  /** No error is of interest: a broken connection says so to the read. */
  private sayEnd(native: NativeSocket): void {
    native._final(() => {
      native.ending = false;
      if (native.connection !== null) return;
      if (this.cutting)
        (this.plain ?? native).resetAndDestroy(); // see `abort`; nothing, if it was destroyed
      else native.destroy();
    });
  }

  protected destroy(): void {
    const native = this.native;
    if (native === null) return;
    // The peer of TLS is told that this was all, so that nothing can be cut off unnoticed.
    if (this.plain === null || this.broken || (this.underWay !== 0 && this.waiting !== 0)) native.destroy();
    else if (!native.ending) this.shutdown();
  }

  protected abort(): void {
    const native = this.native;
    if (native === null) return;
    // RST is a matter of TCP; before the handshake and on a Unix socket there is only closing.
    if (native.pending || this.isUnix) native.destroy();
    else if (native.ending) this.cutting = true;
    else (this.plain ?? native).resetAndDestroy();
  }

  protected setReading(on: boolean): void {
    this.reading = on;
    if (on) this.native?.resume();
    else if (this.broken)
      this.native?.destroy(); // nobody would find its end
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
    this.startReading(this.native as NativeSocket);
    this.opened();
  }

  onSecure(): void {
    const native = this.native as unknown as SecureNative;
    const serverName = serverNameOf(native, this.serverName);
    const letIn = this.secured(tlsInfo(native, serverName, peerChain(native), verifyError(native)));
    native.gained?.judged(letIn);
  }

  onData(chunk: Uint8Array): void {
    this.received(chunk);
  }

  passes(length: number): boolean {
    return this.promised(length);
  }

  onSlab(chunk: Uint8Array): boolean {
    return this.lent(chunk);
  }

  get reads(): boolean {
    return this.reading && !this.isClosed;
  }

  private written(error: Error | null | undefined): void {
    const { parting } = this;
    this.underWay = 0;
    this.parting = null;
    if (parting !== null) this.sayEnd(parting);
    if (error) this.fail(error);
    else if (!this.transmitting) this.writable();
  }

  /** A write found the connection broken, and took the kernel's error with it: reading ends in what looks like a FIN. */
  private fail(error: NodeJS.ErrnoException): void {
    this.broken = true;
    this.onError(error.code ?? "EIO");
    if (!this.reading || this.finSeen) this.native?.destroy();
  }

  onEnd(): void {
    if (this.broken) this.native?.destroy();
    else this.ended();
  }

  onError(code: string): void {
    const ofTls = this.plain !== null && (code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_"));
    if (this.failure === "") this.failure = ofTls ? tlsFailure(failureName(code)) : code;
    if (ofTls) this.native?.destroy(); // an established one reports without closing
  }

  onClose(): void {
    this.closed(this.failure);
  }

  protected override closed(reason: string): void {
    if (this.isClosed) return;
    const native = this.native;
    this.native = null;
    this.underWay = 0;
    giveBack(this, false); // the core may be looking at it
    super.closed(reason);
    if (native !== null) native.connection = null; // `onError` stays: a late error must not be unhandled
  }

  private bind(native: NativeSocket): void {
    this.native = native;
    native.connection = this;
    native.ending = false;
    native.push = push;
    native.on("error", onError);
    native.on("close", onClose);
  }

  private startReading(native: NativeSocket): void {
    this.ours = readIntoOurs(native);
    if (this.ours) return;
    native.on("data", onData);
    native.on("end", onEnd);
  }
}

function piece(chunk: Uint8Array, start: number, end: number): Uint8Array {
  return start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end);
}
