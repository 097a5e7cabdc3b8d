/**
 * A worker on the other side of a thread boundary. `RemoteWorker` (supervisor's side) turns each call into a
 * message and its answer into a promise; `serveWorker` (worker's side) does the reverse. Works on node:worker_threads,
 * which Bun, Node and Deno all have.
 */
import { type MessagePort, Worker } from "node:worker_threads";
import type { HealthNote } from "../../core/cluster/health-note.ts";
import type { Snapshot } from "../../core/config/model.ts";
import type { WasmSupply } from "../../filters/wasm/wasm-host.ts";
import type { LogThreshold } from "./operator-log.ts";
import type { TlsMemory } from "./thread-services.ts";
import type {
  ApplyResult,
  Bound,
  OtherWorkers,
  StopScope,
  WorkerControl,
  WorkerReport,
} from "./worker-control.ts";

/** What a worker thread is started with. */
export interface ThreadStart {
  /** Tells a worker of ours from any other thread that runs the entry file. */
  readonly tulle: "worker";
  readonly workerIndex: number;
  readonly concurrency: number;
  readonly logLevel: LogThreshold;
  readonly componentLogLevel: ReadonlyMap<string, LogThreshold>;
  readonly tlsMemory: TlsMemory;
}

interface Call {
  readonly id: number;
  readonly method: keyof WorkerControl;
  readonly args: readonly unknown[];
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  /** Set if the call threw. */
  readonly error?: string;
}

/** Not an answer: for another worker. */
interface Note {
  readonly thread: number;
  readonly queue: number;
}

/** Not an answer: for all other workers. */
interface Health {
  readonly health: readonly HealthNote[];
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** What a worker in a thread of its own has of the others. */
export function othersThrough(port: MessagePort): OtherWorkers {
  return {
    postNote: (thread, queue) => port.postMessage({ thread, queue } satisfies Note),
    tellHealth: (health) => port.postMessage({ health } satisfies Health),
  };
}

/** Answers the calls that arrive at `port` with `worker`. */
export function serveWorker(port: MessagePort, worker: WorkerControl): void {
  port.on("message", (call: Call) => {
    const method = worker[call.method] as (...args: readonly unknown[]) => Promise<unknown>;
    method.apply(worker, call.args as unknown[]).then(
      (result) => port.postMessage({ id: call.id, result } satisfies Answer),
      (error) => port.postMessage({ id: call.id, error: String(error?.stack ?? error) } satisfies Answer),
    );
  });
}

/** A worker in a thread of its own, as its supervisor sees it. */
export class RemoteWorker implements WorkerControl {
  private readonly thread: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;
  private gone = "";

  /**
   * @param onGone called once if the thread ends without having been closed; says why.
   * @param others told what is for them.
   */
  constructor(entry: string, start: ThreadStart, onGone: (reason: string) => void, others: OtherWorkers) {
    this.thread = new Worker(new URL(entry), { workerData: start });
    this.thread.on("message", (message: Answer | Note | Health) => {
      if ("queue" in message) others.postNote(message.thread, message.queue);
      else if ("health" in message) others.tellHealth?.(message.health);
      else this.settle(message);
    });
    this.thread.on("error", (error: Error) => this.end(error.stack ?? String(error), onGone));
    this.thread.on("exit", (code) => this.end(`thread ended with code ${code}`, onGone));
  }

  async setWasm(supply: WasmSupply): Promise<void> {
    await this.call("setWasm", supply);
  }

  async queueReady(queue: number): Promise<void> {
    await this.call("queueReady", queue);
  }

  async hearHealth(notes: readonly HealthNote[]): Promise<void> {
    await this.call("hearHealth", notes);
  }

  apply(snapshot: Snapshot, known: readonly Bound[]): Promise<ApplyResult> {
    return this.call("apply", snapshot, known) as Promise<ApplyResult>;
  }

  report(): Promise<WorkerReport> {
    return this.call("report") as Promise<WorkerReport>;
  }

  connections(): Promise<number> {
    return this.call("connections") as Promise<number>;
  }

  async stopListening(scope: StopScope): Promise<void> {
    await this.call("stopListening", scope);
  }

  async drain(): Promise<void> {
    await this.call("drain");
  }

  async resetCounters(): Promise<void> {
    await this.call("resetCounters");
  }

  async reopenLogs(): Promise<void> {
    await this.call("reopenLogs");
  }

  async closeAfterAnswer(on: boolean): Promise<void> {
    await this.call("closeAfterAnswer", on);
  }

  async setLogLevel(component: string, level: LogThreshold): Promise<void> {
    await this.call("setLogLevel", component, level);
  }

  async close(): Promise<void> {
    if (this.gone !== "") return;
    await this.call("close");
    this.gone = "closed";
    await this.thread.terminate();
  }

  private call(method: keyof WorkerControl, ...args: readonly unknown[]): Promise<unknown> {
    if (this.gone !== "") return Promise.reject(new Error(`the worker is gone: ${this.gone}`));
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.thread.postMessage({ id, method, args } satisfies Call);
    });
  }

  private settle({ id, result, error }: Answer): void {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error));
  }

  private end(reason: string, onGone: (reason: string) => void): void {
    if (this.gone !== "") return;
    this.gone = reason;
    for (const waiting of this.waiting.values()) waiting.reject(new Error(`the worker is gone: ${reason}`));
    this.waiting.clear();
    onGone(reason);
  }
}
