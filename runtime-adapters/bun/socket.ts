/**
 * A connection on Bun's own sockets. Bun writes at once and keeps nothing: what the kernel did not take stays in
 * the queue here, and `drain` asks for it.
 *
 * Bun as measured (1.4.5): TCP_NODELAY is on from the start; `open`, `close` and `connectError` may be called
 * inside `connect`, `close` and `terminate`; `drain` comes without need; a chunk has a buffer of its own. A write
 * that finds the connection broken answers -1, and takes the kernel's error with it: reading then ends in what looks
 * like a FIN, and a paused socket hears of nothing any more.
 *
 * TLS is Bun's own, too: `upgradeTLS` makes another native socket of the descriptor. The first one goes on telling what
 * it reads (as it came), to nobody.
 */
import type { Address, Keepalive } from "../../core/io/socket.ts";
import { type TlsContext, tlsFailure } from "../../core/io/tls.ts";
import { ipAddress, nativePath } from "../address.ts";
import { SILENT } from "../connection-states.ts";
import { GainedSessions } from "../gained-sessions.ts";
import { HostSocket } from "../host-socket.ts";
import { failureName, type HostTlsContext, tlsInfo } from "../host-tls-context.ts";
import { completeKeepalive } from "../keepalive.ts";
import { gather } from "../record.ts";
import type { Accept } from "../runtime.ts";
import type { SessionStore } from "../session-store.ts";
import type { BunDriver } from "./driver.ts";
import { setKeepalive } from "./keepalive.ts";
import { peerChain, type SecureNative } from "./secure-native.ts";

/** The part of Bun's socket that is used here, undocumented members included. */
export interface NativeSocket {
  data: BunSocket | null;
  readonly fd: number;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  write(bytes: Uint8Array, offset: number, length: number): number;
  shutdown(): void;
  close(): void;
  terminate(): void;
  pause(): void;
  resume(): void;
  setKeepAlive(on: boolean, delay: number): boolean;
  /** Undocumented: [what it was, what it is now]. */
  upgradeTLS(options: object): [NativeSocket, SecureNative];
}

/** What Bun reports about an open socket: the same functions for every connection. */
const REPORTS = {
  data(native: NativeSocket, chunk: Uint8Array) {
    native.data?.onData(chunk);
  },
  end(native: NativeSocket) {
    native.data?.onEnd();
  },
  drain(native: NativeSocket) {
    native.data?.onDrain();
  },
  close(native: NativeSocket, error?: NodeJS.ErrnoException) {
    native.data?.onClose(error?.code ?? "");
  },
  error(native: NativeSocket, error: NodeJS.ErrnoException) {
    native.data?.onClose(error.code ?? "EIO");
    native.terminate(); // Bun reports without closing, and nobody else would
  },
};

/** Bun reads 512 KiB at a time, and as long as there is more. So much means that there is, bytes. */
const LARGE_READ = 128 * 1024;
/** So long may the core be busy with one connection before others have their turn, ms; rests cost much less. */
const MOST_AT_ONCE = 5;
/** Large reads that follow each other are not further apart, ms. */
const LULL = 1;

/** Codes of a handshake that failed. Others are OpenSSL's names of what is wrong with a chain. */
const FAILURES = /^(ERR_(?!TLS_CERT_ALTNAME_INVALID)|E[A-Z]+$|$)/;

const SECURE_REPORTS = {
  ...REPORTS,
  open() {},
  handshake(native: SecureNative, ok: boolean, error: NodeJS.ErrnoException | null) {
    native.data?.onHandshake(native, ok, error?.code ?? "", error?.message ?? "");
  },
  error(native: NativeSocket, error: NodeJS.ErrnoException) {
    native.data?.onClose(tlsFailure(failureName(error.code, error.message)));
    native.terminate();
  },
};

/** Of a client that keeps sessions; others are not bothered with them. */
const RESUMING_REPORTS = {
  ...SECURE_REPORTS,
  open(native: SecureNative) {
    native.data?.onSecureOpen(native);
  },
  session(native: SecureNative, session: Buffer) {
    native.data?.onSession(native, session);
  },
};

export class BunSocket extends HostSocket<BunDriver> {
  private native: NativeSocket | null = null;
  private fd = -1;
  private reading = true;
  /** It is not read from until others had their turn. */
  private resting = false;
  /** When its last large read had been dealt with, and the time that those took that followed each other, ms. */
  private heardAt = 0;
  private spent = 0;
  /** A write failed. What was received before can still be read. */
  private broken = false;
  private encrypted = false;
  /** As a TLS client: the name that it asks for. Null for a server. */
  private serverName: string | null = null;
  /** From where it has sessions, as a TLS client, and those that it gets. */
  private sessions: SessionStore | null = null;
  private gained: GainedSessions | null = null;

  /** Takes over a connection that Bun accepted. */
  static accept(driver: BunDriver, native: NativeSocket, listener: Address, accept: Accept): void {
    const socket = new BunSocket(driver, SILENT, null);
    socket.native = native;
    socket.fd = native.fd;
    native.data = socket;
    socket.arrived(listener, accept);
  }

  protected askLocal(): Address {
    const native = this.isClosed ? null : this.native;
    return ipAddress(native?.localAddress, native?.localPort);
  }

  protected askRemote(): Address {
    return ipAddress(this.native?.remoteAddress, this.native?.remotePort);
  }

  protected dial(): void {
    const { ip, port, path } = this.target;
    const options =
      path !== ""
        ? { unix: nativePath(path), data: this, allowHalfOpen: true, socket: DIAL_REPORTS }
        : { hostname: ip, port, data: this, allowHalfOpen: true, socket: DIAL_REPORTS };
    try {
      // The promise says again what the callbacks say; a rejection of it must not count as unhandled.
      (Bun.connect(options as never) as Promise<unknown>).catch(ignore);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "EINVAL";
      queueMicrotask(() => this.onClose(code));
    }
  }

  protected transmit(): boolean {
    const queue = this.queue;
    const native = this.native as NativeSocket;
    if (this.encrypted) return this.encrypt(native);
    const writev = this.driver.vectoredWrite;
    if (writev !== null) {
      // Again and again: a peer that sends chunks of one byte makes thousands of pieces in one turn.
      while (queue.last - queue.first > 1) {
        const taken = writev(this.fd, queue);
        if (taken <= 0) break;
        queue.consume(taken);
      }
    }
    while (queue.bytes !== 0) {
      const first = queue.first;
      const start = queue.starts[first];
      const length = queue.ends[first] - start;
      const taken = native.write(queue.chunks[first], start, length);
      if (taken > 0) queue.consume(taken);
      else if (taken < 0) this.fail();
      if (taken < length) return false;
    }
    return true;
  }

  /** Short pieces go as one record: each costs 22 bytes and a system call. */
  private encrypt(native: NativeSocket): boolean {
    const queue = this.queue;
    while (queue.bytes !== 0) {
      const { bytes, start, end } = gather(queue);
      const taken = native.write(bytes, start, end - start);
      if (taken > 0) queue.consume(taken);
      else if (taken < 0) this.fail();
      if (taken < end - start) return false;
    }
    return true;
  }

  protected startTls(context: TlsContext, unread: Uint8Array, serverName: string): void {
    const { native: secureContext, alpn, options, sessions } = context as HostTlsContext;
    const plain = this.native as NativeSocket;
    this.encrypted = true;
    if (!options.server) this.serverName = serverName;
    this.sessions = sessions;
    if (sessions !== null) this.gained = new GainedSessions(sessions);
    plain.data = null;
    const [, native] = plain.upgradeTLS({
      data: this,
      socket: sessions === null ? SECURE_REPORTS : RESUMING_REPORTS,
      isServer: options.server,
      initialData: unread.length === 0 ? undefined : unread,
      tls: {
        secureContext: secureContext?.context,
        requestCert: !options.server || options.requestCertificate,
        rejectUnauthorized: false,
        ALPNProtocols: alpn,
        ...(options.server || serverName === "" ? {} : { serverName, servername: serverName }),
      },
    });
    if (this.isClosed) native.terminate();
    else this.native = native;
  }

  protected shutdown(): void {
    this.native?.shutdown();
  }

  protected destroy(): void {
    this.native?.close();
  }

  protected abort(): void {
    this.native?.terminate();
  }

  protected setReading(on: boolean): void {
    this.reading = on;
    if (!on) this.native?.pause();
    else if (!this.resting) this.native?.resume();
    if (this.broken && !on) queueMicrotask(() => this.fail()); // not while the core is on the stack
  }

  /** The connection is broken: reading finds the end of it, or else nobody would. */
  private fail(): void {
    this.broken = true;
    const native = this.native;
    if ((this.reading && !this.finSeen) || native === null) return;
    this.onClose("");
    native.terminate();
  }

  protected setKeepAlive(options: Keepalive): void {
    const refusal = setKeepalive(this.fd, options);
    if (refusal !== null) {
      if (refusal !== "") this.driver.notice(refusal);
      return;
    }
    this.native?.setKeepAlive(true, completeKeepalive(options).time * 1000);
    this.driver.notice("TCP keepalive: without FFI, Bun's own interval (1 s) and number of probes (10) hold");
  }

  // ── Reports ───────────────────────────────────────────────────────────────────────────────────────────────

  onOpen(native: NativeSocket): void {
    if (this.isClosed) {
      native.terminate(); // the core gave up while the handshake was under way
      return;
    }
    this.native = native;
    this.fd = native.fd;
    if (this.fd >= this.driver.descriptors.dialBelow) {
      native.terminate();
      this.onClose("EMFILE");
      return;
    }
    this.opened();
  }

  onSecureOpen(native: SecureNative): void {
    const brought = this.sessions?.take() ?? null;
    if (brought !== null) native.setSession(brought.session);
  }

  onSession(native: SecureNative, session: Buffer): void {
    this.gained?.gain({ session, once: native.getTLSVersion?.() === "TLSv1.3", shown: [] });
  }

  onHandshake(native: SecureNative, ok: boolean, code: string, message: string): void {
    // The name that Bun looks for in the chain may be the address that it dialled. Names are the core's.
    const error = code === "ERR_TLS_CERT_ALTNAME_INVALID" ? "" : code;
    // Bun is not content with a chain that it cannot verify, though told to be; whether there is a connection, the
    // code says.
    if (ok || !FAILURES.test(code)) {
      // Of a client Bun would also tell the address that it dialled.
      const serverName = this.serverName ?? native.getServername() ?? "";
      const letIn = this.secured(tlsInfo(native, serverName, peerChain(native), error));
      this.gained?.judged(letIn);
      return;
    }
    this.closed(tlsFailure(failureName(code, message)));
    native.terminate();
  }

  onData(chunk: Uint8Array): void {
    if (chunk.length < LARGE_READ) {
      this.received(chunk);
      return;
    }
    const begun = performance.now();
    if (begun - this.heardAt > LULL) this.spent = 0;
    this.received(chunk);
    this.heardAt = performance.now();
    this.spent += this.heardAt - begun;
    if (this.spent > MOST_AT_ONCE && this.reading) this.rest();
  }

  /** Whoever sends faster than is read would be read on and on, and nobody else: others have their turn first. */
  private rest(): void {
    const { native } = this;
    if (this.resting || native === null) return;
    this.resting = true;
    this.spent = 0;
    native.pause();
    setImmediate(() => {
      this.resting = false;
      if (this.reading) this.native?.resume();
    });
  }

  onEnd(): void {
    if (!this.broken) this.ended();
    else {
      this.reading = false;
      this.fail();
    }
  }

  onDrain(): void {
    this.writable();
  }

  onClose(reason: string): void {
    this.closed(reason === "" && this.broken ? "ECONNRESET" : reason);
  }

  protected override closed(reason: string): void {
    if (this.isClosed) return;
    const native = this.native;
    this.native = null;
    this.fd = -1;
    super.closed(reason);
    if (native !== null) native.data = null;
  }
}

const DIAL_REPORTS = {
  ...REPORTS,
  open(native: NativeSocket) {
    native.data?.onOpen(native);
  },
  connectError(native: NativeSocket, error: NodeJS.ErrnoException) {
    native.data?.onClose(error.code ?? "ECONNREFUSED");
  },
};

/** Reports of a listener's connections; `opened` takes each new one. */
export function listenReports(opened: (native: NativeSocket) => void) {
  return { ...REPORTS, open: opened };
}

function ignore(): void {}
