/**
 * Programs that tests start: found on PATH or by an environment variable, watched until a port answers, ended by
 * their process id. Nothing is ever killed by name.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { createServer, connect as tcpConnect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const FOLDERS: readonly string[] = [
  ...(process.env.PATH ?? "").split(delimiter),
  "/usr/sbin",
  "/usr/local/sbin",
];

/** Path of a program: `variable`'s value, else the first hit on PATH, else in the system's sbin folders, else "". */
export function findProgram(name: string, variable = "", folders = FOLDERS): string {
  const named = variable === "" ? undefined : process.env[variable];
  for (const path of named ? [named] : folders.map((folder) => join(folder, name))) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not here
    }
  }
  return "";
}

function bindable(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.on("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

const given = new Set<number>();

/**
 * So many different ports of 127.0.0.1 that nobody listens on now. They lie below the range from which kernels
 * take the ports of outgoing connections, so that nobody takes one before the program under test binds it.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = 11_000 + Math.floor(Math.random() * 21_000);
    if (given.has(port) || !(await bindable(port))) continue;
    given.add(port);
    ports.push(port);
  }
  return ports;
}

/** The first of so many ports in a row that nobody listens on now, of the same range. */
export async function freePortRange(count: number): Promise<number> {
  for (;;) {
    const [from] = await freePorts(1);
    const ports = Array.from({ length: count }, (_, index) => from + index);
    const free = await Promise.all(ports.map((port) => bindable(port)));
    if (from + count > 32_000 || free.includes(false)) continue;
    for (const port of ports) given.add(port);
    return from;
  }
}

/** A folder that is removed by `remove`. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "tulle-test-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export interface Program {
  readonly child: ChildProcess;
  readonly pid: number;
  /** What it printed so far, both streams. */
  output(): string;
  /** Its exit code, -1 if a signal ended it; null while it runs. */
  code(): number | null;
  exited: Promise<number>;
  /** Sends SIGTERM, after `patience` ms SIGKILL; resolves when it is gone. */
  stop(patience?: number): Promise<void>;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts a program; its output is kept, not printed. */
export function startProgram(
  path: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Program {
  const child = spawn(path, [...args], { stdio: ["ignore", "pipe", "pipe"], ...options });
  running.add(child);
  let text = "";
  let code: number | null = null;
  const keep = (chunk: Buffer) => {
    text += chunk.toString();
    if (text.length > 1 << 20) text = text.slice(-(1 << 19));
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  const exited = new Promise<number>((resolve) => {
    child.on("error", (error) => {
      text += `\n${error}`;
      code = 127;
      running.delete(child);
      resolve(127);
    });
    child.on("exit", (status) => {
      code = status ?? -1;
      running.delete(child);
      resolve(code);
    });
  });
  return {
    child,
    pid: child.pid ?? 0,
    output: () => text,
    code: () => code,
    exited,
    async stop(patience = 2000) {
      if (code !== null) return;
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), patience);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Waits until something accepts on the port; throws with the program's output if it dies or stays mute. */
export async function untilListening(program: Program, port: number, ms = 15_000): Promise<void> {
  const end = performance.now() + ms;
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = tcpConnect({ host: "127.0.0.1", port });
      socket.on("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.on("error", () => resolve(false));
    });
    if (open) return;
    if (program.code() !== null || performance.now() > end) {
      throw new Error(`not listening on ${port}, exit code ${program.code()}:\n${program.output()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
