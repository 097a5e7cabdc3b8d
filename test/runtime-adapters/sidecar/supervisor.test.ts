/** Workers that crash while something is handed to them: who comes back is told everything, in order. */
import { expect, test } from "bun:test";
import type { Snapshot } from "../../../core/config/model.ts";
import type { WasmSupply } from "../../../filters/wasm/wasm-host.ts";
import { Supervisor } from "../../../runtime-adapters/sidecar/supervisor.ts";
import type { ApplyResult, WorkerControl } from "../../../runtime-adapters/sidecar/worker-control.ts";

const NOTHING: ApplyResult = { bound: [], failures: [] };
const snapshotOf = (version: string) => ({ version, listeners: [] }) as unknown as Snapshot;
const supplyOf = (version: string) => ({ version }) as unknown as WasmSupply;

/** A worker that writes down what it is told; `apply` may be made to wait, or to crash. */
class Told {
  readonly lines: string[];
  readonly crash: (reason: string) => void;
  apply: (version: string) => Promise<ApplyResult> = async () => NOTHING;

  constructor(lines: string[], crash: (reason: string) => void) {
    this.lines = lines;
    this.crash = crash;
  }

  get control(): WorkerControl {
    const nothing = async (): Promise<void> => undefined;
    return {
      setWasm: async (supply: WasmSupply) => {
        this.lines.push(`wasm ${(supply as unknown as { version: string }).version}`);
      },
      apply: (snapshot: Snapshot) => {
        const { version } = snapshot as unknown as { version: string };
        this.lines.push(`apply ${version}`);
        return this.apply(version);
      },
      close: nothing,
    } as unknown as WorkerControl;
  }
}

function supervised(count: number): {
  supervisor: Supervisor;
  workers: Told[];
  lines: string[][];
  log: string[];
} {
  const workers: Told[] = [];
  const lines: string[][] = [];
  const log: string[] = [];
  const supervisor = new Supervisor(
    (index, onGone) => {
      lines[index] ??= [];
      lines[index].push("start");
      const made = new Told(lines[index], onGone);
      workers[index] = made;
      return made.control;
    },
    (_level, message) => void log.push(message),
  );
  supervisor.start(count);
  return { supervisor, workers, lines, log };
}

test("a worker that comes back during an update gets its modules before the snapshot, and both once", async () => {
  const { supervisor, workers, lines } = supervised(2);
  await supervisor.setWasm(supplyOf("1"));
  await supervisor.apply(snapshotOf("1"));
  let go = (_result: ApplyResult): void => undefined;
  workers[0].apply = () => new Promise((resolve) => (go = resolve));
  const supplied = supervisor.setWasm(supplyOf("2"));
  const applied = supervisor.apply(snapshotOf("2"));
  const next = supervisor.apply(snapshotOf("3"));
  await supplied;
  workers[1].crash("test");
  await Bun.sleep(150); // its restart is due, while the first worker still applies
  workers[0].apply = async () => NOTHING;
  go(NOTHING);
  await Promise.all([applied, next]);
  await Bun.sleep(10);
  expect(lines[1]).toEqual(["start", "wasm 1", "apply 1", "wasm 2", "start", "wasm 2", "apply 3"]);
  await supervisor.close();
});

test("modules that everybody has are not handed out again", async () => {
  const { supervisor, workers, lines } = supervised(2);
  const supply = supplyOf("1");
  await supervisor.setWasm(supply);
  await supervisor.apply(snapshotOf("1"));
  await supervisor.setWasm(supply);
  await supervisor.apply(snapshotOf("2"));
  expect(lines[0]).toEqual(["start", "wasm 1", "apply 1", "apply 2"]);
  // Who comes back has nothing.
  workers[1].crash("test");
  await Bun.sleep(150);
  expect(lines[1]).toEqual(["start", "wasm 1", "apply 1", "apply 2", "start", "wasm 1", "apply 2"]);
  await supervisor.close();
});

test("the first worker crashes in the middle of an update: the others have it, and it gets it later", async () => {
  const { supervisor, workers, lines, log } = supervised(2);
  await supervisor.setWasm(supplyOf("1"));
  await supervisor.apply(snapshotOf("1"));
  workers[0].apply = async () => {
    workers[0].crash("test");
    throw new Error("the worker is gone: test");
  };
  expect(await supervisor.apply(snapshotOf("2"))).toEqual([]);
  expect(lines[1].at(-1)).toBe("apply 2");
  await Bun.sleep(150);
  expect(lines[0]).toEqual(["start", "wasm 1", "apply 1", "apply 2", "start", "wasm 1", "apply 2"]);
  expect(log).toEqual(["worker 0 crashed, starting it again in 100 ms: test"]);
  await supervisor.close();
});

test("an exception in a worker that lives is told to whoever asked", async () => {
  const { supervisor, workers } = supervised(1);
  workers[0].apply = async () => {
    throw new Error("a bug");
  };
  expect(supervisor.apply(snapshotOf("1"))).rejects.toThrow("a bug");
  await supervisor.close();
});
