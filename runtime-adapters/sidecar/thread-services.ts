/** What a worker's thread gives its driver, and what an operator may do to it while it runs. */
import type { LogLevel } from "../../core/io/platform.ts";
import type { Services } from "../runtime.ts";

export interface ThreadServices extends Services {
  /** Level of one logger, or of all if `component` is "". */
  setLogLevel(component: string, level: LogLevel | "off"): void;
  /** Opens the access-log files anew, after somebody has moved them away. */
  reopenLogs(): void;
  /** Writes out what is buffered, before the thread ends. */
  flush(): void;
}
