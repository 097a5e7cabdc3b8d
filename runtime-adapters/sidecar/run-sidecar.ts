/**
 * `tulle sidecar`: a proxy for as long as the process lives. Signals and uncaught exceptions of the process are
 * handled here and nowhere else.
 *
 * Two signals within SAME_PRESS count as one: Ctrl-C in a terminal reaches this process directly and again
 * through npm, and `timeout` or systemd signal a parent and its whole group.
 */
import { constants } from "node:os";
import type { Options } from "./command-line.ts";
import { readBootstrapFile } from "./config-file.ts";
import type { Entry } from "./entry.ts";
import { QuietWatch } from "./quiet-watch.ts";
import { Sidecar } from "./sidecar.ts";
import { StartFailure } from "./start-failure.ts";
import { operatorLog } from "./thread-services.ts";

/** ms */
const SAME_PRESS = 100;

/** Starts the proxy, and resolves when it serves; what cannot be started ends the process with a complaint. */
export async function runSidecar(entry: Entry, options: Options): Promise<Sidecar> {
  const startedAt = Date.now();
  const log = operatorLog(options.logLevel, options.componentLogLevel);
  const { bootstrap, faults } = readBootstrapFile(options.configPath, entry.checks);
  if (bootstrap === null) fail(faults);
  const sidecar = new Sidecar(entry, options, bootstrap, log, startedAt);
  process.on("uncaughtException", (error) => sidecar.onException(error));
  process.on("unhandledRejection", (reason) => sidecar.onException(reason));
  handleSignals(sidecar);
  try {
    await sidecar.start();
    QuietWatch.start(() => entry.runtime.trim(sidecar.ownConnections));
    return sidecar;
  } catch (error) {
    fail(error instanceof StartFailure ? error.lines : [String((error as Error).stack ?? error)]);
  }
}

/** Complains and ends: nothing has been served yet. */
function fail(lines: readonly string[]): never {
  for (const line of lines) process.stderr.write(`${line}\n`);
  process.exit(1);
}

function handleSignals(sidecar: Sidecar): void {
  let firstAt = 0;
  const onStop = (signal: "SIGTERM" | "SIGINT") => {
    const now = performance.now();
    if (firstAt === 0) {
      firstAt = now;
      void sidecar.shutdown(signal);
    } else if (now - firstAt > SAME_PRESS) {
      process.exit(128 + constants.signals[signal]);
    }
  };
  process.on("SIGTERM", () => onStop("SIGTERM"));
  process.on("SIGINT", () => onStop("SIGINT"));
  process.on("SIGUSR1", () => {
    sidecar.log("info", "main", "SIGUSR1: reopening access logs");
    void sidecar.reopenLogs();
  });
  // A terminal that goes away must not take the proxy with it.
  process.on("SIGHUP", () => sidecar.log("info", "main", "SIGHUP is ignored"));
}
