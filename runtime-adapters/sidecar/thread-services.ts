/** What a thread with a worker in it has: the operator's log, access-log files, a store for statistics. */
import { writeSync } from "node:fs";
import type { LogLevel, LogSink } from "../../core/io/platform.ts";
import { filesystemStats, tulleStats } from "../../core/telemetry/server-stats.ts";
import { StatsStore } from "../../core/telemetry/stats.ts";
import { ISSUER_BYTES } from "../../core/tls/known-issuers.ts";
import type { Services } from "../runtime.ts";
import { TICKET_SECRET_LIFE, TicketSecrets } from "../ticket-secrets.ts";
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

/** What the threads of a process share for TLS: what the supervising one makes, and hands to its workers. */
export interface TlsMemory {
  /** Of `TicketSecrets`. */
  readonly tickets: SharedArrayBuffer;
  /** Of `KnownIssuers`. */
  readonly issuers: SharedArrayBuffer;
}

/** The services of one thread. */
export class ThreadServices implements Services {
  readonly stats = new StatsStore();
  readonly operatorLog: OperatorLog;
  readonly tickets: TicketSecrets;
  readonly issuerMemory: SharedArrayBuffer;
  /** What it hands on. */
  readonly tlsMemory: TlsMemory;
  private readonly files: LogFiles;

  /** `shared`: what the supervising thread has made; null = this is the one. */
  constructor(log: OperatorLog, shared: TlsMemory | null = null) {
    this.operatorLog = log;
    this.tickets = shared === null ? TicketSecrets.create() : new TicketSecrets(shared.tickets);
    this.issuerMemory = shared?.issuers ?? new SharedArrayBuffer(ISSUER_BYTES);
    this.tlsMemory = { tickets: this.tickets.memory, issuers: this.issuerMemory };
    if (shared === null) setInterval(() => this.tickets.rotate(), TICKET_SECRET_LIFE).unref();
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
