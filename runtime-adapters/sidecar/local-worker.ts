/**
 * One worker: a driver, an engine, and the listening sockets between them. Runs in the thread that made it.
 * Knows neither other workers nor files nor admin pages.
 */
import type { HealthNote } from "../../core/cluster/health-note.ts";
import type { Listener, Snapshot } from "../../core/config/model.ts";
import type { Address, SocketHandler } from "../../core/io/socket.ts";
import type { WasmSupply } from "../../filters/wasm/wasm-host.ts";
import { type Accept, type Driver, ListenError, type ListenSocket, type Runtime } from "../runtime.ts";
import type { LogThreshold } from "./operator-log.ts";
import type { ThreadServices } from "./thread-services.ts";
import type {
  ApplyResult,
  BindFailure,
  Bound,
  Engine,
  MakeEngine,
  OtherWorkers,
  StopScope,
  WorkerControl,
  WorkerReport,
} from "./worker-control.ts";
import { bindKey } from "./worker-control.ts";

/** A socket that listens for a listener. When a listener is replaced at the same address, the socket stays. */
interface Open {
  readonly wanted: Address;
  readonly socket: ListenSocket;
  listener: string;
  inbound: boolean;
}

/** Permission bits of a Unix socket: left to the umask. */
const UNIX_MODE = 0;

/** How long it may take to find out whether a port is taken, ms. */
const LOOK_LIMIT = 500;

/** How long the first listeners wait for clusters, and how often is looked, ms. */
const WARM_UP_LIMIT = 5000;
const WARM_UP_LOOK = 5;
/** How much longer while endpoints are asked for their health, at most, ms. */
const MOST_CHECKING = 30_000;

export class LocalWorker implements WorkerControl {
  private readonly driver: Driver;
  private readonly engine: Engine;
  private readonly services: ThreadServices;
  private readonly workerIndex: number;
  private readonly concurrency: number;
  private readonly open = new Map<string, Open>();
  private warmedUp = false;
  /** Listeners that an operator has stopped for good. */
  private stopped: StopScope | "none" = "none";

  constructor(
    runtime: Runtime,
    makeEngine: MakeEngine,
    services: ThreadServices,
    workerIndex: number,
    concurrency: number,
    others: OtherWorkers,
  ) {
    this.services = services;
    this.workerIndex = workerIndex;
    this.concurrency = concurrency;
    this.driver = runtime.createDriver(services);
    this.engine = makeEngine(this.driver.platform, this.driver.clock, services.stats, {
      workerIndex,
      concurrency,
      others,
    });
    this.driver.attach(this.engine);
  }

  async setWasm(supply: WasmSupply): Promise<void> {
    await this.engine.loadWasm();
    this.driver.run(() => this.engine.setWasm(supply));
  }

  async queueReady(queue: number): Promise<void> {
    this.driver.run(() => this.engine.queueReady(queue));
  }

  async hearHealth(notes: readonly HealthNote[]): Promise<void> {
    this.driver.run(() => this.engine.hearHealth(notes));
  }

  async apply(snapshot: Snapshot, known: readonly Bound[]): Promise<ApplyResult> {
    // The engine first: a connection that comes through a new socket must find its listener.
    this.driver.run(() => this.engine.apply(snapshot));
    await this.warmUp(snapshot);
    const failures: BindFailure[] = [];
    const wanted = new Set<string>();
    for (const listener of snapshot.listeners) {
      if (!listener.bindToPort || this.isStopped(listener.trafficDirection === "INBOUND")) continue;
      for (const address of listener.addresses) {
        // A Unix socket cannot be shared: binding it again takes it away. The first worker serves it.
        if (address.path !== "" && this.workerIndex > 0) continue;
        wanted.add(bindKey(listener.name, address));
        const failure = await this.bind(listener, address, known);
        if (failure !== null) failures.push(failure);
      }
    }
    // What a listener that failed had before stays, so that its predecessor can be put back.
    const failed = new Set(failures.map((failure) => failure.listener));
    for (const [key, open] of this.open) {
      if (!wanted.has(key) && !failed.has(open.listener)) this.unbind(key, open);
    }
    return { bound: this.bound(), failures };
  }

  async report(): Promise<WorkerReport> {
    return this.driver.run(() => {
      this.engine.measureBuffers();
      return {
        stats: this.services.stats.export(),
        clusters: this.engine.clusterStatus(),
        connections: this.engine.activeConnections,
        drainingListeners: this.engine.drainingListeners,
        acceptFailures: this.driver.acceptFailures,
        faults: this.driver.faults,
        copiedBytes: this.driver.copiedBytes,
      };
    });
  }

  async connections(): Promise<number> {
    return this.openConnections;
  }

  /** `connections`, for this thread. */
  get openConnections(): number {
    return this.engine.activeConnections;
  }

  async stopListening(scope: StopScope): Promise<void> {
    if (this.stopped !== "all") this.stopped = scope;
    for (const [key, open] of this.open) if (this.isStopped(open.inbound)) this.unbind(key, open);
  }

  async drain(): Promise<void> {
    this.driver.run(() => this.engine.drain());
  }

  async closeAfterAnswer(on: boolean): Promise<void> {
    this.driver.run(() => this.engine.failHealthCheck(on));
  }

  async resetCounters(): Promise<void> {
    this.services.stats.resetCounters();
  }

  async reopenLogs(): Promise<void> {
    this.services.reopenLogs();
  }

  async setLogLevel(component: string, level: LogThreshold): Promise<void> {
    this.services.operatorLog.setLevel(component, level);
  }

  async close(): Promise<void> {
    this.driver.run(() => this.engine.endChecks());
    this.driver.close();
    this.services.close();
  }

  /**
   * Before the first socket opens, clusters get time to resolve their names and to ask their endpoints once: nobody should
   * meet a 503 at start.
   */
  private async warmUp({ clusters }: Snapshot): Promise<void> {
    const checks = clusters.map(({ healthCheck: check }) =>
      check ? check.initialJitter + check.timeout : 0,
    );
    const limit = WARM_UP_LIMIT + Math.min(MOST_CHECKING, Math.max(0, ...checks));
    for (let waited = 0; !this.warmedUp && waited < limit; waited += WARM_UP_LOOK) {
      if (this.engine.warmingClusters.length === 0) break;
      await new Promise((resolve) => setTimeout(resolve, WARM_UP_LOOK));
    }
    this.warmedUp = true;
  }

  private isStopped(inbound: boolean): boolean {
    return this.stopped === "all" || (this.stopped === "inbound" && inbound);
  }

  private bound(): Bound[] {
    return [...this.open.values()].map(({ listener, wanted, socket }) => ({
      listener,
      wanted,
      actual: socket.address,
    }));
  }

  private async bind(
    listener: Listener,
    wanted: Address,
    known: readonly Bound[],
  ): Promise<BindFailure | null> {
    const key = bindKey(listener.name, wanted);
    const inbound = listener.trafficDirection === "INBOUND";
    const there = this.open.get(key);
    if (there !== undefined) {
      there.listener = listener.name;
      there.inbound = inbound;
      return null;
    }
    const elsewhere = known.find((each) => bindKey(each.listener, each.wanted) === key);
    const address = elsewhere?.actual ?? wanted;
    const isShared = this.concurrency > 1 && address.path === "";
    const options = { reusePort: isShared, backlog: listener.backlog, mode: UNIX_MODE };
    // The name is read at each accept: the listener behind an address may be replaced.
    const open: { current: Open | null } = { current: null };
    const accept: Accept = (accepted) =>
      this.engine.accept(open.current?.listener ?? listener.name, accepted);
    try {
      if (isShared && elsewhere === undefined && address.port !== 0 && (await this.isTaken(address))) {
        throw new ListenError("EADDRINUSE", address, "somebody else listens there");
      }
      const socket = await this.driver.listen(address, options, accept);
      open.current = { wanted, socket, listener: listener.name, inbound };
      this.open.set(key, open.current);
      return null;
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
      return { listener: listener.name, address, code: error.code, message: error.message };
    }
  }

  /**
   * Whether somebody accepts connections there. The kernel would let us share the port with another process of the
   * same user, which would take a part of the traffic unnoticed. So whoever of our workers comes first looks.
   */
  private isTaken({ ip, port }: Address): Promise<boolean> {
    const to: Address = { ip: ip === "0.0.0.0" ? "127.0.0.1" : ip === "::" ? "::1" : ip, port, path: "" };
    return new Promise((resolve) => {
      const nothing = () => {};
      const handler: SocketHandler = {
        onConnect: () => {
          resolve(true);
          socket.reset();
        },
        onClose: () => resolve(false),
        onData: nothing,
        onEnd: nothing,
        onBlocked: nothing,
        onDrain: nothing,
      };
      const socket = this.driver.run(() => this.driver.platform.connect(to, handler));
      setTimeout(() => this.driver.run(() => socket.reset()), LOOK_LIMIT);
    });
  }

  private unbind(key: string, open: Open): void {
    this.open.delete(key);
    this.driver.run(() => open.socket.stop());
  }
}
