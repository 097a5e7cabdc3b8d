/**
 * What an entry file does: parse the command line, run the command; or, in a worker thread, be a worker. Signals
 * and uncaught exceptions of the process are handled here and nowhere else.
 *
 * Two signals within SAME_PRESS count as one: Ctrl-C in a terminal reaches this process directly and again
 * through npm, and `timeout` or systemd signal a parent and its whole group.
 */
import { constants } from "node:os";
import { isMainThread, type MessagePort, parentPort, workerData } from "node:worker_threads";
import { type Options, parseCommandLine } from "./command-line.ts";
import { readBootstrapFile } from "./config-file.ts";
import type { Entry } from "./entry.ts";
import { LocalWorker } from "./local-worker.ts";
import { Sidecar } from "./sidecar.ts";
import { StartFailure } from "./start-failure.ts";
import { operatorLog, ThreadServices } from "./thread-services.ts";
import { validate } from "./validate.ts";
import { serveWorker, type ThreadStart } from "./worker-port.ts";

/** ms */
const SAME_PRESS = 100;

/** Runs what the command line (or the parent thread) asks for. */
export async function runCommand(entry: Entry): Promise<void> {
  const start = workerData as ThreadStart | null;
  if (!isMainThread && parentPort !== null && start?.tulle === "worker") {
    runWorker(entry, start, parentPort);
    return;
  }
  const parsed = parseCommandLine(process.argv.slice(2));
  switch (parsed.kind) {
    case "help":
      process.stdout.write(parsed.text);
      return;
    case "error":
      process.stderr.write(`tulle: ${parsed.message}\n`);
      process.exitCode = 1;
      return;
    case "options":
      if (parsed.options.command === "validate") runValidate(entry, parsed.options);
      else await runSidecar(entry, parsed.options);
  }
}

function runValidate(entry: Entry, options: Options): void {
  const faults = validate(options.configPath, entry.checks);
  if (faults.length === 0) {
    process.stdout.write("OK\n");
    return;
  }
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  process.stderr.write(`${faults.length} fault${faults.length === 1 ? "" : "s"}\n`);
  process.exitCode = 1;
}

async function runSidecar(entry: Entry, options: Options): Promise<void> {
  const startedAt = Date.now();
  const log = operatorLog(options.logLevel, options.componentLogLevel);
  const { bootstrap, faults } = readBootstrapFile(options.configPath, entry.checks);
  if (bootstrap === null) {
    fail(faults);
    return;
  }
  const sidecar = new Sidecar(entry, options, bootstrap, log, startedAt);
  process.on("uncaughtException", (error) => sidecar.onException(error));
  process.on("unhandledRejection", (reason) => sidecar.onException(reason));
  handleSignals(sidecar);
  try {
    await sidecar.start();
  } catch (error) {
    fail(error instanceof StartFailure ? error.lines : [String((error as Error).stack ?? error)]);
  }
}

/** Complains and ends: nothing has been served yet. */
function fail(lines: readonly string[]): void {
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

function runWorker(entry: Entry, start: ThreadStart, port: MessagePort): void {
  const services = new ThreadServices(operatorLog(start.logLevel, start.componentLogLevel));
  const worker = new LocalWorker(
    entry.runtime,
    entry.makeEngine,
    services,
    start.workerIndex,
    start.concurrency,
  );
  serveWorker(port, worker);
}
