/**
 * What the compliance cases work with: drivers of the runtime under test, probes that write down what happens to
 * a socket, and a way to wait that works in real and in virtual time. Runs on every runtime: no bun:test here.
 */
import type { Address, Socket, SocketHandler } from "../../core/io/socket.ts";
import { at, Network } from "../../runtime-adapters/memory/network.ts";
import type { Driver, ListenOptions, ListenSocket, Runtime } from "../../runtime-adapters/runtime.ts";
import { SecureDriver } from "./secure-driver.ts";

export const NO_OPTIONS: ListenOptions = { reusePort: false, backlog: 512, mode: 0 };

/** Fails the case. */
export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

/** Fails the case unless both are the same as JSON. */
export function equal(found: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: found ${a}, expected ${b}`);
}

export function text(bytes: Uint8Array): string {
  let out = "";
  for (let i = 0; i < bytes.length; i++) out += String.fromCharCode(bytes[i]);
  return out;
}

export function bytes(from: string): Uint8Array {
  return Uint8Array.from(from, (c) => c.charCodeAt(0));
}

/** The byte at position `i` of a long stream, so that loss, doubling and disorder show. */
export function patternAt(i: number): number {
  return (i * 31 + (i >> 8) * 17 + (i >> 16)) & 255;
}

/** Bytes `[from, from + length)` of the pattern. */
export function pattern(from: number, length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i++) out[i] = patternAt(from + i);
  return out;
}

/** A handler that writes everything down. Set the hooks to answer. */
export class Probe implements SocketHandler {
  socket!: Socket;
  /** "connect", "data", "end", "blocked", "drain", "close:REASON" in order; runs of "data" are one entry. */
  readonly events: string[] = [];
  readonly chunks: Uint8Array[] = [];
  bytes = 0;
  /** False: count, but do not keep. */
  keep = true;
  /** What it promises; 0 as long as it keeps chunks. */
  passing = 0;
  connected = false;
  ended = false;
  blocked = false;
  closed = false;
  reason = "";
  whenConnected: (() => void) | null = null;
  whenData: ((chunk: Uint8Array) => void) | null = null;
  whenEnded: (() => void) | null = null;
  whenBlocked: (() => void) | null = null;
  whenDrained: (() => void) | null = null;
  whenClosed: (() => void) | null = null;

  get text(): string {
    return this.chunks.map(text).join("");
  }

  onConnect(): void {
    this.note("connect");
    this.connected = true;
    this.whenConnected?.();
  }

  onData(chunk: Uint8Array): void {
    if (this.events.at(-1) !== "data") this.note("data");
    if (chunk.length === 0) this.note("EMPTY CHUNK");
    this.bytes += chunk.length;
    if (this.keep) this.chunks.push(chunk);
    this.whenData?.(chunk);
  }

  onEnd(): void {
    this.note("end");
    this.ended = true;
    this.whenEnded?.();
  }

  onBlocked(): void {
    if (this.blocked) this.note("BLOCKED TWICE");
    this.note("blocked");
    this.blocked = true;
    this.whenBlocked?.();
  }

  onDrain(): void {
    if (!this.blocked) this.note("DRAINED BUT NOT BLOCKED");
    this.note("drain");
    this.blocked = false;
    this.whenDrained?.();
  }

  onClose(reason: string): void {
    this.note(`close:${reason}`);
    this.closed = true;
    this.reason = reason;
    this.whenClosed?.();
  }

  write(data: string | Uint8Array): void {
    const chunk = typeof data === "string" ? bytes(data) : data;
    this.socket.write(chunk, 0, chunk.length);
  }

  private note(event: string): void {
    if (this.closed) this.events.push("AFTER CLOSE");
    this.events.push(event);
  }
}

export interface Pair {
  readonly client: Probe;
  readonly server: Probe;
  readonly listener: ListenSocket;
  /** The client's and the server's driver. */
  readonly near: Driver;
  readonly far: Driver;
}

export class Lab {
  readonly runtime: Runtime;
  /** Null in real time. */
  readonly network: Network | null;
  readonly logged: string[] = [];
  /** A folder for Unix sockets. */
  readonly folder: string;
  private readonly drivers: Driver[] = [];
  private unixPaths = 0;
  /** Everything is said over TLS. */
  readonly secure: boolean;

  constructor(runtime: Runtime, folder: string, secure = false) {
    this.secure = secure;
    this.runtime = runtime;
    this.folder = folder;
    this.network = runtime.name === "memory" ? new Network({ latency: 0.5, jitter: 0.5 }) : null;
  }

  /** A new driver with a core that sleeps, unless one is given. */
  driver(core: { nextDeadline(): number; expire(): void } = ASLEEP): Driver {
    const services = {
      log: (level: string, component: string, message: string) => {
        this.logged.push(`${level} ${component} ${message}`);
      },
      openLog: () => ({ write() {} }),
    };
    const plain = this.network?.createDriver(services) ?? this.runtime.createDriver(services);
    const driver = this.secure ? new SecureDriver(plain) : plain;
    driver.attach(core);
    this.drivers.push(driver);
    return driver;
  }

  unixAddress(): Address {
    return at(`${this.folder}/${this.runtime.name}-${this.unixPaths++}.sock`);
  }

  /** Waits until `condition` holds; fails the case after `limit` ms. */
  async until(condition: () => boolean, what: string, limit = 8000): Promise<void> {
    if (this.network !== null) {
      const stop = this.network.now + limit;
      while (!condition()) {
        check(this.network.now < stop, `waited in vain: ${what}`);
        this.network.advance(1);
      }
      return;
    }
    const stop = performance.now() + limit;
    while (!condition()) {
      check(performance.now() < stop, `waited in vain: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  /** Lets `ms` pass, for what must *not* happen. */
  async settle(ms = 40): Promise<void> {
    if (this.network !== null) this.network.advance(ms);
    else await new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** Dials; the probe's events say the rest. */
  dial(driver: Driver, to: Address, probe = new Probe()): Probe {
    driver.run(() => {
      probe.socket = driver.platform.connect(to, probe);
    });
    return probe;
  }

  /** A listener whose connections come out of `accepted`. */
  async listen(
    driver: Driver,
    address: Address,
    options = NO_OPTIONS,
    prepare?: (probe: Probe) => void,
  ): Promise<{ listener: ListenSocket; accepted: Probe[] }> {
    const accepted: Probe[] = [];
    const listener = await driver.listen(address, options, (socket) => {
      const probe = new Probe();
      probe.socket = socket;
      accepted.push(probe);
      prepare?.(probe);
      return probe;
    });
    return { listener, accepted };
  }

  /** Two connected probes, on two drivers. */
  async pair(address = at("127.0.0.1:0"), prepare?: (server: Probe) => void): Promise<Pair> {
    const near = this.driver();
    const far = this.driver();
    const { listener, accepted } = await this.listen(far, address, NO_OPTIONS, prepare);
    const client = this.dial(near, listener.address);
    await this.until(() => client.connected && accepted.length === 1, "a connection");
    return { client, server: accepted[0], listener, near, far };
  }

  close(): void {
    for (const driver of this.drivers) driver.close();
  }
}

const ASLEEP = { nextDeadline: () => Number.POSITIVE_INFINITY, expire() {} };
