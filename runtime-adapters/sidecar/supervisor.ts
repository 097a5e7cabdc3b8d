/**
 * All workers as one: broadcasts snapshots, gathers reports, restarts what crashed. With a concurrency of one
 * there is a single worker in this very thread and no message is passed.
 *
 * Laws: snapshots are applied one after the other, in order; a worker that is restarted gets the last one; a
 * listener on port 0 gets the same port in every worker.
 */
import type { Snapshot } from "../../core/config/model.ts";
import type { LogLevel } from "../../core/io/platform.ts";
import { formatAddress } from "../../core/io/socket.ts";
import type { WasmSupply } from "../../filters/wasm/wasm-host.ts";
import type { LogThreshold } from "./operator-log.ts";
import type {
  ApplyResult,
  BindFailure,
  Bound,
  OtherWorkers,
  StopScope,
  WorkerControl,
  WorkerReport,
} from "./worker-control.ts";

/** Starts worker `index`; `onGone` is told if it ends by itself. */
export type StartWorker = (index: number, onGone: (reason: string) => void) => WorkerControl;

/** First and longest wait before a crashed worker is started again, ms. */
const RESTART_BASE = 100;
const RESTART_MAX = 30_000;
/** A worker that lived this long starts over with the shortest wait, ms. */
const RESTART_FORGET = 60_000;

interface Place {
  /** Null while it is down. */
  worker: WorkerControl | null;
  startedAt: number;
  crashes: number;
  timer: ReturnType<typeof setTimeout> | null;
}

export class Supervisor {
  /** Workers that ended by themselves, so far. */
  restarts = 0;

  private readonly startWorker: StartWorker;
  private readonly log: (level: LogLevel, message: string) => void;
  private readonly places: Place[] = [];
  private snapshot: Snapshot | null = null;
  private supply: WasmSupply | null = null;
  private bound: readonly Bound[] = [];
  private stopped: StopScope | "none" = "none";
  private draining = false;
  private closing = false;
  private closed = false;
  /** The end of the queue of applications. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(startWorker: StartWorker, log: (level: LogLevel, message: string) => void) {
    this.startWorker = startWorker;
    this.log = log;
  }

  /** Listening sockets, with the real ports. */
  get listening(): readonly Bound[] {
    return this.bound;
  }

  start(concurrency: number): void {
    for (let index = 0; index < concurrency; index++) {
      const place: Place = { worker: null, startedAt: 0, crashes: 0, timer: null };
      this.places.push(place);
      this.launch(place, index);
    }
  }

  /** Hands WASM modules and their limits to every worker, those that are started later included; the same ones once. */
  setWasm(supply: WasmSupply): Promise<void> {
    return this.inTurn(async () => {
      if (supply === this.supply) return;
      this.supply = supply;
      await this.broadcast((worker) => worker.setWasm(supply));
    });
  }

  /** The workers but the one of that index, as far as they live. */
  othersOf(index: number): OtherWorkers {
    const unlessGone = () => undefined;
    return {
      postNote: (to, queue) => this.places[to]?.worker?.queueReady(queue).catch(unlessGone),
      tellHealth: (notes) => {
        for (const [at, { worker }] of this.places.entries())
          if (at !== index) worker?.hearHealth(notes).catch(unlessGone);
      },
    };
  }

  /** Puts `snapshot` in force in every worker. What could not be bound is reported once per address. */
  apply(snapshot: Snapshot): Promise<readonly BindFailure[]> {
    return this.inTurn(async () => {
      this.snapshot = snapshot;
      // The first worker goes ahead: it finds the ports for those that asked for any.
      const rest = this.alive();
      const first = await this.applyFirst(snapshot, rest);
      if (first === null) return [];
      this.bound = first.bound;
      const results = await this.settle(rest.map((worker) => worker.apply(snapshot, this.bound)));
      return distinct([first, ...results]);
    });
  }

  /** The first worker, who is taken from `workers`, or whoever comes next if it crashes; null if nobody is left. */
  private async applyFirst(snapshot: Snapshot, workers: WorkerControl[]): Promise<ApplyResult | null> {
    for (let first = workers.shift(); first !== undefined; first = workers.shift()) {
      try {
        return await first.apply(snapshot, this.bound);
      } catch (error) {
        if (this.alive().includes(first)) throw error;
      }
    }
    return null;
  }

  /** A report of every worker that answers. */
  reports(): Promise<WorkerReport[]> {
    return this.settle(this.alive().map((worker) => worker.report()));
  }

  /** Open downstream connections. */
  async connections(): Promise<number> {
    const counts = await this.settle(this.alive().map((worker) => worker.connections()));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async stopListening(scope: StopScope): Promise<void> {
    if (this.stopped !== "all") this.stopped = scope;
    await this.broadcast((worker) => worker.stopListening(scope));
    const inbound = new Set(
      this.snapshot?.listeners.filter((each) => each.trafficDirection === "INBOUND").map((each) => each.name),
    );
    this.bound = scope === "all" ? [] : this.bound.filter(({ listener }) => !inbound.has(listener));
  }

  async drain(): Promise<void> {
    this.draining = true;
    await this.broadcast((worker) => worker.drain());
  }

  async closeAfterAnswer(on: boolean): Promise<void> {
    this.closing = on;
    await this.broadcast((worker) => worker.closeAfterAnswer(on));
  }

  resetCounters(): Promise<void> {
    return this.broadcast((worker) => worker.resetCounters());
  }

  reopenLogs(): Promise<void> {
    return this.broadcast((worker) => worker.reopenLogs());
  }

  setLogLevel(component: string, level: LogThreshold): Promise<void> {
    return this.broadcast((worker) => worker.setLogLevel(component, level));
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const { timer } of this.places) if (timer !== null) clearTimeout(timer);
    await this.broadcast((worker) => worker.close());
  }

  private alive(): WorkerControl[] {
    return this.places.flatMap(({ worker }) => (worker === null ? [] : [worker]));
  }

  private async broadcast(command: (worker: WorkerControl) => Promise<void>): Promise<void> {
    await this.settle(this.alive().map(command));
  }

  /** The results that came; a worker that crashed meanwhile has none, and is reported by `onGone`. */
  private async settle<T>(promises: readonly Promise<T>[]): Promise<T[]> {
    const settled = await Promise.allSettled(promises);
    return settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  }

  private inTurn<T>(action: () => Promise<T>): Promise<T> {
    const done = this.turn.then(action);
    this.turn = done.catch(() => {});
    return done;
  }

  private launch(place: Place, index: number): void {
    place.timer = null;
    place.startedAt = Date.now();
    place.worker = this.startWorker(index, (reason) => this.onGone(place, index, reason));
  }

  private onGone(place: Place, index: number, reason: string): void {
    place.worker = null;
    if (this.closed) return;
    this.restarts++;
    if (Date.now() - place.startedAt > RESTART_FORGET) place.crashes = 0;
    const wait = Math.min(RESTART_MAX, RESTART_BASE * 2 ** place.crashes++);
    this.log("critical", `worker ${index} crashed, starting it again in ${wait} ms: ${reason}`);
    place.timer = setTimeout(() => this.relaunch(place, index), wait);
  }

  private relaunch(place: Place, index: number): void {
    // In turn: a snapshot that is being applied must not reach it before the modules that it needs.
    void this.inTurn(async () => {
      if (this.closed) return;
      this.launch(place, index);
      const { worker } = place;
      if (worker === null || this.snapshot === null) return;
      if (this.stopped !== "none") await worker.stopListening(this.stopped);
      if (this.supply !== null) await worker.setWasm(this.supply);
      const { failures } = await worker.apply(this.snapshot, this.bound);
      for (const { listener, address, code } of failures) {
        this.log(
          "error",
          `worker ${index}: listener ${listener} cannot bind ${formatAddress(address)}: ${code}`,
        );
      }
      if (this.closing) await worker.closeAfterAnswer(true);
      if (this.draining) await worker.drain();
    }).catch((error) => this.log("error", `worker ${index} did not come back: ${error}`));
  }
}

function distinct(results: readonly ApplyResult[]): BindFailure[] {
  const failures = new Map<string, BindFailure>();
  for (const { failures: each } of results) {
    for (const failure of each)
      failures.set(`${failure.listener} ${formatAddress(failure.address)}`, failure);
  }
  return [...failures.values()];
}
