/**
 * A proxy process from start to exit: reads the configuration, starts the admin server and the workers, follows
 * changes, drains. Everything that lasts as long as the process is made here and nowhere else.
 *
 *   PRE_INITIALIZING ──first snapshot──▶ INITIALIZING ──sockets bound──▶ LIVE ──SIGTERM/SIGINT──▶ DRAINING ──▶ exit 0
 *         └──faults: exit 1                   └──port in use: exit 1        └─/healthcheck/fail ─▶ DRAINING (and back)
 */
import type { ClusterStatus } from "../../core/cluster/cluster-status.ts";
import type { Snapshot } from "../../core/config/model.ts";
import type { LogLevel } from "../../core/io/platform.ts";
import { formatAddress } from "../../core/io/socket.ts";
import { mergeExports } from "../../core/telemetry/merge-exports.ts";
import type { StatsExport } from "../../core/telemetry/stats-export.ts";
import type { Bootstrap, Warming } from "../../core/xds/resource.ts";
import type { FetchServer } from "../fetch-server.ts";
import { startAdminServer } from "./admin/admin-server.ts";
import type { AdminSource, ServerState } from "./admin/admin-source.ts";
import { mergeClusters } from "./admin/clusters-page.ts";
import { layerNames, overridden } from "./admin/runtime-page.ts";
import type { Options } from "./command-line.ts";
import type { Entry } from "./entry.ts";
import { LocalWorker } from "./local-worker.ts";
import { LateModules } from "./modules/late-modules.ts";
import type { ModuleStatus } from "./modules/module-store.ts";
import { waitingLine } from "./modules/preparation.ts";
import { ownerOf, refusalLine } from "./modules/refusal.ts";
import { judged, notInForce } from "./modules/refused-resources.ts";
import type { LogThreshold, OperatorLog } from "./operator-log.ts";
import { withDependents, withoutFailed, withoutUnready } from "./predecessors.ts";
import { ProcessStats } from "./process-stats.ts";
import { bindComplaint, StartFailure } from "./start-failure.ts";
import { type Outcome, Subscriptions, warmingLine, withWaiting } from "./subscriptions.ts";
import { Supervisor } from "./supervisor.ts";
import { ThreadServices } from "./thread-services.ts";
import { type Bound, NO_OTHERS, type StopScope, type WorkerReport } from "./worker-control.ts";
import { RemoteWorker } from "./worker-port.ts";

/** How often the number of open connections is looked at while draining, ms. */
const DRAIN_LOOK = 50;
/** How long `/quitquitquit` waits so that its answer gets out, ms. */
const QUIT_DELAY = 50;

/** One proxy process. */
export class Sidecar implements AdminSource {
  readonly options: Options;
  readonly bootstrap: Bootstrap;
  readonly subscriptions: Subscriptions;
  readonly modules: LateModules;
  readonly version: string;
  readonly startedAt: number;
  snapshot: Snapshot;
  readonly runtimeOverrides = new Map<string, string>();

  private readonly entry: Entry;
  private readonly operatorLog: OperatorLog;
  /** Of this thread: the only worker's, or (with several workers) the process's own. */
  private readonly services: ThreadServices;
  private readonly supervisor: Supervisor;
  /** The worker that runs in this thread, null if all have their own. */
  private localWorker: LocalWorker | null = null;
  private readonly counters = new ProcessStats();
  private admin: FetchServer | null = null;
  private phase: ServerState = "PRE_INITIALIZING";
  private healthFailed = false;
  private drainRequested = false;
  /** Exceptions outside of the workers' cores. */
  private exceptions = 0;
  /** Faults of files that were not there at the start. */
  private readonly missingFiles: string[] = [];
  /** What was read since the last snapshot. */
  private readonly readings: Outcome[] = [];
  /** The update that is being applied, and the newest that waits for it. */
  private applying: Promise<void> = Promise.resolve();
  /** Resolves when the first snapshot is in force; rejects if it cannot be. */
  private first: { resolve(): void; reject(error: Error): void } | null = null;

  constructor(
    entry: Entry,
    options: Options,
    bootstrap: Bootstrap,
    operatorLog: OperatorLog,
    startedAt: number,
  ) {
    this.entry = entry;
    this.options = options;
    this.bootstrap = bootstrap;
    this.operatorLog = operatorLog;
    this.services = new ThreadServices(operatorLog);
    this.startedAt = startedAt;
    this.version = `${entry.version}/${entry.runtime.name}-${entry.runtime.version}`;
    const { node, runtime } = bootstrap;
    this.snapshot = { node, runtime, listeners: [], clusters: [], routes: [], endpoints: [], extensions: [] };
    this.counters.countRuntimeLoad(layerNames(bootstrap).length);
    this.supervisor = new Supervisor(
      (index, onGone) => this.startWorker(index, onGone),
      (level, message) => this.log(level, "main", message),
    );
    this.modules = new LateModules(entry.url, {
      node,
      threads: options.concurrency,
      log: (level, message) => this.log(level, "wasm", message),
      onChange: (supply) => void this.supervisor.setWasm(supply),
      onWanted: () => this.subscriptions.reread(),
    });
    this.subscriptions = new Subscriptions(bootstrap, entry.checks, {
      onOutcome: (outcome) => this.onOutcome(outcome),
      onSnapshot: (snapshot, warming) => this.onSnapshot(snapshot, warming),
    });
  }

  // ── Start ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Resolves when traffic is served; rejects with `StartFailure`. */
  async start(): Promise<void> {
    const { entry, services } = this;
    this.log(
      "info",
      "main",
      `tulle ${this.version}, ${this.options.concurrency} worker(s), pid ${process.pid}`,
    );
    this.admin = await startAdminServer(this, entry, services);
    this.phase = "INITIALIZING";
    this.supervisor.start(this.options.concurrency);
    const ready = new Promise<void>((resolve, reject) => {
      this.first = { resolve, reject };
    });
    this.subscriptions.start();
    await ready;
    if (this.phase === "INITIALIZING") this.phase = "LIVE";
    this.counters.recordInitialization(Date.now() - this.startedAt);
    for (const { listener, actual } of this.listening) {
      this.log("info", "main", `listener ${listener} on ${formatAddress(actual)}`);
    }
    this.log("info", "main", "all listeners are up, serving");
  }

  private startWorker(index: number, onGone: (reason: string) => void): LocalWorker | RemoteWorker {
    const { options, entry } = this;
    if (options.concurrency > 1) {
      return new RemoteWorker(
        entry.url,
        {
          tulle: "worker",
          workerIndex: index,
          concurrency: options.concurrency,
          logLevel: options.logLevel,
          componentLogLevel: this.logLevels,
          tlsMemory: this.services.tlsMemory,
        },
        (reason) => {
          this.modules.workerEnded(index);
          onGone(reason);
        },
        this.supervisor.othersOf(index),
      );
    }
    this.localWorker = new LocalWorker(entry.runtime, entry.makeEngine, this.services, index, 1, NO_OTHERS);
    return this.localWorker;
  }

  // ── Configuration changes ─────────────────────────────────────────────────────────────────────────────────

  private onOutcome(outcome: Outcome): void {
    // What was read without a fault may still be refused for the sake of its plugins: it is counted then.
    if (outcome.result === "success") this.readings.push(outcome);
    else this.counters.countOutcome(outcome, this.snapshot);
    if (this.first !== null && outcome.missing) this.missingFiles.push(...outcome.faults);
    const what = outcome.name === "" ? outcome.kind : `${outcome.kind} ${outcome.name}`;
    for (const fault of outcome.faults) this.log("warning", "config", `${what} ${outcome.result}: ${fault}`);
    if (outcome.result === "success") {
      const version = outcome.versionInfo === "" ? "" : `, version ${outcome.versionInfo}`;
      this.log("debug", "config", `${what} read${version}`);
    } else {
      this.log("warning", "config", `${what}: what was in force stays in force`);
    }
  }

  private onSnapshot(snapshot: Snapshot, warming: readonly Warming[]): void {
    const readings = this.readings.splice(0);
    this.applying = this.applying
      .then(() => this.apply(snapshot, warming, readings))
      .catch((error) => this.onException(error));
  }

  private async apply(
    configured: Snapshot,
    warming: readonly Warming[],
    readings: readonly Outcome[],
  ): Promise<void> {
    if (this.missingFiles.length > 0) {
      // A file that goes missing later is waited for; one that was never there is a misspelt path.
      this.first?.reject(new StartFailure(this.missingFiles));
      return;
    }
    const before = this.snapshot;
    const complete = { ...configured, runtime: overridden(configured.runtime, this.runtimeOverrides) };
    const { refusals, waiting } = await this.modules.prepare(complete);
    for (const reading of readings) this.counters.countOutcome(judged(reading, refusals), before);
    if (this.first !== null && refusals.length > 0) {
      this.first.reject(new StartFailure(refusals.map(refusalLine)));
      return;
    }
    for (const refusal of refusals) {
      this.log("error", "config", `${refusalLine(refusal)}; what was in force stays in force`);
    }
    for (const each of waiting) this.log("info", "config", waitingLine(each));
    // As in Envoy nobody is served before everything is there that the first configuration needs.
    if (this.first !== null && waiting.length > 0) return;
    const unready = withDependents(complete, before, waiting.map(ownerOf));
    const wanted = withoutUnready(complete, before, [...unready, ...refusals.map(ownerOf)]);
    const { supply } = this.modules;
    if (supply !== null) await this.supervisor.setWasm(supply);
    const failures = await this.supervisor.apply(wanted);
    this.counters.countBinds(wanted.listeners.length - failures.length, failures.length);
    if (this.first !== null && failures.length > 0) {
      this.first.reject(new StartFailure(failures.map(bindComplaint)));
      return;
    }
    let applied = wanted;
    if (failures.length > 0) {
      // The rest of the update holds; what could not be bound stays as it was.
      applied = withoutFailed(wanted, before, new Set(failures.map(({ listener }) => listener)));
      for (const failure of failures) this.log("error", "config", bindComplaint(failure));
      await this.supervisor.apply(applied);
    }
    this.snapshot = applied;
    this.modules.settle(applied);
    const missing = notInForce(refusals, unready);
    this.counters.countSnapshot(before, applied, withWaiting(warming, missing));
    for (const each of warming) this.log("info", "config", warmingLine(each));
    if (this.first === null) {
      const counts = `${applied.listeners.length} listener(s), ${applied.clusters.length} cluster(s)`;
      this.log("info", "config", `configuration applied: ${counts}`);
    } else if (warming.length === 0) {
      // With something still warming the process is not ready; the next snapshot says more.
      this.first.resolve();
      this.first = null;
    }
    this.subscriptions.settled(configured, applied, missing);
  }

  // ── What the admin pages ask and tell ─────────────────────────────────────────────────────────────────────

  get state(): ServerState {
    return this.phase === "LIVE" && this.healthFailed ? "DRAINING" : this.phase;
  }

  get wasmModules(): readonly ModuleStatus[] {
    return this.modules.status();
  }

  get listening(): readonly Bound[] {
    return this.supervisor.listening;
  }

  /** Connections that are open in this thread. */
  get ownConnections(): number {
    return this.localWorker?.openConnections ?? 0;
  }

  get logLevels(): ReadonlyMap<string, LogThreshold> {
    return this.operatorLog.levels();
  }

  async stats(): Promise<StatsExport> {
    return this.merge(await this.supervisor.reports());
  }

  async clusters(): Promise<readonly ClusterStatus[]> {
    const reports = (await this.supervisor.reports()).map((report) => report.clusters);
    return reports.length === 0 ? [] : mergeClusters(reports);
  }

  setLogLevel(component: string, level: LogThreshold): void {
    this.operatorLog.setLevel(component, level);
    if (this.options.concurrency > 1) void this.supervisor.setLogLevel(component, level);
  }

  async modifyRuntime(changes: ReadonlyMap<string, string>): Promise<void> {
    for (const [key, text] of changes) {
      if (text === "") this.runtimeOverrides.delete(key);
      else this.runtimeOverrides.set(key, text);
    }
    this.counters.countRuntimeLoad(layerNames(this.bootstrap).length);
    this.log("warning", "runtime", `overrides by request: ${[...this.runtimeOverrides].join(" ")}`);
    const { current, warming } = this.subscriptions;
    if (current !== null) this.onSnapshot(current, warming);
    await this.applying;
  }

  failHealthCheck(fail: boolean): void {
    this.healthFailed = fail;
    this.log("warning", "admin", `health check ${fail ? "failed" : "restored"} by request`);
    void this.supervisor.closeAfterAnswer(this.healthFailed || this.drainRequested);
  }

  async drainListeners(scope: StopScope, graceful: boolean, skipExit: boolean): Promise<void> {
    this.log("warning", "admin", `draining ${scope} listeners by request`);
    if (graceful || skipExit) {
      // Everything is still accepted, but each connection ends with its next answer.
      this.drainRequested = true;
      await this.supervisor.closeAfterAnswer(true);
    }
    if (skipExit) return;
    if (graceful) setTimeout(() => void this.stopListening(scope), this.options.drainTime).unref();
    else await this.stopListening(scope);
  }

  private async stopListening(scope: StopScope): Promise<void> {
    const count = () => new Set(this.listening.map(({ listener }) => listener)).size;
    const before = count();
    await this.supervisor.stopListening(scope);
    this.counters.countStopped(before - count());
  }

  async replaceModule(source: string, bytes: Uint8Array | null): Promise<readonly string[]> {
    return this.modules.replaceBy(source, bytes);
  }

  async resetCounters(): Promise<void> {
    this.counters.resetCounters();
    await this.supervisor.resetCounters();
  }

  async reopenLogs(): Promise<void> {
    this.services.reopenLogs();
    await this.supervisor.reopenLogs();
  }

  quit(): void {
    setTimeout(() => void this.end(0), QUIT_DELAY);
  }

  private merge(reports: readonly WorkerReport[]): StatsExport {
    const own = this.counters.export(
      {
        snapshot: this.snapshot,
        state: this.state,
        startedAt: this.startedAt,
        concurrency: this.options.concurrency,
        workerRestarts: this.supervisor.restarts,
        exceptions: this.exceptions,
      },
      reports,
    );
    const threads = this.options.concurrency > 1 ? [this.services.stats.export()] : [];
    return mergeExports([...reports.map((report) => report.stats), own, ...threads]);
  }

  // ── End ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Stops accepting, lets what is under way finish for at most the drain time, and ends the process well. */
  async shutdown(cause: string): Promise<void> {
    this.phase = "DRAINING";
    const deadline = performance.now() + this.options.drainTime;
    await this.supervisor.stopListening("all");
    await this.supervisor.drain();
    let open = await this.supervisor.connections();
    this.log(
      "info",
      "main",
      `${cause}: draining ${open} connection(s) for at most ${this.options.drainTime / 1000} s; a second signal ends at once`,
    );
    while (open > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK));
      open = await this.supervisor.connections();
    }
    if (open > 0) this.log("warning", "main", `drain time is over, closing ${open} connection(s)`);
    await this.end(0);
  }

  /** Closes everything and ends the process. */
  async end(code: number): Promise<never> {
    this.subscriptions.close();
    this.modules.close();
    this.admin?.stop();
    await this.supervisor.close();
    this.services.close();
    this.log("info", "main", "exiting");
    process.exit(code);
  }

  /** An exception that nobody caught: a bug. It is counted and told; the process lives on. */
  onException(error: unknown): void {
    this.exceptions++;
    if (this.first !== null && error instanceof Error) {
      this.first.reject(error);
      this.first = null;
    }
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.log("critical", "main", `uncaught exception: ${text}`);
  }

  /** The operator's log. */
  log(level: LogLevel, component: string, message: string): void {
    this.operatorLog.log(level, component, message);
  }
}
