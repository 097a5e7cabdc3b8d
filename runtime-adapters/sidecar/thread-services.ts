/** What a thread with a worker in it has: the operator's log, access-log files, a store for statistics. */
import { writeSync } from "node:fs";
import type { LogLevel, LogSink } from "../../core/io/platform.ts";
import { filesystemStats, tulleStats } from "../../core/telemetry/server-stats.ts";
import { StatsStore } from "../../core/telemetry/stats.ts";
import type { Services } from "../runtime.ts";
import { LogFiles } from "./log-sink.ts";
import { type LogThreshold, OperatorLog } from "./operator-log.ts";

/** The log of this thread, on standard error. */
export function operatorLog(
  threshold: LogThreshold,
  components: ReadonlyMap<string, LogThreshold>,
): OperatorLog {
  const log = new OperatorLog(writeToStandardError, threshold, Date.now, process.pid);
  for (const [component, level] of components) log.setLevel(component, level);
  return log;
}

/** A log that nobody can take must not cost the process. */
function writeToStandardError(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // A closed or full pipe.
  }
}

/** The services of one thread. */
export class ThreadServices implements Services {
  readonly stats = new StatsStore();
  readonly operatorLog: OperatorLog;
  private readonly files: LogFiles;

  constructor(log: OperatorLog) {
    this.operatorLog = log;
    const counters = { filesystem: filesystemStats(this.stats), tulle: tulleStats(this.stats) };
    this.files = new LogFiles(counters, (message) => log.log("error", "main", message));
  }

  log(level: LogLevel, component: string, message: string): void {
    this.operatorLog.log(level, component, message);
  }

  logs(level: LogLevel, component: string): boolean {
    return this.operatorLog.enabled(level, component);
  }

  openLog(path: string): LogSink {
    return this.files.open(path);
  }

  /** Opens the access-log files anew, after somebody has moved them away. */
  reopenLogs(): void {
    this.files.reopen();
  }

  /** Writes out what is buffered, before the thread ends. */
  close(): void {
    this.files.close();
  }
}
