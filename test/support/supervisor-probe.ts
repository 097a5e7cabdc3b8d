/**
 * Run on each runtime by workers.test.ts: a supervisor with worker threads and the stub engine, led through a
 * story whose observations are printed as JSON. It is its own worker entry, as `main.ts` is.
 */
import { connect } from "node:net";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import type { Listener, Snapshot } from "../../core/config/model.ts";
import type { Runtime } from "../../runtime-adapters/runtime.ts";
import { LocalWorker } from "../../runtime-adapters/sidecar/local-worker.ts";
import { Supervisor } from "../../runtime-adapters/sidecar/supervisor.ts";
import { operatorLog, ThreadServices } from "../../runtime-adapters/sidecar/thread-services.ts";
import { NO_OTHERS } from "../../runtime-adapters/sidecar/worker-control.ts";
import { RemoteWorker, serveWorker, type ThreadStart } from "../../runtime-adapters/sidecar/worker-port.ts";
import { makeStubEngine } from "./stub-engine.ts";

const name = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node";
const { runtime } = (await import(`../../runtime-adapters/${name}/runtime.ts`)) as { runtime: Runtime };

function listener(listenerName: string, port: number, version = "1"): Listener {
  return {
    name: listenerName,
    version,
    addresses: [{ ip: "127.0.0.1", port, path: "" }],
    bindToPort: true,
    backlog: 128,
    trafficDirection: "UNSPECIFIED",
  } as unknown as Listener;
}

const snapshot = (...listeners: Listener[]) => ({ listeners, clusters: [] }) as unknown as Snapshot;

/** What the proxy says first on a new connection. */
function greet(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", reject);
    socket.on("data", (data) => {
      socket.end();
      resolve(String(data).trim());
    });
  });
}

async function waitFor(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 25));
}

async function story(): Promise<void> {
  const threads = 2;
  const { tlsMemory } = new ThreadServices(operatorLog("off", new Map()));
  const common = { tulle: "worker", concurrency: threads, logLevel: "off", tlsMemory } as const;
  const supervisor = new Supervisor(
    (workerIndex, onGone) =>
      new RemoteWorker(
        import.meta.url,
        { ...common, workerIndex, componentLogLevel: new Map() },
        onGone,
        NO_OTHERS,
      ),
    () => {},
  );
  supervisor.start(threads);
  const bound = await supervisor.apply(snapshot(listener("a", 0)));
  const port = supervisor.listening[0].actual.port;
  const greetings = new Set<string>();
  for (let i = 0; i < 60; i++) greetings.add(await greet(port));

  await supervisor.apply(snapshot(listener("a", 0, "2")));
  const updated = await greet(port);
  const samePort = supervisor.listening[0].actual.port === port;
  const reports = await supervisor.reports();
  const accepted = reports.map(
    (report) => report.stats.scopes.find(({ prefix }) => prefix === "stub.")?.singles[0].value,
  );

  await supervisor.apply(snapshot(listener("a", 0, "2"), listener("crash", 0)));
  await waitFor(() => supervisor.restarts >= 2);
  await supervisor.apply(snapshot(listener("a", 0, "3")));
  let afterCrash = "";
  for (let i = 0; i < 40 && afterCrash === ""; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    afterCrash = await greet(port).catch(() => "");
  }
  const restarts = supervisor.restarts;

  const idle = connect(port, "127.0.0.1");
  await new Promise((resolve) => idle.once("data", resolve));
  const open = await supervisor.connections();
  const closed = new Promise((resolve) => idle.once("close", resolve));
  await supervisor.stopListening("all");
  await supervisor.drain();
  await closed;
  const refused = await greet(port).then(
    () => "accepted",
    () => "refused",
  );
  await supervisor.close();
  process.stdout.write(
    `${JSON.stringify({ bound, greetings: [...greetings].sort(), updated, samePort, accepted, afterCrash, restarts, open, refused })}\n`,
  );
  process.exit(0);
}

const start = workerData as ThreadStart | null;
if (!isMainThread && start?.tulle === "worker") {
  if (parentPort === null) throw new Error("a worker has a port");
  const services = new ThreadServices(operatorLog(start.logLevel, start.componentLogLevel), start.tlsMemory);
  serveWorker(
    parentPort,
    new LocalWorker(runtime, makeStubEngine, services, start.workerIndex, start.concurrency, NO_OTHERS),
  );
} else {
  await story();
}
