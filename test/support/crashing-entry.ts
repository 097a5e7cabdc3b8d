/** An entry file like main.ts, but whoever connects to the listener "crash" ends the worker that takes it. */
import { runCommand } from "../../runtime-adapters/sidecar/command.ts";
import { checks, makeEngine } from "../../runtime-adapters/sidecar/engine.ts";
import type { Entry } from "../../runtime-adapters/sidecar/entry.ts";
import { VERSION } from "../../runtime-adapters/sidecar/version.ts";

const name = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node";
const { runtime } = (await import(`../../runtime-adapters/${name}/runtime.ts`)) as Pick<Entry, "runtime">;

await runCommand({
  runtime,
  makeEngine: (...given) => {
    const engine = makeEngine(...given);
    const accept = engine.accept.bind(engine);
    engine.accept = (listener, socket) => {
      if (listener === "crash") setTimeout(() => process.exit(7), 10); // ends the worker's thread
      return accept(listener, socket);
    };
    return engine;
  },
  checks,
  loadServeFetch: async () =>
    (await import(`../../runtime-adapters/${name}/fetch-server.ts`)).serveFetch as Awaited<
      ReturnType<Entry["loadServeFetch"]>
    >,
  url: import.meta.url,
  version: VERSION,
});
