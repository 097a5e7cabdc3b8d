/**
 * Statistics of the process: what the supervisor counts itself (`server.*`, `listener_manager.*`,
 * `cluster_manager.*`, subscriptions) in a store of its own, beside the stores of the workers.
 */
import type { Listener, Snapshot } from "../../core/config/model.ts";
import { clusterScope, clusterStats } from "../../core/telemetry/cluster-stats.ts";
import {
  clusterManagerStats,
  listenerManagerStats,
  runtimeStats,
  serverStats,
  tulleStats,
} from "../../core/telemetry/server-stats.ts";
import { type Scope, StatsStore } from "../../core/telemetry/stats.ts";
import type { StatsExport } from "../../core/telemetry/stats-export.ts";
import type { ResourceKind, Warming } from "../../core/xds/resource.ts";
import type { ServerState } from "./admin/admin-source.ts";
import { CertificateStats } from "./certificate-stats.ts";
import { ContextUpdates, isInline } from "./context-updates.ts";
import type { Outcome } from "./subscriptions.ts";
import type { WorkerReport } from "./worker-control.ts";

/** What changes between two reports. */
export interface ProcessFacts {
  /** What is in force. */
  readonly snapshot: Snapshot;
  readonly state: ServerState;
  readonly startedAt: number;
  readonly concurrency: number;
  readonly workerRestarts: number;
  readonly exceptions: number;
}

const STATE_NUMBERS: { readonly [state in ServerState]: number } = {
  LIVE: 0,
  DRAINING: 1,
  PRE_INITIALIZING: 2,
  INITIALIZING: 3,
};

export class ProcessStats {
  private readonly store = new StatsStore();
  private readonly server = serverStats(this.store);
  private readonly listeners = listenerManagerStats(this.store);
  private readonly clusters = clusterManagerStats(this.store);
  private readonly runtime = runtimeStats(this.store);
  private readonly tulle = tulleStats(this.store);
  private readonly workerRestarts = this.store.scope("tulle.", "tulle.", {}).gauge("worker_restarts");
  private readonly certificates = new CertificateStats(this.store);
  private readonly contexts = new ContextUpdates(this.store);
  private readonly subscriptions = new Map<string, Scope>();

  /** Counts one reading of a subscription, under the names of whoever subscribed in `snapshot`. */
  countOutcome(outcome: Outcome, snapshot: Snapshot): void {
    if (outcome.kind === "EDS") {
      this.countEndpoints(outcome, snapshot);
      return;
    }
    for (const { scope, at } of this.scopesOf(outcome.kind, outcome.name, snapshot)) {
      scope.counter(`${at}update_attempt`).value++;
      scope.counter(`${at}update_${outcome.result}`).value++;
      // All three exist from the first attempt on: an alert on a counter that is not there does not fire.
      for (const result of ["success", "rejected", "failure"]) scope.counter(`${at}update_${result}`);
      if (outcome.result === "success") scope.gauge(`${at}update_time`).value = Date.now();
      if (outcome.kind === "ECDS") countExtension(scope, outcome);
    }
  }

  /** Counts what a new snapshot changes. */
  countSnapshot(before: Snapshot, after: Snapshot, warming: readonly Warming[]): void {
    const listeners = difference(before.listeners, after.listeners);
    this.listeners.listenerAdded += listeners.added;
    this.listeners.listenerModified += listeners.modified;
    this.listeners.listenerRemoved += listeners.removed;
    this.listeners.totalListenersActive = after.listeners.length;
    this.listeners.totalListenersWarming = warming.filter(({ kind }) => kind === "LDS").length;
    const clusters = difference(before.clusters, after.clusters);
    this.clusters.clusterAdded += clusters.added;
    this.clusters.clusterModified += clusters.modified;
    this.clusters.clusterRemoved += clusters.removed;
    this.clusters.activeClusters = after.clusters.length;
    this.clusters.warmingClusters = warming.filter(({ kind }) => kind === "CDS").length;
    this.runtime.numKeys = Object.keys(after.runtime).length;
    this.contexts.count(before, after);
  }

  /** The runtime values were put together, from so many layers. */
  countRuntimeLoad(layers: number): void {
    this.runtime.loadSuccess++;
    this.runtime.numLayers = layers;
  }

  /** Counts listeners that an operator has stopped. */
  countStopped(listeners: number): void {
    this.listeners.listenerStopped += listeners;
  }

  /** Counts sockets of listeners that were opened, and those that could not be. */
  countBinds(successes: number, failures: number): void {
    this.listeners.listenerCreateSuccess += successes;
    this.listeners.listenerCreateFailure += failures;
  }

  /** The process is ready; `ms` since it started. */
  recordInitialization(ms: number): void {
    this.server.initializationTimeMs.record(ms);
    this.listeners.workersStarted = 1;
  }

  /** Sets every counter to 0. */
  resetCounters(): void {
    this.store.resetCounters();
  }

  /** The store as it is now. */
  export(facts: ProcessFacts, reports: readonly WorkerReport[]): StatsExport {
    const { heapUsed, heapTotal, external, rss } = process.memoryUsage();
    const { server, tulle } = this;
    server.live = facts.state === "LIVE" || facts.state === "DRAINING" ? 1 : 0;
    server.state = STATE_NUMBERS[facts.state];
    server.uptime = Math.floor((Date.now() - facts.startedAt) / 1000);
    server.concurrency = facts.concurrency;
    server.totalConnections = total(reports, (report) => report.connections);
    server.memoryAllocated = heapUsed + external;
    server.memoryHeapSize = heapTotal;
    server.memoryPhysicalSize = rss;
    this.certificates.update(facts.snapshot, server, Date.now());
    this.listeners.totalListenersDraining = Math.max(0, ...reports.map((report) => report.drainingListeners));
    tulle.acceptFailures = total(reports, (report) => report.acceptFailures);
    tulle.copiedBytes = total(reports, (report) => report.copiedBytes);
    tulle.exceptions = facts.exceptions + total(reports, (report) => report.faults);
    this.workerRestarts.value = facts.workerRestarts;
    return this.store.export();
  }

  private countEndpoints(outcome: Outcome, snapshot: Snapshot): void {
    for (const cluster of snapshot.clusters) {
      if (cluster.type !== "EDS" || (cluster.edsServiceName || cluster.name) !== outcome.name) continue;
      const scope = this.scope(`cluster ${cluster.name}`, () =>
        clusterScope(this.store, cluster.altStatName || cluster.name),
      );
      const stats = clusterStats(scope);
      stats.updateAttempt++;
      if (outcome.result === "success") stats.updateSuccess++;
      else if (outcome.result === "failure") stats.updateFailure++;
      scope.counter("update_rejected").value += outcome.result === "rejected" ? 1 : 0;
    }
  }

  private scopesOf(kind: ResourceKind, name: string, snapshot: Snapshot): { scope: Scope; at: string }[] {
    switch (kind) {
      case "LDS": {
        const make = () => this.store.scope("listener_manager.", "listener_manager.", {});
        return [{ scope: this.scope("LDS", make), at: "lds." }];
      }
      case "CDS": {
        const make = () => this.store.scope("cluster_manager.", "cluster_manager.", {});
        return [{ scope: this.scope("CDS", make), at: "cds." }];
      }
      case "ECDS": {
        const prefix = `extension_config_discovery.http_filter.${name.replaceAll(":", "_")}.`;
        return [{ scope: this.scope(`ECDS ${name}`, () => this.store.scope(prefix, prefix, {})), at: "" }];
      }
      case "SDS": {
        if (isInline(name)) return [];
        const prefix = `sds.${name.replaceAll(":", "_")}.`;
        return [{ scope: this.scope(`SDS ${name}`, () => this.store.scope(prefix, prefix, {})), at: "" }];
      }
      default:
        return statPrefixes(snapshot.listeners, name).map((prefix) => {
          const make = () =>
            this.store.scope(`http.${prefix}.rds.${name.replaceAll(":", "_")}.`, "http.rds.", {
              envoy_http_conn_manager_prefix: prefix,
              envoy_rds_route_config: name,
            });
          return { scope: this.scope(`RDS ${prefix} ${name}`, make), at: "" };
        });
    }
  }

  private scope(key: string, make: () => Scope): Scope {
    const scope = this.subscriptions.get(key) ?? make();
    this.subscriptions.set(key, scope);
    return scope;
  }
}

/** What Envoy counts of filter configurations beside their subscriptions. */
function countExtension(scope: Scope, { result, changed }: Outcome): void {
  scope.counter("config_reload").value += changed ? 1 : 0;
  scope.counter("config_fail").value += result === "success" ? 0 : 1;
  scope.counter("config_conflict"); // what not every filter takes is rejected here, not taken by some
}

function total(reports: readonly WorkerReport[], of: (report: WorkerReport) => number): number {
  return reports.reduce((sum, report) => sum + of(report), 0);
}

interface Versioned {
  readonly name: string;
  readonly version: string;
}

function difference(before: readonly Versioned[], after: readonly Versioned[]) {
  const old = new Map(before.map(({ name, version }) => [name, version]));
  const kept = after.filter(({ name }) => old.has(name));
  return {
    added: after.length - kept.length,
    modified: kept.filter(({ name, version }) => old.get(name) !== version).length,
    removed: before.length - kept.length,
  };
}

/** Statistics prefixes of the connection managers that take their routes from `rds`. */
function statPrefixes(listeners: readonly Listener[], rds: string): string[] {
  const prefixes = new Set<string>();
  for (const { filterChains, defaultFilterChain } of listeners) {
    for (const chain of [...filterChains, defaultFilterChain]) {
      const filter = chain?.filter;
      if (filter?.kind === "http_connection_manager" && filter.rds === rds) prefixes.add(filter.statPrefix);
    }
  }
  return [...prefixes];
}
