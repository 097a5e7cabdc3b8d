/**
 * Statistics of the process. The supervisor alone keeps `server.*`, `listener_manager.*`, `cluster_manager.*` and
 * `runtime.*` in a store of its own; each worker keeps `tulle.*` and `filesystem.*`, which are summed.
 */
import { Histogram } from "./histogram.ts";
import { layoutOf } from "./stat-layout.ts";
import type { StatsStore } from "./stats.ts";

/** `server.*`. All but the histogram are gauges that the supervisor sets before an export. */
export class ServerStats {
  /** 1 while the process serves. */
  live = 0;
  /** 0 live, 1 draining, 2 before initialisation, 3 initialising. */
  state = 0;
  /** Seconds. */
  uptime = 0;
  concurrency = 0;
  totalConnections = 0;
  /** Bytes of the JavaScript heap in use. */
  memoryAllocated = 0;
  /** Bytes reserved for the heap. */
  memoryHeapSize = 0;
  /** Resident set, bytes. */
  memoryPhysicalSize = 0;
  /** Whole days; 0 once one has expired, the largest number of 32 bits if there is none. */
  daysUntilFirstCertExpiring = 0;
  /** From the start to the first accepted connection, ms. */
  readonly initializationTimeMs = new Histogram();
}

const SERVER = layoutOf("server", () => new ServerStats(), {
  gauges: [
    "live",
    "state",
    "uptime",
    "concurrency",
    "totalConnections",
    "memoryAllocated",
    "memoryHeapSize",
    "memoryPhysicalSize",
    "daysUntilFirstCertExpiring",
  ],
});

/** The `server.*` of a store; made when first asked for, never released. */
export function serverStats(store: StatsStore): ServerStats {
  return store.scope("server.", "server.", {}).set(SERVER);
}

/** `listener_manager.*`. */
export class ListenerManagerStats {
  listenerAdded = 0;
  listenerModified = 0;
  listenerRemoved = 0;
  listenerStopped = 0;
  listenerCreateSuccess = 0;
  listenerCreateFailure = 0;
  /** Gauge. */
  totalListenersActive = 0;
  /** Gauge. */
  totalListenersDraining = 0;
  /** Gauge. */
  totalListenersWarming = 0;
  /** Gauge. */
  workersStarted = 0;
}

const LISTENER_MANAGER = layoutOf("listener_manager", () => new ListenerManagerStats(), {
  gauges: ["totalListenersActive", "totalListenersDraining", "totalListenersWarming", "workersStarted"],
});

/** The `listener_manager.*` of a store; made when first asked for, never released. */
export function listenerManagerStats(store: StatsStore): ListenerManagerStats {
  return store.scope("listener_manager.", "listener_manager.", {}).set(LISTENER_MANAGER);
}

/** `cluster_manager.*`. */
export class ClusterManagerStats {
  clusterAdded = 0;
  clusterModified = 0;
  clusterRemoved = 0;
  /** Gauge. */
  activeClusters = 0;
  /** Gauge. */
  warmingClusters = 0;
}

const CLUSTER_MANAGER = layoutOf("cluster_manager", () => new ClusterManagerStats(), {
  gauges: ["activeClusters", "warmingClusters"],
});

/** The `cluster_manager.*` of a store; made when first asked for, never released. */
export function clusterManagerStats(store: StatsStore): ClusterManagerStats {
  return store.scope("cluster_manager.", "cluster_manager.", {}).set(CLUSTER_MANAGER);
}

/** `cluster_manager.*`, the part that each worker sees for itself. */
export class ClusterUpdateStats {
  /** Total: changes of a cluster's endpoints after its first. */
  clusterUpdated = 0;
}

const CLUSTER_UPDATE = layoutOf("cluster_update", () => new ClusterUpdateStats(), {
  totals: ["clusterUpdated"],
});

/** The counter of a worker's store; made when first asked for, never released. */
export function clusterUpdateStats(store: StatsStore): ClusterUpdateStats {
  return store.scope("cluster_manager.", "cluster_manager.", {}).set(CLUSTER_UPDATE);
}

/** `runtime.*`. */
export class RuntimeStats {
  /** Times that the values were put together: at the start, and with each change by an operator. */
  loadSuccess = 0;
  /** Gauge. */
  numKeys = 0;
  /** Gauge. */
  numLayers = 0;
}

const RUNTIME = layoutOf("runtime", () => new RuntimeStats(), { gauges: ["numKeys", "numLayers"] });

/** The `runtime.*` of a store; made when first asked for, never released. */
export function runtimeStats(store: StatsStore): RuntimeStats {
  return store.scope("runtime.", "runtime.", {}).set(RUNTIME);
}

/** `filesystem.*`: access-log files. */
export class FilesystemStats {
  /** Lines put into a buffer. */
  writeBuffered = 0;
  /** Buffers written. */
  writeCompleted = 0;
  writeFailed = 0;
  flushedByTimer = 0;
  reopenFailed = 0;
  /** Gauge: bytes in buffers. */
  writeTotalBuffered = 0;
}

const FILESYSTEM = layoutOf("filesystem", () => new FilesystemStats(), { gauges: ["writeTotalBuffered"] });

/** The `filesystem.*` of a store; made when first asked for, never released. */
export function filesystemStats(store: StatsStore): FilesystemStats {
  return store.scope("filesystem.", "filesystem.", {}).set(FILESYSTEM);
}

/** `tulle.*`: what Envoy has no name for. */
export class TulleStats {
  /**
   * Bytes that were copied on their way: heads that came in pieces, by the core, and whatever drivers copy. Of bodies
   * in plain HTTP/1.1 proxying, none.
   */
  copiedBytes = 0;
  /** Exceptions: bugs, each of which cost one connection. */
  exceptions = 0;
  /** Accepts that failed for want of file descriptors. */
  acceptFailures = 0;
  /** Access-log lines dropped because the log's buffer was full. */
  accessLogDropped = 0;
}

const TULLE = layoutOf("tulle", () => new TulleStats());

/** The `tulle.*` of a store; made when first asked for, never released. */
export function tulleStats(store: StatsStore): TulleStats {
  return store.scope("tulle.", "tulle.", {}).set(TULLE);
}
