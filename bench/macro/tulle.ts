/**
 * Tulle on one of its runtimes, started as an operator starts it: `tulle sidecar -c envoy.yaml --concurrency 1`. The
 * launcher runs on the Node of node_modules, which replaces itself by the runtime, so no parent stays behind.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Command,
  type Contestant,
  type PrepareOptions,
  type Presence,
  versionOf,
} from "./contestant.ts";
import { envoyBootstrap } from "./envoy-bootstrap.ts";
import type { Topology } from "./topology.ts";

const root = join(import.meta.dir, "../..");
const launcher = join(root, "bin/tulle.mjs");
const binaries = {
  bun: join(root, "node_modules/.bin/bun"),
  node: join(root, "node_modules/node/bin/node"),
  deno: join(root, "node_modules/.bin/deno"),
};

/** The Node of node_modules. */
export const node = binaries.node;

export type RuntimeName = keyof typeof binaries;
export const RUNTIMES = Object.keys(binaries) as RuntimeName[];

export function tulleOn(runtime: RuntimeName): Contestant {
  return {
    name: `tulle-${runtime}`,
    ours: true,
    hasTables: true,
    likeEnvoy: true,
    compiled: false,
    tls: true,
    scenarios: null,
    find: () => find(runtime),
    prepare: (topology, options) => prepare(runtime, topology, options),
  };
}

async function find(runtime: RuntimeName): Promise<Presence> {
  if (!existsSync(launcher)) return { here: false, remedy: "bin/tulle.mjs is not in this tree" };
  if (!existsSync(join(root, `runtime-adapters/${runtime}/main.ts`))) {
    return { here: false, remedy: `runtime-adapters/${runtime}/main.ts is not in this tree` };
  }
  const version = await versionOf([binaries[runtime], "--version"], /(\d+\.\d+\.\d+)/);
  if (version === null) return { here: false, remedy: `run npm ci (it brings ${runtime})` };
  const title = { bun: "Bun", node: "Node", deno: "Deno" }[runtime];
  return { here: true, version: `${title} ${version}` };
}

async function prepare(runtime: RuntimeName, topology: Topology, options: PrepareOptions): Promise<Command> {
  const file = join(topology.folder, "envoy.yaml");
  writeFileSync(file, envoyBootstrap(topology));
  const sidecar = ["sidecar", "-c", file, "--concurrency", "1"];
  const argv = [binaries.node, launcher, ...sidecar, "--runtime", runtime];
  if (!options.traceCollector) return { argv };
  if (runtime === "bun") return { argv, env: { BUN_JSC_logGC: "1" } };
  if (runtime === "deno") return { argv, env: { DENO_V8_FLAGS: "--trace-gc" } };
  // Node takes V8's own flags on the command line only, so its entry file is started without the launcher.
  return { argv: [binaries.node, "--trace-gc", join(root, "runtime-adapters/node/main.ts"), ...sidecar] };
}
