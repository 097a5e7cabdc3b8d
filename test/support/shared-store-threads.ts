/**
 * Run on each runtime by shared-store-threads.test.ts: real threads on one shared store, led through a story whose
 * observations are printed as JSON. It is its own worker entry.
 */
import { isMainThread, type MessagePort, parentPort, Worker, workerData } from "node:worker_threads";
import { CAS_MISMATCH, OK, SharedStore } from "../../filters/wasm/shared-store.ts";
import { QueueBell } from "../../filters/wasm/store/queue-bell.ts";

interface Start {
  readonly store: SharedArrayBuffer;
  readonly thread: number;
  readonly role: "count" | "churn" | "verify" | "receive" | "recurse";
  readonly rounds: number;
  /** Opens when its first number is not 0. */
  readonly gate: SharedArrayBuffer;
}

const encoder = new TextEncoder();
const VM = encoder.encode("vm");
const COUNTERS = ["a", "b", "c"].map((name) => encoder.encode(`counter ${name}`));

/** Adds 1 to each counter `rounds` times, by get and set with CAS as a filter would. */
function count(store: SharedStore, rounds: number): number {
  const namespace = store.open(VM);
  const bytes = new Uint8Array(64);
  const number = new DataView(bytes.buffer);
  let mismatches = 0;
  for (let i = 0; i < rounds; i++) {
    for (const key of COUNTERS) {
      bytes.set(key, 0);
      for (;;) {
        const found = store.get(namespace, bytes, 0, key.length) === OK;
        if (found) store.copyInto(bytes, 32);
        else number.setUint32(32, 0);
        number.setUint32(32, number.getUint32(32) + 1);
        const status = store.set(namespace, bytes, 0, key.length, 32, 4, found ? store.cas : 1);
        // Who created it in the meantime is only seen with a number: 1 was given to the namespace.
        if (status === OK) break;
        if (status !== CAS_MISMATCH) throw new Error(`set: ${status} ${store.refusal}`);
        mismatches++;
      }
    }
  }
  return mismatches;
}

/** Everything at once, until the thread is ended. */
function churn(store: SharedStore, thread: number, rounds: number): void {
  const namespace = store.open(VM);
  const bytes = new Uint8Array(4096).fill(thread);
  const number = new DataView(bytes.buffer);
  let random = thread + 1;
  const next = (below: number) => {
    random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff;
    return (random >> 8) % below;
  };
  for (let i = 0; i < rounds; i++) {
    number.setUint32(0, next(500));
    const status = store.set(namespace, bytes, 0, 4, 8, next(4) === 0 ? next(4000) : next(60), 0);
    // On Deno a thread runs on for a while after its end was reported.
    if (status !== OK && store.refusal === "detached") return;
    if (next(20) === 0) {
      number.setUint32(0, next(5));
      const own = store.open(bytes.subarray(0, 4));
      store.set(own, bytes, 0, 10, 10, 50, 0);
      const queue = store.queues.register(own, bytes, 0, 4);
      store.queues.enqueue(queue, bytes, 0, next(300));
      if (next(2) === 0) store.queues.dequeue(queue);
      if (next(2) === 0) store.release(own);
    }
  }
}

/** Writes values that are one byte repeated, and reads them while others do the same; how many were torn. */
function verify(store: SharedStore, thread: number, rounds: number): number {
  const namespace = store.open(VM);
  const bytes = new Uint8Array(1024);
  bytes.set(encoder.encode("verified"));
  let torn = 0;
  for (let i = 0; i < rounds; i++) {
    const length = 1 + ((i * 37) % 300);
    bytes.fill((i + thread) & 255, 16, 16 + length);
    store.set(namespace, bytes, 0, 8, 16, length, 0);
    if (store.get(namespace, bytes, 0, 8) !== OK) continue; // dropped by a repair
    store.copyInto(bytes, 16);
    for (let j = 1; j < store.length; j++) if (bytes[16 + j] !== bytes[16]) torn++;
  }
  return torn;
}

/** Overflows the stack inside of operations, as a guest does that recurses and then calls the host. */
function recurse(store: SharedStore, rounds: number): number {
  const namespace = store.open(VM);
  const bytes = new Uint8Array(1024);
  let thrown = 0;
  const act = (padding: number): void => {
    if (padding > 0) act(padding - 1);
    else {
      bytes[0] = thrown;
      store.set(namespace, bytes, 0, 9, 16, (thrown * 7) % 400, 0);
    }
  };
  const fall = (padding: number): void => {
    try {
      fall(padding);
    } catch {
      // Frame by frame there is more room on the way up, until the operation fits.
      try {
        act(padding);
      } catch (overflow) {
        thrown++;
        throw overflow;
      }
    }
  };
  for (let i = 0; i < rounds; i++) {
    try {
      fall(i % 5);
    } catch {}
    store.recover();
  }
  return thrown;
}

function receive(store: SharedStore, port: MessagePort, bell: QueueBell): void {
  const namespace = store.open(VM);
  const name = encoder.encode("jobs");
  const queue = store.queues.register(namespace, name, 0, name.length);
  const bytes = new Uint8Array(16);
  const got: number[] = [];
  let notes = 0;
  bell.listen(queue, () => {
    if (store.queues.dequeue(queue) !== OK) return;
    store.queues.copyInto(bytes, 0);
    got.push(new DataView(bytes.buffer).getUint32(0));
  });
  port.on("message", (message: { readonly queue: number } | "report") => {
    if (message === "report") port.postMessage({ got, notes });
    else {
      notes++;
      bell.receive(message.queue);
    }
  });
  port.postMessage({ queue });
}

function work({ store: buffer, thread, role, rounds, gate }: Start, port: MessagePort): void {
  const bell: QueueBell = new QueueBell(thread, {
    post: () => {},
    wake: () => setTimeout(() => bell.deliver(store.queues), 0),
  });
  const store = SharedStore.attach(buffer, thread, (to, queue) => bell.ring(to, queue));
  if (role === "receive") {
    receive(store, port, bell);
    return;
  }
  port.postMessage("ready");
  Atomics.wait(new Int32Array(gate), 0, 0);
  if (role === "count") port.postMessage({ result: count(store, rounds) });
  if (role === "verify") port.postMessage({ result: verify(store, thread, rounds) });
  if (role === "recurse") port.postMessage({ result: recurse(store, rounds) });
  if (role === "churn") churn(store, thread, rounds);
}

class Thread {
  readonly worker: Worker;
  readonly ready: Promise<unknown>;
  readonly ended: Promise<void>;
  private readonly inbox: unknown[] = [];
  private wanting: ((message: unknown) => void) | null = null;

  constructor(start: Start) {
    this.worker = new Worker(new URL(import.meta.url), { workerData: start });
    this.ended = new Promise((resolve) => this.worker.on("exit", () => resolve()));
    this.worker.on("error", (error) => {
      console.error(start.role, error);
      process.exit(1);
    });
    this.worker.on("message", (message) => {
      if (this.wanting === null) this.inbox.push(message);
      else this.wanting(message);
    });
    this.ready = this.next();
  }

  next(): Promise<unknown> {
    if (this.inbox.length > 0) return Promise.resolve(this.inbox.shift());
    return new Promise((resolve) => {
      this.wanting = (message) => {
        this.wanting = null;
        resolve(message);
      };
    });
  }

  async result(): Promise<number> {
    return ((await this.next()) as { result: number }).result;
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function story(): Promise<void> {
  const buffer = SharedStore.create({ threads: 6, seed: [7, 8], bytes: 4 << 20 });
  const store = SharedStore.attach(buffer, 5, (thread, queue) =>
    threads.get(thread)?.worker.postMessage({ queue }),
  );
  const threads = new Map<number, Thread>();
  const gate = new SharedArrayBuffer(4);
  const start = async (thread: number, role: Start["role"], rounds = 0) => {
    const started = new Thread({ store: buffer, thread, role, rounds, gate });
    threads.set(thread, started);
    return started;
  };
  const namespace = store.open(VM);

  // 1. Three threads count together.
  const rounds = 10_000;
  const counting = await Promise.all([0, 1, 2].map((thread) => start(thread, "count", rounds)));
  await Promise.all(counting.map(({ ready }) => ready));
  // All at once from here on.
  Atomics.store(new Int32Array(gate), 0, 1);
  Atomics.notify(new Int32Array(gate), 0);
  const mismatches = (await Promise.all(counting.map((each) => each.result()))).reduce((a, b) => a + b);
  const sums = COUNTERS.map((key) => {
    const value = new Uint8Array(4);
    store.get(namespace, key, 0, key.length);
    store.copyInto(value, 0);
    return new DataView(value.buffer).getUint32(0);
  });
  await Promise.all(counting.map((each) => each.worker.terminate()));
  for (const thread of [0, 1, 2]) store.threadEnded(thread);
  const afterCounting = store.check();

  // 2. Two threads verify each other's values while others are ended in the middle of operations.
  const verifying = await Promise.all([0, 1].map((thread) => start(thread, "verify", 100_000)));
  await Promise.all(verifying.map(({ ready }) => ready));
  const faults: string[] = [];
  const results = Promise.all(verifying.map((each) => each.result()));
  for (let i = 0; i < 8; i++) {
    const churning = await start(2, "churn", 20_000_000);
    await churning.ready;
    await pause(5 + (i % 7) * 3);
    void churning.worker.terminate();
    await churning.ended;
    if (!store.threadEnded(2)) faults.push("stuck");
    faults.push(...store.check());
  }
  const torn = (await results).reduce((a, b) => a + b);
  await Promise.all(verifying.map((each) => each.worker.terminate()));
  for (const thread of [0, 1]) store.threadEnded(thread);

  // 3. Operations that a stack overflow throws out.
  const recursing = await start(3, "recurse", 200);
  await recursing.ready;
  const thrown = await recursing.result();
  await recursing.worker.terminate();
  store.threadEnded(3);
  const afterRecursion = store.check();

  // 4. A queue whose receiver is another thread.
  const receiver = await start(4, "receive");
  const { queue } = (await receiver.ready) as { queue: number };
  const message = new Uint8Array(4);
  const sent = 1000;
  for (let i = 0; i < sent; i++) {
    new DataView(message.buffer).setUint32(0, i);
    store.queues.enqueue(queue, message, 0, 4);
    if (i % 100 === 0) await pause(1);
  }
  let got: number[] = [];
  let notes = 0;
  for (let i = 0; i < 100 && got.length < sent; i++) {
    await pause(20);
    receiver.worker.postMessage("report");
    ({ got, notes } = (await receiver.next()) as { got: number[]; notes: number });
  }
  await receiver.worker.terminate();
  store.threadEnded(4);

  console.log(
    JSON.stringify({
      sums,
      expected: rounds * 3,
      mismatches,
      afterCounting,
      torn,
      faults,
      thrown,
      afterRecursion,
      inOrder: got.length === sent && got.every((each, i) => each === i),
      notes,
      atTheEnd: store.check(),
      statistics: store.statistics(),
    }),
  );
  process.exit(0);
}

if (isMainThread) await story();
else work(workerData as Start, parentPort as MessagePort);
