/**
 * Deno's driver. Deno's listeners cannot be told to be IPv6 only: `[::]` takes IPv4 connections, too, and closes
 * them at once; on the same port as `0.0.0.0` it needs `reusePort` on both.
 */
import type { Address, PlainSocket, SocketHandler } from "../../core/io/socket.ts";
import type { TlsContextOptions } from "../../core/io/tls.ts";
import { ipAddress, nativePath } from "../address.ts";
import { HostDriver } from "../host-driver.ts";
import { type Accept, ListenError, type ListenOptions, type ListenSocket } from "../runtime.ts";
import { clearUnixPath, setUnixMode } from "../unix-path.ts";
import { descriptor } from "./descriptor-calls.ts";
import { deno, errorCode, type NativeConnection, type NativeListener } from "./native.ts";
import { DenoSocket } from "./socket.ts";

/** How long the accept queue is left alone when file descriptors have run out, ms. */
const ACCEPT_REST = 100;

export class DenoDriver extends HostDriver {
  listen(address: Address, options: ListenOptions, accept: Accept): Promise<ListenSocket> {
    try {
      return Promise.resolve(this.bind(address, options, accept));
    } catch (error) {
      if (error instanceof ListenError) return Promise.reject(error);
      return Promise.reject(new ListenError(errorCode(error), address, (error as Error).message));
    }
  }

  protected dial(to: Address, handler: SocketHandler): PlainSocket {
    return new DenoSocket(this, handler, to);
  }

  /** rustls has its own lists, and gives out tickets as it likes. (A suite that was not asked for ends the handshake: `DenoTls`.) */
  protected override unheeded({
    server,
    curves,
    signatureAlgorithms,
    resumption,
    sessionTimeout,
  }: TlsContextOptions): string {
    if (curves.length > 0) return "Deno cannot be told which curves to use (ecdh_curves)";
    if (signatureAlgorithms.length > 0)
      return "Deno cannot be told which signatures to take (signature_algorithms)";
    if (server && !resumption) return "Deno cannot do without tickets (disable_stateless_session_resumption)";
    if (server && sessionTimeout !== 0) return "Deno cannot be told how long sessions last (session_timeout)";
    return "";
  }

  private bind(address: Address, options: ListenOptions, accept: Accept): ListenSocket {
    const { ip, port, path } = address;
    if (path !== "") {
      clearUnixPath(path);
      const native = deno.listen({ transport: "unix", path: nativePath(path) });
      setUnixMode(path, options.mode);
      return new DenoListener(this, native, address, accept);
    }
    // Deno ends the whole process when asked for this without the flag.
    if (options.reusePort && deno.listenDatagram === undefined) {
      throw new ListenError("ENOTSUP", address, "sharing a port needs deno run --unstable-net");
    }
    const shared = options.reusePort ? { reusePort: true } : {};
    const native = deno.listen({ hostname: ip, port, tcpBacklog: options.backlog, ...shared });
    return new DenoListener(this, native, ipAddress(ip, native.addr.port), accept);
  }

  /** For listeners. */
  opened(listener: ListenSocket): void {
    this.listeners.add(listener);
  }

  /** For listeners. False if it was stopped before. */
  stopped(listener: ListenSocket): boolean {
    return this.listeners.delete(listener);
  }
}

class DenoListener implements ListenSocket {
  readonly address: Address;
  private readonly driver: DenoDriver;
  private readonly native: NativeListener;
  private readonly accept: Accept;
  private readonly onlyV6: boolean;
  private rest: ReturnType<typeof setTimeout> | undefined;
  private readonly onAccepted = (native: NativeConnection): void => this.accepted(native);
  private readonly onFailed = (error: unknown): void => this.failed(error);
  private readonly onRested = (): void => this.next();
  private open = true;

  constructor(driver: DenoDriver, native: NativeListener, address: Address, accept: Accept) {
    this.driver = driver;
    this.native = native;
    this.address = address;
    this.accept = accept;
    this.onlyV6 = address.ip === "::";
    driver.opened(this);
    this.next();
  }

  stop(): void {
    if (!this.driver.stopped(this)) return;
    this.open = false;
    clearTimeout(this.rest);
    this.native.close();
  }

  private next(): void {
    if (!this.open) return;
    // Connections over the limit stay in the kernel's queue. The driver can only count its own; where threads
    // share the limit, `accept` itself says EMFILE.
    if (this.driver.openSockets >= this.driver.descriptors.acceptBelow) this.pause();
    else this.native.accept().then(this.onAccepted, this.onFailed);
  }

  private pause(): void {
    this.driver.refused();
    this.rest = setTimeout(this.onRested, ACCEPT_REST);
  }

  private accepted(native: NativeConnection): void {
    const full = descriptor(native) >= this.driver.descriptors.acceptBelow;
    if (full) this.driver.refused();
    const stranger = this.onlyV6 && native.remoteAddr.hostname?.startsWith("::ffff:") === true;
    if (full || stranger || !this.open) native.close();
    else DenoSocket.accept(this.driver, native, this.address, this.accept);
    this.next();
  }

  private failed(error: unknown): void {
    if (!this.open) return;
    const code = errorCode(error);
    // A client that was gone again before it was accepted has no address: that is its own affair.
    if (code === "ECONNABORTED" || code === "EINTR" || code === "ENOTCONN") this.next();
    else this.pause();
  }
}
