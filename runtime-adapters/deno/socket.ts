/**
 * A connection on Deno's own sockets (`Deno.listen`, `Deno.connect`), whose reads and writes are promises: one
 * read and one write are under way at most. `node:net` on Deno was measured, too, and costs more. CPU per request,
 * 50 connections, least of several rounds, each pair in one run: bare prototypes 22 µs (own sockets, one reused
 * buffer) and 25; on a busy machine with head and body apart, prototype with `send` 38 and our Node adapter 47.
 * Also, node:net's listener here never accepts again after EMFILE.
 *
 * Laws:
 * - Only one write is under way: a second one could overtake the rest of the first. Where the descriptor is known
 *   (descriptor-calls.ts), that write is made only for what the kernel did not take at once.
 * - A write that is under way when the core writes again, or that came back short, means "blocked".
 * - Reads go into one buffer, one behind the other: a chunk is a window of it that nothing else touches.
 * - TLS is between the queue and the connection: what is sent is what the engine has left, in place of the queue.
 * - While paused no read is under way, so a peer's FIN or RST is noticed only on `resume` or `write`.
 */

import { ByteQueue } from "../../core/bytes/byte-queue.ts";
import type { Address, Keepalive } from "../../core/io/socket.ts";
import { type TlsContext, type TlsInfo, tlsFailure } from "../../core/io/tls.ts";
import { ipAddress, nativePath } from "../address.ts";
import { SILENT } from "../connection-states.ts";
import { HostSocket } from "../host-socket.ts";
import type { HostTlsContext } from "../host-tls-context.ts";
import { keepaliveOptions } from "../keepalive.ts";
import type { Accept } from "../runtime.ts";
import type { EngineUser, TlsEngine } from "../tls-engine.ts";
import { callable, findDescriptor, sendQueue, sendReset, setOptions } from "./descriptor-calls.ts";
import type { DenoDriver } from "./driver.ts";
import { deno, errorCode, type NativeConnection } from "./native.ts";
import { DenoTls } from "./tls.ts";

/** Buffer of a connection that reads little, and of one that fills its reads; bytes. */
const SMALL_BUFFER = 16 * 1024;
const LARGE_BUFFER = 256 * 1024;
/** A new buffer is taken when less than this is left, bytes. */
const LEAST_ROOM = 4 * 1024;
/** How long a closed connection may take to hand over the pieces of its last turn, one after the other, ms. */
const FAREWELL = 100;

const NO_BUFFER = new Uint8Array(0);
const NO_QUEUE = new ByteQueue();

export class DenoSocket extends HostSocket<DenoDriver> implements EngineUser {
  private native: NativeConnection | null = null;
  /** For direct calls, or -1. */
  private fd = -1;

  private buffer = NO_BUFFER;
  private used = 0;
  private reading = true;
  private readUnderWay = false;
  private writeUnderWay = false;
  private engine: TlsEngine | null = null;
  /** FIN follows the write under way. */
  private parting = false;

  /** Set between `destroy` and the last write: the connection, and what it has yet to write. */
  private leaving: NativeConnection | null = null;
  private rest = NO_QUEUE;
  private farewell: ReturnType<typeof setTimeout> | undefined;

  private readonly onRead = (count: number | null): void => this.read(count);
  private readonly onWritten = (count: number): void => this.written(count);
  private readonly onFailed = (error: unknown): void => this.failed(error);
  private readonly onFarewell = (): void => this.left();

  /** Takes over a connection that Deno accepted. */
  static accept(driver: DenoDriver, native: NativeConnection, listener: Address, accept: Accept): void {
    const socket = new DenoSocket(driver, SILENT, null);
    if (listener.path === "") native.setNoDelay?.(true);
    socket.native = native;
    socket.fd = callable(native);
    socket.arrived(listener, accept);
    socket.startRead();
  }

  protected askLocal(): Address {
    const address = this.native?.localAddr;
    return ipAddress(address?.hostname, address?.port);
  }

  protected askRemote(): Address {
    const address = this.native?.remoteAddr;
    return ipAddress(address?.hostname, address?.port);
  }

  protected dial(): void {
    const { ip, port, path } = this.target;
    const where =
      path !== ""
        ? { transport: "unix", path: nativePath(path) }
        : { hostname: ip, port, autoSelectFamily: false };
    try {
      deno.connect(where).then((native) => this.connected(native), this.onFailed);
    } catch (error) {
      queueMicrotask(() => this.onFailed(error));
    }
  }

  override get pendingBytes(): number {
    return super.pendingBytes + (this.engine === null || this.isClosed ? 0 : this.engine.out.bytes);
  }

  /** What the connection carries. */
  private get wire(): ByteQueue {
    return this.engine === null ? this.queue : this.engine.out;
  }

  protected transmit(): boolean {
    const { engine } = this;
    if (engine !== null) {
      if (this.writeUnderWay) return false;
      engine.encrypt(this.queue);
      return this.send() && this.queue.bytes === 0;
    }
    return this.send();
  }

  private send(): boolean {
    if (this.writeUnderWay) return false;
    const { wire } = this;
    if (wire.bytes === 0) return true;
    if (this.fd >= 0) {
      if (sendQueue(this.fd, wire)) return true;
      this.startWrite();
      return false;
    }
    this.startWrite();
    return true;
  }

  protected startTls(context: TlsContext, unread: Uint8Array, serverName: string): void {
    this.engine = new DenoTls(context as HostTlsContext, serverName, this);
    if (unread.length !== 0) this.engine.receive(unread);
  }

  protected shutdown(): void {
    if (this.engine !== null) {
      this.engine.end();
      this.send();
      if (this.writeUnderWay) {
        this.parting = true;
        return;
      }
    }
    this.native?.closeWrite().catch(ignore); // a broken connection says so to the read
  }

  protected destroy(): void {
    const native = this.native;
    if (native === null) return;
    if (this.engine !== null) {
      this.engine.end();
      this.send();
    }
    if (!this.writeUnderWay) {
      native.close();
      return;
    }
    // Of what was written in this turn one piece is on its way: see the others off.
    this.leaving = native;
    this.rest = this.wire;
    this.queue = new ByteQueue();
    this.farewell = setTimeout(this.onFarewell, FAREWELL);
  }

  protected abort(): void {
    const native = this.native;
    if (native === null) return;
    if (this.fd >= 0 && !this.isUnix) sendReset(this.fd);
    native.close();
  }

  protected setReading(on: boolean): void {
    this.reading = on;
    if (on) this.startRead();
  }

  protected setKeepAlive(options: Keepalive): void {
    const native = this.native as NativeConnection;
    native.setKeepAlive?.(true);
    if (options.time + options.interval + options.probes === 0) return;
    const fd = this.fd >= 0 ? this.fd : findDescriptor(native);
    const failure = setOptions(fd, keepaliveOptions(options));
    if (failure !== "") this.driver.notice(failure);
  }

  protected override closed(reason: string): void {
    if (this.isClosed) return;
    const native = this.native;
    this.native = null;
    this.fd = -1;
    this.buffer = NO_BUFFER;
    const { engine } = this;
    super.closed(reason);
    engine?.close();
    if (native !== null && reason !== "") closeQuietly(native);
  }

  private connected(native: NativeConnection): void {
    if (this.isClosed) {
      closeQuietly(native);
      return;
    }
    if (this.target.path === "") native.setNoDelay?.(true);
    this.native = native;
    this.opened();
    this.startRead();
  }

  private failed(error: unknown): void {
    if (this.leaving !== null) this.left();
    else this.closed(errorCode(error));
  }

  // ── Reading ───────────────────────────────────────────────────────────────────────────────────────────────

  private startRead(): void {
    const native = this.native;
    if (native === null || this.readUnderWay || !this.reading) return;
    this.readUnderWay = true;
    if (this.buffer.length - this.used < LEAST_ROOM) this.takeBuffer(SMALL_BUFFER);
    native
      .read(this.used === 0 ? this.buffer : this.buffer.subarray(this.used))
      .then(this.onRead, this.onFailed);
  }

  private read(count: number | null): void {
    this.readUnderWay = false;
    if (this.native === null) return;
    if (count === null) {
      this.ended();
      return; // FIN is the last thing to be read
    }
    if (count === 0) {
      this.startRead();
      return;
    }
    const start = this.used;
    this.used += count;
    const chunk = this.buffer.subarray(start, this.used);
    if (this.used === this.buffer.length && count >= SMALL_BUFFER - LEAST_ROOM) this.takeBuffer(LARGE_BUFFER);
    if (this.engine === null) this.received(chunk);
    else this.engine.receive(chunk);
    this.startRead();
  }

  private takeBuffer(size: number): void {
    this.buffer = new Uint8Array(size);
    this.used = 0;
  }

  // ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────

  private startWrite(): void {
    this.writeUnderWay = true;
    this.writeFirst(this.native as NativeConnection, this.wire);
  }

  private writeFirst(native: NativeConnection, { first, chunks, starts, ends }: ByteQueue): void {
    const chunk = chunks[first];
    const whole = starts[first] === 0 && ends[first] === chunk.length;
    native
      .write(whole ? chunk : chunk.subarray(starts[first], ends[first]))
      .then(this.onWritten, this.onFailed);
  }

  private written(count: number): void {
    if (this.leaving !== null) {
      this.writtenLast(this.leaving, count);
      return;
    }
    if (this.native === null) return;
    this.writeUnderWay = false;
    const queue = this.wire;
    const short = count < queue.ends[queue.first] - queue.starts[queue.first];
    queue.consume(count);
    if (queue.bytes !== 0) {
      this.startWrite();
      if (short) this.stalled();
      return;
    }
    if (this.parting) {
      this.parting = false;
      this.native.closeWrite().catch(ignore);
    }
    this.writable();
  }

  private writtenLast(native: NativeConnection, count: number): void {
    const rest = this.rest;
    const short = count < rest.ends[rest.first] - rest.starts[rest.first];
    rest.consume(count);
    if (short || rest.bytes === 0) this.left();
    else this.writeFirst(native, rest);
  }

  /** The last bytes are gone, or there was no room for them. */
  private left(): void {
    if (this.leaving === null) return;
    clearTimeout(this.farewell);
    closeQuietly(this.leaving);
    this.leaving = null;
    this.rest = NO_QUEUE;
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
    if (this.native !== null) this.send();
  }

  onRoom(): void {
    this.writable();
  }

  onTlsFailed(detail: string): void {
    const native = this.native;
    this.closed(tlsFailure(detail));
    if (native !== null) closeQuietly(native);
  }
}

function closeQuietly(native: NativeConnection): void {
  try {
    native.close();
  } catch {
    // Closed already.
  }
}

function ignore(): void {}
