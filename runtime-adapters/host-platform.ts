/** `Platform` for the real runtimes: everything but dialling is the same on all of them. */

import type { LogLevel, LogSink, LookupFamily, Platform, Resolution } from "../core/io/platform.ts";
import type { Address, PlainSocket, SocketHandler } from "../core/io/socket.ts";
import type { TlsContext, TlsContextOptions } from "../core/io/tls.ts";
import { Entropy } from "./entropy.ts";
import { hostCryptography } from "./host-cryptography.ts";
import { HostTlsContext } from "./host-tls-context.ts";
import { Resolver } from "./resolver.ts";
import type { Services } from "./runtime.ts";
import type { Turn } from "./turn.ts";

export class HostPlatform implements Platform {
  readonly cryptography = hostCryptography;
  readonly issuerMemory: SharedArrayBuffer | undefined;
  private readonly services: Services;
  private readonly dial: Platform["connect"];
  private readonly unheeded: (options: TlsContextOptions) => string;
  private readonly resolver: Resolver;
  private readonly entropy = new Entropy();

  /** `unheeded`: see `HostTlsContext`. `forgetful`: sessions remember the leaf of a client alone. */
  constructor(
    turn: Turn,
    services: Services,
    dial: Platform["connect"],
    unheeded: (options: TlsContextOptions) => string,
    forgetful: boolean,
  ) {
    this.services = services;
    this.issuerMemory = forgetful ? services.issuerMemory : undefined;
    this.dial = dial;
    this.unheeded = unheeded;
    this.resolver = new Resolver(turn);
  }

  connect(to: Address, handler: SocketHandler): PlainSocket {
    return this.dial(to, handler);
  }

  tlsContext(options: TlsContextOptions): TlsContext {
    return new HostTlsContext(options, this.unheeded(options), this.services.tickets);
  }

  resolve(hostname: string, family: LookupFamily, done: (result: Resolution) => void): void {
    this.resolver.resolve(hostname, family, done);
  }

  fillRandom(into: Uint8Array): void {
    this.entropy.fill(into);
  }

  uuid(): string {
    return crypto.randomUUID();
  }

  log(level: LogLevel, component: string, message: string): void {
    this.services.log(level, component, message);
  }

  logs(level: LogLevel, component: string): boolean {
    return this.services.logs?.(level, component) ?? true;
  }

  openLog(path: string): LogSink {
    return this.services.openLog(path);
  }

  /** Drops questions that are still open. */
  close(): void {
    this.resolver.close();
  }
}
