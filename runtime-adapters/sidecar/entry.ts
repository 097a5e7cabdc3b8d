/** What the entry file of a runtime (`bun/main.ts`, …) brings to the process. */
import type { Checks } from "../../core/xds/checks.ts";
import type { ServeFetch } from "../fetch-server.ts";
import type { Runtime } from "../runtime.ts";
import type { MakeEngine } from "./worker-control.ts";

export interface Entry {
  readonly runtime: Runtime;
  /** Loads the runtime's HTTP server for the admin app, if it is needed. */
  readonly loadServeFetch: () => Promise<ServeFetch>;
  readonly makeEngine: MakeEngine;
  readonly checks: Checks;
  /** URL of the entry file itself: worker threads start there too. */
  readonly url: string;
  /** Version of Tulle. */
  readonly version: string;
}
