/** What the admin pages may ask of the process, and tell it to do. Implemented by `sidecar.ts`. */
import type { ClusterStatus } from "../../../core/cluster/cluster-status.ts";
import type { Snapshot } from "../../../core/config/model.ts";
import type { StatsExport } from "../../../core/telemetry/stats-export.ts";
import type { Bootstrap } from "../../../core/xds/resource.ts";
import type { Options } from "../command-line.ts";
import type { ModuleStatus } from "../modules/module-store.ts";
import type { LogThreshold } from "../operator-log.ts";
import type { Subscriptions } from "../subscriptions.ts";
import type { Bound, StopScope } from "../worker-control.ts";
import type { RuntimeOverrides } from "./runtime-page.ts";

/** Envoy's states of a server. */
export type ServerState = "LIVE" | "DRAINING" | "PRE_INITIALIZING" | "INITIALIZING";

export interface AdminSource {
  readonly options: Options;
  readonly bootstrap: Bootstrap;
  readonly subscriptions: Subscriptions;
  /** What is in force. */
  readonly snapshot: Snapshot;
  readonly listening: readonly Bound[];
  readonly state: ServerState;
  /** E.g. "0.1.0/bun 1.4.5". */
  readonly version: string;
  /** Unix time, ms. */
  readonly startedAt: number;
  /** WASM modules in force. */
  readonly wasmModules: readonly ModuleStatus[];
  /** Logger → level. */
  readonly logLevels: ReadonlyMap<string, LogThreshold>;

  /** Statistics of the process and all workers, merged. */
  stats(): Promise<StatsExport>;
  clusters(): Promise<readonly ClusterStatus[]>;
  setLogLevel(component: string, level: LogThreshold): void;
  /** Values that `/runtime_modify` has set. */
  readonly runtimeOverrides: RuntimeOverrides;
  /** Sets overrides; an empty text removes one. Resolves when they are in force. */
  modifyRuntime(changes: ReadonlyMap<string, string>): Promise<void>;
  failHealthCheck(fail: boolean): void;
  /** Stops listeners; `graceful` drains first, `skipExit` drains and never stops. */
  drainListeners(scope: StopScope, graceful: boolean, skipExit: boolean): Promise<void>;
  /**
   * Puts a WASM module in the place of the one that comes from `source`, until that changes; null: reads it anew. The
   * reasons why that cannot be; then nothing has changed.
   */
  replaceModule(source: string, bytes: Uint8Array | null): Promise<readonly string[]>;
  resetCounters(): Promise<void>;
  reopenLogs(): Promise<void>;
  /** Ends the process, in a moment. */
  quit(): void;
}
