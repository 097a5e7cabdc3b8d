/**
 * What the sockets of the real runtimes have in common beside `Connection`: the driver that they belong to, and the
 * addresses of both ends. Knows no runtime.
 *
 * Law: an accepted connection knows both addresses from the start. The kernel does not tell them any more once the
 * connection is gone, and that is when logs ask.
 */
import type { Address, SocketHandler } from "../core/io/socket.ts";
import { NOWHERE } from "./address.ts";
import { Connection } from "./connection.ts";
import type { HostDriver } from "./host-driver.ts";

export abstract class HostSocket<D extends HostDriver> extends Connection {
  protected readonly driver: D;
  /** Where it dials; `NOWHERE` for an accepted connection. */
  protected readonly target: Address;
  private localAddress: Address | null = null;
  private remoteAddress: Address | null;

  /** @param target where to dial; null for an accepted connection, which `arrived` completes. */
  constructor(driver: D, handler: SocketHandler, target: Address | null) {
    super(driver.turn, handler, target !== null);
    this.driver = driver;
    this.target = target ?? NOWHERE;
    this.remoteAddress = target;
    driver.track(this);
  }

  /** Asks the kernel; `NOWHERE` while there is no connection. */
  protected abstract askLocal(): Address;
  protected abstract askRemote(): Address;

  get local(): Address {
    if (this.localAddress !== null) return this.localAddress;
    const found = this.target.path !== "" ? NOWHERE : this.askLocal();
    if (found !== NOWHERE) this.localAddress = found;
    return found;
  }

  get remote(): Address {
    return this.remoteAddress ?? NOWHERE;
  }

  /** True if it is no matter of TCP. */
  protected get isUnix(): boolean {
    return this.target.path !== "" || (this.localAddress !== null && this.localAddress.path !== "");
  }

  /** An accepted connection is here. `listener` is where its listener is bound, with the real port. */
  protected arrived(listener: Address): void {
    // One that is bound to an IPv4 address has it; that of an IPv6 listener may be written in other ways.
    const known = listener.path !== "" || (listener.ip !== "0.0.0.0" && !listener.ip.includes(":"));
    this.localAddress = known ? listener : this.askLocal();
    this.remoteAddress = listener.path !== "" ? NOWHERE : this.askRemote();
  }

  protected override closed(reason: string): void {
    if (!this.isClosed) this.driver.forget(this);
    super.closed(reason);
  }
}
