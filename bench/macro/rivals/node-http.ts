/**
 * What most people would write in Node in an hour: `node:http` in front, undici's `Pool.stream` behind, with a request
 * id and X-Forwarded-For. Runs on the Node of the repository's node_modules. The program is node-http-proxy.mjs.
 */
import { join } from "node:path";
import { type Command, type Contestant, type Presence, versionOf } from "../contestant.ts";
import type { Topology } from "../topology.ts";

export const nodeHttp: Contestant = {
  name: "node-http",
  ours: false,
  hasTables: false,
  likeEnvoy: false,
  compiled: false,
  tls: false,
  scenarios: null,
  find,
  prepare,
};

const node = join(import.meta.dir, "../../../node_modules/node/bin/node");

async function find(): Promise<Presence> {
  const version = await versionOf([node, "--version"], /v(\S+)/);
  if (version === null) return { here: false, remedy: "run npm ci (it brings Node and undici)" };
  return { here: true, version: `Node ${version} + undici` };
}

async function prepare(topology: Topology): Promise<Command> {
  const script = join(import.meta.dir, "node-http-proxy.mjs");
  return { argv: [node, script, String(topology.listen), String(topology.upstream)] };
}
