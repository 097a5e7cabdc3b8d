/** The driver of the virtual network: the same turns as on a real runtime, with time that a test advances. */
import type { LookupFamily, Platform, Resolution } from "../../core/io/platform.ts";
import type { Address, PlainSocket, SocketHandler } from "../../core/io/socket.ts";
import type { TlsContext, TlsContextOptions } from "../../core/io/tls.ts";
import type { Clock } from "../../core/time/clock.ts";
import { SILENT } from "../connection-states.ts";
import { ofFamily } from "../lookup-family.ts";
import type { Accept, Core, Driver, ListenOptions, ListenSocket, Services } from "../runtime.ts";
import { type TimeSource, Turn } from "../turn.ts";
import type { Endpoint } from "./endpoint.ts";
import { FakeTlsContext } from "./fake-tls.ts";
import type { Acceptor, Network } from "./network.ts";
import type { Appointment } from "./schedule.ts";
import { MemorySocket } from "./socket.ts";

export class MemoryDriver implements Driver {
  readonly platform: Platform;
  readonly copiedBytes = 0;
  acceptFailures = 0;
  /** File descriptors: beyond this many sockets, connections wait in the accept queue and dials fail (EMFILE). */
  maxSockets = Number.POSITIVE_INFINITY;

  private readonly network: Network;
  private readonly turn: Turn;
  private readonly ip: string;
  private closing = false;
  private readonly sockets = new Set<MemorySocket>();
  private readonly listeners = new Set<Acceptor>();
  private readonly track: Track = {
    opened: (socket) => this.sockets.add(socket),
    gone: (socket) => this.sockets.delete(socket),
  };

  constructor(network: Network, services: Services, ip: string) {
    this.network = network;
    this.ip = ip;
    this.turn = new Turn(new VirtualTime(network), services);
    this.platform = new MemoryPlatform(network, this.turn, services, (to, handler) =>
      this.connect(to, handler),
    );
  }

  get clock(): Clock {
    return this.turn.clock;
  }

  get faults(): number {
    return this.turn.faults;
  }

  /** Sockets that are open or opening. */
  get openSockets(): number {
    return this.sockets.size;
  }

  attach(core: Core): void {
    this.turn.attach(core);
  }

  listen(address: Address, options: ListenOptions, accept: Accept): Promise<ListenSocket> {
    try {
      return Promise.resolve(this.listenNow(address, options, accept));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** `listen` for tests without promises. Throws `ListenError`. */
  listenNow(
    address: Address,
    options: ListenOptions = { reusePort: false, backlog: 128, mode: 0 },
    accept: Accept,
  ): ListenSocket {
    const real = this.network.realAddress(address);
    const acceptor: Acceptor = {
      address: real,
      reusePort: options.reusePort,
      accept: () => {
        if (this.sockets.size >= this.maxSockets) {
          this.acceptFailures++;
          return null;
        }
        return new AcceptedSocket(this.network, this.turn, accept, this.track);
      },
    };
    this.network.bind(acceptor);
    this.listeners.add(acceptor);
    return {
      address: real,
      stop: () => {
        this.network.release(acceptor);
        this.listeners.delete(acceptor);
      },
    };
  }

  run<T>(enter: () => T): T {
    return this.turn.run(enter);
  }

  close(): void {
    this.closing = true;
    for (const listener of this.listeners) this.network.release(listener);
    this.listeners.clear();
    this.turn.run(() => {
      for (const socket of this.sockets) socket.close();
    });
    this.turn.close();
  }

  private connect(to: Address, handler: SocketHandler): PlainSocket {
    const socket = new MemorySocket(this.network, this.turn, handler, to, this.ip, this.track.gone);
    if (this.sockets.size >= this.maxSockets) socket.fail("EMFILE");
    this.sockets.add(socket);
    if (this.closing) socket.discard();
    return socket;
  }
}

interface Track {
  opened(socket: MemorySocket): void;
  gone(socket: MemorySocket): void;
}

/** An accepted connection: asks `accept` for its handler when the handshake is done. */
class AcceptedSocket extends MemorySocket {
  private readonly accept: Accept;
  private readonly onOpened: (socket: MemorySocket) => void;

  constructor(network: Network, turn: Turn, accept: Accept, track: Track) {
    super(network, turn, SILENT, null, "", track.gone);
    this.accept = accept;
    this.onOpened = track.opened;
  }

  override bind(endpoint: Endpoint): void {
    super.bind(endpoint);
    this.onOpened(this);
  }

  override established(): void {
    this.accepted(this.accept);
  }
}

class VirtualTime implements TimeSource {
  private readonly network: Network;
  private pending: Appointment | null = null;

  constructor(network: Network) {
    this.network = network;
  }

  now(): number {
    return this.network.now;
  }

  wall(): number {
    return this.network.epoch + this.network.now;
  }

  arm(delay: number, fire: () => void): void {
    this.disarm();
    this.pending = this.network.schedule.after(delay, fire);
  }

  disarm(): void {
    if (this.pending !== null) this.network.schedule.cancel(this.pending);
    this.pending = null;
  }

  soon(job: () => void): void {
    this.network.schedule.after(0, job);
  }

  afterPoll(job: () => void): void {
    this.network.schedule.after(0, job);
  }
}

class MemoryPlatform implements Platform {
  readonly log: Platform["log"];
  readonly logs: NonNullable<Platform["logs"]>;
  readonly openLog: Platform["openLog"];
  readonly connect: Platform["connect"];
  private readonly network: Network;
  private readonly turn: Turn;

  constructor(network: Network, turn: Turn, services: Services, connect: Platform["connect"]) {
    this.network = network;
    this.turn = turn;
    this.connect = connect;
    this.log = (level, component, message) => services.log(level, component, message);
    this.logs = (level, component) => services.logs?.(level, component) ?? true;
    this.openLog = (path) => services.openLog(path);
  }

  resolve(hostname: string, family: LookupFamily, done: (result: Resolution) => void): void {
    const { resolution, delay } = this.network.resolve(hostname);
    this.network.schedule.after(delay, () => {
      this.turn.begin();
      try {
        const v4 = resolution.addresses.filter((ip) => !ip.includes(":"));
        const v6 = resolution.addresses.filter((ip) => ip.includes(":"));
        done({ ...resolution, addresses: ofFamily(v4, v6, family) });
      } catch (error) {
        this.turn.fault(error, null);
      }
      this.turn.finish();
    });
  }

  tlsContext(options: TlsContextOptions): TlsContext {
    return new FakeTlsContext(options);
  }

  uuid(): string {
    const hex = Array.from({ length: 32 }, () => this.network.random.between(0, 15).toString(16)).join("");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
  }

  /** Seeded, hence not secret: a simulation must be repeatable. */
  fillRandom(into: Uint8Array): void {
    for (let i = 0; i < into.length; i++) into[i] = this.network.random.between(0, 255);
  }
}
