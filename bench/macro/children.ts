/**
 * Every process that the bench starts, and the promise that none outlives it: on success, error, Ctrl-C or SIGTERM.
 * Processes are pinned to a core and may open as many files as the machine allows. They are ended by process id only,
 * with all their descendants (an nginx master that is killed would leave its workers behind).
 */
import { openSync } from "node:fs";
import { descendantsOf } from "./accounting.ts";

export interface StartOptions {
  /** Core to pin to, or -1 for none. */
  readonly core: number;
  /** File that takes standard output and standard error. */
  readonly log: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export class Child {
  readonly pid: number;
  readonly log: string;
  readonly argv: readonly string[];
  readonly #process: Bun.Subprocess;

  constructor(argv: readonly string[], options: StartOptions) {
    this.argv = argv;
    this.log = options.log;
    const file = openSync(options.log, "a");
    this.#process = Bun.spawn(pinned(argv, options.core), {
      stdin: "ignore",
      stdout: file,
      stderr: file,
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    this.pid = this.#process.pid;
    alive.add(this);
  }

  get exited(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** Asks it to end (SIGTERM), and after 3 s makes it and its descendants. */
  async stop(): Promise<void> {
    const family = descendantsOf(this.pid);
    this.signal("SIGTERM");
    const patience = Date.now() + 3000;
    while (Date.now() < patience && !(this.exited && family.every((pid) => !isRunning(pid))))
      await Bun.sleep(20);
    for (const pid of family) if (isRunning(pid)) sendSignal(pid, "SIGKILL");
    await this.#process.exited;
    alive.delete(this);
  }

  signal(name: "SIGTERM" | "SIGKILL"): void {
    if (!this.exited) sendSignal(this.pid, name);
  }

  /** Ends it and its descendants at once, without waiting. */
  killNow(): void {
    if (this.exited) return;
    for (const pid of descendantsOf(this.pid).reverse()) sendSignal(pid, "SIGKILL");
  }
}

const alive = new Set<Child>();

/** `argv` on one core, with the largest limit of open files that we may set. */
export function pinned(argv: readonly string[], core: number): string[] {
  const raise = 'ulimit -n 65536 2>/dev/null || ulimit -n $(ulimit -Hn); exec "$@"';
  const pin = core < 0 ? [] : ["taskset", "-c", String(core)];
  return [...pin, "/bin/sh", "-c", raise, "sh", ...argv];
}

/**
 * Runs a load program on `core` to its end and returns what it printed. Throws with its last words if it fails or takes a
 * minute longer than `seconds`.
 */
export async function runToEnd(argv: readonly string[], core: number, seconds: number): Promise<string> {
  const load = Bun.spawn(pinned(argv, core), { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const kill = () => load.kill("SIGKILL");
  process.once("exit", kill);
  const limit = setTimeout(kill, (seconds + 60) * 1000);
  const [out, err, code] = await Promise.all([
    new Response(load.stdout).text(),
    new Response(load.stderr).text(),
    load.exited,
  ]);
  clearTimeout(limit);
  process.off("exit", kill);
  if (code !== 0) throw new Error(`${argv[0]} ended with ${code}: ${(err || out).trim().slice(-500)}`);
  return out;
}

/** Stops everything that is still running. */
export async function stopAll(): Promise<void> {
  await Promise.all([...alive].map((child) => child.stop()));
}

/** Makes sure that nothing survives us, however we end. To be called once. */
export function guardExit(): void {
  process.on("exit", () => {
    for (const child of alive) child.killNow();
  });
  let asked = false;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (asked) process.exit(130);
      asked = true;
      process.stderr.write("\nstopping…\n");
      void stopAll().finally(() => process.exit(130));
    });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function sendSignal(pid: number, name: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended by itself.
  }
}
