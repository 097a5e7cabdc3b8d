/**
 * Starts real proxies for tests to compare with: Envoy (ENVOY_BIN or PATH), nginx, HAProxy. Each starter returns
 * null where the program is not installed.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { YamlMap } from "./bootstrap.ts";
import { findProgram, type Program, startProgram, temporaryFolder, untilListening } from "./child-process.ts";

export interface Rival {
  readonly name: string;
  readonly program: Program;
  stop(): Promise<void>;
}

function stopping(name: string, program: Program, remove: () => void): Rival {
  return {
    name,
    program,
    async stop() {
      await program.stop(500);
      remove();
    },
  };
}

export function envoyProgram(): string {
  return findProgram("envoy", "ENVOY_BIN");
}

/** Starts Envoy with one worker and access logs that are flushed at once; resolves when `port` accepts. */
export async function startEnvoy(bootstrap: YamlMap, port: number): Promise<Rival | null> {
  const path = envoyProgram();
  if (path === "") return null;
  const folder = temporaryFolder();
  const file = join(folder.path, "envoy.json");
  writeFileSync(file, JSON.stringify(bootstrap));
  const program = startProgram(path, [
    ...["-c", file, "--concurrency", "1", "--disable-hot-restart", "-l", "warning"],
    ...["--file-flush-interval-msec", "20"],
  ]);
  await untilListening(program, port);
  return stopping("envoy", program, folder.remove);
}

export async function startNginx(conf: (folder: string) => string, port: number): Promise<Rival | null> {
  const path = findProgram("nginx");
  if (path === "") return null;
  const folder = temporaryFolder();
  const file = join(folder.path, "nginx.conf");
  writeFileSync(file, conf(folder.path));
  const program = startProgram(path, ["-p", folder.path, "-e", "stderr", "-c", file]);
  await untilListening(program, port);
  return stopping("nginx", program, folder.remove);
}

export async function startHaproxy(cfg: string, port: number): Promise<Rival | null> {
  const path = findProgram("haproxy");
  if (path === "") return null;
  const folder = temporaryFolder();
  const file = join(folder.path, "haproxy.cfg");
  writeFileSync(file, cfg);
  const program = startProgram(path, ["-db", "-f", file]);
  await untilListening(program, port);
  return stopping("haproxy", program, folder.remove);
}
