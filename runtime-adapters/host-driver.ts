/**
 * What the drivers of the real runtimes have in common: the turn, the platform, the list of open connections and
 * listeners, and the counters. A runtime's `driver.ts` adds how to listen and how to make a socket.
 */

import { Roster } from "../core/io/roster.ts";
import type { Address, PlainSocket, SocketHandler } from "../core/io/socket.ts";
import type { TlsContextOptions } from "../core/io/tls.ts";
import type { Clock } from "../core/time/clock.ts";
import type { Connection } from "./connection.ts";
import { Descriptors } from "./descriptors.ts";
import { HostPlatform } from "./host-platform.ts";
import { HostTime } from "./host-time.ts";
import type { Accept, Core, Driver, ListenOptions, ListenSocket, Services } from "./runtime.ts";
import { Turn } from "./turn.ts";

/** How often running out of descriptors is logged, ms. */
const WARNING_INTERVAL = 1000;

export abstract class HostDriver implements Driver {
  readonly platform: HostPlatform;
  readonly turn: Turn;
  readonly descriptors = Descriptors.ofProcess();
  acceptFailures = 0;
  /** Nothing here copies: pieces go to the kernel from where they lie. */
  readonly copiedBytes = 0;

  protected readonly listeners = new Set<ListenSocket>();
  private readonly connections = new Roster<Connection>();

  private readonly services: Services;
  private readonly notices = new Set<string>();
  private closing = false;
  private nextWarning = Number.NEGATIVE_INFINITY;

  constructor(services: Services) {
    this.services = services;
    this.turn = new Turn(new HostTime(), services);
    this.platform = new HostPlatform(
      this.turn,
      services,
      (to, handler) => this.dial(to, handler),
      (options) => this.unheeded(options),
      this.forgetful,
    );
  }

  abstract listen(address: Address, options: ListenOptions, accept: Accept): Promise<ListenSocket>;
  protected abstract dial(to: Address, handler: SocketHandler): PlainSocket;

  /** Why this runtime's TLS cannot be as it is asked for, "" if it can: what it would not heed is never half obeyed. */
  protected unheeded(_options: TlsContextOptions): string {
    return "";
  }

  /** Whether sessions of this runtime's TLS remember the leaf of a client alone. */
  protected get forgetful(): boolean {
    return false;
  }

  get clock(): Clock {
    return this.turn.clock;
  }

  get faults(): number {
    return this.turn.faults;
  }

  /** Connections that are open or opening. */
  get openSockets(): number {
    return this.connections.size;
  }

  attach(core: Core): void {
    this.turn.attach(core);
  }

  run<T>(enter: () => T): T {
    return this.turn.run(enter);
  }

  close(): void {
    this.closing = true;
    for (const listener of this.listeners) listener.stop();
    this.turn.run(() => {
      for (const connection of this.connections.list()) connection.close();
    });
    this.turn.close();
    this.platform.close();
  }

  /** For the runtime's listeners: a connection could not be taken for want of descriptors. */
  refused(): void {
    this.acceptFailures++;
    const now = performance.now();
    if (now < this.nextWarning) return;
    this.nextWarning = now + WARNING_INTERVAL;
    const open = this.connections.size;
    this.services.log(
      "warning",
      "main",
      `out of file descriptors: refusing connections (${open} sockets open)`,
    );
  }

  /** For the runtime's sockets: tells the operator, once, what this runtime cannot do. */
  notice(message: string): void {
    if (this.notices.has(message)) return;
    this.notices.add(message);
    this.services.log("warning", "connection", message);
  }

  /** For the runtime's sockets. */
  track(connection: Connection): void {
    this.connections.add(connection);
    if (this.closing) connection.discard();
  }

  /** For the runtime's sockets: `connection` is gone. */
  forget(connection: Connection): void {
    this.connections.remove(connection);
  }
}
