/** Entry file on Node: what bin/tulle.mjs starts, and what every worker thread starts with. */
import { runCommand } from "../sidecar/command.ts";
import { checks, makeEngine } from "../sidecar/engine.ts";
import { VERSION } from "../sidecar/version.ts";
import { runtime } from "./runtime.ts";

await runCommand({
  runtime,
  makeEngine,
  checks,
  loadServeFetch: async () => (await import("./fetch-server.ts")).serveFetch,
  url: import.meta.url,
  version: VERSION,
});
