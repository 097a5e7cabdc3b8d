/**
 * What an entry file does: parse the command line, run the command; or, in a worker thread, be a worker.
 *
 * Law: a command is loaded when it is run. A worker thread has a heap of its own and gets finished snapshots, so it
 * must not load what reads configuration.
 */
import { isMainThread, type MessagePort, parentPort, workerData } from "node:worker_threads";
import { type Options, parseCommandLine } from "./command-line.ts";
import type { Entry } from "./entry.ts";
import { LocalWorker } from "./local-worker.ts";
import type { CompileStart } from "./modules/compile-apart.ts";
import type { TryStart } from "./modules/try-apart.ts";
import { QuietWatch } from "./quiet-watch.ts";
import { operatorLog, ThreadServices } from "./thread-services.ts";
import { othersThrough, serveWorker, type ThreadStart } from "./worker-port.ts";

/** Runs what the command line (or the parent thread) asks for. */
export async function runCommand(entry: Entry): Promise<void> {
  const start = workerData as ThreadStart | CompileStart | TryStart | null;
  if (!isMainThread && parentPort !== null && start !== null) {
    if (start.tulle === "worker") {
      runWorker(entry, start, parentPort);
      return;
    }
    if (start.tulle === "compile") {
      const { compileModule } = await import("./modules/compile-module.ts");
      parentPort.postMessage(await compileModule(start.bytes, start.limits));
      return;
    }
    if (start.tulle === "try") {
      const { tryHere } = await import("./modules/try-here.ts");
      parentPort.postMessage(tryHere(start.node, start.config, start.module, start.limits));
      return;
    }
  }
  const args = process.argv.slice(2);
  if (args[0] === "filter") {
    await (await import("../filter-tool/filter-command.ts")).runFilterCommand(entry, args.slice(1));
    return;
  }
  const parsed = parseCommandLine(args);
  switch (parsed.kind) {
    case "help":
      process.stdout.write(parsed.text);
      return;
    case "error":
      process.stderr.write(`tulle: ${parsed.message}\n`);
      process.exitCode = 1;
      return;
    case "options":
      if (parsed.options.command === "validate") await runValidate(entry, parsed.options);
      else await (await import("./run-sidecar.ts")).runSidecar(entry, parsed.options);
  }
}

async function runValidate(entry: Entry, options: Options): Promise<void> {
  const { survey, validatePlugins } = await import("./validate.ts");
  const found = survey(options.configPath, entry.checks);
  const faults = [...found.faults, ...(await validatePlugins(found, entry.url))];
  if (faults.length === 0) {
    process.stdout.write("OK\n");
    return;
  }
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  process.stderr.write(`${faults.length} fault${faults.length === 1 ? "" : "s"}\n`);
  process.exitCode = 1;
}

function runWorker(entry: Entry, start: ThreadStart, port: MessagePort): void {
  const services = new ThreadServices(operatorLog(start.logLevel, start.componentLogLevel), start.tlsMemory);
  const worker = new LocalWorker(
    entry.runtime,
    entry.makeEngine,
    services,
    start.workerIndex,
    start.concurrency,
    othersThrough(port),
  );
  serveWorker(port, worker);
  QuietWatch.start(() => entry.runtime.trim(worker.openConnections));
}
