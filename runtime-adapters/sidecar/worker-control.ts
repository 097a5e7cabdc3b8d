/**
 * What the supervisor may ask of a worker, wherever that runs: in the same thread (`LocalWorker`) or in one of
 * its own (`RemoteWorker` here, `serveWorker` there). Everything that crosses is structured-cloneable data.
 */

import type { ClusterStatus } from "../../core/cluster/cluster-status.ts";
import type { HealthNote } from "../../core/cluster/health-note.ts";
import type { Snapshot } from "../../core/config/model.ts";
import type { Platform } from "../../core/io/platform.ts";
import { type Address, formatAddress, type Socket, type SocketHandler } from "../../core/io/socket.ts";
import type { StatsStore } from "../../core/telemetry/stats.ts";
import type { StatsExport } from "../../core/telemetry/stats-export.ts";
import type { Clock } from "../../core/time/clock.ts";
import type { PostNote } from "../../filters/wasm/shared-space.ts";
import type { WasmSupply } from "../../filters/wasm/wasm-host.ts";
import type { Core } from "../runtime.ts";
import type { LogThreshold } from "./operator-log.ts";

/** The part of `core/proxy/worker.ts` that the process relies on; tests put a stand-in there. */
export interface Engine extends Core {
  /** Loads what runs WASM, which nobody needs who has no plugin. To be awaited before the first `setWasm`. */
  loadWasm(): Promise<void>;
  /** WASM modules and their limits: those that are new or changed take over. Never throws. */
  setWasm(supply: WasmSupply): void;
  /** A note from another worker: a shared queue of a plugin here has messages. */
  queueReady(queue: number): void;
  /** Another worker has asked endpoints for their health. */
  hearHealth(notes: readonly HealthNote[]): void;
  /** Diffs with what is in force and changes over. Never throws. */
  apply(snapshot: Snapshot): void;
  accept(listenerName: string, socket: Socket): SocketHandler | null;
  /** Says `connection: close` on every answer and closes idle connections. */
  drain(): void;
  /** Says `connection: close` on every answer while `on` holds. */
  failHealthCheck(on: boolean): void;
  /** Asks no endpoint any more whether it is well. */
  endChecks(): void;
  /** Clusters that wait for their first endpoints. */
  readonly warmingClusters: readonly string[];
  /** Of all listeners. */
  readonly activeConnections: number;
  /** Listeners that were replaced or removed and still have connections. */
  readonly drainingListeners: number;
  /** Brings gauges up to date that are measured, not counted. */
  measureBuffers(): void;
  /** Plain data about clusters, for `/clusters`. */
  clusterStatus(): readonly ClusterStatus[];
}

/** The other workers, as one of them sees them. */
export interface OtherWorkers {
  /** Has `queueReady(queue)` called in the worker of that index. */
  readonly postNote: PostNote;
  /** Has `hearHealth(notes)` called in each of them; null = there is none. */
  readonly tellHealth: ((notes: readonly HealthNote[]) => void) | null;
}

/** A worker is alone. */
export const NO_OTHERS: OtherWorkers = { postNote: () => undefined, tellHealth: null };

/** Makes the engine of one worker. */
export type MakeEngine = (
  platform: Platform,
  clock: Clock,
  stats: StatsStore,
  options: {
    readonly workerIndex: number;
    readonly concurrency: number;
    readonly others: OtherWorkers;
  },
) => Engine;

/** A listener's socket that is open. */
export interface Bound {
  readonly listener: string;
  /** As configured: the port may be 0. */
  readonly wanted: Address;
  readonly actual: Address;
}

/**
 * What makes two wishes for a socket the same: the address, whoever listens there (so that a listener can be
 * replaced by another one at its address); with port 0 also the listener, which gets a port of its own.
 */
export function bindKey(listener: string, wanted: Address): string {
  const address = formatAddress(wanted);
  return wanted.port === 0 && wanted.path === "" ? `${address} ${listener}` : address;
}

/** A listener's address that could not be bound. */
export interface BindFailure {
  readonly listener: string;
  readonly address: Address;
  /** An errno name. */
  readonly code: string;
  readonly message: string;
}

export interface ApplyResult {
  readonly bound: readonly Bound[];
  readonly failures: readonly BindFailure[];
}

/** Numbers of one worker at one moment. */
export interface WorkerReport {
  readonly stats: StatsExport;
  readonly clusters: readonly ClusterStatus[];
  readonly connections: number;
  readonly drainingListeners: number;
  readonly acceptFailures: number;
  readonly faults: number;
  readonly copiedBytes: number;
}

/** Which listeners to stop. */
export type StopScope = "all" | "inbound";

export interface WorkerControl {
  /** Hands over WASM modules and their limits, before a snapshot that needs them; changed ones take over at once. */
  setWasm(supply: WasmSupply): Promise<void>;
  /** A note from another worker (`OtherWorkers`). */
  queueReady(queue: number): Promise<void>;
  /** Notes from another worker (`OtherWorkers`). */
  hearHealth(notes: readonly HealthNote[]): Promise<void>;
  /**
   * Puts `snapshot` in force, then opens the sockets that it adds and closes those that it drops. `known` gives
   * the real ports of addresses that another worker has bound already.
   */
  apply(snapshot: Snapshot, known: readonly Bound[]): Promise<ApplyResult>;
  report(): Promise<WorkerReport>;
  connections(): Promise<number>;
  /** Stops accepting; open connections live on. */
  stopListening(scope: StopScope): Promise<void>;
  /** Begins to end open connections. */
  drain(): Promise<void>;
  /** Says `connection: close` on every answer while `on` holds, without closing anything itself. */
  closeAfterAnswer(on: boolean): Promise<void>;
  resetCounters(): Promise<void>;
  reopenLogs(): Promise<void>;
  setLogLevel(component: string, level: LogThreshold): Promise<void>;
  /** Closes everything. The worker is of no use afterwards. */
  close(): Promise<void>;
}
