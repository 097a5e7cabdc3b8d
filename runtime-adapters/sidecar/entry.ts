/** What the entry file of a runtime (`bun/main.ts`, …) brings to the process. */
import type { Node } from "../../core/config/model.ts";
import type { Checks } from "../../core/xds/checks.ts";
import type { ServeFetch } from "../fetch-server.ts";
import type { Runtime } from "../runtime.ts";
import type { ModuleStoreHost } from "./modules/module-store.ts";
import type { MakeEngine } from "./worker-control.ts";

export interface Entry {
  readonly runtime: Runtime;
  /** Loads the runtime's HTTP server for the admin app, if it is needed. */
  readonly loadServeFetch: () => Promise<ServeFetch>;
  readonly makeEngine: MakeEngine;
  readonly checks: Checks;
  /** `node` is what the plugin would be told of the proxy that it is to serve in. */
  readonly tryPlugin: (
    ...of: [...Parameters<ModuleStoreHost["tryPlugin"]>, node: Node]
  ) => ReturnType<ModuleStoreHost["tryPlugin"]>;
  /** URL of the entry file itself: worker threads start there too. */
  readonly url: string;
  /** Version of Tulle. */
  readonly version: string;
}
