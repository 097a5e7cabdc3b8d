/**
 * A virtual network with its own time: listeners, connections, names, and the ways in which they fail. Holds any
 * number of drivers (proxies) and scripted peers. The same seed and the same calls give the same run.
 *
 *   const network = new Network({ seed: 1, latency: 2, splitReads: true });
 *   const driver = network.createDriver();          // attach a core, listen …
 *   const backend = network.serve(address, (peer) => peer.received.endsWith("\r\n\r\n") && peer.send("…"));
 *   const client = network.dial(listenerAddress).send("GET / HTTP/1.1\r\n…");
 *   network.runUntilIdle();                          // client.received, backend.peers[0].take(), …
 */
import type { Resolution } from "../../core/io/platform.ts";
import { type Address, formatAddress } from "../../core/io/socket.ts";
import { ListenError, type Services } from "../runtime.ts";
import { MemoryDriver } from "./driver.ts";
import { Endpoint, type LineOptions, type Side } from "./endpoint.ts";
import { PLAIN_SAILING, type TlsScript } from "./fake-tls.ts";
import { Peer } from "./peer.ts";
import { Random } from "./random.ts";
import { Schedule } from "./schedule.ts";

export interface NetworkOptions extends Partial<LineOptions> {
  readonly seed?: number;
  /** Unix time in ms at virtual time 0. */
  readonly epoch?: number;
}

/** Someone who accepts connections: a driver's listener or `serve`. */
export interface Acceptor {
  readonly address: Address;
  readonly reusePort: boolean;
  /** Makes the accepting side; null = not now (no file descriptors): the connection waits in the accept queue. */
  accept(): (Side & { bind(endpoint: Endpoint): void }) | null;
}

/** What `network.serve` returns. */
export interface Server {
  readonly address: Address;
  /** Every connection so far, closed ones included. */
  readonly peers: readonly Peer[];
  /** Refuses from now on. */
  stop(): void;
}

/** An IPv4 or IPv6 address, or a Unix socket: `at("10.0.0.1:80")`, `at("[::1]:80")`, `at("/run/x.sock")`. */
export function at(text: string): Address {
  if (text.startsWith("/") || text.startsWith("@")) return { ip: "", port: 0, path: text };
  const colon = text.lastIndexOf(":");
  const host = text.slice(0, colon);
  return {
    ip: host.startsWith("[") ? host.slice(1, -1) : host,
    port: Number(text.slice(colon + 1)),
    path: "",
  };
}

const FIRST_EPHEMERAL_PORT = 32768;
/** How long a full driver leaves its accept queue alone, ms. */
const ACCEPT_RETRY = 100;
/** What a kernel waits for a SYN to be answered, ms. */
const SYN_TIMEOUT = 130_000;
/** How long a name that answers nothing keeps a resolver waiting, ms. */
const RESOLVER_TIMEOUT = 20_000;

/** A virtual network: its drivers, listeners, links and clock. */
export class Network {
  /** Bytes that cores gave back (`SocketHandler.passing`), and that were overwritten for it. */
  spoiltBytes = 0;
  readonly schedule = new Schedule();
  readonly random: Random;
  readonly epoch: number;
  /** In force for connections made from now on. */
  line: LineOptions;
  /** In force for handshakes begun from now on. */
  tls: TlsScript = PLAIN_SAILING;
  /** Names: what `resolve` answers, and after how long. */
  private readonly names = new Map<string, { readonly resolution: Resolution; readonly delay: number }>();
  private readonly acceptors = new Map<string, Acceptor[]>();
  private readonly failures = new Map<string, string>();
  private nextPort = FIRST_EPHEMERAL_PORT;
  private turnOfAcceptor = 0;

  constructor(options: NetworkOptions = {}) {
    this.random = new Random(options.seed ?? 1);
    this.epoch = options.epoch ?? Date.UTC(2026, 0, 1);
    this.line = {
      latency: options.latency ?? 0,
      jitter: options.jitter ?? 0,
      bandwidth: options.bandwidth ?? Number.POSITIVE_INFINITY,
      buffer: options.buffer ?? 256 * 1024,
      maxRead: options.maxRead ?? 64 * 1024,
      splitReads: options.splitReads ?? false,
    };
  }

  /** Virtual ms since the start. */
  get now(): number {
    return this.schedule.now;
  }

  /** Lets `ms` pass. */
  advance(ms: number): void {
    this.schedule.advance(ms);
  }

  /** Runs until nothing more happens by itself, alarms included, or `limit` ms have passed (default: a day). */
  runUntilIdle(limit = 86_400_000): number {
    return this.schedule.runUntilIdle(limit);
  }

  /** A driver on this network. `ip` is where its connections come from, unless the target is a loopback one. */
  createDriver(services?: Services, ip = "127.0.0.1"): MemoryDriver {
    return new MemoryDriver(this, services ?? SILENT_SERVICES, ip);
  }

  /** A scripted client, connecting from `from` (default: a loopback address). */
  dial(to: Address, from = ""): Peer {
    const peer = new Peer();
    peer.bind(this.connect(from, to, peer));
    return peer;
  }

  /** A scripted server; `script` runs after everything that happens to one of its peers. */
  serve(address: Address, script?: (peer: Peer) => unknown): Server {
    const peers: Peer[] = [];
    const acceptor: Acceptor = {
      address: this.realAddress(address),
      reusePort: false,
      accept() {
        const peer = new Peer();
        if (script !== undefined) peer.onChange = script;
        peers.push(peer);
        return peer;
      },
    };
    this.bind(acceptor);
    return { address: acceptor.address, peers, stop: () => this.release(acceptor) };
  }

  /** What `name` resolves to. `error` "" and no addresses: a name without records. */
  name(name: string, addresses: readonly string[], ttl = 0, error = "", delay = 0): void {
    this.names.set(name, { resolution: { addresses, ttl, error }, delay });
  }

  /** Connections to `address` fail with `reason` ("EHOSTUNREACH", …); "ETIMEDOUT" = SYNs vanish; "" = work again. */
  failConnects(address: Address, reason: string): void {
    if (reason === "") this.failures.delete(formatAddress(address));
    else this.failures.set(formatAddress(address), reason);
  }

  // ── For drivers ───────────────────────────────────────────────────────────────────────────────────────────

  /** Starts a handshake; tells `side` how it went. */
  connect(from: string, to: Address, side: Side): Endpoint {
    const v6 = to.ip.includes(":");
    const ip = from !== "" && from.includes(":") === v6 ? from : to.ip === "0.0.0.0" ? "127.0.0.1" : to.ip;
    const local: Address =
      to.path !== "" ? { ip: "", port: 0, path: "" } : { ip, port: this.port(), path: "" };
    const near = new Endpoint(this.schedule, this.random, this.line, side, local, to);
    const failure = this.failures.get(formatAddress(to)) ?? "";
    const fail = (reason: string, delay: number) => {
      this.schedule.after(delay, () => {
        side.gone(reason);
      });
    };
    if (failure !== "") {
      fail(failure, failure === "ETIMEDOUT" ? SYN_TIMEOUT : this.line.latency * 2);
      return near;
    }
    const synArrives = () => {
      if (near.cancelled) return;
      const acceptor = this.find(to);
      if (acceptor === null) {
        fail(to.path !== "" ? "ENOENT" : "ECONNREFUSED", this.line.latency);
        return;
      }
      const farSide = acceptor.accept();
      if (farSide === null) {
        this.schedule.after(ACCEPT_RETRY, synArrives);
        return;
      }
      const far = new Endpoint(this.schedule, this.random, this.line, farSide, to, local);
      Endpoint.join(near, far);
      farSide.bind(far);
      this.schedule.after(this.line.latency, () => {
        if (near.open) side.established();
      });
      farSide.established();
    };
    this.schedule.after(this.line.latency, synArrives);
    return near;
  }

  /** With a free port where 0 was asked for. */
  realAddress(address: Address): Address {
    if (address.path !== "" || address.port !== 0) return address;
    return { ip: address.ip, port: this.port(), path: "" };
  }

  bind(acceptor: Acceptor): void {
    const key = formatAddress(acceptor.address);
    const there = this.acceptors.get(key);
    if (there === undefined || there.length === 0) {
      this.acceptors.set(key, [acceptor]);
      return;
    }
    if (!acceptor.reusePort || !there.every((other) => other.reusePort)) {
      throw new ListenError("EADDRINUSE", acceptor.address, `${key} is in use`);
    }
    there.push(acceptor);
  }

  release(acceptor: Acceptor): void {
    const there = this.acceptors.get(formatAddress(acceptor.address));
    const index = there?.indexOf(acceptor) ?? -1;
    if (there !== undefined && index >= 0) there.splice(index, 1);
  }

  resolve(name: string): { readonly resolution: Resolution; readonly delay: number } {
    return (
      this.names.get(name) ?? {
        resolution: { addresses: [], ttl: 0, error: "ENOTFOUND" },
        delay: this.line.latency * 2,
      }
    );
  }

  /** Makes `name` answer nothing at all, until the resolver gives up. */
  silenceName(name: string): void {
    this.name(name, [], 0, "ETIMEOUT", RESOLVER_TIMEOUT);
  }

  private find(to: Address): Acceptor | null {
    const wildcard = to.ip.includes(":") ? `[::]:${to.port}` : `0.0.0.0:${to.port}`;
    let there = this.acceptors.get(formatAddress(to)) ?? [];
    if (there.length === 0 && to.path === "") there = this.acceptors.get(wildcard) ?? [];
    return there.length === 0 ? null : there[this.turnOfAcceptor++ % there.length];
  }

  private port(): number {
    return this.nextPort++;
  }
}

/** Services for tests that do not look at logs: nothing is kept. */
export const SILENT_SERVICES: Services = {
  log() {},
  openLog: () => ({ write() {} }),
};
