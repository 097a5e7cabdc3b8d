/** A proxy in the memory runtime: one worker, one listener, a scripted upstream and scripted clients. */
import type { Snapshot } from "../../core/config/model.ts";
import type { FilterKinds } from "../../core/filter/filter.ts";
import type { NetworkFilterKinds } from "../../core/filter/network-filter.ts";
import type { LogLevel } from "../../core/io/platform.ts";
import { Worker } from "../../core/proxy/worker.ts";
import { StatsStore } from "../../core/telemetry/stats.ts";
import { at, Network, type NetworkOptions } from "../../runtime-adapters/memory/network.ts";
import type { Peer } from "../../runtime-adapters/memory/peer.ts";

export class ProxyFixture {
  readonly network: Network;
  readonly stats: StatsStore = new StatsStore();
  readonly worker: Worker;
  /** Lines of every access log, by path. */
  readonly logs: string[] = [];
  /** What the operator was told. */
  readonly messages: string[] = [];
  /** The levels that the operator wants to read. */
  levels: ReadonlySet<LogLevel> = new Set(["trace", "debug", "info", "warning", "error", "critical"]);
  readonly driver: ReturnType<Network["createDriver"]>;

  constructor(
    options: NetworkOptions = {},
    filters: FilterKinds = new Map(),
    networkFilters: NetworkFilterKinds = new Map(),
  ) {
    this.network = new Network(options);
    this.driver = this.network.createDriver({
      log: (level, component, message) => this.messages.push(`${level} ${component} ${message}`),
      logs: (level) => this.levels.has(level),
      openLog: () => ({ write: (line: string) => this.logs.push(line) }),
    });
    const { platform, clock } = this.driver;
    this.worker = new Worker(platform, clock, this.stats, {
      concurrency: 1,
      variables: {},
      filters,
      networkFilters,
      hostname: "test",
    });
    this.driver.attach(this.worker);
  }

  /** Puts a snapshot in force and binds its listeners (those not bound yet). */
  async apply(snapshot: Snapshot): Promise<void> {
    this.driver.run(() => this.worker.apply(snapshot));
    for (const { name, addresses, reusePort, backlog } of snapshot.listeners) {
      for (const address of addresses) {
        await this.driver
          .listen(address, { reusePort, backlog, mode: 0 }, (socket) => this.worker.accept(name, socket))
          .catch(() => undefined);
      }
    }
  }

  run<T>(enter: () => T): T {
    return this.driver.run(enter);
  }

  dial(address = "127.0.0.1:80"): Peer {
    return this.network.dial(at(address));
  }

  /** Dials, sends, lets everything happen that happens at once. */
  exchange(bytes: string, address = "127.0.0.1:80"): Peer {
    const peer = this.dial(address).send(bytes);
    this.network.advance(10);
    return peer;
  }
}
