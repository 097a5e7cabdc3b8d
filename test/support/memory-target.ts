/**
 * Runs exchanges against the engine in the memory runtime: no process, no socket, no waiting. The configuration
 * is the same Envoy bootstrap that a listening proxy would get.
 */
import type { Json } from "../../core/config/model.ts";
import { listStats } from "../../core/telemetry/stat-list.ts";
import { readBootstrap } from "../../core/xds/bootstrap.ts";
import { buildSnapshot, NOTHING_DYNAMIC } from "../../core/xds/snapshot.ts";
import { at, type NetworkOptions } from "../../runtime-adapters/memory/network.ts";
import type { Peer } from "../../runtime-adapters/memory/peer.ts";
import type { YamlMap } from "./bootstrap.ts";
import type { Exchange, Outcome, Target } from "./exchange.ts";
import { type ClientWire, runExchange, type Stage } from "./exchange-runner.ts";
import { ProxyFixture } from "./proxy-fixture.ts";
import type { OriginConnection, OriginPlay } from "./scripted-origin.ts";

/** Virtual ms between two pieces: enough for the first to be read alone. */
const GAP = 0.01;

class MemoryStage implements Stage {
  readonly proxy: ProxyFixture;
  private readonly portOf: (profile: string) => number;
  private current: OriginPlay | null = null;
  private readonly peers = new Set<Peer>();
  private politely = false;

  constructor(proxy: ProxyFixture, originPort: number, portOf: (profile: string) => number) {
    this.proxy = proxy;
    this.portOf = portOf;
    const known = new Map<Peer, OriginConnection>();
    proxy.network.serve(at(`127.0.0.1:${originPort}`), (peer) => {
      let connection = known.get(peer);
      if (connection === undefined) {
        if (this.current === null) return peer.close();
        this.peers.add(peer);
        connection = this.current.accept({
          write: (bytes) => void peer.send(bytes),
          end: () => void peer.end(),
          close: () => peer.close(),
          reset: () => peer.reset(),
          later: (ms, then) => void proxy.network.schedule.after(Math.max(ms, GAP), then),
        });
        known.set(peer, connection);
      }
      const bytes = peer.take();
      if (bytes !== "") connection.onBytes(bytes);
      if (peer.closed) connection.onEnd(peer.closeReason === "" ? "fin" : "reset");
      else if (peer.ended) connection.onEnd("fin");
    });
  }

  play(play: OriginPlay): void {
    this.current = play;
  }

  connect(profile: string): Promise<ClientWire> {
    const { network } = this.proxy;
    const peer = this.proxy.dial(`127.0.0.1:${this.portOf(profile)}`);
    this.peers.add(peer);
    network.advance(GAP);
    return Promise.resolve({
      get received() {
        return peer.received;
      },
      get ended() {
        if (peer.closed) return peer.closeReason === "" ? "fin" : "reset";
        return peer.ended ? "fin" : "open";
      },
      write(piece: string) {
        peer.send(piece);
        network.advance(GAP);
        return Promise.resolve();
      },
      end: () => void peer.end(),
      reset: () => peer.reset(),
    });
  }

  until(condition: () => boolean, ms: number): Promise<void> {
    const { schedule } = this.proxy.network;
    const end = schedule.now + ms;
    while (!condition()) {
      if (schedule.next > end) {
        schedule.advance(end - schedule.now);
        break;
      }
      schedule.step();
    }
    return Promise.resolve();
  }

  elapse(ms: number): Promise<void> {
    this.proxy.network.advance(ms);
    return Promise.resolve();
  }

  clear(): Promise<void> {
    this.current = null;
    // By turns as a program that ends, and as one that is killed.
    this.politely = !this.politely;
    for (const peer of this.peers) {
      if (this.politely) peer.close();
      else peer.reset();
    }
    this.peers.clear();
    this.proxy.network.advance(1);
    return Promise.resolve();
  }
}

export class MemoryTarget implements Target {
  readonly name = "memory";
  readonly lanes = 1;
  readonly proxy: ProxyFixture;
  private readonly stage: MemoryStage;
  private readonly portOf: (profile: string) => number;

  private constructor(proxy: ProxyFixture, originPort: number, portOf: (profile: string) => number) {
    this.proxy = proxy;
    this.portOf = portOf;
    this.stage = new MemoryStage(proxy, originPort, portOf);
  }

  /** Starts a proxy from a bootstrap. Throws with all faults if it is refused. `portOf` is 0 where there is no listener. */
  static async start(
    bootstrap: YamlMap,
    originPort: number,
    portOf: (profile: string) => number,
    options: NetworkOptions = {},
  ): Promise<MemoryTarget> {
    const read = readBootstrap(bootstrap as Json);
    if (read.bootstrap === null) {
      throw new Error(read.faults.map((fault) => `${fault.path}: ${fault.message}`).join("\n"));
    }
    const proxy = new ProxyFixture(options);
    await proxy.apply(buildSnapshot(read.bootstrap, NOTHING_DYNAMIC).snapshot);
    return new MemoryTarget(proxy, originPort, portOf);
  }

  has(profile: string): boolean {
    return this.portOf(profile) !== 0;
  }

  /**
   * What is left over when nobody is connected any more: sockets, gauges of active connections and requests that
   * are not back at 0, and exceptions. Empty unless something leaks.
   */
  leftovers(): string[] {
    const { driver, network, stats } = this.proxy;
    network.advance(6000); // lingering closes and discarded rests take their time
    const left = listStats(stats.export())
      .numbers.filter(({ name, value }) => value !== 0 && /_(cx|rq)(_pending|_http1)?_active$/.test(name))
      .map(({ name, value }) => `${name} is ${value}`);
    if (driver.openSockets > 0) left.push(`${driver.openSockets} sockets are open`);
    if (driver.faults > 0) left.push(`${driver.faults} exceptions`);
    return left;
  }

  exchange(what: Exchange): Promise<Outcome> {
    return runExchange(this.stage, what);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
